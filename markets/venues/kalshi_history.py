"""Kalshi's past prices: candles and trades of the live and the historical tier, joined at the served cutoff.

https://docs.kalshi.com/getting_started/historical_data. The tiers name the same figures differently
(`close_dollars` and `close`, `volume_fp` and `volume`). A candle's `end_period_ts` is the inclusive end of its
period; daily ones end at midnight in New York.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from itomarkets.lib.http import HttpClient
from itomarkets.lib.venues import Venue, VenueNotFound, VenueProtocolError, VenueRejected
from markets.venues.marks import daily_mark
from markets.venues.past import (
    CANDLES,
    CANDLES_ARCHIVED,
    DAY,
    TRADES,
    TRADES_ARCHIVED,
    Answer,
    PastPrice,
    Sample,
    Want,
    bounds_of,
    bucket_of,
    bucketed,
    row_error,
)
from markets.venues.rows import walk_pages
from markets.venues.wire import instant_of, mapping_of, money_of, price_of, rows_of

MARKETS_A_CALL = 100
CANDLES_A_CALL = 10_000
TRADES_A_PAGE = 1000
TRADE_PAGES = 1000
# Buckets: a want that is no longer than this is not asked for together with one that is.
SHORT = 31
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# One stretch of the grid fits into one call: 100 markets' days, 13 markets' hours, one market's minutes.
WINDOWS = {DAY: timedelta(days=90), HOUR: timedelta(days=30), MINUTE: timedelta(days=5)}
SECOND = timedelta(seconds=1)
UNREADABLE = (VenueProtocolError, ArithmeticError, AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Before these times markets that were settled, and trades, are in the historical tier alone."""

    settled_at: datetime
    traded_at: datetime


def parse_cutoff(raw: Any) -> Cutoff:
    row = mapping_of(raw, "cutoff")
    settled, traded = instant_of(row, "market_settled_ts"), instant_of(row, "trades_created_ts", "market_settled_ts")
    if settled is None or traded is None:
        raise VenueProtocolError("market_settled_ts: expected the historical tier's cutoff, found none.")
    return Cutoff(settled, traded)


def parse_candles(raws: Iterable[Any], *, step: timedelta, source: str) -> Answer:
    """Read candles of either tier; one that cannot be read, or makes no price, is named and stepped over."""
    answer = Answer()
    for raw in raws:
        at = None
        try:
            row = mapping_of(raw, "candlestick")
            end = row.get("end_period_ts")
            if not isinstance(end, int):
                raise VenueProtocolError(f"end_period_ts: expected Unix seconds, found {end!r}.")
            ended = datetime.fromtimestamp(end, UTC)
            at = bucket_of(Venue.KALSHI, ended - SECOND, step)
            bid, ask, last = (_figure(row, name, "close") for name in ("yes_bid", "yes_ask", "price"))
            mark = daily_mark(bid=bid, ask=ask, last=last)
            if mark is None:
                answer.unpriced.add(at)
                continue
            answer.prices[at] = PastPrice(
                at=at,
                price=mark,
                source=source,
                observed_at=ended,
                average=_figure(row, "price", "mean"),
                bid=bid,
                ask=ask,
                volume=money_of(row, "volume_fp", "volume"),
            )
        except UNREADABLE as error:
            answer.unreadable[at] = row_error(raw, error)
    answer.unpriced -= answer.prices.keys()
    return answer


def _figure(row: Mapping[str, Any], name: str, figure: str) -> Decimal | None:
    part = mapping_of(row.get(name) or {}, name)
    dollars = f"{figure}_dollars"
    return price_of(part, dollars if part.get(dollars) is not None else figure)


def parse_trade(raw: Any, *, source: str) -> tuple[str, Sample]:
    """Read a trade's id and the price of YES at which it was made."""
    row = mapping_of(raw, "trade")
    at, price, size = instant_of(row, "created_time"), price_of(row, "yes_price_dollars"), money_of(row, "count_fp")
    if at is None or price is None or size is None:
        raise VenueProtocolError("trade: expected created_time, yes_price_dollars and count_fp.")
    return str(row.get("trade_id")), Sample(at, price, source, size)


class KalshiHistory:
    """Past prices of Kalshi's markets. One client of a run: it asks for the cutoff once."""

    windows = WINDOWS

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._cutoff: Cutoff | None = None
        # Tickers that the historical tier said it does not have.
        self._not_archived: set[str] = set()

    def fetch_cutoff(self) -> Cutoff:
        """Return the served cutoff between the tiers."""
        if self._cutoff is None:
            self._cutoff = parse_cutoff(self._http.get_json("/historical/cutoff"))
        return self._cutoff

    def fetch(self, wants: Sequence[Want], *, step: timedelta) -> Iterator[list[tuple[Want, Answer]]]:
        """Yield what each call answered: many markets of the live tier, or one of the historical tier.

        A market that was settled before the cutoff is looked for in the historical tier first, any other in the live
        one; where that one lacks buckets which the other may hold, the other is asked, too.
        """
        if not wants:
            return
        cutoff = self.fetch_cutoff().settled_at
        archived = [want for want in wants if want.settled_at is not None and want.settled_at < cutoff]
        gone = {want.market_id for want in archived}
        for group in _packed([want for want in wants if want.market_id not in gone], step):
            answers = self._live(group, step)
            yield [(want, self._completed(want, answers[want.market_id], step, cutoff)) for want in group]
        for want in archived:
            answer = self._archived(want, step)
            yield [(want, self._live([want], step)[want.market_id] if answer.is_empty else answer)]

    def _completed(self, want: Want, answer: Answer, step: timedelta, cutoff: datetime) -> Answer:
        if answer.error or want.native_id in self._not_archived:
            return answer
        known = {*answer.prices, *answer.unpriced}
        is_lacking = want.settled_at is not None and answer.is_empty
        is_lacking |= any(at + step <= cutoff and at not in known for at in want.buckets(step))
        return answer.joined(self._archived(want, step)) if is_lacking else answer

    def _live(self, wants: Sequence[Want], step: timedelta) -> dict[int, Answer]:
        params = {
            "market_tickers": ",".join(want.native_id for want in wants),
            **_span(min(want.overlap_start for want in wants), max(want.overlap_end for want in wants), step),
        }
        try:
            rows = rows_of(self._http.get_json("/markets/candlesticks", params), "markets")
            found = {str(row.get("market_ticker")): row for row in (mapping_of(raw, "markets") for raw in rows)}
        except (VenueRejected, VenueProtocolError) as error:
            if len(wants) > 1:
                # One market that cannot be served must not take the others with it.
                return {pk: answer for want in wants for pk, answer in self._live([want], step).items()}
            return {wants[0].market_id: Answer(error=f"{wants[0].native_id}: {error}")}
        answers = {}
        for want in wants:
            row = found.get(want.native_id)
            answers[want.market_id] = Answer() if row is None else _read(row, want, step, CANDLES)
        return answers

    def _archived(self, want: Want, step: timedelta) -> Answer:
        params = _span(want.overlap_start, want.overlap_end, step)
        try:
            body = self._http.get_json(f"/historical/markets/{want.native_id}/candlesticks", params)
        except VenueNotFound:
            self._not_archived.add(want.native_id)
            return Answer()
        except (VenueRejected, VenueProtocolError) as error:
            return Answer(error=f"{want.native_id}: {error}")
        return _read(body, want, step, CANDLES_ARCHIVED)

    def fetch_trades(self, want: Want, *, step: timedelta) -> Answer:
        """Return prices made of a market's trades, of both tiers; those off the book are left out."""
        start, end = bounds_of(Venue.KALSHI, want.start, want.end, step)
        cutoff = self.fetch_cutoff().traded_at
        answer, samples = Answer(), dict[str, Sample]()
        for path, source, since, until in (
            ("/historical/trades", TRADES_ARCHIVED, start, min(end, cutoff)),
            ("/markets/trades", TRADES, max(start, cutoff), end),
        ):
            if since >= until:
                continue
            params = {
                "ticker": want.native_id,
                "min_ts": int(since.timestamp()),
                "max_ts": int(until.timestamp()),
                "limit": TRADES_A_PAGE,
                "is_block_trade": "false",
            }
            for raw in self._trades(path, params):
                try:
                    key, sample = parse_trade(raw, source=source)
                except UNREADABLE as error:
                    answer.unreadable[None] = row_error(raw, error)
                    continue
                if start <= sample.at < end:
                    samples[key] = sample
        answer.prices = bucketed(samples.values(), Venue.KALSHI, step)
        return answer

    def _trades(self, path: str, params: Mapping[str, Any]) -> Iterator[Any]:
        def fetch(cursor: str) -> tuple[list[Any], str]:
            try:
                body = self._http.get_json(path, {**params, "cursor": cursor} if cursor else dict(params))
            except VenueNotFound:
                return [], ""
            return rows_of(body, "trades"), str(body.get("cursor") or "")

        for page in walk_pages(fetch, what=f"kalshi {path}", page_limit=TRADE_PAGES):
            yield from page


def _read(row: Any, want: Want, step: timedelta, source: str) -> Answer:
    try:
        return parse_candles(rows_of(row, "candlesticks"), step=step, source=source)
    except VenueProtocolError as error:
        return Answer(error=f"{want.native_id}: {error}")


def _span(start: datetime, end: datetime, step: timedelta) -> dict[str, int]:
    """Ask for the candles that end after the first bucket's start, and not after the last one's end."""
    first, last = bounds_of(Venue.KALSHI, start, end, step)
    return {
        "start_ts": int(first.timestamp()) + 1,
        "end_ts": int(last.timestamp()),
        "period_interval": step // MINUTE,
    }


def _packed(wants: Sequence[Want], step: timedelta) -> Iterator[list[Want]]:
    """Group wants into calls of at most 100 markets and 10,000 candles.

    The few last days of one market and the year of another are asked for apart, or both would come as a year.
    """
    is_short: Callable[[Want], bool] = lambda want: (want.end - want.start) // step <= SHORT  # noqa: E731
    for part in ([want for want in wants if is_short(want)], [want for want in wants if not is_short(want)]):
        group: list[Want] = []
        for want in part:
            joined = [*group, want]
            span = max(one.overlap_end for one in joined) - min(one.overlap_start for one in joined)
            if group and (len(joined) > MARKETS_A_CALL or len(joined) * (span // step + 1) > CANDLES_A_CALL):
                yield group
                joined = [want]
            group = joined
        if group:
            yield group
