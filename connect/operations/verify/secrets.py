"""Nothing secret lies open in the database, and everything sealed can be opened."""

import re
from collections.abc import Iterator
from operator import itemgetter

from django.apps import apps
from django.db import models

from connect.crypto import CannotOpen, SealedField
from connect.operations.verify.findings import Check, walk
from connect.resealing import sealed_columns

# Whole secrets: keys of ours, signing secrets, JSON web tokens (RFC 7519), bearer headers, private keys (RFC 7468, 7517).
SECRET = re.compile(
    r"mb_sk_(?:sbx|live)_[A-Za-z0-9_-]{20,}|whsec_[A-Za-z0-9+/=]{20,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
    r"|\bBearer\s+[\w.~+/-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|\"d\": ?\"[\w-]{30,}\""
)
# What another party owns: pretend portals keep their own keys, and sessions are Django's, signed and httponly.
FOREIGN_APPS = ("sandbox", "sessions", "admin", "auth", "contenttypes", "axes")
TEXT = (models.CharField, models.TextField, models.JSONField)
CHUNK = 500


def readable_columns() -> Iterator[tuple[type[models.Model], list[str]]]:
    """Every model of ours with its columns that hold text or JSON."""
    for model in apps.get_models():
        if model._meta.app_label not in FOREIGN_APPS:
            names = [field.attname for field in model._meta.local_fields if isinstance(field, TEXT)]
            if names:
                yield model, names


def plain_secrets() -> Iterator[str]:
    """Columns whose text looks like a secret."""
    for model, names in readable_columns():
        for pk, *values in walk(model._base_manager.values_list("pk", *names), chunk=CHUNK, key=itemgetter(0)):
            for name, value in zip(names, values, strict=True):
                if value and SECRET.search(value if isinstance(value, str) else str(value).replace("'", '"')):
                    yield f"{model._meta.model_name} {pk}: {name}"


def unopenable() -> Iterator[str]:
    """Sealed values that no key opens, and values in sealed columns that are not sealed."""
    for model, field in sealed_columns():
        rows = model._base_manager.exclude(**{field.name: None}).only("pk", field.name)
        for row in walk(rows, chunk=CHUNK):
            try:
                getattr(row, field.attname)
            except (CannotOpen, IndexError, ValueError):
                yield f"{model._meta.model_name} {row.pk}: {field.name}"


def unhashed() -> Iterator[str]:
    """What should be a SHA-256 in hex and is not."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            is_hash = field.name == "hash" or field.name.endswith("_hash")
            if is_hash and isinstance(field, models.CharField) and not isinstance(field, SealedField):
                rows = model._base_manager.exclude(**{f"{field.name}__regex": "^[0-9a-f]{64}$"}).exclude(
                    **{field.name: ""}
                )
                for pk in rows.values_list("pk", flat=True)[:100]:
                    yield f"{model._meta.model_name} {pk}: {field.name}"


CHECKS = (
    Check(
        "plain-secrets", "No column holds a token, key or signing secret in the open.", plain_secrets,
        "Revoke or rotate the secret first, then find who wrote it there; it is in backups too.",
    ),
    Check(
        "sealed", "Every sealed value opens with a key of SEALING_KEYS.", unopenable,
        "Put the key that sealed it back into SEALING_KEYS, at the end of the list. Without that key the value is lost: "
        "disconnect the connection, rotate the endpoint's secret.",
    ),
    Check(
        "hashes", "Keys, link tokens and states are stored as SHA-256 only.", unhashed,
        "Revoke what is named: it was written past the code.",
    ),
)  # fmt: skip
