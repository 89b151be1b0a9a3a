"""`GET /connections` and `/connections/{id}` (contract 4)."""

from urllib.parse import quote

import pytest

from portals import actions
from portals.models import CatalogueVersion, Source
from tests.factories import STAFF, ApiClient, make_key

BASE = "https://fhir.mercy.example.org/api/FHIR/R4"


@pytest.fixture
def catalogue(db):
    def add(number: int, **more) -> Source:
        return Source.objects.create(**{
            "id": f"fhirsrc_{number:03}", "environment": "sandbox", "name": f"Clinic {number:03}", "vendor": "epic",
            "fhir_base_url": f"https://c{number}.example.org/r4",
        } | more)  # fmt: skip

    for number in range(25):
        add(number, vendor="cerner" if number % 5 == 0 else "epic")
    add(100, name="Mercy Hospital", fhir_base_url=BASE, aliases=["Mercy Old"], brand="Mercy Health",
        logo_url="https://mercy.example.org/logo.png", portal_url="https://mychart.mercy.example.org", status="degraded",
        locations=[{"city": "Napa", "state": "CA", "postal_code": "94558"}])  # fmt: skip
    add(101, name="Clinic withdrawn")
    Source.objects.filter(pk="fhirsrc_101").withdraw()
    add(102, name="Clinic of production", environment="production", fhir_base_url="https://prod.example.org/r4")
    CatalogueVersion.move("sandbox")
    return add


def pages(api, path: str) -> list[list[str]]:
    """The names on each page, to the last one."""
    found, cursor = [], None
    while True:
        body = api.get(path + (f"&starting_after={cursor}" if cursor else "")).json()
        found.append([item["name"] for item in body["data"]])
        cursor = body["next_cursor"]
        assert body["has_more"] is (cursor is not None)
        if cursor is None:
            return found


def test_a_source_has_every_field_of_the_contract(api, catalogue):
    body = api.get("/connections/fhirsrc_100").json()
    assert body == {
        "id": "fhirsrc_100", "resource_type": "fhir_source", "name": "Mercy Hospital", "type": "epic",
        "fhir_base_url": BASE, "logo_url": "https://mercy.example.org/logo.png",
        "portal_url": "https://mychart.mercy.example.org", "brand": "Mercy Health", "aliases": ["Mercy Old"],
        "locations": [{"city": "Napa", "state": "CA", "postal_code": "94558"}], "status": "degraded",
    }  # fmt: skip


@pytest.mark.parametrize("base", [BASE, BASE + "/", BASE.replace("fhir.mercy", "FHIR.Mercy")])
def test_a_source_is_found_by_its_url_encoded_base_url(api, catalogue, base):
    assert api.get(f"/connections/{quote(base, safe='')}").json()["id"] == "fhirsrc_100"


@pytest.mark.parametrize(
    "named", ["fhirsrc_999", "fhirsrc_101", "fhirsrc_102", quote("https://no.example", safe=""), "%20"]
)
def test_what_is_not_offered_here_is_not_found(api, catalogue, named):
    answer = api.get(f"/connections/{named}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_not_found")


def test_every_source_is_on_one_page_and_one_only(api, catalogue):
    found = pages(api, "/connections?limit=7")
    assert [len(page) for page in found] == [7, 7, 7, 5]
    names = [name for page in found for name in page]
    assert names == sorted(names)
    assert len(set(names)) == 26
    assert "Clinic of production" not in names
    assert "Clinic withdrawn" not in names


def test_ten_come_when_nothing_is_said(api, catalogue):
    assert len(api.get("/connections").json()["data"]) == 10


def test_pages_are_stable_while_sources_come_and_go(api, catalogue):
    first = api.get("/connections?limit=5").json()
    catalogue(50, name="Clinic 000 new")
    Source.objects.filter(name="Clinic 002").withdraw()
    second = api.get(f"/connections?limit=5&starting_after={first['next_cursor']}").json()
    assert [item["name"] for item in second["data"]] == [f"Clinic {n:03}" for n in range(5, 10)]


def test_type_keeps_one_vendor(api, catalogue):
    found = pages(api, "/connections?limit=3&type=cerner")
    assert [name for page in found for name in page] == [f"Clinic {n:03}" for n in (0, 5, 10, 15, 20)]
    assert api.get("/connections?type=nobody").json()["data"] == []


def test_q_finds_through_a_typo_and_pages_through_the_ranking(api, catalogue):
    assert api.get("/connections?q=mercey hopsital").json()["data"][0]["id"] == "fhirsrc_100"
    names = [name for page in pages(api, "/connections?q=clinic&limit=6") for name in page]
    assert len(names) == len(set(names)) >= 25


def test_a_cursor_is_for_the_filters_it_was_issued_under(api, catalogue):
    cursor = api.get("/connections?limit=2").json()["next_cursor"]
    for path in (f"/connections?type=epic&starting_after={cursor}", "/connections?starting_after=damaged"):
        answer = api.get(path)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "starting_after")


@pytest.mark.parametrize(("query", "param"), [("limit=0", "limit"), ("limit=101", "limit"), ("q=" + "x" * 201, "q")])
def test_limits_are_the_contracts(api, catalogue, query, param):
    answer = api.get(f"/connections?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_key_is_needed_and_its_scope(client, catalogue, organization):
    assert client.get("/connections").status_code == 401
    assert ApiClient(make_key(organization, scopes=["patients:read"])).get("/connections").status_code == 403


def test_production_sees_its_own(production, catalogue):
    assert [item["name"] for item in production.get("/connections").json()["data"]] == ["Clinic of production"]


def test_a_paused_portal_is_said_to_be_unavailable(api, catalogue):
    actions.pause_portal(source=Source.objects.get(pk="fhirsrc_100"), by=STAFF, reason="maintenance")
    assert api.get("/connections/fhirsrc_100").json()["status"] == "unavailable"
