"""What a fault puts on the wire: refusals, replies that hide what was done, listings that mislead."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import orjson

from itomarkets.lib import clock

JSON, HTML = "application/json", "text/html"
KALSHI_500 = b'{"code":"internal_error","message":"internal error","details":""}'
GATEWAY = b"<html><body><h1>%b</h1></body></html>"
DISABLED = b'{"error":"Trading is currently disabled. Check polymarket.com for updates"}'
CANCEL_ONLY = (
    b'{"error":"Trading is currently cancel-only. New orders are not accepted, but cancels are allowed.",'
    b'"code":"cancel_only"}'
)
POST_ONLY = (
    b'{"error":"post-only mode: only post-only orders and cancels are allowed","code":"post_only_mode",'
    b'"retry_after_seconds":120}'
)
EXPIRED = b'{"code":"authentication_error","message":"authentication error","details":"EXPIRED_SIGNATURE"}'
NOT_FOUND = b'{"code":"not_found","message":"order not found","details":""}'
PAUSED = b'{"code":"trading_paused","message":"trading is paused","details":"trading_active is false"}'


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as bytes."""

    status: int
    body: bytes
    kind: str = JSON


# Nothing was done, and this is what is said.
REFUSALS: dict[str, Answer] = {
    "500_before_accept": Answer(500, KALSHI_500),
    "502_before_accept": Answer(502, GATEWAY % b"502 Bad Gateway", HTML),
    "504_before_accept": Answer(504, GATEWAY % b"504 Gateway Time-out", HTML),
    "429": Answer(429, b'{"error":"too many requests"}'),
    "429_seconds": Answer(429, b'{"error":"Too Many Requests"}'),
    "429_date": Answer(429, b'{"error":"Too Many Requests"}'),
    "503": Answer(503, KALSHI_500),
    "503_disabled": Answer(503, DISABLED),
    "503_cancel_only": Answer(503, CANCEL_ONLY),
    "503_post_only": Answer(503, POST_ONLY),
    "425": Answer(425, b'{"error":"the matching engine is restarting"}'),
    "401_expired": Answer(401, EXPIRED),
    "404": Answer(404, NOT_FOUND),
    "trading_paused": Answer(400, PAUSED),
    "status_down": Answer(503, b'{"exchange_active":false,"trading_active":false}'),
    "status_paused": Answer(200, b'{"exchange_active":true,"trading_active":false}'),
    "unsettled": Answer(400, b'{"error":"not enough balance / allowance"}'),
    "not_canceled": Answer(200, b'{"canceled":[],"not_canceled":{}}'),
}
# All was done, and this is what is said instead.
MASKS: dict[str, Answer] = {
    "500_after_accept": Answer(500, KALSHI_500),
    "502_after_accept": Answer(502, GATEWAY % b"502 Bad Gateway", HTML),
    "html": Answer(200, b"<!doctype html><html><body>Checking your browser</body></html>", HTML),
    "not_json": Answer(200, b"OK"),
    "no_order": Answer(200, b"{}"),
    "error_in_success": Answer(
        200,
        b'{"success":true,"errorMsg":"could not run the execution","orderID":"","status":"","makingAmount":"",'
        b'"takingAmount":""}',
    ),
}
LISTS = ("orders", "fills", "market_positions", "data")
# Where a row of a fill keeps its price: Kalshi for both sides, Polymarket for its own.
PRICES = ("yes_price_dollars", "no_price_dollars", "price")


def refusal(fault: str, seconds: float, request_body: bytes) -> tuple[Answer, list[tuple[bytes, bytes]]]:
    """Return the refusal of a fault, with its headers beside the content type."""
    answer = REFUSALS[fault]
    if fault == "not_canceled":
        return Answer(200, _not_canceled(request_body)), []
    if fault == "429_seconds":
        return answer, [(b"retry-after", f"{seconds:g}".encode())]
    if fault == "429_date":
        # The date is the machine's, as the server's own Date header is.
        until = datetime.fromtimestamp(clock.machine_now().timestamp(), UTC) + timedelta(seconds=seconds)
        return answer, [(b"retry-after", format_datetime(until, usegmt=True).encode())]
    return answer, []


def _not_canceled(request_body: bytes) -> bytes:
    asked = orjson.loads(request_body or b"{}")
    ids = asked if isinstance(asked, list) else [asked.get("orderID", "")]
    return orjson.dumps({"canceled": [], "not_canceled": dict.fromkeys(map(str, ids), "could not cancel, try again")})


def reworded(fault: str, body: bytes) -> bytes:
    """Return a listing, or the answer to a batch (any reply, for `truncated`), as the fault shows it."""
    if fault == "truncated":
        return body[: len(body) // 2]
    page = orjson.loads(body)
    if isinstance(page, list):
        # Polymarket answers a batch with a bare list.
        return orjson.dumps(REWORDING[fault](page))
    name = next((each for each in LISTS if isinstance(page.get(each), list)), None)
    if name is None:
        return body
    page[name] = REWORDING[fault](page[name])
    if fault == "repeating_cursor":
        for cursor in {"cursor", "next_cursor"} & page.keys():
            # Base64 of offset 0 and of "after" a number that no row is behind: the first page, again and again.
            page[cursor] = "MA==" if cursor == "next_cursor" else "YWZ0ZXI6OTk5OTk5OTk5"
    return orjson.dumps(page)


def _other_price(rows: list[Any]) -> list[Any]:
    return [
        {**row, **{name: _moved(row[name]) for name in PRICES if isinstance(row, Mapping) and name in row}}
        for row in rows
    ]


def _moved(price: Any) -> str:
    return "0.0300" if str(price) != "0.0300" else "0.0500"


REWORDING: dict[str, Callable[[list[Any]], list[Any]]] = {
    "duplicate_rows": lambda rows: [row for row in rows for _ in range(2)],
    "reversed_rows": lambda rows: rows[::-1],
    "missing_row": lambda rows: rows[1:],
    "other_price": _other_price,
    "empty_listing": lambda rows: [],
    "repeating_cursor": lambda rows: rows,
}


def retold(fault: str, body: bytes) -> bytes:
    """Return a Kalshi create request as the exchange misreads it: the signature covers no body there."""
    asked = orjson.loads(body)
    if fault == "overfill":
        asked["count"] = str(Decimal(asked["count"]) + 1)
    else:
        asked["time_in_force"] = "good_till_canceled"
    return orjson.dumps(asked)
