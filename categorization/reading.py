"""What the stages read about one market: text and keys, from the database or from a recorded row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from itomarkets.lib.venues import Venue

# The columns that a reading needs; `pipeline` asks the database for exactly these.
MARKET_FIELDS = (
    "id",
    "venue",
    "native_id",
    "slug",
    "title",
    "subtitle",
    "yes_label",
    "outcome_count",
    "is_combo",
    "category",
    "tags",
    "status",
    "close_at",
    "event_id",
    "event__native_id",
    "event__slug",
    "event__title",
    "event__series_key",
    "event__series_title",
    "event__category",
    "event__tags",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One market as its venue described it. `key` is what the rest of the pipeline calls it by."""

    key: Any
    venue: str
    native_id: str
    title: str
    subtitle: str = ""
    slug: str = ""
    yes_label: str = "Yes"
    event_key: str = ""
    event_title: str = ""
    series_key: str = ""
    series_title: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    outcome_count: int = 2
    is_combo: bool = False
    is_event: bool = False
    status: str = "open"
    close_at: datetime | None = None


def reading_of_row(row: Mapping[str, Any]) -> Reading:
    """Read one row of `Market.objects.values(*MARKET_FIELDS)`."""
    tags = row["tags"] or row["event__tags"] or ()
    native_id = row["native_id"]
    return Reading(
        key=row["id"],
        venue=row["venue"],
        native_id=native_id,
        title=row["title"] or row["event__title"] or "",
        subtitle=row["subtitle"],
        slug=row["slug"] or row["event__slug"] or "",
        yes_label=row["yes_label"],
        event_key=row["event__native_id"] or "",
        event_title=row["event__title"] or "",
        series_key=row["event__series_key"] or "",
        series_title=row["event__series_title"] or "",
        category=row["category"] or row["event__category"] or "",
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list | tuple) else (),
        outcome_count=row["outcome_count"],
        is_combo=row["is_combo"],
        is_event=native_id.startswith("EVENT:"),
        status=row["status"],
        close_at=row["close_at"],
    )


def reading_of_record(record: Mapping[str, Any]) -> Reading:
    """Read one line of a recorded market list: venue, key, title and what else is known.

    On Polymarket its `event` is the outcome's own label; on Kalshi it is the event's ticker.
    """
    venue = str(record["venue"])
    key = str(record["key"])
    on_kalshi = venue == Venue.KALSHI
    named = str(record.get("event") or "")
    return Reading(
        key=(venue, key),
        venue=venue,
        native_id=key,
        title=str(record.get("title") or ""),
        subtitle=str(record.get("subtitle") or ("" if on_kalshi else named)),
        slug="" if on_kalshi or key.isdigit() else key,
        event_key=named if on_kalshi else "",
        event_title=str(record.get("event_title") or ""),
        category=str(record.get("category") or ""),
        tags=tuple(str(tag) for tag in record.get("tags") or ()),
        is_event=key.startswith("EVENT:"),
    )


# What a decision can depend on: what the trail keeps, and what a replay gets back.
_SEEN = tuple(name for name in Reading.__dataclass_fields__ if name not in ("key", "status", "close_at", "yes_label"))
_DEFAULTS = {name: Reading.__dataclass_fields__[name].default for name in _SEEN}


_values = attrgetter(*_SEEN)
_empty = tuple(_DEFAULTS[name] for name in _SEEN)


def seen_of(reading: Reading) -> dict[str, Any]:
    """Write down what the stages read of a market, as plain JSON; what says nothing is left out."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value, empty in zip(_SEEN, _values(reading), _empty, strict=True)
        if value != empty
    }


def difference(reading: Reading, other: Reading) -> dict[str, Any]:
    """Say what was read otherwise of another market; nothing where a replay would read the same."""
    return {
        name: list(theirs) if isinstance(theirs, tuple) else theirs
        for name, mine, theirs in zip(_SEEN, _values(reading), _values(other), strict=True)
        if mine != theirs
    }


def reading_of_seen(seen: Mapping[str, Any], *, key: Any = None) -> Reading:
    """Read a market back from what was written down."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in seen.items() if name in _SEEN}
    return Reading(**{"venue": "", "native_id": "", "title": "", **values, "key": key})
