"""What a person has at risk in one mode, and what the day has cost: the sums that the limits are held against."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from baskets.factors import factors_of
from itomarkets.lib import clock
from itomarkets.lib.compiled import Asked, compiled
from itomarkets.lib.rounding import ONE, ZERO, quantize
from itomarkets.lib.venues import Side
from markets.models import Market
from trading.models import Fill, Order, Position, Trade, TradeAction, VenueAccount
from trading.positions import MONEY_PLACES, Holding
from trading.states import LIVE

Key = tuple[int, int, int, str]


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Dollars that can be lost: what held contracts cost, what orders hold back, what was placed elsewhere."""

    by_account: Mapping[int, Decimal]
    # Ours and others', where the market is one of ours.
    by_market: Mapping[int, Decimal]
    # The part of it that was placed at the venues' own sites.
    external: Decimal

    @property
    def total(self) -> Decimal:
        return sum(self.by_account.values(), ZERO)


@dataclass(frozen=True, slots=True)
class Stand:
    """What a person has in one mode, read once for every limit that asks: a query a table, whatever there is."""

    user_id: int
    mode: str
    now: datetime
    # All accounts of the mode.
    accounts: Sequence[VenueAccount]
    # As POSITION_COLUMNS: those that hold something, and those that the day has touched.
    positions: Sequence[tuple[Any, ...]]
    # Orders that have not ended: account, market, and what each holds back.
    reserved: Sequence[tuple[int, int, Decimal]]
    # The newest first: those of the UTC day and of the last minute.
    trades: Sequence[Trade]

    def reserved_on(self, account_id: int) -> Decimal:
        """Return the cash of an account that orders which have not ended may still take."""
        return sum((money for account, _, money in self.reserved if account == account_id), ZERO)

    def bought_today(self) -> Decimal:
        """Return what the day's purchases take at worst."""
        start = day_start(self.now)
        counted = (
            trade.worst_cost
            for trade in self.trades
            if trade.action == TradeAction.BUY
            and trade.mode == self.mode
            and trade.status != Trade.Status.ABORTED
            and trade.created_at >= start
        )
        return sum(counted, ZERO)


# A trade as far as limits ask: the rest of the row is not read.
TRADE_COLUMNS = (
    "id", "idempotency_key", "quote_id", "basket_id", "mode", "action", "status", "worst_cost", "created_at"
)  # fmt: skip
# The id of no quote.
NO_QUOTE = UUID(int=0)
POSITION_COLUMNS = (
    "account_id", "market_id", "basket_id", "side", "count", "cost", "realised", "updated_at",
    "market__status", "market__payout", "market__yes_bid", "market__yes_ask",
    "market__quote__pk", "market__quote__yes_bid", "market__quote__no_bid",
)  # fmt: skip


def day_start(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def recent_trades(*, user_id: int, now: datetime, key: str = "", quote_id: UUID | None = None) -> list[Trade]:
    """Read a person's trades of the UTC day and of the last minute, newest first, and those of a key or a quote."""
    return _trades(user_id=user_id, since=_recently(now), key=key, quote_id=quote_id or NO_QUOTE)


def asked_of_recent(*, user_id: int, now: datetime, key: str, quote_id: UUID) -> Asked:
    """Return what `recent_trades` will ask, for `read_ahead`."""
    return _trades.asked(user_id=user_id, since=_recently(now), key=key, quote_id=quote_id)


def _recently(now: datetime) -> datetime:
    return min(day_start(now), now - timedelta(minutes=1))


@compiled
def _trades(*, user_id: int, since: datetime, key: str, quote_id: UUID) -> QuerySet[Trade]:
    wanted = Q(created_at__gte=since) | Q(idempotency_key=key) | Q(quote_id=quote_id)
    return Trade.objects.filter(wanted, user=user_id).only(*TRADE_COLUMNS).order_by("-created_at")


def stand_of(
    *,
    user_id: int,
    mode: str,
    now: datetime,
    accounts: Iterable[VenueAccount] | None = None,
    trades: Sequence[Trade] | None = None,
) -> Stand:
    """Read where a person stands in one mode; `accounts` and `trades` where the caller has just read them."""
    if accounts is None:
        accounts = VenueAccount.objects.filter(user=user_id, mode=mode)
    if trades is None:
        trades = recent_trades(user_id=user_id, now=now)
    own = tuple(accounts)
    ids = [account.pk for account in own]
    return Stand(
        user_id=user_id,
        mode=mode,
        now=now,
        accounts=own,
        positions=_positions(account_ids=ids, since=day_start(now)),
        reserved=_reserved(account_ids=ids),
        trades=trades,
    )


@compiled
def _positions(*, account_ids: Sequence[int], since: datetime) -> QuerySet[Position, tuple[Any, ...]]:
    wanted = Q(count__gt=0) | Q(updated_at__gte=since)
    return Position.objects.filter(wanted, account__in=account_ids).order_by().values_list(*POSITION_COLUMNS)


@compiled
def _touched_positions(*, user_id: int, mode: str, since: datetime) -> QuerySet[Position, tuple[Any, ...]]:
    touched = Position.objects.filter(account__user=user_id, account__mode=mode, updated_at__gte=since)
    return touched.order_by().values_list(*POSITION_COLUMNS)


@compiled
def _reserved(*, account_ids: Sequence[int]) -> QuerySet[Order, tuple[int, int, Decimal]]:
    live = Order.objects.filter(account__in=account_ids, status__in=LIVE, reserved__gt=0)
    return live.order_by().values_list("account_id", "market_id", "reserved")


def money_at_risk(*, user_id: int, mode: str, stand: Stand | None = None) -> AtRisk:
    """Sum a person's open positions at cost, reserved orders and external rows in one mode."""
    if stand is None:
        stand = stand_of(user_id=user_id, mode=mode, now=clock.now(), trades=())
    by_account: dict[int, Decimal] = {}
    by_market: dict[int, Decimal] = {}
    external = ZERO
    held = [(row[0], row[1], row[5]) for row in stand.positions if row[4] > 0]
    for account_id, market_id, money in (*held, *stand.reserved):
        by_account[account_id] = by_account.get(account_id, ZERO) + money
        by_market[market_id] = by_market.get(market_id, ZERO) + money
    for account in stand.accounts:
        for row in account.external:
            money = external_risk(row)
            external += money
            by_account[account.pk] = by_account.get(account.pk, ZERO) + money
            if row.get("market_id"):
                by_market[row["market_id"]] = by_market.get(row["market_id"], ZERO) + money
    return AtRisk(by_account=by_account, by_market=by_market, external=external)


def external_risk(row: Mapping[str, str]) -> Decimal:
    """Return what a row of `VenueAccount.external` can lose: a fill is not counted, what it left is held.

    Nor is the part of a resting order that only sells what is held: that is counted where it is held.
    """
    if row.get("status") == "filled":
        return ZERO
    return (Decimal(row["count"]) - Decimal(row.get("closes", "0"))) * Decimal(row["price"])


def by_theme(*sums_by_market: Mapping[int, Decimal]) -> list[dict[str, Decimal]]:
    """Sum dollars by the theme of their markets, each mapping for itself; markets without a theme are left out."""
    lines = factors_of({market_id for by_market in sums_by_market for market_id in by_market})
    found = []
    for by_market in sums_by_market:
        sums: dict[str, Decimal] = {}
        for market_id, money in by_market.items():
            line = lines.get(market_id)
            if line is not None:
                sums[line.theme_name] = sums.get(line.theme_name, ZERO) + money
        found.append(sums)
    return found


def lost_today(*, user_id: int, mode: str, now: datetime, stand: Stand | None = None) -> Decimal:
    """Return what a UTC day's trades have lost in one mode; below 0 they have won.

    Realised since midnight, and the open loss of what was bought since then: at the bid, or at the
    payout of a resolved market. What nobody bids for is worth nothing; what was never quoted, its cost.
    """
    start = day_start(now)
    if stand is None:
        touched = _touched_positions(user_id=user_id, mode=mode, since=start)
    else:
        touched = [row for row in stand.positions if row[7] >= start]
    if not touched:
        return ZERO
    before, bought = _day_split(user_id, mode, {row[1] for row in touched}, start)
    lost = ZERO
    for account_id, market_id, basket_id, side, count, cost, realised, _, *marks in touched:
        key = (account_id, basket_id, market_id, side)
        lost -= realised - before.get(key, Holding()).realised
        kept = min(count, bought.get(key, ZERO))
        if kept <= 0:
            continue
        # What is kept are the prices of the exchange that this server reads, which is never the demo.
        bid = None if mode == VenueAccount.Mode.DEMO else _bid(side, *marks)
        part = quantize(cost * kept / count, MONEY_PLACES)
        lost += ZERO if bid is None else part - quantize(kept * bid, MONEY_PLACES)
    return lost


def _day_split(
    user_id: int, mode: str, market_ids: set[int], start: datetime
) -> tuple[dict[Key, Holding], dict[Key, Decimal]]:
    """Return, by position, what was held when the day began, and how many contracts were bought since."""
    before: dict[Key, Holding] = {}
    bought: dict[Key, Decimal] = {}
    for account_id, basket_id, market_id, side, action, count, price, fee, at in _fills(
        user_id=user_id, mode=mode, market_ids=market_ids
    ):
        key: Key = (account_id, basket_id, market_id, side)
        if at < start:
            holding = before.get(key, Holding())
            step = holding.bought if action == TradeAction.BUY else holding.closed
            before[key] = step(count, price, fee)
        elif action == TradeAction.BUY:
            bought[key] = bought.get(key, ZERO) + count
    return before, bought


@compiled
def _fills(*, user_id: int, mode: str, market_ids: Collection[int]) -> QuerySet[Fill, tuple[Any, ...]]:
    fills = Fill.objects.filter(account__user=user_id, account__mode=mode, order__market__in=market_ids)
    return (
        fills.exclude(settlement=Fill.Settlement.FAILED)
        .order_by("id")
        .values_list(
            "account_id", "order__trade__basket_id", "order__market_id", "order__side",
            "order__action", "count", "price", "fee", "at",
        )
    )  # fmt: skip


def _bid(
    side: str,
    status: str,
    payout: Decimal | None,
    listed_bid: Decimal | None,
    listed_ask: Decimal | None,
    quote: int | None,
    yes_bid: Decimal | None,
    no_bid: Decimal | None,
) -> Decimal | None:
    """Return what a contract would bring now; None where no price was ever told."""
    is_yes = side == Side.YES
    if status in (Market.Status.RESOLVED, Market.Status.VOID) and payout is not None:
        return payout if is_yes else ONE - payout
    if quote is not None:
        return (yes_bid if is_yes else no_bid) or ZERO
    if is_yes:
        return listed_bid
    return None if listed_ask is None else ONE - listed_ask
