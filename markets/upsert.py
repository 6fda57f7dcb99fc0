"""Many rows in one statement each: insert, or update what stands under the same natural key.

`bulk_create` builds a model object a row and splits SQLite's batches at 999 variables; a hundred
thousand rows of forty columns feel both. On PostgreSQL rows travel by COPY into a temporary table and
are taken from there in one statement; on SQLite they are one `executemany`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Any
from zlib import crc32

import orjson
from django.db import IntegrityError, connection, models, transaction
from django.db.models.expressions import RawSQL

from itomarkets.lib.fields import ScaledDecimalField

# Fewer rows than this are sent one by one: a COPY costs four statements however short it is.
COPY_FROM = 20
LINES_A_WRITE = 200
# JSON's own quotes and null; the escape stands before a quote and before itself, nowhere else.
CSV = "(FORMAT csv, NULL 'null', ESCAPE '\\')"
# The escape itself; behind an odd backslash it is a text that spells it.
NULL_CHARACTER = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class RowWriter:
    """Writes rows of one model: tuples of values in the order of `columns` (attribute names).

    On a conflict over `key`, every other column is updated but those in `keep`; without `update` the
    standing row is left alone, and so is one that is newer by every column in `not_older`, or that has every
    column of `unless_same` already. A column in `remember` keeps what stands where the new row has nothing.
    Values are as `plain` makes them.
    """

    def __init__(
        self,
        model: type[models.Model],
        columns: Sequence[str],
        *,
        key: Sequence[str],
        keep: Sequence[str] = (),
        remember: Sequence[str] = (),
        not_older: Sequence[str] = (),
        update: bool = True,
        unless_same: Sequence[str] = (),
    ) -> None:
        quote = connection.ops.quote_name
        by_name = {field.attname: field for field in model._meta.concrete_fields}
        fields = [by_name[name] for name in columns]
        table = quote(model._meta.db_table)
        names = [quote(str(field.column)) for field in fields]
        changed = {field.attname: quote(str(field.column)) for field in fields if field.attname not in (*key, *keep)}
        keys = ", ".join(quote(str(by_name[name].column)) for name in key)
        values = {name: f"EXCLUDED.{column}" for name, column in changed.items()}
        values |= {name: f"COALESCE(EXCLUDED.{changed[name]}, {table}.{changed[name]})" for name in remember}
        action = "UPDATE SET " + ", ".join(f"{changed[name]} = {values[name]}" for name in changed)
        differs = "IS DISTINCT FROM" if connection.vendor == "postgresql" else "IS NOT"
        watched = [f"{table}.{changed[name]} <= EXCLUDED.{changed[name]}" for name in not_older]
        watched += [f"{table}.{changed[name]} {differs} EXCLUDED.{changed[name]}" for name in unless_same]
        if watched:
            action += " WHERE " + " OR ".join(watched)
        if not update:
            action = "NOTHING"
        # Only names of the model's own columns are put into the statements.
        self._insert = (
            f"INSERT INTO {table} ({', '.join(names)}) "  # noqa: S608
            f"VALUES ({', '.join(['%s'] * len(names))}) ON CONFLICT ({keys}) DO {action}"
        )
        self._copy = f"COPY {table} ({', '.join(names)}) FROM STDIN {CSV}"
        self._stage = _Stage(model, fields)
        self._take = (
            f"INSERT INTO {table} ({', '.join(names)}) "  # noqa: S608
            f"SELECT {', '.join(names)} FROM {self._stage.table} ON CONFLICT ({keys}) DO {action}"
        )
        self._adapt = adapters(fields)

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write the rows; call it inside a transaction. A key may come once."""
        _send(list(rows), self._insert, self._take, self._stage, self._adapt)

    def add(self, rows: Iterator[tuple[Sequence[Any], bytes]]) -> None:
        """Write rows that should all be new, each with its JSON as `csv_line` takes it; call it inside a transaction.

        They are copied straight into the table while the caller still makes the next ones; where another
        writer was there first, they are written as any.
        """
        given: list[Sequence[Any]] = []
        first = next(rows, None)
        if first is None:
            return
        rows = chain([first], rows)
        if connection.vendor != "postgresql":
            self.write(values for values, _ in rows)
            return
        try:
            with transaction.atomic(), _copying(self._copy) as copy:
                while some := list(islice(rows, LINES_A_WRITE)):
                    given += [values for values, _ in some]
                    copy.write(b"\n".join([*(csv_line(values, line) for values, line in some), b""]))
        except IntegrityError:
            self.write(chain(given, (values for values, _ in rows)))


class RowUpdater:
    """Updates some columns of rows by primary key: tuples of the values, then the key."""

    def __init__(self, model: type[models.Model], columns: Sequence[str]) -> None:
        quote = connection.ops.quote_name
        by_name = {field.attname: field for field in model._meta.concrete_fields}
        fields = [by_name[name] for name in columns]
        pk = model._meta.pk
        if pk is None:
            raise TypeError(f"{model.__name__} has no primary key")
        table, key = quote(model._meta.db_table), quote(str(pk.column))
        names = [quote(str(field.column)) for field in fields]
        self._update = f"UPDATE {table} SET {', '.join(f'{name} = %s' for name in names)} WHERE {key} = %s"  # noqa: S608
        self._stage = _Stage(model, [*fields, pk])
        self._take = (
            f"UPDATE {table} SET {', '.join(f'{name} = staged.{name}' for name in names)} "  # noqa: S608
            f"FROM {self._stage.table} AS staged WHERE {table}.{key} = staged.{key}"
        )
        self._adapt = adapters(fields)

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write the rows; call it inside a transaction."""
        _send(list(rows), self._update, self._take, self._stage, self._adapt)


class _Stage:
    """A temporary table that rows are copied into; empty again after each commit, and after each use."""

    def __init__(self, model: type[models.Model], fields: Sequence[Any]) -> None:
        quote = connection.ops.quote_name
        names = ", ".join(quote(str(field.column)) for field in fields)
        self.table = quote(f"stage_{model._meta.db_table[:40]}_{crc32(names.encode()):08x}")
        self.make = (
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {self.table} ON COMMIT DELETE ROWS AS "  # noqa: S608
            f"SELECT {names} FROM {quote(model._meta.db_table)} WITH NO DATA"
        )
        self.copy = f"COPY {self.table} ({names}) FROM STDIN {CSV}"
        self.clear = f"DELETE FROM {self.table}"  # noqa: S608


def _send(rows: list[Sequence[Any]], one: str, take: str, stage: _Stage, adapt: Sequence["Maker"]) -> None:
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql" or len(rows) < COPY_FROM:
            cursor.executemany(one, [plain(row, adapt) for row in rows])
            return
        cursor.execute(stage.make)
        with _copying(stage.copy) as copy:
            copy.write(b"\n".join(map(csv_line, rows)))
        cursor.execute(take)
        cursor.execute(stage.clear)


@contextmanager
def _copying(statement: str) -> Iterator[Any]:
    """Open a COPY, whose errors come as Django's: its cursors do not know the method."""
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        yield copy


def csv_line(row: Sequence[Any], line: bytes = b"") -> bytes:
    """Write plain values as one line for COPY: as JSON writes them, but for its escapes of control characters.

    `line` is the row's JSON without its brackets, where the caller has it already.
    """
    line = line or orjson.dumps(row)[1:-1]
    if b"\\" not in line:
        return line
    if b"\\\\" not in line:
        line = line.replace(b"\\n", b"\n")
        if line.count(b"\\") == line.count(b'\\"'):
            return line
    return ",".join(map(_csv_value, row)).encode()


def _csv_value(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, datetime):
        return value.isoformat()
    return orjson.dumps(value).decode()


def any_of(texts: Sequence[str]) -> RawSQL:
    """Return a subquery of these texts for `__in`: one parameter, however many they are."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::text[])", [list(texts)])
    return RawSQL("SELECT value FROM json_each(%s)", [orjson.dumps(list(texts)).decode()])


Maker = tuple[int, Callable[[Any], Any]]


def adapters(fields: Sequence[models.Field]) -> list[Maker]:
    """Say which columns' plain values the database driver takes in another form, and how they become it."""
    # Most times of a batch are the run's own, and many the same day's end.
    adapt = lru_cache(maxsize=1024)(connection.ops.adapt_datetimefield_value)
    return [(index, adapt) for index, field in enumerate(fields) if isinstance(field, models.DateTimeField)]


def plain_columns(model: type[models.Model], columns: Sequence[str]) -> list[Maker]:
    """Say which columns' Python values become plain, and how: decimals scaled, JSON as text; the rest are."""
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    makers: list[Maker] = []
    for index, name in enumerate(columns):
        field = by_name[name]
        if isinstance(field, ScaledDecimalField):
            makers.append((index, field.get_prep_value))
        elif isinstance(field, models.JSONField):
            makers.append((index, json_text))
    return makers


def plain(values: Sequence[Any], makers: Sequence[Maker]) -> list[Any]:
    """Return the values, those that the makers name made over; a null stays one."""
    made = list(values)
    for index, make in makers:
        if made[index] is not None:
            made[index] = make(made[index])
    return made


def json_text(value: Any) -> str:
    """Write JSON as text; the one character that PostgreSQL's JSON cannot hold is left out."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return NULL_CHARACTER.sub(r"\1", text) if "\\u0000" in text else text
