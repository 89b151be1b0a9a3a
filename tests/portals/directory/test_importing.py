"""Importing a directory into the database, through the command an operator types."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_httpserver import HTTPServer

from connect import ids
from connect.audit.actions import SYSTEM
from connect.audit.models import Entry
from portals.directory.diff import DropRefused
from portals.directory.entries import DirectoryEntry, DirectoryUnreadable
from portals.directory.importing import apply, compare
from portals.models import CatalogueVersion, Directory, Listing, Source
from tests.portals.directory.builders import bundle, endpoint, organization

pytestmark = pytest.mark.django_db

LIST = [f"Clinic {n},https://c{n}.example.org/r4,Napa,CA,94558" for n in range(10)]


@pytest.fixture
def published(tmp_path):
    """Write a CSV list; returns its path."""

    def write(lines, name="list.csv"):
        path = tmp_path / name
        path.write_text("\n".join(["name,url,city,state,postal_code", *lines]) + "\n")
        return path

    return write


def imported(name="clinics", **options) -> str:
    out = StringIO()
    call_command("import_directory", name, environment="sandbox", stdout=out, **options)
    return out.getvalue()


def offered() -> set[str]:
    return set(Source.objects.offered("sandbox").values_list("name", flat=True))


def test_it_makes_sources_with_ids_that_a_second_import_keeps(published):
    path = published(LIST)
    imported(file=path)
    first = set(Source.objects.values_list("pk", flat=True))
    assert first == {ids.source_id("sandbox", f"https://c{n}.example.org/r4") for n in range(10)}
    imported(file=path, force=True)
    assert set(Source.objects.values_list("pk", flat=True)) == first
    assert Listing.objects.count() == 10


def test_the_same_list_again_changes_nothing_at_all(published):
    imported(file=published(LIST))
    rows = list(Source.objects.order_by("pk").values())
    version = CatalogueVersion.current("sandbox")
    report = json.loads(imported(file=published([*reversed(LIST)], "again.csv"), json=True))
    assert report["sources"] == {"added": 0, "changed": 0, "withdrawn": 0, "handed_over": 0, "unchanged": 10}
    assert list(Source.objects.order_by("pk").values()) == rows
    assert CatalogueVersion.current("sandbox") == version


def test_the_very_same_file_is_not_even_read(published):
    imported(file=published(LIST))
    assert "Nothing new" in imported(file=published(LIST))


def test_a_dry_run_reports_and_changes_nothing(published):
    report = imported(file=published([*LIST, ",https://noname.example.org/r4,,,"]), dry_run=True)
    assert "Not applied" in report
    assert "10 added" in report
    assert "line 12: no_name" in report
    assert not Source.objects.exists()
    assert not Listing.objects.exists()


def test_each_change_moves_the_catalogues_version_and_is_in_the_audit_log(published):
    imported(file=published(LIST))
    assert CatalogueVersion.current("sandbox") > 0
    entry = Entry.objects.get(action="directory.imported")
    assert (entry.object_id, entry.detail["sources"]["added"]) == ("clinics", 10)


def test_changes_reach_the_row(published):
    imported(file=published(LIST))
    imported(file=published(["Renamed Clinic,https://c0.example.org/r4,Napa,CA,94558", *LIST[1:]], "next.csv"))
    source = Source.objects.get(pk=ids.source_id("sandbox", "https://c0.example.org/r4"))
    assert source.name == "Renamed Clinic"
    assert list(source.listings.values_list("name", flat=True)) == ["Renamed Clinic"]


def test_brand_retired_portal(published):
    """A portal that vanished is offered no longer, and its row, to which patients hold grants, stays."""
    imported(file=published(LIST))
    imported(file=published(LIST[1:], "next.csv"))
    gone = Source.objects.get(pk=ids.source_id("sandbox", "https://c0.example.org/r4"))
    assert gone.withdrawn_at is not None
    assert "Clinic 0" not in offered()
    assert not gone.listings.exists()


def test_a_portal_that_comes_back_is_the_same_source(published):
    imported(file=published(LIST))
    imported(file=published(LIST[1:], "next.csv"))
    imported(file=published(LIST, "back.csv"))
    assert len(offered()) == 10
    assert Source.objects.count() == 10


def test_what_an_operator_withdrew_is_not_brought_back(published):
    imported(file=published(LIST))
    Source.objects.filter(name="Clinic 3").withdraw()
    imported(file=published(LIST, "same.csv"), force=True)
    imported(
        file=published(["Clinic Three" + LIST[3][8:] if n == 3 else line for n, line in enumerate(LIST)], "new.csv")
    )
    assert not {"Clinic 3", "Clinic Three"} & offered()


def test_brand_truncated_refused_when_rows_are_missing(published):
    imported(file=published(LIST))
    with pytest.raises(CommandError, match="30%"):
        imported(file=published(LIST[:7], "short.csv"))
    assert len(offered()) == 10
    imported(file=published(LIST[:7], "short.csv"), force=True)
    assert len(offered()) == 7


def test_brand_truncated_refused_when_the_file_breaks_off(tmp_path):
    path = tmp_path / "bundle.json"
    whole = bundle(*(organization(str(n), f"Clinic {n}", ["Endpoint/e"]) for n in range(20)), endpoint()).getvalue()
    path.write_bytes(whole)
    imported(file=path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CommandError):
        imported(file=path)
    assert Listing.objects.count() == 20


def test_environments_never_mix(published):
    imported(file=published(LIST))
    call_command("import_directory", "clinics", environment="production", file=published(LIST[:1]), stdout=StringIO())
    assert Source.objects.offered("sandbox").count() == 10
    assert Source.objects.offered("production").count() == 1
    imported(file=published(LIST[1:], "next.csv"))
    assert Source.objects.offered("production").count() == 1


def test_two_directories_of_one_source_keep_it_while_either_lists_it(published):
    shared = LIST[:1]
    imported("vendor", file=published(LIST))
    imported("state", file=published([line.replace("Clinic 0", "Clinic Zero") for line in shared], "state.csv"))
    source = Source.objects.get(pk=ids.source_id("sandbox", "https://c0.example.org/r4"))
    assert source.name == "Clinic 0"
    assert set(source.listings.values_list("name", flat=True)) == {"Clinic 0", "Clinic Zero"}

    imported("vendor", file=published(LIST[1:], "next.csv"))
    source.refresh_from_db()
    assert (source.withdrawn_at, source.directory) == (None, "state")
    imported("state", file=published([], "empty.csv"), force=True)
    source.refresh_from_db()
    assert source.withdrawn_at is not None


def test_brand_wellknown_wins(published):
    """A server's own bundle overrules its vendor's list, and the vendor's next list does not overrule it back."""
    imported("vendor", file=published(LIST))
    own = [LIST[0].replace("Clinic 0", "Clinic by its own name")]
    imported("own", file=published(own, "own.csv"), prefer=True)
    imported("vendor", file=published([line + "0" for line in LIST[:1]] + LIST[1:], "next.csv"))
    assert "Clinic by its own name" in offered()


def test_an_import_that_stopped_halfway_is_finished_by_the_next(published, monkeypatch):
    monkeypatch.setattr("portals.directory.importing.BATCH", 3)
    items = [DirectoryEntry(f"C{n}", f"https://c{n}.org/r4", f"https://c{n}.org/r4") for n in range(10)]
    target = {"environment": "sandbox", "directory": "list"}
    calls = iter(range(100))

    def stops(environment):
        if next(calls) == 5:
            raise ConnectionError
        moved(environment)

    moved = CatalogueVersion.move
    changes = compare(**target, items=items)
    monkeypatch.setattr(CatalogueVersion, "move", stops)
    with pytest.raises(ConnectionError):
        apply(**target, changes=changes, by=SYSTEM)
    assert Listing.objects.count() == 3
    apply(**target, changes=compare(**target, items=items), by=SYSTEM)
    assert compare(**target, items=items).is_empty
    assert Listing.objects.count() == 10


def test_a_refused_import_raises_before_anything_changed():
    items = [DirectoryEntry(f"C{n}", f"https://c{n}.org/r4", f"https://c{n}.org/r4") for n in range(10)]
    target = {"environment": "sandbox", "directory": "list"}
    apply(**target, changes=compare(**target, items=items), by=SYSTEM)
    with pytest.raises(DropRefused):
        apply(**target, changes=compare(**target, items=items[:1]), by=SYSTEM)
    assert Source.objects.offered("sandbox").count() == 10


def test_a_list_that_breaks_off_raises_before_anything_changed():
    def items():
        yield DirectoryEntry("C", "https://c.org/r4", "https://c.org/r4")
        raise DirectoryUnreadable("cut off")

    with pytest.raises(DirectoryUnreadable):
        compare(environment="sandbox", directory="list", items=items())
    assert not Source.objects.exists()


def test_inside_addresses_are_refused_unless_the_settings_allow_them(published, settings):
    lines = ["A,http://127.0.0.1:8000/fhir,,,", "B,https://10.0.0.1/fhir,,,", "C,https://c.example.org/r4,,,"]
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = settings.OUTBOUND_ALLOW_PRIVATE = False
    report = json.loads(imported(file=published(lines), json=True))
    assert report["bad"] == {"insecure_http": 1, "ip_literal": 1}
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = settings.OUTBOUND_ALLOW_PRIVATE = True
    report = json.loads(imported(file=published(lines), json=True, force=True))
    assert report["bad"] == {}


def test_brand_etag(httpserver: HTTPServer):
    """The second import sends If-None-Match; a 304 changes nothing."""
    body = bundle(organization(endpoints=["Endpoint/e"]), endpoint()).getvalue()
    httpserver.expect_ordered_request("/brands").respond_with_data(body, headers={"ETag": 'W/"1"'})
    httpserver.expect_ordered_request("/brands", headers={"If-None-Match": 'W/"1"'}).respond_with_data(status=304)
    imported("alpha", url=httpserver.url_for("/brands"))
    assert offered() == {"Alpha Health"}
    assert "Nothing new" in imported("alpha")
    httpserver.check_assertions()


def test_a_server_without_etags_is_judged_by_the_body(httpserver: HTTPServer):
    body = bundle(organization(endpoints=["Endpoint/e"]), endpoint()).getvalue()
    httpserver.expect_request("/brands").respond_with_data(body)
    imported("alpha", url=httpserver.url_for("/brands"))
    version = CatalogueVersion.current("sandbox")
    assert "Nothing new" in imported("alpha")
    assert CatalogueVersion.current("sandbox") == version
    assert Directory.objects.get(name="alpha").report["sources"]["added"] == 1


@pytest.mark.parametrize(("status", "body"), [(500, "oops"), (404, ""), (200, "<!doctype html><title>Sign in</title>")])
def test_an_answer_that_is_no_list_leaves_everything_as_it_was(httpserver: HTTPServer, published, status, body):
    imported("alpha", file=published(LIST))
    httpserver.expect_request("/brands").respond_with_data(body, status=status)
    with pytest.raises(CommandError):
        imported("alpha", url=httpserver.url_for("/brands"))
    assert len(offered()) == 10


def test_a_plausible_catalogue_for_demonstrations():
    imported("demo", plausible=50, base_url="https://{slug}.portals.example.org/fhir")
    assert Source.objects.offered("sandbox").count() == 50
    assert Listing.objects.exclude(city="").count() == 50


def test_all_real_rows_go_into_the_database_in_seconds(lantern, settings):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = settings.OUTBOUND_ALLOW_PRIVATE = False
    report = json.loads(imported("lantern", file=lantern, json=True))
    assert report["sources"]["added"] == Source.objects.count() == 24003
    assert report["listings"]["added"] == Listing.objects.count()
    athena = Source.objects.get(pk=ids.source_id("sandbox", "https://api.platform.athenahealth.com/fhir/r4"))
    assert athena.name == "athenahealth"
    assert athena.listings.count() > 17_000
    report = json.loads(imported("lantern", file=lantern, json=True, force=True))
    assert report["sources"]["unchanged"] == 24003
