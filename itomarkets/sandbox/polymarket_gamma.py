"""Gamma, Polymarket's public listing: events, markets, tags, series and search."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from .engine import World
from .feeds import after_ordinal
from .model import POLYMARKET, SandboxEvent, SandboxMarket
from .polymarket_objects import (
    event_object,
    market_object,
    markets_of,
    series_id,
    series_object,
    tag_id,
    tag_labels,
    tag_object,
)
from .polymarket_sorting import sort_field
from .polymarket_wire import Query, Service, WireError, decode_cursor, encode_cursor, invalid, route

EVENTS_A_PAGE, MARKETS_A_PAGE, DEFAULT_PAGE = 500, 100, 20
TAGS_A_PAGE, SERIES_A_PAGE = 100, 50
# Offset listings end here; behind it the venue says 422.
OFFSET_LIMIT = 2000


def routes(world: World) -> list[Route]:
    gamma = Gamma(world)
    return [
        route("/status", gamma.status),
        route("/events/keyset", gamma.events_keyset),
        route("/events", gamma.events),
        route("/events/slug/{slug}", gamma.event_by_slug),
        route("/events/{id}", gamma.event_by_id),
        route("/events/{id}/tags", gamma.event_tags),
        route("/markets/keyset", gamma.markets_keyset),
        route("/markets", gamma.markets),
        route("/markets/slug/{slug}", gamma.market_by_slug),
        route("/markets/{id}", gamma.market_by_id),
        route("/markets/{id}/tags", gamma.market_tags),
        route("/tags", gamma.tags),
        route("/tags/slug/{slug}", gamma.tag_by_slug),
        route("/tags/{id}", gamma.tag_by_id),
        route("/series", gamma.series),
        route("/series/{id}", gamma.series_by_id),
        route("/public-search", gamma.search),
    ]


class Index:
    """What listings look up by tag, series and word; rebuilt when the catalogue changes."""

    def __init__(self, world: World) -> None:
        self.generation = world.feed.generation
        self.tags: dict[str, dict[str, Any]] = {}
        self.tags_of: dict[str, frozenset[str]] = {}
        self.events_with: dict[str, int] = {}
        self.series: dict[str, dict[str, Any]] = {}
        self.texts: list[tuple[str, SandboxEvent]] = []
        for event in world.feed.venue_events(POLYMARKET):
            found = [tag_object(label) for label in tag_labels(event)]
            for tag in found:
                self.tags[tag["id"]] = tag
                self.events_with[tag["id"]] = self.events_with.get(tag["id"], 0) + 1
            self.tags_of[event.key] = frozenset(tag["id"] for tag in found)
            if event.series_key:
                row = series_object(event.series_key, event.series_title or event.series_key)
                self.series[row["id"]] = row
            titles = [event.title, *(market.title for market in markets_of(world, event))]
            self.texts.append((" ".join(dict.fromkeys(titles)).lower(), event))


class Gamma(Service):
    """The handlers. Listings run over the catalogue, not over built objects; a page builds only its own rows."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._index: Index | None = None
        self._sorted: tuple[tuple[str, ...], list[Any]] = ((), [])

    def index(self) -> Index:
        if self._index is None or self._index.generation != self.feed.generation:
            self._index = Index(self.world)
        return self._index

    async def status(self, request: Request) -> Any:
        return "OK"

    # Events

    async def events_keyset(self, request: Request) -> Any:
        query = Query(request)
        now = self.world.now()
        rows, cursor = self._keyset(query, self.feed.venue_events(POLYMARKET), self._event_test(query, now), now)
        page = {"events": [event_object(self.world, event, now) for event in rows]}
        return page | ({"next_cursor": cursor} if cursor else {})

    async def events(self, request: Request) -> Any:
        query = Query(request)
        now = self.world.now()
        rows = self._offset_page(query, self.feed.venue_events(POLYMARKET), self._event_test(query, now), now)
        return [event_object(self.world, event, now) for event in rows]

    async def event_by_id(self, request: Request) -> Any:
        return event_object(self.world, self._event(request), self.world.now())

    async def event_by_slug(self, request: Request) -> Any:
        event = self.feed.event_by_slug(request.path_params["slug"])
        if event is None:
            raise _absent()
        return event_object(self.world, event, self.world.now())

    async def event_tags(self, request: Request) -> Any:
        return [tag_object(label) for label in tag_labels(self._event(request))]

    def _event(self, request: Request) -> SandboxEvent:
        event = self.feed.event(POLYMARKET, _path_id(request))
        if event is None:
            raise _absent()
        return event

    def _event_test(self, query: Query, now: datetime) -> Callable[[SandboxEvent], bool]:
        tests: list[Callable[[SandboxEvent], bool]] = []
        closed = query.flag("closed")
        if closed is not None:
            tests.append(lambda event: self._is_closed(event, now) is closed)
        if ids := set(query.many("id")):
            tests.append(lambda event: event.key in ids)
        if slugs := set(query.many("slug")):
            tests.append(lambda event: event.slug in slugs)
        if words := query.text("title_search").lower():
            tests.append(lambda event: words in event.title.lower())
        if series := set(query.many("series_id")):
            tests.append(lambda event: bool(event.series_key) and series_id(event.series_key) in series)
        if slug := query.text("tag_slug"):
            tests.append(lambda event: slug in (tag_object(label)["slug"] for label in tag_labels(event)))
        if without := set(query.many("exclude_tag_id")):
            tests.append(lambda event: without.isdisjoint(self._tags_of(event.key)))
        if query.flag("featured") or query.flag("live") or query.flag("cyom"):
            tests.append(lambda event: False)
        self._add_tag_test(tests, query, lambda event: event.key)
        for name in ("volume", "liquidity"):
            _add_range(tests, query.number(f"{name}_min"), query.number(f"{name}_max"), self._order_key(name, now))
        for name, field in (("start_date", "startDate"), ("end_date", "endDate")):
            _add_range(tests, query.instant(f"{name}_min"), query.instant(f"{name}_max"), self._order_key(field, now))
        return lambda event: all(test(event) for test in tests)

    def _is_closed(self, event: SandboxEvent, now: datetime) -> bool:
        return all(now >= market.settle_at for market in markets_of(self.world, event))

    # Markets

    async def markets_keyset(self, request: Request) -> Any:
        query = Query(request)
        now = self.world.now()
        rows, cursor = self._keyset(query, self.feed.venue_markets(POLYMARKET), self._market_test(query, now), now)
        return {"markets": self._market_rows(rows, query, now)} | ({"next_cursor": cursor} if cursor else {})

    async def markets(self, request: Request) -> Any:
        query = Query(request)
        now = self.world.now()
        rows = self._offset_page(query, self.feed.venue_markets(POLYMARKET), self._market_test(query, now), now)
        return self._market_rows(rows, query, now)

    async def market_by_id(self, request: Request) -> Any:
        return self._whole_market(self._market(request))

    async def market_by_slug(self, request: Request) -> Any:
        market = self.feed.market_by_slug(request.path_params["slug"])
        if market is None:
            raise _absent()
        return self._whole_market(market)

    async def market_tags(self, request: Request) -> Any:
        event = self.feed.event(POLYMARKET, self._market(request).event_key)
        return [tag_object(label) for label in tag_labels(event)] if event else []

    def _market(self, request: Request) -> SandboxMarket:
        market = self.feed.market(POLYMARKET, _path_id(request))
        if market is None:
            raise _absent()
        return market

    def _whole_market(self, market: SandboxMarket) -> dict[str, Any]:
        now = self.world.now()
        return market_object(self.world, market, now) | self._parent(market, now)

    def _parent(self, market: SandboxMarket, now: datetime) -> dict[str, Any]:
        event = self.feed.event(POLYMARKET, market.event_key)
        return {"events": [event_object(self.world, event, now, nested=False)] if event else []}

    def _market_rows(self, rows: Iterable[SandboxMarket], query: Query, now: datetime) -> list[dict[str, Any]]:
        tagged = query.flag("include_tag")
        found = []
        for market in rows:
            row = market_object(self.world, market, now) | self._parent(market, now)
            if tagged:
                row["tags"] = [self.index().tags[number] for number in sorted(self._tags_of(market.event_key))]
            found.append(row)
        return found

    def _market_test(self, query: Query, now: datetime) -> Callable[[SandboxMarket], bool]:
        closed = query.flag("closed") or False
        tests: list[Callable[[SandboxMarket], bool]] = [lambda market: (now >= market.settle_at) is closed]
        for name, field in (
            ("id", "key"),
            ("slug", "slug"),
            ("condition_ids", "condition_id"),
            ("question_ids", "question_id"),
        ):
            if wanted := set(query.many(name)):
                tests.append(lambda market, wanted=wanted, field=field: getattr(market, field) in wanted)  # type: ignore[misc]
        if tokens := set(query.many("clob_token_ids")):
            tests.append(lambda market: market.yes_token in tokens or market.no_token in tokens)
        if query.flag("cyom") or query.flag("rfq_enabled"):
            tests.append(lambda market: False)
        if oracle := query.text("uma_resolution_status"):
            states = {"settled": "resolved", "closed": "proposed"}
            tests.append(lambda market: states.get(self.world.status_of(market, now), "") == oracle)
        self._add_tag_test(tests, query, lambda market: market.event_key)
        for name, field in (("volume_num", "volumeNum"), ("liquidity_num", "liquidityNum")):
            _add_range(tests, query.number(f"{name}_min"), query.number(f"{name}_max"), self._order_key(field, now))
        for name, field in (("start_date", "startDate"), ("end_date", "endDate")):
            _add_range(tests, query.instant(f"{name}_min"), query.instant(f"{name}_max"), self._order_key(field, now))
        return lambda market: all(test(market) for test in tests)

    # Tags, series, search

    async def tags(self, request: Request) -> Any:
        return self._slice(Query(request), list(self.index().tags.values()), TAGS_A_PAGE)

    async def tag_by_id(self, request: Request) -> Any:
        tag = self.index().tags.get(_path_id(request))
        if tag is None:
            raise _absent()
        return tag

    async def tag_by_slug(self, request: Request) -> Any:
        slug = request.path_params["slug"]
        tag = next((tag for tag in self.index().tags.values() if tag["slug"] == slug), None)
        if tag is None:
            raise _absent()
        return tag

    async def series(self, request: Request) -> Any:
        query = Query(request)
        slugs = set(query.many("slug"))
        rows = [row for row in self.index().series.values() if not slugs or row["slug"] in slugs]
        return self._slice(query, rows, SERIES_A_PAGE)

    async def series_by_id(self, request: Request) -> Any:
        row = self.index().series.get(_path_id(request))
        if row is None:
            raise _absent()
        now = self.world.now()
        events = [
            event_object(self.world, event, now, nested=False)
            for event in self.feed.venue_events(POLYMARKET)
            if event.series_key and series_id(event.series_key) == row["id"]
        ]
        return row | {"events": events}

    async def search(self, request: Request) -> Any:
        query = Query(request)
        words = query.text("q").lower().split()
        if not words:
            raise invalid("q is required")
        now = self.world.now()
        size = query.whole("limit_per_type", 10, least=1, most=50)
        start = (query.whole("page", 1, least=1) - 1) * size
        wanted = {tag_id(label) for label in query.many("events_tag")} | set(query.many("events_tag"))
        without = set(query.many("exclude_tag_id"))
        state = query.text("events_status")
        found = [
            event
            for text, event in self.index().texts
            if all(word in text for word in words)
            and (not wanted or not wanted.isdisjoint(self._tags_of(event.key)))
            and without.isdisjoint(self._tags_of(event.key))
            and (state not in ("active", "closed", "resolved") or self._is_closed(event, now) == (state != "active"))
        ]
        field = {"volume": "volume", "volume_24hr": "volume24hr", "liquidity": "liquidity", "end_date": "endDate"}
        key = self._order_key(field.get(query.text("sort"), "volume"), now)
        found.sort(key=key, reverse=not query.flag("ascending"))
        rows = [event_object(self.world, event, now) for event in found[start : start + size]]
        if query.whole("keep_closed_markets", 0) == 0 and state not in ("closed", "resolved"):
            for row in rows:
                row["markets"] = [market for market in row["markets"] if not market["closed"]]
        return {
            "events": rows,
            "tags": self._matching_tags(words, size) if query.flag("search_tags") is not False else [],
            "profiles": [],
            "pagination": {"hasMore": start + size < len(found), "totalResults": len(found)},
        }

    def _matching_tags(self, words: Sequence[str], size: int) -> list[dict[str, Any]]:
        index = self.index()
        tags = (tag for tag in index.tags.values() if all(word in tag["label"].lower() for word in words))
        rows = [
            {name: tag[name] for name in ("id", "label", "slug")} | {"event_count": index.events_with[tag["id"]]}
            for tag in tags
        ]
        return sorted(rows, key=lambda row: -row["event_count"])[:size]

    # Listing

    def _tags_of(self, event_key: str) -> frozenset[str]:
        return self.index().tags_of.get(event_key, frozenset())

    def _add_tag_test(self, tests: list[Callable[[Any], bool]], query: Query, key_of: Callable[[Any], str]) -> None:
        if wanted := set(query.many("tag_id")):
            matches_all = query.text("tag_match") == "all"
            tests.append(
                lambda row: (
                    wanted <= self._tags_of(key_of(row))
                    if matches_all
                    else not wanted.isdisjoint(self._tags_of(key_of(row)))
                )
            )

    def _keyset(
        self, query: Query, rows: Sequence[Any], test: Callable[[Any], bool], now: datetime
    ) -> tuple[list[Any], str]:
        """Return a page and the cursor behind it: the last row's ordinal, or in a sorted listing its place in it."""
        if "offset" in query:
            raise invalid("offset is not allowed on keyset endpoints")
        events = bool(rows) and isinstance(rows[0], SandboxEvent)
        limit = query.whole("limit", DEFAULT_PAGE, least=1, most=EVENTS_A_PAGE if events else MARKETS_A_PAGE)
        after = query.text("after_cursor")
        cursor = decode_cursor(after) if after else None
        if after and not (isinstance(cursor, list) and len(cursor) == 2 and all(isinstance(n, int) for n in cursor)):
            raise invalid("after_cursor is invalid")
        if query.text("order"):
            # The place is only true at the instant of the first page; the cursor carries that.
            place, instant = cursor or [0, int(now.timestamp())]
            ordered = self._in_order(query, rows, test, datetime.fromtimestamp(instant, UTC))
            page = list(ordered[place : place + limit])
            return page, encode_cursor([place + limit, instant]) if len(page) == limit else ""
        page = list(_first(limit, _behind(rows, cursor[0] if cursor else 0), test))
        return page, encode_cursor([page[-1].ordinal, 0]) if len(page) == limit else ""

    def _offset_page(
        self, query: Query, rows: Sequence[Any], test: Callable[[Any], bool], now: datetime
    ) -> Sequence[Any]:
        offset = query.whole("offset", 0)
        if offset > OFFSET_LIMIT:
            raise invalid(f"offset {offset} is too deep; use the keyset endpoint")
        events = bool(rows) and isinstance(rows[0], SandboxEvent)
        limit = query.whole("limit", DEFAULT_PAGE, most=EVENTS_A_PAGE if events else MARKETS_A_PAGE)
        if query.text("order"):
            return self._in_order(query, rows, test, now)[offset : offset + limit]
        return list(_first(offset + limit, rows, test))[offset:]

    def _in_order(self, query: Query, rows: Sequence[Any], test: Callable[[Any], bool], now: datetime) -> Sequence[Any]:
        filters = tuple(f"{name}={value}" for name, value in query.items() if name not in ("after_cursor", "limit"))
        kind = type(rows[0]).__name__ if rows else ""
        seen = (kind, str(self.feed.generation), str(int(now.timestamp())), *filters)
        if self._sorted[0] != seen:
            found = [row for row in rows if test(row)]
            for name in reversed(query.text("order").split(",")):
                found.sort(key=self._order_key(name.strip(), now), reverse=query.flag("ascending") is False)
            self._sorted = (seen, found)
        return self._sorted[1]

    def _order_key(self, name: str, now: datetime) -> Callable[[Any], Any]:
        """Return what a listing sorts by for a JSON field name of Gamma's, camelCase or snake_case."""
        read = sort_field(name)
        if read is None:
            raise invalid("order fields are not valid")
        return lambda row: read(self.world, row, now)

    @staticmethod
    def _slice(query: Query, rows: Sequence[Any], most: int) -> Sequence[Any]:
        offset = query.whole("offset", 0)
        return rows[offset : offset + query.whole("limit", most, most=most)]


def _behind(rows: Sequence[Any], ordinal: int) -> Iterator[Any]:
    return (rows[place] for place in range(after_ordinal(rows, ordinal) if ordinal else 0, len(rows)))


def _first(count: int, rows: Iterable[Any], test: Callable[[Any], bool]) -> Iterator[Any]:
    """Yield the first `count` rows that pass."""
    if count <= 0:
        return
    for row in rows:
        if test(row):
            yield row
            count -= 1
            if count == 0:
                return


def _add_range(tests: list[Callable[[Any], bool]], least: Any, most: Any, key: Callable[[Any], Any]) -> None:
    if least is not None:
        tests.append(lambda row: key(row) >= least)
    if most is not None:
        tests.append(lambda row: key(row) <= most)


def _path_id(request: Request) -> str:
    text: str = request.path_params["id"]
    if not text.isdigit():
        raise invalid("id is invalid")
    return text


def _absent() -> WireError:
    return WireError(404, "not found", type="not found error")
