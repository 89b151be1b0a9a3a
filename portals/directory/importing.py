"""Bring a published list into the catalogue: compare, report, apply in batches. Doing it twice changes nothing more.

A directory owns its listings. A source belongs to the directory that brought it first; it is withdrawn, never deleted
(patients hold grants to it), when no directory lists it any more (brand-retired-portal).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from connect import ids
from connect.audit.actions import Actor, record
from portals.directory.diff import Diff, Snapshot, diff
from portals.directory.documents import Location
from portals.directory.entries import Item
from portals.directory.merging import Listed, ListedSource, joined
from portals.models import CatalogueVersion, Listing, Source

BATCH = 1000

_SOURCE_FIELDS = (
    "name", "published_url", "brand", "vendor", "category", "logo_url", "portal_url", "aliases", "locations",
    "directory", "updated_at",
)  # fmt: skip
_LISTING_KEY = ("source", "name", "city", "state", "postal_code", "directory")
_LISTING_FIELDS = ("brand", "aliases", "category", "npi", "logo_url", "portal_url")


@dataclass(frozen=True, slots=True)
class Catalogued:
    """Which list goes into which environment."""

    environment: str
    directory: str

    def source_id(self, url: str) -> str:
        return ids.source_id(self.environment, url)


def compare(*, environment: str, directory: str, items: Iterable[Item], prefer: bool = False) -> Diff:
    """What importing these items as `directory` would change. Changes nothing.

    `prefer`: what this list says of a source overrules the directory that brought it (a server's own brand bundle
    overrules its vendor's list: brand-wellknown-wins). Raises DirectoryUnreadable when the list is cut off.
    """
    target = Catalogued(environment, directory)
    return diff(_snapshot(target, prefer), joined(items))


def apply(*, environment: str, directory: str, changes: Diff, by: Actor, force: bool = False) -> None:
    """Make the changes, in transactions of a thousand rows, and let the search indexes know.

    Interrupted, it is simply run again: the next comparison holds what is left. Raises DropRefused, having changed
    nothing, when the list lost too much and `force` is not given.
    """
    if not force:
        changes.check()
    if changes.is_empty:
        return
    target = Catalogued(environment, directory)
    for work in _work(target, changes):
        with transaction.atomic():
            work()
            CatalogueVersion.move(environment)
    counts = {key: value for key, value in changes.counts().items() if key in ("sources", "listings", "merged", "drop")}
    record(action="directory.imported", by=by, environment=environment, object_type="directory",
           object_id=directory, forced=force, **counts)  # fmt: skip


def _work(target: Catalogued, changes: Diff) -> Iterator:
    """Sources before the listings that point to them, what goes after what comes."""
    for batch in _batches(changes.sources_added):
        yield lambda batch=batch: _save_sources(target, batch, (*_SOURCE_FIELDS, "withdrawn_at"))
    for batch in _batches([change.source for change in changes.sources_changed]):
        yield lambda batch=batch: _save_sources(target, batch, _SOURCE_FIELDS)
    for batch in _batches([*changes.listings_added, *changes.listings_changed]):
        yield lambda batch=batch: _save_listings(target, batch)
    for batch in _batches(changes.listings_withdrawn):
        yield lambda batch=batch: _delete_listings(target, batch)
    for batch in _batches(changes.sources_withdrawn):
        yield lambda batch=batch: Source.objects.filter(pk__in=_ids(target, batch)).withdraw()
    for batch in _batches(changes.sources_handed_over):
        yield lambda batch=batch: _hand_over(target, batch)


def _save_sources(target: Catalogued, sources: Sequence[ListedSource], fields: Sequence[str]) -> None:
    """Insert or update, by id: the same base URL is always the same row, whoever brings it again."""
    now = timezone.now()
    rows = [
        Source(
            id=target.source_id(source.fhir_base_url),
            environment=target.environment,
            fhir_base_url=source.fhir_base_url,
            name=source.name,
            published_url=source.published_url,
            brand=source.brand or None,
            vendor=source.vendor or None,
            category=source.category,
            logo_url=source.logo_url or None,
            portal_url=source.portal_url or None,
            aliases=list(source.aliases),
            locations=[place._asdict() for place in source.locations],
            directory=target.directory,
            withdrawn_at=None,
            updated_at=now,
        )
        for source in sources
    ]
    rows.sort(key=lambda row: row.pk)  # two imports lock rows in the same order
    Source.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=fields)


def _save_listings(target: Catalogued, listings: Sequence[Listed]) -> None:
    rows = [
        Listing(
            source_id=target.source_id(listing.fhir_base_url),
            name=listing.name,
            city=listing.location.city,
            state=listing.location.state,
            postal_code=listing.location.postal_code,
            brand=listing.brand,
            aliases=list(listing.aliases),
            category=listing.category,
            npi=listing.npi,
            logo_url=listing.logo_url,
            portal_url=listing.portal_url,
            directory=target.directory,
        )
        for listing in listings
    ]
    Listing.objects.bulk_create(rows, update_conflicts=True, unique_fields=_LISTING_KEY, update_fields=_LISTING_FIELDS)


def _delete_listings(target: Catalogued, keys: Sequence[tuple]) -> None:
    """Listings are not the patient's: they go. Found by source first, so that the statement stays small."""
    gone = set(keys)
    own = Listing.objects.filter(directory=target.directory, source__in=_ids(target, {key[0] for key in keys}))
    rows = own.values_list("pk", "source__fhir_base_url", "name", "city", "state", "postal_code")
    pks = [pk for pk, url, name, *place in rows.iterator() if (url, name, Location(*place)) in gone]
    Listing.objects.filter(pk__in=pks).delete()


def _hand_over(target: Catalogued, urls: Sequence[str]) -> None:
    """Sources that this list dropped and another still holds belong to that one from now on."""
    others = Listing.objects.filter(source__in=_ids(target, urls)).exclude(directory=target.directory)
    heirs = dict(others.order_by("-pk").values_list("source", "directory"))
    for directory in set(heirs.values()):
        own = [source for source, heir in heirs.items() if heir == directory]
        Source.objects.filter(pk__in=own, directory=target.directory).update(directory=directory)


def _snapshot(target: Catalogued, prefer: bool) -> Snapshot:
    """What the catalogue holds of this directory, and which sources are others' to describe."""
    listed = Listing.objects.filter(source=OuterRef("pk"))
    own_listing, other_listing = (
        Exists(listed.filter(directory=target.directory)), Exists(listed.exclude(directory=target.directory))
    )  # fmt: skip
    every = Source.objects.filter(environment=target.environment)
    # A source that an operator withdrew keeps its listings, and is not brought back by the next import.
    own = every.filter(Q(withdrawn_at=None) | own_listing, directory=target.directory)
    elsewhere = own.filter(other_listing)
    if not prefer:
        elsewhere |= every.filter(withdrawn_at=None).exclude(directory=target.directory)
    return Snapshot(
        sources={row.fhir_base_url: _listed_source(row) for row in own.iterator(BATCH)},
        listings=_own_listings(target),
        listed_elsewhere=set(elsewhere.values_list("fhir_base_url", flat=True)),
    )


def _listed_source(row: Source) -> ListedSource:
    places = tuple(Location(p.get("city", ""), p.get("state", ""), p.get("postal_code", "")) for p in row.locations)
    return ListedSource(
        row.fhir_base_url, row.name, row.published_url, row.brand or "", row.vendor or "", row.category,
        row.logo_url or "", row.portal_url or "", tuple(row.aliases), places,
    )  # fmt: skip


def _own_listings(target: Catalogued) -> dict[tuple, Listed]:
    columns = ("source__fhir_base_url", "name", "brand", "aliases", "category", "npi", "logo_url", "portal_url")
    rows = Listing.objects.filter(directory=target.directory, source__environment=target.environment)
    found: dict[tuple, Listed] = {}
    for url, name, brand, aliases, category, npi, logo, portal, *place in rows.values_list(
        *columns, "city", "state", "postal_code"
    ).iterator(BATCH):
        listing = Listed(url, name, Location(*place), brand, tuple(aliases), category, npi, logo, portal)
        found[listing.key] = listing
    return found


def _ids(target: Catalogued, urls: Iterable[str]) -> list[str]:
    return [target.source_id(url) for url in urls]


def _batches(everything: Sequence) -> Iterator[Sequence]:
    for start in range(0, len(everything), BATCH):
        yield everything[start : start + BATCH]
