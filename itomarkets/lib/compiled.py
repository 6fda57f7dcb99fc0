"""Hot statements without the cost of building them: Django writes their SQL once, each run only gives new values.

Building a queryset's SQL takes many times as long as a database on the same machine takes to answer
it. Where a person waits for twenty of them in a row, that is what they wait for.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, cast
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.expressions import Expression
from django.db.transaction import TransactionManagementError

P = ParamSpec("P")
Row = TypeVar("Row")
# So many lengths of a function's lists are kept; a basket has fewer legs.
MOST_SHAPES = 256
LISTS = (list, tuple, set, frozenset)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run puts a value: an argument's name, and the index where it is a list."""

    name: str
    index: int | None


class _Param(Expression):
    """An argument in a statement that is being compiled; `length` is that of a list."""

    def __init__(self, name: str, length: int | None) -> None:
        super().__init__()
        self.name = name
        self.length = length

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        if self.length is None:
            return "%s", [_Place(self.name, None)]
        if not self.length:
            raise EmptyResultSet
        return f"({', '.join(['%s'] * self.length)})", [_Place(self.name, index) for index in range(self.length)]


class _Statement:
    """One function's queryset as one connection compiled it, for one length of each list among its arguments."""

    def __init__(self, queryset: Any) -> None:
        if queryset._prefetch_related_lookups or queryset._known_related_objects:
            raise TypeError("A compiled queryset asks one statement: leave prefetches and related managers out.")
        self.connection = connections[DEFAULT_DB_ALIAS]
        self._locks = queryset.query.select_for_update
        self._queryset = queryset
        self._compiler = compiler = queryset.query.get_compiler(connection=self.connection)
        self._values: tuple[Any, ...] = ()
        self._found: list[Any] | None = None
        try:
            self._sql, self._params = compiler.as_sql()
        except EmptyResultSet:
            self._sql, self._params = "", ()
            return
        converters = compiler.get_converters([column for column, _, _ in compiler.select])
        # Django's own iterators make the rows; they only find what is there already.
        queryset.query.get_compiler = lambda *args, **kwargs: compiler
        compiler.as_sql = lambda *args, **kwargs: (self._sql, self._values)
        compiler.get_converters = lambda expressions: converters
        ask, compiler.execute_sql = compiler.execute_sql, self._execute
        self._ask = ask

    def rows(self, arguments: Mapping[str, Any]) -> list[Any]:
        sql, self._values = self.said(arguments)
        if not sql:
            return []
        self._found = _read_ahead.take(self.connection, sql, self._values)
        return list(self._queryset._iterable_class(self._queryset))

    def said(self, arguments: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """Return the statement and its values; an empty one where it can find nothing."""
        if self._locks and not self.connection.in_atomic_block:
            raise TransactionManagementError("select_for_update cannot be used outside of a transaction.")
        return self._sql, tuple(self._value(param, arguments) for param in self._params)

    def _execute(self, *args: Any, **kwargs: Any) -> Any:
        if self._found is None:
            return self._ask(*args, **kwargs)
        # What was read ahead, in one chunk.
        return [self._found]

    def _value(self, param: Any, arguments: Mapping[str, Any]) -> Any:
        if not isinstance(param, _Place):
            return param
        value = arguments[param.name]
        return _plain(value if param.index is None else value[param.index], self.connection)


# A call of a compiled function that is yet to be made.
Asked = tuple[_Statement, Mapping[str, Any]]


class _ReadAhead(threading.local):
    """Rows that this thread has read ahead and not yet asked for."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], list[Any]] = {}

    def take(self, connection: Any, sql: str, values: tuple[Any, ...]) -> list[Any] | None:
        return self.rows.pop((id(connection), sql, values), None) if self.rows else None


_read_ahead = _ReadAhead()


class Compiled(Generic[P, Row]):
    """A function from keyword arguments to the rows of one compiled queryset."""

    def __init__(self, build: Callable[P, models.QuerySet[Any, Row]]) -> None:
        update_wrapper(self, build)
        self._build = build
        self._kept = threading.local()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[Row]:
        statement, given = self._statement(kwargs)
        return statement.rows(given)

    def asked(self, *args: P.args, **kwargs: P.kwargs) -> Asked:
        """Return what `read_ahead` takes: this very call, not yet made."""
        return self._statement(kwargs)

    def _statement(self, kwargs: Mapping[str, Any]) -> tuple[_Statement, dict[str, Any]]:
        given = {name: list(value) if isinstance(value, LISTS) else value for name, value in sorted(kwargs.items())}
        lengths = tuple(len(value) if isinstance(value, list) else None for value in given.values())
        statements: dict[tuple[int | None, ...], _Statement] = self._kept.__dict__.setdefault("statements", {})
        statement = statements.get(lengths)
        if statement is None or statement.connection is not connections[DEFAULT_DB_ALIAS]:
            if len(statements) >= MOST_SHAPES:
                statements.clear()
            params: Any = {name: _Param(name, length) for name, length in zip(given, lengths, strict=True)}
            statement = statements[lengths] = _Statement(cast(Any, self._build)(**params))
        return statement, given


def compiled(build: Callable[P, models.QuerySet[Any, Row]]) -> Compiled[P, Row]:
    """Turn a function from keyword arguments to a queryset into one that returns the rows, compiled once a connection.

    The arguments may only be compared with in filters: numbers, strings, instants, UUIDs, or lists
    of them for `__in`. Nothing else about the queryset may depend on them.
    """
    return Compiled(build)


@contextmanager
def read_ahead(*asked: Asked) -> Iterator[None]:
    """Ask several compiled statements in one round trip; inside, the same calls find their rows read.

    They run one after the other in the order given, each seeing what was committed before it, so a
    lock that stands first is held when the next one reads. Each is for one call; what nobody asked
    for is dropped. On SQLite, which has no round trips, the calls read for themselves.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    has_trips = connection.vendor == "postgresql"
    said = [ask for statement, given in asked if (ask := statement.said(given))[0]] if has_trips else []
    if not said:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("; ".join(sql for sql, _ in said), [value for _, values in said for value in values])
        for number, (sql, values) in enumerate(said):
            if number:
                cursor.nextset()
            _read_ahead.rows[id(connection), sql, values] = cursor.fetchall()
    try:
        yield
    finally:
        _read_ahead.rows.clear()


def _plain(value: Any, connection: Any) -> Any:
    """Return a value as the database's driver takes it."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    raise TypeError(f"Expected a number, a string, an instant or a UUID to compare with; found {type(value).__name__}.")


def insert_all(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model in one statement. Ids that the database gives are not read back.

    For some hundred rows at most: SQLite takes 32,766 values in a statement.
    """
    if not rows:
        return
    wrapper = connections[DEFAULT_DB_ALIAS]
    has_id = rows[0].pk is not None
    fields, head = _insert_head(type(rows[0]), has_id)
    places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(rows))
    values = [field.get_db_prep_save(field.pre_save(row, True), wrapper) for row in rows for field in fields]
    with wrapper.cursor() as cursor:
        cursor.execute(f"{head} VALUES {places}", values)
    for row in rows:
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def update_each(
    model: type[models.Model],
    rows: Mapping[Any, Mapping[str, Any]],
    *,
    same: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
) -> int:
    """Update rows in one statement, by primary key, each with values of its own; returns how many there were.

    `same` are values that all of them get; those that do not stand as `where` says are left alone.
    """
    if not rows:
        return 0
    wrapper = connections[DEFAULT_DB_ALIAS]
    same, where, own = same or {}, where or {}, tuple(next(iter(rows.values())))
    by_name = _fields(model)
    pk, columns = by_name["pk"], [by_name[name] for name in own]
    row = f"({', '.join(['%s'] * (1 + len(own)))})"
    sql = _update_statement(model, own, tuple(same), tuple(where)) % ", ".join([row] * len(rows))
    values = [by_name[name].get_db_prep_save(value, wrapper) for name, value in same.items()]
    for key, changes in rows.items():
        values.append(pk.get_db_prep_save(key, wrapper))
        values += [field.get_db_prep_save(changes[field.attname], wrapper) for field in columns]
    values += [by_name[name].get_db_prep_save(value, wrapper) for name, value in where.items()]
    with wrapper.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.rowcount


@cache
def _fields(model: type[models.Model]) -> dict[str, models.Field]:
    """Return a model's own columns by attribute name; the primary key also as "pk"."""
    fields = {field.attname: field for field in model._meta.local_concrete_fields}
    return {**fields, "pk": next(field for field in fields.values() if field.primary_key)}


@cache
def _insert_head(model: type[models.Model], has_id: bool) -> tuple[list[models.Field], str]:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    fields = [field for field in model._meta.local_concrete_fields if has_id or not field.primary_key]
    names = ", ".join(quote(str(field.column)) for field in fields)
    return fields, f"INSERT INTO {quote(model._meta.db_table)} ({names})"


@cache
def _update_statement(model: type[models.Model], own: Sequence[str], same: Sequence[str], where: Sequence[str]) -> str:
    """Write the statement, with one place for the rows' values. Only names of the model's columns are put into it."""
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    by_name, table = _fields(model), quote(model._meta.db_table)
    changes = [f"{quote(str(by_name[name].column))} = %%s" for name in same]
    # SQLite (3.33, of 2020, or later) and PostgreSQL both call the columns of a list of values column1, column2 ...
    changes += [f"{quote(str(by_name[name].column))} = own.column{number}" for number, name in enumerate(own, start=2)]
    conditions = [f"{table}.{quote(str(by_name['pk'].column))} = own.column1"]
    conditions += [f"{table}.{quote(str(by_name[name].column))} = %%s" for name in where]
    return f"UPDATE {table} SET {', '.join(changes)} FROM (VALUES %s) AS own WHERE {' AND '.join(conditions)}"  # noqa: S608
