"""Which organisations a member of staff may see: those of their memberships, or all with `see_everything`.

Staff with neither see nobody's rows: losing the last membership never shows more.
"""

from connect.organizations.models import Membership, Organization, Patient

SEE_EVERYTHING = "operations.see_everything"


def organizations_of(user) -> frozenset[str] | None:
    """Their ids, or None for all. Asked once a request: it is kept on the user object."""
    if not hasattr(user, "_organizations"):
        ids = frozenset(Membership.objects.filter(user=user).values_list("organization_id", flat=True))
        user._organizations = None if not ids and user.has_perm(SEE_EVERYTHING) else ids
    return user._organizations


def sees_everything(user) -> bool:
    """The operators of the installation, who belong to no organisation."""
    return organizations_of(user) is None


def narrow(rows, user, path: str):
    """Those of `rows` whose `path` (a lookup to an organisation's id) leads to an organisation the user may see."""
    seen = organizations_of(user)
    return rows if seen is None or not path else rows.filter(**{f"{path}__in": seen})


def patients_matching(user, term: str, limit: int = 50) -> list[str]:
    """Keys of visible patients whose `patient_id` or e-mail address is exactly `term`.

    Asked organisation by organisation, because that is what the indexes begin with.
    """
    seen = organizations_of(user)
    owners = seen if seen is not None else Organization.objects.values_list("pk", flat=True)
    rows = Patient.objects.filter(organization__in=list(owners), environment__in=["sandbox", "production"]).order_by()
    found = list(rows.filter(patient_id=term).values_list("pk", flat=True)[:limit])
    if "@" in term:
        found += rows.filter(email__in={term, term.lower()}).values_list("pk", flat=True)[:limit]
    return found
