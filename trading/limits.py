"""Every check before money moves, in one place: each has a name, and a sentence for who hits it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from accounts.models import User
from itomarkets.lib.rounding import ZERO
from markets.models import Market
from trading.models import Order, TicketQuote, Trade, TradeAction, VenueAccount

Mode = VenueAccount.Mode
DUPLICATE_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Denial:
    """A check that said no."""

    name: str
    message: str

    def __str__(self) -> str:
        return self.message


def dollars(amount: Decimal) -> str:
    """Write money the way people read it."""
    return f"{amount:,.2f}"


def market_denial(market: Market, *, now: datetime) -> Denial | None:
    """Say why a market takes no new order: closed, paused, or about to close."""
    if market.status != Market.Status.OPEN or market.vanished_at is not None:
        status = "gone from its venue" if market.vanished_at else market.get_status_display().lower()
        return Denial("market_open", f"{market.question} is {status}.")
    if not market.accepts_orders:
        return Denial("market_accepts_orders", f"{market.question} takes no orders now.")
    buffer = timedelta(seconds=settings.TRADE_LIMITS["close_buffer_seconds"])
    if market.close_at is not None and market.close_at - now <= buffer:
        return Denial(
            "close_buffer", f"{market.question} closes within {int(buffer.total_seconds() // 60)} minutes, or has."
        )
    return None


def mode_denial(mode: str) -> Denial | None:
    """Say why a mode cannot trade as this server is set up: quotes and orders must be of the same exchange."""
    if mode == Mode.LIVE and not settings.LIVE_TRADING:
        return Denial("live_trading", "Live trading is off on this server. Use paper or the sandbox.")
    if mode == Mode.SANDBOX and settings.VENUES != "sandbox":
        return Denial("mode", "This server reads the real exchanges, so sandbox accounts cannot trade here. Use paper.")
    if mode in (Mode.LIVE, Mode.DEMO) and settings.VENUES != "live":
        return Denial("mode", "This server reads the sandbox, so real and demo accounts cannot trade here. Use paper.")
    return None


def account_denial(account: VenueAccount) -> Denial | None:
    """Say why an account may not trade."""
    denial = mode_denial(account.mode)
    if denial:
        return denial
    if not account.is_enabled:
        return Denial("account_enabled", f"{account} is switched off. Switch it on in your profile.")
    if account.mode == Mode.LIVE and not account.live_enabled:
        return Denial("live_enabled", f"{account} is not switched to live. Switch it in your profile.")
    return None


def order_denial(*, title: str, worst_cost: Decimal) -> Denial | None:
    """Hold one order under its notional limit."""
    most = settings.TRADE_LIMITS["order_notional"]
    if worst_cost > most:
        return Denial(
            "order_notional", f"{title}: {dollars(worst_cost)} is above the {dollars(most)} that one order may take."
        )
    return None


def amount_denial(amount: Decimal) -> Denial | None:
    """Hold one trade under its notional limit."""
    most = settings.TRADE_LIMITS["trade_notional"]
    if amount > most:
        return Denial("trade_notional", f"{dollars(amount)} is above the {dollars(most)} that one trade may take.")
    return None


def day_denial(*, user: User, mode: str, amount: Decimal, now: datetime) -> Denial | None:
    """Hold what a person buys in a UTC day, at worst, under the day's limit."""
    most = settings.TRADE_LIMITS["day_notional"]
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    trades = Trade.objects.filter(user=user, mode=mode, action=TradeAction.BUY, created_at__gte=start)
    spent = sum(trades.exclude(status=Trade.Status.ABORTED).values_list("worst_cost", flat=True), ZERO)
    if spent + amount > most:
        return Denial(
            "day_notional",
            f"This trade takes up to {dollars(amount)}; today's trades took up to {dollars(spent)} of the "
            f"{dollars(most)} that a day may take.",
        )
    return None


def last_minute_trade(*, user: User, basket_id: int, mode: str, now: datetime) -> Trade | None:
    """Return the person's trade on the same basket within the last minute."""
    return Trade.objects.filter(
        user=user, basket_id=basket_id, mode=mode, created_at__gt=now - DUPLICATE_WINDOW
    ).first()


def duplicate_denial(*, quote: TicketQuote, now: datetime) -> Denial | None:
    """Ask again when the same basket was traded within the minute and this quote was not yet made then.

    A quote made after that trade has said so, and confirming it is the answer.
    """
    trade = last_minute_trade(user=quote.user, basket_id=quote.basket_id, mode=quote.mode, now=now)
    if trade is None or quote.created_at > trade.created_at:
        return None
    return Denial(
        "duplicate", "You confirmed a trade on this basket less than a minute ago. If you want another, quote it anew."
    )


def send_deadline(order: Order) -> datetime:
    """Return the last moment to send an order: counted from its plan, or from when its owner said to go on."""
    since = max(order.created_at, order.trade.continued_at or order.created_at)
    return since + timedelta(seconds=settings.TRADE_LIMITS["send_within_seconds"])


def send_refusal(*, order: Order, now: datetime) -> str:
    """Check an order once more in the moment of sending; empty when it may go."""
    within = settings.TRADE_LIMITS["send_within_seconds"]
    if now > send_deadline(order):
        return f"Too late: it was confirmed more than {within} seconds ago and its quote no longer holds."
    account = VenueAccount.objects.get(pk=order.account_id)
    market = Market.objects.get(pk=order.market_id)
    denial = (
        account_denial(account)
        or market_denial(market, now=now)
        or (order_denial(title=market.question, worst_cost=order.reserved))
    )
    return str(denial or "")
