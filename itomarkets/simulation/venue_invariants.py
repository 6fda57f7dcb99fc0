"""I8 to I11: what arrives at the exchanges, judged there, request by request.

Each judge raises AssertionError with what it found. They read the exchanges' own log and the rows
that had been committed when a request arrived.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.conf import settings
from django.db import connection
from django.db.models import Q

from itomarkets.lib.http import LONGEST_WAIT_SECONDS, READ_RETRIES
from itomarkets.lib.rounding import ZERO
from itomarkets.records.audit import verify_chain
from itomarkets.records.models import AuditEntry
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.model import SandboxMarket
from itomarkets.simulation.network import Arrival
from trading.models import Order, OrderEvent, TradingSwitch
from trading.states import AT_VENUE

MILLION = 1_000_000
# What a listing is asked for again within one look-up, and how often a run looks.
MOST_FAILED_IN_A_ROW = (READ_RETRIES + 1) * 8


@dataclass(frozen=True, slots=True)
class Create:
    """One order that a request asks an exchange for, with prices of the side that it trades."""

    order: Order
    market: SandboxMarket
    price: Decimal
    count: Decimal


@dataclass(slots=True)
class Judges:
    """What the exchanges remember of one simulation."""

    world: World
    budgets: dict[str, tuple[int, int]]
    depth: int
    posts: Counter[str] = field(default_factory=Counter)
    mids: dict[str, deque[tuple[float, Decimal]]] = field(default_factory=lambda: defaultdict(deque))
    tokens: dict[int, tuple[float, Decimal]] = field(default_factory=dict)
    paused_until: dict[str, tuple[float, int]] = field(default_factory=dict)
    failed_in_a_row: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    # What the last creating request has asked for, by its number.
    asked: tuple[int, list[Create]] = (0, [])

    def before(self, arrival: Arrival) -> None:
        """Judge a request that is about to reach an exchange."""
        assert len(connection.savepoint_ids) + connection.in_atomic_block == self.depth, (
            f"{arrival.method} {arrival.path} was sent inside a transaction of the database"
        )
        self.pauses_are_kept(arrival)
        for create in self._creates(arrival):
            self.inside_bounds(create, arrival)
            self.once_an_attempt(create)
            self.inside_the_budget(create, arrival)
            switch_is_obeyed(create.order)
            nothing_beside_what_stands(create.order)
            intended(create.order)
        if arrival.is_cancel:
            cancel_was_intended(arrival)

    def after(self, arrival: Arrival) -> None:
        """Remember what an exchange has answered."""
        self._remember_books(arrival)
        self._told_to_pause(arrival)
        key = (arrival.method, arrival.path, arrival.query)
        if arrival.method != "GET":
            return
        if 200 <= arrival.status < 300:
            self.failed_in_a_row.pop(key, None)
            return
        self.failed_in_a_row[key] += 1
        assert self.failed_in_a_row[key] <= MOST_FAILED_IN_A_ROW, (
            f"I9: {arrival.path} was asked {self.failed_in_a_row[key]} times in a row without an answer"
        )

    def new_event(self) -> None:
        """Begin counting retries anew: another look at another time is none."""
        self.failed_in_a_row.clear()

    def restarted(self) -> None:
        """Forget what a killed process had been told: its pauses died with it."""
        self.paused_until.clear()

    def inside_bounds(self, create: Create, arrival: Arrival) -> None:
        """I8: on the grid, inside the band around a price that the exchange has just shown, under the limits."""
        market, order = create.market, create.order
        limits = settings.TRADE_LIMITS
        yes = create.price if order.side == "yes" else 1 - create.price
        assert market.on_grid(yes), f"I8: {market.key} got the price {yes}, which is not on its grid"
        shown = [mid for at, mid in self.mids[market.key] if arrival.seconds - at <= limits["quote_age_seconds"]]
        assert shown, f"I8: {market.key} got an order, and its book was not read for {limits['quote_age_seconds']} s"
        nearest = min(abs(yes - mid) for mid in shown)
        assert nearest <= limits["price_band"], (
            f"I8: {market.key} got {order.action} {order.side} at {yes} of YES; it showed {', '.join(map(str, shown))}"
        )
        if order.action == "buy":
            notional = create.price * create.count
            assert notional <= limits["order_notional"], f"I8: an order of {notional}"
            assert order.trade.worst_cost <= limits["trade_notional"], f"I8: a trade of {order.trade.worst_cost}"
        assert (create.price, create.count) == (order.limit_price, order.count), (
            f"I8: {order} was planned as {order.count} at {order.limit_price} and sent as {create.count} at "
            f"{create.price}"
        )

    def once_an_attempt(self, create: Create) -> None:
        """I9: one POST an attempt id, whatever came back."""
        attempt = str(create.order.client_id)
        self.posts[attempt] += 1
        assert self.posts[attempt] == 1, f"I9: {create.order} arrived {self.posts[attempt]} times"

    def inside_the_budget(self, create: Create, arrival: Arrival) -> None:
        """I9: an account's orders arrive no faster than its write budget: a bucket that never runs below empty."""
        account = create.order.account
        rate, burst = self.budgets[account.kind]
        at, left = self.tokens.get(account.pk, (arrival.seconds, Decimal(burst)))
        earned = Decimal(str(arrival.seconds - at)) * rate
        left = min(Decimal(burst), left + earned) - 1
        self.tokens[account.pk] = (arrival.seconds, left)
        # Two orders may take unequally long on their way.
        slack = Decimal("0.1") * rate + 1
        assert left >= -slack, f"I9: {account} got more orders than {rate} a second and {burst} at once"

    def pauses_are_kept(self, arrival: Arrival) -> None:
        """I9: after a 429 with Retry-After nobody reads from that exchange, and nothing is sent, before it said so.

        Reads and writes have limits of their own at both exchanges; a cancel is asked for whatever was said.
        """
        for lane in self._lanes(arrival):
            until, number = self.paused_until.get(lane, (0.0, 0))
            assert arrival.seconds >= until - 0.1, (
                f"I9: {arrival.method} {arrival.path} came {until - arrival.seconds:.1f} s before it may, as request "
                f"{number} had been told"
            )

    def _told_to_pause(self, arrival: Arrival) -> None:
        if arrival.retry_after is not None:
            until = arrival.seconds + min(arrival.retry_after, LONGEST_WAIT_SECONDS)
            self.paused_until |= dict.fromkeys(self._lanes(arrival), (until, arrival.number))

    def _lanes(self, arrival: Arrival) -> list[str]:
        """Name what a pause holds back: an account's orders, or everybody's reads."""
        if arrival.is_create:
            return [f"orders of {create.order.account_id}" for create in self._creates(arrival)]
        if arrival.is_cancel:
            return []
        # Polymarket's SDK and our own client read side by side.
        return [f"reads of {arrival.venue} by {arrival.agent}"]

    def sells_again(self, arrival: Arrival) -> bool:
        """Tell whether a request asks for a way back: it sells what its own trade has bought."""
        return any(create.order.action != create.order.trade.action for create in self._creates(arrival))

    def _creates(self, arrival: Arrival) -> list[Create]:
        """Return the orders that a request asks for, as they stood when it was first asked."""
        if not arrival.is_create:
            return []
        if self.asked[0] != arrival.number:
            body = arrival.json()
            rows = body if isinstance(body, list) else body.get("orders") or [body]
            one = self._kalshi if arrival.venue == "kalshi" else self._polymarket
            self.asked = (arrival.number, [one(row) for row in rows])
        return self.asked[1]

    def _kalshi(self, asked: dict[str, Any]) -> Create:
        order = _known(Q(client_id=asked["client_order_id"]), asked["client_order_id"])
        market = self.world.feed.market("kalshi", asked["ticker"])
        assert market is not None, f"kalshi has no market {asked['ticker']}"
        price = Decimal(asked["price"])
        return Create(order, market, price if order.side == "yes" else 1 - price, Decimal(asked["count"]))

    def _polymarket(self, asked: dict[str, Any]) -> Create:
        signed = asked["order"]
        salt = f'"salt": {signed["salt"]},'
        order = _known(Q(signed_payload__contains=salt), str(signed["salt"]))
        found = self.world.feed.by_token(str(signed["tokenId"]))
        assert found is not None, f"polymarket has no token {signed['tokenId']}"
        maker, taker = Decimal(signed["makerAmount"]), Decimal(signed["takerAmount"])
        buys = order.action == "buy"
        price, count = (maker / taker, taker) if buys else (taker / maker, maker)
        return Create(order, found[0], price, count / MILLION)

    def _remember_books(self, arrival: Arrival) -> None:
        for market in self._shown(arrival):
            bids, asks = self.world.book(market)
            if not bids and not asks:
                continue
            best = [side[0][0] for side in (bids, asks) if side]
            seen = self.mids[market.key]
            seen.append((arrival.seconds, sum(best, ZERO) / len(best)))
            while len(seen) > 200:
                seen.popleft()

    def _shown(self, arrival: Arrival) -> Iterator[SandboxMarket]:
        if not 200 <= arrival.status < 300:
            return
        if arrival.path == "/trade-api/v2/markets/orderbooks":
            keys = parse_qs(arrival.query).get("tickers", [])
            for key in [part for text in keys for part in text.split(",")]:
                market = self.world.feed.market("kalshi", key)
                if market is not None:
                    yield market
        elif arrival.path.startswith("/trade-api/v2/markets/") and arrival.path.endswith("/orderbook"):
            market = self.world.feed.market("kalshi", arrival.path.split("/")[-2])
            if market is not None:
                yield market
        elif arrival.path == "/clob/books":
            for asked in arrival.json():
                found = self.world.feed.by_token(str(asked["token_id"]))
                if found is not None:
                    yield found[0]


def _known(which: Q, name: str) -> Order:
    order = Order.objects.select_related("trade", "account", "market").filter(which).first()
    assert order is not None, f"I11: an order that is none of ours arrived: {name}"
    return order


def switch_is_obeyed(order: Order) -> None:
    """I10: no order arrives that a switch forbids: every claim after a flip sees it, and each is sent at once."""
    scope = Q(user=None, venue="") | Q(user_id=order.trade.user_id) | Q(venue=order.account.kind)
    halted = Q(state=TradingSwitch.State.HALTED)
    if order.action == "buy":
        halted |= Q(state=TradingSwitch.State.REDUCING)
    against = TradingSwitch.objects.filter(scope & halted).first()
    assert against is None, f"I10: {order} arrived although trading is {against} since {against and against.changed_at}"


def nothing_beside_what_stands(order: Order) -> None:
    """I1: no attempt arrives beside one that may still stand, and no way back beside a leg that may.

    That is what an unknown cancel holds back (F27): nothing here replaces an order.
    """
    standing = Order.objects.filter(trade=order.trade_id, status__in=AT_VENUE).exclude(pk=order.pk)
    is_way_back = order.action != order.trade.action
    for leg_no, action, status in standing.values_list("leg_no", "action", "status"):
        assert leg_no != order.leg_no, f"I1: {order} arrived while an attempt before it is {status}"
        assert not is_way_back or action == order.action, f"I1: a way back arrived while leg {leg_no} is {status}"


def intended(order: Order) -> None:
    """I11: the intent to send was committed before, as a step of the order and as a line of the audit trail."""
    assert order.events.filter(new_status=Order.Status.SUBMITTING).exists(), f"I11: {order} was sent without its step"
    lines = AuditEntry.objects.filter(subject=f"trade:{order.trade_id}").values_list("after", flat=True)
    assert any(str(order.client_id) in orjson.dumps(after).decode() for after in lines), (
        f"I11: no audit line of its trade names {order}"
    )


def cancel_was_intended(arrival: Arrival) -> None:
    """I11: an order is canceled only after a step, or a note, that says so was committed."""
    venue_id = arrival.canceled_id
    order = Order.objects.filter(Q(venue_order_id=venue_id) | Q(order_hash=venue_id)).first()
    assert order is not None, f"I11: a cancel of {venue_id}, which is no order of ours"
    assert (
        OrderEvent.objects.filter(order=order)
        .filter(Q(new_status=Order.Status.PENDING_CANCEL) | Q(reason__icontains="cancel"))
        .exists()
    ), f"I11: {order} was canceled and no step says so"


def chain_holds() -> None:
    """I11: the audit trail's hash chain verifies."""
    report = verify_chain()
    assert report.broken_at is None, f"I11: the audit chain breaks at {report.broken_at}"
