"""Polymarket's past prices: the Data API's history, the order book's older one, and public trades.

https://docs.polymarket.com. Both histories give one token's prices in steps; of markets long decided they hold only
coarse steps, and answer nothing to a finer question. The Data API refuses more than 15 days at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from itomarkets.lib.http import HttpClient
from itomarkets.lib.venues import Venue, VenueProtocolError, VenueRejected
from markets.venues.past import (
    DAY,
    PRICES,
    PRICES_CLOB,
    PRICES_COARSE,
    TRADES,
    Answer,
    Sample,
    Want,
    bucketed,
    row_error,
)
from markets.venues.rows import walk_pages
from markets.venues.wire import ONE, ZERO, decimal_of, mapping_of, money_of, rows_of

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# 15 days at most, of which a bucket at either end may be one that stands already.
WINDOWS = {DAY: timedelta(days=13), HOUR: timedelta(days=14), MINUTE: timedelta(days=5)}
# What is asked for, finest first: a day is made of quarters, so that it has a mean; of a market that is decided
# there may be nothing finer than half a day or a day.
STEPS = {DAY: (DAY / 4, DAY / 2, DAY), HOUR: (HOUR,), MINUTE: (MINUTE,)}
ROWS_A_PAGE = 10_000
HISTORY_PAGES = 1000
TRADES_A_CALL = 10_000
UNREADABLE = (VenueProtocolError, ArithmeticError, AttributeError, KeyError, TypeError, ValueError)


def parse_points(raws: Sequence[tuple[Any, Any, str, Any]]) -> tuple[list[Sample], dict[datetime | None, str]]:
    """Read (Unix seconds, price, source, raw row) points: one an instant, whatever came twice; and what cannot be."""
    found: dict[int, Sample] = {}
    unreadable: dict[datetime | None, str] = {}
    for stamp, value, source, raw in raws:
        try:
            if not isinstance(stamp, int) or isinstance(stamp, bool):
                raise VenueProtocolError(f"timestamp: expected Unix seconds, found {stamp!r}.")
            at = datetime.fromtimestamp(stamp, UTC)
            price = decimal_of({"price": value}, "price")
            if price is None or not ZERO <= price <= ONE:
                raise VenueProtocolError(f"price: expected 0 to 1, found {value!r}.")
        except (*UNREADABLE, OverflowError, OSError) as error:
            unreadable[None] = row_error(raw, error)
            continue
        sample = Sample(at, round(price, 6), source)
        if stamp not in found or (sample.price, sample.source) > (found[stamp].price, found[stamp].source):
            found[stamp] = sample
    return list(found.values()), unreadable


class PolymarketHistory:
    """Past prices of Polymarket's markets, whichever endpoint has them."""

    windows = WINDOWS

    def __init__(self, *, clob: HttpClient, data: HttpClient) -> None:
        self._clob = clob
        self._data = data

    def fetch(self, wants: Sequence[Want], *, step: timedelta) -> Iterator[list[tuple[Want, Answer]]]:
        """Yield each want's answer: from the Data API, or from the order book's history where that has none."""
        for want in wants:
            yield [(want, self._history(want, step) if want.yes_token else Answer())]

    def _history(self, want: Want, step: timedelta) -> Answer:
        # Only of decided markets are the fine steps thrown away.
        steps = STEPS[step] if want.settled_at is not None else STEPS[step][:1]
        refused = ""
        for ask in (self._data_points, self._clob_points):
            for part in steps:
                try:
                    points = ask(want, part)
                except VenueRejected as error:
                    # Not served here, or not for this token: the older endpoint knows markets that the newer does not.
                    refused = f"{want.native_id}: {error}"
                    break
                except VenueProtocolError as error:
                    return Answer(error=f"{want.native_id}: {error}")
                samples, unreadable = parse_points(points)
                if samples or unreadable:
                    return Answer(prices=bucketed(samples, Venue.POLYMARKET, step), unreadable=unreadable)
                refused = ""
        return Answer(error=refused)

    def _data_points(self, want: Want, part: timedelta) -> list[tuple[Any, Any, str, Any]]:
        params = {
            "token_id": want.yes_token,
            "start": int(want.overlap_start.timestamp()),
            "end": int(want.overlap_end.timestamp()),
            "bucket_seconds": int(part.total_seconds()),
            "limit": ROWS_A_PAGE,
        }

        def fetch(cursor: str) -> tuple[list[Mapping[str, Any]], str]:
            body = self._data.get_json("/v2/prices-history", {**params, "cursor": cursor} if cursor else params)
            rows = [mapping_of(raw, "data") for raw in rows_of(body, "data")]
            pages = mapping_of(body.get("pagination") or {}, "pagination")
            return rows, str(pages.get("next_cursor") or "") if pages.get("has_more") else ""

        pages = walk_pages(fetch, what="polymarket /v2/prices-history", page_limit=HISTORY_PAGES)
        return [
            (row.get("timestamp"), row.get("price"), PRICES_COARSE if _is_coarse(row, part) else PRICES, row)
            for page in pages
            for row in page
        ]

    def _clob_points(self, want: Want, part: timedelta) -> list[tuple[Any, Any, str, Any]]:
        params = {
            "market": want.yes_token,
            "startTs": int(want.overlap_start.timestamp()),
            "endTs": int(want.overlap_end.timestamp()),
            "fidelity": part // MINUTE,
        }
        body = self._clob.get_json("/prices-history", params)
        rows = [mapping_of(raw, "history") for raw in rows_of(body, "history")]
        # A sample here is the price at its instant: one at a bucket's start is how the bucket before it ended.
        return [(_before(row.get("t")), row.get("p"), PRICES_CLOB, row) for row in rows]

    def fetch_trades(self, want: Want, *, step: timedelta) -> Answer:
        """Return prices made of a market's trades, each counted once, by its taker."""
        if not want.condition_id:
            return Answer()
        answer, samples = Answer(), dict[tuple[Any, ...], Sample]()
        for raw in self._trades(want, int(want.start.timestamp()), int(want.end.timestamp()) - 1):
            try:
                key, sample = _parse_trade(raw, want)
            except UNREADABLE as error:
                answer.unreadable[None] = row_error(raw, error)
                continue
            if want.start <= sample.at < want.end:
                samples[key] = sample
        answer.prices = bucketed(samples.values(), Venue.POLYMARKET, step)
        return answer

    def _trades(self, want: Want, start: int, end: int) -> Iterator[Any]:
        """Yield trades of a span of Unix seconds; one with too many for a call is halved."""
        params = {
            "market": want.condition_id,
            "start": start,
            "end": end,
            "limit": TRADES_A_CALL,
            "takerOnly": "true",
        }
        rows = self._data.get_json("/trades", params)
        if not isinstance(rows, list):
            raise VenueProtocolError(f"/trades: expected a list of trades, found {str(rows)[:80]!r}.")
        if len(rows) < TRADES_A_CALL:
            yield from rows
            return
        if end <= start:
            raise VenueProtocolError(f"/trades: more than {TRADES_A_CALL:,} trades of {want.native_id} in one second.")
        middle = (start + end) // 2
        yield from self._trades(want, start, middle)
        yield from self._trades(want, middle + 1, end)


def _is_coarse(row: Mapping[str, Any], part: timedelta) -> bool:
    resolution = row.get("resolution_seconds")
    return isinstance(resolution, int) and resolution > part.total_seconds()


def _before(stamp: Any) -> Any:
    return stamp - 1 if isinstance(stamp, int) and not isinstance(stamp, bool) else stamp


def _parse_trade(raw: Any, want: Want) -> tuple[tuple[Any, ...], Sample]:
    row = mapping_of(raw, "trade")
    stamp, price, size = row.get("timestamp"), decimal_of(row, "price"), money_of(row, "size")
    asset = str(row.get("asset"))
    if not isinstance(stamp, int) or price is None or size is None or not ZERO <= price <= ONE:
        raise VenueProtocolError("trade: expected timestamp in Unix seconds, a price from 0 to 1, and size.")
    if asset not in (want.yes_token, want.no_token):
        raise VenueProtocolError(f"asset: expected a token of market {want.native_id}, found {asset!r}.")
    yes: Decimal = price if asset == want.yes_token else ONE - price
    key = (row.get("transactionHash"), asset, row.get("proxyWallet"), row.get("side"), price, size, stamp)
    return key, Sample(datetime.fromtimestamp(stamp, UTC), round(yes, 6), TRADES, size)
