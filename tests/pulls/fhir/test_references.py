"""What a resource only points at (contract 5.1; reference 7.6)."""

import json

import pytest

from pulls.fhir.references import references

BASE = "https://portal.example/fhir/r4"


def targets(resource: dict, base: str = BASE) -> list[str]:
    return [each.target for each in references(json.dumps(resource).encode(), base)]


@pytest.mark.parametrize(
    "written",
    [
        "Practitioner/12",
        f"{BASE}/Practitioner/12",
        "Practitioner/12/_history/3",
        "https://PORTAL.example:443/fhir/r4/x",
    ],
)
def test_pull_contained_and_references(written):
    [reference] = references(json.dumps({"performer": [{"reference": written}]}).encode(), BASE)
    assert not reference.is_foreign
    if "Practitioner" in written:
        assert (reference.target, reference.url) == ("Practitioner/12", f"{BASE}/Practitioner/12")


@pytest.mark.parametrize("written", ["#contained", "urn:uuid:0c3", "", "data:text/plain,hi", "x" * 3000, "a\nb"])
def test_what_leads_nowhere_is_no_reference(written):
    assert targets({"subject": {"reference": written}}) == []


def test_foreign_references_are_told_apart():
    resource = {
        "a": {"reference": "https://other.example/fhir/r4/Practitioner/1"},
        "b": {"reference": "http://portal.example/x"},
    }
    assert [each.is_foreign for each in references(json.dumps(resource).encode(), BASE)] == [True, True]


def test_each_target_comes_once():
    resource = {"a": {"reference": "Location/1"}, "b": [{"reference": f"{BASE}/Location/1"}]}
    assert targets(resource) == ["Location/1"]


def test_attachments_bring_their_size():
    resource = {
        "resourceType": "DocumentReference",
        "content": [
            {"attachment": {"contentType": "application/pdf", "url": "Binary/9", "size": 1234}},
            {"attachment": {"contentType": "text/plain", "data": "aGk=", "url": "Binary/inline"}},
            {"attachment": {"contentType": "text/html", "url": "https://files.example/a.html"}},
            {"attachment": {"contentType": "text/xml", "url": "https://portal.example/docs/1.xml"}},
        ],
        "extension": [{"url": "http://example.org/ext"}],
    }
    found = references(json.dumps(resource).encode(), BASE)
    assert {each.target: (each.is_foreign, each.size) for each in found} == {
        "Binary/9": (False, 1234),
        "https://files.example/a.html": (True, None),
        "https://portal.example/docs/1.xml": (False, None),
    }
    assert all(each.is_attachment for each in found)


@pytest.mark.parametrize("url", ["Binary/9", f"{BASE}/Binary/9"])
def test_an_attachment_that_says_nothing_but_its_binary_is_one(url):
    [found] = references(json.dumps({"content": [{"attachment": {"url": url}}]}).encode(), BASE)
    assert (found.target, found.is_attachment) == ("Binary/9", True)


def test_text_that_looks_like_a_reference_is_text():
    assert targets({"note": '"reference":"Practitioner/1"'}) == []


def test_escaped_references_are_unescaped():
    assert [r.target for r in references(b'{"a":{"reference" : "Location\\/1"}}', BASE)] == ["Location/1"]


def test_another_path_of_the_same_host_is_no_resource_of_ours():
    [reference] = references(b'{"a":{"reference":"https://portal.example/other/Practitioner/1"}}', BASE)
    assert (reference.type, reference.is_foreign) == ("", False)


def test_without_a_base_relative_references_still_name_their_target():
    assert targets({"a": {"reference": "Location/1"}}, "") == ["Location/1"]
    assert references(b'{"a":{"reference":"https://h.example/Location/1"}}')[0].is_foreign
