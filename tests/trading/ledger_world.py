"""Orders and fills put straight into the database, for tests of what the ledger makes of them."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from accounts.models import User
from baskets.models import Basket
from markets.models import Market
from tests.trading.venue import make_basket, sandbox_account
from trading.accounts import paper_account
from trading.models import Order, Trade, VenueAccount
from trading.positions import book_fills
from trading.venues.base import VenueFill

D = Decimal


def account_at(user: User, venue: str, now: datetime) -> VenueAccount:
    return paper_account(user, now=now) if venue == "paper" else sandbox_account(user, now, venue)


def basket_of(market: Market) -> Basket:
    return make_basket([(market, "yes", "1", "10")])


def make_order(
    account: VenueAccount, basket: Basket, market: Market, now: datetime, *, side: str = "yes", action: str = "buy",
    count: str = "1000", status: str = "filled",
) -> Order:  # fmt: skip
    composition = basket.compositions.get()
    trade = Trade.objects.create(
        user=account.user, basket=basket, composition=composition, action=action, side="yes", mode=account.mode,
        amount=D(100), worst_cost=D(100), idempotency_key=uuid4().hex, created_at=now,
    )  # fmt: skip
    return Order.objects.create(
        trade=trade, leg_no=1, account=account, market=market, side=side, action=action, count=D(count),
        limit_price=D("0.5"), reserved=D(0), client_id=uuid4(), created_at=now, status=status,
    )  # fmt: skip


def told(
    name: str, count: str, price: str, now: datetime, *, fee: str = "0", second: int = 0, settlement: str = "confirmed"
) -> VenueFill:
    return VenueFill(name, D(count), D(price), D(fee), now + timedelta(seconds=second), settlement)


def bought(
    account: VenueAccount, basket: Basket, market: Market, now: datetime, count: str, price: str, *, side: str = "yes",
    fee: str = "0", second: int = 0, action: str = "buy", settlement: str = "confirmed",
) -> Order:  # fmt: skip
    """Book one fill of an order of its own."""
    order = make_order(account, basket, market, now, side=side, action=action)
    report = told(f"t{order.pk}", count, price, now, fee=fee, second=second, settlement=settlement)
    book_fills(order=order, fills=[report], now=now + timedelta(seconds=second))
    return order


def resolve(market: Market, payout: str, status: str = "resolved") -> None:
    Market.objects.filter(pk=market.pk).update(status=status, payout=D(payout))
