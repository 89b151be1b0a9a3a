"""The gapless number of each event at its endpoint (contract 6.1), given after commit and before the first send.

A number taken inside the change's own transaction would make every transaction that tells the same endpoint something
wait for the one before it. So the worker numbers what it can see, in the order of the ids, with the endpoint's row
locked: numbers have no gaps, are never given twice and never change, and an event is only sent once it has one.
Held events are numbered too, or a receiver could not tell what it missed while its endpoint was disabled.
"""

from django.db import connection, transaction

from webhooks.models import Endpoint
from webhooks.skip_scan import endpoints_with

BATCH = 100

# One statement for what would be a read and an UPDATE with a branch for every row.
NUMBER = """
UPDATE webhooks_event SET sequence = numbered.sequence
FROM (
    SELECT id, CAST(%s AS bigint) + ROW_NUMBER() OVER (ORDER BY id) AS sequence
    FROM (
        SELECT id FROM webhooks_event WHERE endpoint_id = %s AND sequence IS NULL ORDER BY id LIMIT %s
    ) AS oldest
) AS numbered
WHERE webhooks_event.id = numbered.id
"""


def number_new_events() -> int:
    """Number up to BATCH events of every endpoint that has unnumbered ones; returns how many were numbered."""
    endpoint_ids = endpoints_with("sequence IS NULL")
    return _number(endpoint_ids) if endpoint_ids else 0


@transaction.atomic
def _number(endpoint_ids: list[str]) -> int:
    # no_key: a FOR KEY SHARE of whoever writes an event row must not wait. skip_locked: another worker is at it.
    locked = Endpoint.objects.select_for_update(no_key=True, skip_locked=True).filter(pk__in=endpoint_ids)
    total = 0
    with connection.cursor() as cursor:
        for endpoint_id, last in locked.order_by("pk").values_list("pk", "last_sequence"):
            cursor.execute(NUMBER, [last, endpoint_id, BATCH])
            Endpoint.objects.filter(pk=endpoint_id).update(last_sequence=last + cursor.rowcount)
            total += cursor.rowcount
    return total
