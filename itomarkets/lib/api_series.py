"""Series in the API: what is asked for, and the page with its gaps by name."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from itomarkets.lib.api_reading import read_choice, read_instant
from itomarkets.lib.pagination import (
    BAD_CURSOR,
    PAGE_PARAMETERS,
    instant_of,
    link,
    read_cursor,
    read_limit,
    write_cursor,
)
from itomarkets.lib.series import SeriesPage, Window

DAY = timedelta(days=1)
STEPS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": DAY}
# How far back a series goes where nobody says from when.
SPANS = {"minute": DAY, "hour": 30 * DAY, "day": 365 * DAY}
PARAMETERS = ("resolution", "from", "to", *PAGE_PARAMETERS)
DEFAULT_POINTS, MOST_POINTS = 500, 1_000


class GapShape(serializers.Serializer[Any]):
    """Instants without a row: the first, the last, and how many."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    missing = serializers.IntegerField()


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """The resolution and the window that a request asks for."""

    request: Request
    resolution: str
    window: Window

    @property
    def step(self) -> timedelta:
        return STEPS[self.resolution]

    def body(self, page: SeriesPage, shift: timedelta, show: Callable[[tuple[Any, ...]], Any]) -> dict[str, Any]:
        """Return the page in the one shape of lists, with its resolution and gaps beside the results."""
        rows = page.rows
        later = write_cursor(["n", (rows[-1][0] + shift).isoformat()]) if rows and page.has_later else ""
        earlier = write_cursor(["p", (rows[0][0] + shift).isoformat()]) if rows and page.has_earlier else ""
        return {
            "resolution": self.resolution,
            "results": [show(row) for row in rows],
            "gaps": [{"start": gap.start, "end": gap.end, "missing": gap.missing} for gap in page.gaps],
            "next": link(self.request, later) if later else None,
            "previous": link(self.request, earlier) if earlier else None,
        }


def read_series_request(request: Request, *, now: datetime) -> SeriesRequest:
    """Read `resolution`, `from`, `to`, `limit` and `cursor`; raises ValidationError naming what cannot be."""
    query = request.query_params
    resolution = read_choice(query, "resolution", STEPS, default="day")
    end = _with_room("to", read_instant(query, "to") or now)
    start = _with_room("from", read_instant(query, "from") or end - SPANS[resolution])
    if start > end:
        raise ValidationError({"from": ["Expected an instant before `to`; found a later one."]})
    after, before = _position(query.get("cursor", ""))
    limit = read_limit(query.get("limit", ""), default=DEFAULT_POINTS, largest=MOST_POINTS)
    return SeriesRequest(request, resolution, Window(start, end, limit, after, before))


def _position(cursor: str) -> tuple[datetime | None, datetime | None]:
    if not cursor:
        return None, None
    way, moment = read_cursor(cursor, 2)
    try:
        if way not in ("n", "p"):
            raise ValueError(way)
        at = _with_room("cursor", instant_of(moment))
    except (ValueError, OverflowError) as error:
        raise ValidationError({"cursor": [BAD_CURSOR]}) from error
    return (at, None) if way == "n" else (None, at)


def _with_room(name: str, moment: datetime) -> datetime:
    """Refuse the first and the last years that there are: a series needs room for its steps and spans."""
    if not 2 <= moment.year <= 9998:
        raise ValidationError({name: ["Expected an instant within the years 2 to 9998."]})
    return moment
