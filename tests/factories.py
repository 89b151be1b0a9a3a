"""Objects that many tests begin with, made the way the product makes them."""

from itertools import count

from django.test import Client

from connect.audit.actions import Actor
from connect.organizations.models import SCOPES, ApiKey, Environment, Organization
from webhooks import actions as webhook_actions

STAFF = Actor("staff", "tester")
_numbers = count(1)


class ApiClient(Client):
    """Django's test client speaking the public API with a key."""

    def __init__(self, secret: str):
        super().__init__(headers={"Authorization": f"Bearer {secret}"})

    def create(self, path: str, body: dict | None = None, **headers):
        return self.post(path, data={} if body is None else body, content_type="application/json", headers=headers)

    def change(self, path: str, body: dict):
        return self.patch(path, data=body, content_type="application/json")


def make_organization(name: str = "Trials Inc") -> Organization:
    return Organization.objects.create(name=name, slug=f"organization-{next(_numbers)}")


def make_key(organization: Organization, environment: str = Environment.SANDBOX, scopes=SCOPES) -> str:
    """A new API key's secret."""
    secret = ApiKey.new_secret(environment)
    key = ApiKey(organization=organization, environment=environment, name="test", scopes=list(scopes))
    key.adopt(secret)
    key.save()
    return secret


def make_endpoint(tenant, url: str, events=("*",), **more):
    """A webhook endpoint; `tenant` has organization_id and environment."""
    return webhook_actions.create_endpoint(
        tenant=tenant, url=url, events=list(events), api_version="2026-04-25", by=STAFF, **more
    )
