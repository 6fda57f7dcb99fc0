"""What an owner says to a held trade: go on, stop, sell it again, or keep it. Each is taken once."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.db import transaction

from accounts.models import User
from itomarkets.lib.venues import VenueError
from itomarkets.records import audit
from markets.venues.base import OrderBook
from trading.holding import deny, has_live, stop
from trading.ladders import Ladder
from trading.limits import account_denial, dollars, market_denial, order_denial
from trading.models import Order, Trade
from trading.placing import nudge
from trading.switch import blocked_reason
from trading.unwinding import BookReader, plan_way_back, price_way_back
from trading.venues.clients import fetch_books

Hold, Status = Trade.Hold, Order.Status
CHOICES = ("continue", "stop", "unwind", "keep")


class ChoiceRefused(Exception):
    """The choice was not taken, and nothing was sent; the text says why and what to do."""


def choose(
    *,
    user: User,
    trade_id: UUID,
    choice: str,
    now: datetime,
    request_id: str = "",
    read_books: BookReader = fetch_books,
) -> str:
    """Take an owner's choice on a held trade; returns a sentence about what happens now.

    The same choice again, or another one after it, changes nothing and says so. Raises ChoiceRefused.
    """
    trade = Trade.objects.get(pk=trade_id, user=user)
    if choice not in CHOICES:
        raise ChoiceRefused(f"Expected one of {', '.join(CHOICES)}; found {choice!r}.")
    if trade.hold != (Hold.ASK if choice in ("continue", "stop") else Hold.UNWIND):
        raise ChoiceRefused("This trade waits for no such choice any more; look at how it stands.")
    if choice == "continue":
        return _go_on(trade, user, now, request_id, read_books)
    if choice == "unwind":
        return _unwind(trade, user, now, request_id, read_books)
    if choice == "keep":
        return _keep(trade, user, now, request_id)
    if not stop(trade=trade, reason="Stopped by you.", actor=user, now=now, request_id=request_id):
        raise ChoiceRefused("Somebody has chosen before; look at how the trade stands.")
    return "Stopped. What was not sent is not sent."


def _go_on(trade: Trade, user: User, now: datetime, request_id: str, read_books: BookReader) -> str:
    """Release the unsent legs at their old limits, after checking each against today's limits and prices."""
    blocked = blocked_reason(user_id=user.pk, action=trade.action)
    if blocked:
        raise ChoiceRefused(blocked)
    waiting = list(trade.orders.filter(status=Status.PLANNED).select_related("market", "account"))
    try:
        books = read_books([order.market for order in waiting])
    except VenueError as error:
        raise ChoiceRefused("The order books cannot be read now. Nothing was sent; choose again.") from error
    refusals = {order.pk: _refusal(order, books, now) for order in waiting}
    with transaction.atomic():
        if not Trade.objects.filter(pk=trade.pk, hold=Hold.ASK).update(hold=Hold.DECIDED, continued_at=now):
            raise ChoiceRefused("Somebody has chosen before; look at how the trade stands.")
        denied = sum(deny(order, refusals[order.pk], now) for order in waiting if refusals[order.pk])
        audit.record(
            action="trade.continued",
            subject=f"trade:{trade.pk}",
            actor=user,
            before={"hold": Hold.ASK},
            after={"hold": Hold.DECIDED, "released": len(waiting) - denied, "denied": denied},
            request_id=request_id or trade.request_id,
            at=now,
        )
        transaction.on_commit(partial(nudge, trade.pk))
    left = f" {denied} could not be had inside their limits and are not sent." if denied else ""
    return f"Going on: {len(waiting) - denied} of {len(waiting)} waiting legs are being sent.{left}"


def _refusal(order: Order, books: Mapping[int, OrderBook], now: datetime) -> str:
    """Say why a waiting leg cannot go on; empty when it can."""
    denial = (
        account_denial(order.account)
        or market_denial(order.market, now=now)
        or order_denial(title=order.market.question, worst_cost=order.reserved)
    )
    if denial:
        return str(denial)
    book = books.get(order.market_id)
    ladder = Ladder.of(book.side(order.side), action=order.action).within(order.limit_price) if book else None
    if ladder is None or not ladder.levels:
        return f"Not sent: nothing is offered at {order.limit_price.normalize():f} or better now."
    return ""


def _unwind(trade: Trade, user: User, now: datetime, request_id: str, read_books: BookReader) -> str:
    """Sell the filled legs again, if that loses no more than the owner was shown."""
    if has_live(trade):
        raise ChoiceRefused("A leg is still open or unknown. Nothing is sold before that is known.")
    try:
        way = price_way_back(trade=trade, read_books=read_books, now=now)
    except VenueError as error:
        raise ChoiceRefused("The order books cannot be read now. Nothing was sent; choose again.") from error
    shown = trade.way_back.get("loss")
    is_worse = shown is None or way.loss > Decimal(shown) or f"{way.missing:f}" != trade.way_back.get("missing")
    if not way.legs or is_worse:
        Trade.objects.filter(pk=trade.pk, hold=Hold.UNWIND).update(way_back=way.to_json(now=now))
        if not way.legs:
            raise ChoiceRefused("Nobody bids for what was bought inside the price band now. Keep it, or try later.")
        raise ChoiceRefused(f"Prices moved: selling now loses up to {dollars(way.loss)}. Choose again.")
    with transaction.atomic():
        if not plan_way_back(trade=trade, way=way, expected=Hold.UNWIND, actor=user, now=now, request_id=request_id):
            raise ChoiceRefused("The trade or what it holds has changed; look at how it stands.")
        transaction.on_commit(partial(nudge, trade.pk))
    return f"Selling what was bought again; that loses at most {dollars(way.loss)}."


def _keep(trade: Trade, user: User, now: datetime, request_id: str) -> str:
    if not Trade.objects.filter(pk=trade.pk, hold=Hold.UNWIND).update(hold=Hold.DECIDED):
        raise ChoiceRefused("Somebody has chosen before; look at how the trade stands.")
    audit.record(
        action="trade.kept",
        subject=f"trade:{trade.pk}",
        actor=user,
        before={"hold": Hold.UNWIND},
        after={"hold": Hold.DECIDED},
        request_id=request_id or trade.request_id,
        at=now,
    )
    return "Kept. What was bought stays yours."
