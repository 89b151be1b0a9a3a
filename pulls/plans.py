"""A pull's plan: what is asked of this portal with this grant, in which order, and what is tried when it refuses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from portals.smart import scopes as smart_scopes
from pulls.capabilities import UNKNOWN, Capabilities
from pulls.compartment import ALONE, FIRST, GENERIC, LONG_TAIL, PAYER, US_CORE, VENDORS, WAYS, Vendor, Way

PAGE_SIZE = 100
PROVENANCE = "Provenance:target"
MEDICATION = {
    "MedicationRequest": "MedicationRequest:medication",
    "MedicationDispense": "MedicationDispense:medication",
}


@dataclass(frozen=True, slots=True)
class Search:
    """One query to send.

    params: what it asks besides the patient. optional: parameters that only help (`_count`, `_revinclude`,
    `_lastUpdated`): a portal that refuses the query is asked once more without them. required: asked for even though
    the portal may not list the type, so "not offered" is no surprise only where this is False. fallbacks: other ways to
    ask for the type, each a list of queries that answer together, best first. A Patient's search is a read.
    """

    type: str
    params: tuple[tuple[str, str], ...] = ()
    optional: tuple[tuple[str, str], ...] = ()
    priority: int = 0
    required: bool = True
    fallbacks: tuple[tuple[str, ...], ...] = ()

    @property
    def query(self) -> str:
        """All parameters but the patient, encoded."""
        return encoded([*self.params, *self.optional])

    @property
    def bare_query(self) -> str:
        """The same without the optional ones."""
        return encoded(self.params)

    @property
    def alternatives(self) -> list[list[str]]:
        """What to send instead when the portal refuses `query`, JSON-ready: ways of one or more whole queries each.

        The first is the same without its optional parameters, where there are any.
        """
        bare = [[self.bare_query]] if self.optional else []
        return bare + [[self._whole(query) for query in way] for way in self.fallbacks]

    def _whole(self, query: str) -> str:
        return encoded([*parse_qsl(query, keep_blank_values=True), *self.optional])

    @property
    def is_read(self) -> bool:
        return self.type == "Patient"


def plan(
    *, scopes: str | Iterable[str], capabilities: Capabilities = UNKNOWN, vendor: str | None = None,
    category: str = "", overrides: dict | None = None, changed_since: Mapping[str, str] | None = None,
    page_sizes: Mapping[str, int] | None = None,
) -> list[Search]:  # fmt: skip
    """What to ask, in order.

    scopes: as granted. vendor, category and overrides are the source's: `{"page_size": 50, "plan": {"skip": [types],
    "queries": {type: [queries]}}}`. changed_since: for types whose whole answer we have, the FHIR instant since when to
    ask for changes; it is used only where the portal is known to honour `_lastUpdated`. page_sizes: of types whose pages
    must be smaller than others.
    """
    granted = scopes if isinstance(scopes, str) else " ".join(scopes)
    overrides = overrides or {}
    rules = VENDORS.get(vendor or "") or VENDORS.get(category) or GENERIC
    own = overrides.get("plan") or {}
    page_size = overrides.get("page_size") or rules.page_size or PAGE_SIZE
    searches = []
    for priority, (type_, required) in enumerate(_types(granted, capabilities, rules, own)):
        ways = _ways(type_, granted, rules, own)
        size = min(page_size, (page_sizes or {}).get(type_, page_size))
        optional = _optional(type_, capabilities, rules, size, (changed_since or {}).get(type_))
        searches += _searches(type_, ways, optional, priority, required)
    return searches


def withheld(scopes: str | Iterable[str], *, category: str = "") -> list[str]:
    """The types we would always ask for that this grant does not cover: not asked, so nothing can be said of them."""
    granted = scopes if isinstance(scopes, str) else " ".join(scopes)
    wanted = dict.fromkeys((*US_CORE, *(PAYER if category == "payer" else ())))
    return [type_ for type_ in wanted if smart_scopes.search_filters(granted, type_) is None]


def search_url(base: str, type_: str, query: str, patient_id: str, *, typed: bool = False) -> str:
    """The URL of a search's first page. `typed`: `patient=Patient/<id>`, which a few servers need (reference 4.8)."""
    root = base.rstrip("/")
    if type_ == "Patient":
        return f"{root}/Patient/{quote(patient_id, safe='')}"
    patient = encoded([("patient", f"Patient/{patient_id}" if typed else patient_id)])
    return f"{root}/{type_}?{patient}" + (f"&{query}" if query else "")


def encoded(pairs: Iterable[tuple[str, str]]) -> str:
    """A query string that stays readable: commas, pipes and slashes have no meaning of their own in it."""
    return urlencode(list(pairs), safe=",|/:", quote_via=quote)


def _types(granted: str, capabilities: Capabilities, rules: Vendor, own: dict) -> list[tuple[str, bool]]:
    """(type, required) in the order of asking."""
    named = [type_ for type_ in smart_scopes.types_readable(granted) if type_ != "*"]
    required = dict.fromkeys((*US_CORE, *(PAYER if rules.is_payer else ())))
    if rules.is_payer:
        required = dict.fromkeys((*FIRST[:1], *PAYER, *required))
    listed = [type_ for type_ in LONG_TAIL if capabilities.searches_by(type_, "patient")]
    asked_for = [type_ for type_ in LONG_TAIL if type_ in named and not capabilities.is_known]
    order = dict.fromkeys((*required, *listed, *asked_for))
    skipped = set(own.get("skip") or ())
    return [
        (type_, type_ in required)
        for type_ in order
        if type_ not in skipped and smart_scopes.search_filters(granted, type_) is not None
    ]


def _ways(type_: str, granted: str, rules: Vendor, own: dict) -> tuple[Way, ...]:
    """How to ask for a type: the operator's word, then the grant's own limits, then the vendor's habits."""
    queries = (own.get("queries") or {}).get(type_)
    if queries:
        return (tuple(queries),)
    filters = smart_scopes.search_filters(granted, type_)
    if filters:  # granular scopes: what they do not name would be refused
        return (filters,)
    return rules.ways.get(type_) or WAYS.get(type_) or (ALONE,)


def _searches(type_: str, ways: tuple[Way, ...], optional, priority: int, required: bool) -> list[Search]:
    first, *others = ways
    fallbacks = tuple(others)
    if type_ == "Patient":
        return [Search(type_, (), (), priority, required)]
    return [
        Search(type_, tuple(parse_qsl(query, keep_blank_values=True)), optional, priority, required, fallbacks)
        for query in first
    ]


def _optional(
    type_: str, capabilities: Capabilities, rules: Vendor, page_size: int, since: str | None
) -> tuple[tuple[str, str], ...]:
    """Parameters that only help, where the portal offers them."""
    found = [("_count", str(page_size))]
    offer = capabilities.types.get(type_)
    if offer is None:
        return tuple(found)
    include = MEDICATION.get(type_)
    if include and offer.includes & {include, "*", include.partition(":")[0] + ":*"}:
        found.append(("_include", include))
    has_own_search = capabilities.searches_by("Provenance", "patient")
    if not has_own_search and type_ != "Provenance" and offer.revincludes & {PROVENANCE, "*"}:
        found.append(("_revinclude", PROVENANCE))
    if since and rules.filters_by_date and "_lastUpdated" in offer.parameters:
        found.append(("_lastUpdated", f"gt{since}"))
    return tuple(found)
