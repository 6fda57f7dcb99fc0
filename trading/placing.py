"""A confirmation becomes a trade: one transaction holds the intention, its ids, the money and the audit line."""

import logging
from datetime import datetime
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from kombu.exceptions import OperationalError

from accounts.models import User
from itomarkets.lib.compiled import compiled, insert_all, read_ahead
from itomarkets.lib.rounding import ZERO
from itomarkets.records import audit
from markets.models import Market
from trading.exposure import Stand, asked_of_recent, recent_trades, stand_of
from trading.limits import (
    Denial,
    Limits,
    account_denial,
    asked_by_checks,
    dollars,
    duplicate_denial,
    limits_of,
    market_denial,
    markets_to_check,
    moved_denial,
    price_denial,
    purchase_denial,
)
from trading.models import Order, Position, TicketQuote, Trade, TradeAction, VenueAccount
from trading.planning import PlannedOrder, QuotedLeg, plan_orders
from trading.quoting import buyings_of, legs_of
from trading.sides import free_to_sell
from trading.switch import blocked_reason, locked_switches
from trading.tasks import run_trade

logger = logging.getLogger(__name__)

OFFERED_POLICIES = (Trade.Policy.BEST_EFFORT, Trade.Policy.HOLD_AND_ASK, Trade.Policy.ALL_OR_UNWIND)
LONGEST_KEY = 64
# What a confirmation asks of an account: its sealed keys stay where they are.
ACCOUNT_COLUMNS = ("kind", "mode", "is_enabled", "live_enabled", "cash", "external")
TRADE_NAMESPACE = UUID("5b1c2f0a-6f0e-4f37-9a52-5d0f3a8a7c11")


class TradeRefused(Exception):
    """The confirmation was refused, and nothing was stored or sent. `code` names the reason for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def confirm_trade(
    *, user: User, quote_id: UUID | str, idempotency_key: str, policy: str, now: datetime, request_id: str = ""
) -> Trade:
    """Confirm a quote, once: the same key or the same quote again returns the trade that is there.

    Stores the trade, its orders with their ids, the reserve and the audit line in one transaction,
    then nudges a worker. Raises TradeRefused: unknown or expired quote, a key that was used for
    another quote, a limit, the kill switch, missing cash or contracts.
    """
    if not 0 < len(idempotency_key) <= LONGEST_KEY:
        raise TradeRefused("key", f"Expected an idempotency key of 1 to {LONGEST_KEY} characters.")
    if policy not in OFFERED_POLICIES:
        raise TradeRefused(
            "policy", f"Expected the policy {' or '.join(OFFERED_POLICIES)}; found {policy!r}. Choose one of these."
        )
    quote = _quote(user, quote_id)
    if policy == Trade.Policy.ALL_OR_UNWIND and quote.action == TradeAction.SELL:
        raise TradeRefused("policy", "A sale is not unwound by buying back. Choose best_effort or hold_and_ask.")
    try:
        with transaction.atomic():
            return _store(user, quote, idempotency_key, policy, now, request_id)
    except IntegrityError as error:
        # Two clicks at once: one stored its trade, this one reads it.
        standing = _standing(_recent(user, quote, idempotency_key, now), quote, idempotency_key)
        if standing is None:
            raise TradeRefused(
                "conflict", "Another confirmation came in between. Look at your trades first."
            ) from error
        return standing


def nudge(trade_id: UUID) -> None:
    """Tell a worker that a trade has orders to send. Losing this message loses nothing: the rows are the queue."""
    try:
        run_trade.delay(str(trade_id))
    except (OperationalError, OSError) as error:
        logger.error("trade %s: no worker was told (%s); the next reconciliation sends its orders", trade_id, error)


def _quote(user: User, quote_id: UUID | str) -> TicketQuote:
    try:
        return _quotes(user_id=user.pk, quote_id=UUID(str(quote_id)))[0]
    except (ValueError, IndexError) as error:
        raise TradeRefused("quote_unknown", "There is no such quote. Quote the basket again.") from error


@compiled
def _quotes(*, user_id: int, quote_id: UUID) -> QuerySet[TicketQuote]:
    return TicketQuote.objects.filter(pk=quote_id, user=user_id)


@compiled
def _locked_accounts(*, user_id: int, mode: str) -> QuerySet[VenueAccount]:
    own = VenueAccount.objects.select_for_update().filter(user=user_id, mode=mode)
    return own.only(*ACCOUNT_COLUMNS).order_by("pk")


def _recent(user: User, quote: TicketQuote, key: str, now: datetime) -> list[Trade]:
    """Read the person's trades that limits ask for, and any that this confirmation has made."""
    return recent_trades(user_id=user.pk, now=now, key=key, quote_id=quote.pk)


def _standing(trades: list[Trade], quote: TicketQuote, key: str) -> Trade | None:
    """Return the trade that this confirmation has already made."""
    by_key = next((trade for trade in trades if trade.idempotency_key == key), None)
    if by_key is not None and by_key.quote_id != quote.pk:
        raise TradeRefused("key_reused", "This idempotency key confirmed another quote. Use a new key for a new quote.")
    found = by_key or next((trade for trade in trades if trade.quote_id == quote.pk), None)
    return None if found is None else Trade.objects.get(pk=found.pk)


def _store(user: User, quote: TicketQuote, key: str, policy: str, now: datetime, request_id: str) -> Trade:
    legs = legs_of(quote)
    venues = sorted({leg.venue for leg in legs})
    with read_ahead(
        locked_switches.asked(user_id=user.pk, venues=venues),
        _locked_accounts.asked(user_id=user.pk, mode=quote.mode),
        asked_of_recent(user_id=user.pk, now=now, key=key, quote_id=quote.pk),
        *asked_by_checks(user_id=user.pk, market_ids={leg.market_id for leg in legs}),
    ):
        blocked = blocked_reason(user_id=user.pk, action=quote.action, venues=venues, lock=True)
        # All of the mode's, locked in the order of their ids: two confirmations, on whichever accounts, cannot
        # both spend the same cash or the same room under a limit.
        mine = _locked_accounts(user_id=user.pk, mode=quote.mode)
        # Whoever waited here for a twin of this very click finds its trade now.
        trades = _recent(user, quote, key, now)
        standing = _standing(trades, quote, key)
        if standing is not None:
            return standing
        if not quote.is_alive(now):
            raise TradeRefused("quote_expired", "This quote has run out. Quote the basket again; nothing was sent.")
        if blocked:
            raise TradeRefused("switch", blocked)
        trade_id = uuid5(TRADE_NAMESPACE, str(quote.pk))
        planned = plan_orders(trade_id=trade_id, action=quote.action, legs=legs)
        stand = stand_of(user_id=user.pk, mode=quote.mode, now=now, accounts=mine, trades=trades)
        _check(user, quote, legs, planned, stand)
    trade = Trade(
        id=trade_id,
        user=user,
        basket_id=quote.basket_id,
        composition_id=quote.composition_id,
        action=quote.action,
        side=quote.side,
        mode=quote.mode,
        policy=policy,
        amount=quote.amount,
        worst_cost=quote.worst_cost,
        idempotency_key=key,
        quote_id=quote.pk,
        request_id=request_id[:64],
        created_at=now,
    )
    insert_all([trade])
    insert_all(
        [
            Order(
                trade=trade,
                leg_no=order.leg_no,
                account_id=order.account_id,
                market_id=order.market_id,
                side=order.side,
                action=order.action,
                count=order.count,
                limit_price=order.limit_price,
                reserved=order.reserved,
                depth_share=order.depth_share,
                client_id=order.client_id,
                created_at=now,
            )
            for order in planned
        ]
    )
    audit.record(
        action="trade.confirmed",
        subject=f"trade:{trade.pk}",
        actor=user,
        after={
            "basket": quote.basket_id,
            "action": quote.action,
            "side": quote.side,
            "mode": quote.mode,
            "policy": policy,
            "amount": str(quote.amount),
            "worst_cost": str(quote.worst_cost),
            "orders": {str(order.client_id): f"{order.count} at {order.limit_price}" for order in planned},
        },
        request_id=request_id[:64],
        at=now,
    )
    transaction.on_commit(partial(nudge, trade.pk))
    return trade


def _check(
    user: User,
    quote: TicketQuote,
    legs: list[QuotedLeg],
    planned: list[PlannedOrder],
    stand: Stand,
) -> None:
    """Check once more, under the accounts' locks, everything that may have changed since the quote."""
    now = stand.now
    _refuse(duplicate_denial(user=user, quote=quote, trades=stand.trades, now=now))
    limits = limits_of(user.pk)
    markets = markets_to_check(order.market_id for order in planned)
    for market in markets.values():
        _refuse(market_denial(market, now=now))
    wanted = {order.account_id for order in planned}
    accounts = [account for account in stand.accounts if account.pk in wanted]
    if len(accounts) < len(wanted):
        raise TradeRefused("account", "An account of this quote is no longer yours. Quote the basket again.")
    for account in accounts:
        _refuse(account_denial(account))
    if quote.mode != VenueAccount.Mode.DEMO:
        # Prices that are kept are those of the real exchanges, or of the sandbox: not of the demo.
        _check_prices(quote, planned, markets, limits, now)
    if quote.action == TradeAction.SELL:
        _require_contracts(quote, planned)
        return
    _refuse(purchase_denial(user=user, mode=quote.mode, legs=buyings_of(legs), limits=limits, now=now, stand=stand))
    for account in accounts:
        needed = sum((order.reserved for order in planned if order.account_id == account.pk), ZERO)
        _require_cash(account, needed, free=account.cash - stand.reserved_on(account.pk))


def _check_prices(
    quote: TicketQuote, planned: list[PlannedOrder], markets: dict[int, Market], limits: Limits, now: datetime
) -> None:
    """Hold each order against a price that came in since the quote, where one did: its worst case must still do."""
    for order in planned:
        market = markets[order.market_id]
        _refuse(
            moved_denial(
                market=market,
                side=order.side,
                action=order.action,
                limit=order.limit_price,
                since=quote.created_at,
                now=now,
            )
        )
        _refuse(
            price_denial(
                market=market,
                side=order.side,
                action=order.action,
                limit=order.limit_price,
                since=quote.created_at,
                limits=limits,
                now=now,
            )
        )


def _refuse(denial: Denial | None) -> None:
    if denial is not None:
        raise TradeRefused(denial.name, denial.message)


def _require_cash(account: VenueAccount, needed: Decimal, *, free: Decimal) -> None:
    if needed > free:
        raise TradeRefused(
            "cash", f"{account} has {dollars(free)} free, and this trade may take {dollars(needed)}. Quote less."
        )


def _require_contracts(quote: TicketQuote, planned: list[PlannedOrder]) -> None:
    for order in planned:
        position = Position.objects.filter(
            account_id=order.account_id, basket_id=quote.basket_id, market_id=order.market_id, side=order.side
        ).first()
        free = free_to_sell(position) if position else ZERO
        if order.count > free:
            raise TradeRefused("contracts", f"Only {free} contracts are left to sell of a leg. Quote the sale again.")
