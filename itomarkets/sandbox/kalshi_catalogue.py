"""Kalshi's catalogue: exchange status, series, events and markets of the live and the historical tier."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from .engine import World
from .feeds import after_ordinal
from .kalshi_request import KalshiError, Query, cursor_after, endpoint
from .kalshi_wire import (
    created_at,
    event_object,
    historical_cutoff,
    iso,
    live_markets,
    market_object,
    series_object,
    updated_at,
)
from .model import KALSHI, SHARDS, SandboxEvent, SandboxMarket

SHARD_NAMES = ("Default", "Combos", "Crypto and commodities", "Tennis, baseball and basketball")
MARKET_STATUSES = ("unopened", "open", "paused", "closed", "settled")
EVENT_STATUSES = ("unopened", "open", "closed", "settled")
# Which status filters a timestamp filter goes with (GET /markets, OpenAPI 3.34.0).
STATUSES_WITH = {"created": ("", "unopened", "open"), "close": ("", "closed"), "settled": ("", "settled")}


class Catalogue:
    """The read-only endpoints that need no key."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> list[Route]:
        paths: dict[str, Callable[[Request], Any]] = {
            "/exchange/status": self.status,
            "/exchange/schedule": self.schedule,
            "/exchange/user_data_timestamp": self.user_data_timestamp,
            "/account/endpoint_costs": self.endpoint_costs,
            "/series": self.series_list,
            "/series/fee_changes": self.series_fee_changes,
            "/series/{series_ticker}": self.series,
            "/events": self.events,
            "/events/fee_changes": self.event_fee_changes,
            "/events/multivariate": self.multivariate_events,
            "/events/{event_ticker}": self.event,
            "/markets": self.markets,
            "/historical/cutoff": self.cutoff,
            "/historical/markets": self.historical_markets,
            "/historical/markets/{ticker}": self.historical_market,
        }
        return [Route(path, endpoint(handler), methods=["GET"]) for path, handler in paths.items()]

    def late_routes(self) -> list[Route]:
        """Return what would swallow the paths of others if it came first."""
        return [Route("/markets/{ticker}", endpoint(self.market), methods=["GET"])]

    # Exchange

    def status(self, request: Request) -> Any:
        active = {"exchange_active": True, "trading_active": True, "intra_exchange_transfers_active": True}
        shards = [
            {"exchange_index": number, "description": SHARD_NAMES[number], **active} for number in range(SHARDS[KALSHI])
        ]
        return {**active, "exchange_index_statuses": shards}

    def schedule(self, request: Request) -> Any:
        day = [{"open_time": "00:00", "close_time": "00:00"}]
        week = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), day)
        hours = {"start_time": "2026-01-01T00:00:00Z", "end_time": "2036-01-01T00:00:00Z", **week}
        return {"schedule": {"standard_hours": [hours], "maintenance_windows": []}}

    def user_data_timestamp(self, request: Request) -> Any:
        return {"as_of_time": iso(self.world.now())}

    def endpoint_costs(self, request: Request) -> Any:
        costs = [
            {"method": "DELETE", "path": "/trade-api/v2/portfolio/events/orders/{order_id}", "cost": 2},
            {"method": "DELETE", "path": "/trade-api/v2/portfolio/events/orders", "cost": 2},
        ]
        return {"default_cost": 10, "endpoint_costs": costs}

    # Series

    def series_list(self, request: Request) -> Any:
        query = Query(request)
        category, tags = query.text("category"), set(query.listed("tags", 50))
        rows = [
            series_object(series)
            for series in self.world.feed.series(KALSHI)
            if (not category or series.category == category) and (not tags or tags & set(series.tags))
        ]
        return {"series": rows}

    def series(self, request: Request) -> Any:
        ticker = request.path_params["series_ticker"]
        found = self.world.feed.one_series(KALSHI, ticker)
        if found is None:
            raise _not_found("series", ticker)
        return {"series": series_object(found)}

    def series_fee_changes(self, request: Request) -> Any:
        return {"series_fee_change_arr": []}

    def event_fee_changes(self, request: Request) -> Any:
        return {"event_fee_changes": [], "cursor": ""}

    # Events

    def events(self, request: Request) -> Any:
        query = Query(request)
        status, series = query.text("status", EVENT_STATUSES), query.text("series_ticker")
        close_after = query.instant("min_close_ts")
        updated_after = query.instant("min_updated_ts")
        tickers = query.listed("tickers", 200)
        now = self.world.now()

        def wanted(event: SandboxEvent) -> bool:
            if event.is_combo or (series and event.series_key != series):
                return False
            if not (status or close_after or updated_after):
                return True
            markets = live_markets(self.world, event, now)
            return any(
                (not status or self.world.status_of(market, now) == status)
                and (close_after is None or market.close_at > close_after)
                and (updated_after is None or updated_at(market, now) > updated_after)
                for market in markets
            )

        source = self._named_events(tickers) if tickers else self.world.feed.venue_events(KALSHI)
        return self._event_page(query, source, wanted, default=200)

    def multivariate_events(self, request: Request) -> Any:
        query = Query(request)
        series, collection = query.text("series_ticker"), query.text("collection_ticker")
        if series and collection:
            raise KalshiError(400, "invalid_parameters", "series_ticker and collection_ticker exclude each other")
        wanted_series = series or collection.removesuffix("-R")

        def wanted(event: SandboxEvent) -> bool:
            return event.is_combo and (not wanted_series or event.series_key == wanted_series)

        return self._event_page(query, self.world.feed.venue_events(KALSHI), wanted, default=100)

    def event(self, request: Request) -> Any:
        ticker = request.path_params["event_ticker"]
        event = self.world.feed.event(KALSHI, ticker)
        if event is None:
            raise _not_found("event", ticker)
        now = self.world.now()
        markets = [market_object(self.world, market, now) for market in live_markets(self.world, event, now)]
        row = event_object(self.world, event, now, nested=False)
        if Query(request).flag("with_nested_markets"):
            return {"event": {**row, "markets": markets}, "markets": markets}
        return {"event": row, "markets": markets}

    def _named_events(self, tickers: tuple[str, ...]) -> list[SandboxEvent]:
        found = (self.world.feed.event(KALSHI, ticker) for ticker in tickers)
        return sorted((event for event in found if event is not None), key=lambda event: event.ordinal)

    def _event_page(
        self, query: Query, source: Sequence[SandboxEvent], wanted: Callable[[SandboxEvent], bool], *, default: int
    ) -> dict[str, Any]:
        limit = query.limit(default, 200, least=1)
        nested = query.flag("with_nested_markets")
        page, cursor = _page(source, wanted, limit, query.cursor())
        now = self.world.now()
        rows = [event_object(self.world, event, now, nested=nested) for event in page]
        return {"events": rows, "cursor": cursor}

    # Markets

    def markets(self, request: Request) -> Any:
        query = Query(request)
        wanted = self._market_filter(query)
        now = self.world.now()
        cutoff = historical_cutoff(now)
        return self._market_page(query, lambda market: market.settle_at >= cutoff and wanted(market), now)

    def historical_markets(self, request: Request) -> Any:
        query = Query(request)
        now = self.world.now()
        cutoff = historical_cutoff(now)
        exclude = query.text("mve_filter", ("exclude",)) == "exclude"
        series = query.text("series_ticker")

        def wanted(market: SandboxMarket) -> bool:
            return (
                market.settle_at < cutoff
                and not (exclude and market.is_combo)
                and (not series or self._series_of(market) == series)
            )

        return self._market_page(query, wanted, now)

    def market(self, request: Request) -> Any:
        market = self._one(request, historical=False)
        return {"market": market_object(self.world, market, self.world.now())}

    def historical_market(self, request: Request) -> Any:
        market = self._one(request, historical=True)
        return {"market": market_object(self.world, market, self.world.now())}

    def cutoff(self, request: Request) -> Any:
        stamp = iso(historical_cutoff(self.world.now()))
        names = ("market_settled_ts", "trades_created_ts", "orders_updated_ts", "market_positions_last_updated_ts")
        return dict.fromkeys(names, stamp)

    def _one(self, request: Request, *, historical: bool) -> SandboxMarket:
        ticker = request.path_params["ticker"]
        market = self.world.feed.market(KALSHI, ticker)
        if market is None or (market.settle_at < historical_cutoff(self.world.now())) is not historical:
            raise _not_found("market", ticker)
        return market

    def _series_of(self, market: SandboxMarket) -> str:
        event = self.world.feed.event(KALSHI, market.event_key)
        return event.series_key if event else ""

    def _market_filter(self, query: Query) -> Callable[[SandboxMarket], bool]:
        status = query.text("status", MARKET_STATUSES)
        series, mve = query.text("series_ticker"), query.text("mve_filter", ("only", "exclude"))
        bounds = {
            name: (query.instant(f"min_{name}_ts"), query.instant(f"max_{name}_ts"))
            for name in ("created", "close", "settled", "updated")
        }
        used = [name for name, pair in bounds.items() if pair != (None, None)]
        if len(used) > 1:
            raise KalshiError(400, "invalid_parameters", f"timestamp filters exclude each other: {', '.join(used)}")
        for name in used:
            if status not in STATUSES_WITH.get(name, ("",)):
                raise KalshiError(400, "invalid_parameters", f"{name}_ts filters do not go with status {status}")
        if "updated" in used and mve != "exclude" and (series or mve):
            raise KalshiError(400, "invalid_parameters", "updated_ts filters need mve_filter=exclude")
        now = self.world.now()
        moment: Callable[[SandboxMarket], datetime] = {
            "created": created_at,
            "close": lambda market: market.close_at,
            "settled": lambda market: market.settle_at,
            "updated": lambda market: updated_at(market, now),
        }[used[0] if used else "close"]
        after, before = bounds[used[0]] if used else (None, None)

        def wanted(market: SandboxMarket) -> bool:
            if mve and market.is_combo is (mve == "exclude"):
                return False
            if status and self.world.status_of(market, now) != status:
                return False
            if series and self._series_of(market) != series:
                return False
            if used == ["settled"] and market.settle_at > now:
                return False
            return (after is None or moment(market) > after) and (before is None or moment(market) < before)

        return wanted

    def _market_page(self, query: Query, wanted: Callable[[SandboxMarket], bool], now: datetime) -> dict[str, Any]:
        limit = query.limit(100, 1000)
        tickers, event_key = query.listed("tickers", 1000), query.text("event_ticker")
        source: Sequence[SandboxMarket] = self.world.feed.venue_markets(KALSHI)
        if event_key:
            event = self.world.feed.event(KALSHI, event_key)
            tickers = tuple(key for key in (event.market_keys if event else ()) if not tickers or key in set(tickers))
        if event_key or tickers:
            found = (self.world.feed.market(KALSHI, ticker) for ticker in dict.fromkeys(tickers))
            source = sorted((market for market in found if market is not None), key=lambda market: market.ordinal)
        page, cursor = _page(source, wanted, limit, query.cursor())
        return {"markets": [market_object(self.world, market, now) for market in page], "cursor": cursor}


def _page(source: Sequence[Any], wanted: Callable[[Any], bool], limit: int, after: int | None) -> tuple[list[Any], str]:
    """Return the next `limit` wanted rows and the cursor behind them; empty when nothing is left."""
    page: list[Any] = []
    start = 0 if after is None else after_ordinal(source, after)
    for index in range(start, len(source)):
        row = source[index]
        if wanted(row):
            if len(page) == limit:
                return page, cursor_after(page[-1].ordinal)
            page.append(row)
    return page, ""


def _not_found(what: str, key: str) -> KalshiError:
    return KalshiError(404, "not_found", f"{what} not found", f"no {what} {key}")
