"""Rows on a grid of time: a page of them, and by name the instants between them that have no row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db.models import QuerySet

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A row may be this late before it is called missing.
GRACE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Gap:
    """Instants without a row: the first, the last, and how many."""

    start: datetime
    end: datetime
    missing: int


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked for: from `start` to `end`, both included, a page of `limit` rows after or before an instant."""

    start: datetime
    end: datetime
    limit: int
    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class SeriesPage:
    """Rows of `columns`, oldest first, with the gaps before and between them, and after the newest one."""

    rows: list[tuple[Any, ...]]
    gaps: list[Gap]
    has_earlier: bool
    has_later: bool


def read_series(
    rows: QuerySet[Any],
    columns: Sequence[str],
    *,
    window: Window,
    step: timedelta,
    now: datetime,
    shift: timedelta = timedelta(0),
    lag: timedelta = timedelta(0),
) -> SeriesPage:
    """Read a page in two statements; the first of `columns` is `at`.

    A row stands for `at` + `shift`, and is there `lag` later than that. Before the first row there are no gaps:
    there was nothing yet.
    """
    inside = rows.filter(at__gte=window.start - shift, at__lte=window.end - shift)
    if window.after is not None:
        inside = inside.filter(at__gt=window.after - shift)
    limit = window.limit
    if window.before is not None:
        inside = inside.filter(at__lt=window.before - shift)
        found = list(inside.order_by("-at").values_list(*columns)[: limit + 1])[::-1]
        has_earlier, has_later, found = len(found) > limit, True, found[-limit:]
    else:
        found = list(inside.order_by("at").values_list(*columns)[: limit + 1])
        has_earlier, has_later, found = window.after is not None, len(found) > limit, found[:limit]
    known = [row[0] + shift for row in found]
    first = known[0] if known else window.end + step
    earlier = rows.filter(at__lt=first - shift).order_by("-at").values_list("at", flat=True).first()
    if earlier is not None:
        known.insert(0, max(earlier + shift, _aligned(window.start, step) - step))
    if known and not has_later:
        # The first instant that is not asked for, or need not be there yet.
        known.append(min(_floor(window.end, step), _floor(now - GRACE - lag, step)) + step)
    return SeriesPage(
        rows=found,
        gaps=[gap for one, other in pairwise(known) if (gap := _gap(one, other, step)) is not None],
        has_earlier=has_earlier,
        has_later=has_later,
    )


def _gap(known: datetime, following: datetime, step: timedelta) -> Gap | None:
    missing = round((following - known) / step) - 1
    return Gap(known + step, known + missing * step, missing) if missing > 0 else None


def _floor(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - EPOCH) % step


def _aligned(moment: datetime, step: timedelta) -> datetime:
    """Return the first instant of the grid that is not before a moment."""
    low = _floor(moment, step)
    return low if low == moment else low + step
