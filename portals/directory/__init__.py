"""The catalogue: reading published endpoint lists, telling what changed, and finding a portal by what a patient types."""
