"""The demo's organisation, made once and found again: its sandbox key, its operator, its webhook endpoint."""

import secrets

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from connect.audit.actions import SYSTEM, record
from connect.crypto import token_hash
from connect.operations.demo.access_file import Access
from connect.organizations.models import SCOPES, ApiKey, Environment, Organization, Tenant
from webhooks.actions import create_endpoint
from webhooks.models import Endpoint

SLUG = "demo"
KEY_NAME = "Demo"
ADMIN = "admin"
ENDPOINT_NOTE = "The example app at /example/"


@transaction.atomic
def load(known: dict) -> Access:
    """Everything the demo is used with. `known` is what the last start's demo.json said: a key that still works stays."""
    organization = _organization()
    tenant = Tenant(organization.pk, Environment.SANDBOX)
    endpoint = _endpoint(tenant)
    return Access(
        base_url=settings.BASE_URL,
        api_key=_api_key(organization, known.get("api_key", "")),
        admin_url=f"{settings.BASE_URL}/admin/",
        admin_user=ADMIN,
        admin_password=_admin_password(),
        example_app_url=f"{settings.BASE_URL}/example/",
        webhook_secret=endpoint.secret,
    )


def _organization() -> Organization:
    organization, _ = Organization.objects.get_or_create(
        slug=SLUG,
        defaults={
            "name": "TrialFinder",
            "colour": "#5b3fa8",
            "purpose": "to find clinical trials that fit you",
            "purpose_es": "para encontrar estudios clínicos para usted",
            "support_contact": "help@trialfinder.example",
            "button_label": "TrialFinder",
        },
    )
    return organization


def _api_key(organization: Organization, known: str) -> str:
    """The key of the last start while it works; else a new one in its place."""
    keys = ApiKey.objects.filter(organization=organization, name=KEY_NAME, revoked_at=None)
    if known and keys.filter(hash=token_hash(known)).exists():
        return known
    for key in keys:
        key.revoke()
    secret = ApiKey.new_secret(Environment.SANDBOX)
    key = ApiKey(organization=organization, environment=Environment.SANDBOX, name=KEY_NAME, scopes=list(SCOPES))
    key.adopt(secret)
    key.save()
    record(
        action="api_key.created", by=SYSTEM, organization_id=organization.pk, environment=Environment.SANDBOX,
        object_type="api_key", object_id=key.pk,
    )  # fmt: skip
    return secret


def _admin_password() -> str:
    """A new password for the demo's administrator."""
    password = secrets.token_urlsafe(12)
    user, _ = get_user_model().objects.get_or_create(
        username=ADMIN, defaults={"is_staff": True, "is_superuser": True, "email": "admin@localhost"}
    )
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def _endpoint(tenant: Tenant) -> Endpoint:
    """The example app's endpoint, wherever this server is reached today."""
    url = f"{settings.BASE_URL}/example/webhooks"
    endpoint = Endpoint.objects.of(tenant).filter(description=ENDPOINT_NOTE).first()
    if endpoint is None:
        return create_endpoint(
            tenant=tenant, url=url, events=["*"], description=ENDPOINT_NOTE, api_version=settings.API_VERSION, by=SYSTEM
        )
    if endpoint.url != url:
        endpoint.revise(url=url)
    return endpoint
