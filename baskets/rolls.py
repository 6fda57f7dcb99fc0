"""What becomes of a decided leg: each basket's roll policy (methodology, section 5).

hold_cash: what it paid stays as cash until the next rebalance.  redistribute: it goes to the legs that go on.
roll_to_successor: the next question of its series takes its place.  terminate: nothing is bought again; when all
legs are decided, the last level is published.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from baskets.arithmetic import VALUE_PLACES, implied_weights
from baskets.compositions import CompositionRefused, TargetLeg, create_composition, value_before_change
from baskets.demand import demand_held, refresh_markets
from baskets.eligibility import quoted_reasons
from baskets.fixing import Fixing
from baskets.legs import HeldLeg, books_of, current_compositions, held_legs
from baskets.marks import Reason
from baskets.method import Method, RuleError, method_of
from baskets.models import Basket, Constituent
from baskets.results import record_results
from baskets.successors import successor_of
from itomarkets.lib.rounding import ZERO, quantize, shares_of_one
from markets.models import Market

Refresh = Callable[[Sequence[int], datetime], str]
# Nobody should buy more of these, so no roll touches them.
NOT_BOUGHT = (Reason.FROZEN, Reason.CLOSING)
SUCCEEDS = "The next question of a series that the basket held"


@dataclass(frozen=True)
class RollReport:
    """What a run did: results recorded and corrected, baskets rolled and ended, and a line for each that was not."""

    results: int = 0
    corrected: int = 0
    rolled: int = 0
    ended: int = 0
    lines: list[str] = field(default_factory=list)


def roll_baskets(*, now: datetime, refresh: Refresh = refresh_markets) -> RollReport:
    """Record new results and carry out the policy of each basket with a decided leg; a second run does nothing."""
    results = record_results(now=now)
    decided = Constituent.objects.filter(
        composition__in=current_compositions(),
        market__payout__isnull=False,
        market__status__in=(Market.Status.RESOLVED, Market.Status.VOID),
    )
    baskets = Basket.objects.filter(
        pk__in=decided.values("composition__basket"), is_active=True, ended_at__isnull=True
    ).select_related("theme")
    rolled = ended = 0
    lines = []
    for basket in baskets.order_by("pk"):
        try:
            outcome = _roll(basket, now=now, refresh=refresh)
        except (CompositionRefused, RuleError, ValueError) as error:
            lines.append(f"{basket.slug}: not rolled: {error}")
            continue
        rolled += outcome == "rolled"
        ended += outcome == "ended"
    if rolled:
        demand_held(now=now)
    return RollReport(results.first, len(results.corrected), rolled, ended, lines)


def _roll(basket: Basket, *, now: datetime, refresh: Refresh) -> str:
    """Carry out one basket's policy; returns rolled, ended or nothing at all."""
    method = method_of(basket.rules)
    if method.roll_policy == "hold_cash":
        return ""
    if method.roll_policy == "roll_to_successor":
        # Before the transaction: it asks the venues.
        refresh(sorted(_successors(basket, list(held_legs(basket_ids=[basket.pk])), method, now).values()), now)
    with transaction.atomic():
        Basket.objects.select_for_update().get(pk=basket.pk)
        held = list(held_legs(basket_ids=[basket.pk]))
        fixing = value_before_change(held, now)
        if not any(mark.reason is Reason.SETTLED for _, mark in fixing.marks):
            return ""
        if method.roll_policy == "terminate":
            return _end(basket, fixing, now)
        if method.roll_policy == "redistribute":
            targets, reason = redistributed(basket.mode, method, fixing)
        else:
            targets, reason = _rolled(basket, method, fixing, now)
        if not targets:
            return ""
        whys = dict(Constituent.objects.filter(composition=fixing.composition_id).values_list("market_id", "why"))
        legs = [replace(leg, why=whys.get(leg.market_id, leg.why)) for leg in targets]
        create_composition(basket=basket, legs=legs, reason=reason, now=now)
        return "rolled"


def _end(basket: Basket, fixing: Fixing, now: datetime) -> str:
    """Publish the last level once every leg is decided."""
    if fixing.value is None or any(mark.reason is not Reason.SETTLED for _, mark in fixing.marks):
        return ""
    level = Decimal(fixing.value).scaleb(-VALUE_PLACES) / Decimal(fixing.divisor).scaleb(-15)
    Basket.objects.filter(pk=basket.pk, ended_at__isnull=True).update(
        ended_at=now, ended_level=quantize(level, VALUE_PLACES)
    )
    return "ended"


def redistributed(mode: str, method: Method, fixing: Fixing) -> tuple[list[TargetLeg], str]:
    """Spread the cash over the legs that can be bought, in proportion to their worth; the rest keep their units."""
    live = [(leg, mark) for leg, mark in fixing.marks if mark.reason is not Reason.SETTLED]
    free = sum((leg.units * (mark.price or 0) for leg, mark in live if mark.reason not in NOT_BOUGHT), 0)
    if fixing.value is None or not free:
        return [], ""
    kept = sum((leg.units * (mark.price or 0) for leg, mark in live if mark.reason in NOT_BOUGHT), 0)
    growth = Decimal(fixing.value - kept) / Decimal(free)
    units = [
        Decimal(leg.units).scaleb(-8) * (Decimal(1) if mark.reason in NOT_BOUGHT else growth) for leg, mark in live
    ]
    prices = [Decimal(mark.price or 0).scaleb(-6) for _, mark in live]
    weights = shares_of_one(implied_weights(mode=mode, units=units, prices=prices, method=method))
    gone = len(fixing.marks) - len(live)
    legs = [
        TargetLeg(leg.book.market_id, leg.side, weight)
        for (leg, _), weight in zip(live, weights, strict=True)
        if weight > ZERO
    ]
    return legs, f"{_decided(gone)}; what was paid went to the legs that go on"


def _rolled(basket: Basket, method: Method, fixing: Fixing, now: datetime) -> tuple[list[TargetLeg], str]:
    """Put successors in the places of decided legs, at their target weights; what has none leaves."""
    if any(mark.reason in NOT_BOUGHT for _, mark in fixing.marks):
        raise CompositionRefused("a leg is disputed or closed and not yet decided; the roll waits for it.")
    found = _successors(basket, [leg for leg, _ in fixing.marks], method, now)
    books = books_of(list(found.values()))
    kept: list[TargetLeg] = []
    came = 0
    for leg, mark in fixing.marks:
        market_id = leg.book.market_id
        if mark.reason is not Reason.SETTLED:
            kept.append(TargetLeg(market_id, leg.side, Decimal(leg.weight)))
            continue
        book = books.get(found.get(market_id, 0))
        if book is not None and not quoted_reasons(book.mark(leg.side, now, None), method=method):
            kept.append(TargetLeg(book.market_id, leg.side, Decimal(leg.weight), SUCCEEDS))
            came += 1
    if not came:
        return [], ""
    weights = shares_of_one([leg.weight for leg in kept])
    gone = sum(1 for _, mark in fixing.marks if mark.reason is Reason.SETTLED)
    legs = [replace(leg, weight=weight) for leg, weight in zip(kept, weights, strict=True)]
    return legs, f"{_decided(gone)}; the next question of its series took the place of {came}"


def _successors(basket: Basket, held: Sequence[HeldLeg], method: Method, now: datetime) -> dict[int, int]:
    """Return each decided leg's successor by the leg's market id."""
    decided = {leg.book.market_id: leg for leg in held if leg.book.settled(leg.side) is not None}
    taken = {leg.book.market_id for leg in held}
    found: dict[int, int] = {}
    for market in Market.objects.filter(pk__in=decided).select_related("event").order_by("pk"):
        heir = successor_of(market, side=decided[market.pk].side, basket=basket, method=method, taken=taken, now=now)
        if heir is not None:
            found[market.pk] = heir.pk
            taken.add(heir.pk)
    return found


def _decided(count: int) -> str:
    return f"{count} leg{' was' if count == 1 else 's were'} decided"
