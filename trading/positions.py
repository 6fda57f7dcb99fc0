"""Fills into ledger and positions. Nothing else writes them, and the same fills always give the same rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from itomarkets.lib.rounding import ZERO, quantize
from markets.models import Market
from trading.models import CashEntry, Fill, Order, OrderEvent, Position, TradeAction, VenueAccount
from trading.states import FINAL
from trading.venues.base import VenueFill

MONEY_PLACES = 6


def money_of(count: Decimal, price: Decimal) -> Decimal:
    """Return contracts times price, to the millionth of a dollar."""
    return quantize(count * price, MONEY_PLACES)


@dataclass(frozen=True, slots=True)
class Holding:
    """What a sequence of fills and settlements leaves: contracts, what they cost with fees, and what was realised."""

    count: Decimal = ZERO
    cost: Decimal = ZERO
    fees: Decimal = ZERO
    realised: Decimal = ZERO

    def bought(self, count: Decimal, price: Decimal, fee: Decimal) -> "Holding":
        paid = money_of(count, price) + fee
        return replace(self, count=self.count + count, cost=self.cost + paid, fees=self.fees + fee)

    def closed(self, count: Decimal, price: Decimal, fee: Decimal) -> "Holding":
        """Sell or settle at a price; the cost leaves in proportion, and wholly with the last contract."""
        part = self.cost if count >= self.count else quantize(self.cost * count / self.count, MONEY_PLACES)
        return replace(
            self,
            count=max(ZERO, self.count - count),
            cost=self.cost - part,
            fees=self.fees + fee,
            realised=self.realised + money_of(count, price) - fee - part,
        )


@dataclass(frozen=True, slots=True)
class BookingReport:
    """What booking changed."""

    booked: int
    reversed: int
    late: int


def hold(fills: Iterable[tuple[str, Fill]], settlements: Sequence[tuple[int, Decimal]] = ()) -> Holding:
    """Fold fills, each with its order's action, and settlements (id of the last fill settled, payout a contract).

    Fills that failed on chain count as never made.
    """
    holding = Holding()
    waiting = sorted(settlements)
    for action, fill in sorted(fills, key=lambda pair: pair[1].pk):
        while waiting and waiting[0][0] < fill.pk:
            holding = holding.closed(holding.count, waiting.pop(0)[1], ZERO)
        if fill.settlement == Fill.Settlement.FAILED:
            continue
        step = holding.bought if action == TradeAction.BUY else holding.closed
        holding = step(fill.count, fill.price, fill.fee)
    for _, payout in waiting:
        holding = holding.closed(holding.count, payout, ZERO)
    return holding


def book_fills(*, order: Order, fills: Sequence[VenueFill], now: datetime) -> BookingReport:
    """Store what a venue reported for an order: each fill once, with its cash, then the position anew.

    A fill that is known is kept as it was first told, whatever a later report says; only its
    settlement moves on (matched to confirmed, or to failed, whose cash comes back). A fill on an
    order that ended already is booked too, and flagged.
    """
    booked = undone = late = 0
    with transaction.atomic():
        account = VenueAccount.objects.select_for_update().get(pk=order.account_id)
        # Read again under the lock: who comes second sees what the first one booked.
        row = Order.objects.select_for_update().get(pk=order.pk)
        known = {fill.venue_trade_id: fill for fill in row.fills.all()}
        cash_before = account.cash
        for report in fills:
            fill = known.get(report.venue_trade_id)
            if fill is None:
                if report.settlement == Fill.Settlement.FAILED:
                    continue
                fill = _insert(account, row, report)
                known[report.venue_trade_id] = fill
                booked += 1
                if row.status in FINAL:
                    late += 1
                    _flag(row, "A fill arrived after the order had ended; it is booked.", report, now)
                continue
            if (fill.count, fill.price) != (report.count, report.price):
                _flag(row, "The venue told a known fill differently; the first report stands.", report, now)
            undone += _move_settlement(account, row, fill, report.settlement, now)
        if booked or undone:
            filled = sum((f.count for f in known.values() if f.settlement != Fill.Settlement.FAILED), ZERO)
            if filled > row.count:
                _flag(row, f"{filled} of {row.count} filled: more than was asked for.", None, now)
            _release(row, account.cash - cash_before)
            account.save(update_fields=["cash"])
            update_position(order=row, now=now)
    return BookingReport(booked=booked, reversed=undone, late=late)


def update_position(*, order: Order, now: datetime) -> Position:
    """Compute anew the position that an order belongs to; call under the account's lock."""
    return recompute_position(
        account=order.account, basket_id=order.trade.basket_id, market=order.market, side=order.side, now=now
    )


def recompute_position(*, account: VenueAccount, basket_id: int, market: Market, side: str, now: datetime) -> Position:
    """Compute one position from its fills and settlements, and store it."""
    fills = Fill.objects.filter(
        account=account, order__trade__basket_id=basket_id, order__market=market, order__side=side
    ).select_related("order")
    settled = list(settlements_of(account=account, basket_id=basket_id, market=market, side=side))
    holding = hold(
        ((fill.order.action, fill) for fill in fills), [(last_fill, payout) for last_fill, payout, _ in settled]
    )
    position, _ = Position.objects.update_or_create(
        account=account,
        basket_id=basket_id,
        market=market,
        side=side,
        defaults={
            "count": holding.count,
            "cost": holding.cost,
            "fees": holding.fees,
            "realised": holding.realised,
            "settled_at": settled[-1][2] if settled and not holding.count else None,
            "updated_at": now,
        },
    )
    return position


def settlement_reference(*, basket_id: int, market: Market, side: str, last_fill: int) -> str:
    """Name a settlement by what it settles: everything up to a fill, so that running twice pays once."""
    return f"settlement:{basket_id}:{market.pk}:{side}:{last_fill}"


def settlements_of(
    *, account: VenueAccount, basket_id: int, market: Market, side: str
) -> Iterable[tuple[int, Decimal, datetime]]:
    """Yield (last fill settled, payout a contract, when) of each settlement entry, oldest first."""
    prefix = f"settlement:{basket_id}:{market.pk}:{side}:"
    for entry in CashEntry.objects.filter(
        account=account, kind=CashEntry.Kind.SETTLEMENT, reference__startswith=prefix
    ).order_by("id"):
        yield int(entry.reference.rpartition(":")[2]), entry.payout or ZERO, entry.at


def _insert(account: VenueAccount, order: Order, report: VenueFill) -> Fill:
    fill = Fill.objects.create(
        account=account,
        order=order,
        venue_trade_id=report.venue_trade_id,
        count=report.count,
        price=report.price,
        fee=report.fee,
        settlement=report.settlement,
        at=report.at,
    )
    money = money_of(fill.count, fill.price)
    amount = -money if order.action == TradeAction.BUY else money
    _enter(account, CashEntry.Kind.FILL, amount, f"fill:{fill.pk}", fill, report.at)
    if fill.fee:
        _enter(account, CashEntry.Kind.FEE, -fill.fee, f"fee:{fill.pk}", fill, report.at)
    return fill


def _enter(account: VenueAccount, kind: str, amount: Decimal, reference: str, fill: Fill, at: datetime) -> None:
    CashEntry.objects.create(
        account=account,
        kind=kind,
        amount=amount,
        fill=fill,
        market_id=fill.order.market_id,
        reference=reference,
        at=at,
    )
    account.cash += amount


def _move_settlement(account: VenueAccount, order: Order, fill: Fill, told: str, now: datetime) -> int:
    """Take a matched fill to confirmed or failed; returns 1 when cash came back."""
    if fill.settlement != Fill.Settlement.MATCHED or told == fill.settlement:
        return 0
    fill.settlement = told
    fill.save(update_fields=["settlement"])
    if told != Fill.Settlement.FAILED:
        return 0
    money = sum(fill.cash_entries.values_list("amount", flat=True), ZERO)
    _enter(account, CashEntry.Kind.REVERSAL, -money, f"reversal:{fill.pk}", fill, now)
    _flag(order, f"Fill {fill.venue_trade_id} failed on chain; its cash is back.", None, now)
    return 1


def _release(order: Order, cash_change: Decimal) -> None:
    """Free what fills have turned from reserve into cost; what a failed fill gave back is held again."""
    if order.status in FINAL or order.action != TradeAction.BUY:
        return
    order.reserved = max(ZERO, order.reserved + cash_change)
    order.save(update_fields=["reserved"])


def _flag(order: Order, reason: str, report: VenueFill | None, now: datetime) -> None:
    evidence = {"venue_trade_id": report.venue_trade_id, "count": str(report.count)} if report else {}
    OrderEvent.objects.create(
        order=order, at=now, old_status=order.status, new_status=order.status, reason=reason, evidence=evidence
    )
