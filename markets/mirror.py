"""Writing what a venue said: only rows that are new or differ, each page in one transaction."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson
from django.db import transaction

from itomarkets.lib.venues import Venue
from markets.models import Event, Market, MarketChange, QuarantinedRow, SyncRun
from markets.upsert import RowUpdater, RowWriter, any_of, json_text, plain, plain_columns
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
EVENT_VALUES = attrgetter(*EVENT_SAYS)
MARKET_VALUES = attrgetter(*MARKET_SAYS[1:])
MARKET_FIGURE_VALUES = attrgetter(*MARKET_FIGURES)
EVENT_AT, TITLE_AT, CATEGORY_AT, TAGS_AT, FEES_AT = map(
    MARKET_SAYS.index, ("event_id", "title", "category", "tags", "fee_schedule")
)
CHANGE_COLUMNS = ["market_id", "field", "before", "after", "at"]
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
    """Which of the rows that stood before a run it has seen: one bit a row; those with a larger key it made."""

    def __init__(self, largest_pk: int) -> None:
        self.largest_pk = largest_pk
        self.count = 0
        self._bits = bytearray(largest_pk // 8 + 1)

    def add(self, pk: int) -> None:
        if pk <= self.largest_pk and pk not in self:
            self._bits[pk >> 3] |= 1 << (pk & 7)
            self.count += 1

    def __contains__(self, pk: int) -> bool:
        return pk > self.largest_pk or bool(self._bits[pk >> 3] & (1 << (pk & 7)))


@dataclass
class _Differing:
    """Markets of a page that stand and say or show something else now, by primary key."""

    rows: dict[int, list[Any]] = field(default_factory=dict)
    said: dict[int, list[Any]] = field(default_factory=dict)
    figures: dict[int, list[Any]] = field(default_factory=dict)


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
        key = ["venue", "native_id"]
        self._event_writer = RowWriter(
            Event, [*key, *EVENT_SAYS, *stamps], key=key, keep=["created_at"], unless_same=["digest"]
        )
        self._market_writer = RowWriter(
            Market,
            [*key, *MARKET_SAYS, *MARKET_FIGURES, "listed_at", "vanished_at", *stamps],
            key=key,
            keep=["created_at"],
            unless_same=["digest", "vanished_at"],
        )
        self._repricer = RowUpdater(Market, [*MARKET_FIGURES, "listed_at", "digest"])
        self._change_writer = RowWriter(MarketChange, CHANGE_COLUMNS, key=["id"], update=False)
        # Events that a market names and the venue does not know: asked for once a run.
        self._unknown_events: set[str] = set()

    def store(self, *pages: Page) -> None:
        """Write pages in one go: events first, then the markets in them, then what could not be read."""
        events: dict[str, EventFacts] = {}
        listed = [row for page in pages for row in page.events]
        markets = [row for page in pages for row in page.markets]
        if listed:
            with transaction.atomic():
                events = self._store_events(listed)
        wanted = {row.event_key for row in markets if row.event_key} - events.keys()
        events |= self._event_facts(wanted)
        missing = sorted(wanted - events.keys() - self._unknown_events)
        if missing:
            found = self.fetch_events(missing)
            with transaction.atomic():
                events |= self._store_events(found.events)
            self._unknown_events |= set(missing) - events.keys()
        with transaction.atomic():
            self._store_markets(markets, events)
            self._quarantine([row for page in pages for row in page.bad])
            self.counts.pages += len(pages)
            self.save_counts()

    def save_counts(self) -> None:
        SyncRun.objects.filter(pk=self.run.pk).update(**vars(self.counts))

    def mark_gone(self, pk: int) -> None:
        """Say of a market that nobody knows its id any more; its row stays."""
        with transaction.atomic():
            gone = Market.objects.filter(pk=pk, vanished_at__isnull=True).update(
                vanished_at=self.now, last_changed_at=self.now
            )
            if gone:
                MarketChange.objects.create(
                    market_id=pk, field="vanished_at", before=None, after=told(self.now), at=self.now
                )
        self.counts.gone += gone

    def _store_events(self, rows: Iterable[EventRow]) -> dict[str, EventFacts]:
        """Write new and changed events; return what markets take from each of them."""
        by_key = {row.native_id: row for row in rows}
        standing = self._standing(Event, list(by_key), ("pk", "digest"))
        changed = []
        for key, row in by_key.items():
            values = plain(EVENT_VALUES(row), self._event_makers)
            digest = fingerprint(orjson.dumps(values), 16)
            if key not in standing or standing[key][1] != digest:
                changed.append([self.venue.value, key, *values, digest, self.now, self.now])
        self._event_writer.write(changed)
        standing |= self._standing(Event, [key for key in by_key if key not in standing], ("pk", "digest"))
        return {
            key: EventFacts(standing[key][0], row.title, row.category, list(row.tags), row.fee_type, row.fee_multiplier)
            for key, row in by_key.items()
        }

    def _event_facts(self, keys: Iterable[str]) -> dict[str, EventFacts]:
        columns = ("pk", "title", "category", "tags", "fee_type", "fee_multiplier")
        return {key: EventFacts(*rest) for key, rest in self._standing(Event, sorted(keys), columns).items()}

    def _standing(
        self, model: type[Event] | type[Market], keys: Sequence[str], columns: Sequence[str]
    ) -> dict[str, tuple[Any, ...]]:
        """Return the rows that stand under these native ids: the columns by id."""
        if not keys:
            return {}
        found = model.objects.filter(venue=self.venue, native_id__in=any_of(keys))
        return {key: tuple(rest) for key, *rest in found.values_list("native_id", *columns)}

    def _store_markets(self, rows: Sequence[MarketRow], events: dict[str, EventFacts]) -> None:
        by_key = {row.native_id: row for row in rows}
        standing = self._standing(Market, list(by_key), ("pk", "digest", "vanished_at"))
        differing = _Differing()
        self._market_writer.add(self._new_rows(by_key, standing, events, differing))
        changes = self._changes(differing.said)
        said_otherwise = {change[0] for change in changes}
        # Where only our way of reading a row has changed, its figures and its digest will do.
        self._market_writer.write(row for pk, row in differing.rows.items() if pk in said_otherwise)
        self._repricer.write(row for pk, row in differing.figures.items() if pk not in said_otherwise)
        self._change_writer.write(changes)

    def _new_rows(
        self,
        by_key: Mapping[str, MarketRow],
        standing: Mapping[str, tuple[Any, ...]],
        events: Mapping[str, EventFacts],
        differing: "_Differing",
    ) -> Iterator[tuple[list[Any], bytes]]:
        """Yield each new market's row with its JSON; put those that stand and differ aside."""
        stamps = orjson.dumps([self.now, None])[1:-1]
        for key, row in by_key.items():
            sayings = self._sayings(row, events.get(row.event_key))
            says = plain(sayings, self._says_makers)
            figures = plain(MARKET_FIGURE_VALUES(row), self._figure_makers)
            says_json, figures_json = orjson.dumps(says), orjson.dumps(figures)
            digest = fingerprint(says_json, 8) + fingerprint(figures_json, 8)
            pk, old_digest, vanished_at = standing.get(key, (0, "", None))
            is_first = self._is_first(pk)
            if pk and old_digest == digest and vanished_at is None:
                self.counts.unchanged += is_first
                continue
            if pk:
                differing.figures[pk] = [*figures, self.now, digest, pk]
                if old_digest[:16] == digest[:16] and vanished_at is None:
                    self.counts.repriced += is_first
                    continue
            values = [self.venue.value, key, *says, *figures, self.now, None, digest, self.now, self.now]
            if pk:
                self.counts.updated += is_first
                differing.rows[pk], differing.said[pk] = values, sayings
                continue
            self.counts.added += 1
            head, tail = orjson.dumps(values[:2])[1:-1], orjson.dumps(values[-3:])[1:-1]
            yield values, b",".join((head, says_json[1:-1], figures_json[1:-1], stamps, tail))

    def _is_first(self, pk: int) -> bool:
        """Count a market that the run meets, once: listings overlap at their edges, and rows move between them."""
        is_first = pk not in self.seen if pk else True
        self.seen.add(pk)
        self.counts.seen += is_first
        return is_first

    def _changes(self, said: dict[int, list[Any]]) -> list[list[Any]]:
        """Compare what the venue says now with what stands, field by field; return rows of MarketChange."""
        changes = []
        names = ["event__native_id" if name == "event_id" else name for name in MARKET_SAYS]
        keys = dict(Event.objects.filter(pk__in={values[0] for values in said.values()}).values_list("pk", "native_id"))
        found = Market.objects.filter(pk__in=list(said)).values_list("pk", "vanished_at", *names)
        for pk, vanished_at, *before in found:
            event_id, *rest = said[pk]
            after = [keys.get(event_id), *rest]
            pairs = [(name.removesuffix("_id"), *pair) for name, *pair in zip(MARKET_SAYS, before, after, strict=True)]
            pairs.append(("vanished_at", vanished_at, None))
            for name, old, new in pairs:
                old, new = told(old), told(new)
                if old != new:
                    changes.append([pk, name, json_text(old), json_text(new), self.now])
        return changes

    def _sayings(self, row: MarketRow, event: EventFacts | None) -> list[Any]:
        values = [None, *MARKET_VALUES(row)]
        if event is not None:
            values[EVENT_AT] = event.pk
            values[TITLE_AT] = row.title or event.title
            values[CATEGORY_AT] = row.category or event.category
            values[TAGS_AT] = row.tags or event.tags
            values[FEES_AT] = {**event_fees(event.fee_type, event.fee_multiplier), **row.fee_schedule}
        return values

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
        keys = [row.native_id for row in bad if row.native_id]
        for (pk,) in self._standing(Market, keys, ("pk",)).values():
            self.seen.add(pk)


@lru_cache(maxsize=1000)
def event_fees(fee_type: str, multiplier: str) -> Mapping[str, str]:
    """Turn a Kalshi event's fee type and multiplier into a schedule; empty where none was given."""
    if not fee_type:
        return {}
    rate = TAKER_RATE * Decimal(multiplier or 1)
    return {"type": fee_type, "rate": f"{rate.normalize():f}", "exponent": "1"}


def told(value: Any) -> Any:
    """Return a value as a change keeps it: decimals and instants as text, lists as lists."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return list(value) if isinstance(value, tuple) else value


def fingerprint(json: bytes, size: int) -> str:
    """Return a short digest of plain values as JSON: twice `size` hexadecimal characters."""
    return hashlib.blake2b(json, digest_size=size).hexdigest()
