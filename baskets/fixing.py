"""A basket's sums at one instant, over whole numbers: no digit is lost, and thousands take a moment. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from baskets.legs import HeldLeg
from baskets.marks import LegMark, Reason
from baskets.method import CARRY_OFFICIAL_SECONDS

UNIT = 10**8


@dataclass(frozen=True, slots=True)
class Fixing:
    """One basket's exact sums, scaled: values and Σwq in 1e-14, weights in 1e-8, divisors in 1e-15.

    `value` is None when a leg has no price. `stale_weight` is the target weight of carried legs.
    """

    basket_id: int
    composition_id: int
    version: int
    value: int | None
    value_bid: int | None
    value_ask: int | None
    gauge: int
    gauge_bid: int | None
    gauge_ask: int | None
    divisor: int
    divisor_net: int
    weight: int
    legs: int
    legs_priced: int
    worst_age_seconds: int
    oldest_carry_seconds: int
    stale_weight: int
    quality: str
    marks: tuple[tuple[HeldLeg, LegMark], ...]

    def refusal(self, stale_limit: int) -> str:
        """Say why this cannot be published as a fixing; empty when it can. The limit is a weight in 1e-8."""
        unpriced = sum(1 for _, mark in self.marks if mark.price is None)
        if unpriced:
            return f"{unpriced} of {self.legs} legs have no price"
        if self.stale_weight * UNIT > stale_limit * self.weight:
            return f"{self.stale_weight * 100 // self.weight}% of the weight is stale"
        if self.oldest_carry_seconds > CARRY_OFFICIAL_SECONDS:
            return "a price has been carried for more than an hour"
        return ""


def fix_baskets(legs: Iterable[HeldLeg], now: datetime) -> Iterator[Fixing]:
    """Price each basket; the legs come basket by basket."""
    seen: dict[tuple[int, str], LegMark] = {}
    for _, group in groupby(legs, key=attrgetter("basket_id")):
        members = list(group)
        marks = []
        for leg in members:
            key = (leg.book.market_id, leg.side)
            mark = seen.get(key)
            if mark is None:
                mark = seen[key] = leg.book.mark(leg.side, now, leg.carried(now))
            marks.append(mark)
        yield fix(members, marks)


def fix(legs: list[HeldLeg], marks: list[LegMark]) -> Fixing:
    """Add up one basket."""
    first = legs[0]
    value: int | None = first.cash
    value_bid: int | None = first.cash
    value_ask: int | None = first.cash
    gauge = weight = priced = worst = oldest_carry = stale = 0
    gauge_bid: int | None = 0
    gauge_ask: int | None = 0
    reasons = set()
    for leg, mark in zip(legs, marks, strict=True):
        weight += leg.weight
        reasons.add(mark.reason)
        worst = max(worst, mark.age_seconds)
        if mark.reason in (Reason.STALE, Reason.NONE):
            stale += leg.weight
        else:
            priced += 1
        if mark.reason is Reason.STALE:
            oldest_carry = max(oldest_carry, mark.age_seconds)
        if mark.price is None:
            value = None
        else:
            gauge += leg.weight * mark.price
            if value is not None:
                value += leg.units * mark.price
        if mark.bid is None or value_bid is None or gauge_bid is None:
            value_bid = gauge_bid = None
        else:
            value_bid += leg.units * mark.bid
            gauge_bid += leg.weight * mark.bid
        if mark.ask is None or value_ask is None or gauge_ask is None:
            value_ask = gauge_ask = None
        else:
            value_ask += leg.units * mark.ask
            gauge_ask += leg.weight * mark.ask
    return Fixing(
        basket_id=first.basket_id,
        composition_id=first.composition_id,
        version=first.version,
        value=value,
        value_bid=value_bid,
        value_ask=value_ask,
        gauge=gauge,
        gauge_bid=gauge_bid,
        gauge_ask=gauge_ask,
        divisor=first.divisor,
        divisor_net=first.divisor_net,
        weight=weight,
        legs=len(legs),
        legs_priced=priced,
        worst_age_seconds=worst,
        oldest_carry_seconds=oldest_carry,
        stale_weight=stale,
        quality=_quality(reasons, priced, len(legs)),
        marks=tuple(zip(legs, marks, strict=True)),
    )


def _quality(reasons: set[Reason], priced: int, legs: int) -> str:
    """Name what is unusual: complete, or partial:n/m and carried; then wide, closing, frozen."""
    flags = ["complete"] if priced == legs else [f"partial:{priced}/{legs}"]
    if Reason.STALE in reasons:
        flags.append("carried")
    if reasons & {Reason.WIDE, Reason.ONE_SIDED}:
        flags.append("wide")
    flags += [reason.value for reason in (Reason.CLOSING, Reason.FROZEN) if reason in reasons]
    return ",".join(flags)
