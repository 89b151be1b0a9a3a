"""Listings made documents for the search: the places of one name at one source become one document."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from portals.directory.documents import Location, SearchDocument
from portals.directory.merging import Catalogue


def documents_of(rows: Iterable[SearchDocument]) -> Iterator[SearchDocument]:
    """Documents of one source and name joined into one with all their locations. Rows must come sorted by both."""
    for _, same in groupby(rows, key=lambda row: (row.source_id, row.name)):
        first, *others = same
        yield _joined([first, *others]) if others else first


def documents_of_catalogue(catalogue: Catalogue) -> list[SearchDocument]:
    """A directory's documents before anything is stored: the base URL stands for the source's id."""
    vendors = {url: source.vendor for url, source in catalogue.sources.items()}
    listings = sorted(catalogue.listings.values(), key=lambda listing: (listing.fhir_base_url, listing.name))
    rows = (
        SearchDocument(
            number, listing.fhir_base_url, listing.name, listing.brand, listing.aliases, vendors[listing.fhir_base_url],
            listing.portal_url, listing.fhir_base_url, (listing.location,) if any(listing.location) else (),
        )
        for number, listing in enumerate(listings)
    )  # fmt: skip
    return list(documents_of(rows))


def _joined(rows: list[SearchDocument]) -> SearchDocument:
    first = rows[0]
    locations: dict[Location, None] = dict.fromkeys(place for row in rows for place in row.locations)
    return SearchDocument(
        first.id, first.source_id, first.name, next((row.brand for row in rows if row.brand), ""),
        tuple(dict.fromkeys(alias for row in rows for alias in row.aliases)), first.type,
        next((row.portal_url for row in rows if row.portal_url), ""), first.fhir_base_url, tuple(locations),
        max(row.popularity for row in rows),
    )  # fmt: skip
