"""The portal side's rows: the catalogue, who we are at portals, and connections with their tokens."""

from portals.models.catalogue import CatalogueVersion, Directory, Listing, MissingPortal, Source, SourceQuerySet
from portals.models.connections import Advance, Circuit, Connection, Revocation
from portals.models.logos import Logo
from portals.models.registrations import Preflight, Registration, SigningKey
from portals.models.updates import DirectoryUpdate

__all__ = [
    "Advance",
    "CatalogueVersion",
    "Circuit",
    "Connection",
    "Directory",
    "DirectoryUpdate",
    "Listing",
    "Logo",
    "MissingPortal",
    "Preflight",
    "Registration",
    "Revocation",
    "SigningKey",
    "Source",
    "SourceQuerySet",
]
