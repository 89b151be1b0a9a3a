"""The version of this package, and the API version it speaks."""

__version__ = "0.1.0"
API_VERSION = "2026-04-25"
