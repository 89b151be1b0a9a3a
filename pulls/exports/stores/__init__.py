"""Places that exports go to. `open_store(destination)` is the one door; what can go wrong is two exceptions."""

from pulls.exports.stores.errors import StoreRefused, StoreUnavailable
from pulls.exports.stores.fhir import FhirStore
from pulls.exports.stores.folder import FolderStore
from pulls.exports.stores.s3 import S3Store

KINDS = {"s3": S3Store, "fhir": FhirStore, "folder": FolderStore}


def open_store(kind: str, settings: dict, credentials: dict):
    """A store of this kind; nothing is called yet."""
    return KINDS[kind](settings, credentials)


__all__ = ["FhirStore", "FolderStore", "S3Store", "StoreRefused", "StoreUnavailable", "open_store"]
