"""Many rows in one statement each: insert, or update what stands under the same natural key.

`bulk_create` builds a model object a row and splits SQLite's batches at 999 variables; a hundred
thousand rows of forty columns feel both. The SQL here means the same on SQLite and PostgreSQL.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from django.db import connection, models

from itomarkets.lib.fields import ScaledDecimalField


class RowWriter:
    """Writes rows of one model: tuples of values in the order of `columns` (attribute names).

    On a conflict over `key`, every other column is updated but those in `keep`; without `update` the
    standing row is left alone, and so is one that is newer by every column in `not_older`. A column in
    `remember` keeps what stands where the new row has nothing. Values are as `plain` makes them.
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
    ) -> None:
        quote = connection.ops.quote_name
        by_name = {field.attname: field for field in model._meta.concrete_fields}
        fields = [by_name[name] for name in columns]
        names = [quote(str(field.column)) for field in fields]
        table = quote(model._meta.db_table)
        changed = {field.attname: quote(str(field.column)) for field in fields if field.attname not in (*key, *keep)}
        keys = ", ".join(quote(str(by_name[name].column)) for name in key)
        values = {name: f"EXCLUDED.{column}" for name, column in changed.items()}
        values |= {name: f"COALESCE(EXCLUDED.{changed[name]}, {table}.{changed[name]})" for name in remember}
        action = "UPDATE SET " + ", ".join(f"{changed[name]} = {values[name]}" for name in changed)
        if not_older:
            action += " WHERE " + " OR ".join(
                f"{table}.{changed[name]} <= EXCLUDED.{changed[name]}" for name in not_older
            )
        if not update:
            action = "NOTHING"
        # Only names of the model's own columns are put into the statement.
        self._insert = (
            f"INSERT INTO {table} ({', '.join(names)}) "  # noqa: S608
            f"VALUES ({', '.join(['%s'] * len(names))}) ON CONFLICT ({keys}) DO {action}"
        )
        self._adapt = adapters(fields)

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write the rows; call it inside a transaction."""
        ready = [_adapted(row, self._adapt) for row in rows]
        if ready:
            with connection.cursor() as cursor:
                cursor.executemany(self._insert, ready)


class RowUpdater:
    """Updates some columns of rows by primary key: tuples of the values, then the key."""

    def __init__(self, model: type[models.Model], columns: Sequence[str]) -> None:
        quote = connection.ops.quote_name
        by_name = {field.attname: field for field in model._meta.concrete_fields}
        fields = [by_name[name] for name in columns]
        pairs = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
        pk = model._meta.pk
        if pk is None:
            raise TypeError(f"{model.__name__} has no primary key")
        self._update = f"UPDATE {quote(model._meta.db_table)} SET {pairs} WHERE {quote(str(pk.column))} = %s"  # noqa: S608
        self._adapt = [*adapters(fields), (len(fields), None)]

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        ready = [_adapted(row, self._adapt) for row in rows]
        if ready:
            with connection.cursor() as cursor:
                cursor.executemany(self._update, ready)


Adapter = tuple[int, Callable[[Any], Any] | None]


def adapters(fields: Sequence[models.Field]) -> list[Adapter]:
    """Say how each column's plain value becomes what the database driver takes."""
    return [
        (index, connection.ops.adapt_datetimefield_value if isinstance(field, models.DateTimeField) else None)
        for index, field in enumerate(fields)
    ]


def _adapted(row: Sequence[Any], adapt: Sequence[Adapter]) -> list[Any]:
    values = list(row)
    for index, function in adapt:
        if function is not None and values[index] is not None:
            values[index] = function(values[index])
    return values


def plain_columns(model: type[models.Model], columns: Sequence[str]) -> list[Callable[[Any], Any] | None]:
    """Say how each column's Python value becomes plain: decimals scaled, JSON as text, the rest as it is."""
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    makers: list[Callable[[Any], Any] | None] = []
    for name in columns:
        field = by_name[name]
        if isinstance(field, ScaledDecimalField):
            makers.append(field.get_prep_value)
        elif isinstance(field, models.JSONField):
            makers.append(json_text)
        else:
            makers.append(None)
    return makers


def plain(values: Sequence[Any], makers: Sequence[Callable[[Any], Any] | None]) -> list[Any]:
    return [
        value if maker is None or value is None else maker(value) for value, maker in zip(values, makers, strict=True)
    ]


def json_text(value: Any) -> str:
    """Write JSON as text; the one character that PostgreSQL's JSON cannot hold is left out."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode().replace("\\u0000", "")
