"""A million rows in a minute: rows like one made by the model, multiplied by the database."""

from contextlib import contextmanager

from django.db import connection, models


@contextmanager
def bulk_loading():
    """No limit of time, no wait for the disk, and no check of foreign keys: a seeded row names rows that are seeded too,
    and to look each of them up takes longer than to write them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET session_replication_role = replica; SET statement_timeout = 0; SET synchronous_commit = off"
        )
        try:
            yield
        finally:
            cursor.execute("RESET session_replication_role; RESET statement_timeout; RESET synchronous_commit")


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
