"""Fills into ledger and positions. Nothing else writes them, and the same fills always give the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from itomarkets.lib.rounding import ZERO
from trading.holdings import MONEY_PLACES, Holding, money_of
from trading.ledger import MarketLedger
from trading.models import Fill, Order, OrderEvent, Position, TradeAction, VenueAccount
from trading.states import FINAL
from trading.venues.base import VenueFill

__all__ = ["MONEY_PLACES", "BookingReport", "Holding", "book_fills", "money_of", "write_positions"]


@dataclass(frozen=True, slots=True)
class BookingReport:
    """What booking changed."""

    booked: int
    reversed: int
    late: int


def book_fills(*, order: Order, fills: Sequence[VenueFill], now: datetime) -> BookingReport:
    """Store what a venue reported for an order: each fill once, with its cash, then the positions anew.

    A fill that is known is kept as it was first told, whatever a later report says; only its
    settlement moves on (matched to confirmed, or to failed, whose cash comes back). A fill on an
    order that ended already is booked too, and flagged.
    """
    booked = undone = late = 0
    with transaction.atomic():
        account = VenueAccount.objects.select_for_update().get(pk=order.account_id)
        # Read again under the lock: who comes second sees what the first one booked.
        row = Order.objects.select_for_update(of=("self",)).select_related("trade", "market").get(pk=order.pk)
        known = {fill.venue_trade_id: fill for fill in row.fills.all()}
        ledger = MarketLedger(account, row.market)
        moved = ZERO
        for report in fills:
            fill = known.get(report.venue_trade_id)
            if fill is None:
                if report.settlement == Fill.Settlement.FAILED:
                    continue
                fill = _insert(account, row, report)
                moved += ledger.add_fill(fill, at=now)
                known[report.venue_trade_id] = fill
                booked += 1
                if row.status in FINAL:
                    late += 1
                    _flag(row, "A fill arrived after the order had ended; it is booked.", report, now)
                continue
            if (fill.count, fill.price) != (report.count, report.price):
                _flag(row, "The venue told a known fill differently; the first report stands.", report, now)
            if _move_settlement(fill, report.settlement):
                fill.order = row
                moved += ledger.take_back(fill, at=now)
                _flag(row, f"Fill {fill.venue_trade_id} failed on chain; its cash is back.", None, now)
                undone += 1
        if booked or undone:
            filled = sum((f.count for f in known.values() if f.settlement != Fill.Settlement.FAILED), ZERO)
            if filled > row.count:
                _flag(row, f"{filled} of {row.count} filled: more than was asked for.", None, now)
            _release(row, moved)
            account.save(update_fields=["cash"])
            write_positions(ledger, now=now)
    return BookingReport(booked=booked, reversed=undone, late=late)


def write_positions(ledger: MarketLedger, *, now: datetime, settled_at: datetime | None = None) -> None:
    """Write what the ledger says of each basket's side of its market; call under the account's lock.

    `settled_at` is set where a result has just been paid, and kept where nothing is held since.
    """
    there = {
        (row.basket_id, row.side): row
        for row in Position.objects.filter(account=ledger.account, market=ledger.market).select_for_update()
    }
    for (basket_id, side), holding in ledger.holdings().items():
        row = there.get((basket_id, side))
        if row is None:
            row = Position(account=ledger.account, market=ledger.market, basket_id=basket_id, side=side)
        ended = (settled_at or row.settled_at) if ledger.results and not holding.count else None
        told = (holding.count, holding.cost, holding.fees, holding.realised, ended)
        if row.pk is not None and told == (row.count, row.cost, row.fees, row.realised, row.settled_at):
            continue
        row.count, row.cost, row.fees, row.realised, row.settled_at = told
        row.updated_at = now
        row.save()


def _insert(account: VenueAccount, order: Order, report: VenueFill) -> Fill:
    return Fill.objects.create(
        account=account,
        order=order,
        venue_trade_id=report.venue_trade_id,
        count=report.count,
        price=report.price,
        fee=report.fee,
        settlement=report.settlement,
        at=report.at,
    )


def _move_settlement(fill: Fill, told: str) -> bool:
    """Take a matched fill to confirmed or failed; True when it failed."""
    if fill.settlement != Fill.Settlement.MATCHED or told == fill.settlement:
        return False
    fill.settlement = told
    fill.save(update_fields=["settlement"])
    return told == Fill.Settlement.FAILED


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
