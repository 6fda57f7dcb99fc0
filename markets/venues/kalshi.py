"""Kalshi's public reads, Trade API v2 (OpenAPI 3.34.0): wire to rows, nothing signed but the order books.

https://docs.kalshi.com/api-reference. Prices are dollar strings, counts `_fp` strings; both become
Decimal. Tickers are never taken apart: a market's series comes from its event.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from itomarkets.lib import clock
from itomarkets.lib.http import HttpClient
from itomarkets.lib.kalshi_signing import PrivateKey, signed_headers
from itomarkets.lib.venues import VenueNotFound, VenueProtocolError
from markets.venues.base import Level, OrderBook, SideBook, sort_levels
from markets.venues.kalshi_history import KalshiHistory
from markets.venues.rows import BadRow, EventRow, MarketRow, Page, read_rows, walk_pages
from markets.venues.walks import Sieve, Walk, Walkers, Window, parts, walk_in_turn, walk_of, windows
from markets.venues.wire import (
    ONE,
    ZERO,
    decimal_of,
    instant_of,
    key_of,
    list_of,
    mapping_of,
    money_of,
    one_of,
    price_of,
    rows_of,
    text_of,
)

if TYPE_CHECKING:
    from markets.models import Market

EVENTS_A_PAGE = 200
MARKETS_A_PAGE = 1000
BOOKS_A_CALL = 100
EVENTS_A_CALL = 100
EVENT_CALLS_AT_ONCE = 8
# A window that has given more pages than this is walked to its end: parting it would fetch them again.
PARTED_WITHIN = 16
# The standard taker rate; a series' or an event's multiplier scales it.
TAKER_RATE = Decimal("0.07")

STATUSES = {
    "initialized": "unopened",
    "active": "open",
    "inactive": "paused",
    "closed": "closed",
    # Announced, but it may still be disputed or amended; only `finalized` has paid.
    "determined": "closed",
    "amended": "closed",
    "disputed": "disputed",
    "finalized": "resolved",
}
RESULTS = {"": "", "yes": "yes", "no": "no", "scalar": "fraction"}
MARKET_TYPES = {"binary": 2, "scalar": 0}
FEE_TYPES = {
    "": "",
    "quadratic": "quadratic",
    "quadratic_with_maker_fees": "quadratic_with_maker_fees",
    "quadratic_with_combo_maker_fees": "quadratic_with_combo_maker_fees",
    "flat": "flat",
}


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series: where category, tags and fees of its events come from."""

    key: str
    title: str
    category: str
    tags: tuple[str, ...]
    fee_type: str
    fee_multiplier: str


def parse_series(raw: Any) -> SeriesRow:
    row = mapping_of(raw, "series")
    return SeriesRow(
        key=key_of(row, "ticker"),
        title=text_of(row, "title"),
        category=text_of(row, "category", longest=80),
        tags=tuple(str(tag).strip()[:80] for tag in list_of(row, "tags") if tag),
        fee_type=one_of(row, "fee_type", FEE_TYPES),
        fee_multiplier=_plain(decimal_of(row, "fee_multiplier")),
    )


def parse_event(raw: Any, series: Mapping[str, SeriesRow]) -> EventRow:
    """Read an event; category, tags and fees come from its series unless the event overrides them."""
    row = mapping_of(raw, "event")
    series_key = text_of(row, "series_ticker", longest=120)
    parent = series.get(series_key)
    override = one_of(row, "fee_type_override", FEE_TYPES)
    multiplier = _plain(decimal_of(row, "fee_multiplier_override"))
    return EventRow(
        native_id=key_of(row, "event_ticker"),
        title=text_of(row, "title"),
        subtitle=text_of(row, "sub_title"),
        series_key=series_key,
        series_title=parent.title if parent else "",
        category=(parent.category if parent else "") or text_of(row, "category", longest=80),
        tags=parent.tags if parent else (),
        mutually_exclusive=bool(row.get("mutually_exclusive")),
        fee_type=override or (parent.fee_type if parent else ""),
        fee_multiplier=multiplier or (parent.fee_multiplier if parent else ""),
    )


def parse_market(raw: Any) -> MarketRow:
    """Read a market of the live or the historical tier.

    Status, result and payout come from the venue's own fields; a price of 0.99 decides nothing.
    """
    row = mapping_of(raw, "market")
    ticker = key_of(row, "ticker")
    status = one_of(row, "status", STATUSES)
    result, payout = ("", None)
    if status == "resolved":
        result, payout = _outcome(row)
        if result == "" and payout is None:
            status = "void"
    waived_until = instant_of(row, "fee_waiver_expiration_time")
    return MarketRow(
        native_id=ticker,
        event_key=text_of(row, "event_ticker", longest=120),
        title=text_of(row, "title"),
        subtitle=text_of(row, "yes_sub_title", "subtitle"),
        rules="\n\n".join(part for part in (text_of(row, "rules_primary"), text_of(row, "rules_secondary")) if part),
        outcome_count=one_of(row, "market_type", MARKET_TYPES, default="binary"),
        is_combo=bool(row.get("mve_collection_ticker")) or ticker.startswith("KXMVE"),
        status=status,
        result=result,
        payout=payout,
        open_at=instant_of(row, "open_time"),
        close_at=instant_of(row, "close_time"),
        resolved_at=instant_of(row, "settlement_ts") if status in ("resolved", "void") else None,
        yes_bid=None if _is_zero(row, "yes_bid_size_fp") else price_of(row, "yes_bid_dollars"),
        yes_ask=None if _is_zero(row, "yes_ask_size_fp") else price_of(row, "yes_ask_dollars"),
        last_price=price_of(row, "last_price_dollars"),
        # Contracts, each of which pays up to one dollar.
        volume=money_of(row, "volume_fp") or ZERO,
        volume_24h=money_of(row, "volume_24h_fp"),
        open_interest=money_of(row, "open_interest_fp"),
        price_ranges=tuple(_price_range(part) for part in list_of(row, "price_ranges")),
        exchange_index=_shard(row),
        accepts_orders=status in ("open", "unopened"),
        fee_schedule={"waived_until": waived_until.isoformat()} if waived_until else {},
    )


def _outcome(row: Mapping[str, Any]) -> tuple[str, Decimal | None]:
    result = one_of(row, "result", RESULTS)
    value = decimal_of(row, "settlement_value_dollars")
    if value is not None and not ZERO <= value <= ONE:
        raise VenueProtocolError(f"settlement_value_dollars: expected 0 to 1, found {value}.")
    if result in ("yes", "no"):
        payout = ONE if result == "yes" else ZERO
        if value is not None and value != payout:
            raise VenueProtocolError(
                f"result is {result!r}, so settlement_value_dollars was expected to be {payout}; found {value}."
            )
        return result, payout
    if value is None:
        if result:
            raise VenueProtocolError("result is 'scalar', so settlement_value_dollars was expected; found none.")
        return "", None
    return "fraction", value


def _price_range(raw: Any) -> dict[str, str]:
    row = mapping_of(raw, "price_ranges")
    found = {}
    for name in ("start", "end", "step"):
        number = decimal_of(row, name)
        if number is None or number < 0 or (name == "step" and number == 0):
            raise VenueProtocolError(f"price_ranges.{name}: expected dollars, found {row.get(name)!r}.")
        found[name] = str(row[name])
    return found


def _shard(row: Mapping[str, Any]) -> int:
    value = row.get("exchange_index") or 0
    if not isinstance(value, int) or not 0 <= value < 32_768:
        raise VenueProtocolError(f"exchange_index: expected a shard number, found {value!r}.")
    return value


def _is_zero(row: Mapping[str, Any], name: str) -> bool:
    return decimal_of(row, name) == ZERO


def _plain(number: Decimal | None) -> str:
    return "" if number is None else f"{number.normalize():f}"


def parse_book(raw: Any, *, received_at: datetime, observed_at: datetime | None = None) -> OrderBook:
    """Read one order book: bids of both sides, ascending; a NO bid at q is a YES ask at 1 − q.

    A side may be null, absent or empty.
    """
    row = mapping_of(raw, "orderbook_fp")
    yes_bids, no_bids = parse_levels(row, "yes_dollars"), parse_levels(row, "no_dollars")
    yes = SideBook(
        bids=sort_levels(yes_bids, best_high=True),
        asks=sort_levels([Level(ONE - level.price, level.size) for level in no_bids], best_high=False),
    )
    return OrderBook(yes=yes, no=yes.flipped(), observed_at=observed_at or received_at, received_at=received_at)


def parse_levels(row: Mapping[str, Any], name: str) -> list[Level]:
    """Read the levels under one name: pairs of price and count, in whatever order."""
    levels = []
    for pair in list_of(row, name):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise VenueProtocolError(f"{name}: expected [price, count], found {str(pair)[:80]!r}.")
        price, size = (decimal_of({name: value}, name) for value in pair)
        if price is None or size is None or not ZERO < price < ONE or size < 0:
            raise VenueProtocolError(f"{name}: expected a price inside 0 and 1 and a count, found {pair!r}.")
        levels.append(Level(price, size))
    return levels


class KalshiReads:
    """Everything that we read from Kalshi without an account. Safe to share between threads."""

    def __init__(
        self,
        http: HttpClient,
        *,
        key_id: str = "",
        private_key: PrivateKey | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._http = http
        self._key_id = key_id
        self._private_key = private_key
        self._now = now
        self._series: dict[str, SeriesRow] = {}
        self.history = KalshiHistory(http)
        # Events that a page of this walk brought along; one that is taken for such is asked for when it is missed.
        self._named = Sieve()
        self._naming = threading.Lock()
        # Its threads are started as they are needed.
        self._askers = ThreadPoolExecutor(EVENT_CALLS_AT_ONCE, thread_name_prefix="kalshi-events")

    def close(self) -> None:
        self._askers.shutdown(cancel_futures=True)
        self._http.close()

    def fetch_series(self) -> list[BadRow]:
        """Fetch all series once; they give events their category, tags and fees. Returns unreadable rows."""
        body = self._http.get_json("/series")
        rows, bad = read_rows(rows_of(body, "series"), parse_series, "ticker")
        self._series = {row.key: row for row in rows}
        return bad

    def fetch_pages(self, *, since: datetime | None = None) -> Iterator[Page]:
        """Yield the pages of `walks` one listing after the other, in this thread."""
        return walk_in_turn(self.walks(since=since))

    def walks(self, *, since: datetime | None = None, cuts: Sequence[int] = ()) -> list[Walk]:
        """Return listings that together hold everything, to be walked in any order or at once.

        Without `since`: markets of the live tier by windows of their closing time, which part all time
        at `cuts`, and markets of the historical tier; each page brings the events that it is the first
        to name. With `since`: events and markets whose description changed after it, and markets that
        closed or settled after it. Prices do not count as a change at Kalshi; quotes are refreshed by
        themselves. Combos are left out by the venue's own filter.
        """
        bad_series = self.fetch_series()
        first = [walk_of([Page(bad=tuple(bad_series))])] if bad_series else []
        if since is None:
            # One walk of Kalshi's markets is as good as all time; idle walkers make it part itself.
            self._named = Sieve()
            archive = map(self._with_events, self._market_pages("/historical/markets", {"mve_filter": "exclude"}))
            return [*first, walk_of(archive), *(self._window(window) for window in windows(cuts))]
        stamp = int(since.timestamp())
        changed = self._event_pages({"with_nested_markets": "false", "min_updated_ts": stamp})
        listings = [
            self._market_pages("/markets", {"mve_filter": "exclude", **filters})
            for filters in (
                {"min_updated_ts": stamp},
                {"status": "closed", "min_close_ts": stamp},
                {"status": "settled", "min_settled_ts": stamp},
            )
        ]
        return [*first, *map(walk_of, (changed, *listings))]

    def _window(self, window: Window) -> Walk:
        """Walk the markets that close in a window; hand parts of it over while most walkers are idle.

        The venue's bounds are exclusive as documented; were they inclusive, a second at the edge would be
        listed twice, never left out. What was walked before a window was parted is listed again.
        """
        low, high = window
        params: dict[str, Any] = {"mve_filter": "exclude"}
        if low is not None:
            params["min_close_ts"] = low - 1
        if high is not None:
            params["max_close_ts"] = high

        def walk(walkers: Walkers) -> Iterator[Page]:
            sample: list[int] = []
            for count, page in enumerate(self._market_pages("/markets", params), 1):
                pieces = []
                is_full = len(page.markets) + len(page.bad) >= MARKETS_A_PAGE
                if is_full and count <= PARTED_WITHIN and walkers.are_idle:
                    sample += [int(row.close_at.timestamp()) for row in page.markets if row.close_at is not None]
                    pieces = parts(window, sample, walkers.count)
                    # Before this page's events are asked for: the idle need not wait for them.
                    for piece in pieces:
                        walkers.add(self._window(piece))
                yield self._with_events(page)
                if pieces:
                    return

        return walk

    def _with_events(self, page: Page) -> Page:
        """Return a page of markets with the events that no page before it named."""
        with self._naming:
            keys = sorted(
                key for key in {row.event_key for row in page.markets if row.event_key} if self._named.add(key)
            )
        named = self.fetch_events(keys)
        return Page(events=named.events, markets=page.markets, bad=page.bad + named.bad)

    def _event_pages(self, params: Mapping[str, Any]) -> Iterator[Page]:
        def fetch(cursor: str) -> tuple[Page, str]:
            body = self._http.get_json("/events", _with_cursor({"limit": EVENTS_A_PAGE, **params}, cursor))
            rows, bad = read_rows(rows_of(body, "events"), lambda raw: parse_event(raw, self._series), "event_ticker")
            return Page(events=tuple(rows), bad=tuple(bad)), _cursor(body)

        return walk_pages(fetch, what="kalshi /events")

    def _market_pages(self, path: str, params: Mapping[str, Any]) -> Iterator[Page]:
        def fetch(cursor: str) -> tuple[Page, str]:
            body = self._http.get_json(path, _with_cursor({"limit": MARKETS_A_PAGE, **params}, cursor))
            rows, bad = read_rows(rows_of(body, "markets"), parse_market, "ticker")
            return Page(markets=tuple(rows), bad=tuple(bad)), _cursor(body)

        return walk_pages(fetch, what=f"kalshi {path}")

    def fetch_events(self, keys: Sequence[str]) -> Page:
        """Fetch events by their tickers; those that Kalshi does not know are left out."""

        def pages(some: Sequence[str]) -> list[Page]:
            return list(self._event_pages({"tickers": ",".join(some), "limit": EVENTS_A_PAGE}))

        calls = [keys[start : start + EVENTS_A_CALL] for start in range(0, len(keys), EVENTS_A_CALL)]
        # One after the other they would hold up the page of markets that names them.
        answers = self._askers.map(pages, calls) if len(calls) > 1 else map(pages, calls)
        found = list(chain.from_iterable(answers))
        return Page(
            events=tuple(event for page in found for event in page.events),
            bad=tuple(row for page in found for row in page.bad),
        )

    def fetch_market(self, native_id: str) -> Page | None:
        """Fetch one market by its ticker from whichever tier has it; None when neither knows it."""
        for path in (f"/markets/{native_id}", f"/historical/markets/{native_id}"):
            try:
                body = self._http.get_json(path)
            except VenueNotFound:
                continue
            raw = mapping_of(body, "answer").get("market")
            rows, bad = read_rows([raw], parse_market, "ticker")
            return Page(markets=tuple(rows), bad=tuple(bad))
        return None

    def fetch_books(self, markets: Sequence["Market"]) -> dict[int, OrderBook]:
        """Fetch order books, 100 a call, by Market.pk; a market that is not served is left out.

        https://docs.kalshi.com marks these calls as signed, its guide as public: signed when we have a key.
        """
        books: dict[int, OrderBook] = {}
        by_ticker = {market.native_id: market.pk for market in markets}
        tickers = list(by_ticker)
        for start in range(0, len(tickers), BOOKS_A_CALL):
            # This call repeats its parameter; the other lists of Kalshi are joined by commas.
            params = {"tickers": tickers[start : start + BOOKS_A_CALL]}
            path = "/markets/orderbooks"
            # The answer carries no time of its own: what it tells stood at the asking, or later.
            asked_at = self._now()
            body = self._http.get_json(path, params, headers=self._signature("GET", path))
            received_at = self._now()
            for raw in rows_of(body, "orderbooks"):
                ticker = str(mapping_of(raw, "orderbook").get("ticker"))
                if ticker in by_ticker:
                    row = raw.get("orderbook_fp") or {}
                    books[by_ticker[ticker]] = parse_book(row, observed_at=asked_at, received_at=received_at)
        return books

    def _signature(self, method: str, path: str) -> dict[str, str]:
        if self._private_key is None:
            return {}
        stamp = int(self._now().timestamp() * 1000)
        return signed_headers(self._key_id, self._private_key, method, self._http.path_of(path), stamp)


def _cursor(body: Any) -> str:
    return str(mapping_of(body, "answer").get("cursor") or "")


def _with_cursor(params: Mapping[str, Any], cursor: str) -> dict[str, Any]:
    return {**params, "cursor": cursor} if cursor else dict(params)
