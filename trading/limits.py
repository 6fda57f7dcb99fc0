"""Every check before money moves, in one place: each has a name, and a sentence for who hits it.

LIMITS lists them with their values for the pages. A quote, a confirmation and the moment of sending use
the same functions; what cannot grow between confirming and sending is not asked again there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from itomarkets.lib.compiled import Asked, compiled
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import Side
from itomarkets.records import audit
from markets.models import Market, Quote
from markets.ticks import PriceGrid, count_step, minimum_count
from trading.exposure import Stand, by_theme, lost_today, money_at_risk, stand_of
from trading.models import Order, PersonalLimit, TicketQuote, Trade, TradeAction, VenueAccount

Mode = VenueAccount.Mode
DUPLICATE_WINDOW = timedelta(minutes=1)
Limits = Mapping[str, Any]
# What the checks of this file ask of a market and its kept prices; its texts and ids stay unread.
CHECKED_COLUMNS = (
    "venue", "native_id", "title", "subtitle", "event__title", "status", "vanished_at", "accepts_orders", "close_at",
    "price_ranges", "min_size", "quote__received_at", "quote__yes_bid", "quote__yes_ask", "quote__no_bid",
    "quote__no_ask",
)  # fmt: skip


def markets_to_check(market_ids: Iterable[int]) -> dict[int, Market]:
    """Read markets as the checks of this file ask for them, in one statement."""
    return {market.pk: market for market in _markets(market_ids=sorted(market_ids))}


@compiled
def _markets(*, market_ids: Sequence[int]) -> QuerySet[Market]:
    return Market.objects.filter(pk__in=market_ids).select_related("quote", "event").only(*CHECKED_COLUMNS)


@dataclass(frozen=True, slots=True)
class Denial:
    """A check that said no."""

    name: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit as it is shown: what it is called, what it means, and in what its value is measured."""

    name: str
    title: str
    says: str
    unit: str = "dollars"


# Those that staff can lower for one person.
MONEY_LIMITS = (
    Limit("order_notional", "One order", "The most that one leg may take, at worst."),
    Limit("trade_notional", "One trade", "The most that one click on a basket may take, at worst."),
    Limit("day_notional", "One day", "What the purchases of a UTC day may take together, at worst."),
    Limit(
        "theme_notional",
        "One theme",
        "What may be at risk in the markets of one theme: held at cost, in orders, or placed elsewhere.",
    ),
    Limit("account_exposure", "One account", "What may be at risk on one account, orders placed elsewhere included."),
    Limit("person_exposure", "All accounts", "What may be at risk on all accounts of one mode together."),
    Limit(
        "daily_loss",
        "Loss of a day",
        "When the trades of a UTC day have lost this, realised and open at the bid, nothing more is bought that day.",
    ),
)
OTHER_LIMITS = (
    Limit("price_band", "Price band", "A limit price stays this close to the middle of a fresh book.", "price"),
    Limit("quote_age_seconds", "Age of a book", "An order book older than this is not quoted on.", "seconds"),
    Limit("quote_life_seconds", "Life of a quote", "A quote older than this is not confirmed.", "seconds"),
    Limit(
        "close_buffer_seconds",
        "Closing buffer",
        "A market that is closed or paused, or closes within this time, takes no order.",
        "seconds",
    ),
    Limit(
        "send_within_seconds",
        "Sending",
        "An order that cannot go out within this time of its confirmation, at the pace that its exchange allows, "
        "is not sent.",
        "seconds",
    ),
    Limit(
        "duplicate_seconds",
        "Same basket again",
        "A second trade on a basket within this time needs a quote that says so.",
        "seconds",
    ),
)
LIMITS = (*MONEY_LIMITS, *OTHER_LIMITS)


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One line of the table of limits, for one person. `is_personal`: lower than the server's."""

    name: str
    title: str
    value: str
    says: str
    is_personal: bool


@dataclass(frozen=True, slots=True)
class Buying:
    """One leg of a purchase, as far as limits ask: the most that it takes, and from which account."""

    market_id: int
    account_id: int
    account: str
    title: str
    worst_cost: Decimal


def limits_of(user_id: int) -> dict[str, Any]:
    """Return the limits that hold for a person: the server's, and those that staff has lowered."""
    limits = {
        **settings.TRADE_LIMITS,
        "quote_life_seconds": settings.QUOTE_LIFE_SECONDS,
        "duplicate_seconds": int(DUPLICATE_WINDOW.total_seconds()),
    }
    for name, most in _personal(user_id=user_id):
        if name in limits:
            limits[name] = min(limits[name], most)
    return limits


@compiled
def _personal(*, user_id: int) -> QuerySet[PersonalLimit, tuple[str, Decimal]]:
    return PersonalLimit.objects.filter(user=user_id).values_list("name", "most")


def set_personal_limit(
    *, user: User, name: str, most: Decimal, reason: str, changed_by: User, now: datetime, request_id: str = ""
) -> PersonalLimit:
    """Set one of a person's limits, and record who did it. Raises ValueError for a name that is no such limit."""
    if name not in {limit.name for limit in MONEY_LIMITS}:
        raise ValueError(f"expected one of {', '.join(limit.name for limit in MONEY_LIMITS)}, found {name!r}")
    with transaction.atomic():
        old = PersonalLimit.objects.select_for_update(of=("self",)).filter(user=user, name=name).first()
        limit, _ = PersonalLimit.objects.update_or_create(
            user=user,
            name=name,
            defaults={"most": most, "reason": reason[:200], "changed_by": changed_by, "changed_at": now},
        )
        audit.record(
            action="limit.personal",
            subject=f"user:{user.pk}",
            actor=changed_by,
            before={} if old is None else {name: f"{old.most:f}"},
            after={name: f"{most:f}", "reason": reason[:200]},
            request_id=request_id,
            at=now,
        )
    return limit


def lift_personal_limit(*, limit: PersonalLimit, changed_by: User, now: datetime) -> None:
    """Let the server's limit hold for a person again, and record who did it."""
    with transaction.atomic():
        audit.record(
            action="limit.lifted",
            subject=f"user:{limit.user_id}",
            actor=changed_by,
            before={limit.name: f"{limit.most:f}"},
            at=now,
        )
        limit.delete()


def limit_table(user: User) -> list[LimitRow]:
    """Return every limit with its value for a person."""
    own = limits_of(user.pk)
    return [
        LimitRow(
            name=limit.name,
            title=limit.title,
            value=_value(own[limit.name], limit.unit),
            says=limit.says,
            is_personal=limit in MONEY_LIMITS and own[limit.name] < settings.TRADE_LIMITS[limit.name],
        )
        for limit in LIMITS
    ]


def _value(value: Any, unit: str) -> str:
    if unit == "dollars":
        return f"${dollars(value)}"
    if unit == "price":
        return f"{value * 100:.0f}¢"
    return f"{value} s" if value < 120 or value % 60 else f"{value // 60} min"


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
        return Denial(
            "mode",
            "This server reads the sandbox, so real and demo accounts cannot trade here. Use paper or the sandbox, or "
            "ask for a server that is started with VENUES=live.",
        )
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


def order_denial(*, title: str, worst_cost: Decimal, limits: Limits | None = None) -> Denial | None:
    """Hold one order under its notional limit."""
    most = (limits or settings.TRADE_LIMITS)["order_notional"]
    if worst_cost > most:
        return Denial(
            "order_notional", f"{title}: {dollars(worst_cost)} is above the {dollars(most)} that one order may take."
        )
    return None


def amount_denial(amount: Decimal, limits: Limits | None = None) -> Denial | None:
    """Hold one trade under its notional limit."""
    most = (limits or settings.TRADE_LIMITS)["trade_notional"]
    if amount > most:
        return Denial("trade_notional", f"{dollars(amount)} is above the {dollars(most)} that one trade may take.")
    return None


def purchase_denial(
    *, user: User, mode: str, legs: Sequence[Buying], limits: Limits, now: datetime, stand: Stand | None = None
) -> Denial | None:
    """Hold a whole purchase under the limits of trade, order, day, loss, account, person and theme.

    `stand` is where the person stands in the mode, where that was just read.
    """
    stand = stand or stand_of(user_id=user.pk, mode=mode, now=now)
    amount = sum((leg.worst_cost for leg in legs), ZERO)
    denial = amount_denial(amount, limits)
    for leg in legs:
        denial = denial or order_denial(title=leg.title, worst_cost=leg.worst_cost, limits=limits)
    return (
        denial
        or day_denial(stand=stand, amount=amount, limits=limits)
        or loss_denial(user_id=user.pk, mode=mode, limits=limits, now=now, stand=stand)
        or exposure_denial(stand=stand, legs=legs, limits=limits)
    )


def day_denial(*, stand: Stand, amount: Decimal, limits: Limits) -> Denial | None:
    """Hold what a person buys in a UTC day, at worst, under the day's limit."""
    most = limits["day_notional"]
    spent = stand.bought_today()
    if spent + amount > most:
        return Denial(
            "day_notional",
            f"This trade takes up to {dollars(amount)}; today's trades took up to {dollars(spent)} of the "
            f"{dollars(most)} that a day may take.",
        )
    return None


def loss_denial(*, user_id: int, mode: str, limits: Limits, now: datetime, stand: Stand | None = None) -> Denial | None:
    """Stop purchases when the day's trades have lost what a day may lose; sales go on."""
    most = limits["daily_loss"]
    lost = lost_today(user_id=user_id, mode=mode, now=now, stand=stand)
    if lost <= 0 or lost < most:
        return None
    return Denial(
        "daily_loss",
        f"Today's trades have lost {dollars(lost)}, realised and open, of the {dollars(most)} that a day may lose. "
        "Nothing more is bought before midnight UTC; selling goes on.",
    )


def exposure_denial(*, stand: Stand, legs: Sequence[Buying], limits: Limits) -> Denial | None:
    """Hold what is at risk, with this purchase, under the limits of an account, a person and a theme."""
    at_risk = money_at_risk(user_id=stand.user_id, mode=stand.mode, stand=stand)
    elsewhere = f", {dollars(at_risk.external)} of it placed elsewhere" if at_risk.external else ""
    for account_id, name in {leg.account_id: leg.account for leg in legs}.items():
        adds = sum((leg.worst_cost for leg in legs if leg.account_id == account_id), ZERO)
        there = at_risk.by_account.get(account_id, ZERO)
        if there + adds > limits["account_exposure"]:
            return Denial(
                "account_exposure",
                f"{name}: {dollars(there)} is at risk there{elsewhere}, and this adds up to {dollars(adds)}; one "
                f"account may have {dollars(limits['account_exposure'])} at risk. Sell something, or buy less.",
            )
    adds = sum((leg.worst_cost for leg in legs), ZERO)
    if at_risk.total + adds > limits["person_exposure"]:
        return Denial(
            "person_exposure",
            f"{dollars(at_risk.total)} is at risk on your accounts{elsewhere}, and this adds up to {dollars(adds)}; "
            f"together they may have {dollars(limits['person_exposure'])} at risk. Sell something, or buy less.",
        )
    return _theme_denial(at_risk.by_market, legs, limits["theme_notional"])


def _theme_denial(by_market: Mapping[int, Decimal], legs: Sequence[Buying], most: Decimal) -> Denial | None:
    bought: dict[int, Decimal] = {}
    for leg in legs:
        bought[leg.market_id] = bought.get(leg.market_id, ZERO) + leg.worst_cost
    if sum((max(money, ZERO) for money in (*by_market.values(), *bought.values())), ZERO) <= most:
        # No theme has more than all of them together.
        return None
    there, added = by_theme(by_market, bought)
    for theme, adds in added.items():
        if there.get(theme, ZERO) + adds > most:
            return Denial(
                "theme_notional",
                f"{dollars(there.get(theme, ZERO))} is at risk in the theme {theme}, and this adds up to "
                f"{dollars(adds)}; one theme may have {dollars(most)} at risk. Sell something, or buy less of it.",
            )
    return None


def size_denial(order: Order, market: Market) -> Denial | None:
    """Hold an order on its venue's grid of prices and counts, which may have changed since it was quoted."""
    if not PriceGrid.of(market).is_on_grid(order.limit_price):
        return Denial(
            "price_grid",
            f"{market.question} takes no price of {order.limit_price.normalize():f} any more. Quote the basket again.",
        )
    step = count_step(market)
    least = minimum_count(market) if order.action == TradeAction.BUY else step
    if order.count < least or order.count % step:
        return Denial(
            "size",
            f"{market.question} takes {least.normalize():f} contracts or more, in steps of {step.normalize():f}; this "
            f"order is of {order.count.normalize():f}. Quote the basket again.",
        )
    return None


def price_denial(
    *, market: Market, side: str, action: str, limit: Decimal, since: datetime, limits: Limits, now: datetime
) -> Denial | None:
    """Hold a limit price against a price that was received after `since`, when the order's own book was read.

    Without such a price there is nothing to compare: the limit itself bounds what is paid.
    """
    quote: Quote | None = getattr(market, "quote", None)
    if quote is None or quote.received_at <= since:
        return None
    if (now - quote.received_at).total_seconds() > limits["quote_age_seconds"]:
        return None
    is_yes, is_buy = side == Side.YES, action == TradeAction.BUY
    bid, ask = (quote.yes_bid, quote.yes_ask) if is_yes else (quote.no_bid, quote.no_ask)
    best = ask if is_buy else bid
    if best is None:
        return None
    mid = (bid + ask) / 2 if bid is not None and ask is not None else best
    if abs(limit - mid) > limits["price_band"]:
        return Denial(
            "price_band",
            f"{market.question}: the limit of {limit.normalize():f} is more than {limits['price_band']} from the "
            f"middle of the book, {mid.normalize():f}, by now. Quote the basket again.",
        )
    return None


def moved_denial(
    *, market: Market, side: str, action: str, limit: Decimal, since: datetime, now: datetime
) -> Denial | None:
    """Refuse to confirm a leg that a newer price has put past its worst case: it would fill nothing."""
    quote: Quote | None = getattr(market, "quote", None)
    if quote is None or not since < quote.received_at <= now:
        return None
    is_yes, is_buy = side == Side.YES, action == TradeAction.BUY
    best = (quote.yes_ask if is_yes else quote.no_ask) if is_buy else (quote.yes_bid if is_yes else quote.no_bid)
    if best is None or (best <= limit if is_buy else best >= limit):
        return None
    return Denial(
        "moved",
        f"{market.question} moved to {best.normalize():f} since this quote, past its limit of {limit.normalize():f}. "
        "Quote the basket again.",
    )


def last_minute_trade(
    *, user: User, basket_id: int, mode: str, now: datetime, trades: Iterable[Trade] | None = None
) -> Trade | None:
    """Return the person's trade on the same basket within the last minute; `trades` are theirs, newest first."""
    since = now - DUPLICATE_WINDOW
    if trades is None:
        return Trade.objects.filter(user=user, basket_id=basket_id, mode=mode, created_at__gt=since).first()
    same = (trade for trade in trades if (trade.basket_id, trade.mode) == (basket_id, mode))
    return next((trade for trade in same if trade.created_at > since), None)


def duplicate_denial(*, user: User, quote: TicketQuote, trades: Iterable[Trade], now: datetime) -> Denial | None:
    """Ask again when the same basket was traded within the minute and this quote was not yet made then.

    A quote made after that trade has said so, and confirming it is the answer.
    """
    trade = last_minute_trade(user=user, basket_id=quote.basket_id, mode=quote.mode, now=now, trades=trades)
    if trade is None or quote.created_at > trade.created_at:
        return None
    return Denial(
        "duplicate", "You confirmed a trade on this basket less than a minute ago. If you want another, quote it anew."
    )


def send_deadline(order: Order) -> datetime:
    """Return the last moment to send an order: counted from its plan, or from when its owner said to go on."""
    since = max(order.created_at, order.trade.continued_at or order.created_at)
    return since + timedelta(seconds=settings.TRADE_LIMITS["send_within_seconds"])


@dataclass(frozen=True, slots=True)
class Desk:
    """What the checks of orders in the moment of sending look at, read once for all orders of a trade."""

    accounts: Mapping[int, VenueAccount]
    markets: Mapping[int, Market]
    limits: Limits
    # Why nothing more is bought today.
    loss: Denial | None


def desk_of(orders: Sequence[Order], *, accounts: Mapping[int, VenueAccount], now: datetime) -> Desk:
    """Read what orders of one trade are checked against; `accounts` are those that the caller has just read."""
    trade = orders[0].trade
    limits = limits_of(trade.user_id)
    buys = any(order.action == TradeAction.BUY for order in orders)
    return Desk(
        accounts=accounts,
        markets=markets_to_check({order.market_id for order in orders}),
        limits=limits,
        loss=loss_denial(user_id=trade.user_id, mode=trade.mode, limits=limits, now=now) if buys else None,
    )


def asked_by_desk(orders: Sequence[Order]) -> list[Asked]:
    """Return what `desk_of` will ask first, for `read_ahead`."""
    return asked_by_checks(user_id=orders[0].trade.user_id, market_ids={order.market_id for order in orders})


def asked_by_checks(*, user_id: int, market_ids: Iterable[int]) -> list[Asked]:
    """Return what `limits_of` and `markets_to_check` will ask, for `read_ahead`."""
    return [_personal.asked(user_id=user_id), _markets.asked(market_ids=sorted(market_ids))]


def send_refusal(*, order: Order, now: datetime, desk: Desk | None = None) -> str:
    """Check an order once more in the moment of sending; empty when it may go.

    Exposure is not summed again: each confirmation was checked under the locks of the person's accounts,
    and only a confirmation adds to it. A loss grows by itself. `desk` is for several orders of one trade.
    """
    if now > send_deadline(order):
        within = settings.TRADE_LIMITS["send_within_seconds"]
        return f"Too late: it was confirmed more than {within} seconds ago and its quote no longer holds."
    if desk is None:
        desk = desk_of([order], accounts=VenueAccount.objects.in_bulk([order.account_id]), now=now)
    account, market, limits = desk.accounts[order.account_id], desk.markets[order.market_id], desk.limits
    denial = (
        account_denial(account)
        or market_denial(market, now=now)
        or size_denial(order, market)
        or order_denial(title=market.question, worst_cost=order.reserved, limits=limits)
    )
    if denial is None and account.mode != Mode.DEMO:
        denial = price_denial(
            market=market,
            side=order.side,
            action=order.action,
            limit=order.limit_price,
            since=order.created_at,
            limits=limits,
            now=now,
        )
    if denial is None and order.action == TradeAction.BUY:
        denial = desk.loss
    return str(denial or "")
