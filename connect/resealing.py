"""Rotating the sealing keys without downtime: every sealed value is opened by whichever key fits and sealed by the newest.

Add a fresh key to SEALING_KEYS behind, restart, put it first, restart, run `manage.py reseal`, and take the old key out when
it is done: docs/operations/keys.md.
"""

from collections.abc import Iterator

from django.apps import apps
from django.db import models

from connect.crypto import CannotOpen, SealedField, keyring

BATCH = 500


def sealed_columns() -> list[tuple[type[models.Model], SealedField]]:
    """Every column of every app that is sealed with the installation's keys."""
    return [
        (model, field)
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, SealedField)
    ]


def reseal(model: type[models.Model], field: SealedField) -> Iterator[tuple[int, int, int]]:
    """Re-seal a column, yielding `(looked at, re-sealed, cannot be opened)` after each batch.

    Each value is written only if nobody changed it meanwhile, so it may run beside a serving installation, be stopped
    and be started again: values that the newest key sealed are passed over.
    """
    looked, changed, broken = 0, 0, 0
    last = None
    while rows := _next_rows(model, field, last):
        for row in rows:
            done = _reseal_row(model, field, row)
            changed, broken = changed + (done is True), broken + (done is None)
        looked, last = looked + len(rows), rows[-1].pk
        yield looked, changed, broken


def _next_rows(model, field, last) -> list:
    rows = model._base_manager.exclude(**{field.name: None}).only("pk", field.name).order_by("pk")
    return list((rows if last is None else rows.filter(pk__gt=last))[:BATCH])


def _reseal_row(model, field: SealedField, row) -> bool | None:
    """True when it was re-sealed, False when there was nothing to do, None when no key opens it."""
    before = field.sealed(row)
    if before is None or keyring().is_current(before):
        return False
    try:
        setattr(row, field.attname, getattr(row, field.attname))
    except CannotOpen:
        return None
    unchanged = model._base_manager.filter(pk=row.pk, **{field.name: before})
    return unchanged.update(**{field.name: field.sealed(row)}) == 1
