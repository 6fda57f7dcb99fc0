"""Baskets as the API writes them, in the shapes of `shapes`: decimals as strings, times in UTC."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from baskets.models import BackfillRun, Basket, PriceHistory
from baskets.reading import BasketDetail, DetailLeg, HeldThen, ListFacts
from baskets.series import SeriesPoint
from baskets.valuation import BasketValue
from itomarkets.lib.rounding import quantize
from markets.api.ids import market_id

PLACES = 6
# Columns of the list; no model object is built.
FIELDS = (
    "pk", "public_id", "slug", "name", "description", "kind", "visibility", "theme__slug", "owner_id",
    "owner__username", "created_at",
)  # fmt: skip


def show_row(row: Mapping[str, Any], facts: ListFacts, user_id: int | None) -> dict[str, Any]:
    """Return one row of FIELDS as the list shows it."""
    return {
        "id": row["public_id"],
        "slug": row["slug"],
        "name": row["name"],
        "description": row["description"],
        "kind": row["kind"],
        "visibility": row["visibility"],
        "theme": row["theme__slug"],
        "owner": row["owner__username"],
        "is_own": row["owner_id"] is not None and row["owner_id"] == user_id,
        "leg_count": facts.legs,
        "venues": list(facts.venues),
        "next_close_at": facts.next_close_at,
        "created_at": row["created_at"],
        "price": show_price(facts.value),
    }


def show_detail(detail: BasketDetail, user_id: int | None) -> dict[str, Any]:
    """Return one basket with its legs."""
    basket, composition = detail.basket, detail.composition
    return {
        "id": basket.public_id,
        "slug": basket.slug,
        "name": basket.name,
        "description": basket.description,
        "kind": basket.kind,
        "visibility": basket.visibility,
        "theme": basket.theme.slug if basket.theme is not None else None,
        "owner": basket.owner.username if basket.owner is not None else None,
        "is_own": basket.owner_id is not None and basket.owner_id == user_id,
        "leg_count": len(detail.legs),
        "venues": sorted({leg.venue for leg in detail.legs}),
        "next_close_at": detail.next_close_at,
        "created_at": basket.created_at,
        "price": show_price(detail.value),
        "mode": basket.mode,
        "allocation": basket.allocation,
        "composition": None
        if composition is None
        else {
            "version": composition.version,
            "effective_at": composition.effective_at,
            "reason": composition.reason,
            "method_version": composition.method_version,
        },
        "legs": [show_leg(leg) for leg in detail.legs],
    }


def show_leg(leg: DetailLeg) -> dict[str, Any]:
    return {
        "market_id": market_id(leg.venue, leg.market.native_id),
        "venue": leg.venue,
        "native_id": leg.market.native_id,
        "question": leg.question,
        "side": leg.side,
        "weight": leg.weight,
        "units": leg.units,
        "price": leg.price,
        "bid": leg.bid,
        "ask": leg.ask,
        "reason": leg.reason,
        "age_seconds": leg.age_seconds,
        "close_at": leg.market.close_at,
        "why": leg.why,
    }


def show_price(value: BasketValue | None) -> dict[str, Any] | None:
    """Return the indicative price of now; None while a leg has no price."""
    if value is None:
        return None
    return {
        "at": value.at,
        "gauge": _rounded(value.gauge),
        "bid": _rounded(value.bid),
        "mid": _rounded(value.mid),
        "ask": _rounded(value.ask),
        "level": _rounded(value.level),
        "level_net": _rounded(value.level_net),
        "change_day": _rounded(value.change_day),
        "change_month": _rounded(value.change_month),
        "quality": value.quality,
        "not_official": value.not_official,
        "worst_age_seconds": value.worst_age_seconds,
    }


def show_price_page(basket: Basket, value: BasketValue | None, newest: PriceHistory | None) -> dict[str, Any]:
    """Return the price of now beside the latest recorded fixing."""
    latest = None
    if newest is not None:
        latest = {
            "at": newest.at,
            "gauge": _rounded(newest.gauge_sum),
            "level": _rounded(newest.value / newest.divisor),
            "level_net": _rounded(newest.value / newest.divisor_net),
            "quality": newest.quality,
            "legs": newest.legs,
            "legs_priced": newest.legs_priced,
        }
    return {"id": basket.public_id, "slug": basket.slug, "price": show_price(value), "latest": latest}


def show_point(point: SeriesPoint) -> dict[str, Any]:
    return {
        "at": point.at,
        "gauge": _rounded(point.gauge),
        "bid": _rounded(point.bid),
        "ask": _rounded(point.ask),
        "level": _rounded(point.level),
        "level_net": _rounded(point.level_net),
        "quality": point.quality,
        "source": point.source,
        "legs": point.legs,
        "legs_priced": point.legs_priced,
        "version": point.version,
    }


def show_composition(basket: Basket, held: HeldThen) -> dict[str, Any]:
    composition = held.composition
    return {
        "basket_id": basket.public_id,
        "version": composition.version,
        "effective_at": composition.effective_at,
        "until": held.until,
        "reason": composition.reason,
        "method_version": composition.method_version,
        "turnover": composition.turnover,
        "cost": composition.cost,
        "legs": [
            {
                "market_id": market_id(leg.market.venue, leg.market.native_id),
                "venue": leg.market.venue,
                "native_id": leg.market.native_id,
                "question": leg.market.question,
                "side": leg.side,
                "weight": leg.weight,
                "units": leg.units,
                "mark": leg.mark,
                "mark_reason": leg.mark_reason,
                "why": leg.why,
            }
            for leg in held.legs
        ],
    }


def show_run(run: BackfillRun) -> dict[str, Any]:
    return {
        "id": str(run.pk),
        "basket_id": run.basket.public_id,
        "status": run.status,
        "days": run.days,
        "progress": run.says,
        "snapshots_created": run.written,
        "snapshots_standing": run.standing,
        "gaps": run.gaps,
        "error": run.error,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else quantize(value, PLACES)
