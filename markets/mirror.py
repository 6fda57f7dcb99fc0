"""Writing what a venue said: only rows that are new or differ, each page in one transaction."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from django.db import transaction

from itomarkets.lib.venues import Venue
from markets.models import Event, Market, QuarantinedRow, SyncRun
from markets.upsert import RowUpdater, RowWriter, json_text, plain, plain_columns
from markets.venues.kalshi import TAKER_RATE
from markets.venues.rows import BadRow, EventRow, MarketRow, Page

EVENT_SAYS = [
    "slug",
    "title",
    "subtitle",
    "series_key",
    "series_title",
    "category",
    "tags",
    "mutually_exclusive",
    "neg_risk",
    "fee_type",
    "fee_multiplier",
]
# What a row says of itself, and its figures, which move all the time and change nothing about the question.
MARKET_SAYS = [
    "event_id",
    "slug",
    "title",
    "subtitle",
    "rules",
    "yes_label",
    "no_label",
    "outcome_count",
    "is_combo",
    "category",
    "tags",
    "status",
    "result",
    "payout",
    "open_at",
    "close_at",
    "resolved_at",
    "price_ranges",
    "min_size",
    "exchange_index",
    "condition_id",
    "yes_token",
    "no_token",
    "neg_risk",
    "accepts_orders",
    "fee_schedule",
]
MARKET_FIGURES = ["yes_bid", "yes_ask", "last_price", "volume", "volume_24h", "liquidity", "open_interest"]
LOOKUP = 900
# Raw rows kept of one run; all are counted.
QUARANTINE_KEPT = 1000


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What a market takes from its event."""

    pk: int
    title: str
    category: str
    tags: list[str]
    fee_type: str
    fee_multiplier: str


@dataclass
class Counts:
    """What one run did so far."""

    pages: int = 0
    seen: int = 0
    added: int = 0
    updated: int = 0
    repriced: int = 0
    unchanged: int = 0
    gone: int = 0
    quarantined: int = 0


class SeenRows:
    """Which of the rows that stood before a run it has seen: one bit a row."""

    def __init__(self, largest_pk: int) -> None:
        self.largest_pk = largest_pk
        self.count = 0
        self._bits = bytearray(largest_pk // 8 + 1)

    def add(self, pk: int) -> None:
        if pk <= self.largest_pk and pk not in self:
            self._bits[pk >> 3] |= 1 << (pk & 7)
            self.count += 1

    def __contains__(self, pk: int) -> bool:
        return bool(self._bits[pk >> 3] & (1 << (pk & 7)))


@dataclass
class Mirror:
    """One venue's rows during one run."""

    venue: Venue
    run: SyncRun
    now: datetime
    seen: SeenRows
    fetch_events: Callable[[Sequence[str]], Page]
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._event_makers = plain_columns(Event, EVENT_SAYS)
        self._says_makers = plain_columns(Market, MARKET_SAYS)
        self._figure_makers = plain_columns(Market, MARKET_FIGURES)
        stamps = ["digest", "created_at", "last_changed_at"]
        self._event_writer = RowWriter(
            Event, ["venue", "native_id", *EVENT_SAYS, *stamps], key=["venue", "native_id"], keep=["created_at"]
        )
        self._market_writer = RowWriter(
            Market,
            ["venue", "native_id", *MARKET_SAYS, *MARKET_FIGURES, "listed_at", "vanished_at", *stamps],
            key=["venue", "native_id"],
            keep=["created_at"],
        )
        self._repricer = RowUpdater(Market, [*MARKET_FIGURES, "listed_at", "digest"])
        # Events that a market names and the venue does not know: asked for once a run.
        self._unknown_events: set[str] = set()

    def store(self, page: Page) -> None:
        """Write one page: events first, then the markets in them, then what could not be read."""
        if page.events:
            with transaction.atomic():
                self._store_events(page.events)
        events = self._event_facts({row.event_key for row in page.markets if row.event_key})
        missing = sorted(
            {row.event_key for row in page.markets if row.event_key} - events.keys() - self._unknown_events
        )
        if missing:
            found = self.fetch_events(missing)
            with transaction.atomic():
                self._store_events(found.events)
            events |= self._event_facts(set(missing))
            self._unknown_events |= set(missing) - events.keys()
        with transaction.atomic():
            self._store_markets(page.markets, events)
            self._quarantine(page.bad)
            self.counts.pages += 1
            self.save_counts()

    def save_counts(self) -> None:
        SyncRun.objects.filter(pk=self.run.pk).update(**vars(self.counts))

    def _store_events(self, rows: Iterable[EventRow]) -> None:
        by_key = {row.native_id: row for row in rows}
        standing = dict(
            Event.objects.filter(venue=self.venue, native_id__in=list(by_key)).values_list("native_id", "digest")
        )
        changed = []
        for key, row in by_key.items():
            values = plain([getattr(row, name) for name in EVENT_SAYS], self._event_makers)
            digest = fingerprint(values, 16)
            if standing.get(key) != digest:
                changed.append([self.venue.value, key, *values, digest, self.now, self.now])
        self._event_writer.write(changed)

    def _event_facts(self, keys: set[str]) -> dict[str, EventFacts]:
        facts: dict[str, EventFacts] = {}
        wanted = sorted(keys)
        for start in range(0, len(wanted), LOOKUP):
            found = Event.objects.filter(venue=self.venue, native_id__in=wanted[start : start + LOOKUP])
            for key, *rest in found.values_list(
                "native_id", "pk", "title", "category", "tags", "fee_type", "fee_multiplier"
            ):
                facts[key] = EventFacts(*rest)
        return facts

    def _standing(self, keys: Sequence[str]) -> dict[str, tuple[int, str, bool]]:
        standing: dict[str, tuple[int, str, bool]] = {}
        for start in range(0, len(keys), LOOKUP):
            found = Market.objects.filter(venue=self.venue, native_id__in=keys[start : start + LOOKUP])
            for key, pk, digest, vanished_at in found.values_list("native_id", "pk", "digest", "vanished_at"):
                standing[key] = (pk, digest, vanished_at is not None)
        return standing

    def _store_markets(self, rows: Sequence[MarketRow], events: dict[str, EventFacts]) -> None:
        by_key = {row.native_id: row for row in rows}
        standing = self._standing(list(by_key))
        written, repriced = [], []
        for key, row in by_key.items():
            says = plain(self._sayings(row, events.get(row.event_key)), self._says_makers)
            figures = plain([getattr(row, name) for name in MARKET_FIGURES], self._figure_makers)
            digest = fingerprint(says, 8) + fingerprint(figures, 8)
            pk, old_digest, vanished = standing.get(key, (0, "", False))
            self.seen.add(pk)
            if pk and old_digest == digest and not vanished:
                self.counts.unchanged += 1
            elif pk and old_digest[:16] == digest[:16] and not vanished:
                repriced.append([*figures, self.now, digest, pk])
            else:
                stamps = [self.now, None, digest, self.now, self.now]
                written.append([self.venue.value, key, *says, *figures, *stamps])
                self.counts.added += not pk
                self.counts.updated += bool(pk)
        self._market_writer.write(written)
        self._repricer.write(repriced)
        self.counts.repriced += len(repriced)
        self.counts.seen += len(by_key)

    def _sayings(self, row: MarketRow, event: EventFacts | None) -> list[Any]:
        own: dict[str, Any] = {"event_id": event.pk if event else None}
        if event is not None:
            own |= {
                "title": row.title or event.title,
                "category": row.category or event.category,
                "tags": row.tags or event.tags,
                "fee_schedule": {**event_fees(event), **row.fee_schedule},
            }
        return [own[name] if name in own else getattr(row, name) for name in MARKET_SAYS]

    def _quarantine(self, bad: Sequence[BadRow]) -> None:
        if not bad:
            return
        room = max(0, QUARANTINE_KEPT - self.counts.quarantined)
        QuarantinedRow.objects.bulk_create(
            QuarantinedRow(
                run=self.run,
                venue=self.venue,
                native_id=row.native_id,
                raw=orjson.loads(json_text(row.raw)),
                error=row.error.replace("\x00", ""),
            )
            for row in bad[:room]
        )
        self.counts.quarantined += len(bad)
        # A market whose row could not be read is there all the same.
        for pk, _, _ in self._standing([row.native_id for row in bad if row.native_id]).values():
            self.seen.add(pk)


def event_fees(event: EventFacts) -> dict[str, str]:
    """Turn a Kalshi event's fee type and multiplier into a schedule; empty where none was given."""
    if not event.fee_type:
        return {}
    rate = TAKER_RATE * Decimal(event.fee_multiplier or 1)
    return {"type": event.fee_type, "rate": f"{rate.normalize():f}", "exponent": "1"}


def fingerprint(values: Sequence[Any], size: int) -> str:
    """Return a short digest of plain values: twice `size` hexadecimal characters."""
    return hashlib.blake2b(orjson.dumps(values), digest_size=size).hexdigest()
