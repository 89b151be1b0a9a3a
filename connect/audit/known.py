"""Which kinds of acts there are in the log, read from the index by one probe a kind, however long the log is."""

from django.db import connection

QUERY = """
WITH RECURSIVE found(action) AS (
    SELECT MIN(action) FROM audit_entry
    UNION ALL
    SELECT (SELECT MIN(action) FROM audit_entry WHERE action > found.action) FROM found WHERE found.action IS NOT NULL
)
SELECT action FROM found WHERE action IS NOT NULL
"""


def actions() -> list[str]:
    """Every action that some entry has, in alphabetical order."""
    with connection.cursor() as cursor:
        cursor.execute(QUERY)
        return [action for (action,) in cursor.fetchall()]
