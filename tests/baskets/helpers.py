"""Rows that tests of baskets share: themes, labelled markets, baskets with a composition."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from baskets.compositions import TargetLeg, create_composition
from baskets.models import Basket
from categorization.models import Classification, RiskFactor, Theme
from itomarkets.lib.rounding import shares_of_one
from markets.models import Market, PricePoint
from tests.factories import BORN, make_market, make_quote, make_user

_numbers = itertools.count(1)


def d(text: str | int) -> Decimal:
    return Decimal(str(text))


def no_refresh(market_ids: Sequence[int], now: datetime) -> str:
    """Stand in for fetching quotes: the rows are there already."""
    return ""


def make_theme(
    slug: str = "monetary-policy", *, up: str = "tighter money", factors: Sequence[tuple[str, int]] = ()
) -> Theme:
    theme = Theme.objects.create(
        slug=slug, name=slug.replace("-", " ").title(), about=f"About {slug}.", up=up, position=next(_numbers)
    )
    for slug_of_factor, sign in factors or [(f"{slug}-factor", 1)]:
        RiskFactor.objects.create(
            slug=slug_of_factor, theme=theme, name=f"Factor {slug_of_factor}", sign=sign, position=next(_numbers)
        )
    return theme


def make_labelled(
    factor: RiskFactor,
    now: datetime,
    *,
    bid: str | None = "0.49",
    ask: str | None = "0.51",
    direction: int = 1,
    **values: Any,
) -> Market:
    """Make an open market with a live quote and an assigned label."""
    status = values.pop("label_status", "assigned")
    values.setdefault("close_at", now + timedelta(days=90))
    market = make_market(**values)
    Classification.objects.create(
        market=market, factor=factor, direction=direction, confidence=0.9, status=status, changed_at=BORN
    )
    if bid is not None or ask is not None:
        make_quote(market, bid, ask, now)
    return market


def make_basket(**values: Any) -> Basket:
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "slug": f"basket-{number}",
        "name": f"Basket {number}",
        "kind": Basket.Kind.CUSTOM,
        "visibility": Basket.Visibility.PUBLIC,
        "created_at": BORN,
    }
    if "owner" not in values and values.get("kind", "custom") == "custom":
        defaults["owner"] = make_user()
    return Basket.objects.create(**{**defaults, **values})


def make_quoted(now: datetime, bid: str | None, ask: str | None, **values: Any) -> Market:
    market = make_market(**values)
    if bid is not None or ask is not None:
        make_quote(market, bid, ask, now)
    return market


def compose(basket: Basket, now: datetime, *legs: tuple[Market, str, str], reason: str = "First composition") -> Any:
    """Give a basket a composition of (market, side, weight)."""
    targets = [TargetLeg(market.pk, side, Decimal(weight)) for market, side, weight in legs]
    return create_composition(basket=basket, legs=targets, reason=reason, now=now)


def make_held_basket(now: datetime, *, legs: int = 2, **values: Any) -> Basket:
    """Make a basket of equally weighted, live quoted markets."""
    basket = make_basket(**values)
    weights = shares_of_one([Decimal(1)] * legs)
    markets = [make_quoted(now, "0.49", "0.51") for _ in range(legs)]
    compose(basket, now, *[(market, "yes", str(weight)) for market, weight in zip(markets, weights, strict=True)])
    return basket


def day_price(market: Market, day: datetime, price: str, **values: Any) -> PricePoint:
    return PricePoint.objects.create(
        market=market, interval=PricePoint.Interval.DAY, at=day, price=Decimal(price), source="candles", **values
    )


def settle(market: Market, payout: str, at: datetime) -> None:
    Market.objects.filter(pk=market.pk).update(
        status=Market.Status.RESOLVED, payout=Decimal(payout), resolved_at=at, result="yes" if payout == "1" else "no"
    )
