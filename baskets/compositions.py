"""A new immutable version of what a basket holds: units, divisors, and the record of the change."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction

from baskets.arithmetic import UNIT_PLACES, VALUE_PLACES, divisor_after, market_value, turnover, units_of
from baskets.bulk import insert_rows
from baskets.fixing import Fixing, fix
from baskets.legs import HeldLeg, books_of, good_marks, held_legs, seconds_between
from baskets.marks import Carried, LegMark, Reason, SideQuote
from baskets.method import BASE_VALUE, CARRY_SECONDS, METHOD_VERSION, RuleError, method_of, rules_in_force
from baskets.models import Basket, Composition, Constituent, Mark
from itomarkets.lib.rounding import ONE, ZERO, quantize
from itomarkets.lib.venues import Side
from markets.fees import taker_fee
from markets.models import Market

# Half the widest spread that still counts as tight: the assumed cost where a side is not quoted.
ASSUMED_HALF_SPREAD = Decimal("0.05")
REASON_LENGTH = 200
# What all legs together may pay, in index dollars: a value is a whole number of 1e-14 in 63 bits, 92,233 at most.
MOST_PAID = Decimal(90_000)
KEEP_NEWEST_MARK = (
    "(market_id, side) DO UPDATE SET price = excluded.price, at = excluded.at "
    "WHERE baskets_mark.at IS NULL OR excluded.at > baskets_mark.at"
)


class CompositionRefused(ValueError):
    """A composition cannot be made; the text says why and what to do."""


@dataclass(frozen=True)
class TargetLeg:
    """What a new composition shall hold: the weights of all legs sum to exactly 1."""

    market_id: int
    side: str
    weight: Decimal
    why: str = ""


@dataclass(frozen=True)
class Reckoning:
    """A composition as it would be written now: the marks of its legs, their units, and the columns that follow."""

    before: Composition | None
    held: list[HeldLeg]
    markets: Mapping[int, Market]
    marks: Mapping[int, LegMark]
    prices: list[Decimal]
    units: list[Decimal]
    fields: dict[str, Any]


def current_composition(basket: Basket) -> Composition | None:
    """Return the composition in force, or None before the first."""
    return Composition.objects.filter(basket=basket).order_by("-version").first()


def create_composition(
    *, basket: Basket, legs: Sequence[TargetLeg], reason: str, now: datetime, actor: Any = None
) -> Composition:
    """Make the next version of a basket in one transaction.

    1. Lock the basket and value what it holds.  2. Mark the new legs.  3. Set units for a value of 100, rounded
    down, the rest in cash.  4. Set both divisors so that the gross level stays and the net one pays the change.
    Raises CompositionRefused.
    """
    with transaction.atomic():
        Basket.objects.select_for_update().get(pk=basket.pk)
        reckoned = reckon(basket=basket, legs=legs, now=now)
        before, marks, fields = reckoned.before, reckoned.marks, reckoned.fields
        inputs = _inputs(basket, legs, marks, reckoned.markets, before, fields)
        composition = Composition.objects.create(
            basket=basket,
            version=before.version + 1 if before else 1,
            effective_at=now,
            reason=reason[:REASON_LENGTH],
            method_version=METHOD_VERSION,
            inputs=inputs,
            inputs_hash=hash_of(inputs),
            created_by=actor if getattr(actor, "pk", None) else None,
            **fields,
        )
        Constituent.objects.bulk_create(
            Constituent(
                composition=composition,
                market_id=leg.market_id,
                side=leg.side,
                weight=leg.weight,
                units=n,
                mark=price,
                mark_reason=marks[leg.market_id].reason.value,
                why=leg.why[:REASON_LENGTH],
            )
            for leg, n, price in zip(legs, reckoned.units, reckoned.prices, strict=True)
        )
        _seed_marks(legs, marks, now)
        return composition


def reckon(*, basket: Basket, legs: Sequence[TargetLeg], now: datetime) -> Reckoning:
    """Compute what a basket's next version would be, and write nothing. Raises CompositionRefused."""
    _check(legs)
    try:
        method = method_of(basket.rules)
    except RuleError as error:
        raise CompositionRefused(str(error)) from error
    before = current_composition(basket)
    held = list(held_legs(basket_ids=[basket.pk]))
    markets = Market.objects.in_bulk([leg.market_id for leg in legs] + [leg.book.market_id for leg in held])
    marks = mark_targets(legs, markets, now=now)
    prices = [_priced(leg, marks, markets) for leg in legs]
    weights = [leg.weight for leg in legs]
    units = units_of(mode=basket.mode, weights=weights, prices=prices, value=BASE_VALUE, method=method)
    cash = BASE_VALUE - market_value(units, prices)
    if sum(units, cash) > MOST_PAID:
        raise CompositionRefused(
            f"The legs are so cheap that the basket could come to pay more than {MOST_PAID:,} times a dollar; "
            "leave out the cheapest or give it less weight."
        )
    fields: dict[str, Any] = {"divisor": ONE, "divisor_net": ONE, "value_after": BASE_VALUE, "cash": cash}
    new_units = {leg.market_id: (leg.side, n) for leg, n in zip(legs, units, strict=True)}
    if before is not None:
        fields |= _carry_over(before, held, new_units, marks, markets, weights=weights, legs=legs, now=now)
    return Reckoning(before, held, markets, marks, prices, units, fields)


def mark_targets(legs: Sequence[TargetLeg], markets: Mapping[int, Market], *, now: datetime) -> dict[int, LegMark]:
    """Mark legs that are about to be held: the waterfall, and below it what the venue's list said."""
    ids = [leg.market_id for leg in legs]
    books = books_of(ids)
    carried = {key: Carried(price, seconds_between(at, now)) for key, (price, at) in good_marks(ids).items()}
    marks = {}
    for leg in legs:
        book = books.get(leg.market_id)
        if book is None:
            raise CompositionRefused(f"Market {leg.market_id} is not known; choose a market from the search.")
        listing = listed_quote(markets[leg.market_id], leg.side, now)
        marks[leg.market_id] = book.mark(leg.side, now, carried.get((leg.market_id, leg.side)), listing=listing)
    return marks


def listed_quote(market: Market, side: str, now: datetime) -> SideQuote | None:
    """Return what the venue's list said of a market within the last day, as the holder of a side sees it."""
    if market.listed_at is None:
        return None
    age = seconds_between(market.listed_at, now)
    if age > CARRY_SECONDS:
        return None
    bid, ask, last = (
        None if price is None else int(price.scaleb(6)) for price in (market.yes_bid, market.yes_ask, market.last_price)
    )
    yes = SideQuote(bid, ask, last, age, age)
    return yes if side == Side.YES else yes.flipped()


def _check(legs: Sequence[TargetLeg]) -> None:
    if not legs:
        raise CompositionRefused("A composition needs at least one leg.")
    if len({leg.market_id for leg in legs}) != len(legs):
        raise CompositionRefused("A market appears twice; hold each market once, on one side.")
    total = sum((leg.weight for leg in legs), ZERO)
    if total != 1 or any(leg.weight <= 0 for leg in legs):
        raise CompositionRefused(f"The weights must be positive and sum to exactly 1; they sum to {total}.")


def _priced(leg: TargetLeg, marks: Mapping[int, LegMark], markets: Mapping[int, Market]) -> Decimal:
    mark = marks[leg.market_id]
    if mark.reason is Reason.SETTLED:
        raise CompositionRefused(f"“{markets[leg.market_id].question}” is already decided; leave it out.")
    if mark.price is None or not 0 < mark.price < 1_000_000:
        raise CompositionRefused(
            f"“{markets[leg.market_id].question}” has no usable price now; leave it out or try again later."
        )
    return Decimal(mark.price).scaleb(-6)


def value_before_change(held: Sequence[HeldLeg], now: datetime) -> Fixing:
    """Value what a basket holds for a change: the last good mark counts at any age, so that nobody is stuck."""
    return fix(list(held), [leg.book.mark(leg.side, now, leg.carried(now), carry_seconds=None) for leg in held])


def _carry_over(
    before: Composition,
    held: Sequence[HeldLeg],
    new_units: Mapping[int, tuple[str, Decimal]],
    marks: Mapping[int, LegMark],
    markets: Mapping[int, Market],
    *,
    weights: Sequence[Decimal],
    legs: Sequence[TargetLeg],
    now: datetime,
) -> dict[str, Any]:
    """Return the divisors, values, turnover and cost of the step from what is held to the new units."""
    old = value_before_change(held, now)
    if old.value is None:
        missing = sum(1 for _, mark in old.marks if mark.price is None)
        raise CompositionRefused(f"{missing} held legs have no price, so the change cannot be valued; try again later.")
    value = Decimal(old.value).scaleb(-VALUE_PLACES)
    cost = change_cost(old, new_units, marks, markets, scale=value / BASE_VALUE)
    shares = (
        {
            leg.book.market_id: Decimal(leg.units * (mark.price or 0)).scaleb(-VALUE_PLACES) / value
            for leg, mark in old.marks
            if mark.reason is not Reason.SETTLED
        }
        if value
        else {}
    )
    try:
        divisor = divisor_after(divisor=before.divisor, value_before=value, value_after=BASE_VALUE)
        net = divisor_after(divisor=before.divisor_net, value_before=value, value_after=BASE_VALUE, cost=cost)
    except (ValueError, InvalidOperation) as error:
        raise CompositionRefused(
            f"The basket is worth {value:.6f} and its change would cost {cost:.6f}: its level has ended."
        ) from error
    return {
        "divisor": divisor,
        "divisor_net": net,
        "divisor_before": before.divisor,
        "divisor_net_before": before.divisor_net,
        "value_before": value,
        "turnover": quantize(turnover(shares, {leg.market_id: w for leg, w in zip(legs, weights, strict=True)}), 8),
        "cost": cost,
    }


def change_cost(
    old: Fixing,
    new_units: Mapping[int, tuple[str, Decimal]],
    marks: Mapping[int, LegMark],
    markets: Mapping[int, Market],
    *,
    scale: Decimal,
) -> Decimal:
    """Return what it costs to trade from the old units to the new ones, in dollars of the old value.

    Buys at the ask and sells at the bid, against the mark, plus the venue's taker fee; settled legs cost nothing.
    """
    wanted = {(market_id, side): n * scale for market_id, (side, n) in new_units.items()}
    cost = ZERO
    for leg, mark in old.marks:
        target = wanted.pop((leg.book.market_id, leg.side), ZERO)
        if mark.reason is not Reason.SETTLED:
            change = target - Decimal(leg.units).scaleb(-8)
            cost += _trade_cost(change, mark, markets[leg.book.market_id])
    for (market_id, _), change in wanted.items():
        cost += _trade_cost(change, marks[market_id], markets[market_id])
    return quantize(cost, VALUE_PLACES)


def _trade_cost(change: Decimal, mark: LegMark, market: Market) -> Decimal:
    if not change or mark.price is None:
        return ZERO
    price = Decimal(mark.price).scaleb(-6)
    level = mark.ask if change > 0 else mark.bid
    slip = ASSUMED_HALF_SPREAD if level is None else abs(Decimal(level).scaleb(-6) - price)
    fee = taker_fee(market, price=price, count=quantize(abs(change), UNIT_PLACES))
    return abs(change) * slip + fee


def _inputs(
    basket: Basket,
    legs: Sequence[TargetLeg],
    marks: Mapping[int, LegMark],
    markets: Mapping[int, Market],
    before: Composition | None,
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """Gather all that the composition was computed from, so that a replay can prove it had the same inputs."""
    return {
        "method": METHOD_VERSION,
        "basket": basket.slug,
        "mode": basket.mode,
        "rules": rules_in_force(method_of(basket.rules)),
        "before": [str(before.divisor), str(before.divisor_net)] if before else None,
        "value_before": str(fields.get("value_before")),
        "cost": str(fields.get("cost")),
        "legs": [
            [
                str(markets[leg.market_id]),
                leg.side,
                str(leg.weight),
                marks[leg.market_id].price,
                marks[leg.market_id].reason.value,
            ]
            for leg in legs
        ],
    }


def hash_of(inputs: Mapping[str, Any]) -> str:
    """Hash a composition's inputs in one spelling: keys in order, no blanks."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _seed_marks(legs: Sequence[TargetLeg], marks: Mapping[int, LegMark], now: datetime) -> None:
    """Have each leg's side among those that are priced each minute, with the mark that its units were set at.

    The first minutes can carry that mark, if it is good.
    """
    rows = []
    for leg in legs:
        mark = marks[leg.market_id]
        is_good = mark.reason.is_good or mark.reason is Reason.LISTING
        price, at = (mark.price, now - timedelta(seconds=mark.age_seconds)) if is_good else (None, None)
        rows.append([leg.market_id, leg.side, price, at])
    insert_rows(Mark, ("market", "side", "price", "at"), rows, on_conflict=KEEP_NEWEST_MARK)
