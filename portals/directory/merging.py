"""Entries joined: one source for each base URL, one listing for each name and place under which it is found."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from portals.directory.documents import Location
from portals.directory.entries import BadEntry, DirectoryEntry, Item, Warning
from portals.directory.normalize import name_key

# A base URL that more unrelated names share is a vendor's one door for all its practices.
MOST_NAMES_OF_ONE_OWNER = 20
MOST_ALIASES = 20
MOST_LOCATIONS = 50

NOWHERE = Location()

_VENDOR_NAMES = {
    "athena": "athenahealth", "epic": "Epic MyChart", "cerner": "Oracle Health", "eclinicalworks": "eClinicalWorks",
    "meditech": "MEDITECH", "nextgen": "NextGen", "veradigm": "Veradigm", "netsmart": "Netsmart",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListedSource:
    """What a directory says of one base URL."""

    fhir_base_url: str
    name: str
    published_url: str = ""
    brand: str = ""
    vendor: str = ""
    category: str = ""
    logo_url: str = ""
    portal_url: str = ""
    aliases: tuple[str, ...] = ()
    locations: tuple[Location, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """One name at one place by which a source is found."""

    fhir_base_url: str
    name: str
    location: Location = NOWHERE
    brand: str = ""
    aliases: tuple[str, ...] = ()
    category: str = ""
    npi: str = ""
    logo_url: str = ""
    portal_url: str = ""

    @property
    def key(self) -> tuple[str, str, Location]:
        """What makes it this listing and no other."""
        return self.fhir_base_url, self.name, self.location


@dataclass(slots=True)
class Catalogue:
    """A whole directory, joined; `merged` counts entries that said again what another had said."""

    sources: dict[str, ListedSource] = field(default_factory=dict)
    listings: dict[tuple, Listed] = field(default_factory=dict)
    bad: list[BadEntry] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    entries: int = 0
    merged: int = 0


def joined(items: Iterable[Item]) -> Catalogue:
    """Everything a reader yields, joined. Lets the reader's DirectoryUnreadable through: half a list is no list."""
    catalogue = Catalogue()
    by_url: dict[str, dict[tuple, Listed]] = {}
    first: dict[str, DirectoryEntry] = {}
    for item in items:
        if isinstance(item, BadEntry):
            catalogue.bad.append(item)
        elif isinstance(item, Warning):
            catalogue.warnings.append(item)
        else:
            catalogue.entries += 1
            first.setdefault(item.fhir_base_url, item)
            catalogue.merged += _take(by_url.setdefault(item.fhir_base_url, {}), item)
    for url, listings in by_url.items():
        catalogue.sources[url] = _source(first[url], list(listings.values()))
        catalogue.listings.update((listing.key, listing) for listing in listings.values())
    return catalogue


def _take(listings: dict[tuple, Listed], entry: DirectoryEntry) -> int:
    """Add an entry's listings to those of its base URL; 1 when all of them were there already."""
    known = 0
    locations = entry.locations or (NOWHERE,)
    for location in locations:
        same = (entry.name.casefold(), location)
        listing = Listed(entry.fhir_base_url, entry.name, location, entry.brand, entry.aliases, str(entry.category),
                         entry.npi, entry.logo_url, entry.portal_url)  # fmt: skip
        known += same in listings
        listings[same] = _merged(listings[same], listing) if same in listings else listing
    return int(known == len(locations))


def _merged(one: Listed, other: Listed) -> Listed:
    """Two entries of one name and place as one, whatever order they came in."""
    return replace(
        one, name=min(one.name, other.name, key=lambda name: (name.isupper(), name)),
        brand=_either(one.brand, other.brand), npi=_either(one.npi, other.npi),
        aliases=tuple(sorted({*one.aliases, *other.aliases})), logo_url=_either(one.logo_url, other.logo_url),
        portal_url=_either(one.portal_url, other.portal_url),
    )  # fmt: skip


def _either(one: str, other: str) -> str:
    return min(filter(None, (one, other)), default="")


def _source(entry: DirectoryEntry, listings: list[Listed]) -> ListedSource:
    """What all listings of one base URL say of it; `entry` is the first of them."""
    url, vendor = entry.fhir_base_url, entry.vendor
    owners = _distinct([listing.brand or listing.name for listing in listings])
    brands = {listing.brand for listing in listings if listing.brand}
    shared = len(owners) > MOST_NAMES_OF_ONE_OWNER
    name = _VENDOR_NAMES.get(vendor, vendor or url.split("/")[2]) if shared else owners[0]
    told = [] if shared else [alias for listing in listings for alias in listing.aliases] + owners
    places = [listing.location for listing in listings if any(listing.location)]
    return ListedSource(
        fhir_base_url=url, name=name, published_url=entry.published_url,
        brand=brands.pop() if len(brands) == 1 else "", vendor=vendor,
        category=listings[0].category, logo_url="" if shared else _first(one.logo_url for one in listings),
        portal_url="" if shared else _first(one.portal_url for one in listings),
        aliases=tuple(dict.fromkeys(alias for alias in told if alias != name))[:MOST_ALIASES],
        locations=() if shared else tuple(dict.fromkeys(places))[:MOST_LOCATIONS],
    )  # fmt: skip


def _distinct(names: list[str]) -> list[str]:
    """Names that differ in more than spelling, in their order, each as it was first written."""
    return list({name_key(name): name for name in reversed(names)}.values())[::-1]


def _first(values: Iterable[str]) -> str:
    return next(filter(None, values), "")
