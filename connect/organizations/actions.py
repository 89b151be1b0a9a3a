"""What an administrator asks of API keys."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from connect.audit.actions import Actor, record
from connect.errors import ResourceConflict
from connect.organizations.models import ApiKey, Organization


@transaction.atomic
def make_key(
    *, organization: Organization, environment: str, name: str, scopes: list[str], by: Actor,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:  # fmt: skip
    """A new key and its secret, which is to be shown this once: only its hash is kept."""
    secret = ApiKey.new_secret(environment)
    key = ApiKey(
        organization=organization, environment=environment, name=name, scopes=sorted(scopes), expires_at=expires_at
    )
    key.adopt(secret)
    key.save(force_insert=True)
    _record("api_key.made", key, by, scopes=key.scopes)
    return key, secret


@transaction.atomic
def rotate_key(*, key: ApiKey, overlap: timedelta, by: Actor) -> tuple[ApiKey, str]:
    """Another key like this one, whose secret is to be shown this once; the old one ends when the overlap is over.

    Raises ResourceConflict when the old one works no more.
    """
    if not key.expire(timezone.now() + overlap):
        raise ResourceConflict("This key works no more: make a new one")
    fresh, secret = make_key(
        organization=key.organization, environment=key.environment, name=key.name, scopes=key.scopes, by=by,
        expires_at=None,
    )  # fmt: skip
    _record("api_key.rotated", key, by, successor=fresh.pk, overlap_seconds=int(overlap.total_seconds()))
    return fresh, secret


@transaction.atomic
def revoke_key(*, key: ApiKey, by: Actor) -> None:
    """End the key with the next request. Raises ResourceConflict when it was revoked already."""
    if not key.revoke():
        raise ResourceConflict("This key was revoked already")
    _record("api_key.revoked", key, by)


def note_use(key: ApiKey) -> None:
    """The key's first use of a day is an entry of the audit log."""
    _record("api_key.used", key, Actor("api_key", key.pk))


def _record(action: str, key: ApiKey, by: Actor, **detail) -> None:
    record(
        action=action, by=by, organization_id=key.organization_id, environment=key.environment,
        object_type="api_key", object_id=key.pk, **detail,
    )  # fmt: skip
