"""How fast Connect is, as ratios against a bare baseline in the same run: `make bench`."""
