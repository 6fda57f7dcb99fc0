"""The small world of one seed: a few markets of both exchanges with moving books, two people, three baskets."""

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from accounts.models import User
from baskets.models import Basket, Composition, Constituent
from itomarkets.lib.venues import Venue
from itomarkets.sandbox.engine import World
from itomarkets.sandbox.feeds import Catalogue, Levels
from itomarkets.sandbox.model import (
    KALSHI,
    POLYMARKET,
    PRICE_UNITS,
    SandboxEvent,
    SandboxMarket,
    SandboxSeries,
    kalshi_fee,
    polymarket_fee,
    polymarket_ids,
    uniform_ticks,
)
from itomarkets.simulation.machine import NOON
from markets.mirror import Mirror
from markets.models import Market, SyncRun
from markets.sync import SeenRows
from markets.venues.clients import read_client

KALSHI_MARKETS, POLYMARKET_MARKETS = 4, 4
# Traded by hand at the exchange and in no basket, so that what is ours can be told from what is not to the cent.
BY_HAND = ("KXHAND-26DEC-YES", "99")
TIMES: dict[str, Any] = {
    "open_at": NOON - timedelta(days=60),
    "close_at": NOON + timedelta(days=60),
    "settle_at": NOON + timedelta(days=61),
}


class MovingBooks(Catalogue):
    """Markets whose books stand where the simulation has put them."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.mids: dict[str, int] = {}
        self._books: dict[str, tuple[Levels, Levels]] = {}
        self.add_series(SandboxSeries(KALSHI, "KXSIM", "Simulated decisions", category="Economics"))
        for number in range(KALSHI_MARKETS):
            self._add_kalshi(f"KXSIM{number}-26DEC-YES", number)
        self._add_kalshi(BY_HAND[0], 3)
        for number in range(POLYMARKET_MARKETS):
            self._add_polymarket(str(11 + number), neg_risk=number % 2 == 1)
        self._add_polymarket(BY_HAND[1], neg_risk=False)

    def _add_kalshi(self, ticker: str, number: int) -> None:
        event = ticker.rpartition("-")[0]
        self.add(
            SandboxEvent(
                KALSHI, event, event.lower(), f"Decision {ticker}?", series_key="KXSIM",
                series_title="Simulated decisions", category="Economics", exchange_index=number % 4,
            ),
            [
                SandboxMarket(
                    KALSHI, ticker, event, f"Will {ticker} happen?", fee=kalshi_fee(), exchange_index=number % 4,
                    outcome=Decimal(1), seed=number + 1, **TIMES,
                )
            ],
        )  # fmt: skip
        self.move(ticker, self._chance.randint(25, 75) * 100)

    def _add_polymarket(self, key: str, *, neg_risk: bool) -> None:
        condition, question, yes, no = polymarket_ids(key)
        self.add(
            SandboxEvent(POLYMARKET, f"e{key}", f"event-{key}", f"Question {key}?", tags=("Fed",), neg_risk=neg_risk),
            [
                SandboxMarket(
                    POLYMARKET, key, f"e{key}", f"Will {key} happen?", ticks=uniform_ticks("0.01"), tick_label="",
                    min_size=Decimal(5), fee=polymarket_fee("economics_fees", "0.05"), slug=f"market-{key}",
                    condition_id=condition, question_id=question, yes_token=yes, no_token=no, neg_risk=neg_risk,
                    outcome=Decimal(1), seed=int(key), **TIMES,
                )
            ],
        )  # fmt: skip
        self.move(key, self._chance.randint(25, 75) * 100)

    def move(self, key: str, mid: int, *, thin: bool = False) -> None:
        """Put a market's book around a middle, in price units; `thin` leaves little inside a few ticks."""
        mid = max(600, min(9_400, mid // 100 * 100))
        self.mids[key] = mid
        sizes = [self._chance.randint(3, 40) if thin else self._chance.randint(40, 400) for _ in range(6)]
        self._books[key] = (
            [(mid - 100 * step, size) for step, size in enumerate(sizes[:3], start=1)],
            [(mid + 100 * step, size) for step, size in enumerate(sizes[3:], start=1)],
        )

    def empty(self, key: str) -> None:
        """Leave one side of a book without anybody."""
        bids, asks = self._books[key]
        self._books[key] = (bids, []) if self._chance.random() < 0.5 else ([], asks)

    def price(self, market: SandboxMarket, at: datetime) -> Decimal:
        return Decimal(self.mids[market.key]) / PRICE_UNITS

    def price_float(self, market: SandboxMarket, at_ts: float) -> float:
        return self.mids[market.key] / PRICE_UNITS

    def outcome(self, market: SandboxMarket) -> Decimal:
        return market.outcome if market.outcome is not None else Decimal(1)

    def daily(self, market: SandboxMarket, start: date, end: date) -> list[tuple[date, Decimal]]:
        return []

    def recorded_book(self, market: SandboxMarket) -> tuple[Levels, Levels] | None:
        return self._books[market.key]

    def refresh(self, now: datetime) -> None:
        """Nothing is listed or dropped by itself here."""

    def traded(self) -> list[SandboxMarket]:
        """Return the markets that baskets hold."""
        both = [*self.venue_markets(KALSHI), *self.venue_markets(POLYMARKET)]
        return [market for market in both if market.key not in BY_HAND]


def mirror(now: datetime) -> None:
    """Read both exchanges' catalogues through the real read clients, in this thread."""
    for venue in Venue:
        run = SyncRun.objects.create(venue=venue, is_full=True, started_at=now)
        client = read_client(venue)
        try:
            kept = Mirror(venue=venue, run=run, now=now, seen=SeenRows(0), fetch_events=client.fetch_events)
            for page in client.fetch_pages():
                kept.store(page)
            kept.save_counts()
        finally:
            client.close()


def make_people(count: int) -> list[User]:
    """Make people whose ids, and so whose keys at the sandbox, are the same in every run."""
    people = []
    for number in range(1, count + 1):
        person = User(pk=number, username=f"person{number}", email=f"person{number}@example.com")
        person.set_unusable_password()
        person.save()
        people.append(person)
    return people


def make_basket(owner: User, number: int, chance: random.Random) -> Basket:
    """Make a basket of two to seven legs, at least one on each exchange where there is more than one kind."""
    basket = Basket.objects.create(
        slug=f"simulated-{number}",
        name=f"Simulated {number}",
        kind=Basket.Kind.CUSTOM,
        visibility=Basket.Visibility.PUBLIC,
        owner=owner,
        created_at=NOON,
        allocation=chance.choice(list(Basket.Allocation)),
    )
    composition = Composition.objects.create(
        basket=basket,
        version=1,
        effective_at=NOON,
        reason="first",
        method_version="1",
        inputs_hash="0" * 64,
        divisor=Decimal(1),
        divisor_net=Decimal(1),
        value_after=Decimal(100),
    )
    listed = list(Market.objects.exclude(native_id__in=BY_HAND).order_by("venue", "native_id"))
    for market in _chosen(listed, chance):
        Constituent.objects.create(
            composition=composition,
            market=market,
            side=chance.choice(["yes", "no"]),
            weight=Decimal(chance.randint(5, 30)) / 100,
            units=Decimal(chance.randint(5, 20)),
            mark=Decimal("0.5"),
            mark_reason="mid",
        )
    return basket


def _chosen(listed: Sequence[Market], chance: random.Random) -> list[Market]:
    count = chance.randint(2, 7)
    first = [chance.choice([market for market in listed if market.venue == venue]) for venue in Venue]
    rest = [market for market in listed if market not in first]
    return [*first, *chance.sample(rest, count - len(first))]


def ledger_of(world: World, person: User) -> str:
    """Return the sandbox's id of a person's account."""
    holder = world.accounts.by_name(f"user-{person.pk}")
    assert holder is not None, f"person {person.pk} has no account at the sandbox"
    return holder.id


def posted_by_hand(price: Decimal, size: Decimal) -> dict[str, Any]:
    """Return what Polymarket keeps of a purchase that was placed at its own site."""
    wire = {
        "side": "BUY",
        "maker": f"0x{7:040x}",
        "makerAmount": f"{price * size * 1_000_000:.0f}",
        "takerAmount": f"{size * 1_000_000:.0f}",
        "expiration": "0",
    }
    return {"owner": "its site", "type": "GTC", "side": "BUY", "wire": wire}
