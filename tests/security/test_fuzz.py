"""Anything at all, and anything nearly right, given to whatever reads what strangers send: the answer is a value or the
reader's own refusal, never another exception, never a hang."""

import base64
import contextlib
import io
import json
import time
from hashlib import sha256
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connect.errors import InvalidData
from connect.pagination import issue_cursor, read_cursor
from portals.directory.entries import DirectoryUnreadable
from portals.directory.readers import Format, read
from portals.smart import authorization
from portals.smart.documents import parse_object
from portals.smart.errors import CallbackError, SmartError
from portals.smart.judgement import judge
from portals.smart.tokens import TokenResponse, _token_response
from pulls.fhir.heads import Unreadable, read_head
from pulls.fhir.links import LinkRefused, follow
from pulls.fhir.outcomes import read_outcome
from pulls.fhir.pages import NotFhir, digest_of, read_page
from pulls.fhir.references import references
from webhooks import signing

MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

keys = st.sampled_from(
    ["resourceType", "id", "entry", "resource", "link", "relation", "url", "total", "search", "mode", "meta", "versionId",
     "lastUpdated", "subject", "reference", "issue", "severity", "code", "contained", "Endpoints", "address", "name",
     "status", "connectionType", "managingOrganization", "access_token", "expires_in", "patient", "scope", "error", "x"]
)  # fmt: skip
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["Bundle", "Patient", "OperationOutcome", "Observation", "next", "match", "https://a.example/r4",
                       "Patient/1", "urn:uuid:1", "2026-01-01", "error", "hl7-fhir-rest", "#1"])
)  # fmt: skip
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=25
)


def as_json(value) -> bytes:
    return json.dumps(value).encode()


@st.composite
def mutated(draw, whole=documents) -> bytes:
    """JSON of the right words in any order, then cut, doubled, or with a few bytes changed."""
    body = bytearray(as_json(draw(whole)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(body)))
        match draw(st.integers(0, 3)):
            case 0:
                del body[place:]
            case 1:
                body[place:place] = draw(st.binary(max_size=6))
            case 2:
                body[place:place] = body[: draw(st.integers(0, len(body)))]
            case 3:
                body[place : place + 1] = draw(
                    st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b"\x00", b"\xff"])
                )
    return bytes(body)


anything = st.binary(max_size=300) | mutated() | documents.map(as_json)
bundles = st.fixed_dictionaries(
    {"resourceType": st.just("Bundle"), "entry": st.lists(st.fixed_dictionaries({"resource": documents}), max_size=5)},
    optional={"total": leaves, "link": documents},
)


class TestPages:
    @MANY
    @given(anything | mutated(bundles))
    @example(b"")
    @example(b"\xef\xbb\xbf")
    @example(b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1"}},')
    def test_any_body_is_a_page_or_not_fhir(self, body):
        try:
            page = read_page(body)
        except NotFhir:
            return
        for entry in page.entries:
            assert json.loads(entry.raw)["resourceType"] == entry.head.type
            assert b"\n" not in entry.raw
            assert entry.digest == digest_of(entry.raw) == sha256(entry.raw).digest()
        for damaged in page.unreadable:
            assert damaged.reason

    @MANY
    @given(st.lists(st.dictionaries(keys, leaves, max_size=5), min_size=1, max_size=6), st.integers(0, 3))
    def test_one_bad_entry_never_costs_the_others(self, resources, bad):
        good = [as_json({**each, "resourceType": "Observation", "id": f"o{n}"}) for n, each in enumerate(resources)]
        broken = [b'{"resourceType":7}', b"[1,2]", b'"text"', b'{"resourceType":"Patient"}'][bad]
        entries = b",".join(b'{"resource":%s}' % each for each in [*good, broken])
        page = read_page(b'{"resourceType":"Bundle","entry":[%s]}' % entries)
        assert [entry.head.id for entry in page.entries] == [f"o{n}" for n in range(len(good))]
        assert len(page.unreadable) == 1

    @MANY
    @given(st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
    def test_every_number_keeps_every_digit(self, number):
        raw = b'{"resourceType":"Observation","id":"1","valueQuantity":{"value":%s}}' % number.encode()
        (entry,) = read_page(b'{"resourceType":"Bundle","entry":[{"resource":%s}]}' % raw).entries
        assert entry.raw == raw

    @MANY
    @given(anything)
    def test_heads_outcomes_and_references_of_anything(self, raw):
        with contextlib.suppress(Unreadable, UnicodeDecodeError):
            read_head(raw)
        read_outcome(raw)
        references(raw, "https://a.example/r4")

    @MANY
    @given(
        st.text(max_size=80)
        | st.sampled_from(
            [
                "//evil.example/r4",
                "https://a.example@evil.example/",
                "javascript:x",
                "https://a.example:444/r4?p=2",
                "?page=2",
                "http://169.254.169.254/",
            ]
        )
    )
    def test_a_next_link_leads_nowhere_but_to_the_portal(self, link):
        try:
            url = follow(link, here="https://a.example/r4/Observation?patient=1", base="https://a.example/r4")
        except LinkRefused:
            return
        assert urlsplit(url).scheme == "https"
        assert urlsplit(url).netloc == "a.example"


class TestCursors:
    @MANY
    @given(st.text(max_size=200))
    @example("a:b:c")
    @example("." * 100)
    def test_any_text_is_refused_as_a_cursor(self, text):
        with pytest.raises(InvalidData):
            read_cursor(text, {})

    @MANY
    @given(st.text(max_size=40), st.integers(0, 200), st.characters(max_codepoint=127))
    def test_a_changed_cursor_is_refused(self, position, place, letter):
        cursor = issue_cursor(position, {"status": "open"})
        assert read_cursor(cursor, {"status": "open"}) == position
        place %= len(cursor)
        changed = cursor[:place] + letter + cursor[place + 1 :]
        if _unpadded(changed) != _unpadded(cursor):
            with pytest.raises(InvalidData):
                read_cursor(changed, {"status": "open"})

    @MANY
    @given(st.dictionaries(st.sampled_from(["status", "email", "q"]), st.text(max_size=9), max_size=3))
    def test_a_cursor_belongs_to_its_filters(self, filters):
        cursor = issue_cursor("pf_1", {"status": "open", "patient_id": "p"})
        with pytest.raises(InvalidData):
            read_cursor(cursor, filters)


def _unpadded(cursor: str) -> list[bytes | str]:
    """What base64 makes of each part: its last letter may have bits that say nothing."""
    parts = []
    for part in cursor.split(":"):
        try:
            parts.append(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except ValueError:
            parts.append(part)
    return parts


class TestSignatures:
    @MANY
    @given(st.binary(min_size=1, max_size=200), st.integers(0, 10_000), st.integers(1, 127))
    def test_one_changed_byte_is_refused(self, body, place, flip):
        secret, now = signing.new_secret(), int(time.time())
        text = base64.b64encode(body)
        headers = signing.headers([secret], "evt_1", now, text)
        assert verified(secret, text, headers)
        place %= len(text)
        changed = text[:place] + bytes([text[place] ^ flip]) + text[place + 1 :]
        assert not verified(secret, changed, headers)
        assert not verified(signing.new_secret(), text, headers)
        assert not verified(secret, text, headers | {"webhook-id": "evt_2"})
        assert not verified(secret, text, headers | {"webhook-timestamp": str(now - 3600)})
        assert signing.medblocks_signature([secret], now, changed) != headers["Medblocks-Signature"]


def verified(secret: str, body: bytes, headers: dict) -> bool:
    class Whatever(Webhook):
        """The library parses JSON after verifying; our bodies here are no JSON."""

    try:
        Whatever(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    except ValueError:
        return True
    return True


class TestDirectories:
    @MANY
    @given(anything, st.sampled_from([None, *Format]))
    @example(b"\x1f\x8b\x08\x00garbage", None)
    @example(b'name,url\n"unclosed,https://a.example\n', None)
    @example(b'{"resourceType":"Bundle","entry":' + b"[" * 2000, Format.BUNDLE)
    def test_any_file_gives_items_or_is_refused_as_a_whole(self, body, format):
        try:
            for _ in read(io.BytesIO(body), format=format):
                pass
        except DirectoryUnreadable:
            pass


class TestPortalsAnswers:
    @MANY
    @given(
        st.text(max_size=200)
        | st.sampled_from(["code=a&state=b&iss=x", "state=a&state=b", "error=access_denied&state=a"])
    )
    def test_any_query_string_is_an_outcome_or_a_refusal(self, query):
        assert authorization.callback_state(query) is None or isinstance(authorization.callback_state(query), str)
        try:
            outcome = authorization.parse_callback(query, expected_issuer="https://a.example", iss_required=False)
            assert outcome.code
            assert outcome.state
        except CallbackError:
            pass

    @MANY
    @given(documents.filter(lambda value: isinstance(value, dict)).map(as_json) | anything, st.integers(100, 599))
    def test_any_token_answer_is_tokens_or_an_error_of_ours(self, body, status):
        error = judge(status, {}, body, purpose="code")
        assert error is None or isinstance(error, SmartError)
        try:
            answer = _token_response(body)
            assert isinstance(answer, TokenResponse)
            assert answer.access_token
        except SmartError:
            pass

    @MANY
    @given(anything)
    def test_any_document_is_an_object_or_none(self, body):
        found = parse_object(body)
        assert found is None or isinstance(found, dict)
