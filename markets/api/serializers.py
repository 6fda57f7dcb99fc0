"""Markets as the API shows them: numbers as strings, times in ISO 8601 UTC."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

# Columns read for a list; no model object is built.
FIELDS = (
    "id",
    "venue",
    "native_id",
    "title",
    "subtitle",
    "event__title",
    "category",
    "status",
    "result",
    "payout",
    "close_at",
    "yes_label",
    "no_label",
    "yes_bid",
    "yes_ask",
    "last_price",
    "volume",
    "volume_24h",
    "listed_at",
)
NUMBERS = ("payout", "yes_bid", "yes_ask", "last_price", "volume", "volume_24h")


def show_market(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one row of FIELDS as a list of search results shows it."""
    shown: dict[str, Any] = {
        name: row[name] for name in FIELDS if name not in NUMBERS and not name.startswith("event__")
    }
    shown["event"] = row["event__title"] or ""
    shown["close_at"], shown["listed_at"] = _instant(row["close_at"]), _instant(row["listed_at"])
    return shown | {name: _number(row[name]) for name in NUMBERS}


def _number(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat().replace("+00:00", "Z")
