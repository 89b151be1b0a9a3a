"""The conformance suite talks to one scripted portal."""

from tests.portals.scripted import confidential, key_pairs, local, portal, public  # noqa: F401
