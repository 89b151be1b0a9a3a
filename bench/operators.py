"""The operators' side over a busy month's rows: every list with its filters and searches, a page of each kind, the overview.

Each is opened by staff of the installation and by staff of one organisation; the slower of the two counts. The figure is
the slowest page of its line: its time in the server, its queries, and large tables that one of their plans walks.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client, RequestFactory

from bench import million
from bench.plans import Asked, asked, walked_tables
from bench.report import Figure
from connect.operations import links, roles
from connect.operations.overview.choices import WINDOWS
from connect.organizations.models import Membership
from portals.models import Source
from webhooks.models import Event

PAGE_MS = 500
QUERY_MS = 200
TIMES = 2
SEARCHED = ("mrn-77", "p77@patients.example", "General Hospital 77", "nothing like it")


@dataclass
class Seen:
    """One address, opened by one member of staff."""

    url: str
    who: str
    ms: float
    queries: list[Asked]
    walks: set[str] = field(default_factory=set)

    @property
    def database_ms(self) -> float:
        return sum(query.ms for query in self.queries)

    @property
    def slowest(self) -> Asked:
        return max(self.queries, key=lambda query: query.ms)


def measure(quick: bool) -> list[Figure]:
    """A line for each list, its filters, its searches and its page, and for the overview."""
    million.seed(2_000 if quick else 1_000_000)
    staff = {"all": _staff(), "one organisation": _staff(_busiest())}
    figures = []
    for name, urls, limit in visits():
        if not urls:
            continue
        seen = [look(client, url, who) for who, client in staff.items() for url in urls]
        found = [figure(name, seen, limit, quick)]
        figures += found
        print(f"{found[0].path:60} {found[0].ours}", file=sys.stderr, flush=True)
    return figures


def visits() -> Iterator[tuple[str, list[str], float]]:
    """What is opened: a name, addresses, and how many milliseconds a page may take."""
    scopes = ["", "&environment=production", f"&organization={_busiest()}", f"&portal={_source().pk}"]
    for window in WINDOWS:
        yield f"overview, {window}", [f"/admin/overview/?window={window}{scope}" for scope in scopes], 2 * PAGE_MS
    for label in sorted(model._meta.label_lower for model in admin.site._registry):
        page = admin.site._registry[apps.get_model(label)]
        first, second = links.rows(label), links.rows(label, p=2)
        yield f"{label}: list", [first, second], PAGE_MS
        yield f"{label}: filters", [links.rows(label, **query) for query in filters_of(page)], PAGE_MS
        yield f"{label}: searches", [links.rows(label, q=term) for term in (*SEARCHED, *ids_for(page))], PAGE_MS
        if (row := in_the_middle(page)) is not None:
            yield f"{label}: page", [links.page(label, row)], PAGE_MS


def filters_of(page) -> list[dict]:
    """Each choice of each filter by itself."""
    request, found = _request(), []
    for spec in page.get_list_filter(request):
        if isinstance(spec, tuple):
            name = spec[0]
            found += [{f"{name}__exact": value} for value, _ in page.model._meta.get_field(name).choices]
        elif isinstance(spec, str):
            found.append({f"{spec}__exact": 1})
        else:
            chooser = spec(request, {}, page.model, page)
            found += [{chooser.parameter_name: key} for key, _ in list(chooser.lookups(request, page))[:4]]
    return found


def ids_for(page) -> list[str]:
    """An id of each kind that the list says it finds by."""
    kinds = {"pat_": "organizations.patient", "pf_": "patientflows.patientflow", "att_": "patientflows.attempt",
             "conn_": "portals.connection", "pull_": "pulls.pull", "evt_": "webhooks.event", "wh_": "webhooks.endpoint",
             "fhirsrc_": "portals.source", "reg_": "portals.registration", "org_": "organizations.organization"}  # fmt: skip
    return [str(in_the_middle(_page(kinds[prefix]))) for prefix in page.found_by if prefix in kinds]


def in_the_middle(page):
    """The key of a row with some age; None where there is no row."""
    rows = page.model._default_manager.order_by("-pk")
    keys = rows.values_list("pk", flat=True)
    return next(iter(keys[1000:1001]), None) or keys.last()


def look(client: Client, url: str, who: str) -> Seen:
    """Open it twice: the first time warms what a busy day keeps warm, the second counts."""
    for _ in range(TIMES):
        with asked(connection) as queries:
            answer = client.get(url, HTTP_HOST="localhost")
        assert answer.status_code in (200, 302, 404), (url, answer.status_code)
        took = queries.total_ms
    walks = {table for query in queries.found for table in walked_tables(connection, query, at_least=100_000)}
    return Seen(url, who, took, queries.found, walks)


def figure(name: str, seen: list[Seen], limit: float, quick: bool) -> Figure:
    worst = max(seen, key=lambda one: one.ms)
    walks = set().union(*(one.walks for one in seen))
    slowest = max((one.slowest for one in seen if one.queries), key=lambda query: query.ms)
    told = f"{worst.ms:,.0f} ms, {worst.database_ms:,.0f} of them in {len(worst.queries)} queries, slowest {slowest.ms:,.0f} ms"
    told += f", walks {', '.join(sorted(walks))}" if walks else ""
    if len(seen) > 2 and worst.ms > limit:
        told += f" ({worst.url} for {worst.who})"
    is_fast = worst.ms < limit and slowest.ms < QUERY_MS and not walks
    return Figure(f"operators: {name}", told, target=f"< {limit:g} ms, no query {QUERY_MS} ms, no walk",
                  reached=None if quick else is_fast)  # fmt: skip


def _staff(organization_id: str = "") -> Client:
    if not Group.objects.exists():
        roles.install()
    user, _ = User.objects.get_or_create(username=f"bench-{organization_id or 'all'}", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=["administrator", *([] if organization_id else ["everywhere"])]))
    if organization_id:
        Membership.objects.get_or_create(user=user, organization_id=organization_id)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _busiest() -> str:
    return Event.objects.order_by("-pk").values_list("organization_id", flat=True).first()


def _source() -> Source:
    return Source.objects.filter(connections__isnull=False).order_by("pk").first()


def _page(label: str):
    return admin.site._registry[apps.get_model(label)]


def _request():
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="bench-all")
    return request
