"""Many rows in one statement: they travel as one JSON parameter, so no limit on parameters splits them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models

# How each database reads a column out of the JSON rows.
POSTGRES_TYPES = {
    "bigint": "bigint",
    "integer": "integer",
    "smallint": "smallint",
    "integer unsigned": "integer",
    "timestamp with time zone": "timestamptz",
    "date": "date",
    "boolean": "boolean",
    "jsonb": "jsonb",
}


def insert_rows(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    on_conflict: str = "DO NOTHING",
    only_where: str = "",
) -> int:
    """Insert rows of stored values (scaled whole numbers, instants, texts, lists) and return how many were written.

    `only_where` is a SQL condition on the row, named `r`; `on_conflict` is what follows ON CONFLICT. Both are
    written by us, never built from input.
    """
    if not rows:
        return 0
    fields: list[Any] = [model._meta.get_field(name) for name in columns]
    names = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    payload = json.dumps([[_plain(value) for value in row] for row in rows], separators=(",", ":"))
    if connection.vendor == "postgresql":
        picks = ", ".join(
            f"(j.value->>{i})::{_postgres_type(field)} AS {connection.ops.quote_name(field.column)}"
            for i, field in enumerate(fields)
        )
        source = f"(SELECT {picks} FROM jsonb_array_elements(%s::jsonb) AS j(value)) AS r"  # noqa: S608
    else:
        picks = ", ".join(
            f"json_extract(j.value, '$[{i}]') AS {connection.ops.quote_name(field.column)}"
            for i, field in enumerate(fields)
        )
        source = f"(SELECT {picks} FROM json_each(%s) AS j) AS r"  # noqa: S608
    table = connection.ops.quote_name(model._meta.db_table)
    statement = (
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {source} "  # noqa: S608
        f"WHERE {only_where or '1=1'} ON CONFLICT {on_conflict}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [payload])
        return max(0, cursor.rowcount)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return str(connection.ops.adapt_datetimefield_value(value))
    if isinstance(value, (list, dict)):
        return json.dumps(value, separators=(",", ":"))
    return value


def _postgres_type(field: Any) -> str:
    kind = str(field.db_type(connection))
    return POSTGRES_TYPES.get(kind, "text")
