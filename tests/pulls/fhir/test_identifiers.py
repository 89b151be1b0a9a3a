"""The one change to what a portal sent: a Patient's identifier, spliced in; no other byte is touched (contract 5)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulls.fhir.identifiers import with_patient_identifier

OURS = {"system": "urn:medblocks:patient-id", "value": "p-1"}

members = st.dictionaries(
    st.text(max_size=8) | st.sampled_from(["identifier", "name", "contained"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


def spliced(text: str, patient_id: str = "p-1") -> dict:
    return json.loads(with_patient_identifier(text.encode(), patient_id))


@pytest.mark.parametrize(
    ("before", "identifiers"),
    [
        ('{"resourceType":"Patient","identifier":[{"value":"mrn"}]}', [{"value": "mrn"}, OURS]),
        ('{"resourceType":"Patient","identifier":[ ]}', [OURS]),
        ('{"resourceType":"Patient","id":"x"}', [OURS]),
        ("{}", [OURS]),
        ('{"identifier":null}', [OURS]),
        ('{"identifier":{"value":"mrn"}}', [{"value": "mrn"}, OURS]),
        ('{"\\u0069dentifier":[{"value":"mrn"}]}', [{"value": "mrn"}, OURS]),
        ('{"contact":[{"identifier":[1]}],"x":"\\"identifier\\":[","identifier":[2]}', [2, OURS]),
        (' {\n "identifier" : [\n 1 ,\n 2\n ]\n}', [1, 2, OURS]),
    ],
)
def test_the_identifier_joins_those_that_are_there(before, identifiers):
    assert spliced(before)["identifier"] == identifiers


def test_no_other_byte_changes():
    before = b'{"a":1.50,"identifier":[{"value":"\\u00e9"}],"b":[1E-7,12345678901234567890.10],"c":"\\ud800 \xc3\xa9"}'
    ours = b',{"system":"urn:medblocks:patient-id","value":"p-1"}'
    after = with_patient_identifier(before, "p-1")
    assert after.replace(ours, b"") == before


def test_ids_that_json_must_escape_are_escaped():
    for patient_id in ('a"b', "back\\slash", "ü/🩺", "line\nbreak"):
        assert spliced('{"resourceType":"Patient"}', patient_id)["identifier"][-1]["value"] == patient_id


def test_twice_is_the_same_as_once():
    once = with_patient_identifier(b'{"resourceType":"Patient"}', "p-1")
    assert with_patient_identifier(once, "p-1") == once


@pytest.mark.parametrize("text", [b"[]", b"", b'{"identifier":[', b"null"])
def test_what_is_no_object_comes_back_unchanged(text):
    assert with_patient_identifier(text, "p-1") == text


@given(members, st.booleans(), st.sampled_from([None, 2]))
def test_every_other_member_stays_as_it_was(patient, is_ascii, indent):
    after = spliced(json.dumps(patient, ensure_ascii=is_ascii, indent=indent))
    assert {key: value for key, value in after.items() if key != "identifier"} == {
        key: value for key, value in patient.items() if key != "identifier"
    }
    assert OURS in after["identifier"]
