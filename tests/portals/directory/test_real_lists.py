"""HL7's brand examples in ../shared/data/directory (skipped where absent); the real list is in test_importing.py."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from portals.models import Listing, Source

pytestmark = pytest.mark.django_db
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
