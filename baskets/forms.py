"""What people type on the pages of baskets; anything unreadable is taken as not typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from baskets.models import Basket, Suggestion
from itomarkets.lib.venues import Venue

CLOSING = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "A year"))
VOLUMES = (("1000", "1,000"), ("10000", "10,000"), ("100000", "100,000"), ("1000000", "1,000,000"))
KINDS = (("all", "All"), ("system", "System"), ("custom", "Built by people"))
# Sort keys of the list: what they read of a row, and whether the largest comes first.
SORTS = {
    "position": False,
    "name": False,
    "gauge": True,
    "level": True,
    "change_day": True,
    "change_month": True,
    "age": False,
}


@dataclass(frozen=True, slots=True)
class MarketFilters:
    """The builder's search: words, and what narrows them."""

    text: str = ""
    venue: str = ""
    theme: str = ""
    days: str = ""
    volume: str = ""

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> "MarketFilters":
        return cls(
            text=" ".join(str(query.get("q", "")).split())[:120],
            venue=_one_of(query.get("venue"), Venue.values),
            theme=str(query.get("theme", ""))[:50],
            days=_one_of(query.get("days"), [value for value, _ in CLOSING]),
            volume=_one_of(query.get("volume"), [value for value, _ in VOLUMES]),
        )

    @property
    def any(self) -> bool:
        """Tell whether something beside the words narrows the search."""
        return bool(self.venue or self.theme or self.days or self.volume)

    def query(self, now: datetime) -> dict[str, str]:
        """Return these filters as those of the market search."""
        return {
            "q": self.text,
            "venue": self.venue,
            "theme": self.theme,
            "closes_before": (now + timedelta(days=int(self.days))).isoformat() if self.days else "",
            "min_volume": self.volume,
        }


@dataclass(frozen=True, slots=True)
class ListFilters:
    """The list of baskets: words, kind, order."""

    search: str = ""
    kind: str = "all"
    sort: str = "position"
    is_descending: bool = False

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> "ListFilters":
        sort = str(query.get("sort", ""))
        key = sort.removeprefix("-")
        return cls(
            search=" ".join(str(query.get("q", "")).split())[:120],
            kind=_one_of(query.get("kind"), [value for value, _ in KINDS]) or "all",
            sort=key if key in SORTS else "position",
            is_descending=sort.startswith("-") and key in SORTS,
        )

    @property
    def sort_text(self) -> str:
        return f"-{self.sort}" if self.is_descending else self.sort


@dataclass(frozen=True, slots=True)
class SuggestionForm:
    """What a suggestion says beside its legs; the core decides whether it holds."""

    type: str = Suggestion.Type.NEW.value
    basket: int | None = None
    reason: str = ""
    open: bool = False

    @classmethod
    def of(cls, posted: Mapping[str, Any]) -> "SuggestionForm":
        basket = str(posted.get("basket", ""))
        return cls(
            type=_one_of(posted.get("type"), Suggestion.Type.values) or Suggestion.Type.NEW.value,
            basket=int(basket) if basket.isascii() and basket.isdigit() and len(basket) < 18 else None,
            reason=str(posted.get("reason", "")).strip()[:2000],
            open=True,
        )


def sort_rows(rows: list[Any], filters: ListFilters) -> list[Any]:
    """Order rows; what has no number comes last in either direction."""
    if filters.sort == "position":
        # System baskets as the taxonomy orders them, then the person's own.
        return sorted(rows, key=lambda row: (row.kind != Basket.Kind.SYSTEM, row.position))
    if filters.sort == "name":
        return sorted(rows, key=lambda row: row.name.lower(), reverse=filters.is_descending)
    name = {"age": "worst_age_seconds"}.get(filters.sort, filters.sort)
    known = [row for row in rows if getattr(row, name) is not None]
    unknown = [row for row in rows if getattr(row, name) is None]
    return sorted(known, key=lambda row: getattr(row, name), reverse=filters.is_descending) + unknown


def _one_of(text: Any, allowed: Any) -> str:
    return str(text) if text in allowed else ""
