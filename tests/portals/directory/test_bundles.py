"""Brands bundles and the vendors' older lists, case by case (smart-fhir.md 3.2 and 7.1)."""

import io
import json

import pytest

from portals.directory.addresses import AddressPolicy
from portals.directory.documents import Location
from portals.directory.entries import BadEntry, DirectoryEntry, DirectoryUnreadable, Warning
from portals.directory.readers import read, read_file
from portals.directory.readers.bundles import read_bundle
from tests.portals.directory.builders import bundle, endpoint, logo, organization, portal


def entries(file, **options) -> list[DirectoryEntry]:
    return [item for item in read_bundle(file, **options) if isinstance(item, DirectoryEntry)]


def others(file) -> set[tuple[str, str]]:
    """(place, reason) of everything that was not an entry."""
    return {(item.place, str(item.reason)) for item in read_bundle(file) if not isinstance(item, DirectoryEntry)}


@pytest.mark.parametrize(
    "reference",
    [
        "Endpoint/e",
        "https://alpha.org/fhir/Endpoint/e",
        "urn:uuid:e",
        "https://elsewhere.org/Endpoint/e",
        "Endpoint/e/_history/3",
    ],
)
def test_brand_refs_all_forms(reference):
    file = bundle(
        {"fullUrl": "https://alpha.org/fhir/Organization/a", "resource": organization(endpoints=[reference])},
        {"fullUrl": "https://alpha.org/fhir/Endpoint/e", "resource": endpoint()},
    )
    assert [entry.name for entry in entries(file)] == ["Alpha Health"]


def test_brand_refs_by_full_urn():
    file = bundle(
        {"fullUrl": "urn:uuid:1", "resource": organization(id=None, endpoints=["urn:uuid:2"])},
        {"fullUrl": "urn:uuid:2", "resource": endpoint(id=None)},
    )
    assert [entry.fhir_base_url for entry in entries(file)] == ["https://fhir.alpha.org/r4"]


def test_brand_refs_of_two_servers_with_one_id_stay_apart():
    file = bundle(
        {"fullUrl": "https://a.org/Organization/1", "resource": organization("1", "A", ["Endpoint/e"])},
        {"fullUrl": "https://b.org/Organization/1", "resource": organization("1", "B", ["Endpoint/e"])},
        {"fullUrl": "https://a.org/Endpoint/e", "resource": endpoint(address="https://fhir.a.org/r4")},
        {"fullUrl": "https://b.org/Endpoint/e", "resource": endpoint(address="https://fhir.b.org/r4")},
    )
    assert {entry.name: entry.fhir_base_url for entry in entries(file)} == {
        "A": "https://fhir.a.org/r4",
        "B": "https://fhir.b.org/r4",
    }


def test_a_dangling_reference_warns_and_keeps_the_brand():
    def file():
        return bundle(organization(endpoints=["Endpoint/gone", "Endpoint/e"]), endpoint())

    assert [entry.name for entry in entries(file())] == ["Alpha Health"]
    assert ("Organization/a", "dangling_reference") in others(file())


def test_brand_facility_inherits():
    file = bundle(
        organization("top", "Alpha Health", ["Endpoint/e"], extension=[logo("https://alpha.org/logo.png")]),
        organization("region", "Alpha West", partOf={"reference": "Organization/top"}),
        organization("clinic", "Lake Clinic", partOf={"reference": "Organization/region"},
                     address=[{"city": "Napa", "state": "California", "postalCode": "94558-1234"}]),
        endpoint(),
    )  # fmt: skip
    clinic = entries(file)[2]
    assert (clinic.name, clinic.brand, clinic.fhir_base_url) == (
        "Lake Clinic",
        "Alpha Health",
        "https://fhir.alpha.org/r4",
    )
    assert clinic.locations == (Location("Napa", "CA", "94558"),)
    assert clinic.logo_url == "https://alpha.org/logo.png"


def test_brand_facility_inherits_but_a_part_of_cycle_ends():
    file = bundle(
        organization("a", "A", partOf={"reference": "Organization/b"}),
        organization("b", "B", partOf={"reference": "Organization/a"}),
        organization("c", "C", ["Endpoint/e"], partOf={"reference": "Organization/c"}),
        endpoint(),
    )
    found = others(file)
    assert ("Organization/a", "part_of_cycle") in found
    assert ("Organization/a", "no_endpoint") in found
    assert ("Organization/c", "part_of_cycle") in found


def test_brand_two_portals():
    file = bundle(
        organization(
            endpoints=["Endpoint/adults", "Endpoint/children"],
            extension=[
                portal("Gateway", "https://gateway.alpha.org", "Endpoint/adults"),
                portal("Pediatric Portal", "https://kids.alpha.org", "Endpoint/children"),
            ],
        ),
        endpoint("adults", "https://one.alpha.org/r4"),
        endpoint("children", "https://two.alpha.org/r4"),
    )
    assert [(entry.portal_url, entry.fhir_base_url, entry.aliases) for entry in entries(file)] == [
        ("https://gateway.alpha.org", "https://one.alpha.org/r4", ("Gateway",)),
        ("https://kids.alpha.org", "https://two.alpha.org/r4", ("Pediatric Portal",)),
    ]


def test_endpoints_no_portal_names_are_offered_beside_those_it_names():
    file = bundle(
        organization(
            endpoints=["Endpoint/a", "Endpoint/b"], extension=[portal("P", "https://p.alpha.org", "Endpoint/a")]
        ),
        endpoint("a", "https://a.alpha.org/r4"),
        endpoint("b", "https://b.alpha.org/r4"),
    )
    assert [(entry.fhir_base_url, entry.portal_url) for entry in entries(file)] == [
        ("https://a.alpha.org/r4", "https://p.alpha.org"),
        ("https://b.alpha.org/r4", ""),
    ]


def test_brand_truncated_refused_when_the_json_ends_in_the_middle():
    whole = bundle(*(organization(str(n), f"Clinic {n}", ["Endpoint/e"]) for n in range(50)), endpoint()).getvalue()
    with pytest.raises(DirectoryUnreadable):
        list(read_bundle(io.BytesIO(whole[: len(whole) // 2])))
    with pytest.raises(DirectoryUnreadable):
        list(read_bundle(io.BytesIO(whole[:-1])))


def test_a_bundle_without_endpoints_is_no_list():
    with pytest.raises(DirectoryUnreadable):
        list(read_bundle(bundle(organization())))


@pytest.mark.parametrize(
    "url",
    [
        "data:image/svg+xml;utf8,<svg onload='alert(1)'/>",
        "javascript:alert(1)",
        "http://alpha.org/logo.png",
        "//x/y.png",
    ],
)
def test_brand_svg_logo_and_other_tricks_are_dropped(url):
    file = bundle(organization(endpoints=["Endpoint/e"], extension=[logo(url), portal("P", url)]), endpoint())
    assert [(entry.logo_url, entry.portal_url) for entry in entries(file)] == [("", "")]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"versions": ("1.0.2",)}, "fhir_version"),
        ({"versions": (), "address": "https://fhir.alpha.org/api/FHIR/DSTU2"}, "fhir_version"),
        ({"status": "off"}, "endpoint_not_active"),
        ({"address": "https://10.71.31.74/fhir"}, "ip_literal"),
        ({"address": "http://fhir.alpha.org/r4"}, "insecure_http"),
        ({"address": None}, "no_address"),
    ],
)
def test_an_unusable_endpoint_is_reported_once_and_its_brand_too(more, reason):
    file = bundle(organization("a", "A", ["Endpoint/e"]), organization("b", "B", ["Endpoint/e"]), endpoint(**more))
    bad = [item for item in read_bundle(file) if isinstance(item, BadEntry)]
    assert [(item.place, str(item.reason)) for item in bad] == [
        ("Endpoint/e", reason),
        ("Organization/a", "no_usable_endpoint"),
        ("Organization/b", "no_usable_endpoint"),
    ]


def test_an_endpoint_that_says_no_version_is_kept():
    assert len(entries(bundle(organization(endpoints=["Endpoint/e"]), endpoint(versions=())))) == 1


def test_a_name_that_is_declared_absent_is_reported_with_its_reason():
    absent = {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "asked-declined"}
        ]
    }
    file = bundle(organization(name=None, endpoints=["Endpoint/e"], _name=absent), endpoint(name="E"))
    assert BadEntry("Organization/a", "no_name", "asked-declined") in list(read_bundle(file))


def test_a_lenient_vendor_list_is_read():
    """Oracle's: no extensions, no timestamp, a trailing slash; the organisation is found through the endpoint."""
    file = bundle(
        {
            "resourceType": "Endpoint",
            "id": "1",
            "status": "active",
            "address": "https://fhir-myrecord.cerner.com/r4/41ecb586/",
            "name": "Prairie Ridge",
            "managingOrganization": {"reference": "Organization/o"},
            "payloadType": [{"coding": [{"code": "urn:ihe:pcc:xphr:2007"}]}],
        },
        organization("o", "Prairie Ridge Integrated Behavioral Healthcare", address=[{"postalCode": "50401"}]),
    )
    found = entries(file)
    assert [(entry.name, entry.fhir_base_url, entry.vendor) for entry in found] == [
        ("Prairie Ridge Integrated Behavioral Healthcare", "https://fhir-myrecord.cerner.com/r4/41ecb586", "cerner")
    ]
    assert found[0].published_url == "https://fhir-myrecord.cerner.com/r4/41ecb586/"
    assert found[0].locations == (Location("", "IA", "50401"),)


def test_an_organisation_inside_its_endpoint_names_it():
    file = bundle(
        endpoint(
            address="https://epic.alpha.org/api/FHIR/R4/",
            contained=[{"resourceType": "Organization", "id": "org", "name": "Alpha Health"}],
            managingOrganization={"reference": "#org"},
        )
    )
    assert [entry.name for entry in entries(file, vendor="epic")] == ["Alpha Health"]
    file.seek(0)
    assert entries(file, vendor="epic")[0].vendor == "epic"


def test_what_is_no_organisation_and_no_endpoint_is_reported():
    file = bundle(
        {"resourceType": "Patient", "id": "p"}, {"resource": None}, organization(endpoints=["Endpoint/e"]), endpoint()
    )
    bad = [item for item in read_bundle(file) if isinstance(item, BadEntry)]
    assert [(item.place, item.reason) for item in bad] == [
        ("entry[0]", "unexpected_resource"),
        ("entry[1]", "unexpected_resource"),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"name": ["not", "a", "string"]},
        {"alias": "not a list", "address": {"city": "no list"}, "endpoint": [{"reference": "Endpoint/e"}, 7, None]},
        {"extension": [None, "x", {"url": 5}], "type": [{"coding": "x"}], "identifier": [3]},
        {"partOf": "Organization/x", "telecom": {}, "active": "yes"},
    ],
)
def test_fields_of_the_wrong_kind_never_stop_the_import(broken):
    good = organization("good", "Good Clinic", ["Endpoint/e"])
    file = bundle(organization(endpoints=["Endpoint/e"]) | broken, good, endpoint())
    assert "Good Clinic" in [entry.name for entry in entries(file)]


def test_npi_category_and_aliases_are_kept():
    file = bundle(
        organization(
            endpoints=["Endpoint/e"],
            alias=["Beta Health", "Alpha Health"],
            identifier=[{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}],
            type=[{"coding": [{"code": "ins"}]}],
        ),
        endpoint(),
    )
    entry = entries(file)[0]
    assert (entry.npi, entry.category, entry.aliases) == ("1234567893", "payer", ("Beta Health",))


def test_inside_addresses_are_read_where_local_development_allows_them():
    file = bundle(organization(endpoints=["Endpoint/e"]), endpoint(address="http://127.0.0.1:8000/fhir"))
    assert len(entries(file, policy=AddressPolicy(True, True))) == 1


@pytest.mark.parametrize(
    ("example", "names"),
    [
        (1, {"ExampleLabs"}),
        (2, {"ExampleHealth", "ExampleHealth Community Hospital", "ExampleHealth Physicians of Madison"}),
        (3, {"ExampleHospital"}),
        (4, {"Brand1", "Brand2"}),
    ],
)
def test_the_implementation_guides_examples_are_read(brands_examples, example, names):
    items = list(read_file(brands_examples / f"Bundle-example{example}.json"))
    assert {item.name for item in items if isinstance(item, DirectoryEntry)} == names
    assert not [item for item in items if isinstance(item, Warning)]


def test_the_guides_hospital_with_two_portals_is_two_sources(brands_examples):
    items = [item for item in read_file(brands_examples / "Bundle-example3.json") if isinstance(item, DirectoryEntry)]
    assert {item.fhir_base_url for item in items} == {
        "https://ehr1.example.org/ExampleHospital/api/FHIR/R4",
        "https://ehr2.example.org/ExampleHospital/api/FHIR/R4",
    }


def test_a_large_list_is_read_without_being_held_as_text():
    """Fifty facilities a megabyte: the reader keeps what it needs of each and lets the rest go."""
    text = {"status": "generated", "div": "x" * 20_000}
    many = [
        organization(str(n), f"Clinic {n}", partOf={"reference": "Organization/top"}, text=text) for n in range(300)
    ]
    file = io.BytesIO(json.dumps({"resourceType": "Bundle", "entry": [
        {"resource": one} for one in [organization("top", "Top", ["Endpoint/e"]), *many, endpoint()]
    ]}).encode())  # fmt: skip
    assert sum(isinstance(item, DirectoryEntry) for item in read(file)) == 301
