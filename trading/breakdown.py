"""What a portfolio is exposed to: by risk factor, theme, event and venue, with the least and the most it can pay."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.models import User
from baskets.factors import factors_of
from itomarkets.lib.rounding import ZERO
from trading.exposure import external_risk
from trading.outcomes import EventPayouts, HeldCount, payouts_of
from trading.portfolio import Portfolio, PositionLine, portfolio_of

NO_FACTOR = ("", "No risk factor yet")
NO_THEME = ("", "No theme yet")
Named = Callable[[PositionLine], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ExposureLine:
    """What a part of the portfolio cost, would bring now, and can pay at least and at most in the end."""

    key: str
    name: str
    positions: int
    cost: Decimal
    value: Decimal
    worst: Decimal
    best: Decimal

    @property
    def most_lost(self) -> Decimal:
        return self.worst - self.cost

    @property
    def most_won(self) -> Decimal:
        return self.best - self.cost


@dataclass(frozen=True, slots=True)
class ExternalLine:
    """What was placed on an account elsewhere: held, resting, or filled of late. `cost` is what it can lose."""

    account_id: int
    account: str
    order: str
    market: str
    side: str
    status: str
    count: Decimal
    price: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Exposure:
    """A portfolio's exposure in one mode; what was placed elsewhere stands apart."""

    mode: str
    total: ExposureLine
    factors: tuple[ExposureLine, ...]
    themes: tuple[ExposureLine, ...]
    events: tuple[ExposureLine, ...]
    venues: tuple[ExposureLine, ...]
    external: tuple[ExternalLine, ...]
    # The exclusive events held, outcome by outcome.
    outcomes: tuple[EventPayouts, ...] = ()

    @property
    def external_cost(self) -> Decimal:
        return sum((line.cost for line in self.external), ZERO)


def exposure_of(user: User, *, mode: str, now: datetime) -> Exposure:
    """Compute what a person's portfolio in one mode is exposed to."""
    return exposure_in(portfolio_of(user, mode=mode, now=now))


def exposure_in(portfolio: Portfolio) -> Exposure:
    """Break a portfolio down. Three queries more, whatever is held: factors, exclusive events, their markets."""
    lines = portfolio.lines
    if not lines:
        nothing = ExposureLine("all", "All together", 0, ZERO, ZERO, ZERO, ZERO)
        return Exposure(portfolio.mode, nothing, (), (), (), (), _external(portfolio))
    factors = factors_of({line.market_id for line in lines})
    outcomes = payouts_of([_held(line) for line in lines])
    whole = {event.event_id: event for event in outcomes}

    def factor(line: PositionLine) -> tuple[str, str]:
        found = factors.get(line.market_id)
        return (found.factor_slug, found.factor_name) if found else NO_FACTOR

    def theme(line: PositionLine) -> tuple[str, str]:
        found = factors.get(line.market_id)
        return (found.theme_slug, found.theme_name) if found else NO_THEME

    def event(line: PositionLine) -> tuple[str, str]:
        return (str(line.event_id), line.event_title) if line.event_id else (f"market-{line.market_id}", line.question)

    def venue(line: PositionLine) -> tuple[str, str]:
        return line.venue, line.venue_name

    return Exposure(
        mode=portfolio.mode,
        total=_exposed("all", "All together", lines, whole),
        factors=_grouped(lines, factor, whole),
        themes=_grouped(lines, theme, whole),
        events=_grouped(lines, event, whole),
        venues=_grouped(lines, venue, whole),
        external=_external(portfolio),
        outcomes=tuple(outcomes),
    )


def _grouped(
    lines: Sequence[PositionLine], named: Named, whole: Mapping[int, EventPayouts]
) -> tuple[ExposureLine, ...]:
    groups: dict[tuple[str, str], list[PositionLine]] = {}
    for line in lines:
        groups.setdefault(named(line), []).append(line)
    found = [_exposed(key, name, own, whole) for (key, name), own in groups.items()]
    return tuple(sorted(found, key=lambda group: (-group.cost, group.name)))


def _exposed(key: str, name: str, lines: Sequence[PositionLine], whole: Mapping[int, EventPayouts]) -> ExposureLine:
    worst = best = ZERO
    for least, most in _cases(lines, whole):
        worst += least
        best += most
    return ExposureLine(
        key=key,
        name=name,
        positions=len(lines),
        cost=sum((line.cost for line in lines), ZERO),
        value=sum((line.value or ZERO for line in lines), ZERO),
        worst=worst,
        best=best,
    )


def _cases(lines: Iterable[PositionLine], whole: Mapping[int, EventPayouts]) -> Iterable[tuple[Decimal, Decimal]]:
    """Yield the least and the most that each independent part pays: an exclusive event, or a market."""
    events: dict[int, list[PositionLine]] = {}
    markets: dict[int, list[PositionLine]] = {}
    for line in lines:
        if line.is_resolved:
            yield line.value or ZERO, line.value or ZERO
        elif line.is_exclusive and line.event_id in whole:
            events.setdefault(line.event_id or 0, []).append(line)
        else:
            markets.setdefault(line.market_id, []).append(line)
    for event_id, own in events.items():
        held = [_held(line) for line in own]
        pays = [_paid(outcome.market_id, held) for outcome in whole[event_id].outcomes]
        yield min(pays), max(pays)
    for market_id, own in markets.items():
        held = [_held(line) for line in own]
        pays = [_paid(market_id, held), _paid(None, held)]
        yield min(pays), max(pays)


def _paid(true: int | None, held: Iterable[HeldCount]) -> Decimal:
    return sum((each.count for each in held if (each.market_id == true) == (each.side == "yes")), ZERO)


def _held(line: PositionLine) -> HeldCount:
    return HeldCount(line.market_id, line.side, line.count, line.cost)


def _external(portfolio: Portfolio) -> tuple[ExternalLine, ...]:
    return tuple(
        ExternalLine(
            account_id=account.account_id,
            account=account.name,
            order=row["order"],
            market=row["market"],
            side=row["side"],
            status=row["status"],
            count=Decimal(row["count"]),
            price=Decimal(row["price"]),
            cost=external_risk(row),
        )
        for account in portfolio.accounts
        for row in account.external
    )
