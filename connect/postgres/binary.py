"""Statements with parameters in PostgreSQL's binary form.

Django binds in the client: it writes every parameter into the statement's text, bytes as hexadecimal and arrays quoted item
by item. For a page of sealed bodies that costs four times what sealing them does. Here psycopg hands the values over as
they are; placeholders are `%b`.
"""

import psycopg
from django.db import connection


def execute(statement: str, parameters: list) -> list[tuple]:
    """Run one statement on the thread's connection, in its transaction; the rows it returns, if any.

    Raises django.db.Error as any query does. It is no part of Django's query log: who counts queries does not see it.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement.encode(), parameters, binary=True)
        return cursor.fetchall() if cursor.description else []
