"""Plain lists: CSV and JSON."""

import gzip
import io
import json
import time
from collections import Counter

import pytest

from portals.directory.documents import Location
from portals.directory.entries import BadEntry, DirectoryEntry, DirectoryUnreadable
from portals.directory.readers import Format, read, read_file, sniff
from tests.portals.directory.builders import bundle, csv_of, endpoint

HEADER = "name,brand,aliases,vendor,category,fhir_base_url,portal_url,logo_url,city,state,postal_code,npi"


def test_a_csv_of_our_own_columns_is_read_whole():
    file = csv_of(
        HEADER,
        'Lake Clinic,Alpha,"Old Lake|Lake MD",epic,lab,https://FHIR.lake.org/r4/,https://my.lake.org,'
        "https://lake.org/l.png,Napa,California,94558-1234,1234567893",
    )
    assert list(read(file)) == [
        DirectoryEntry(
            name="Lake Clinic", fhir_base_url="https://fhir.lake.org/r4", published_url="https://FHIR.lake.org/r4/",
            brand="Alpha", aliases=("Old Lake", "Lake MD"), vendor="epic", category="laboratory",
            portal_url="https://my.lake.org", logo_url="https://lake.org/l.png",
            locations=(Location("Napa", "CA", "94558"),), npi="1234567893", place="line 2",
        )
    ]  # fmt: skip


def test_a_bad_line_is_reported_with_its_number_and_the_rest_is_read():
    file = csv_of(
        "name,url", "A,https://a.org/r4", "B", "C,https://c.org/r4,extra", ",https://d.org/r4", "E,https://e.org/r4"
    )
    items = list(read(file))
    assert [item.name for item in items if isinstance(item, DirectoryEntry)] == ["A", "E"]
    assert [(item.place, item.reason) for item in items if isinstance(item, BadEntry)] == [
        ("line 3", "wrong_number_of_cells"),
        ("line 4", "wrong_number_of_cells"),
        ("line 5", "no_name"),
    ]


def test_a_csv_without_the_needed_columns_is_refused():
    with pytest.raises(DirectoryUnreadable):
        list(read(csv_of("hospital,homepage", "A,https://a.org")))


def test_a_csv_cut_off_inside_a_cell_is_refused():
    with pytest.raises(DirectoryUnreadable):
        list(read(io.BytesIO(b'name,url\nA,https://a.org/r4\n"B, cut o')))


def test_a_csv_that_is_not_utf_8_is_refused():
    with pytest.raises(DirectoryUnreadable):
        list(read(io.BytesIO(b"name,url\nH\xf4pital,https://a.org/r4\n")))


def test_json_lists_are_read_in_both_shapes():
    rows = [{"OrganizationName": "A", "URL": "https://a.org/r4", "OrganizationZipCode": "77070", "NPIID": ""}, None, 3]
    for content in (rows, {"Endpoints": rows}):
        items = list(read(io.BytesIO(json.dumps(content).encode())))
        assert items[0].locations == (Location("", "TX", "77070"),)
        assert [item.reason for item in items[1:]] == ["no_address", "no_address"]


def test_brand_truncated_refused_for_json_lists_too():
    whole = json.dumps([{"name": f"C{n}", "url": f"https://c{n}.org/r4"} for n in range(100)]).encode()
    with pytest.raises(DirectoryUnreadable):
        list(read(io.BytesIO(whole[:-20])))


def test_brand_truncated_refused_for_compressed_files():
    packed = gzip.compress(b"name,url\n" + b"".join(b"C%d,https://c%d.org/r4\n" % (n, n) for n in range(5000)))
    assert sum(isinstance(item, DirectoryEntry) for item in read(io.BytesIO(packed))) == 5000
    with pytest.raises(DirectoryUnreadable):
        list(read(io.BytesIO(packed[: len(packed) // 2])))


def test_the_format_is_seen_by_how_a_list_begins():
    assert sniff(bundle(endpoint())) == Format.BUNDLE
    assert sniff(io.BytesIO(b' \xef\xbb\xbf{"Endpoints": []}')) == Format.ENDPOINTS
    assert sniff(io.BytesIO(b"\n[]")) == Format.JSON
    assert sniff(csv_of("name,url")) == Format.CSV
    with pytest.raises(DirectoryUnreadable):
        sniff(io.BytesIO(b"<!doctype html>"))


def test_athenas_state_is_a_place_and_not_a_part_of_the_name():
    entry = next(read(csv_of("organization,url", '"FL - Natoli, B",https://a.org/r4')))
    assert (entry.name, entry.locations) == ("Natoli, B", (Location("", "FL", ""),))
    entry = next(read(csv_of("organization,url", "ZZ - Clinic,https://a.org/r4")))
    assert entry.name == "ZZ - Clinic"


@pytest.mark.parametrize(
    ("published", "shown"),
    [
        ("Faith Community Hosp MaaS POD 007 05", "Faith Community Hosp"),
        ("Kirby Medical Center Expanse (Hosted by OpSus)", "Kirby Medical Center"),
        ("Dorminy Medical Center (CS)", "Dorminy Medical Center"),
        ("Marion General Hosp. - C/S.", "Marion General Hosp."),
        ("Whitman Hospital & Medical Clinics", "Whitman Hospital & Medical Clinics"),
        ("Steward Health Care Expanse (SHCS)", "Steward Health Care Expanse (SHCS)"),
    ],
)
def test_how_meditech_hosts_is_not_what_a_hospital_is_called(published, shown):
    entry = next(read(csv_of("developer,organization,url", f"MEDITECH,{published},https://a.org/r4")))
    assert entry.name == shown
    assert published in (entry.name, *entry.aliases)


def test_all_48363_real_rows_are_read_in_seconds(lantern):
    started = time.monotonic()
    items = list(read_file(lantern))
    elapsed = time.monotonic() - started
    bad = Counter(str(item.reason) for item in items if isinstance(item, BadEntry))
    assert len(items) == 48363
    assert elapsed < 20
    assert dict(bad) == {
        "fhir_version": 4036, "insecure_http": 1296, "no_name": 818, "private_host": 17, "ip_literal": 16,
        "single_label_host": 10, "not_a_url": 5,
    }  # fmt: skip


def test_no_real_row_leads_inside(lantern):
    hosts = {item.fhir_base_url.split("/")[2] for item in read_file(lantern) if isinstance(item, DirectoryEntry)}
    assert not [host for host in hosts if host.replace(".", "").replace(":", "").isdigit() or "." not in host]
