"""What an owner says to a trade: go on, stop, sell it again, keep it, or send a leg again. Each is taken once."""

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
from trading.attempts import again, offered, plan_attempts
from trading.holding import deny, has_live, stop
from trading.ladders import Ladder
from trading.limits import (
    Buying,
    account_denial,
    dollars,
    limits_of,
    market_denial,
    order_denial,
    purchase_denial,
    send_refusal,
)
from trading.models import Order, Trade, TradeAction
from trading.placing import nudge
from trading.progress import update_trade
from trading.switch import blocked_reason
from trading.unwinding import BookReader, plan_way_back, price_way_back
from trading.venue_state import closed_for
from trading.venues.clients import book_reader

Hold, Status = Trade.Hold, Order.Status
CHOICES = ("continue", "stop", "unwind", "keep", "resend")
# The hold that a choice answers; sending again answers none.
ANSWERS = {
    "continue": Hold.ASK,
    "stop": Hold.ASK,
    "unwind": Hold.UNWIND,
    "keep": Hold.UNWIND,
}


class ChoiceRefused(Exception):
    """The choice was not taken, and nothing was sent; the text says why and what to do."""


def choose(
    *,
    user: User,
    trade_id: UUID,
    choice: str,
    now: datetime,
    request_id: str = "",
    read_books: BookReader | None = None,
) -> str:
    """Take an owner's choice on a held trade; returns a sentence about what happens now.

    The same choice again, or another one after it, changes nothing and says so. Raises ChoiceRefused.
    """
    trade = Trade.objects.get(pk=trade_id, user=user)
    read_books = read_books or book_reader(trade.mode)
    if choice not in CHOICES:
        raise ChoiceRefused(f"Expected one of {', '.join(CHOICES)}; found {choice!r}.")
    if choice == "resend":
        return _resend(trade, user, now, request_id, read_books)
    if trade.hold != ANSWERS[choice]:
        raise ChoiceRefused("This trade waits for no such choice any more; look at how it stands.")
    if choice == "continue":
        return _go_on(trade, user, now, request_id, read_books)
    if choice == "unwind":
        return _unwind(trade, user, now, request_id, read_books)
    if choice == "keep":
        return _keep(trade, user, now, request_id)
    if not stop(trade=trade, reason="Stopped by you.", actor=user, now=now, request_id=request_id):
        raise ChoiceRefused("Somebody has chosen before; look at how the trade stands.")
    # No worker runs for it any more.
    update_trade(trade_id=trade.pk, now=now)
    return "Stopped. What was not sent is not sent."


def _go_on(trade: Trade, user: User, now: datetime, request_id: str, read_books: BookReader) -> str:
    """Release the unsent legs at their old limits, after checking each against today's limits and prices."""
    waiting = list(trade.orders.filter(status=Status.PLANNED).select_related("market", "account"))
    venues = {order.market.venue for order in waiting}
    blocked = blocked_reason(user_id=user.pk, action=trade.action, venues=venues)
    closed = closed_for(waiting, now=now)
    if blocked or closed:
        raise ChoiceRefused(blocked or f"{' '.join(closed)} Nothing was sent; choose again when it takes orders.")
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


def _resend(trade: Trade, user: User, now: datetime, request_id: str, read_books: BookReader) -> str:
    """Send legs that placed nothing, or failed on chain, once more at their old limits, after fresh checks of each."""
    legs = offered(trade, now=now)
    if not legs:
        raise ChoiceRefused("No leg of this trade waits to be sent again; look at how it stands.")
    attempts = [again(leg, at=now) for leg in legs]
    try:
        books = read_books([order.market for order in attempts])
    except VenueError as error:
        raise ChoiceRefused("The order books cannot be read now. Nothing was sent; choose again.") from error
    refusals = [_again_refusal(order, trade, user, books, now) for order in attempts]
    free = [leg for leg, refusal in zip(legs, refusals, strict=True) if not refusal]
    if not free:
        raise ChoiceRefused(" ".join(dict.fromkeys(refusals)))
    with transaction.atomic():
        planned = plan_attempts(trade=trade, legs=free, at=now, actor=user, now=now, request_id=request_id)
        if not planned:
            raise ChoiceRefused(
                "Nothing was sent: somebody has chosen before, or the account lacks what it takes. "
                "Look at how the trade stands."
            )
        # Its deadline counts from here, and its legs wait for nobody's choice any more.
        Trade.objects.filter(pk=trade.pk).update(continued_at=now, status=Trade.Status.EXECUTING, finished_at=None)
        transaction.on_commit(partial(nudge, trade.pk))
    left = len(legs) - planned
    could_not = f" {left} could not be sent: {' '.join(dict.fromkeys(filter(None, refusals)))}" if left else ""
    return f"Sending {planned} leg{'' if planned == 1 else 's'} again.{could_not}"


def _again_refusal(order: Order, trade: Trade, user: User, books: Mapping[int, OrderBook], now: datetime) -> str:
    """Say why a leg cannot be sent again now; empty when it can."""
    order.trade = trade
    if Order.objects.filter(account_id=order.account_id, status=Status.UNKNOWN).exists():
        return f"{order.account} has an order whose outcome is unknown. Nothing new goes there before it is known."
    blocked = blocked_reason(user_id=user.pk, action=order.action, venues=[order.market.venue])
    blocked = blocked or " ".join(closed_for([order], now=now)) or send_refusal(order=order, now=now)
    if not blocked and order.action == TradeAction.BUY:
        title = order.market.question
        buying = Buying(order.market_id, order.account_id, str(order.account), title, order.reserved)
        # Counted again for the day, beside the trade that it is part of: rather too strict than too lax.
        denial = purchase_denial(user=user, mode=trade.mode, legs=[buying], limits=limits_of(user.pk), now=now)
        blocked = str(denial or "")
    return blocked or _refusal(order, books, now)


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
    closed = closed_for(trade.orders.select_related("account", "market"), now=now)
    if closed:
        raise ChoiceRefused(f"{' '.join(closed)} Nothing was sent; choose again when it takes orders.")
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
    update_trade(trade_id=trade.pk, now=now)
    return "Kept. What was bought stays yours."
