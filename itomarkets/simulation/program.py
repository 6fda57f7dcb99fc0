"""One seed's program: what people, workers, exchanges and operators do, in a random order, under random faults."""

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from accounts.models import User
from baskets.models import Basket
from itomarkets.lib import clock
from itomarkets.lib.venues import VenueError
from itomarkets.sandbox.engine import Refused
from itomarkets.sandbox.model import KALSHI, NET, POLYMARKET, YES, SandboxMarket, uniform_ticks
from itomarkets.simulation.process import Doom
from itomarkets.simulation.stage import Stage
from itomarkets.simulation.world import BY_HAND, ledger_of, mirror, posted_by_hand
from trading import tasks
from trading.deciding import CHOICES, ChoiceRefused, choose
from trading.execution import run_trade
from trading.models import Position, TicketQuote, Trade, TradingSwitch
from trading.placing import TradeRefused, confirm_trade
from trading.quoting import QuoteRefused, quote_basket
from trading.switch import set_switch

Event = Callable[[], str]
# The policy that promises a way back twice: a seed has few of them.
POLICIES = (*Trade.Policy.values, Trade.Policy.ALL_OR_UNWIND.value)


class Program:
    """Draws events and plays them on a stage. Each says in one line what came of it."""

    def __init__(self, stage: Stage, chance: random.Random) -> None:
        self.stage = stage
        self.chance = chance
        self.keys = 0
        self.revoked: set[str] = set()
        # What happens beside a run, once, between two of its requests.
        self.meanwhile: tuple[int, Event] | None = None
        stage.network.after = self._after
        self.table: tuple[tuple[float, Event], ...] = (
            (7, self.trade),
            (7, self.work),
            (4, self.beat),
            (1, self.settle),
            (3, self.wait),
            (1.5, self.decide),
            (1, self.move_book),
            (0.3, self.finer_ticks),
            (0.4, self.close_market),
            (0.5, self.resolve_market),
            (0.8, self.flip_switch),
            (0.8, self.order_by_hand),
            (0.4, self.revoke_key),
            (0.3, self.step_clock),
            (0.5, self.refuse_connections),
            (0.6, self.read_catalogue),
        )

    def next_event(self) -> tuple[str, Event]:
        weights = [weight for weight, _ in self.table]
        event = self.chance.choices([event for _, event in self.table], weights)[0]
        # A worker without a message does nothing: somebody clicks instead.
        event = self.trade if event == self.work and not self.stage.broker else event
        return event.__name__, event

    # What people do

    def trade(self) -> str:
        """Quote a basket and confirm it, sometimes late, sometimes twice at once."""
        chance = self.chance
        person, basket = chance.choice(self.stage.people), chance.choice(self.stage.baskets)
        holds = Position.objects.filter(account__user=person, basket=basket, count__gt=0).exists()
        action = "sell" if holds and chance.random() < 0.5 else "buy"
        side = chance.choice(["yes", "no"])
        amount = Decimal(chance.randint(15, 200)) if action == "buy" or chance.random() < 0.3 else None
        policy = chance.choice(POLICIES) if action == "buy" else chance.choice(["best_effort", "hold_and_ask"])
        said = f"person {person.pk} {action} {side} of {basket.name} for {amount} {policy}"
        quote = self._quote(person, basket, side=side, amount=amount, action=action)
        if isinstance(quote, str):
            return f"{said}: {quote}"
        if chance.random() < 0.2:
            self.stage.machine.sleep(chance.uniform(1, 20))
        if chance.random() < 0.15:
            self.move_book()
        key = self._key()
        answers = [self._confirm(person, quote, key, policy)]
        if chance.random() < 0.25:
            self.stage.strike("F12 the same click again")
            answers.append(self._confirm(person, quote, key, policy))
        if chance.random() < 0.15:
            self.stage.strike("F12 a second click with another key")
            answers.append(self._confirm(person, quote, self._key(), policy))
        if chance.random() < 0.1:
            other = self._quote(person, basket, side=side, amount=amount, action=action)
            if isinstance(other, TicketQuote):
                self.stage.strike("F12 a key used for another quote")
                answers.append(self._confirm(person, other, key, policy))
        return f"{said}: {'; '.join(answers)}"

    def decide(self) -> str:
        """Choose something for a trade that asks, or for one that does not."""
        trades = list(Trade.objects.order_by("created_at", "idempotency_key"))
        held = [trade for trade in trades if trade.is_held]
        if not trades:
            return "nothing to decide"
        trade = self.chance.choice(held or trades)
        sells_back = trade.hold == Trade.Hold.UNWIND and self.chance.random() < 0.5
        return self.choose(trade, "unwind" if sells_back else self.chance.choice(CHOICES))

    def choose(self, trade: Trade, choice: str) -> str:
        try:
            return choose(user=trade.user, trade_id=trade.pk, choice=choice, now=clock.now())
        except ChoiceRefused as error:
            return f"{choice} refused: {error}"

    def _quote(self, person: User, basket: Basket, **asked: Any) -> TicketQuote | str:
        try:
            return quote_basket(user=person, basket=basket, mode="sandbox", now=clock.now(), **asked)
        except QuoteRefused as error:
            return f"no quote: {error}"

    def _confirm(self, person: User, quote: TicketQuote, key: str, policy: str) -> str:
        try:
            trade = confirm_trade(
                user=person, quote_id=quote.pk, idempotency_key=key, policy=policy, now=clock.now(), request_id=key
            )
        except TradeRefused as error:
            return f"refused ({error.code}): {error}"
        return f"confirmed with {trade.orders.count()} orders"

    def _key(self) -> str:
        self.keys += 1
        return f"click-{self.keys}"

    # What workers do

    def work(self) -> str:
        """Deliver a message to a worker: perhaps never, perhaps twice, perhaps while something else happens."""
        broker = self.stage.broker
        trade_id = broker.pop(self.chance.randrange(len(broker)))
        if self.chance.random() < 0.1:
            self.stage.strike("F12 a message lost")
            return "a message was lost"
        if self.chance.random() < 0.2:
            self.stage.strike("F12 a message delivered again")
            broker.append(trade_id)
        if self.chance.random() < self.stage.weather.thin:
            self.thin_books()
        if self.chance.random() < 0.4:
            self.meanwhile = (self.chance.randint(1, 9), self._interference(trade_id))
        doom = Doom.drawn(self.chance) if self.chance.random() < self.stage.weather.crash else None
        try:
            with self.stage.process.doomed(doom):
                report = run_trade(trade_id)
        finally:
            self.meanwhile = None
        return f"a run: {report.sent} sent, {report.denied} denied, {report.waiting} waiting, {report.open} open"

    def _interference(self, trade_id: str) -> Event:
        def second_worker() -> str:
            self.stage.strike("F12 two workers on one trade")
            run_trade(trade_id)
            return "a second worker ran"

        return self.chance.choice(
            [second_worker, second_worker, self.beat, self.flip_switch, self.move_book, self.close_market,
             self.resolve_market, self.trade]
        )  # fmt: skip

    def beat(self) -> str:
        doom = Doom.drawn(self.chance) if self.chance.random() < self.stage.weather.crash / 2 else None
        with self.stage.process.doomed(doom):
            tasks.reconcile.run()
        return "reconciled"

    def beat_calmly(self) -> str:
        tasks.reconcile.run()
        return "reconciled"

    def deliver_all(self) -> str:
        """Deliver each waiting message once."""
        waiting, self.stage.broker[:] = list(dict.fromkeys(self.stage.broker)), []
        for trade_id in waiting:
            run_trade(trade_id)
        return f"{len(waiting)} runs"

    def settle(self) -> str:
        tasks.settle.run()
        return "settled what is due"

    # What exchanges do

    def wait(self) -> str:
        seconds = self.chance.choice([0.5, 2, 5, 15, 30, 61, 120])
        self.stage.machine.sleep(seconds)
        self.stage.world.advance()
        return f"{seconds} seconds passed"

    def move_book(self) -> str:
        market = self.chance.choice(self.stage.feed.traded())
        by = self.chance.choice([-2000, -700, -100, 100, 700, 2000])
        if self.chance.random() < 0.15:
            self.stage.feed.empty(market.key)
            self.stage.strike("F24 one side of a book is gone")
            return f"nobody stands on one side of {market.key}"
        self.stage.feed.move(market.key, self.stage.feed.mids[market.key] + by, thin=self.chance.random() < 0.4)
        self.stage.strike("F24 a book moved")
        return f"the book of {market.key} moved by {by}"

    def thin_books(self) -> None:
        """Leave little on every book, at the prices that were quoted: what was priced fills in part."""
        for market in self.stage.feed.traded():
            self.stage.feed.move(market.key, self.stage.feed.mids[market.key], thin=True)
        self.stage.strike("F24 the books ran thin")

    def finer_ticks(self) -> str:
        market = self.chance.choice([each for each in self.stage.feed.traded() if each.venue != KALSHI])
        market.ticks = uniform_ticks("0.001")
        self.stage.strike("F24 a finer tick")
        return f"{market.key} takes tenths of a cent now"

    def close_market(self) -> str:
        market = self.chance.choice(self._open())
        market.close_at = self.stage.world.now()
        self.stage.world.advance()
        self.stage.strike("F25 a market closed")
        return f"{market.key} closed{self._perhaps_told()}"

    def resolve_market(self) -> str:
        market, now = self.chance.choice(self._open()), self.stage.world.now()
        if self.stage.world.chain.unsettled(market.key, now):
            return f"{market.key} waits for the chain"
        outcome = self.chance.choice([Decimal(1), Decimal(0), Decimal("0.5")])
        self.stage.world.force_settle(market, outcome)
        self.stage.strike("F25 a market void" if outcome == Decimal("0.5") else "F25 a market resolved")
        return f"{market.key} pays {outcome}{self._perhaps_told()}"

    def _open(self) -> list[SandboxMarket]:
        """Return the markets that may still close; some of each kind always stay."""
        world = self.stage.world
        closable = [market for market in self.stage.feed.traded() if not market.key.startswith(("KXSIM0", "11"))]
        return [m for m in closable if world.status_of(m) == "open"] or self.stage.feed.traded()[:1]

    def _perhaps_told(self) -> str:
        return f"; {self.read_catalogue()}" if self.chance.random() < 0.5 else ""

    def read_catalogue(self) -> str:
        try:
            mirror(clock.now())
        except VenueError as error:
            return f"the catalogues could not be read: {error}"
        return "the catalogues were read"

    def order_by_hand(self) -> str:
        """Place an order at the exchange's own site, on a market of its own."""
        chance, world = self.chance, self.stage.world
        person = chance.choice(self.stage.people)
        venue, key = chance.choice(list(zip((KALSHI, POLYMARKET), BY_HAND, strict=True)))
        market, holder = self.stage.feed.market(venue, key), ledger_of(world, person)
        assert market is not None
        # At Polymarket it rests: what was spent there and what was redeemed there cannot be told apart in its cash.
        away = chance.choice([-300, 300]) if venue == KALSHI else -300
        price = Decimal(self.stage.feed.mids[market.key] + away) / 10_000
        size = Decimal(chance.randint(5, 12))
        if away < 0 and chance.random() < 0.4:
            free = world.balance(holder, venue)[market.exchange_index]
            size = max(size, Decimal(int(free / price * Decimal("0.97"))))
            self.stage.strike("F19 cash taken by an order elsewhere")
        token, meta = (NET, {}) if venue == KALSHI else (YES, posted_by_hand(price, size))
        try:
            placed = world.place(holder, market, side="buy", price=price, size=size, tif="gtc", token=token, meta=meta)
        except Refused as error:
            return f"an order by hand was refused: {error}"
        self.stage.strike("F31 an order from elsewhere")
        return f"person {person.pk} placed {placed.order.size} at {venue} by hand, {placed.filled} filled"

    def refuse_connections(self) -> str:
        venue = self.chance.choice(["kalshi", "polymarket"])
        self.stage.network.refusals[venue] = self.chance.randint(1, 3)
        return f"{venue} refuses its next connections"

    # What operators do

    def flip_switch(self) -> str:
        user = self.chance.choice([None, None, *self.stage.people])
        venue = self.chance.choice(["", "kalshi", "polymarket"]) if user is None else ""
        states = TradingSwitch.State
        state = self.chance.choice([states.HALTED, states.REDUCING, states.ACTIVE, states.ACTIVE, states.ACTIVE])
        set_switch(user=user, venue=venue, state=state, reason="simulated", changed_by=None, now=clock.now())
        if state != states.ACTIVE:
            self.stage.strike("F32 a switch flipped")
        return f"the switch of {user or venue or 'everybody'} is {state}"

    def revoke_key(self) -> str:
        venue = self.chance.choice(["kalshi", "polymarket"])
        if venue in self.revoked:
            self.revoked.discard(venue)
            return f"the keys at {venue} work again"
        self.revoked.add(venue)
        self.stage.strike("F32 keys revoked")
        return f"the keys at {venue} were revoked"

    def step_clock(self) -> str:
        seconds = self.chance.choice([-30, -5, -1, 1, 30])
        self.stage.machine.step(timedelta(seconds=seconds))
        self.stage.strike("F23 the clock stepped")
        return f"our clock stepped by {seconds} s"

    def calm(self) -> None:
        """End every fault: what follows must come to rest."""
        self.revoked.clear()
        self.stage.network.refusals.clear()
        self.stage.app.plan = []
        for switch in TradingSwitch.objects.exclude(state=TradingSwitch.State.ACTIVE).select_related("user"):
            set_switch(
                user=switch.user, venue=switch.venue, state="active", reason="", changed_by=None, now=clock.now()
            )

    def _after(self, arrival: Any) -> None:
        """Let something else happen between a request and its answer, once."""
        self.stage.observed(arrival)
        if self.meanwhile is None or not arrival.is_create:
            return
        left, event = self.meanwhile
        if left > 1:
            self.meanwhile = (left - 1, event)
            return
        self.meanwhile = None
        with self.stage.process.doomed(None):
            said = self.stage.guarded(event)
        self.stage.say(f"  meanwhile {said}")
