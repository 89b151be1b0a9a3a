"""Statements of hot paths, whose SQL Django builds once.

To build a statement's SQL takes Django several times as long as PostgreSQL takes to answer it by an index. What runs for
every request is therefore a queryset whose values are named, kept with its SQL:

    KEY = Select(lambda: ApiKey.objects.filter(hash=Given("hash"), revoked_at=None))
    key = KEY.first(hash=token_hash(secret))

It goes through Django's own cursor, so transactions, query counts and errors are what they are everywhere.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection, models, transaction
from django.db.models import sql


class Given(models.Expression):
    """A value that each run gives, by name; `field` says what it is where it is no text."""

    def __init__(self, name: str, field: models.Field | None = None):
        super().__init__(output_field=field or models.TextField())
        self.name = name

    def as_sql(self, compiler, connection):
        return "%s", [self]


def _filled(parameters: tuple, given: dict) -> list:
    """The statement's parameters with the given values in their places."""
    return [
        p.output_field.get_db_prep_save(given[p.name], connection=connection) if isinstance(p, Given) else p
        for p in parameters
    ]


class _Compiled(NamedTuple):
    statement: str
    parameters: tuple
    columns: list[str]
    converters: list[tuple]


class Select:
    """A queryset of one model's own columns, whose values are constants and `Given`s."""

    def __init__(self, make: Callable[[], models.QuerySet]):
        """`make` builds the queryset; it is called at the first run, when every model is loaded."""
        self._make = make

    @functools.cached_property
    def _queryset(self) -> models.QuerySet:
        return self._make()

    @functools.cached_property
    def _compiled(self) -> _Compiled:
        compiler = self._queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        statement, parameters = compiler.as_sql()
        columns = [column for column, _, _ in compiler.select]
        converters = [
            (position, convert, expression)
            for position, (functions, expression) in compiler.get_converters(columns).items()
            for convert in functions
        ]
        return _Compiled(statement, parameters, [column.target.attname for column in columns], converters)

    def rows(self, **given) -> list[tuple]:
        """The rows' values, in the order of `values_list`."""
        statement, parameters, _, converters = self._compiled
        with connection.cursor() as cursor:
            cursor.execute(statement, _filled(parameters, given))
            rows = cursor.fetchall()
        return [_converted(row, converters) for row in rows] if converters else rows

    def objects(self, **given) -> list[models.Model]:
        """The rows as instances of the model."""
        columns, model = self._compiled.columns, self._queryset.model
        return [model.from_db(DEFAULT_DB_ALIAS, columns, row) for row in self.rows(**given)]

    def first(self, **given) -> models.Model | None:
        """The first row as an instance, None where there is none."""
        return next(iter(self.objects(**given)), None)


class Update:
    """`UPDATE … SET columns` of the rows of such a queryset."""

    def __init__(self, make: Callable[[], models.QuerySet], *columns: str):
        """`columns` are the fields that are set; `make` is called at the first run."""
        self._make, self._columns = make, columns

    @functools.cached_property
    def _compiled(self) -> tuple[str, tuple]:
        queryset = self._make()
        query = queryset.query.chain(sql.UpdateQuery)
        fields = {name: queryset.model._meta.get_field(name) for name in self._columns}
        query.add_update_values({name: Given(f"new_{name}", field) for name, field in fields.items()})
        return query.get_compiler(DEFAULT_DB_ALIAS).as_sql()

    def run(self, **given) -> int:
        """Set each column to its `new_<column>`; returns of how many rows."""
        statement, parameters = self._compiled
        with connection.cursor() as cursor:
            cursor.execute(statement, _filled(parameters, given))
            return cursor.rowcount


def _converted(row: tuple, converters: list[tuple]) -> list:
    values = list(row)
    for position, convert, expression in converters:
        values[position] = convert(values[position], expression, connection)
    return values


def insert(*rows: models.Model, unless_there: bool = False) -> bool:
    """Insert new rows, of several models too, all or none: one statement on PostgreSQL, else one transaction.

    No signals are sent, and of keys that the database makes up the last row's is read back only. With `unless_there` a
    single row that meets a unique constraint is left out. False then, else True; raises IntegrityError.
    """
    if len(rows) > 1 and connection.vendor != "postgresql":
        with transaction.atomic(savepoint=False):
            for row in rows:
                insert(row)
            return True
    statement = _insert_sql(tuple(type(row) for row in rows), unless_there)
    with connection.cursor() as cursor:
        cursor.execute(statement, [value for row in rows for value in _values(row)])
        inserted = cursor.fetchone()
    if inserted is None:
        return False
    rows[-1].pk = inserted[0]
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    return True


@functools.cache
def _insert_sql(model_classes: tuple[type[models.Model], ...], unless_there: bool) -> str:
    """`WITH row_0 AS (INSERT …) INSERT …`: what PostgreSQL calls data-modifying statements in WITH."""
    quote = connection.ops.quote_name
    inserts = []
    for model in model_classes:
        columns = [field.column for field in _columns(model)]
        names, places = ", ".join(map(quote, columns)), ", ".join(["%s"] * len(columns))
        inserts.append(f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})")  # noqa: S608
    *others, last = inserts
    parts = ", ".join(f"row_{number} AS ({part})" for number, part in enumerate(others))
    start, rule = f"WITH {parts} " if parts else "", " ON CONFLICT DO NOTHING" if unless_there else ""
    return f"{start}{last}{rule} RETURNING {quote(model_classes[-1]._meta.pk.column)}"


@functools.cache
def _columns(model: type[models.Model]) -> list[models.Field]:
    return [field for field in model._meta.local_concrete_fields if not isinstance(field, models.AutoField)]


def _values(row: models.Model) -> list:
    return [
        field.get_db_prep_save(field.pre_save(row, add=True), connection=connection) for field in _columns(type(row))
    ]
