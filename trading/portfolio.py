"""What a person holds, valued at what the bids would pay now: by basket and by venue; and what is won, not yet cash."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Max, Sum

from accounts.models import User
from itomarkets.lib.rounding import ONE, ZERO
from itomarkets.lib.venues import Side, Venue
from markets.models import Market, Quote
from markets.quotes import freshness
from trading.holdings import money_of
from trading.models import Fill, LedgerLine, Order, Position, TradeAction, VenueAccount
from trading.outcomes import is_exclusive
from trading.unexplained import Unexplained, unexplained_cash

# Account, basket, market, side.
Holding = tuple[int, int, int, str]


@dataclass(frozen=True, slots=True)
class PositionLine:
    """One side of one market, held for one basket. `value` is None where nobody bids, or no quote was ever read."""

    position_id: int
    basket_id: int
    market_id: int
    question: str
    venue: str
    venue_name: str
    side: str
    count: Decimal
    cost: Decimal
    fees: Decimal
    realised: Decimal
    bid: Decimal | None
    value: Decimal | None
    is_old: bool
    is_resolved: bool
    note: str
    close_at: datetime | None
    # Matched at the venue and not yet settled on chain.
    pending: Decimal = ZERO
    event_id: int | None = None
    event_title: str = ""
    # At most one market of its event comes true.
    is_exclusive: bool = False
    # No quote was ever read: what it would bring is not known, which is not nothing.
    is_unquoted: bool = False

    @property
    def profit(self) -> Decimal | None:
        """Open profit at bid; what it cost includes fees."""
        return None if self.value is None else self.value - self.cost


@dataclass(frozen=True, slots=True)
class Sums:
    """Totals of some lines. Lines that nobody bids for count with their cost and no value.

    `unquoted` lines were never quoted: their `unquoted_cost` is neither won nor lost yet, and stays out of `open`.
    """

    positions: int
    count: Decimal
    cost: Decimal
    value: Decimal
    fees: Decimal
    realised: Decimal
    unquoted: int
    unquoted_cost: Decimal

    @property
    def open(self) -> Decimal:
        return self.value - (self.cost - self.unquoted_cost)

    @classmethod
    def of(cls, lines: Sequence[PositionLine], *, realised: Decimal, fees: Decimal) -> "Sums":
        unquoted = [line for line in lines if line.is_unquoted]
        return cls(
            positions=len(lines),
            count=sum((line.count for line in lines), ZERO),
            cost=sum((line.cost for line in lines), ZERO),
            value=sum((line.value or ZERO for line in lines), ZERO),
            fees=fees,
            realised=realised,
            unquoted=len(unquoted),
            unquoted_cost=sum((line.cost for line in unquoted), ZERO),
        )


class Summed:
    """What has totals, readable as its own figures: `group.cost` is `group.sums.cost`."""

    __slots__ = ()
    sums: Sums

    @property
    def positions_count(self) -> int:
        return self.sums.positions

    @property
    def cost(self) -> Decimal:
        return self.sums.cost

    @property
    def value(self) -> Decimal:
        return self.sums.value

    @property
    def open(self) -> Decimal:
        return self.sums.open

    @property
    def realised(self) -> Decimal:
        return self.sums.realised

    @property
    def fees(self) -> Decimal:
        return self.sums.fees


@dataclass(frozen=True, slots=True)
class BasketGroup(Summed):
    """What is held for one basket. `sides` are the basket's sides that were bought."""

    basket_id: int
    name: str
    slug: str
    sums: Sums
    lines: tuple[PositionLine, ...]
    sides: tuple[str, ...]

    @property
    def can_close(self) -> bool:
        return any(not line.is_resolved for line in self.lines)


@dataclass(frozen=True, slots=True)
class VenueGroup(Summed):
    """What is held at one venue."""

    venue: str
    name: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """What a resolved market has paid on chain and its owner has not redeemed: not cash yet."""

    account_id: int
    account: str
    market_id: int
    question: str
    amount: Decimal
    since: datetime


@dataclass(frozen=True, slots=True)
class PairLine:
    """YES and NO of one question held together: whatever happens they pay a dollar a pair."""

    account_id: int
    account: str
    market_id: int
    question: str
    pairs: Decimal

    @property
    def pays(self) -> Decimal:
        return self.pairs * ONE


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account's cash: all of it, and what is not reserved for orders; `claimable` is not part of it."""

    account_id: int
    name: str
    cash: Decimal
    available: Decimal
    checked_at: datetime | None
    differences: tuple[str, ...]
    kind: str = ""
    mode: str = ""
    unexplained: Unexplained | None = None
    claimable: Decimal = ZERO
    # Rows of VenueAccount.external: what was placed there elsewhere.
    external: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Portfolio(Summed):
    """Everything that a person holds in one mode. Profit over all time is `open` plus `realised`."""

    mode: str
    accounts: tuple[AccountLine, ...]
    baskets: tuple[BasketGroup, ...]
    venues: tuple[VenueGroup, ...]
    sums: Sums
    cash: Decimal
    available: Decimal
    claims: tuple[ClaimLine, ...] = ()
    pairs: tuple[PairLine, ...] = ()

    @property
    def lines(self) -> tuple[PositionLine, ...]:
        return tuple(line for group in self.baskets for line in group.lines)

    @property
    def claimable(self) -> Decimal:
        return sum((claim.amount for claim in self.claims), ZERO)

    @property
    def worth(self) -> Decimal:
        return self.cash + self.claimable + self.value


def portfolio_of(user: User, *, mode: str, now: datetime) -> Portfolio:
    """Compute a person's portfolio in one mode; a fixed number of queries, whatever is held."""
    accounts = list(VenueAccount.objects.filter(user=user, mode=mode).order_by("kind"))
    reserved = _reserved(accounts)
    rows = list(
        Position.objects.filter(account__in=accounts)
        .select_related("market", "market__event", "market__quote", "basket")
        .order_by("basket__name", "market_id", "side")
    )
    # Only what settles on a chain is ever matched and not yet settled, or won and not yet redeemed.
    on_chain = [account for account in accounts if account.kind == VenueAccount.Kind.POLYMARKET]
    pending = _pending(on_chain) if on_chain else {}
    lines = [_line(row, now, pending) for row in rows if row.count]
    claims = _claims(on_chain) if on_chain else ()
    sides = _bought_sides(accounts)
    baskets = []
    for basket in {row.basket_id: row.basket for row in rows}.values():
        own = tuple(line for line in lines if line.basket_id == basket.pk)
        if own:
            baskets.append(
                BasketGroup(
                    basket_id=basket.pk,
                    name=basket.name,
                    slug=basket.slug,
                    sums=_sums(own, [row for row in rows if row.basket_id == basket.pk]),
                    lines=own,
                    sides=tuple(sorted(sides.get(basket.pk, ()), reverse=True)),
                )
            )
    venues = []
    for venue in Venue:
        there = [line for line in lines if line.venue == venue]
        if there:
            venues.append(
                VenueGroup(venue.value, venue.label, _sums(there, [row for row in rows if row.market.venue == venue]))
            )
    account_lines = tuple(
        AccountLine(
            account_id=account.pk,
            name=str(account),
            kind=account.kind,
            mode=account.mode,
            cash=account.cash,
            available=account.cash - reserved.get(account.pk, ZERO),
            checked_at=account.checked_at,
            differences=tuple(account.differences),
            unexplained=unexplained_cash(account),
            claimable=sum((claim.amount for claim in claims if claim.account_id == account.pk), ZERO),
            external=tuple(account.external),
        )
        for account in accounts
    )
    return Portfolio(
        mode=mode,
        accounts=account_lines,
        baskets=tuple(baskets),
        venues=tuple(venues),
        sums=_sums(lines, rows),
        cash=sum((account.cash for account in accounts), ZERO),
        available=sum((line.available for line in account_lines), ZERO),
        claims=claims,
        pairs=_pairs(accounts, [row for row in rows if row.count]),
    )


def _claims(accounts: Sequence[VenueAccount]) -> tuple[ClaimLine, ...]:
    names = {account.pk: str(account) for account in accounts}
    found = list(
        LedgerLine.objects.filter(entry__account__in=accounts, book=LedgerLine.Book.CLAIMABLE)
        .order_by("entry__account", "entry__market")
        .values_list("entry__account", "entry__market")
        .annotate(sum=Sum("amount"), since=Max("entry__at"))
    )
    open_claims = [row for row in found if row[2] > 0]
    if not open_claims:
        return ()
    markets = Market.objects.select_related("event").in_bulk([market_id for _, market_id, _, _ in open_claims])
    return tuple(
        ClaimLine(account_id, names[account_id], market_id, markets[market_id].question, amount, since)
        for account_id, market_id, amount, since in open_claims
    )


def _pairs(accounts: Sequence[VenueAccount], rows: Sequence[Position]) -> tuple[PairLine, ...]:
    names = {account.pk: str(account) for account in accounts}
    held: dict[tuple[int, int], dict[str, Decimal]] = {}
    questions: dict[int, str] = {}
    for row in rows:
        sides = held.setdefault((row.account_id, row.market_id), {Side.YES.value: ZERO, Side.NO.value: ZERO})
        sides[row.side] += row.count
        questions[row.market_id] = row.market.question
    return tuple(
        PairLine(account_id, names[account_id], market_id, questions[market_id], min(sides.values()))
        for (account_id, market_id), sides in held.items()
        if min(sides.values()) > 0
    )


def _pending(accounts: Sequence[VenueAccount]) -> dict[Holding, Decimal]:
    """Return the contracts bought that the chain has not settled, by account, basket, market and side."""
    fills = Fill.objects.filter(
        account__in=accounts, settlement=Fill.Settlement.MATCHED, order__action=TradeAction.BUY
    ).values_list("account_id", "order__trade__basket_id", "order__market_id", "order__side", "count")
    counts: dict[Holding, Decimal] = {}
    for account_id, basket_id, market_id, side, count in fills:
        key: Holding = (account_id, basket_id, market_id, side)
        counts[key] = counts.get(key, ZERO) + count
    return counts


def _sums(lines: Sequence[PositionLine], rows: Iterable[Position]) -> Sums:
    """Total the open lines; what was realised and paid in fees also counts what is closed by now."""
    realised = fees = ZERO
    for row in rows:
        realised += row.realised
        fees += row.fees
    return Sums.of(lines, realised=realised, fees=fees)


def _reserved(accounts: Sequence[VenueAccount]) -> dict[int, Decimal]:
    totals: dict[int, Decimal] = {}
    # A final order holds nothing back: its reserve is zero.
    for account_id, amount in Order.objects.filter(account__in=accounts, reserved__gt=0).values_list(
        "account_id", "reserved"
    ):
        totals[account_id] = totals.get(account_id, ZERO) + amount
    return totals


def _bought_sides(accounts: Sequence[VenueAccount]) -> dict[int, set[str]]:
    pairs = (
        Order.objects.filter(account__in=accounts, action=TradeAction.BUY, fills__isnull=False)
        .values_list("trade__basket_id", "trade__side")
        .distinct()
    )
    sides: dict[int, set[str]] = {}
    for basket_id, side in pairs:
        sides.setdefault(basket_id, set()).add(side)
    return sides


def _line(row: Position, now: datetime, pending: Mapping[Holding, Decimal]) -> PositionLine:
    market, event = row.market, row.market.event
    quote = getattr(market, "quote", None)
    bid, is_old, note = _mark(market, row.side, quote, now)
    return PositionLine(
        position_id=row.pk,
        basket_id=row.basket_id,
        market_id=market.pk,
        question=market.question,
        venue=market.venue,
        venue_name=market.get_venue_display(),
        side=row.side,
        count=row.count,
        cost=row.cost,
        fees=row.fees,
        realised=row.realised,
        bid=bid,
        value=None if bid is None else money_of(row.count, bid),
        is_old=is_old,
        is_resolved=market.is_resolved,
        note=note,
        close_at=market.close_at,
        pending=min(row.count, pending.get((row.account_id, row.basket_id, market.pk, row.side), ZERO)),
        event_id=event.pk if event else None,
        event_title=event.title if event else "",
        is_exclusive=is_exclusive(event),
        is_unquoted=bid is None and quote is None,
    )


def _mark(market: Market, side: str, quote: Quote | None, now: datetime) -> tuple[Decimal | None, bool, str]:
    """Return what one contract would bring now, whether that is old, and a word about it."""
    if market.is_resolved and market.payout is not None:
        payout = market.payout if side == Side.YES else ONE - market.payout
        return payout, False, "resolved, being paid out"
    if quote is None:
        return None, True, "not quoted yet"
    bid = quote.yes_bid if side == Side.YES else quote.no_bid
    age = freshness(quote, now)
    if bid is None:
        return None, True, "nobody bids"
    if age != Quote.Freshness.LIVE:
        return bid, True, f"price from {quote.received_at:%H:%M UTC}"
    return bid, False, "closed, not decided" if market.status == Market.Status.CLOSED else ""
