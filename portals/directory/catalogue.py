"""The catalogue as the product asks it: an index a process for each environment, in step with the database.

The index finds and ranks; names, status and logos of what it found are read from their rows, so that a withdrawn source
is never offered, however old the index.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import log1p

from django.db.models import Count
from django.utils.translation import gettext as _

from portals.directory.documents import Hit, Location, Reason, SearchDocument
from portals.directory.grouping import documents_of
from portals.directory.keeper import IndexKeeper
from portals.directory.places import place_in
from portals.directory.search import CatalogueSearch
from portals.models import CatalogueVersion, Connection, Listing, Source

_ROWS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Choice:
    """A result as a page shows it: the name the patient looked for, and the source it leads to."""

    source: Source
    hit: Hit

    @property
    def source_id(self) -> str:
        return self.source.pk

    @property
    def name(self) -> str:
        return self.hit.name

    @property
    def brand(self) -> str:
        return self.hit.brand or self.source.brand or ""

    @property
    def logo_url(self) -> str:
        return self.source.logo_url or ""

    @property
    def place(self) -> str:
        """City and state, to tell two portals of one name apart; a ZIP code only where nothing else is known."""
        location = self.hit.location or Location()
        return ", ".join(filter(None, (location.city, location.state))) or location.postal_code

    @property
    def reason(self) -> str:
        """The slug of why it is here."""
        return self.hit.why.reason

    @property
    def why(self) -> str:
        """Why it is here, in the reader's language."""
        text = self.hit.why.text
        return {
            Reason.PORTAL_ADDRESS: _("Found by its web address"),
            Reason.EMAIL_DOMAIN: _("Found by its e-mail address"),
            Reason.EXACT_NAME: _("Same name"),
            Reason.NAME_PREFIX: _("Begins with what you typed"),
            Reason.WORDS: _("Has the words you typed"),
            Reason.ALIAS: _("Also called %(name)s") % {"name": text},
            Reason.BRAND: _("Part of %(name)s") % {"name": text},
            Reason.SIMILAR_SPELLING: _("Similar spelling"),
            Reason.SOME_WORDS: _("Has some of the words you typed"),
            Reason.PLACE: _("In %(place)s") % {"place": self.place or text},
            Reason.RECOMMENDED: _("Suggested for you"),
        }.get(self.hit.why.reason, "")


def search(
    environment: str,
    query: str,
    *,
    near: str = "",
    state: str = "",
    postal_code: str = "",
    type: str | None = None,
    recommended: Collection[str] = (),
    limit: int = 20,
    one_per_source: bool = False,
) -> list[Choice]:
    """What a patient may mean, best first; two queries beside the index.

    `near` is a place as they typed it (`"Phoenix, AZ"`, `"85054"`); `state` and `postal_code` are the same from an API
    client. `type` keeps one vendor's sources, `recommended` are source ids that come first where they are an answer.
    """
    city, near_state, near_postal_code = place_in(near)
    hits = index_of(environment).search(
        query,
        limit=limit,
        state=state or near_state,
        postal_code=postal_code or near_postal_code,
        city=city,
        type=type,
        recommended=recommended,
        one_per_source=one_per_source,
    )
    sources = Source.objects.offered(environment).in_bulk({hit.source_id for hit in hits})
    return [Choice(sources[hit.source_id], hit) for hit in hits if hit.source_id in sources]


def index_of(environment: str) -> CatalogueSearch:
    """This process's index of an environment, rebuilt when the catalogue's version has moved."""
    return _keeper.index(environment)


def forget_indexes() -> None:
    """Have the next search of each environment build its index anew."""
    _keeper.forget()


def _build(environment: str) -> CatalogueSearch:
    return CatalogueSearch(_documents(environment))


def _documents(environment: str) -> Iterator[SearchDocument]:
    """Every listing of every source on offer, and the sources that have none under their own name."""
    popularity = _popularity(environment)
    yield from documents_of(_listings(environment, popularity))
    for source in Source.objects.offered(environment).filter(listings=None).iterator(_ROWS_AT_ONCE):
        yield SearchDocument(
            source.pk,
            source.pk,
            source.name,
            source.brand or "",
            tuple(source.aliases),
            source.vendor or "",
            source.portal_url or "",
            source.fhir_base_url,
            tuple(_location(place) for place in source.locations),
            popularity.get(source.pk, 0.0),
        )


def _listings(environment: str, popularity: dict[str, float]) -> Iterator[SearchDocument]:
    columns = (
        "pk", "source_id", "name", "brand", "aliases", "source__vendor", "portal_url", "source__fhir_base_url",
        "city", "state", "postal_code",
    )  # fmt: skip
    offered = Listing.objects.filter(source__environment=environment, source__withdrawn_at=None)
    rows = offered.order_by("source_id", "name", "pk").values_list(*columns)
    for pk, source_id, name, brand, aliases, vendor, portal_url, url, *place in rows.iterator(_ROWS_AT_ONCE):
        places = (Location(*place),) if any(place) else ()
        yield SearchDocument(
            pk, source_id, name, brand, tuple(aliases), vendor or "", portal_url, url, places,
            popularity.get(source_id, 0.0),
        )  # fmt: skip


def _popularity(environment: str) -> dict[str, float]:
    """0..1 by how many connections a source has: one order of magnitude counts as one step."""
    counted = Connection.objects.filter(environment=environment, status=Connection.Status.ACTIVE)
    counts = dict(counted.values_list("source").annotate(n=Count("pk")).values_list("source", "n"))
    most = log1p(max(counts.values(), default=1))
    return {source_id: log1p(n) / most for source_id, n in counts.items()}


def _location(place: dict) -> Location:
    return Location(place.get("city") or "", place.get("state") or "", place.get("postal_code") or "")


_keeper = IndexKeeper(_build, CatalogueVersion.current)
