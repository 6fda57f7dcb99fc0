"""R9 and R10: one click on many legs against the slowest of them, and what safety costs one order.

Real clients sign and send to the sandbox, which runs as a process of its own on this machine and
answers each order after a time drawn from a seed. Measured is from the call that confirms to the commit
of the last answer: intention, checks, signing, claim, calls. Look-ups and fills come after it.

The worker is up: clients are open, and the beat has read the exchanges' status. The yardstick is one
bare POST of a new order by the same open client, signed before, at the pace of the slowest leg.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any, cast
from uuid import uuid4

import httpx
from django.conf import settings
from django.db import connection
from django.test.utils import override_settings

from accounts.models import User
from baskets.models import Basket, Composition, Constituent
from itomarkets.lib import clock
from itomarkets.lib.bench import Bench, Row, ratio
from itomarkets.lib.memory import settle_memory
from itomarkets.lib.rounding import quantize
from itomarkets.lib.venues import Venue
from markets.models import Market
from markets.quotes import refresh_quotes
from markets.sync import sync_markets
from trading.accounts import connect_sandbox_accounts
from trading.execution import run_trade
from trading.list_benches import listing_trades
from trading.models import Order, TicketQuote, Trade, VenueAccount
from trading.placing import confirm_trade
from trading.quoting import legs_of, quote_basket
from trading.reconciliation import BEAT
from trading.venue_state import ask_status
from trading.venues.base import OrderClient
from trading.venues.kept import kept_lines

# R4 is measured in a module of its own; importing it registers it.
__all__ = ["listing_trades"]
SEED = 9
LEG_DOLLARS = Decimal(10)
# The venues' pace is not what is measured: the accounts may send all of a click at once.
BUDGETS = {"kalshi": (10_000, 1_000), "polymarket": (10_000, 1_000)}
FREE_LIMITS = {name: Decimal(10**9) for name in (
    "day_notional", "theme_notional", "daily_loss", "account_exposure", "person_exposure"
)}  # fmt: skip
LEAST_SHARE_OF_LEGS = 0.9
# An order's steps are kept by this statement: the last before the look-ups stores the last answer.
EVENTS = 'INSERT INTO "trading_orderevent"'
BUDGET_NOTE = "write budget lifted"


@dataclass
class Desk:
    """A person with accounts at the sandbox, and the strings of the sandbox."""

    user: User
    url: str
    clients: dict[str, OrderClient] = field(default_factory=dict)

    def answer_after(self, *, least: float, most: float, seed: int = 0) -> None:
        body = {"least_seconds": least, "most_seconds": most, "seed": seed}
        httpx.post(f"{self.url}/control/latency", json=body, trust_env=False).raise_for_status()

    def hear(self) -> None:
        """Read the exchanges' status, as the beat does all the time."""
        for account in VenueAccount.objects.filter(user=self.user, mode=VenueAccount.Mode.SANDBOX):
            ask_status(account=account, client=self.clients[account.kind], now=clock.now(), lasts=BEAT)

    def slowest(self) -> float:
        """Return the longest time that an order was made to wait since the last setting."""
        drawn = httpx.get(f"{self.url}/control/latency", trust_env=False).json()["drawn"]
        return max(drawn)

    def naked_post(self, order: Order) -> float:
        """Time one bare POST of a new, signed order over an open connection."""
        client = self.clients[order.account.kind]
        order.client_id = uuid4()
        signed = client.sign(order)
        started = time.perf_counter()
        client.submit(order, signed)
        return time.perf_counter() - started


@dataclass
class Acked:
    """Notes when a click's last answer was committed: when the first statement after the commit begins.

    It watches the statements of the thread that stores, and ends with the first look-up.
    """

    at: float = 0.0
    cpu: float = 0.0
    is_over: bool = False
    _is_storing: bool = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if self._is_storing and not self.is_over:
            self.at, self.cpu = time.perf_counter(), time.process_time()
        self._is_storing = sql.startswith(EVENTS)
        return execute(sql, params, many, context)

    def client(self, account: VenueAccount) -> OrderClient:
        return cast(OrderClient, _Watched(kept_lines.connect(account, now=clock.now), self))


class _Watched:
    """An account's open client, whose first look-up ends the measurement."""

    def __init__(self, client: OrderClient, acked: Acked) -> None:
        self._client, self._acked = client, acked

    def __getattr__(self, name: str) -> Any:
        if name == "look_up":
            self._acked.is_over = True
        return getattr(self._client, name)


@ratio("R9", target=1.5)
def fan_out(bench: Bench) -> Iterable[Row]:
    """Measure click to last stored answer of 1, 10 and 50 legs, over one bare POST of the slowest leg."""
    with at_the_sandbox(bench) as desk:
        for n, target in ((1, 1.25), (10, 1.25), (50, 1.5)):
            basket = basket_of(desk, n)
            yield clicked(bench, desk, basket, n=n, target=target, least=0.05, most=0.15)


@ratio("R10", target=1.2)
def safety_tax(bench: Bench) -> Iterable[Row]:
    """Measure one leg of 50 ms with outbox, audit and checks, over one bare POST of it."""
    with at_the_sandbox(bench) as desk:
        for venue in Venue:
            basket = basket_of(desk, 1, venues=(venue,))
            yield clicked(bench, desk, basket, n=1, target=1.2, least=0.05, most=0.05, note=f"{venue.label}; ")


def clicked(
    bench: Bench, desk: Desk, basket: Basket, *, n: int, target: float, least: float, most: float, note: str = ""
) -> Row:
    """Measure clicks on one basket of n legs."""
    last: list[Order] = []
    cpus: list[float] = []
    seeds = iter(range(SEED, SEED + 1000))

    def click() -> float:
        quote = quote_of(desk, basket)
        desk.answer_after(least=least, most=most, seed=next(seeds))
        desk.hear()
        acked = Acked()
        with connection.execute_wrapper(acked):
            started, cpu = time.perf_counter(), time.process_time()
            trade = confirm_trade(
                user=desk.user,
                quote_id=quote.pk,
                idempotency_key=str(quote.pk),
                policy=Trade.Policy.BEST_EFFORT,
                now=clock.now(),
            )
            run_trade(trade.pk, connect=acked.client)
        cpus.append(acked.cpu - cpu)
        last[:] = trade.orders.select_related("account", "market")
        accepted = sum(order.venue_order_id != "" for order in last)
        # A book may have moved away from a leg since the basket was made: then one leg fewer was quoted.
        if accepted < len(last) or len(last) < n * LEAST_SHARE_OF_LEGS:
            raise RuntimeError(f"{accepted} of {n} legs were accepted: {[order.reason for order in last]}")
        return acked.at - started

    def post() -> float:
        slowest = desk.slowest()
        desk.answer_after(least=slowest, most=slowest)
        return desk.naked_post(last[0])

    timing = bench.alternate(click, post)
    return bench.row(
        seconds=timing.seconds,
        yardstick_seconds=timing.yardstick_seconds,
        n=n,
        target=target,
        note=f"{note}{BUDGET_NOTE}; own cpu {median(cpus[1:]) * 1000:.1f} ms a click; ms {timing.words}",
    )


@contextmanager
def at_the_sandbox(bench: Bench) -> Iterator[Desk]:
    """Start the sandbox, list its markets, connect a person's accounts and open their clients."""
    url = settings.SANDBOX_URL
    port = url.rpartition(":")[2]
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "sandbox", "--port", port]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        _wait_for(f"{url}/health", process)
        # Far from every limit: what is measured is the checks, not a refusal.
        limits = {**settings.TRADE_LIMITS, **FREE_LIMITS}
        with override_settings(WRITE_BUDGETS=BUDGETS, TRADE_LIMITS=limits):
            if not Market.objects.exists():
                sync_markets(venue=None, full=True, now=clock.now())
                bench.say(f"{bench.id} {bench.database}: {Market.objects.count():,} markets listed")
            # Each ratio has a person of its own: the exchange remembers what another one has spent.
            name = f"bench-{bench.id.lower()}"
            user, _ = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.com"})
            connect_sandbox_accounts(user, now=clock.now())
            desk = Desk(user, url)
            for account in VenueAccount.objects.filter(user=user, mode=VenueAccount.Mode.SANDBOX):
                desk.clients[account.kind] = kept_lines.connect(account, now=clock.now)
            # As a worker does when it is up.
            settle_memory()
            yield desk
            for client in desk.clients.values():
                client.close()
            kept_lines.close()
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            if httpx.get(address, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError("The sandbox did not start; run `manage.py sandbox` to see why.")


def basket_of(desk: Desk, n: int, venues: Sequence[str] = tuple(Venue)) -> Basket:
    """Make a basket of n legs, shared evenly among the venues, of markets whose books take an order of each leg."""
    wanted = {venue: n // len(venues) + (index < n % len(venues)) for index, venue in enumerate(venues)}
    markets: list[Market] = []
    for venue, count in wanted.items():
        if not count:
            continue
        listed = Market.objects.filter(venue=venue, status=Market.Status.OPEN, vanished_at=None, accepts_orders=True)
        candidates = list(listed.order_by("-volume", "pk")[: 3 * count + 10])
        quoted = {leg.market_id for leg in legs_of(quote_of(desk, _basket(desk.user, candidates)))}
        markets += [market for market in candidates if market.pk in quoted][:count]
    if len(markets) != n:
        raise RuntimeError(f"only {len(markets)} of {n} legs could be quoted")
    return _basket(desk.user, markets)


def quote_of(desk: Desk, basket: Basket) -> TicketQuote:
    markets = Constituent.objects.filter(composition__basket=basket).values_list("market_id", flat=True)
    refresh_quotes(now=clock.now(), market_ids=list(markets))
    return quote_basket(
        user=desk.user,
        basket=basket,
        side="yes",
        amount=LEG_DOLLARS * len(markets),
        mode=VenueAccount.Mode.SANDBOX,
        now=clock.now(),
    )


def _basket(owner: User, markets: Sequence[Market]) -> Basket:
    """Make a basket that holds each market alike."""
    now, name = clock.now(), f"bench-{uuid4().hex[:12]}"
    basket = Basket.objects.create(
        slug=name, name=name, kind=Basket.Kind.CUSTOM, visibility=Basket.Visibility.PRIVATE, owner=owner, created_at=now
    )
    composition = Composition.objects.create(
        basket=basket,
        version=1,
        effective_at=now,
        reason="bench",
        method_version="1",
        inputs_hash="0" * 64,
        divisor=1,
        divisor_net=1,
        value_after=100,
    )
    Constituent.objects.bulk_create(
        Constituent(
            composition=composition,
            market=market,
            side="yes",
            weight=quantize(Decimal(1) / len(markets), 8),
            units=10,
            mark=Decimal("0.5"),
            mark_reason="mid",
        )
        for market in markets
    )
    return basket
