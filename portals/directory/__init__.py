"""The catalogue: reading published endpoint lists, telling what changed, finding a portal by what a patient types."""
