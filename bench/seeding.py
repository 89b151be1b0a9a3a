"""A million rows in a minute: rows like one made by the model, multiplied by the database."""

from contextlib import contextmanager

from django.db import connection, models

SETTINGS = {
    "session_replication_role": "replica",  # no check of foreign keys: seeded rows name rows that are seeded too
    "synchronous_commit": "off",
    "statement_timeout": "0",
    "maintenance_work_mem": "'128MB'",
}
# What no constraint needs can be built when the rows are there, in a fraction of the time.
INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = ANY(%s::regclass[])
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


@contextmanager
def bulk_loading(*model_classes: type[models.Model]):
    """Rows of these models go in without foreign keys looked up, and come into the indexes at the end."""
    with connection.cursor() as cursor:
        for name, value in SETTINGS.items():
            cursor.execute(f"SET {name} = {value}")
        cursor.execute(INDEXES, [[model._meta.db_table for model in model_classes]])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        yield
        for _, definition in indexes:
            cursor.execute(definition)
        for name in SETTINGS:
            cursor.execute(f"RESET {name}")


def multiply(like: models.Model, start: int, end: int, **of_number: str) -> None:
    """Insert rows like this unsaved one, numbered `n` from `start` up to `end`, which is left out.

    `of_number` gives the columns that differ, by field name, as SQL expressions of `n`.
    """
    fields = [f for f in like._meta.local_concrete_fields if not isinstance(f, models.AutoField)]
    names = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    same = [field for field in fields if field.name not in of_number]
    values = ", ".join(of_number.get(field.name, "%s") for field in fields)
    prepared = [field.get_db_prep_save(field.pre_save(like, add=True), connection=connection) for field in same]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {connection.ops.quote_name(like._meta.db_table)} ({names}) "
            f"SELECT {values} FROM generate_series({start}, {end - 1}) AS n",
            prepared,
        )
