"""Reading searchset pages: what comes, comes as it was sent; one odd resource costs no other (reference 4.7, 7.6)."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulls.fhir import outcomes
from pulls.fhir.heads import Head
from pulls.fhir.pages import NotFhir, digest_of, on_one_line, read_page

REAL = sorted(Path("/work/shared/data/fhir").glob("*/*.json"))
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "processing"}]}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ids = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=88)
odd_resources = st.builds(
    lambda rest, id_: {**rest, "resourceType": "Observation", "id": id_},
    st.dictionaries(st.sampled_from(["meta", "subject", "patient", "value", "note"]), json_values),
    ids,
)


def bundle(*resources: str, **more: object) -> bytes:
    """A searchset whose resources are the given JSON texts, put in as they are."""
    entries = ",".join(f'{{"resource":{text},"search":{{"mode":"match"}}}}' for text in resources)
    head = json.dumps({"resourceType": "Bundle", "type": "searchset", **more})[:-1]
    return f'{head},"entry":[{entries}]}}'.encode()


def observation(id_: str = "o1", rest: str = '"status":"final"') -> str:
    return f'{{"resourceType":"Observation","id":{json.dumps(id_)},{rest}}}'


def test_a_page_gives_its_resources_links_and_total():
    body = bundle(
        observation(
            rest='"meta":{"versionId":"3","lastUpdated":"2026-01-02T03:04:05Z"},"subject":{"reference":"Patient/p"}'
        ),
        total=41,
        link=[{"relation": "self", "url": "https://h/r4/Observation"}, {"relation": "next", "url": "?page=2"}],
    )
    page = read_page(body)
    [entry] = page.entries
    assert (page.kind, page.total, page.next_url, page.self_url) == (
        "bundle",
        41,
        "?page=2",
        "https://h/r4/Observation",
    )
    assert entry.head == Head("Observation", "o1", "3", "2026-01-02T03:04:05Z", ("Patient/p",))
    assert (entry.mode, entry.digest) == ("match", digest_of(entry.raw))


@pytest.mark.parametrize("number", ["1.50", "1E-7", "1.00", "123456789012345.67890123456789", "-0.0", "1e400"])
def test_pull_decimal_exact(number):
    text = observation(rest=f'"valueQuantity":{{"value":{number}}}')
    assert read_page(bundle(text)).entries[0].raw == text.encode()


@pytest.mark.parametrize("text", ["Agustín", "é", "🩺", "\\u0000", "\\u00e9\\ud83e\\ude7a", "\\/", '\\\\\\"]}'])
def test_pull_unicode(text):
    text = observation(rest=f'"note":[{{"text":"{text}"}}]')
    assert read_page(bundle(text)).entries[0].raw == text.encode()


def test_a_lone_surrogate_is_carried_and_costs_no_other():
    odd, fine = observation("odd", '"note":"\\ud800"'), observation("fine")
    page = read_page(bundle(odd, fine))
    assert [entry.head.id for entry in page.entries] == ["odd", "fine"]
    assert page.entries[0].raw == odd.encode()


def test_pull_deep_json():
    deep = observation("deep", f'"x":{"[" * 100_000}{"]" * 100_000}')
    page = read_page(bundle(observation("before"), deep, observation("after"), total=3))
    assert [entry.head.id for entry in page.entries] == ["before", "after"]
    assert [(bad.place, bad.reason, bad.raw) for bad in page.unreadable] == [(1, "not_json", deep.encode())]
    assert page.total == 3


def test_bytes_that_are_not_utf8_cost_only_their_resource():
    body = bundle(observation("fine"), observation("bad", '"note":"@"')).replace(b"@", b"\xff\xfe")
    page = read_page(body)
    assert [entry.head.id for entry in page.entries] == ["fine"]
    assert [(bad.place, bad.reason) for bad in page.unreadable] == [(1, "not_utf8")]


def test_ids_of_88_odd_characters_are_ids():
    odd = "a/b?c=d&e#f %20 " + "ü" * 72
    assert len(odd) == 88
    assert read_page(bundle(observation(odd))).entries[0].head.id == odd


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ('{"resourceType":"Observation"}', "no_id"),
        ('{"resourceType":"Observation","id":""}', "no_id"),
        ('{"resourceType":"Observation","id":7}', "no_id"),
        ('{"resourceType":"Observation","id":"a\\u0000b"}', "unusable_id"),
        ('{"resourceType":"Observation","id":"\\ud800"}', "unusable_id"),
        ('{"resourceType":"Observation","id":"%s"}' % ("x" * 301), "unusable_id"),
        ('{"resourceType":"Obser/vation","id":"a"}', "not_a_resource"),
        ('{"id":"a"}', "not_a_resource"),
        ("[]", "not_a_resource"),
        ('"text"', "not_a_resource"),
    ],
)
def test_what_cannot_be_filed_is_kept_with_its_place_and_reason(resource, reason):
    page = read_page(bundle(observation("fine"), resource))
    assert [entry.head.id for entry in page.entries] == ["fine"]
    assert [(bad.place, bad.reason, bad.raw) for bad in page.unreadable] == [(1, reason, resource.encode())]


def test_pull_invalid_resource_kept():
    wrong = observation(rest='"effectivePeriod":{"stop":"2020"},"subject":[7],"meta":"nonsense","status":{}')
    [entry] = read_page(bundle(wrong)).entries
    assert (entry.raw, entry.head.version_id, entry.head.subjects) == (wrong.encode(), "", ())


def test_duplicate_ids_all_come_through_in_order():
    page = read_page(bundle(observation(rest='"n":1'), observation(rest='"n":2')))
    assert [json.loads(entry.raw)["n"] for entry in page.entries] == [1, 2]


def test_includes_are_told_from_matches():
    body = bundle(observation()).replace(b'"match"', b'"include"')
    page = read_page(body)
    assert (page.entries[0].mode, page.matches) == ("include", 0)


@pytest.mark.parametrize("entry", [{}, {"fullUrl": "urn:x"}, {"resource": None}, {"search": {"mode": "match"}}])
def test_entries_without_a_resource_say_nothing(entry):
    page = read_page(json.dumps({"resourceType": "Bundle", "entry": [entry]}).encode())
    assert (page.entries, page.unreadable, page.outcomes) == ([], [], [])


@pytest.mark.parametrize("total", ['"12"', "-1", "null", "[]", "1e99"])
def test_a_total_that_is_no_count_is_no_total(total):
    body = bundle(observation()).replace(b'"type"', f'"total":{total},"type"'.encode())
    assert read_page(body).total is None
    assert len(read_page(body).entries) == 1


def test_pull_oo_entry_in_200():
    epic = {"severity": "warning", "code": "processing", "details": {"coding": [{"code": "4119"}], "text": "Mr Smith"}}
    entry = json.dumps({"resourceType": "OperationOutcome", "issue": [epic]})
    page = read_page(bundle(observation(), entry).replace(b'"match"', b'"outcome"'))
    assert [entry.head.type for entry in page.entries] == ["Observation"]
    [issue] = page.outcomes
    assert outcomes.has(page.outcomes, outcomes.INCOMPLETE)
    assert issue.name == "warning:processing:4119"
    assert "Smith" not in repr(issue), "a portal's own words may be about a person"


def test_a_bare_outcome_is_no_bundle():
    page = read_page(json.dumps(OUTCOME).encode())
    assert (page.kind, page.entries, len(page.outcomes)) == ("outcome", [], 1)


def test_a_read_answers_one_resource():
    page = read_page(b'\xef\xbb\xbf {"id":"p","resourceType":"Patient"}\n')
    assert (page.kind, page.entries[0].head.id, page.entries[0].raw) == (
        "resource",
        "p",
        b'{"id":"p","resourceType":"Patient"}',
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"<html><body>Log in</body></html>", "not_json"),
        (bundle(observation())[:-20], "not_json"),
        (b'{"resourceType":"Bundle","entry":[{', "not_json"),
        (b"[]", "not_json"),
        (b'"Not Found"', "not_json"),
        (b"\x1f\x8b\x08", "not_json"),
        (b"{}", "not_fhir"),
        (b'{"message":"Not Found"}', "not_fhir"),
        (b'{"resourceType":7}', "not_fhir"),
    ],
)
def test_bodies_that_are_no_fhir_say_so(body, reason):
    with pytest.raises(NotFhir) as refused:
        read_page(body)
    assert refused.value.reason == reason


def test_line_breaks_go_and_values_stay():
    pretty = '{\r\n "resourceType": "Observation",\n "id": "a",\n "value": [1.50, 1E-7, "x\\ny"]\n}'
    [entry] = read_page(bundle(pretty)).entries
    assert entry.raw == b'{"resourceType":"Observation","id":"a","value":[1.50,1E-7,"x\\ny"]}'


@given(st.text())
def test_one_line_is_the_same_json(text):
    value = {"text": text, "n": [1, {"a": text}]}
    assert json.loads(on_one_line(json.dumps(value, indent=3).encode())) == value


@given(st.lists(odd_resources, max_size=4), st.booleans())
def test_whatever_resources_hold_they_come_through(resources, is_ascii):
    texts = [json.dumps(resource, ensure_ascii=is_ascii) for resource in resources]
    page = read_page(bundle(*texts))
    assert [entry.raw for entry in page.entries] == [text.encode() for text in texts]
    assert [entry.head.id for entry in page.entries] == [resource["id"] for resource in resources]


@given(st.binary(max_size=300) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_does_worse_than_being_refused(body):
    try:
        page = read_page(body)
    except NotFhir:
        return
    assert len(page.entries) + len(page.unreadable) <= 1


@given(st.data())
def test_a_page_cut_anywhere_is_refused(data):
    body = bundle(observation("a"), observation("b", '"note":"[{\\"}]"'), total=2)
    with pytest.raises(NotFhir):
        read_page(body[: data.draw(st.integers(0, len(body) - 1))])


@pytest.mark.skipif(not REAL, reason="the shared bundles are not here")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem[:24])
def test_every_real_bundle_is_read_whole(path):
    body = path.read_bytes()
    page = read_page(body)
    assert page.unreadable == []
    expected = [entry["resource"] for entry in json.loads(body, parse_float=str, parse_int=str)["entry"]]
    assert [json.loads(entry.raw, parse_float=str, parse_int=str) for entry in page.entries] == expected
    assert not any(b"\n" in entry.raw for entry in page.entries)
