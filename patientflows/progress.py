"""How a pull is going, as the patient sees it: a number that grows, and whether it is finished."""

from django.db.models import Count

from patientflows.models import Attempt
from pulls.models import Pull, Record


def of_attempt(attempt: Attempt) -> dict:
    """`{"records": n, "finished": bool}` of the connection this attempt made."""
    if attempt.connection_id is None:
        return {"records": 0, "finished": True}
    records = Record.objects.filter(connection_id=attempt.connection_id).aggregate(count=Count("pk"))["count"]
    is_open = Pull.objects.filter(connection_id=attempt.connection_id, status__in=Pull.OPEN).exists()
    return {"records": records, "finished": not is_open}
