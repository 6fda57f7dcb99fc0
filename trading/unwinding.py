"""The way back: what filled is offered for sale again when the whole cannot be had, priced and bounded first."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from itomarkets.lib.rounding import ZERO, floor_to, quantize
from itomarkets.lib.venues import VenueError
from itomarkets.records import audit
from markets.models import Market
from markets.venues.base import OrderBook
from trading.holding import HELD, deny_planned, has_live, is_short, take_hold
from trading.legs import Leg, asked_of, legs_of_trade
from trading.models import Fill, Order, Position, Trade, TradeAction, VenueAccount
from trading.planning import MONEY_PLACES, client_id, quoted
from trading.positions import money_of
from trading.quoting import leg_input
from trading.sides import HeldSide, free_to_sell
from trading.venue_state import closed_for

logger = logging.getLogger(__name__)

BookReader = Callable[[Sequence[Market]], Mapping[int, OrderBook]]
Hold = Trade.Hold


@dataclass(frozen=True, slots=True)
class BackLeg:
    """One filled leg on its way back. `paid` is what the sold contracts cost with fees, `least` what they bring."""

    order_id: int
    leg_no: int
    filled: Decimal
    count: Decimal
    limit: Decimal
    brings: Decimal
    least: Decimal
    paid: Decimal


@dataclass(frozen=True, slots=True)
class WayBack:
    """What selling the filled legs again brings now. `missing` contracts find no buyer inside the price band."""

    legs: tuple[BackLeg, ...]
    missing: Decimal
    notes: tuple[str, ...] = ()

    @property
    def paid(self) -> Decimal:
        return sum((leg.paid for leg in self.legs), ZERO)

    @property
    def brings(self) -> Decimal:
        return sum((leg.brings for leg in self.legs), ZERO)

    @property
    def loss(self) -> Decimal:
        """The most that selling loses, fees included; below 0 it wins."""
        return self.paid - sum((leg.least for leg in self.legs), ZERO)

    @property
    def cap(self) -> Decimal:
        """The loss up to which nobody is asked."""
        limits = settings.UNWIND_LIMITS
        return min(limits["loss_dollars"], limits["loss_share"] * self.paid)

    @property
    def is_automatic(self) -> bool:
        return bool(self.legs) and self.missing == 0 and self.loss <= self.cap

    def to_json(self, *, now: datetime) -> dict[str, Any]:
        return {
            "at": now.isoformat(),
            "paid": f"{self.paid:f}",
            "brings": f"{self.brings:f}",
            "loss": f"{self.loss:f}",
            "cap": f"{self.cap:f}",
            "missing": f"{self.missing:f}",
            "sells": len(self.legs),
            "notes": list(self.notes),
        }


def price_way_back(*, trade: Trade, read_books: BookReader, now: datetime) -> WayBack:
    """Price the sale of what a trade's legs filled and is still held, at the bids, with a limit each.

    Raises VenueError where the books cannot be read.
    """
    filled = [leg for leg in asked_of(legs_of_trade(trade), trade) if leg.filled > 0]
    books = read_books([leg.last.market for leg in filled])
    legs: list[BackLeg] = []
    notes: list[str] = []
    missing = ZERO
    for bought in filled:
        order, count = bought.last, bought.filled
        held = min(count, free_count(order, trade))
        leg = leg_input(
            HeldSide(order.market, order.side, ZERO, ZERO, order.account, held=held),
            books.get(order.market_id),
            is_buy=False,
            now=now,
            warnings=notes,
        )
        sold = min(held, floor_to(leg.ladder.depth, leg.step)) if leg is not None else ZERO
        missing += held - sold
        if leg is None or sold <= 0:
            continue
        walked, limit, least = quoted(leg, sold)
        legs.append(
            BackLeg(
                order_id=order.pk,
                leg_no=order.leg_no,
                filled=count,
                count=sold,
                limit=limit,
                brings=walked.cost - walked.fee,
                least=least,
                paid=quantize(paid_for(bought) * sold / count, MONEY_PLACES),
            )
        )
    return WayBack(tuple(legs), missing, tuple(note.removeprefix("Left out: ") for note in notes))


def paid_for(leg: Leg) -> Decimal:
    """Return what a leg's fills cost, fees included; those that failed on chain cost nothing."""
    return sum((money_of(fill.count, fill.price) + fill.fee for fill in leg.fills), ZERO)


def free_count(order: Order, trade: Trade) -> Decimal:
    """Return the contracts of a leg's position that are held, settled, and not being sold already."""
    position = Position.objects.filter(
        account_id=order.account_id, basket_id=trade.basket_id, market_id=order.market_id, side=order.side
    ).first()
    return free_to_sell(position) if position else ZERO


def unwind_if_short(*, trade: Trade, read_books: BookReader, now: datetime) -> bool:
    """Price and, within the loss cap, plan the way back of a trade that ended short. True when orders were planned.

    Waits while anything stands at a venue, is unknown, or is matched and not settled on chain. Past the
    cap, where part of it finds no buyer, or at a venue that takes no orders now, the trade is held with
    its price for the owner to choose. A way back has none of its own.
    """
    if trade.policy != Trade.Policy.ALL_OR_UNWIND or trade.hold != Hold.NONE or not is_short(trade):
        return False
    deny_planned(trade=trade, reason=HELD, now=now)
    if has_live(trade) or not Fill.objects.filter(order__trade=trade).exists():
        return False
    legs = [leg for leg in asked_of(legs_of_trade(trade), trade) if leg.filled > 0]
    if is_settling(legs, now=now):
        return False
    closed = closed_for([leg.last for leg in legs], now=now)
    if closed:
        take_hold(trade=trade, hold=Hold.UNWIND, now=now, way_back={"notes": closed})
        return False
    try:
        way = price_way_back(trade=trade, read_books=read_books, now=now)
    except VenueError as error:
        logger.warning("trade %s: the way back could not be priced: %s", trade.pk, error)
        take_hold(trade=trade, hold=Hold.UNWIND, now=now, way_back={"notes": ["The order books could not be read."]})
        return False
    if not way.is_automatic:
        take_hold(trade=trade, hold=Hold.UNWIND, now=now, way_back=way.to_json(now=now))
        return False
    return plan_way_back(trade=trade, way=way, expected=Hold.NONE, actor=None, now=now)


def is_settling(legs: Sequence[Leg], *, now: datetime) -> bool:
    """Tell whether a purchase is matched and may still settle on chain: until then its venue sells none of it."""
    since = now - timedelta(seconds=settings.RECONCILIATION["settling_seconds"])
    return any(fill.settlement == Fill.Settlement.MATCHED and fill.at > since for leg in legs for fill in leg.fills)


def plan_way_back(
    *, trade: Trade, way: WayBack, expected: str, actor: User | None, now: datetime, request_id: str = ""
) -> bool:
    """Store the orders of a way back, once: own legs with own ids, sales with a lowest price. False when not ours.

    Checked again under the locks: nothing of the trade is at a venue or unknown, none of it was
    unwound before, and what is sold is still held.
    """
    with transaction.atomic():
        row = Trade.objects.select_for_update().get(pk=trade.pk)
        orders = {order.pk: order for order in row.orders.order_by("leg_no")}
        back = [order for order in orders.values() if order.action != row.action]
        if row.hold != expected or back or has_live(row):
            return False
        accounts = {order.account_id for order in orders.values()}
        list(VenueAccount.objects.select_for_update().filter(pk__in=accounts).order_by("pk"))
        last = max(order.leg_no for order in orders.values())
        planned = []
        for leg in way.legs:
            order = orders[leg.order_id]
            if leg.count > free_count(order, row):
                return False
            planned.append(
                Order(
                    trade=row,
                    leg_no=last + leg.leg_no,
                    account_id=order.account_id,
                    market_id=order.market_id,
                    side=order.side,
                    action=TradeAction.SELL,
                    count=leg.count,
                    limit_price=leg.limit,
                    reserved=ZERO,
                    client_id=client_id(trade_id=row.pk, leg_no=last + leg.leg_no, attempt_no=1),
                    created_at=now,
                )
            )
        Order.objects.bulk_create(planned)
        row.hold, row.way_back = Hold.DECIDED, way.to_json(now=now)
        row.save(update_fields=["hold", "way_back"])
        audit.record(
            action="trade.unwinding",
            subject=f"trade:{row.pk}",
            actor=actor,
            before={"hold": expected},
            after={
                "hold": Hold.DECIDED,
                "loss_at_worst": f"{way.loss:f}",
                "cap": f"{way.cap:f}",
                "orders": {str(order.client_id): f"{order.count} at {order.limit_price}" for order in planned},
            },
            request_id=request_id or row.request_id,
            at=now,
        )
    return True
