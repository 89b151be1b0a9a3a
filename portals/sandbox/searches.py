"""Searches as this server answers them: filtered by scope, cut into pages, and with the variant's faults."""

import json
from collections.abc import Iterable, Sequence

from portals.sandbox import bundles, faults
from portals.sandbox.access import Access
from portals.sandbox.addresses import Site
from portals.sandbox.discovery import INCLUDES, REVINCLUDE
from portals.sandbox.elements import SHARED_TYPES
from portals.sandbox.holdings import Resource
from portals.sandbox.outcomes import Refusal, outcome
from portals.sandbox.paging import Page, read_page
from portals.sandbox.scopes import WORDS
from portals.sandbox.search import Filter, Query, asked_patients, read_filters

NOT_SEARCHABLE = {"Binary"}
INCLUDED_TYPES = {value: value.partition(":")[2].capitalize() for values in INCLUDES.values() for value in values}


def search(site: Site, access: Access, type_: str, pairs: list[tuple[str, str]]) -> bytes:
    """A page of a type-level search, as a searchset. Raises Refusal."""
    if type_ in NOT_SEARCHABLE or (type_ not in access.held.types and type_ not in WORDS):
        raise Refusal(404, "not-supported", f"{type_} cannot be searched here.")
    allowed = access.need(type_, "s")
    page = read_page(pairs)
    filters, ignored = read_filters(page.pairs)
    _check_patient(site, access, page)
    _check_category(access, type_, filters)
    if type_ in access.variant.outcome_types:
        return json.dumps(outcome("warning", "processing", f"{type_} cannot be listed just now.")).encode()
    path = f"{site.fhir}/{type_}"
    faults.break_page(access.variant, access.grant, type_=type_, page=page.number, address=page.address(path))
    found = Query(tuple(filters), allowed.alternatives).select(access.of_type(type_))
    said = _outcomes(access, len(found), ignored)
    return _bundle(site, access, path, page, found, said)


def everything(site: Site, access: Access, patient: str, pairs: list[tuple[str, str]]) -> bytes:
    """`Patient/{id}/$everything` with `_type`, `_since` and `_count`. Raises Refusal."""
    access.need("Patient", "r")
    if patient != access.patient:
        raise Refusal(404, "not-found", f"Patient/{patient} is not here.")
    page = read_page(pairs)
    types = {name for value in page.get("_type") for name in value.split(",")}
    since = tuple(Filter("_lastUpdated", (f"ge{value}",)) for value in page.get("_since"))
    read_filters([(each.name, each.values[0]) for each in since])
    own_types = (type_ for type_ in access.held.types if type_ not in NOT_SEARCHABLE | SHARED_TYPES)
    mine = [each for type_ in own_types for each in access.of_type(type_)]
    found = [
        each
        for each in mine + access.held.referenced(mine)
        if (not types or each.type in types) and access.may_see(each, "r") and all(f.accepts(each) for f in since)
    ]
    unique = list({each.reference: each for each in found}.values())
    return _bundle(site, access, f"{site.fhir}/Patient/{patient}/$everything", page, unique, [])


def _bundle(site: Site, access: Access, path: str, page: Page, found: Sequence[Resource], said: list[dict]) -> bytes:
    """One page of what was found, with what goes along, and links to its neighbours."""
    base = site.fhir
    counted = page.count == 0 or page.get("_summary") == ["count"]
    matches = (
        [] if counted or page.number == access.variant.dropped_page else found[page.offset : page.offset + page.count]
    )
    entries = [bundles.entry(base, each, "match") for each in matches]
    entries += [bundles.entry(base, each, "include") for each in _included(access, page, matches)]
    entries += [bundles.outcome_entry(each) for each in said]
    links = [("self", bundles.self_link(path, page))]
    following = page.offset + page.count
    if not counted and following < len(found):
        loops = access.variant.pages_loop and page.number == 2
        links.append(("next", page.at(0 if loops else following).address(path)))
    return bundles.searchset(total=len(found), links=links, entries=entries)


def _included(access: Access, page: Page, matches: Iterable[Resource]) -> list[Resource]:
    """Resources that go along with a page: what `_include` and `_revinclude` name, each once, as scopes allow."""
    wanted = {INCLUDED_TYPES[value] for value in page.get("_include") if value in INCLUDED_TYPES}
    with_provenance = REVINCLUDE in page.get("_revinclude")
    if not wanted and not with_provenance:
        return []
    found: dict[str, Resource] = {}
    for match in matches:
        targets = [access.held.by_reference.get(reference) for reference in match.refers_to]
        found |= {each.reference: each for each in targets if each and each.type in wanted}
        if with_provenance:
            found |= {each.reference: each for each in access.held.provenance_of(match)}
    return [each for each in found.values() if access.may_see(each, "r")]


def _check_patient(site: Site, access: Access, page: Page) -> None:
    if asked_patients(page.pairs, site.fhir) - {access.patient}:
        raise Refusal(403, "forbidden", "This access is for another patient.")


def _check_category(access: Access, type_: str, filters: list[Filter]) -> None:
    named = {each.name for each in filters}
    if type_ in access.variant.needs_category and not named & {"category", "code", "_id"}:
        raise Refusal(400, "business-rule", "Must have either code or category.", detail="59108")


def _outcomes(access: Access, total: int, ignored: list[str]) -> list[dict]:
    """What an Epic-like portal adds to its searchsets."""
    if not access.variant.says_outcomes:
        return []
    said = [outcome("warning", "not-supported", f"Unknown parameter {name}.", "59109") for name in ignored]
    if not total:
        said.append(outcome("warning", "not-found", "Resource request returns no results.", "4101"))
    return said
