"""Whose address counts: the client's, as a proxy of ours saw it, and never what the client says of itself."""

import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.test import RequestFactory

from connect.audit.models import Entry
from connect.client_address import ClientAddressMiddleware, block_of, forwarded_address
from tests.factories import ApiClient, make_key


@pytest.mark.parametrize(
    ("header", "hops", "address"),
    [
        ("203.0.113.5", 1, "203.0.113.5"),
        ("1.1.1.1, 203.0.113.5", 1, "203.0.113.5"),  # what the client made up stands further left
        ("1.1.1.1, 203.0.113.5, 198.51.100.2", 2, "203.0.113.5"),
        ("203.0.113.5:4711", 1, "203.0.113.5"),
        ("2001:db8::1", 1, "2001:db8::1"),
        ("[2001:db8::1]:4711", 1, "2001:db8::1"),
        ("203.0.113.5", 2, None),
        ("", 1, None),
        ("unknown", 1, None),
        ("203.0.113.5, <script>", 1, None),
    ],
)
def test_of_several_addresses_the_one_that_our_outermost_proxy_wrote(header, hops, address):
    assert forwarded_address(header, hops) == address


def address_seen(settings, hops: int, **headers) -> str:
    settings.PROXY_HOPS = hops
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="10.0.0.9")
    return ClientAddressMiddleware(lambda request: request.META["REMOTE_ADDR"])(request)


def test_behind_a_proxy_it_is_the_clients(settings):
    assert address_seen(settings, 1, X_Forwarded_For="203.0.113.5") == "203.0.113.5"


def test_a_header_that_names_nobody_leaves_the_callers(settings):
    assert address_seen(settings, 1) == "10.0.0.9"
    assert address_seen(settings, 1, X_Forwarded_For="unknown") == "10.0.0.9"


def test_without_a_proxy_nobody_may_name_an_address(settings):
    settings.PROXY_HOPS = 0
    with pytest.raises(MiddlewareNotUsed):
        ClientAddressMiddleware(lambda request: None)


def test_the_audit_log_names_the_client(settings, organization):
    settings.PROXY_HOPS = 1
    client = ApiClient(make_key(organization))
    client.create("/patients", {"patient_id": "p-1"}, **{"X-Forwarded-For": "9.9.9.9, 203.0.113.5"})
    assert Entry.objects.get(action="patient.created").address == "203.0.113.5"


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:0:1:2::3", "2001:db8:0:1::/64"),
        (None, None), ("", None), ("nonsense", None),
    ],
)  # fmt: skip
def test_what_one_caller_can_choose_from_is_one_block(address, block):
    assert block_of(address) == block
