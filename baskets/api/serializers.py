"""Baskets as JSON: decimals as strings, times in UTC."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from baskets.models import PriceHistory
from baskets.reading import BasketDetail, BasketRow, DetailLeg
from baskets.valuation import BasketValue
from itomarkets.lib.rounding import quantize

GAUGE_PLACES = 6
LEVEL_PLACES = 6
CHANGE_PLACES = 6


def basket_row(row: BasketRow) -> dict[str, Any]:
    """One basket of the list."""
    return {
        "id": row.id,
        "slug": row.slug,
        "name": row.name,
        "description": row.description,
        "kind": row.kind,
        "visibility": row.visibility,
        "legs": row.legs,
        "venues": list(row.venues),
        "next_close_at": instant(row.next_close_at),
        "price": price_of(row.value),
    }


def basket_detail(detail: BasketDetail) -> dict[str, Any]:
    """One basket with its legs."""
    basket, composition = detail.basket, detail.composition
    return {
        "id": basket.pk,
        "slug": basket.slug,
        "name": basket.name,
        "description": basket.description,
        "kind": basket.kind,
        "visibility": basket.visibility,
        "mode": basket.mode,
        "allocation": basket.allocation,
        "created_at": instant(basket.created_at),
        "composition": None
        if composition is None
        else {
            "version": composition.version,
            "effective_at": instant(composition.effective_at),
            "reason": composition.reason,
            "method_version": composition.method_version,
        },
        "price": price_of(detail.value),
        "legs": [leg_of(leg) for leg in detail.legs],
    }


def leg_of(leg: DetailLeg) -> dict[str, Any]:
    return {
        "market_id": leg.market_id,
        "venue": leg.venue,
        "native_id": leg.market.native_id,
        "question": leg.question,
        "side": leg.side,
        "weight": text(leg.weight),
        "units": text(leg.units),
        "price": text(leg.price),
        "bid": text(leg.bid),
        "ask": text(leg.ask),
        "reason": leg.reason,
        "age_seconds": leg.age_seconds,
        "close_at": instant(leg.market.close_at),
        "why": leg.why,
    }


def price_of(value: BasketValue | None) -> dict[str, Any] | None:
    """The indicative price of now; None while a leg has no price."""
    if value is None:
        return None
    return {
        "at": instant(value.at),
        "gauge": text(value.gauge, GAUGE_PLACES),
        "bid": text(value.bid, GAUGE_PLACES),
        "mid": text(value.mid, GAUGE_PLACES),
        "ask": text(value.ask, GAUGE_PLACES),
        "level": text(value.level, LEVEL_PLACES),
        "level_net": text(value.level_net, LEVEL_PLACES),
        "change_day": text(value.change_day, CHANGE_PLACES),
        "change_month": text(value.change_month, CHANGE_PLACES),
        "quality": value.quality,
        "not_official": value.not_official,
        "worst_age_seconds": value.worst_age_seconds,
    }


def snapshot_of(row: PriceHistory | None) -> dict[str, Any] | None:
    """The latest recorded fixing."""
    if row is None:
        return None
    return {
        "at": instant(row.at),
        "gauge": text(row.gauge_sum, GAUGE_PLACES),
        "level": text(row.value / row.divisor, LEVEL_PLACES),
        "level_net": text(row.value / row.divisor_net, LEVEL_PLACES),
        "quality": row.quality,
        "legs": row.legs,
        "legs_priced": row.legs_priced,
    }


def text(value: Decimal | None, places: int | None = None) -> str | None:
    """Write a decimal as a plain string, rounded half to even where places are given."""
    if value is None:
        return None
    return f"{value if places is None else quantize(value, places):f}"


def instant(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
