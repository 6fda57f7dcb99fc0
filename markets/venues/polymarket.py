"""Polymarket's public reads: Gamma (events, markets) and CLOB (books). Wire to rows.

https://docs.polymarket.com. Gamma puts lists inside strings (`outcomes`, `clobTokenIds`), numbers on
one object and strings on the next; books come worst price first. Everything ends here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from itomarkets.lib import clock
from itomarkets.lib.http import HttpClient
from itomarkets.lib.venues import VenueNotFound, VenueProtocolError
from markets.venues.base import Level, OrderBook, SideBook, sort_levels
from markets.venues.polymarket_history import PolymarketHistory
from markets.venues.rows import EventRow, MarketRow, Page, read_rows, walk_pages
from markets.venues.walks import Walk, walk_in_turn, walk_of
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

# The venue allows 500; an event brings all its markets, so a smaller page keeps memory flat.
EVENTS_A_PAGE = 100
BOOKS_A_CALL = 400
HALF = Decimal("0.5")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YES_WORDS = frozenset({"yes", "是"})
NO_WORDS = frozenset({"no", "否"})
# Whether the oracle has spoken; what it said stands in `outcomePrices`.
ORACLE_STATES = {
    "": "",
    "requested": "",
    "proposed": "",
    "disputed": "disputed",
    "resolved": "resolved",
    "settled": "resolved",
}
# The venue's own shelves; an event's category is the first of its tags that is one.
SHELVES = {
    "politics": "Politics",
    "elections": "Elections",
    "geopolitics": "Geopolitics",
    "sports": "Sports",
    "esports": "Esports",
    "crypto": "Crypto",
    "finance": "Finance",
    "business": "Business",
    "economy": "Economy",
    "economics": "Economy",
    "tech": "Tech",
    "ai": "Tech",
    "science": "Science",
    "culture": "Culture",
    "pop-culture": "Culture",
    "mentions": "Mentions",
    "weather": "Weather",
    "climate": "Climate",
    "health": "Health",
    "world": "World",
}


def parse_event(raw: Any) -> EventRow:
    row = mapping_of(raw, "event")
    tags = [mapping_of(tag, "tags") for tag in list_of(row, "tags")]
    series = [mapping_of(part, "series") for part in list_of(row, "series")][:1]
    return EventRow(
        native_id=key_of(row, "id"),
        slug=text_of(row, "slug", longest=300),
        title=text_of(row, "title"),
        subtitle=text_of(row, "subtitle"),
        series_key=(text_of(series[0], "slug") if series else text_of(row, "seriesSlug"))[:120],
        series_title=text_of(series[0], "title") if series else "",
        category=_category(row, tags),
        tags=tuple(dict.fromkeys(word for word in map(_tag_word, tags) if word and word != "All")),
        # Neg-risk markets of one event share their collateral: at most one of them can end in YES.
        mutually_exclusive=bool(row.get("negRisk")),
        neg_risk=bool(row.get("negRisk")),
    )


def _tag_word(tag: Mapping[str, Any]) -> str:
    """A tag's label, or its slug where the label is in another script (labels follow the locale)."""
    label = text_of(tag, "label", longest=80)
    return label if label.isascii() and label else text_of(tag, "slug", longest=80).replace("-", " ")


def _category(row: Mapping[str, Any], tags: Sequence[Mapping[str, Any]]) -> str:
    given = text_of(row, "category", longest=80)
    if given:
        return given
    shelves = [SHELVES[slug] for slug in (text_of(tag, "slug").lower() for tag in tags) if slug in SHELVES]
    words = [word for word in map(_tag_word, tags) if word and word != "All"]
    return (shelves + words + [""])[0]


def parse_market(raw: Any, event_key: str = "") -> MarketRow:
    """Read a Gamma market.

    Which outcome is YES follows from the outcomes' names, not from their position; where neither is a
    yes, the first is. Resolved needs the oracle's word and exact prices: 0.99 resolves nothing.
    """
    row = mapping_of(raw, "market")
    labels = [str(label).strip()[:200] for label in list_of(row, "outcomes")]
    tokens = [str(token).strip() for token in list_of(row, "clobTokenIds") if token]
    yes = 1 if len(labels) == 2 and (labels[1].lower() in YES_WORDS or labels[0].lower() in NO_WORDS) else 0
    no = 1 - yes
    binary = len(labels) == 2 and len(tokens) in (0, 2)
    status, result, payout = _state(row, yes)
    bid, ask, last = (price_of(row, name) for name in ("bestBid", "bestAsk", "lastTradePrice"))
    if yes == 1:
        # The listing's prices are the first outcome's.
        bid, ask = (ONE - ask if ask is not None else None), (ONE - bid if bid is not None else None)
        last = ONE - last if last is not None else None
    if not event_key:
        parents = list_of(row, "events")
        event_key = text_of(mapping_of(parents[0], "events"), "id", longest=120) if parents else ""
    return MarketRow(
        native_id=key_of(row, "id"),
        event_key=event_key,
        slug=text_of(row, "slug", longest=300),
        title=text_of(row, "question"),
        subtitle=text_of(row, "groupItemTitle"),
        rules=text_of(row, "description"),
        yes_label=(labels[yes] if binary else "") or "Yes",
        no_label=(labels[no] if binary else "") or "No",
        outcome_count=len(labels) if labels else 2,
        status=status,
        result=result,
        payout=payout,
        open_at=instant_of(row, "startDate", "acceptingOrdersTimestamp", "createdAt"),
        close_at=instant_of(row, "endDate", "endDateIso", "closedTime"),
        resolved_at=instant_of(row, "closedTime", "umaEndDate") if status == "resolved" else None,
        yes_bid=bid,
        yes_ask=ask,
        last_price=last,
        volume=money_of(row, "volumeNum", "volume") or ZERO,
        volume_24h=money_of(row, "volume24hr"),
        liquidity=money_of(row, "liquidityNum", "liquidity"),
        price_ranges=_grid(row),
        min_size=money_of(row, "orderMinSize"),
        condition_id=text_of(row, "conditionId", longest=66),
        yes_token=tokens[yes][:80] if binary and tokens else "",
        no_token=tokens[no][:80] if binary and tokens else "",
        neg_risk=bool(row.get("negRisk")),
        accepts_orders=status in ("open", "disputed") and _takes_orders(row),
        fee_schedule=_fees(row),
    )


def _takes_orders(row: Mapping[str, Any]) -> bool:
    return row.get("acceptingOrders") is not False and row.get("enableOrderBook") is not False


def _state(row: Mapping[str, Any], yes: int) -> tuple[str, str, Decimal | None]:
    oracle = one_of(row, "umaResolutionStatus", ORACLE_STATES)
    if not row.get("closed"):
        if oracle == "disputed":
            return "disputed", "", None
        if row.get("active") is False and not row.get("archived"):
            return "unopened", "", None
        if _takes_orders(row) and not row.get("archived"):
            return "open", "", None
        # Trading has ended and an outcome was put to the oracle; or it merely rests.
        return ("closed" if row.get("umaResolutionStatus") in ("requested", "proposed") else "paused"), "", None
    if oracle == "disputed":
        return "disputed", "", None
    prices = [decimal_of({"outcomePrices": price}, "outcomePrices") for price in list_of(row, "outcomePrices")]
    if oracle == "resolved" and len(prices) == 2:
        paid = (prices[yes], prices[1 - yes])
        if paid == (ONE, ZERO):
            return "resolved", "yes", ONE
        if paid == (ZERO, ONE):
            return "resolved", "no", ZERO
        if paid == (HALF, HALF):
            return "resolved", "fraction", HALF
    return "closed", "", None


def _grid(row: Mapping[str, Any]) -> tuple[dict[str, str], ...]:
    tick = decimal_of(row, "orderPriceMinTickSize")
    if tick is None:
        return ()
    if not ZERO < tick < ONE:
        raise VenueProtocolError(f"orderPriceMinTickSize: expected a step inside 0 and 1, found {tick}.")
    return ({"start": "0", "end": "1", "step": f"{tick:f}"},)


def _fees(row: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the market's own schedule; `makerBaseFee` and `takerBaseFee` no longer mean anything."""
    schedule = row.get("feeSchedule")
    if not schedule:
        # Fees are charged, but the listing does not say which: the worst is assumed where it matters.
        return {"type": "unknown"} if row.get("feesEnabled") else {}
    found = mapping_of(schedule, "feeSchedule")
    rate, exponent = decimal_of(found, "rate"), decimal_of(found, "exponent")
    if rate is None or not ZERO <= rate <= ONE or (exponent is not None and exponent < 0):
        raise VenueProtocolError(f"feeSchedule: expected a rate from 0 to 1, found {str(schedule)[:80]!r}.")
    return {"type": "quadratic", "rate": f"{rate:f}", "exponent": f"{ONE if exponent is None else exponent:f}"}


def parse_side_book(raw: Any) -> SideBook:
    """Read one token's book, in whatever order its levels came."""
    row = mapping_of(raw, "book")
    return SideBook(
        bids=sort_levels(_levels(row, "bids"), best_high=True),
        asks=sort_levels(_levels(row, "asks"), best_high=False),
    )


def _levels(row: Mapping[str, Any], name: str) -> list[Level]:
    levels = []
    for raw in list_of(row, name):
        level = mapping_of(raw, name)
        price, size = decimal_of(level, "price"), decimal_of(level, "size")
        if price is None or size is None or not ZERO < price < ONE or size < 0:
            raise VenueProtocolError(f"{name}: expected a price inside 0 and 1 and a size, found {raw!r}.")
        levels.append(Level(price, size))
    return levels


def book_instant(raw: Mapping[str, Any]) -> datetime | None:
    """Read a book's `timestamp`: Unix milliseconds in a string."""
    stamp = decimal_of(raw, "timestamp")
    return None if stamp is None else EPOCH + timedelta(milliseconds=int(stamp))


class PolymarketReads:
    """Everything that we read from Polymarket without an account. Safe to share between threads."""

    def __init__(
        self, *, gamma: HttpClient, clob: HttpClient, data: HttpClient, now: Callable[[], datetime] = clock.now
    ) -> None:
        self._gamma = gamma
        self._clob = clob
        self._data = data
        self._now = now
        self.history = PolymarketHistory(clob=clob, data=data)

    def close(self) -> None:
        for http in (self._gamma, self._clob, self._data):
            http.close()

    def fetch_pages(self, *, since: datetime | None = None) -> Iterator[Page]:
        """Yield the pages of `walks` one listing after the other, in this thread."""
        return walk_in_turn(self.walks(since=since))

    def walks(self, *, since: datetime | None = None, cuts: Sequence[int] = ()) -> list[Walk]:
        """Return two listings that together hold every event with its markets: the open and the closed.

        With `since`: newest changes first, until a whole page is older than that. Gamma has no filter by
        change, but it sorts by it. `cuts` are of no use here: a filter by time would drop what has none.
        """
        return [walk_of(self._events(closed, since)) for closed in ("false", "true")]

    def _events(self, closed: str, since: datetime | None) -> Iterator[Page]:
        params: dict[str, Any] = {"limit": EVENTS_A_PAGE, "closed": closed}
        if since is not None:
            params |= {"order": "updatedAt", "ascending": "false"}
        for page, newest in self._event_pages(params):
            yield page
            if since is not None and newest is not None and newest < since:
                return

    def _event_pages(self, params: Mapping[str, Any]) -> Iterator[tuple[Page, datetime | None]]:
        def fetch(cursor: str) -> tuple[tuple[Page, datetime | None], str]:
            asked = {**params, "after_cursor": cursor} if cursor else dict(params)
            body = self._gamma.get_json("/events/keyset", asked)
            raws = rows_of(body, "events")
            return (read_page(raws), _newest(raws)), str(body.get("next_cursor") or "")

        return walk_pages(fetch, what="polymarket /events/keyset")

    def fetch_events(self, keys: Sequence[str]) -> Page:
        """Fetch events, with their markets, by id; those that Gamma does not know are left out."""
        raws = []
        for key in keys:
            try:
                raws.append(self._gamma.get_json(f"/events/{key}"))
            except VenueNotFound:
                continue
        return read_page(raws)

    def fetch_market(self, native_id: str) -> Page | None:
        """Fetch one market by its Gamma id; None when Gamma does not know it."""
        try:
            raw = self._gamma.get_json(f"/markets/{native_id}")
        except VenueNotFound:
            return None
        rows, bad = read_rows([raw], parse_market, "id")
        return Page(markets=tuple(rows), bad=tuple(bad))

    def fetch_books(self, markets: Sequence["Market"]) -> dict[int, OrderBook]:
        """Fetch both outcomes' order books by Market.pk; a market that is not served is left out."""
        tokens = {
            token: (market.pk, token == market.yes_token)
            for market in markets
            for token in (market.yes_token, market.no_token)
            if token
        }
        sides: dict[int, dict[bool, tuple[SideBook, Mapping[str, Any], datetime]]] = {}
        asked = list(tokens)
        for start in range(0, len(asked), BOOKS_A_CALL):
            body = [{"token_id": token} for token in asked[start : start + BOOKS_A_CALL]]
            answer = self._clob.post_json("/books", body, retry_read=True)
            received_at = self._now()
            if not isinstance(answer, list):
                raise VenueProtocolError(f"/books: expected a list of books, found {str(answer)[:80]!r}.")
            for raw in answer:
                row = mapping_of(raw, "book")
                if str(row.get("asset_id")) in tokens:
                    pk, is_yes = tokens[str(row["asset_id"])]
                    sides.setdefault(pk, {})[is_yes] = (parse_side_book(row), row, received_at)
        return {pk: _joined(found) for pk, found in sides.items()}


def read_page(raws: Sequence[Any]) -> Page:
    """Read Gamma events with the markets inside them."""
    events, bad = read_rows(raws, parse_event, "id")
    markets: list[MarketRow] = []
    for raw in raws:
        if not isinstance(raw, dict):
            continue
        key = str(raw.get("id") or "")
        inside = raw.get("markets")
        parse = partial(parse_market, event_key=key)
        rows, worse = read_rows(inside if isinstance(inside, list) else [], parse, "id")
        markets += rows
        bad += worse
    return Page(events=tuple(events), markets=tuple(markets), bad=tuple(bad))


def _newest(raws: Sequence[Any]) -> datetime | None:
    stamps = []
    for raw in raws:
        try:
            stamps.append(instant_of(raw, "updatedAt") if isinstance(raw, dict) else None)
        except VenueProtocolError:
            return None
    known = [stamp for stamp in stamps if stamp is not None]
    return max(known) if known and len(known) == len(stamps) else None


def _joined(found: Mapping[bool, tuple[SideBook, Mapping[str, Any], datetime]]) -> OrderBook:
    """Make one book of both outcomes; where one was not served it is the other's mirror."""
    book, row, received_at = found.get(True) or found[False]
    yes = found[True][0] if True in found else book.flipped()
    no = found[False][0] if False in found else book.flipped()
    last = None
    if True in found:
        last = price_of(row, "last_trade_price")
    return OrderBook(
        yes=yes,
        no=no,
        observed_at=min(book_instant(row) or received_at, received_at),
        received_at=received_at,
        last_price=last,
    )
