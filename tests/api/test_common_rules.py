"""What holds for every path of the API (contract 1): bodies, keys, versions, request ids, rate limits."""

import json
import uuid
from datetime import timedelta

import pytest
from django.urls import get_resolver
from django.utils import timezone

from connect.organizations.actions import revoke_key
from connect.organizations.models import ApiKey
from connect.organizations.views import ApiView, WritingApiView
from tests.factories import STAFF, ApiClient, make_key

pytestmark = pytest.mark.django_db

FLOW = {"patient_id": "p-1", "return_url": "https://app.example.org/back"}


def raw(client, path, body: bytes, content_type="application/json", **headers):
    return client.generic("POST", path, body, content_type=content_type, headers=headers)


def error_of(answer):
    error = answer.json()["error"]
    assert set(error) == {"type", "code", "message", "param", "doc_url", "request_id"}
    assert error["request_id"] == answer.headers["X-Request-Id"]
    return error


class TestBodies:
    def test_a_body_over_one_mebibyte_is_413(self, api):
        answer = raw(api, "/patients", b'{"patient_id": "p", "name": "' + b"x" * 1024 * 1024 + b'"}')
        assert (answer.status_code, error_of(answer)["code"]) == (413, "payload_too_large")

    def test_a_body_of_one_mebibyte_is_read(self, api):
        answer = raw(api, "/patients", b'{"patient_id": "p-1"}'.ljust(1024 * 1024))
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            b"{", b"\xff{}", b'{"patient_id": NaN}', b'{"patient_id": "\\ud800"}', b"[" * 200_000,
            b'{"patient_id": ' + b"9" * 5000 + b"}",
        ],
        ids=["cut short", "not UTF-8", "NaN", "lone surrogate", "nested for ever", "number without end"],
    )  # fmt: skip
    def test_what_is_not_json_is_bad_request(self, api, body):
        answer = raw(api, "/patients", body)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "bad_request")

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
    def test_another_content_type_is_bad_request(self, api, content_type):
        answer = raw(api, "/patients", b'{"patient_id": "p-1"}', content_type)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "bad_request")

    @pytest.mark.parametrize("body", [b"[]", b'"x"', b"5", b"null", b"true"])
    def test_json_that_is_no_object_is_invalid_data(self, api, body):
        answer = raw(api, "/patients", body)
        assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_data")

    def test_an_unknown_field_is_named(self, api):
        answer = api.create("/patients", {"patient_id": "p-1", "nmae": "Ann"})
        error = error_of(answer)
        assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_data", "nmae")
        assert "name" in error["message"]

    def test_types_are_those_of_the_document(self, api):
        for change, param in [
            ({"patient_id": 5}, "patient_id"),
            ({"expires_in": "1800"}, "expires_in"),
            ({"expires_in": True}, "expires_in"),
            ({"expires_in": 60.5}, "expires_in"),
            ({"recommended_connection_ids": ["a", 5]}, "recommended_connection_ids[1]"),
            ({"metadata": {"n": float("1e400")}}, "metadata"),
        ]:
            body = json.dumps({**FLOW, **change}).replace("Infinity", "1e400").encode()
            answer = raw(api, "/patient-flows", body)
            assert (answer.status_code, error_of(answer)["param"]) == (400, param), change

    def test_a_nul_is_refused_wherever_it_stands(self, api):
        for body in (
            {"patient_id": "a\0b"},
            {"patient_id": "p", "name": "\0"},
            {"patient_id": "p", "metadata": {"\0": 1}},
        ):
            assert api.create("/patients", body).status_code == 400
        assert api.get("/patients/a%00b").status_code == 404
        assert api.get("/patients?email=%00").status_code == 400
        assert api.get("/connections/%00").status_code == 404

    def test_an_id_is_kept_as_it_is(self, api):
        assert api.create("/patients", {"patient_id": " p-1 "}).json()["id"] == " p-1 "

    def test_messages_are_english_whatever_the_client_speaks(self, api):
        answer = api.post("/patients", {}, content_type="application/json", headers={"Accept-Language": "es"})
        assert error_of(answer)["message"] == "This field is required."

    def test_the_answer_is_json_whatever_accept_says(self, api):
        for accept in ("text/html", "application/fhir+ndjson", "application/json; charset=utf-8", "nonsense"):
            answer = api.get("/patients", headers={"Accept": accept})
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


class TestKeys:
    def test_no_key(self, client, db):
        for headers in (
            {},
            {"Authorization": "Basic eDp5"},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer  "},
        ):
            answer = client.get("/patients", headers=headers)
            error = error_of(answer)
            assert (answer.status_code, error["type"], error["code"]) == (
                401, "authentication_error", "missing_api_key",
            )  # fmt: skip
            assert answer.headers["WWW-Authenticate"] == "Bearer"

    def test_an_unknown_key(self, db):
        for secret in ("mb_sk_sbx_unknown", "x" * 5000, "ümlaut", "mb_sk_sbx_ two"):
            answer = ApiClient(secret).get("/patients")
            assert (answer.status_code, error_of(answer)["code"]) == (401, "invalid_api_key")

    def test_a_revoked_key_ends_with_the_next_request(self, organization):
        secret = make_key(organization)
        assert ApiClient(secret).get("/patients").status_code == 200
        revoke_key(key=ApiKey.objects.get(), by=STAFF)
        answer = ApiClient(secret).get("/patients")
        assert (answer.status_code, error_of(answer)["code"]) == (401, "invalid_api_key")

    def test_an_expired_key_is_told_so(self, organization):
        secret = make_key(organization)
        ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        answer = ApiClient(secret).get("/patients")
        assert (answer.status_code, error_of(answer)["code"]) == (401, "expired_api_key")

    def test_only_hashes_of_keys_are_stored_and_their_use_is_noted(self, organization):
        secret = make_key(organization)
        ApiClient(secret).get("/patients")
        key = ApiKey.objects.get()
        assert secret not in str(ApiKey.objects.values().get())
        assert key.last_used_at is not None
        assert secret.startswith(key.hint)

    def test_a_key_is_found_by_its_hash_so_that_time_tells_nothing(self, organization, django_assert_num_queries):
        """An index of SHA-256 values is searched: how long it takes does not depend on how much of a guess is right."""
        client = ApiClient(make_key(organization))
        client.get("/patients")
        with django_assert_num_queries(2) as queries:
            client.get("/patients")
        assert '"hash" = ' in queries.captured_queries[0]["sql"]

    def test_each_operation_needs_its_scope(self, organization):
        client = ApiClient(make_key(organization, scopes=["patients:read"]))
        assert client.get("/patients").status_code == 200
        for answer in (
            client.create("/patients", {"patient_id": "p"}),
            client.get("/webhooks"),
            client.head("/webhooks"),
        ):
            assert answer.status_code == 403
        assert error_of(client.get("/webhooks"))["code"] == "insufficient_scope"
        assert "webhooks:read" in error_of(client.get("/webhooks"))["message"]


class TestVersions:
    def test_the_published_version_is_taken(self, api):
        assert api.get("/patients", headers={"Version": "2026-04-25"}).status_code == 200

    def test_an_unknown_version_is_refused(self, api):
        answer = api.get("/patients", headers={"Version": "2020-01-01"})
        assert (answer.status_code, error_of(answer)["code"]) == (400, "unsupported_api_version")
        assert "2026-04-25" in error_of(answer)["message"]


class TestRequestIds:
    @pytest.mark.parametrize(
        "path",
        ["/health", "/patients", "/nothing/here", "/openapi.json", "/docs/errors/forbidden", "/admin/login/", "/c/x"],
    )
    def test_every_answer_of_every_path_has_one(self, client, db, path):
        one, other = (client.get(path).headers["X-Request-Id"] for _ in range(2))
        assert uuid.UUID(one) != uuid.UUID(other)

    def test_a_fault_of_ours_has_one_too_and_tells_nothing(self, organization, monkeypatch):
        def broken(*args, **kwargs):
            raise RuntimeError("SELECT secret FROM somewhere")

        monkeypatch.setattr("patientflows.api.actions.open_flow", broken)
        client = ApiClient(make_key(organization))
        client.raise_request_exception = False
        answer = client.create("/patient-flows", FLOW)
        error = error_of(answer)
        assert (answer.status_code, error["type"], error["code"]) == (500, "api_error", "internal_error")
        assert b"secret" not in answer.content


class TestUnknownPathsAndMethods:
    def test_an_unknown_path_is_404_in_the_apis_form(self, client, db):
        for path in ("/nope", "/patients/", "/webhooks/x/y/z", "/connections/a/../../b"):
            answer = client.post(path)
            assert answer.status_code in (401, 404)
            assert error_of(answer)["code"] in ("resource_not_found", "missing_api_key")

    def test_a_wrong_method_is_405_with_allow(self, api):
        for method, path, allowed in [
            ("DELETE", "/patients", {"GET", "HEAD", "POST"}),
            ("PATCH", "/patients/p-1", {"GET", "HEAD", "PUT", "DELETE"}),
            ("OPTIONS", "/events", {"GET", "HEAD"}),
            ("POST", "/health", {"GET", "HEAD"}),
            ("PUT", "/openapi.json", {"GET", "HEAD"}),
        ]:
            answer = api.generic(method, path)
            assert (answer.status_code, error_of(answer)["code"]) == (405, "method_not_allowed"), path
            assert set(answer.headers["Allow"].split(", ")) - {"OPTIONS"} == allowed, path

    def test_a_post_can_be_repeated_with_an_idempotency_key_everywhere(self):
        views = [pattern.callback.view_class for pattern in all_patterns() if hasattr(pattern.callback, "view_class")]
        posting = [view for view in views if issubclass(view, ApiView) and hasattr(view, "post")]
        assert len(posting) > 8
        assert [view for view in posting if not issubclass(view, WritingApiView)] == []


class TestRateLimits:
    @pytest.fixture(autouse=True)
    def three_a_minute(self, settings):
        settings.API_RATE_LIMIT_PER_MINUTE = 3

    def test_every_answer_says_what_is_left(self, api, time_machine):
        time_machine.move_to("2026-05-01T10:00:20Z", tick=False)
        answer = api.get("/patients")
        assert answer.headers["RateLimit-Policy"] == '"default";q=3;w=60'
        assert answer.headers["RateLimit"] == '"default";r=2;t=40'
        assert api.get("/patients/nobody").headers["RateLimit"] == '"default";r=1;t=40'

    def test_past_the_limit_it_is_429_until_the_window_ends(self, api, time_machine):
        time_machine.move_to("2026-05-01T10:00:20Z", tick=False)
        for _ in range(3):
            assert api.get("/patients").status_code == 200
        answer = api.get("/patients")
        error = error_of(answer)
        assert (answer.status_code, error["type"], error["code"]) == (429, "rate_limit_error", "throttled")
        assert answer.headers["Retry-After"] == "40"
        assert answer.headers["RateLimit"] == '"default";r=0;t=40'
        time_machine.shift(40)
        assert api.get("/patients").status_code == 200

    def test_keys_do_not_spend_each_others_allowance(self, api, organization):
        for _ in range(4):
            api.get("/patients")
        assert ApiClient(make_key(organization)).get("/patients").status_code == 200

    def test_refusals_count_too(self, organization):
        client = ApiClient(make_key(organization, scopes=[]))
        assert [client.get("/patients").status_code for _ in range(4)] == [403, 403, 403, 429]

    def test_without_its_cache_the_api_goes_on(self, api, settings):
        nobody = "redis://127.0.0.1:1/0"
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": nobody}}
        assert [api.get("/patients").status_code for _ in range(5)] == [200] * 5


def all_patterns(resolver=None):
    for pattern in (resolver or get_resolver()).url_patterns:
        if hasattr(pattern, "url_patterns"):
            yield from all_patterns(pattern)
        else:
            yield pattern
