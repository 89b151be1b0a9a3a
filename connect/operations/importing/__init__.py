"""Moving in: an integrator's patients and connections from CSV files. Can be run again: what is there is left alone."""
