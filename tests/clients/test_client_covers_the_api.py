"""The client and the API name the same operations: none is missing on either side."""

import inspect
from datetime import UTC, datetime

import pytest
from django.urls import URLPattern, get_resolver, resolve

from connect.organizations.views import ApiView
from connect_health._binding import _Bindable
from connect_health.clients import Connect

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


def test_every_post_can_be_given_an_idempotency_key():
    posts = [p.values[0] for p in operations() if call_of(p.values[0]).method == "POST"]
    assert posts
    assert [build.__name__ for build in posts if "idempotency_key" not in inspect.signature(build).parameters] == []
