"""Which endpoints have such events? Answered from an index by one probe an endpoint, however many events they have.

`SELECT DISTINCT endpoint_id` would read the 10,000 due events of a dead endpoint to learn that it is one endpoint.
PostgreSQL and SQLite have no loose index scan, so it is written as a recursion: the smallest endpoint id, then the
smallest one above that, and so on.
"""

from django.db import connection

QUERY = """
WITH RECURSIVE found(endpoint_id) AS (
    SELECT (SELECT MIN(endpoint_id) FROM webhooks_event WHERE {narrowed})
    UNION ALL
    SELECT (SELECT MIN(endpoint_id) FROM webhooks_event WHERE {narrowed} AND endpoint_id > found.endpoint_id)
    FROM found WHERE found.endpoint_id IS NOT NULL
)
SELECT endpoint_id FROM found WHERE endpoint_id IS NOT NULL
"""
# A minimum, since EXISTS would be planned as a join with everything that is due.
AND_ONE_BEFORE = """
AND (
    SELECT MIN(next_attempt_at) FROM webhooks_event AS due
    WHERE due.endpoint_id = found.endpoint_id AND due.{narrowed}
) <= %s
"""


def endpoints_with(narrowed: str, *, due_at=None) -> list[str]:
    """Ids of the endpoints that have events under the condition of a partial index (`sequence IS NULL`, say).

    With `due_at`, only those with an event whose `next_attempt_at` is not after it.
    """
    sql, values = QUERY.format(narrowed=narrowed), []
    if due_at is not None:
        sql += AND_ONE_BEFORE.format(narrowed=narrowed)
        values = [connection.ops.adapt_datetimefield_value(due_at)]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [endpoint_id for (endpoint_id,) in cursor.fetchall()]
