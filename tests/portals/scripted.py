"""Fixtures: one scripted portal, and the registrations we have there."""

import pytest
from django.core.cache import cache

from portals.smart.assertions import ClientCredentials
from portals.smart.keys import new_key_pair
from tests.portals.portal_double import Answer, PortalDouble


@pytest.fixture(autouse=True)
def local(settings):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = True
    settings.OUTBOUND_ALLOW_PRIVATE = True
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    settings.OUTBOUND_PROXY_URL = ""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    return settings


@pytest.fixture
def portal():
    """A portal with a FHIR base at /fhir and well-behaved discovery."""
    with PortalDouble() as double:
        double.base = f"{double.url}/fhir"
        double.document = {
            "authorization_endpoint": f"{double.url}/authorize",
            "token_endpoint": f"{double.url}/token",
            "revocation_endpoint": f"{double.url}/revoke",
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-standalone", "context-standalone-patient", "permission-offline", "permission-v2"],
        }
        double.on("/fhir/.well-known/smart-configuration", lambda _: Answer(json=double.document))
        double.token_endpoint = f"{double.url}/token"
        yield double


@pytest.fixture(scope="session")
def key_pairs():
    return {algorithm: new_key_pair(algorithm) for algorithm in ("RS384", "ES384")}


@pytest.fixture
def public():
    return ClientCredentials("our-app")


@pytest.fixture
def confidential():
    return ClientCredentials("our-app", "client_secret_basic", secret="our-secret")
