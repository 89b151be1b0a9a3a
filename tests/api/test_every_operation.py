"""What every operation owes, each tried with its own example: keys, scopes, tenancy, and refusals that change nothing."""

import json

import pytest
from django.core import serializers as django_serializers
from django.test import Client

from connect.docs.examples import REQUESTS
from connect.organizations.models import SCOPES, Environment, Patient
from patientflows.models import PatientFlow
from portals.models import Connection
from pulls.exports.models import Destination, Export
from pulls.models import Pull
from tests.api.reading import operations
from tests.api.test_examples import path_of
from tests.factories import ApiClient, make_key, make_organization
from webhooks.models import Endpoint, Event

pytestmark = pytest.mark.django_db
# The catalogue is an environment's, not an organisation's; a new flow or export names what it is about in its body.
SHARED = {"get_source"}
KEPT = (Patient, PatientFlow, Connection, Pull, Endpoint, Event, Destination, Export)


def send(client, operation: dict, **headers):
    body = json.dumps(REQUESTS.get(operation["operationId"], {}))
    method = operation["method"].upper()
    if method in ("GET", "DELETE"):
        return client.generic(method, path_of(operation), headers=headers)
    return client.generic(method, path_of(operation), body, content_type="application/json", headers=headers)


def keyed(document: dict) -> list[dict]:
    return [operation for operation in operations(document).values() if operation["security"]]


def scope_of(operation: dict) -> str:
    return operation["description"].rpartition("Scope: `")[2].rstrip("`")


def everything() -> str:
    return "".join(django_serializers.serialize("json", model.objects.order_by("pk")) for model in KEPT)


def test_without_a_key_nothing_is_told_and_nothing_changes(world, document, settings):
    settings.WRONG_KEYS_PER_MINUTE = 0  # more guesses than an address may make
    before = everything()
    for operation in keyed(document):
        for client, code in ((Client(), "missing_api_key"), (ApiClient("mb_sk_sbx_wrong"), "invalid_api_key")):
            answer = send(client, operation)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, code), operation["operationId"]
    assert everything() == before


def test_each_scope_opens_its_operations_and_no_other(world, document, organization):
    before = everything()
    for operation in keyed(document):
        scope = scope_of(operation)
        assert scope in SCOPES, operation["operationId"]
        lacking = ApiClient(make_key(organization, scopes=[other for other in SCOPES if other != scope]))
        answer = send(lacking, operation)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope"), operation[
            "operationId"
        ]
        assert scope in answer.json()["error"]["message"]
    assert everything() == before


def test_strangers_and_the_other_environment_find_nothing_and_change_nothing(world, document, organization):
    before = everything()
    others = [
        ApiClient(make_key(make_organization("Other"))),
        ApiClient(make_key(organization, Environment.PRODUCTION)),
    ]
    for operation in keyed(document):
        if "{" not in operation["path"] or operation["operationId"] in SHARED:
            continue
        for client in others:
            answer = send(client, operation)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_not_found"), operation[
                "path"
            ]
    assert everything() == before


def test_lists_show_nobody_elses(world, document, organization):
    stranger = ApiClient(make_key(make_organization("Other")))
    for operation in keyed(document):
        if operation["method"] == "get" and "{" not in operation["path"] and operation["operationId"] != "list_sources":
            assert send(world, operation).json()["data"], operation["path"]
            assert send(stranger, operation).json()["data"] == [], operation["path"]


def test_an_unknown_version_is_refused_everywhere(world, document):
    for operation in keyed(document):
        answer = send(world, operation, Version="1999-01-01")
        assert answer.json()["error"]["code"] == "unsupported_api_version", operation["operationId"]


def test_unknown_body_fields_are_refused_everywhere(world, document):
    before = everything()
    for operation in keyed(document):
        if operation["method"] not in ("post", "put", "patch"):
            continue
        body = json.dumps({**REQUESTS.get(operation["operationId"], {}), "surprise": 1})
        method = operation["method"].upper()
        answer = world.generic(method, path_of(operation), body, content_type="application/json")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_data", "surprise"), operation[
            "path"
        ]
    assert everything() == before


def test_every_post_is_repeated_safely(world, document):
    for operation in keyed(document):
        if operation["method"] != "post":
            continue
        key = {"Idempotency-Key": operation["operationId"]}
        first, second = send(world, operation, **key), send(world, operation, **key)
        assert first.content == second.content, operation["operationId"]
        assert (first.status_code, second.headers.get("Idempotent-Replayed")) == (200, "true"), operation["operationId"]


def test_every_answer_tells_what_is_left_of_the_rate_limit(world, document):
    for operation in keyed(document):
        answer = send(world, operation)
        assert answer.headers["RateLimit"].startswith('"default";r='), operation["operationId"]
        assert answer.headers["RateLimit-Policy"].startswith('"default";q='), operation["operationId"]
