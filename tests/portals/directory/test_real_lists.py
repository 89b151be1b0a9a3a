"""The real lists of ../shared/data/directory (skipped where they are absent): all of it imports to a clean report."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from portals.directory import catalogue
from portals.models import Listing, Source

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(240)]
PROJECT = Path(__file__).parents[3]
FOLDER = next(
    (place for place in (PROJECT.parent / "shared/data/directory", Path("/work/shared/data/directory"))
     if place.is_dir()),
    None,
)  # fmt: skip
needs_lists = pytest.mark.skipif(FOLDER is None, reason="../shared/data/directory is not here")


@pytest.fixture
def strict(settings):
    """The addresses a production installation takes."""
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = settings.OUTBOUND_ALLOW_PRIVATE = False


def imported(name: str, path: Path, **options) -> dict:
    out = StringIO()
    call_command("import_directory", name, environment="production", file=path, json=True, stdout=out, **options)
    return json.loads(out.getvalue())


@needs_lists
def test_48363_rows_of_a_real_list_come_in_and_every_bad_one_is_reported(strict):
    report = imported("lantern", FOLDER / "lantern/lantern-endpoints.csv.gz")
    assert Source.objects.count() == report["sources"]["added"] > 24_000
    assert Listing.objects.count() == report["listings"]["added"] > 40_000
    assert report["bad"].keys() == {
        "fhir_version", "insecure_http", "no_name", "private_host", "ip_literal", "single_label_host", "not_a_url"
    }  # fmt: skip
    told = report["listings"]["added"] + report["merged"] + sum(report["bad"].values())
    assert told == 48_363, report
    urls = set(Source.objects.values_list("fhir_base_url", flat=True))
    assert all(url.startswith("https://") for url in urls)
    assert not any("//10." in url or "//192.168." in url or ".local" in url or "null" in url for url in urls)
    assert sum("?" in url for url in urls) == 2

    again = imported("lantern", FOLDER / "lantern/lantern-endpoints.csv.gz", dry_run=True)
    for kind in ("sources", "listings"):
        assert {what: number for what, number in again[kind].items() if number and what != "unchanged"} == {}

    # Some 17,000 practices share athenahealth's one base URL: each is found by its own name, at the one source.
    busiest = max(Source.objects.filter(vendor="athena"), key=lambda source: source.listings.count())
    assert busiest.listings.count() > 10_000
    practice = busiest.listings.order_by("pk")[5000]
    found = catalogue.search("production", practice.name, limit=5)
    assert any((choice.name, choice.source_id) == (practice.name, busiest.pk) for choice in found)


@needs_lists
@pytest.mark.parametrize(("number", "left_out"), [(1, {}), (2, {"fhir_version": 1}), (3, {}), (4, {})])
def test_the_examples_of_the_brands_specification_come_in_clean(strict, number, left_out):
    """(The second has a DSTU2 endpoint beside its R4 one.)"""
    report = imported(f"hl7-{number}", FOLDER / f"brands-examples/Bundle-example{number}.json")
    assert report["bad"] == left_out
    assert report["sources"]["added"] == Source.objects.count() >= 1
    assert report["listings"]["added"] == Listing.objects.count() >= report["sources"]["added"]


@needs_lists
def test_an_endpoint_of_many_brands_is_one_source_with_many_names(strict):
    imported("hl7-4", FOLDER / "brands-examples/Bundle-example4.json")
    names = {source.pk: set(source.listings.values_list("name", flat=True)) for source in Source.objects.all()}
    assert max(len(each) for each in names.values()) > 1
