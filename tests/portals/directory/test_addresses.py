"""FHIR base URLs: one spelling each, none that leads inside (ssrf-private-address, at import)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portals.directory.addresses import AddressPolicy, AddressRefused, normalise_base_url, registrable_domain

LOCAL = AddressPolicy(allow_http=True, allow_private=True)


@pytest.mark.parametrize(
    ("written", "normalised"),
    [
        ("https://FHIR.Example.ORG/R4/", "https://fhir.example.org/R4"),
        ("HTTPS://fhir.example.org/R4", "https://fhir.example.org/R4"),
        ("  https://fhir.example.org/R4  ", "https://fhir.example.org/R4"),
        ("https://fhir.example.org/R4//", "https://fhir.example.org/R4/"),
        ("https://fhir.example.org:443/v1", "https://fhir.example.org:443/v1"),
        ("https://fhir.example.org/r4?cust=10344843", "https://fhir.example.org/r4?cust=10344843"),
        ("https://fhir.example.org/", "https://fhir.example.org"),
        ("https://fhir.example.org/a%2Fb/", "https://fhir.example.org/a%2Fb"),
    ],
)
def test_only_scheme_host_and_one_trailing_slash_are_touched(written, normalised):
    assert normalise_base_url(written) == normalised


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "no_address"),
        (None, "no_address"),
        ("null", "no_address"),
        ("ftp://fhir.example.org", "not_a_url"),
        ("fhir.example.org/r4", "not_a_url"),
        ("https://fhir example.org/r4", "not_a_url"),
        ("https://fhir.example.org/\\open", "not_a_url"),
        ("https://fhir.example.org:port/", "not_a_url"),
        ("https://-bad-.example.org/", "not_a_url"),
        ("https://fhir.example.org/" + "a" * 500, "too_long"),
        ("http://fhir.example.org/r4", "insecure_http"),
        ("https://user:secret@fhir.example.org/r4", "credentials_in_url"),
        ("https://fhir.example.org/r4#metadata", "fragment_in_url"),
        ("https://10.160.126.33/fhir", "ip_literal"),
        ("https://8.8.8.8/fhir", "ip_literal"),
        ("https://[::1]/fhir", "ip_literal"),
        ("https://[::ffff:10.0.0.1]/fhir", "ip_literal"),
        ("https://2130706433/fhir", "ip_literal"),
        ("https://0x7f.1/fhir", "ip_literal"),
        ("https://017700000001/fhir", "ip_literal"),
        ("https://henry/v1/uscore/R4", "single_label_host"),
        ("https://null/v1/uscore/R4", "single_label_host"),
        ("https://localhost/FHIR", "single_label_host"),
        ("https://svrasweb30.abq.local/fhir", "private_host"),
        ("https://svrasweb30.abq.LOCAL./fhir", "private_host"),
        ("https://fhir.essenthealthcare.corp:443/v1", "private_host"),
        ("https://edu.edusvc.lan/FHIR", "private_host"),
    ],
)
def test_what_no_public_portal_would_have_is_refused_with_its_reason(written, reason):
    with pytest.raises(AddressRefused) as refused:
        normalise_base_url(written)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "written", ["http://127.0.0.1:8000/fhir", "http://localhost:8000/fhir", "https://[::1]:8443/r4"]
)
def test_local_development_may_use_inside_addresses(written):
    assert normalise_base_url(written, LOCAL) == written


@given(st.text(max_size=60))
def test_any_text_is_normalised_once_and_for_all_or_refused(text):
    try:
        once = normalise_base_url("https://" + text, LOCAL)
    except AddressRefused:
        return
    assert once.count("://") >= 1
    assert normalise_base_url(once, LOCAL).rstrip("/") == once.rstrip("/")


def test_the_domain_an_owner_holds():
    assert registrable_domain("my.chart.mayo.edu") == "mayo.edu"
    assert registrable_domain("MAYO.edu.") == "mayo.edu"
