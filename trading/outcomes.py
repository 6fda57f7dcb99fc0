"""What a portfolio pays in each outcome of an event of which at most one market comes true."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts.models import User
from itomarkets.lib.rounding import ONE, ZERO
from itomarkets.lib.venues import Side
from markets.models import Event, Market
from trading.holdings import money_of
from trading.models import Position

DECIDED = (Market.Status.RESOLVED, Market.Status.VOID)
NONE_OF_THESE = "None of these"
ANOTHER = "Any other outcome"


@dataclass(frozen=True, slots=True)
class HeldCount:
    """Contracts of one side of one market, and what they cost."""

    market_id: int
    side: str
    count: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class OutcomePayout:
    """One outcome. `market_id` is None where no market that is held comes true."""

    market_id: int | None
    name: str
    pays: Decimal
    profit: Decimal


@dataclass(frozen=True, slots=True)
class EventPayouts:
    """What is held in an event, and what it pays in each outcome, the best first. Exhaustive: one must come true."""

    event_id: int
    title: str
    venue: str
    is_exhaustive: bool
    cost: Decimal
    outcomes: tuple[OutcomePayout, ...]

    @property
    def worst(self) -> Decimal:
        return min((outcome.pays for outcome in self.outcomes), default=ZERO)

    @property
    def best(self) -> Decimal:
        return max((outcome.pays for outcome in self.outcomes), default=ZERO)


def is_exclusive(event: Event | None) -> bool:
    """Tell whether at most one market of an event comes true."""
    return event is not None and (event.mutually_exclusive or event.neg_risk)


def payouts_by_outcome(user: User, *, mode: str, event: Event) -> EventPayouts:
    """Return what all that a person holds in an exclusive event pays in each outcome, whichever basket bought it."""
    rows = Position.objects.filter(account__user=user, account__mode=mode, count__gt=0, market__event=event)
    held = [HeldCount(*row) for row in rows.values_list("market_id", "side", "count", "cost")]
    return event_payouts(event, held, list(event.markets.all()))


def exclusive_events(user: User, *, mode: str) -> list[EventPayouts]:
    """Return the exclusive events that a person holds something of, the costliest first. Three queries."""
    rows = Position.objects.filter(account__user=user, account__mode=mode, count__gt=0, market__event__isnull=False)
    held = [HeldCount(*row) for row in rows.values_list("market_id", "side", "count", "cost")]
    return payouts_of(held)


def payouts_of(held: Sequence[HeldCount]) -> list[EventPayouts]:
    """Return the payouts of every exclusive event among what is held, the costliest first. Two queries."""
    events = {
        event.pk: event
        for event in Event.objects.filter(markets__in={each.market_id for each in held}).distinct()
        if is_exclusive(event)
    }
    siblings: dict[int, list[Market]] = {}
    for market in Market.objects.filter(event__in=events).select_related("event"):
        siblings.setdefault(market.event_id or 0, []).append(market)
    found = []
    for event_id, markets in siblings.items():
        ids = {market.pk for market in markets}
        found.append(event_payouts(events[event_id], [each for each in held if each.market_id in ids], markets))
    return sorted(found, key=lambda payouts: (-payouts.cost, payouts.title))


def event_payouts(event: Event, held: Sequence[HeldCount], markets: Sequence[Market]) -> EventPayouts:
    """Work out the outcomes of one exclusive event: each held market coming true, another one, or none.

    What has resolved pays what it resolved to; once a market resolved YES, no other outcome is left.
    A neg-risk event is exhaustive: its contract lets exactly one market come true.
    """
    cost = sum((each.cost for each in held), ZERO)
    decided = {market.pk: market.payout for market in markets if market.status in DECIDED and market.payout is not None}
    true = next((pk for pk, payout in decided.items() if payout == ONE), None)
    own = {each.market_id for each in held}
    names = {market.pk: _name(market) for market in markets}
    cases: list[tuple[int | None, str]] = []
    if true is not None:
        cases.append((true, names[true]))
    else:
        undecided = [market.pk for market in markets if market.pk not in decided]
        cases += [(pk, names[pk]) for pk in undecided if pk in own]
        if len(undecided) > len(cases):
            cases.append((None, ANOTHER if event.neg_risk else f"{ANOTHER}, or none"))
        elif not event.neg_risk or not cases:
            cases.append((None, NONE_OF_THESE))
    outcomes = []
    for market_id, name in cases:
        pays = paid_if(market_id, held, decided)
        outcomes.append(OutcomePayout(market_id, name, pays, pays - cost))
    return EventPayouts(
        event_id=event.pk,
        title=event.title,
        venue=event.get_venue_display(),
        is_exhaustive=event.neg_risk,
        cost=cost,
        outcomes=tuple(sorted(outcomes, key=lambda outcome: -outcome.pays)),
    )


def paid_if(true: int | None, held: Iterable[HeldCount], decided: Mapping[int, Decimal]) -> Decimal:
    """Return what is paid when one market comes true and the others do not; what is decided pays what it does."""
    total = ZERO
    for each in held:
        yes = decided.get(each.market_id, ONE if each.market_id == true else ZERO)
        total += money_of(each.count, yes if each.side == Side.YES else ONE - yes)
    return total


def _name(market: Market) -> str:
    """Name an outcome inside its event: what tells the market apart from its siblings."""
    return market.subtitle or market.question
