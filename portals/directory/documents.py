"""What goes into a catalogue search and what comes out of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Location(NamedTuple):
    """A place of a listing. `state` is a two-letter code where it is a US state; any part may be empty."""

    city: str = ""
    state: str = ""
    postal_code: str = ""


@dataclass(frozen=True, slots=True)
class SearchDocument:
    """One name under which patients look for a source; a source may have thousands (practices behind one URL).

    `id` names the listing and `source_id` the source it leads to. `popularity` is 0..1: among equals the greater
    comes first.
    """

    id: int | str
    source_id: str
    name: str
    brand: str = ""
    aliases: tuple[str, ...] = ()
    type: str = ""
    portal_url: str = ""
    fhir_base_url: str = ""
    locations: tuple[Location, ...] = ()
    popularity: float = 0.0


class Reason(StrEnum):
    """Why a result is in the list, best first; pages turn it into a sentence."""

    PORTAL_ADDRESS = "portal_address"
    EMAIL_DOMAIN = "email_domain"
    EXACT_NAME = "exact_name"
    NAME_PREFIX = "name_prefix"
    ALIAS = "alias"
    BRAND = "brand"
    WORDS = "words"
    SIMILAR_SPELLING = "similar_spelling"
    SOME_WORDS = "some_words"
    PLACE = "place"
    RECOMMENDED = "recommended"


class Why(NamedTuple):
    """The reason and the text that matched: the alias, the brand, the words, the place, the host."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A result: the listing (`id`) and its source, the place that matched best, and why it is here."""

    id: int | str
    source_id: str
    name: str
    brand: str
    location: Location | None
    score: float
    why: Why


@dataclass(frozen=True, slots=True)
class Near:
    """Where the patient is, as far as they said: near ones come first."""

    state: str = ""
    postal_code: str = ""
    city: str = ""

    def __bool__(self) -> bool:
        return bool(self.state or self.postal_code or self.city)
