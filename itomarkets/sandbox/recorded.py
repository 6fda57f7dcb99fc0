"""The recorded feed: markets, raw objects, books and daily prices from a folder of recordings."""

import gzip
import re
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from .feeds import Catalogue, Levels
from .model import (
    KALSHI,
    ONE,
    POLYMARKET,
    PRICE_UNITS,
    TICKS,
    FeeRule,
    SandboxEvent,
    SandboxMarket,
    SandboxSeries,
    TickRange,
    kalshi_fee,
    polymarket_fee,
    polymarket_ids,
    stable_hash,
    uniform_ticks,
)
from .replay import History, Replay

EVENT_ROW = "EVENT:"
# What a row without a close gets: a seeded day in the two years behind this one.
OPEN_ENDED_FROM = datetime(2026, 9, 15, tzinfo=UTC)
# Rows say neither when they opened nor, mostly, when they were seen: they were open by then, and priced at the latter.
OPEN_BY = datetime(2026, 7, 15, tzinfo=UTC)
PRICED_AT = datetime(2026, 8, 22, tzinfo=UTC)
SETTLES_AFTER = timedelta(hours=3)
RULES = "This market resolves to Yes if what its title says comes about, otherwise to No."
POLYMARKET_FEES = {
    "crypto": ("crypto_fees_v2", "0.07"),
    "politics": ("politics_fees", "0.04"),
    "tech": ("tech_fees", "0.04"),
    "finance": ("finance_prices_fees", "0.04"),
    "geopolitics": ("", "0"),
    "sports": ("sports_fees_v2", "0.05"),
}
SHARD_PREFIXES = (
    (2, re.compile(r"KX(BTC|ETH|SOL|XRP|DOGE|WTI|BRENT|GOLD|SILVER|NATGAS|COPPER|CORN|WHEAT)")),
    (3, re.compile(r"KX(ATP|WTA|NBA|WNBA|MLB|NCAAMB|NCAAWB|TENNIS)")),
)


class RecordedError(Exception):
    """The folder is not what it should be; the text says what is missing."""


class RecordedFeed(Catalogue):
    """Everything of one folder, each market once, in the order of `markets.jsonl.gz` as far as events allow."""

    def __init__(self, folder: Path, seed: int, now: datetime) -> None:
        super().__init__()
        if not (folder / "markets.jsonl.gz").exists():
            raise RecordedError(f"{folder} has no markets.jsonl.gz; expected a folder of recorded data.")
        self._folder = folder
        self._seed = seed
        self._histories = _histories(folder / "daily_prices.csv.gz")
        self._books: dict[str, tuple[Levels, Levels]] = {}
        rows: dict[str, list[dict[str, Any]]] = {KALSHI: [], POLYMARKET: []}
        for number, row in enumerate(self._lines("markets.jsonl.gz"), 1):
            if row.get("venue") not in rows or not row.get("key"):
                raise RecordedError(f"{folder}/markets.jsonl.gz line {number}: expected venue and key, found {row}.")
            rows[row["venue"]].append(row)
        self._load_kalshi(rows[KALSHI])
        self._load_polymarket(rows[POLYMARKET])
        self._load_books()
        self.generation = 1

    def refresh(self, now: datetime) -> None:
        """Do nothing: a recording has an end."""

    def recorded_book(self, market: SandboxMarket) -> tuple[Levels, Levels] | None:
        return self._books.get(market.key) if self._books else None

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        path = self._folder / name
        if not path.exists():
            return
        try:
            with gzip.open(path, "rb") as lines:
                for line in lines:
                    yield orjson.loads(line)
        except (OSError, orjson.JSONDecodeError) as error:
            raise RecordedError(
                f"{path} cannot be read: {error}. Expected gzip with one JSON object a line."
            ) from error

    # Kalshi

    def _load_kalshi(self, rows: list[dict[str, Any]]) -> None:
        raw_series = {raw["ticker"]: raw for raw in self._lines("kalshi_series.jsonl.gz")}
        raw_events = {raw["event_ticker"]: raw for raw in self._lines("kalshi_events.jsonl.gz")}
        raw_markets = {raw["ticker"]: _repaired(raw) for raw in self._lines("kalshi_markets.jsonl.gz")}
        taken = {row["key"] for row in rows}
        grouped: dict[str, list[tuple[dict[str, Any], str]]] = {}
        for row in rows:
            key = row["key"]
            if key.startswith(EVENT_ROW):
                event_key = key.removeprefix(EVENT_ROW)
                ticker = event_key if event_key not in taken else f"{event_key}-YES"
            else:
                ticker = key
                event_key = (raw_markets.get(key) or {}).get("event_ticker") or _event_of(key)
            grouped.setdefault(event_key, []).append((row, ticker))
        for event_key, members in grouped.items():
            event = self._kalshi_event(event_key, members, raw_events.get(event_key), raw_series)
            series = self.one_series(KALSHI, event.series_key)
            fee = series.fee if series else kalshi_fee()
            self.add(
                event,
                [self._kalshi_market(event, row, ticker, raw_markets.get(ticker), fee) for row, ticker in members],
            )

    def _kalshi_event(
        self,
        key: str,
        members: list[tuple[dict[str, Any], str]],
        raw: dict[str, Any] | None,
        raw_series: dict[str, dict[str, Any]],
    ) -> SandboxEvent:
        found = raw or {}
        row = members[0][0]
        series_key = found.get("series_ticker") or key.split("-")[0]
        known = raw_series.get(series_key)
        category = (known or {}).get("category") or found.get("category") or row.get("category") or ""
        shard = next((shard for shard, prefix in SHARD_PREFIXES if prefix.match(series_key)), 0)
        shard = 2 if category == "Crypto" else shard
        if self.one_series(KALSHI, series_key) is None:
            self.add_series(_kalshi_series(series_key, known, category, row, shard))
        return SandboxEvent(
            KALSHI,
            key,
            "",
            found.get("title") or row.get("event_title") or row["title"],
            subtitle=found.get("sub_title") or "",
            series_key=series_key,
            series_title=(known or {}).get("title") or series_key,
            category=category,
            mutually_exclusive=bool(found.get("mutually_exclusive")),
            exchange_index=shard,
        )

    def _kalshi_market(
        self, event: SandboxEvent, row: dict[str, Any], key: str, raw: dict[str, Any] | None, fee: FeeRule
    ) -> SandboxMarket:
        found = raw or {}
        label = found.get("yes_sub_title") or row.get("subtitle") or found.get("subtitle") or row["title"]
        price = row.get("price")
        ticks, tick_label = _kalshi_ticks(found, price)
        market = self._market(KALSHI, key, event, row, found.get("open_time"), found.get("close_time"))
        market.title = row["title"]
        market.subtitle = row.get("subtitle") or found.get("subtitle") or ""
        market.yes_label, market.no_label = label, found.get("no_sub_title") or label
        market.rules = found.get("rules_primary") or RULES
        market.ticks, market.tick_label = ticks, tick_label
        market.exchange_index = event.exchange_index
        market.fee = fee
        market.raw = raw
        strike = found.get("floor_strike")
        market.floor_strike = float(strike) if isinstance(strike, int | float) else None
        market.strike_type = found.get("strike_type") or ""
        result = found.get("result")
        self._price(market, row, (key, row["key"].removeprefix(EVENT_ROW)), {"yes": 1.0, "no": 0.0}.get(result or ""))
        return market

    # Polymarket

    def _load_polymarket(self, rows: list[dict[str, Any]]) -> None:
        raw_by_id: dict[str, dict[str, Any]] = {}
        # A few markets were recorded twice, by id and by slug: the object is served once, under its id.
        listed, doubles = {row["key"] for row in rows}, set()
        for recorded in self._lines("polymarket_markets.jsonl.gz"):
            raw_by_id[recorded["id"]] = recorded
            slug = recorded.get("slug") or recorded["id"]
            if recorded["id"] in listed:
                doubles.add(slug)
            else:
                raw_by_id.setdefault(slug, recorded)
        raw_events = {raw["id"]: raw for raw in self._lines("polymarket_events.jsonl.gz")}
        clob_by_slug = {
            raw["market_slug"]: raw
            for raw in self._lines("polymarket_clob_markets.jsonl.gz")
            if raw["market_slug"] not in doubles
        }
        grouped: dict[object, list[dict[str, Any]]] = {}
        for row in rows:
            raw = raw_by_id.get(row["key"])
            parent = (raw or {}).get("_event") or {}
            stem = _stem(row)
            grouped.setdefault(parent.get("id") or ((stem, row.get("close")) if stem else row["key"]), []).append(row)
        for group, members in grouped.items():
            event = self._polymarket_event(group, members, raw_by_id, raw_events)
            markets = [
                self._polymarket_market(event, row, raw_by_id.get(row["key"]), clob_by_slug.get(row["key"]))
                for row in members
            ]
            self.add(event, markets)

    def _polymarket_event(
        self,
        group: object,
        members: list[dict[str, Any]],
        raw_by_id: dict[str, dict[str, Any]],
        raw_events: dict[str, dict[str, Any]],
    ) -> SandboxEvent:
        row = members[0]
        parent = (raw_by_id.get(row["key"]) or {}).get("_event") or {}
        raw = raw_events.get(parent.get("id", ""))
        slug = parent.get("slug") or (_slug(str(group[0])) if isinstance(group, tuple) else _slug_of(row))
        if slug in self._event_slugs:
            slug = f"{slug}-{stable_hash(row['key']) % 10**6}"
        prices = [member["price"] for member in members if member.get("price") is not None]
        exclusive = len(members) >= 3 and len(prices) == len(members) and 0.8 <= sum(prices) <= 1.25
        category = row.get("category") or ""
        tags = tuple(row.get("tags") or parent.get("tags") or ((category,) if category else ()))
        return SandboxEvent(
            POLYMARKET,
            parent.get("id") or str(10**9 + stable_hash("event", row["key"]) % 10**11),
            slug,
            parent.get("title") or (str(group[0]) if isinstance(group, tuple) else row["title"]),
            category=category,
            tags=tags,
            mutually_exclusive=exclusive,
            neg_risk=exclusive,
            raw=raw,
        )

    def _polymarket_market(
        self, event: SandboxEvent, row: dict[str, Any], raw: dict[str, Any] | None, clob: dict[str, Any] | None
    ) -> SandboxMarket:
        found, row_key = raw or {}, row["key"]
        key = row_key if row_key.isdigit() else found.get("id") or str(10**9 + stable_hash("market", row_key) % 10**11)
        market = self._market(POLYMARKET, key, event, row, found.get("startDate"), found.get("endDate"))
        market.title = row["title"]
        market.rules = found.get("description") or RULES
        slug = found.get("slug") or _slug_of(row)
        market.slug = slug if slug not in self._market_slugs else f"{slug}-{key}"
        market.group_title = found.get("groupItemTitle") or row.get("event") or ""
        tokens = _json_list(found.get("clobTokenIds"))
        labels = _json_list(found.get("outcomes"))
        market.condition_id, market.question_id, market.yes_token, market.no_token = polymarket_ids(row_key)
        if len(tokens) == 2 and found.get("conditionId"):
            market.condition_id, (market.yes_token, market.no_token) = found["conditionId"], tokens
            market.question_id = found.get("questionID") or market.question_id
        elif clob and len(clob.get("tokens", ())) == 2 and clob.get("condition_id"):
            market.condition_id = clob["condition_id"]
            market.yes_token, market.no_token = (token["token_id"] for token in clob["tokens"])
        if len(labels) == 2:
            market.yes_label, market.no_label = labels
        price = row.get("price")
        step = found.get("orderPriceMinTickSize") or (0.001 if _is_fine(price) else 0.01)
        market.ticks = uniform_ticks(f"{step:g}")
        market.tick_label = ""
        market.min_size = Decimal(str(found.get("orderMinSize") or 5))
        market.neg_risk = event.neg_risk
        market.fee = _polymarket_fee(event.category)
        market.raw = raw
        self._price(market, row, (row_key, key, f"id:{key}", market.slug), None)
        return market

    # Both

    def _market(
        self,
        venue: str,
        key: str,
        event: SandboxEvent,
        row: dict[str, Any],
        opened: str | None,
        closes: str | None,
    ) -> SandboxMarket:
        """Make the common part of a market; what no recording says comes from the seed."""
        seed = stable_hash(self._seed, venue, key)
        close_at = _instant(row.get("close")) or _instant(closes)
        if close_at is None:
            close_at = OPEN_ENDED_FROM + timedelta(days=seed % 700, hours=seed // 700 % 24)
        open_at = _instant(opened)
        if open_at is None or open_at >= close_at:
            open_at = min(OPEN_BY - timedelta(days=seed % 120), close_at - timedelta(days=20 + seed % 60))
        volume = row.get("volume")
        return SandboxMarket(
            venue,
            key,
            event.key,
            row["title"],
            open_at=open_at,
            close_at=close_at,
            settle_at=close_at + SETTLES_AFTER,
            volume=int(volume if volume is not None else (row.get("volume_24h") or 0) * 12 + seed % 400),
            volume_24h=int(row.get("volume_24h") or 0),
            seed=seed,
        )

    def _price(self, market: SandboxMarket, row: dict[str, Any], names: tuple[str, ...], result: float | None) -> None:
        """Give a market its prices: its daily history, its last known price, from there on the seed's path."""
        history = next(filter(None, (self._histories.get((market.venue, name)) for name in names)), None)
        close_ts = market.close_at.timestamp()
        price: float | None = row.get("price")
        priced_at = (_instant(row.get("seen")) or PRICED_AT).timestamp()
        if history is not None:
            days, prices = history
            opened = datetime.fromtimestamp(days[0] * 86_400.0, UTC)
            market.open_at = min(market.open_at, opened)
            if price is None or (days[-1] + 1) * 86_400.0 > priced_at:
                price, priced_at = prices[-1], (days[-1] + 1) * 86_400.0
        if price is None:
            price = 0.05 + market.seed % 9000 / 10_000
        if market.close_at <= PRICED_AT and result is None:
            result = 1.0 if float(price) >= 0.5 else 0.0
        market.process = Replay(market.seed, history, float(price), min(priced_at, close_ts), close_ts, result)

    def _load_books(self) -> None:
        for raw in self._lines("orderbooks.jsonl.gz"):
            ticker = raw.get("ticker")
            if ticker and (KALSHI, ticker) in self._by_key and "orderbook_fp" in raw:
                book = raw["orderbook_fp"]
                asks = [[str(ONE - Decimal(price)), size] for price, size in book.get("no_dollars") or ()]
                self._books[ticker] = _levels(book.get("yes_dollars") or (), asks)
            found = self.by_token(str(raw.get("asset_id", "")))
            if found is not None:
                sides = [
                    [[level["price"], level["size"]] for level in raw.get(name) or ()] for name in ("bids", "asks")
                ]
                if found[1] == "no":
                    sides = [[[str(ONE - Decimal(price)), size] for price, size in side] for side in reversed(sides)]
                self._books[found[0].key] = _levels(*sides)


def _levels(bids: Any, asks: Any) -> tuple[Levels, Levels]:
    """Read recorded levels, best first; sizes below one contract and prices outside (0, 1) are left out."""

    def side(levels: Any, *, best_high: bool) -> Levels:
        read = [(int(Decimal(str(price)) * PRICE_UNITS), int(Decimal(str(size)))) for price, size in levels]
        return sorted(((p, s) for p, s in read if 0 < p < PRICE_UNITS and s > 0), reverse=best_high)

    return side(bids, best_high=True), side(asks, best_high=False)


def _histories(path: Path) -> dict[tuple[str, str], History]:
    """Read the daily prices: for each (venue, key) the days since 1970 and the last price of each, in order."""
    found: dict[tuple[str, str], History] = {}
    if not path.exists():
        return found
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        next(lines, None)
        name: tuple[str, str] | None = None
        series: History = (array("l"), array("d"))
        for line in lines:
            venue, key, day, price, _ = line.split(",", 4)
            if (venue, key) != name:
                name = (venue, key)
                series = found.setdefault(name, (array("l"), array("d")))
            series[0].append(_day(day))
            series[1].append(float(price))
    return found


@cache
def _day(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // 86_400


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _event_of(ticker: str) -> str:
    """Guess the event of a ticker that no recorded object explains: what stands before its last part."""
    head, _, tail = ticker.rpartition("-")
    return head if head and tail else ticker


def _repaired(raw: dict[str, Any]) -> dict[str, Any]:
    """Undo what some recorders did to a market: an object of strikes written as a list of pairs."""
    strike = raw.get("custom_strike")
    if isinstance(strike, list):
        raw["custom_strike"] = dict(strike)
    return raw


def _kalshi_series(
    key: str, raw: dict[str, Any] | None, category: str, row: dict[str, Any], shard: int
) -> SandboxSeries:
    found = raw or {}
    multiplier = Decimal(str(found.get("fee_multiplier", 1)))
    return SandboxSeries(
        KALSHI,
        key,
        found.get("title") or row.get("event_title") or key,
        category=category,
        tags=tuple(found.get("tags") or row.get("tags") or ()),
        frequency=found.get("frequency") or "custom",
        fee=kalshi_fee(found.get("fee_type") or "quadratic", multiplier),
        exchange_index=shard,
        raw=raw,
    )


def _kalshi_ticks(raw: dict[str, Any], price: float | None) -> tuple[tuple[TickRange, ...], str]:
    label = raw.get("price_level_structure") or ""
    ranges = raw.get("price_ranges")
    if label in TICKS:
        return TICKS[label], label
    if ranges:
        return _ranges(tuple((part["start"], part["end"], part["step"]) for part in ranges)), label or "custom"
    label = "deci_cent" if price is not None and round(price * 1000) % 10 else "linear_cent"
    return TICKS[label], label


@cache
def _ranges(parts: tuple[tuple[str, str, str], ...]) -> tuple[TickRange, ...]:
    return tuple(TickRange(*(Decimal(part) for part in triple)) for triple in parts)


def _is_fine(price: float | None) -> bool:
    """Say whether a price shows that its market has the finer grid."""
    return price is not None and (price < 0.04 or price > 0.96 or round(price * 1000) % 10 != 0)


def _polymarket_fee(category: str) -> FeeRule:
    kind, rate = POLYMARKET_FEES.get(category.lower(), ("general_fees", "0.05"))
    return polymarket_fee(kind, rate)


def _stem(row: dict[str, Any]) -> str:
    """Return a title with its group item taken out: markets that share it are one event."""
    item = row.get("event") or ""
    title: str = row["title"]
    return title.replace(item, "___", 1) if item and item in title and item != title else ""


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:120] or "market"


def _slug_of(row: dict[str, Any]) -> str:
    key: str = row["key"]
    return f"{_slug(row['title'])}-{key}" if key.isdigit() else key


def _json_list(text: Any) -> list[str]:
    """Read the lists that Gamma sends as strings holding JSON."""
    if isinstance(text, str) and text:
        try:
            text = orjson.loads(text)
        except orjson.JSONDecodeError:
            return []
    return [str(item) for item in text] if isinstance(text, list) else []
