"""What a feed gives the sandbox: a catalogue of markets and, for any instant, their prices."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Protocol

from .model import VENUES, SandboxEvent, SandboxMarket, SandboxSeries

Levels = list[tuple[int, int]]


class Feed(Protocol):
    """A universe of markets. Everything is deterministic: the same seed, data and instant give the same answer."""

    generation: int

    def venue_markets(self, venue: str) -> Sequence[SandboxMarket]:
        """Return all markets of a venue, of every status, ordered by `ordinal`."""

    def venue_events(self, venue: str) -> Sequence[SandboxEvent]:
        """Return all events of a venue, ordered by `ordinal`."""

    def series(self, venue: str) -> Sequence[SandboxSeries]:
        """Return the series of a venue."""

    def one_series(self, venue: str, key: str) -> SandboxSeries | None:
        """Return the series with this ticker or id."""

    def market(self, venue: str, key: str) -> SandboxMarket | None:
        """Return the market with this Kalshi ticker or Gamma id."""

    def event(self, venue: str, key: str) -> SandboxEvent | None:
        """Return the event with this Kalshi event ticker or Gamma event id."""

    def market_by_slug(self, slug: str) -> SandboxMarket | None:
        """Return a Polymarket market by slug."""

    def event_by_slug(self, slug: str) -> SandboxEvent | None:
        """Return a Polymarket event by slug."""

    def by_token(self, token_id: str) -> tuple[SandboxMarket, str] | None:
        """Return the market of a Polymarket token and which of its outcomes the token is: yes or no."""

    def by_condition(self, condition_id: str) -> SandboxMarket | None:
        """Return the market of a Polymarket condition id."""

    def price(self, market: SandboxMarket, at: datetime) -> Decimal:
        """Return the fair price of YES, 0 to 1, at an instant."""

    def price_float(self, market: SandboxMarket, at_ts: float) -> float:
        """Return the same as a number, at Unix seconds: what books and candles are drawn from."""

    def outcome(self, market: SandboxMarket) -> Decimal:
        """Return what YES will pay; callers reveal it at `settle_at`."""

    def daily(self, market: SandboxMarket, start: date, end: date) -> list[tuple[date, Decimal]]:
        """Return the last price of each UTC day from start to end, both included, while the market was open."""

    def recorded_book(self, market: SandboxMarket) -> tuple[Levels, Levels] | None:
        """Return recorded bids and asks of YES (price units, whole contracts; best first), where there are any."""

    def refresh(self, now: datetime) -> None:
        """Bring the catalogue up to an instant: new markets are appended, long gone ones dropped."""


class Catalogue:
    """The indexes that both feeds share."""

    def __init__(self) -> None:
        self.generation = 0
        self._markets: dict[str, list[SandboxMarket]] = {venue: [] for venue in VENUES}
        self._events: dict[str, list[SandboxEvent]] = {venue: [] for venue in VENUES}
        self._series: dict[str, dict[str, SandboxSeries]] = {venue: {} for venue in VENUES}
        self._by_key: dict[tuple[str, str], SandboxMarket] = {}
        self._event_by_key: dict[tuple[str, str], SandboxEvent] = {}
        self._by_token: dict[str, tuple[SandboxMarket, str]] = {}
        self._by_condition: dict[str, SandboxMarket] = {}
        self._market_slugs: dict[str, SandboxMarket] = {}
        self._event_slugs: dict[str, SandboxEvent] = {}
        self._ordinal = 0

    def add(self, event: SandboxEvent, markets: Iterable[SandboxMarket]) -> None:
        """Append an event with its markets."""
        self._ordinal += 1
        event.ordinal = self._ordinal
        self._events[event.venue].append(event)
        self._event_by_key[event.venue, event.key] = event
        if event.slug:
            self._event_slugs.setdefault(event.slug, event)
        for market in markets:
            self._ordinal += 1
            market.ordinal = self._ordinal
            event.market_keys.append(market.key)
            self._markets[market.venue].append(market)
            self._by_key[market.venue, market.key] = market
            if market.condition_id:
                self._by_condition[market.condition_id] = market
                self._by_token[market.yes_token] = (market, "yes")
                self._by_token[market.no_token] = (market, "no")
                self._market_slugs.setdefault(market.slug, market)

    def add_series(self, series: SandboxSeries) -> None:
        self._series[series.venue].setdefault(series.key, series)

    def drop_events(self, gone: set[tuple[str, str]]) -> None:
        """Remove events, named by (venue, key), and their markets."""
        for venue, key in gone:
            event = self._event_by_key.pop((venue, key))
            if self._event_slugs.get(event.slug) is event:
                del self._event_slugs[event.slug]
            for market_key in event.market_keys:
                market = self._by_key.pop((venue, market_key))
                if market.condition_id:
                    del self._by_condition[market.condition_id]
                    del self._by_token[market.yes_token]
                    del self._by_token[market.no_token]
                    if self._market_slugs.get(market.slug) is market:
                        del self._market_slugs[market.slug]
        for venue in {venue for venue, _ in gone}:
            self._events[venue] = [event for event in self._events[venue] if (venue, event.key) not in gone]
            self._markets[venue] = [market for market in self._markets[venue] if (venue, market.event_key) not in gone]

    def price_float(self, market: SandboxMarket, at_ts: float) -> float:
        if market.outcome is not None and at_ts >= market.settle_at.timestamp():
            return float(market.outcome)
        if market.process is None:
            raise ValueError(f"{market.key} has no price process; a feed gives every market one")
        return market.process.price(at_ts)

    def price(self, market: SandboxMarket, at: datetime) -> Decimal:
        return Decimal(repr(round(self.price_float(market, at.timestamp()), 6)))

    def outcome(self, market: SandboxMarket) -> Decimal:
        if market.outcome is None:
            if market.process is None:
                raise ValueError(f"{market.key} has no price process; a feed gives every market one")
            market.outcome = Decimal(int(market.process.outcome()))
        return market.outcome

    def daily(self, market: SandboxMarket, start: date, end: date) -> list[tuple[date, Decimal]]:
        days: list[tuple[date, Decimal]] = []
        day = max(start, market.open_at.date())
        last = min(end, market.close_at.date())
        while day <= last:
            midnight = datetime.combine(day + timedelta(days=1), time(), UTC)
            days.append((day, self.price(market, min(midnight - timedelta(seconds=1), market.close_at))))
            day += timedelta(days=1)
        return days

    def recorded_book(self, market: SandboxMarket) -> tuple[Levels, Levels] | None:
        return None

    def venue_markets(self, venue: str) -> Sequence[SandboxMarket]:
        return self._markets[venue]

    def venue_events(self, venue: str) -> Sequence[SandboxEvent]:
        return self._events[venue]

    def series(self, venue: str) -> Sequence[SandboxSeries]:
        return list(self._series[venue].values())

    def one_series(self, venue: str, key: str) -> SandboxSeries | None:
        return self._series[venue].get(key)

    def market(self, venue: str, key: str) -> SandboxMarket | None:
        return self._by_key.get((venue, key))

    def event(self, venue: str, key: str) -> SandboxEvent | None:
        return self._event_by_key.get((venue, key))

    def market_by_slug(self, slug: str) -> SandboxMarket | None:
        return self._market_slugs.get(slug)

    def event_by_slug(self, slug: str) -> SandboxEvent | None:
        return self._event_slugs.get(slug)

    def by_token(self, token_id: str) -> tuple[SandboxMarket, str] | None:
        return self._by_token.get(token_id)

    def by_condition(self, condition_id: str) -> SandboxMarket | None:
        return self._by_condition.get(condition_id)


def after_ordinal(rows: Sequence[SandboxMarket] | Sequence[SandboxEvent], ordinal: int) -> int:
    """Return the index of the first row behind an ordinal: where a page continues, whatever was added or dropped."""
    return bisect_right(rows, ordinal, key=lambda row: row.ordinal)
