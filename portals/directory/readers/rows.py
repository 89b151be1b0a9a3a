"""One row of a table, whatever it was read from, made an entry."""

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from portals.directory.addresses import AddressPolicy, AddressRefused, normalise_base_url
from portals.directory.documents import Location
from portals.directory.entries import BadEntry, Category, DirectoryEntry
from portals.directory.places import STATES, state_code, state_of_zip, zip5
from portals.directory.vendors import vendor_slug

MAX_NAME = 300
NO_NAME, NO_R4 = "no_name", "fhir_version"

# What columns may be called; the first that is present and filled counts.
NAME = ("name", "organization", "organizationname", "organization_name", "brand_name")
URL = ("fhir_base_url", "url", "fhir_url", "endpoint", "address", "base_url")
COLUMNS = {
    "brand": ("brand",), "aliases": ("aliases", "alias"), "vendor": ("vendor", "type", "developer"),
    "category": ("category", "kind"), "portal_url": ("portal_url",), "logo_url": ("logo_url",),
    "city": ("city",), "state": ("state",), "npi": ("npi", "npiid"),
    "postal_code": ("postal_code", "zip", "zip_code", "organizationzipcode"),
}  # fmt: skip

# athenahealth publishes `FL - Natoli, B`: the state is a place, not a part of the name.
_STATE_BEFORE_NAME = re.compile(r"^([A-Z]{2}) - +(?=\S)")
# MEDITECH publishes how it hosts: `Faith Community Hosp MaaS POD 007 05`, `… Expanse (Hosted by OpSus)`, `… - C/S`.
_HOSTING_AFTER_NAME = re.compile(
    r"(?:[\s,-]*(?:\(?\bhosted by [^)]*\)?|\bmaas pod[\s\do]*(?:gcp)?|\bexpanse\b(?: [a-z]{2,3}\b)?|"
    r"\bre?a?dy\b|\bl(?:ev)? \d|\b(?:small|medium|large)\b|\brl \d|\b6\.[01]\d?\b|\(c/?s\)|\bc/?s\b)\.?)+\s*$",
    re.IGNORECASE,
)  # fmt: skip
# Only R4 can be pulled. These paths say DSTU2: Epic's and Cerner's own, and MEDITECH's Argonaut.
_DSTU2_PATH = re.compile(r"/(?:dstu2|argonaut)(?:/|$)", re.IGNORECASE)
_CATEGORIES = {"payer": Category.PAYER, "ins": Category.PAYER, "lab": Category.LABORATORY} | {c: c for c in Category}


def entry_of(row: Mapping[str, object], *, place: str, policy: AddressPolicy) -> DirectoryEntry | BadEntry:
    """A row with columns of any of the known names (lower case) → an entry, or why it is none."""
    published = _first(row, URL)
    try:
        base_url = normalise_base_url(published, policy)
    except AddressRefused as refused:
        return BadEntry(place, refused.reason, published[:200])
    if is_dstu2(base_url):
        return BadEntry(place, NO_R4, published)
    name, state = _name_and_state(_first(row, NAME))
    if not any(c.isalnum() for c in name):
        return BadEntry(place, NO_NAME, published)
    cells = {column: _first(row, names) for column, names in COLUMNS.items()}
    vendor = vendor_slug(cells["vendor"], urlsplit(base_url).hostname or "")
    aliases = _several(row, COLUMNS["aliases"])
    if vendor == "meditech" and (shorter := _HOSTING_AFTER_NAME.sub("", name)) and shorter != name:
        name, aliases = shorter, (*aliases, name)
    return DirectoryEntry(
        name=name, fhir_base_url=base_url, published_url=published, brand=cells["brand"][:MAX_NAME],
        aliases=aliases, category=_CATEGORIES.get(cells["category"].lower(), Category.PROVIDER),
        vendor=vendor, portal_url=web_url(cells["portal_url"]),
        logo_url=web_url(cells["logo_url"]), npi=cells["npi"] if _is_npi(cells["npi"]) else "", place=place,
        locations=locations_of(cells["city"], cells["state"] or state, cells["postal_code"]),
    )  # fmt: skip


def read_rows(rows: Iterable[Mapping], *, policy: AddressPolicy, place: Callable[[int], str]):
    """Entries of rows, each named by `place(position)`."""
    for position, row in enumerate(rows):
        lowered = {str(column).strip().lower(): value for column, value in row.items() if column}
        yield entry_of(lowered, place=place(position), policy=policy)


def is_dstu2(base_url: str) -> bool:
    return bool(_DSTU2_PATH.search(base_url))


def tidy(text: object) -> str:
    """One line of text without runs of white space; nothing for null."""
    return " ".join(str(text).split()) if text not in (None, "null", "NULL") else ""


def web_url(text: object) -> str:
    """An https URL fit for a link or an image address, or nothing: no `data:`, no `javascript:` (brand-svg-logo)."""
    url = tidy(text)
    return url if url.lower().startswith("https://") and " " not in url and len(url) <= 500 else ""


def locations_of(city: str, state: str, postal_code: str) -> tuple[Location, ...]:
    """One location with what is known; a ZIP code tells its state."""
    code = zip5(postal_code)[:12]
    location = Location(city[:120], (state_code(state) or state_of_zip(code))[:40], code)
    return (location,) if any(location) else ()


def _name_and_state(name: str) -> tuple[str, str]:
    before = _STATE_BEFORE_NAME.match(name)
    if before and before[1] in STATES:
        return name[before.end() :][:MAX_NAME], before[1]
    return name[:MAX_NAME], ""


def _first(row: Mapping[str, object], names: Iterable[str]) -> str:
    return next((text for name in names if (text := tidy(row.get(name)))), "")


def _several(row: Mapping[str, object], names: Iterable[str]) -> tuple[str, ...]:
    """A list, or texts parted by `|` or `;`."""
    for name in names:
        value = row.get(name)
        if isinstance(value, list):
            return tuple(filter(None, (tidy(item)[:MAX_NAME] for item in value)))
        if tidy(value):
            return tuple(filter(None, (part.strip()[:MAX_NAME] for part in re.split(r"[|;]", tidy(value)))))
    return ()


def _is_npi(text: str) -> bool:
    return len(text) == 10 and text.isdigit()
