"""Which sides of which markets a ticket is about, and which account pays or holds each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from baskets.models import Basket, Constituent
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import Side
from markets.models import Market
from trading.accounts import AccountSet
from trading.limits import market_denial
from trading.models import Fill, Order, Position, TradeAction, VenueAccount
from trading.states import LIVE
from trading.venue_state import closed_reason, closed_states


@dataclass(frozen=True, slots=True)
class HeldSide:
    """A side of a market that the ticket is about, and the account that pays or holds it."""

    market: Market
    side: str
    weight: Decimal
    units: Decimal
    account: VenueAccount
    # For sales: what is held and not already being sold.
    held: Decimal = ZERO


def sides_to_buy(
    constituents: Sequence[Constituent],
    *,
    side: str,
    accounts: AccountSet,
    now: datetime,
    warnings: list[str],
) -> list[HeldSide]:
    """Return what a purchase holds: the composition's sides, each flipped when NO is bought."""
    sides = []
    missing: set[str] = set()
    closed = closed_states()
    for part in constituents:
        denial = market_denial(part.market, now=now)
        if denial:
            warnings.append(f"Left out: {denial}")
            continue
        account = accounts.for_market(part.market)
        if account is None:
            missing.add(part.market.get_venue_display())
            continue
        shut = closed_reason(closed, account=account, market=part.market, now=now)
        if shut:
            warnings.append(f"Left out: {part.market.question}. {shut}")
            continue
        own = Side(part.side)
        sides.append(
            HeldSide(
                market=part.market,
                side=(own if side == Side.YES else own.opposite).value,
                weight=part.weight,
                units=part.units,
                account=account,
            )
        )
    for venue in sorted(missing):
        warnings.append(f"Left out: the legs on {venue}, where you have no account in this mode.")
    return sides


def sides_to_sell(
    constituents: Sequence[Constituent],
    *,
    basket: Basket,
    side: str,
    accounts: AccountSet,
    now: datetime,
    warnings: list[str],
) -> list[HeldSide]:
    """Return what a side of the basket holds and can be sold: bought through this side, still held, not being sold."""
    bought = set(
        Order.objects.filter(
            account__in=accounts.accounts, trade__basket=basket, trade__side=side, action=TradeAction.BUY
        ).values_list("market_id", "side")
    )
    weights = {part.market_id: (part.weight, part.units) for part in constituents}
    positions = Position.objects.filter(account__in=accounts.accounts, basket=basket, count__gt=0)
    sides = []
    closed = closed_states()
    for position in positions.select_related("market", "market__event", "account").order_by("market_id"):
        if (position.market_id, position.side) not in bought:
            continue
        denial = market_denial(position.market, now=now)
        shut = closed_reason(closed, account=position.account, market=position.market, now=now)
        if denial or shut:
            warnings.append(f"Left out: {denial or f'{position.market.question}. {shut}'}")
            continue
        weight, units = weights.get(position.market_id, (ZERO, ZERO))
        free, unsettled = free_to_sell(position), being_settled(position)
        if unsettled > 0:
            warnings.append(
                f"{'Left out' if free <= 0 else 'Not all'}: {unsettled.normalize():f} contracts of "
                f"{position.market.question} are bought but not settled on chain yet. Sell them when they are."
            )
        elif free <= 0:
            warnings.append(f"Left out: {position.market.question} is being sold already.")
        if free <= 0:
            continue
        sides.append(HeldSide(position.market, position.side, weight, units, position.account, held=free))
    return sides


def free_to_sell(position: Position) -> Decimal:
    """Return the contracts of a position that a new sale may offer."""
    return max(ZERO, position.count - being_sold(position) - being_settled(position))


def being_settled(position: Position) -> Decimal:
    """Return the contracts that were bought and are only matched: their venue counts them once they settle."""
    matched = Fill.objects.filter(
        account=position.account_id,
        order__trade__basket=position.basket_id,
        order__market=position.market_id,
        order__side=position.side,
        order__action=TradeAction.BUY,
        settlement=Fill.Settlement.MATCHED,
    )
    return min(position.count, sum(matched.values_list("count", flat=True), ZERO))


def being_sold(position: Position) -> Decimal:
    """Return the contracts of a position that sales which have not ended may still take."""
    orders = Order.objects.filter(
        account=position.account,
        trade__basket=position.basket_id,
        market=position.market_id,
        side=position.side,
        action=TradeAction.SELL,
        status__in=LIVE,
    )
    return sum((order.count - order.filled_count() for order in orders), ZERO)
