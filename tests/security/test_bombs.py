"""Bodies made to break the reader: deep, wide, long, many-headed; from callers of the API, from portals, from receivers."""

import contextlib
import gzip
import json
import time

import pytest
from django.test import Client

from connect import outbound
from connect.outbound import policies
from portals.smart import discovery
from portals.smart.errors import SmartError
from pulls.fhir.pages import NotFhir, read_page
from tests.portals.portal_double import Answer, PortalDouble

DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP, b'{"a":' * DEEP, b'{"patient_id":"p","metadata":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        b'{"patient_id":"p","metadata":{"a":' + b"9" * 10_000 + b"}}", b'{"patient_id":"p","metadata":{"a":1e999}}',
        b'{"patient_id":"p","metadata":{"a":NaN}}', b"\xff\xfe{}", b'{"patient_id":"\\ud800"}', b"", b"null", b"7",
        b'{"patient_id":"p","patient_id":"q","email":[[]]}', b'{"metadata":{"__proto__":{"x":1}},"patient_id":5}',
    ],
    ids=range(13),
)  # fmt: skip
def test_no_request_body_ends_in_a_fault_of_ours(api, body):
    began = time.monotonic()
    for path in ("/patients", "/patient-flows", "/webhooks"):
        answer = api.post(path, data=body, content_type="application/json")
        assert 200 <= answer.status_code < 500, answer.content
        if answer.status_code != 200:
            assert answer.json()["error"]["type"] == "invalid_request_error"
    assert time.monotonic() - began < 20


def test_a_body_over_a_mebibyte_is_not_read(api):
    answer = api.post("/patients", data=b'"' + b"a" * 1024 * 1024 + b'"', content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    "query",
    ["limit=1" * 500, "starting_after=" + "A" * 5000, "limit=9" + "9" * 5000, "patient_id=%00", "email=%ff%fe",
     "limit=1&limit=2", "starting_after=%F0%9F%92%A3", "status[]=open", "since=99999-99-99"],
)  # fmt: skip
def test_no_query_string_ends_in_a_fault_of_ours(api, query):
    for path in ("/patients", "/patient-flows", "/webhooks", "/events", "/pulls", "/connections"):
        assert api.get(f"{path}?{query}").status_code < 500, path


@pytest.mark.parametrize("path", ["/patients/%00", "/patients/%ff", "/patients/" + "a" * 5000, "/c/%00", "/c/" + "é" * 99,
                                  "/my/%00", "/oauth/callback/%00?state=%00", "/connections/http:%2F%2F%00",
                                  "/events/%27%20OR%201=1", "/brand/..%2f..%2fsettings.css", "/static/..%2fsettings.py",
                                  "/static/%2e%2e/%2e%2e/etc/passwd", "/docs/errors/..%2f..%2f"])  # fmt: skip
def test_no_path_ends_in_a_fault_of_ours(api, path):
    for client in (api, Client()):
        assert client.get(path).status_code in (200, 301, 302, 303, 400, 401, 404)


class TestFromPortals:
    @pytest.fixture(autouse=True)
    def _loopback(self, loopback):
        """These portals are on this machine."""

    @pytest.fixture
    def double(self):
        with PortalDouble() as double:
            yield double

    def test_a_zip_bomb_is_cut_by_what_it_becomes(self, double):
        bomb = gzip.compress(b"0" * (policies.PORTAL_TOKEN.max_body_bytes * 8))
        double.on("/token", Answer(200, body=bomb, headers={"Content-Encoding": "gzip"}))
        with pytest.raises(outbound.OutboundError) as caught:
            outbound.request("GET", f"{double.url}/token", policy=policies.PORTAL_TOKEN)
        assert caught.value.reason == "too_large"

    def test_a_bomb_in_a_bomb_is_opened_once(self, double):
        inner = gzip.compress(b"0" * 10_000_000)
        double.on("/token", Answer(200, body=gzip.compress(inner), headers={"Content-Encoding": "gzip"}))
        body = outbound.request("GET", f"{double.url}/token", policy=policies.PORTAL_TOKEN).body
        assert body == inner

    @pytest.mark.parametrize("coding", ["gzip, gzip, gzip, gzip, gzip, gzip", "deflate, gzip, br", "zstd", "x" * 4000])
    def test_codings_stacked_or_unknown_are_no_answer_or_are_left_closed(self, double, coding):
        body = gzip.compress(gzip.compress(b"0" * 1_000_000))
        double.on("/token", Answer(200, body=body, headers={"Content-Encoding": coding}))
        began = time.monotonic()
        try:
            answer = outbound.request("GET", f"{double.url}/token", policy=policies.PORTAL_TOKEN)
            assert len(answer.body) <= policies.PORTAL_TOKEN.max_body_bytes
        except outbound.OutboundError:
            pass
        assert time.monotonic() - began < 20

    @pytest.mark.parametrize("body", [b"[" * DEEP, b'{"a":' * DEEP, b'{"token_endpoint":' + b"[" * DEEP,
                                      b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>", b"9" * 200_000])  # fmt: skip
    def test_a_discovery_document_made_to_break_us_is_a_portals_fault(self, double, body):
        double.on("/fhir/.well-known/smart-configuration", Answer(200, body=body))
        double.on("/fhir/metadata", Answer(200, body=body))
        with pytest.raises(SmartError):
            discovery.discover(f"{double.url}/fhir")

    def test_a_thousand_headers_are_no_answer(self, double):
        wire = b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000 + b"Content-Length: 2\r\n\r\nok"
        double.on("/token", Answer(raw=wire))
        with pytest.raises(outbound.OutboundError):
            outbound.request("GET", f"{double.url}/token", policy=policies.PORTAL_TOKEN)

    def test_a_header_of_a_mebibyte_is_no_answer(self, double):
        double.on("/token", Answer(raw=b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 1024 * 1024 + b"\r\n\r\n"))
        with pytest.raises(outbound.OutboundError):
            outbound.request("GET", f"{double.url}/token", policy=policies.PORTAL_TOKEN)


@pytest.mark.parametrize("nest", ["[", '{"a":', '{"resourceType":"Bundle","entry":['])
def test_a_deep_page_is_read_or_refused_but_never_breaks_the_reader(nest):
    began = time.monotonic()
    with contextlib.suppress(NotFhir):
        read_page((nest * DEEP).encode())
    deep = '{"resourceType":"Patient","id":"1","x":' + "[" * 20_000 + "]" * 20_000 + "}"
    page = read_page(f'{{"resourceType":"Bundle","entry":[{{"resource":{deep}}},{{"resource":{{"resourceType":"Patient",'
                     f'"id":"2"}}}}]}}'.encode())  # fmt: skip
    assert [entry.head.id for entry in page.entries][-1] == "2"
    assert time.monotonic() - began < 20


def test_a_page_of_twenty_thousand_entries_is_read_in_seconds():
    entry = {"resource": {"resourceType": "Observation", "id": "x", "status": "final"}}
    body = json.dumps({"resourceType": "Bundle", "entry": [entry] * 20_000}).encode()
    began = time.monotonic()
    assert len(read_page(body).entries) == 20_000
    assert time.monotonic() - began < 10
