"""The API's resources, named as in its paths."""
