"""Where one seed plays: its machine, exchanges, people, workers' messages, judges, and the log of what happened."""

import random
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import coincurve
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import OperationalError, connection
from django.test import override_settings

from accounts.models import User
from baskets.models import Basket
from itomarkets.lib import clock
from itomarkets.lib.venue_urls import sandbox_urls
from itomarkets.lib.venues import VenueError
from itomarkets.records.jobs import release_all
from itomarkets.sandbox.app import create_app
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.faults import Fault
from itomarkets.sandbox.model import NET, NO, POLYMARKET, VENUES, YES
from itomarkets.simulation import invariants
from itomarkets.simulation.machine import VirtualMachine, running_on
from itomarkets.simulation.network import Arrival, Network
from itomarkets.simulation.process import Killed, Process
from itomarkets.simulation.venue_invariants import Judges, chain_holds
from itomarkets.simulation.weather import Weather, aimed_at_way_back, kind_of
from itomarkets.simulation.world import MovingBooks, ledger_of, make_basket, make_people, mirror, posted_by_hand
from trading import tasks
from trading.accounts import connect_sandbox_accounts
from trading.models import Fill, Order, OrderEvent, VenueAccount
from trading.states import AT_VENUE
from trading.venues import polymarket
from trading.venues.venue_time import forget_times

# Imported before a seed begins: what an import draws of the machine's chance would be missing the next time.
LOADED_BEFORE = (coincurve, polymarket)
URL = "http://127.0.0.1:8010"
KEYS = ["s1:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
REVOKED = {
    "kalshi": ("/trade-api/v2/portfolio/*",),
    "polymarket": ("/clob/order*", "/clob/data/*", "/clob/balance-allowance"),
}
MOST_SKEW_SECONDS = 300
DEAR_WAYS_BACK = {"loss_dollars": Decimal(25), "loss_share": Decimal("0.5")}
# How often an order that rests is taken while its cancel is under way, and by whom.
CANCEL_RACED, STRANGER = 0.3, "a stranger"


class Breach(Exception):
    """An invariant does not hold."""


class Stage:
    """One seed's small world. `say` takes a line of the log."""

    def __init__(self, seed: int, say: Callable[[str], None]) -> None:
        self.seed = seed
        self.machine = VirtualMachine()
        chance = self.chance_of("world")
        self.skew = timedelta(seconds=chance.randint(-MOST_SKEW_SECONDS, MOST_SKEW_SECONDS))
        if chance.random() < 0.7:
            self.skew = timedelta(0)
        self.feed = MovingBooks(chance)
        self.world = World(self.feed, self._venue_now, None)
        self.world.dedupe_forever = chance.random() < 0.5
        self.app = create_app(self.world, ticking=False)
        self.network = Network(self.app, self.machine, self.chance_of("network"), self._venue_now)
        self.network.before, self.network.after = self.arriving, self.observed
        self.network.refused = lambda venue: self.strike("F01 a connection refused")
        self.process = Process(self.strike)
        self.weather = Weather.drawn(self.chance_of("weather"))
        self._clouds = self.chance_of("clouds")
        budget = chance.choice([(10, 10), (4, 4), (2, 3)])
        self.budgets = {"kalshi": budget, "polymarket": (40, 40)}
        self.sent_singly = chance.choice([1, 4])
        # Else nearly every way back waits for its owner's word: thin books make it dear.
        self.unwind_limits = chance.choice([settings.UNWIND_LIMITS, DEAR_WAYS_BACK])
        self.judges = Judges(self.world, self.budgets, depth=0)
        self.people: list[User] = []
        self.baskets: list[Basket] = []
        self.broker: list[str] = []
        self.faults: Counter[str] = Counter()
        self.lines = 0
        self._there_before: dict[tuple[int, str], list[Any]] = {}
        self._say = say

    def chance_of(self, what: str) -> random.Random:
        """Return a stream of chance of its own, so that more draws of one thing change no other."""
        return random.Random(f"{self.seed} {what}")

    def say(self, line: str) -> None:
        self.lines += 1
        self._say(f"{self.machine.now():%H:%M:%S.%f} {line}")

    def strike(self, kind: str) -> None:
        """Count a fault that was played."""
        self.faults[kind] += 1

    @contextmanager
    def set_up(self) -> Iterator[None]:
        """Live here: settings, machine, database watch and messages are this seed's until the block ends."""
        urls = sandbox_urls(URL)
        changed: dict[str, Any] = {
            "VENUES": "sandbox", "SANDBOX_URL": URL, **urls, "CREDENTIAL_KEYS": KEYS, "SEND_THREADS": 1,
            "ORDERS_SENT_SINGLY": self.sent_singly, "UNWIND_LIMITS": self.unwind_limits,
            # A line that outlives its seed would remember.
            "LINE_KEPT_SECONDS": 0,
            "KALSHI_KEY_ID": "", "KALSHI_PRIVATE_KEY": "", "WRITE_BUDGETS": {**settings.WRITE_BUDGETS, **self.budgets},
        }  # fmt: skip
        # What is first loaded within a seed would draw of its chance there, and nowhere else.
        import_module(settings.ROOT_URLCONF)
        delay = tasks.run_trade.delay
        with override_settings(**changed), running_on(self.machine, seed=self.seed, answer=self.network.answer):
            tasks.run_trade.delay = self._send_message
            forget_times()
            try:
                self.judges.depth = len(connection.savepoint_ids) + connection.in_atomic_block
                mirror(clock.now())
                self.people = make_people(self.chance_of("people").randint(1, 2))
                for person in self.people:
                    connect_sandbox_accounts(person, now=clock.now())
                chance = self.chance_of("baskets")
                self.baskets = [make_basket(self.people[0], number, chance) for number in range(1, 4)]
                with self.process.connected():
                    yield
            finally:
                tasks.run_trade.delay = delay
                self.world.store.close()

    def new_event(self, name: str, revoked: set[str]) -> None:
        """Make the weather of the next event."""
        # Noise is told of known fills only: which of two tellings of a new one is true, nobody could say.
        is_noisy = name == "beat" and self._knows_all_fills()
        self.app.plan = [
            *(Fault("*", path, 0, "401_expired") for venue in sorted(revoked) for path in REVOKED[venue]),
            *self.weather.plan(self._clouds, is_noisy=is_noisy),
        ]
        self.judges.new_event()

    def arriving(self, arrival: Arrival) -> None:
        """See a request that is about to reach an exchange."""
        with self._judging():
            self.judges.before(arrival)
        if self.judges.sells_again(arrival):
            self.app.plan[:0] = aimed_at_way_back(arrival, self._clouds)
        if arrival.is_cancel and self._clouds.random() < CANCEL_RACED:
            self._fill_what_rests(arrival.canceled_id)
        self.process.before_send(arrival)

    def _fill_what_rests(self, venue_id: str) -> None:
        """Let a stranger take what rests of an order, or half of it, in the moment before its cancel arrives."""
        order = self.world.resting_order(venue_id)
        market = self.feed.market(order.venue, order.market_key) if order else None
        if order is None or market is None or self.world.status_of(market) != "open":
            return
        stranger = self.world.accounts.by_name(STRANGER) or self.world.accounts.create(STRANGER)
        sells, before = order.side == "buy", order.filled
        size = order.live if self._clouds.random() < 0.5 else max(Decimal(1), order.live // 2)
        token, meta = NET, {}
        if order.venue == POLYMARKET:
            # Who takes a bid for one token buys the other, and a pair is made.
            token = NO if sells else YES
            meta = posted_by_hand(1 - order.price if sells else order.price, size)
        self.world.place(
            stranger.id, market, side="sell" if sells else "buy", price=order.price, size=size, tif="ioc",
            token=token, meta=meta, least=size,
        )  # fmt: skip
        if order.filled > before:
            self.strike("F26 filled while its cancel is under way")

    def observed(self, arrival: Arrival) -> None:
        """See what became of a request, before its sender does."""
        if arrival.fault:
            self.strike(kind_of(arrival))
            if self.judges.sells_again(arrival):
                self.strike(f"F20 {arrival.fault} of a way back")
        self.say(
            f"  {arrival.method} {arrival.path}{'?' if arrival.query else ''}{arrival.query} {arrival.body[:600]} "
            f"-> {arrival.status or 'no answer'} {arrival.fault}".rstrip()
        )
        with self._judging():
            self.judges.after(arrival)
        self.process.after_send(arrival)

    def guarded(self, event: Callable[[], str]) -> str:
        """Play an event; a kill ends its process, and another worker starts."""
        try:
            return event()
        except Killed:
            return f"the process was killed; {self._restarted()}"
        except (VenueError, DatabaseError) as error:
            return f"failed: {type(error).__name__}: {error}"

    def _restarted(self) -> str:
        for _ in range(5):
            self.process.restart()
            try:
                self.machine.sleep(2.0)
                self.judges.restarted()
                tasks_at_start()
                return "a worker started again"
            except Killed:
                continue
            except OperationalError as error:
                return f"the next worker failed: {error}"
        raise Breach("a worker was killed five times in a row at its start")

    def _knows_all_fills(self) -> bool:
        told = sum(len(self.world.fills(ledger_of(self.world, person), venue)) for person in self.people
                   for venue in VENUES)  # fmt: skip
        return told == Fill.objects.count() and not Order.objects.filter(status__in=AT_VENUE).exists()

    def check(self, *, at_rest: bool) -> None:
        """Check every invariant on every account; raises Breach.

        Where nothing was written since the last time, here or at an exchange, what held holds now.
        """
        there = {
            (person.pk, venue): self._there(ledger_of(self.world, person), venue)
            for person in self.people for venue in VENUES
        }  # fmt: skip
        if not at_rest and not self.process.has_written and there == self._there_before:
            return
        self.process.has_written, self._there_before = False, there
        holders = {person.pk: ledger_of(self.world, person) for person in self.people}
        accounts = VenueAccount.objects.filter(user__in=holders).order_by("pk")
        with self._judging():
            invariants.check_accounts(
                {account: holders[account.user_id] for account in accounts}, self.world, at_rest=at_rest
            )
            chain_holds()

    def _there(self, holder: str, venue: str) -> list[Any]:
        return [(order.id, order.filled, order.status) for order in self.world.orders(holder, venue)]

    def count_what_ended_in_part(self) -> None:
        """Count the orders that filled in part before their rest was canceled, those of ways back apart."""
        for order in Order.objects.filter(status__in=("canceled", "expired")).select_related("trade"):
            if order.fills.exists():
                self.strike("F17 a part filled, the rest canceled")
                if order.action != order.trade.action:
                    self.strike("F20 a way back filled in part")

    def unknowns_resolved(self) -> int:
        left = OrderEvent.objects.filter(old_status="unknown").exclude(new_status="unknown")
        return left.values("order").distinct().count()

    @contextmanager
    def _judging(self) -> Iterator[None]:
        try:
            yield
        except AssertionError as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            raise Breach(f"{where.name}: {error}") from error

    def _venue_now(self) -> datetime:
        return self.machine.true_now() + self.skew

    def _send_message(self, trade_id: str) -> None:
        if not self.process.is_dead:
            self.broker.append(trade_id)


def tasks_at_start() -> None:
    """Do what a worker does first where it is the only one: free what the dead one held, and ask the exchanges."""
    release_all(now=clock.now())
    tasks.reconcile.run(at_start=True)
