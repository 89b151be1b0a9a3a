"""A flow's surroundings: an organisation with keys, and a portal that is a real HTTP server."""

import pytest
from django.test import Client

from connect.organizations.models import SCOPES, ApiKey, Environment, Organization


class ApiClient(Client):
    """Django's test client speaking the public API with a key."""

    def __init__(self, secret: str):
        super().__init__(headers={"Authorization": f"Bearer {secret}"})

    def create(self, path: str, body: dict, **headers):
        return self.post(path, data=body, content_type="application/json", headers=headers)


def make_key(organization, environment=Environment.SANDBOX, scopes=SCOPES) -> str:
    secret = ApiKey.new_secret(environment)
    key = ApiKey(organization=organization, environment=environment, name="test", scopes=list(scopes))
    key.adopt(secret)
    key.save()
    return secret


@pytest.fixture
def organization(db):
    return Organization.objects.create(name="Trials Inc", slug="trials", purpose="to find clinical trials")


@pytest.fixture
def api(organization):
    return ApiClient(make_key(organization))


@pytest.fixture
def stranger(db):
    """Another organisation's client."""
    return ApiClient(make_key(Organization.objects.create(name="Other", slug="other")))


@pytest.fixture
def production(organization):
    """The same organisation's other environment."""
    return ApiClient(make_key(organization, Environment.PRODUCTION))
