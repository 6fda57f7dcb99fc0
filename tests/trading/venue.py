"""Books and baskets for trading tests, and a small scripted venue that keeps its own ledger as the oracle."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from accounts.models import User
from baskets.models import Basket, Composition, Constituent
from itomarkets.lib.venues import VenueUnavailable
from markets.models import Market
from markets.venues.base import Level, OrderBook, SideBook
from tests.factories import BORN, make_market
from trading.accounts import connect_account
from trading.models import Order, VenueAccount
from trading.venues.base import Placement, Sighting, SignedOrder, SubmitResult, VenueFill, VenueOrder
from trading.venues.paper import PaperOrders

D = Decimal
Levels = Sequence[tuple[str, str]]
KEYS = ["t1:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]


def side_book(bids: Levels, asks: Levels) -> SideBook:
    return SideBook(
        bids=tuple(Level(D(price), D(size)) for price, size in bids),
        asks=tuple(Level(D(price), D(size)) for price, size in asks),
    )


class Books:
    """Order books by market, as a venue's read side would serve them."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.books: dict[int, OrderBook] = {}
        self.is_down = False

    def put(self, market: Market, *, bids: Levels, asks: Levels, received_at: datetime | None = None) -> None:
        yes = side_book(bids, asks)
        self.books[market.pk] = OrderBook(
            yes=yes, no=yes.flipped(), observed_at=self.now, received_at=received_at or self.now
        )

    def move_to(self, now: datetime) -> None:
        """Let time pass; every book is received anew, unchanged."""
        self.now = now
        self.books = {
            pk: OrderBook(yes=book.yes, no=book.no, observed_at=now, received_at=now) for pk, book in self.books.items()
        }

    def read(self, markets: Sequence[Market]) -> dict[int, OrderBook]:
        if self.is_down:
            raise VenueUnavailable("no answer", venue="kalshi")
        return {market.pk: self.books[market.pk] for market in markets if market.pk in self.books}

    def paper(self, account: VenueAccount) -> PaperOrders:
        return PaperOrders(account=account, fetch_books=self.read, now=lambda: self.now)


OPENING = D(1000)
_numbers = itertools.count(1)


def make_basket(legs: Sequence[tuple[Market, str, str, str]], **values: Any) -> Basket:
    """Make a public basket that holds (market, side, weight, units)."""
    number = next(_numbers)
    owner = values.pop("owner", None) or User.objects.create_user(f"owner{number}", f"owner{number}@example.com")
    basket = Basket.objects.create(
        slug=f"basket-{number}",
        name=f"Basket {number}",
        kind=Basket.Kind.CUSTOM,
        visibility=values.pop("visibility", Basket.Visibility.PUBLIC),
        owner=owner,
        created_at=BORN,
        **values,
    )
    composition = Composition.objects.create(
        basket=basket,
        version=1,
        effective_at=BORN,
        reason="first",
        method_version="1",
        inputs_hash="0" * 64,
        divisor=D(1),
        divisor_net=D(1),
        value_after=D(100),
    )
    for market, side, weight, units in legs:
        Constituent.objects.create(
            composition=composition,
            market=market,
            side=side,
            weight=D(weight),
            units=D(units),
            mark=D("0.5"),
            mark_reason="mid",
        )
    return basket


def two_leg_basket(books: Books, **values: Any) -> tuple[Basket, Market, Market]:
    """A Kalshi YES leg at .40/.42 and a Polymarket NO leg whose YES stands at .30/.34."""
    kalshi, polymarket = make_market(), make_market(venue="polymarket")
    books.put(kalshi, bids=[("0.40", "500"), ("0.39", "500")], asks=[("0.42", "300"), ("0.43", "700")])
    books.put(polymarket, bids=[("0.30", "400"), ("0.29", "900")], asks=[("0.34", "800")])
    basket = make_basket([(kalshi, "yes", "0.5", "100"), (polymarket, "no", "0.5", "60")], **values)
    return basket, kalshi, polymarket


def sandbox_account(user: User, now: datetime, kind: str = "kalshi", cash: str = "1000") -> VenueAccount:
    secrets = {
        "kalshi": {"key_id": "key-id-0001", "private_key_pem": "a pem"},
        "polymarket": {"private_key": "0x1", "wallet": "0xabc4"},
    }[kind]
    return connect_account(user=user, kind=kind, mode="sandbox", credentials=secrets, cash=D(cash), now=now)


@dataclass
class FakeVenue:
    """A venue whose faults a test scripts by leg: what it does with a submit, and what it answers.

    Faults: accept, reject, drop (takes the order, the answer is lost), lose (takes nothing, no answer),
    unsent, partial, rest (stays open until it is canceled), slow_fills (fills are listed late).
    """

    now: Callable[[], datetime]
    faults: dict[int, str] = field(default_factory=dict)
    price: str | None = None
    fee: str = "0.01"
    posts: list[str] = field(default_factory=list)
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    fills: dict[str, list[VenueFill]] = field(default_factory=dict)
    hidden_fills: dict[str, list[VenueFill]] = field(default_factory=dict)
    money: Decimal = OPENING
    counts: dict[int, Decimal] = field(default_factory=dict)
    is_down: bool = False
    complete: bool = True
    during_submit: Callable[[Order], None] | None = None

    def __call__(self, account: VenueAccount) -> "FakeVenue":
        return self

    def sign(self, order: Order) -> SignedOrder:
        return SignedOrder(payload=f'{{"count": "{order.count}"}}', order_hash=f"0x{order.client_id.hex}")

    def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
        stored = Order.objects.get(pk=order.pk)
        assert stored.status == Order.Status.SUBMITTING
        assert stored.signed_payload == signed.payload
        if self.during_submit:
            self.during_submit(order)
        fault = self.faults.get(order.leg_no, "accept")
        if fault == "unsent":
            return SubmitResult(Placement.UNSENT, reason="connection refused")
        self.posts.append(str(order.client_id))
        if fault == "reject":
            return SubmitResult(Placement.REJECTED, reason="insufficient balance", evidence={"status": 400})
        if fault == "lose":
            return SubmitResult(Placement.UNKNOWN, reason="timed out")
        self._take(order, fault)
        if fault == "drop":
            return SubmitResult(Placement.UNKNOWN, reason="the connection broke")
        return SubmitResult(Placement.ACCEPTED, venue_order_id=f"v-{order.client_id}")

    def _take(self, order: Order, fault: str) -> None:
        key = str(order.client_id)
        filled = {"partial": order.count / 2, "rest": D(0)}.get(fault, order.count)
        price = D(self.price) if self.price else order.limit_price
        if filled:
            fill = VenueFill(f"t-{key}", filled, price, D(self.fee), self.now())
            (self.hidden_fills if fault == "slow_fills" else self.fills).setdefault(key, []).append(fill)
            sign = 1 if order.action == "buy" else -1
            self.money -= sign * filled * price + D(self.fee)
            net = sign * filled if order.side == "yes" else -sign * filled
            self.counts[order.market_id] = self.counts.get(order.market_id, D(0)) + net
        ended = "" if fault == "rest" else "executed" if filled == order.count else "canceled"
        self.orders[key] = VenueOrder(f"v-{key}", filled=filled, ended=ended)

    def show_fills(self) -> None:
        for key, fills in self.hidden_fills.items():
            self.fills.setdefault(key, []).extend(fills)
        self.hidden_fills.clear()

    def look_up(self, order: Order) -> Sighting:
        if self.is_down:
            raise VenueUnavailable("no answer", venue="kalshi")
        key = str(order.client_id)
        return Sighting(self.orders.get(key), tuple(self.fills.get(key, ())), complete=self.complete)

    def cancel(self, order: Order) -> None:
        key = str(order.client_id)
        old = self.orders[key]
        self.orders[key] = VenueOrder(old.venue_order_id, filled=old.filled, ended="canceled")

    def cash(self) -> Decimal:
        return self.money

    def net_counts(self, markets: Sequence[Market]) -> dict[int, Decimal]:
        return {market.pk: self.counts.get(market.pk, D(0)) for market in markets}

    def close(self) -> None:
        return
