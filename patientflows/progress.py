"""How a pull is going, as the patient sees it: a number that grows, and whether it is finished."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from patientflows.models import Attempt
from pulls.models import Pull, Record

MISSED_SOMETHING = (Pull.Status.PARTIAL, Pull.Status.FAILED)


def of_attempt(attempt: Attempt) -> dict:
    """`{"records": n, "finished": bool, "text": sentence}` of the connection this attempt made."""
    records = Record.objects.filter(connection_id=attempt.connection_id).exclude(change=Record.Change.GONE).count()
    pulls = Pull.objects.filter(connection_id=attempt.connection_id).order_by("-id")
    status = pulls.values_list("status", flat=True).first()
    finished = status not in Pull.OPEN
    return {"records": records, "finished": finished, "text": sentence(attempt.source.name, records, status)}


def sentence(portal: str, records: int, status: str | None) -> str:
    """“37 records from Mayo so far”."""
    words = {"count": records, "portal": portal}
    if status in Pull.OPEN and records == 0:
        return _("We are asking %(portal)s for your records.") % words
    if status in Pull.OPEN:
        return (
            ngettext("%(count)d record from %(portal)s so far", "%(count)d records from %(portal)s so far", records)
            % words
        )
    if records == 0 and status in MISSED_SOMETHING:
        return _("We could not bring your records yet. We will try again.")
    if records == 0:
        return _("%(portal)s has no records to share.") % words
    brought = ngettext(
        "%(count)d record from %(portal)s is here.", "%(count)d records from %(portal)s are here.", records
    )
    if status in MISSED_SOMETHING:
        return f"{brought % words} {_('Some could not be brought yet. We will try again.')}"
    return brought % words
