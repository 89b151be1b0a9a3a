"""The client and the API name the same operations: none is missing on either side."""

import functools
import inspect
import json
import re
import typing
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec
import pytest
from django.urls import URLPattern, get_resolver, resolve

from connect.docs.views import openapi_file
from connect.organizations.views import ApiView
from connect_health._binding import _Bindable
from connect_health.clients import Connect
from connect_health.pages import Page

DUMMIES = {"seconds": 1, "since": datetime(2026, 4, 25, tzinfo=UTC)}
CLIENT = Connect("mb_sk_sbx_test", "http://connect.test")


def operations() -> list:
    """Every operation of every resource: (its name, its method and path)."""
    found = []
    for name, resource in vars(CLIENT).items():
        for operation_name, bound in vars(type(resource)).items():
            if isinstance(bound, _Bindable):
                found.append(pytest.param(bound.build, id=f"{name}.{operation_name}"))
    return found


def call_of(build):
    """The call an operation makes of its required parameters."""
    needed = [p for p in inspect.signature(build).parameters.values() if p.default is p.empty and p.name != "self"]
    return build(None, **{parameter.name: DUMMIES.get(parameter.name, "x") for parameter in needed})


def route_of(call) -> tuple:
    return resolve(call.path).func.view_class, call.method


def api_routes(patterns=None) -> set:
    found = set()
    for pattern in patterns or get_resolver().url_patterns:
        view = getattr(getattr(pattern, "callback", None), "view_class", None)
        if not isinstance(pattern, URLPattern):
            found |= api_routes(pattern.url_patterns)
        elif view and issubclass(view, ApiView):
            found |= {(view, method) for method in view.scopes if hasattr(view, method.lower())}
    return found


@pytest.mark.parametrize("build", operations())
def test_an_operation_of_the_client_is_one_of_the_api(build):
    view, method = route_of(call_of(build))
    assert hasattr(view, method.lower())


@pytest.mark.parametrize("build", operations())
def test_every_operation_says_what_it_does(build):
    assert (build.__doc__ or "").strip()


def test_every_operation_of_the_api_is_one_of_the_client():
    called = {route_of(call_of(parameter.values[0])) for parameter in operations()}
    assert {f"{method} {view.__name__}" for view, method in api_routes() - called} == set()


def parameters_of(operation: dict) -> set[str]:
    """What a caller may say by the schema: query parameters and body fields. Path parameters have names of their own."""
    query = {each["name"] for each in operation.get("parameters", []) if each.get("in") == "query"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return query | set(schema_of(body).get("properties", {}))


def schema_of(part: dict) -> dict:
    name = part.get("$ref", "").rpartition("/")[2]
    return schema()["components"]["schemas"][name] if name else part


@functools.cache
def schema() -> dict:
    return json.loads(openapi_file("http://connect.test"))


def described(call) -> dict:
    """The schema's operation for a call: the paths' parameters are whatever stands in their place."""
    asked = unquote(call.path)
    for path, operations in schema()["paths"].items():
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)), asked):
            return operations[call.method.lower()]
    raise AssertionError(f"{asked} is not in the OpenAPI file")


@pytest.mark.parametrize("build", operations())
def test_an_operation_takes_every_parameter_of_the_schema(build):
    known = set(inspect.signature(build).parameters)
    assert parameters_of(described(call_of(build))) - known == set()


def is_typed(build) -> bool:
    """Whether the answer has a model: manifests and the like are plain values, an export is a stream."""
    answer = call_of(build).answer
    return issubclass(typing.get_origin(answer) or answer, msgspec.Struct)


def fields_of(part: dict, path: str = "") -> set[str]:
    """The names that a schema gives to an answer's fields, with those of what is inside."""
    found = set()
    for name, inner in schema_of(part).get("properties", {}).items():
        found.add(path + name)
        found |= fields_of(inner.get("items", inner), f"{path}{name}.")
    return found


def known_fields(model, path: str = "") -> set[str]:
    found = set()
    for each in msgspec.structs.fields(model):
        found.add(path + each.name)
        for inner in (each.type, *typing.get_args(each.type)):
            for struct in (inner, *typing.get_args(inner)):
                if isinstance(struct, type) and issubclass(struct, msgspec.Struct):
                    found |= known_fields(struct, f"{path}{each.name}.")
    return found


@pytest.mark.parametrize("build", [each for each in operations() if is_typed(each.values[0])])
def test_an_answers_type_has_every_field_of_the_schema(build):
    call = call_of(build)
    model = typing.get_origin(call.answer) or call.answer
    content = described(call)["responses"]["200"]["content"]["application/json"]["schema"]
    if model is Page:
        model, content = typing.get_args(call.answer)[0], schema_of(content)["properties"]["data"]["items"]
    told = {name for name in fields_of(content) if name.rpartition(".")[2] != "resource_type"}
    opaque = tuple(f"{name}." for name in ("metadata", "data", "resource", "settings", "reasons"))
    told = {name for name in told if not name.startswith(opaque)}
    assert told - known_fields(model) == set()


def test_every_post_can_be_given_an_idempotency_key():
    posts = [p.values[0] for p in operations() if call_of(p.values[0]).method == "POST"]
    assert posts
    assert [build.__name__ for build in posts if "idempotency_key" not in inspect.signature(build).parameters] == []
