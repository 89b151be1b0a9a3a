"""Statements with parameters in PostgreSQL's binary form.

Django binds in the client: it writes every parameter into the statement's text, bytes as hexadecimal and arrays quoted item
by item. For a page of sealed bodies that costs four times what sealing them does. Here psycopg hands the values over as
they are; placeholders are `%b`.
"""

import psycopg
from django.db import connection
from django.db.models import JSONField, Model
from psycopg.pq import Format
from psycopg.types.json import Jsonb


def execute(statement: str, parameters: list) -> list[tuple]:
    """Run one statement on the thread's connection, in its transaction; the rows it returns, if any.

    Raises django.db.Error, and is logged and counted, as any query is.
    """
    connection.ensure_connection()
    cursor = psycopg.Cursor(connection.connection)
    cursor.format = Format.BINARY
    wrapped = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with wrapped(cursor) as watched:
        watched.execute(statement, parameters)
        return watched.fetchall() if watched.description else []


def update_each(model: type[Model], rows: list[dict], *, same: tuple[str, ...], **only_if) -> set:
    """Write to many rows values of their own in one statement; the primary keys of those that were found.

    `rows` are columns and their values, the primary key among them, the same columns in each. A row is found by its key
    and where its columns `same` have the values given, as `only_if` must hold of it.
    """
    pk = model._meta.pk.attname
    found_by = (pk, *same)
    alike = {name for name in rows[0] if name not in found_by and all(row[name] == rows[0][name] for row in rows)}
    own = [name for name in rows[0] if name not in alike]
    to = {name: _placeholder(model, name) if name in alike else f"each.{_quoted(name)}" for name in rows[0]}
    assigned = [f"{_quoted(name)} = {to[name]}" for name in rows[0] if name not in found_by]
    guards = [f"this.{_quoted(name)} = each.{_quoted(name)}" for name in found_by]
    guards += [f"this.{_quoted(name)} = {_placeholder(model, name)}" for name in only_if]
    statement = f"""UPDATE {_quoted(model._meta.db_table)} AS this SET {", ".join(assigned)}
    FROM unnest({", ".join(_placeholder(model, name) + "[]" for name in own)}) AS each ({", ".join(map(_quoted, own))})
    WHERE {" AND ".join(guards)} RETURNING this.{_quoted(pk)}
    """  # noqa: S608 - names of our own columns
    scalars = [_adapted(model, name, rows[0][name]) for name in rows[0] if name in alike]
    arrays = [[_adapted(model, name, row[name]) for row in rows] for name in own]
    return {found for (found,) in execute(statement, [*scalars, *arrays, *only_if.values()])}


def _quoted(name: str) -> str:
    return f'"{name}"'


def _placeholder(model: type[Model], name: str) -> str:
    return f"%b::{model._meta.get_field(name).db_type(connection).partition('(')[0]}"


def _adapted(model: type[Model], name: str, value):
    is_json = isinstance(model._meta.get_field(name), JSONField)
    return Jsonb(value) if is_json and value is not None else value
