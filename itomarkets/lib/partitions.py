"""Tables of prices in monthly partitions on PostgreSQL; plain tables elsewhere, where all of this does nothing.

The model and its queries stay as they are. Its table's primary key becomes (id, at), since a partitioned table's keys
must hold what it is partitioned by; `id` alone stays unique because one sequence gives it. Rows of a month that
has no partition yet go to the partition named `…_rest`, and move when theirs is made, so that no insert ever fails.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import OperationalError, connection, transaction

MONTHS_AHEAD = 3
LOCK_TIMEOUT = "5s"
# Rows are appended under growing ids; one that was being inserted meanwhile is no further back than this.
STRAGGLERS = 100_000


def ensure_partitions(table: str, *, start: datetime, end: datetime) -> int:
    """Have a partition of a table for each month from one instant to another; returns how many were made.

    Where a lock cannot be had in time nothing is made, and the rows wait in `…_rest` for the next call.
    """
    if connection.vendor != "postgresql":
        return 0
    have = _partitions(table)
    missing = [] if not have else [month for month in months(start, end) if _name(table, month) not in have]
    if not missing:
        return 0
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [table])
            # A table with checks that wait for the commit cannot be altered.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            made = [month for month in missing if _name(table, month) not in _partitions(table)]
            for month in made:
                _make(cursor, table, month)
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
            cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":
            raise
        return 0
    return len(made)


def months(start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the first instant of each month in UTC, from that of `start` to that of `end`."""
    month = start.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month <= end:
        yield month
        month = following(month)


def following(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def months_ahead(now: datetime, count: int = MONTHS_AHEAD) -> datetime:
    """Return an instant so many months after now's."""
    for _ in range(count):
        now = following(now.replace(day=1))
    return now


def partition_by_month(
    table: str, *, unique: Mapping[str, tuple[str, ...]], references: Mapping[str, str], now: datetime
) -> None:
    """Make a table one that is partitioned by month of `at`, with its rows; a call that was cut off begins anew.

    `unique` is its constraints by name, `references` the tables that its columns refer to. 1. Make the new table with
    a partition for each month that has rows, and some ahead. 2. Copy month by month, each in a transaction, while the
    old table is in use. 3. Lock it, copy what has come meanwhile, and put the new one in its place: the only
    moment in which anybody waits. Call it outside a transaction.
    """
    new = f"{table}_new"
    with connection.cursor() as cursor:
        with transaction.atomic():
            cursor.execute(f"DROP TABLE IF EXISTS {new} CASCADE")
            cursor.execute(
                f"CREATE TABLE {new} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING IDENTITY) "
                "PARTITION BY RANGE (at)"
            )
            _constrain(cursor, new, "id, at", unique, references)
            # A month's rows lie about in order of time, so that one small range says which pages hold an instant.
            cursor.execute(f"CREATE INDEX {table}_at_brin ON {new} USING brin (at)")
            cursor.execute(f"CREATE TABLE {table}_rest (LIKE {new} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            cursor.execute(f"ALTER TABLE {new} ATTACH PARTITION {table}_rest DEFAULT")
            cursor.execute(f"SELECT min(at), max(at), coalesce(max(id), 0) FROM {table}")  # noqa: S608
            first, last, last_id = cursor.fetchone()
            filled = list(months(first, last)) if first is not None else []
            for month in dict.fromkeys([*filled, *months(now, months_ahead(now))]):
                _make(cursor, table, month, parent=new)
        for month in filled:
            cursor.execute(
                f"INSERT INTO {new} SELECT * FROM {table} WHERE at >= %s AND at < %s ON CONFLICT DO NOTHING",  # noqa: S608
                [month, following(month)],
            )
        with transaction.atomic():
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            _swap(cursor, table, new, unique, since=last_id - STRAGGLERS)


def join_partitions(table: str, *, unique: Mapping[str, tuple[str, ...]], references: Mapping[str, str]) -> None:
    """Make a partitioned table a plain one again, with its rows."""
    new = f"{table}_new"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        cursor.execute(f"CREATE TABLE {new} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING IDENTITY)")
        _constrain(cursor, new, "id", unique, references)
        _swap(cursor, table, new, unique, since=-1)


def _constrain(
    cursor: Any, new: str, key: str, unique: Mapping[str, tuple[str, ...]], references: Mapping[str, str]
) -> None:
    cursor.execute(f"ALTER TABLE {new} ADD PRIMARY KEY ({key})")
    for name, columns in unique.items():
        cursor.execute(f"ALTER TABLE {new} ADD CONSTRAINT {name}_new UNIQUE ({', '.join(columns)})")
    for column, other in references.items():
        cursor.execute(
            f"ALTER TABLE {new} ADD FOREIGN KEY ({column}) REFERENCES {other} (id) DEFERRABLE INITIALLY DEFERRED"
        )
        leading = {columns[0] for columns in unique.values()}
        if column not in leading:
            cursor.execute(f"CREATE INDEX ON {new} ({column})")


def _swap(cursor: Any, table: str, new: str, unique: Mapping[str, tuple[str, ...]], *, since: int) -> None:
    cursor.execute(f"INSERT INTO {new} SELECT * FROM {table} WHERE id > %s ON CONFLICT DO NOTHING", [since])  # noqa: S608
    cursor.execute(f"SELECT setval(pg_get_serial_sequence('{new}', 'id'), coalesce(max(id), 0) + 1, false) FROM {new}")  # noqa: S608
    cursor.execute(f"DROP TABLE {table}")
    cursor.execute(f"ALTER TABLE {new} RENAME TO {table}")
    cursor.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {new}_pkey TO {table}_pkey")
    cursor.execute(f"ALTER SEQUENCE {new}_id_seq RENAME TO {table}_id_seq")
    for name in unique:
        cursor.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name}_new TO {name}")


def _make(cursor: Any, table: str, month: datetime, *, parent: str = "") -> None:
    """Make one month's partition beside the table, fill it with what has waited in `…_rest`, and attach it."""
    name, bounds = _name(table, month), [month, following(month)]
    cursor.execute(f"CREATE TABLE {name} (LIKE {parent or table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    cursor.execute(
        f"WITH moved AS (DELETE FROM {table}_rest WHERE at >= %s AND at < %s RETURNING *) "  # noqa: S608
        f"INSERT INTO {name} SELECT * FROM moved",
        bounds,
    )
    first, last = (bound.isoformat() for bound in bounds)
    cursor.execute(f"ALTER TABLE {parent or table} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{last}')")


def _name(table: str, month: datetime) -> str:
    return f"{table}_{month:%Y_%m}"


def _partitions(table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = %s AND pg_table_is_visible(p.oid)",
            [table],
        )
        return {name for (name,) in cursor.fetchall()}
