"""What a published endpoint list holds, whatever its format: entries worth importing, and entries that are not."""

from dataclasses import dataclass
from enum import StrEnum

from portals.directory.documents import Location


class Category(StrEnum):
    """What kind of organisation answers (HL7 organization-type, in words a patient knows)."""

    PROVIDER = "provider"
    PAYER = "payer"
    LABORATORY = "laboratory"
    IMAGING = "imaging"
    PHARMACY = "pharmacy"
    NETWORK = "network"
    AGGREGATOR = "aggregator"


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One name at one FHIR base URL: what a patient could choose.

    A list may hold many entries of one base URL (practices sharing a portal) and many base URLs under one name.
    `fhir_base_url` is normalised, `published_url` as the list wrote it. `vendor` is a slug (`epic`, `cerner`, …).
    """

    name: str
    fhir_base_url: str
    published_url: str
    brand: str = ""
    aliases: tuple[str, ...] = ()
    vendor: str = ""
    category: str = Category.PROVIDER
    portal_url: str = ""
    logo_url: str = ""
    locations: tuple[Location, ...] = ()
    npi: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class BadEntry:
    """An entry that was left out: where it stands (`line 12`, `Organization/a`) and why, in a word for counting."""

    place: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Warning:
    """Something off in the list that did not stop an entry from being read."""

    place: str
    reason: str
    detail: str = ""


Item = DirectoryEntry | BadEntry | Warning


class DirectoryUnreadable(Exception):
    """The whole list is refused: not the format it should be, or cut off in the middle (brand-truncated-refused)."""
