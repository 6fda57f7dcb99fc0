"""Removing old rows in short transactions: a run that is cut off has lost nothing, and the next one goes on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models, transaction

BATCH = 2_000
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Pruned:
    """What was done to one kind of rows: how many were deleted, and how many were written to stand for them."""

    rows: str
    deleted: int
    written: int = 0


def delete_in_batches(rows: models.QuerySet[Any]) -> int:
    """Delete the rows of a query, a batch a transaction; returns how many of them there were."""
    deleted = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            rows.model._default_manager.filter(pk__in=keys).delete()
        deleted += len(keys)
    return deleted


def slices(first: Callable[[datetime], datetime | None], length: timedelta, *, until: datetime) -> Iterator[datetime]:
    """Yield the starts of those stretches of a length that hold rows, oldest first, up to `until`.

    `first` tells when the oldest row at or after an instant is, or None.
    """
    after = EPOCH
    while (oldest := first(after)) is not None and oldest < until:
        start = oldest - (oldest - EPOCH) % length
        yield start
        after = start + length


def bucket_sql(seconds: int) -> str:
    """Return SQL for the start of the bucket in which `at` lies, as the database stores instants."""
    if connection.vendor == "postgresql":
        return f"date_bin('{seconds} seconds', \"at\", '1970-01-01 00:00:00+00')"
    whole = f"CAST(strftime('%%s', \"at\") AS INTEGER) / {seconds} * {seconds}"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%S', {whole}, 'unixepoch')"
