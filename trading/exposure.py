"""What a person has at risk in one mode, and what the day has cost: the sums that the limits are held against."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from baskets.factors import factors_of
from itomarkets.lib.rounding import ONE, ZERO, quantize
from itomarkets.lib.venues import Side
from markets.models import Market
from trading.models import Fill, Order, Position, TradeAction, VenueAccount
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


def money_at_risk(*, user_id: int, mode: str) -> AtRisk:
    """Sum a person's open positions at cost, reserved orders and external rows in one mode."""
    by_account: dict[int, Decimal] = {}
    by_market: dict[int, Decimal] = {}
    external = ZERO
    held = Position.objects.filter(account__user=user_id, account__mode=mode, count__gt=0)
    live = Order.objects.filter(account__user=user_id, account__mode=mode, status__in=LIVE, reserved__gt=0)
    ours = held.values_list("account_id", "market_id", "cost"), live.values_list("account_id", "market_id", "reserved")
    for rows in ours:
        for account_id, market_id, money in rows:
            by_account[account_id] = by_account.get(account_id, ZERO) + money
            by_market[market_id] = by_market.get(market_id, ZERO) + money
    accounts = VenueAccount.objects.filter(user=user_id, mode=mode)
    for account_id, rows in accounts.values_list("pk", "external"):
        for row in rows:
            money = external_risk(row)
            external += money
            by_account[account_id] = by_account.get(account_id, ZERO) + money
            if row.get("market_id"):
                by_market[row["market_id"]] = by_market.get(row["market_id"], ZERO) + money
    return AtRisk(by_account=by_account, by_market=by_market, external=external)


def external_risk(row: Mapping[str, str]) -> Decimal:
    """Return what a row of `VenueAccount.external` can lose: a fill is not counted, what it left is held."""
    if row.get("status") == "filled":
        return ZERO
    return Decimal(row["count"]) * Decimal(row["price"])


def by_theme(by_market: Mapping[int, Decimal]) -> dict[str, Decimal]:
    """Sum dollars by the theme of their markets; markets without one are left out."""
    sums: dict[str, Decimal] = {}
    for market_id, line in factors_of(by_market).items():
        sums[line.theme_name] = sums.get(line.theme_name, ZERO) + by_market[market_id]
    return sums


def lost_today(*, user_id: int, mode: str, now: datetime) -> Decimal:
    """Return what a UTC day's trades have lost in one mode; below 0 they have won.

    Realised since midnight, and the open loss of what was bought since then: at the bid, or at the
    payout of a resolved market. What nobody bids for is worth nothing; what was never quoted, its cost.
    """
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    touched = list(
        Position.objects.filter(account__user=user_id, account__mode=mode, updated_at__gte=start).values_list(
            "account_id", "basket_id", "market_id", "side", "count", "cost", "realised",
            "market__status", "market__payout", "market__yes_bid", "market__yes_ask",
            "market__quote__pk", "market__quote__yes_bid", "market__quote__no_bid",
        )
    )  # fmt: skip
    if not touched:
        return ZERO
    before, bought = _day_split(user_id, mode, {row[2] for row in touched}, start)
    lost = ZERO
    for account_id, basket_id, market_id, side, count, cost, realised, *marks in touched:
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
    fills = Fill.objects.filter(account__user=user_id, account__mode=mode, order__market__in=market_ids)
    for *found, action, count, price, fee, at in (
        fills.exclude(settlement=Fill.Settlement.FAILED)
        .order_by("id")
        .values_list(
            "account_id", "order__trade__basket_id", "order__market_id", "order__side",
            "order__action", "count", "price", "fee", "at",
        )
    ):  # fmt: skip
        key: Key = (found[0], found[1], found[2], found[3])
        if at < start:
            holding = before.get(key, Holding())
            step = holding.bought if action == TradeAction.BUY else holding.closed
            before[key] = step(count, price, fee)
        elif action == TradeAction.BUY:
            bought[key] = bought.get(key, ZERO) + count
    return before, bought


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
