"""What each role may do, and whose rows it reaches. `manage.py roles` brings the groups in line with this table.

Viewer, operator and administrator say what; memberships say for which organisations, or the group `everywhere` for all.
"""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

SHOWN = {
    "organizations": ("organization", "apikey", "patient"),
    "patientflows": ("patientflow", "attempt"),
    "portals": (
        "source", "listing", "directory", "directoryupdate", "registration", "connection", "missingportal", "revocation", "signingkey",
        "circuit",
    ),
    "pulls": ("pull", "record"),
    "exports": ("destination", "export"),
    "webhooks": ("endpoint", "event", "delivery"),
    "operations": ("alert",),
}  # fmt: skip
VIEW = tuple(f"{app}.view_{model}" for app, models in SHOWN.items() for model in models)
OPERATE = (
    "operations.run_pulls", "operations.end_access", "operations.expire_flows", "operations.deliver_events",
    "operations.pause_portals", "operations.run_exports",
)  # fmt: skip
ADMINISTER = (
    "operations.import_directories", "operations.manage_keys", "operations.manage_exports", "operations.export_audit", "audit.view_entry",
    "organizations.view_phi", "organizations.add_organization", "organizations.change_organization",
    "portals.add_registration", "portals.change_registration", "portals.change_source",
    "portals.add_directory", "portals.change_directory",
    "auth.view_user", "auth.add_user", "auth.change_user", "auth.view_group",
    "organizations.view_membership", "organizations.add_membership", "organizations.change_membership",
    "organizations.delete_membership",
)  # fmt: skip

ROLES = {
    "viewer": VIEW,
    "operator": VIEW + OPERATE,
    "administrator": VIEW + OPERATE + ADMINISTER,
    "everywhere": ("operations.see_everything",),
}


def install() -> None:
    """Make the groups, or bring them in line; raises Permission.DoesNotExist for a name that is not there."""
    for role, names in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set(_find(names))


def grantable_by(user) -> QuerySet[Group]:
    """The groups that give nothing the user does not have."""
    held = user.get_all_permissions()
    mine = [group.pk for group in Group.objects.prefetch_related("permissions__content_type") if _gives(group) <= held]
    return Group.objects.filter(pk__in=mine).order_by("name")


def _gives(group: Group) -> set[str]:
    return {f"{each.content_type.app_label}.{each.codename}" for each in group.permissions.all()}


def _find(names: tuple[str, ...]) -> list[Permission]:
    wanted = Q()
    for name in names:
        app, _, codename = name.partition(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    found = list(Permission.objects.filter(wanted).select_related("content_type"))
    missing = set(names) - {f"{each.content_type.app_label}.{each.codename}" for each in found}
    if missing:
        raise Permission.DoesNotExist(f"No such permission: {', '.join(sorted(missing))}")
    return found
