"""R12: what it costs to fetch a year that is there already, against the first time."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import orjson

from itomarkets.lib.bench import Bench, Row, ratio
from itomarkets.lib.venues import Venue
from markets.history import HistoryReport, backfill_prices
from markets.models import HistoryGap, HistoryWindow, Market, PriceConflict, PricePoint
from markets.venues.kalshi import KalshiReads
from markets.venues.past import DAY, EASTERN
from markets.venues.polymarket import PolymarketReads

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
DAYS = 365
ROUNDS = 3
# One day in so many has no price at all, so that there are gaps to keep and to step over.
QUIET_DAYS = 29
KEPT = (PricePoint, HistoryWindow, HistoryGap, PriceConflict)


class _Exchange:
    """Both venues' histories, made up: every byte of JSON that a venue would send, but no socket."""

    def __init__(self) -> None:
        self.requests = 0

    def get_json(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        self.requests += 1
        asked = dict(params or {})
        if path == "/historical/cutoff":
            body: Any = {"market_settled_ts": "2024-01-01T00:00:00Z", "trades_created_ts": "2024-01-01T00:00:00Z"}
        elif path == "/markets/candlesticks":
            tickers = asked["market_tickers"].split(",")
            body = {"markets": [{"market_ticker": ticker, "candlesticks": _candles(asked)} for ticker in tickers]}
        else:
            body = {"data": _points(asked), "pagination": {"has_more": False, "next_cursor": None}}
        return orjson.loads(orjson.dumps(body))

    def close(self) -> None:
        """Nothing is open."""


def _candles(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    first, last = (datetime.fromtimestamp(int(asked[name]), UTC) for name in ("start_ts", "end_ts"))
    day = first.astimezone(EASTERN).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    rows = []
    while day <= last:
        if day.toordinal() % QUIET_DAYS:
            cents = 40 + day.toordinal() % 20
            rows.append(
                {
                    "end_period_ts": int(day.timestamp()),
                    "yes_bid": {"close_dollars": f"0.{cents - 1}00"},
                    "yes_ask": {"close_dollars": f"0.{cents + 1}00"},
                    "price": {"close_dollars": f"0.{cents}00", "mean_dollars": f"0.{cents}50"},
                    "volume_fp": "120.00",
                }
            )
        day += DAY
    return rows


def _points(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    start, end, step = (int(asked[name]) for name in ("start", "end", "bucket_seconds"))
    return [
        {"timestamp": second, "price": 0.4 + second // 86_400 % 20 / 100, "resolution_seconds": step}
        for second in range(start, end, step)
        if second // 86_400 % QUIET_DAYS
    ]


def _clients(exchange: Any) -> Callable[[Venue], KalshiReads | PolymarketReads]:
    def client(venue: Venue) -> KalshiReads | PolymarketReads:
        if venue == Venue.KALSHI:
            return KalshiReads(exchange)
        return PolymarketReads(gamma=exchange, clob=exchange, data=exchange)

    return client


def _markets(count: int) -> None:
    born = NOW - timedelta(days=400)
    Market.objects.bulk_create(
        Market(
            venue=venue,
            native_id=f"{venue}-{number}",
            yes_token=str(10**9 + number) if venue == Venue.POLYMARKET else "",
            open_at=born,
            close_at=NOW + timedelta(days=100),
            created_at=born,
            last_changed_at=born,
        )
        for number in range(count // 2)
        for venue in Venue
    )


def _rows() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in KEPT)


@ratio("R12", target=0.1)
def backfill_again(bench: Bench) -> Iterable[Row]:
    """Fetch a year of days of markets at both venues, and fetch it again: the first time is the yardstick."""
    for count in (10, 200) if bench.is_full else (10,):
        Market.objects.all().delete()
        _markets(count)
        exchange = _Exchange()

        def run(exchange: _Exchange = exchange) -> tuple[float, HistoryReport]:
            started = time.perf_counter()
            report = backfill_prices(markets=Market.objects.all(), days=DAYS, now=NOW, client=_clients(exchange))
            return time.perf_counter() - started, report

        measured: list[tuple[float, float]] = []
        is_quiet, points = True, 0
        for _ in range(ROUNDS):
            for model in KEPT:
                model.objects.all().delete()
            first, report = run()
            points, before, asked = report.written, _rows(), exchange.requests
            again, second = run()
            is_quiet &= (second.written, exchange.requests, _rows()) == (0, asked, before)
            measured.append((again, first))
        words = ", ".join(f"{again * 1000:.1f}/{first * 1000:.1f}" for again, first in measured)
        bench.say(f"{bench.id} {bench.database}: ms {words}")
        note = f"{count} markets, {points:,} days; the second run wrote {0 if is_quiet else 'some'} rows"
        yield bench.row(
            seconds=median(again for again, _ in measured),
            yardstick_seconds=median(first for _, first in measured),
            n=points,
            note=f"{note}, and asked {'nothing' if is_quiet else 'something'}",
            also=is_quiet,
        )
