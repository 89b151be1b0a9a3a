"""Which URLs may be saved, and which addresses may be connected to (contract 6.2)."""

import socket
from dataclasses import replace
from threading import Event

import pytest

from connect import outbound
from connect.outbound import OutboundError
from tests.portals.portal_double import Answer, PortalDouble

REFUSED_AS_ADDRESSES = [
    "https://127.0.0.1/",
    "https://127.8.9.1:8443/hook",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/latest/meta-data",
    "https://169.254.169.254/latest/meta-data/",
    "https://168.63.129.16/",
    "https://0.0.0.0/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::808:808]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[2001:db8::1]/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://intranet/",
    "https://printer.local/",
    "https://metadata.google.internal/",
]
REFUSED_AS_URLS = [
    "",
    "null",
    "hook",
    "//example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://",
    "https:///path",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com:port/",
    "https://example.com./",
    "https://127.0.0.1./",
    "https://exa mple.com/",
    "https://example.com/\r\nHost: evil",
    "https://example.com\\@127.0.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://017700000001/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.1.1/",
    "https://１２７.0.0.1/",
    "https://ⓔxample.com/",
    "https://ex%61mple.com/",
    "https://-example.com/",
    "https://[::1/",
    "https://" + "a" * 64 + ".com/",
    "https://example.com/" + "a" * 2100,
]


@pytest.fixture
def strict(settings):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = False
    settings.OUTBOUND_ALLOW_PRIVATE = False
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    settings.OUTBOUND_PROXY_URL = ""
    return settings


@pytest.fixture
def names(monkeypatch):
    """A resolver of our own: `names["host"] = ["address", …]`."""
    table: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host, port, *args, **kwargs):
        if host not in table:
            return real(host, port, *args, **kwargs) if host[0].isdigit() else _unknown(host)
        return [found for address in table[host] for found in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return table


def _unknown(host):
    raise socket.gaierror(socket.EAI_NONAME, "unknown")


def reason_of(call, *args, **kwargs) -> str:
    with pytest.raises(OutboundError) as caught:
        call(*args, **kwargs)
    return caught.value.reason


@pytest.mark.parametrize("url", REFUSED_AS_ADDRESSES)
def test_it_refuses_addresses_that_are_not_public(strict, url):
    assert reason_of(outbound.check_url, url) == "address_not_allowed"
    assert reason_of(outbound.request, "GET", url, policy=outbound.PROBE) == "address_not_allowed"


@pytest.mark.parametrize("url", REFUSED_AS_URLS)
def test_it_refuses_urls_that_are_not_plain(strict, url):
    assert reason_of(outbound.check_url, url) == "bad_url"
    assert reason_of(outbound.request, "GET", url, policy=outbound.PROBE) == "bad_url"


@pytest.mark.parametrize(
    "url", ["https://8.8.8.8/a", "https://[2606:4700::1111]/", "https://hooks.example.com:8443/x?y=1"]
)
def test_it_accepts_public_ones(strict, names, url):
    outbound.check_url(url)


def test_it_refuses_plain_http_unless_allowed(strict):
    assert reason_of(outbound.check_url, "http://hooks.example.com/") == "insecure"
    strict.OUTBOUND_ALLOW_INSECURE_HTTP = True
    outbound.check_url("http://hooks.example.com/", resolve=False)


def test_a_name_that_resolves_to_a_private_address_is_refused_when_saved(strict, names):
    names["sneaky.example.com"] = ["93.184.216.34", "10.0.0.7"]
    assert reason_of(outbound.check_url, "https://sneaky.example.com/") == "address_not_allowed"
    outbound.check_url("https://sneaky.example.com/", resolve=False)


def test_a_name_that_does_not_resolve_yet_may_be_saved(strict, names):
    outbound.check_url("https://soon.example.com/")
    assert reason_of(outbound.request, "GET", "https://soon.example.com/", policy=outbound.PROBE) == "dns"


def test_a_name_is_judged_again_when_connecting(strict, names):
    """DNS rebinding: public when saved, loopback when sent."""
    names["turncoat.example.com"] = ["93.184.216.34"]
    outbound.check_url("https://turncoat.example.com/")
    names["turncoat.example.com"] = ["127.0.0.1"]
    assert reason_of(outbound.request, "GET", "https://turncoat.example.com/", policy=outbound.PROBE) == (
        "address_not_allowed"
    )


def test_one_forbidden_address_among_several_refuses_the_name(strict, names):
    strict.OUTBOUND_ALLOW_INSECURE_HTTP = True
    with PortalDouble() as server:
        names["mixed.example.com"] = ["93.184.216.34", "127.0.0.1"]
        url = f"http://mixed.example.com:{server.port}/"
        assert reason_of(outbound.request, "GET", url, policy=outbound.PROBE) == "address_not_allowed"
        assert server.connections == 0


def test_the_address_is_looked_up_once_and_that_one_is_connected_to(strict, names, monkeypatch):
    strict.OUTBOUND_ALLOW_INSECURE_HTTP = True
    strict.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    names["once.example.com"] = ["127.0.0.1"]
    asked = []
    table_look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: asked.append(args) or table_look_up(*args, **kw))
    with PortalDouble() as server:
        server.on("/", Answer(body=b"hello"))
        answer = outbound.request("GET", f"http://once.example.com:{server.port}/", policy=outbound.PROBE)
        assert answer.body == b"hello"
        assert server.requests[0].headers["host"] == f"once.example.com:{server.port}"
    assert len([args for args in asked if args[0] == "once.example.com"]) == 1


def test_allowed_networks_open_only_themselves(strict):
    strict.OUTBOUND_ALLOWED_NETWORKS = ["10.20.0.0/16"]
    outbound.check_url("https://10.20.1.1/")
    assert reason_of(outbound.check_url, "https://10.21.1.1/") == "address_not_allowed"


def test_local_development_does_not_open_metadata_services(strict):
    strict.OUTBOUND_ALLOW_PRIVATE = True
    outbound.check_url("https://127.0.0.1/")
    outbound.check_url("https://localhost/")
    for url in ("https://169.254.169.254/", "https://[::ffff:127.0.0.1]/", "https://100.64.0.1/", "https://224.0.0.1/"):
        assert reason_of(outbound.check_url, url) == "address_not_allowed"


def test_a_slow_resolver_cannot_hold_a_worker(strict, monkeypatch):
    never = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: never.wait(5) or [])
    policy = replace(outbound.PROBE, connect_seconds=0.05)
    with pytest.raises(OutboundError) as caught:
        outbound.request("GET", "https://slow-dns.example.com/", policy=policy)
    never.set()
    assert (caught.value.reason, caught.value.sent, caught.value.retry_safe) == ("dns", False, True)
