"""No row of one organisation or environment points at another's.

Found from the models themselves: every foreign key between two models that know their owner is compared, so a model
that is added tomorrow is checked too.
"""

from collections.abc import Iterator

from django.apps import apps
from django.db import models
from django.db.models import F, Q

from connect.operations.verify.findings import Check

# How a model without an organisation of its own comes to one.
OWNED_THROUGH = ("patient", "flow", "pull", "connection", "search", "event", "endpoint")
# Not an owner but a catalogue or a wiring shared by all organisations, with an environment only.
SHARED = ("portals.source", "portals.registration")


def owner_path(model: type[models.Model], seen: tuple = ()) -> str | None:
    """The lookup that leads to the owner's columns: "" for the model itself, None where there is no owner."""
    names = {field.name for field in model._meta.fields}
    if {"organization", "environment"} <= names:
        return ""
    for name in OWNED_THROUGH:
        if name in names and isinstance(field := model._meta.get_field(name), models.ForeignKey):
            beyond = owner_path(field.related_model, (*seen, model)) if field.related_model not in seen else None
            if beyond is not None:
                return f"{name}__{beyond}"
    return None


def links() -> Iterator[tuple[type[models.Model], str]]:
    """Every `(model, foreign key)` whose two ends both have an owner."""
    for model in apps.get_models():
        mine = owner_path(model)
        if mine is None or model._meta.app_label == "sandbox":
            continue
        for field in model._meta.fields:
            if not isinstance(field, models.ForeignKey) or field.related_model._meta.label_lower in SHARED:
                continue
            if mine.split("__")[0] != field.name and owner_path(field.related_model) is not None:
                yield model, field.name


def strangers() -> Iterator[str]:
    """Rows whose owner and whose neighbour's owner differ."""
    for model, name in links():
        mine, theirs = owner_path(model), f"{name}__{owner_path(model._meta.get_field(name).related_model)}"
        differ = ~Q(**{f"{theirs}organization_id": F(f"{mine}organization_id")})
        differ |= ~Q(**{f"{theirs}environment": F(f"{mine}environment")})
        rows = model._base_manager.filter(differ).exclude(**{name: None}).filter(**{f"{name}__isnull": False})
        if not model._meta.get_field(name).db_constraint:
            rows = rows.exclude(**{f"{theirs}organization_id": None})  # the other end may be deleted already
        for pk in rows.values_list("pk", flat=True)[:100]:
            yield f"{model._meta.model_name} {pk} → {name}"


def of_another_environment() -> Iterator[str]:
    """Rows that use a source or a registration of the other environment."""
    for model in apps.get_models():
        mine = owner_path(model)
        if mine is None:
            continue
        for field in model._meta.fields:
            if isinstance(field, models.ForeignKey) and field.related_model._meta.label_lower in SHARED:
                differ = ~Q(**{f"{field.name}__environment": F(f"{mine}environment")})
                rows = model._base_manager.filter(differ, **{f"{field.name}__isnull": False})
                for pk in rows.values_list("pk", flat=True)[:100]:
                    yield f"{model._meta.model_name} {pk} → {field.name}"


CHECKS = (
    Check(
        "tenancy", "No row of one organisation or environment points at another's.", strangers,
        "This must never happen: stop the web and worker processes, keep the database as it is, and look at the audit "
        "log of the rows named.",
    ),
    Check(
        "environments", "Sandbox rows use sandbox portals, production rows production portals.", of_another_environment,
        "A source or registration was moved to the other environment; move it back, or disconnect the rows named.",
    ),
)  # fmt: skip
