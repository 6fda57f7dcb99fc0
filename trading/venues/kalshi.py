"""Kalshi's order side: V2 orders on one YES book, immediate or cancel, never past the price cap.

https://docs.kalshi.com (OpenAPI 3.34.0). Writes go to /portfolio/events/orders, reads stay at /portfolio/orders.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from itomarkets.lib.http import READ_RETRIES, HttpClient
from itomarkets.lib.kalshi_signing import PrivateKey, load_private_key, signed_headers
from itomarkets.lib.rounding import ONE, ZERO, quantize
from itomarkets.lib.venues import (
    Side,
    Venue,
    VenueAuthError,
    VenueError,
    VenueNotFound,
    VenueProtocolError,
    VenueRateLimited,
    VenueRejected,
    VenueUnavailable,
)
from markets.models import Market
from trading.models import Order, TradeAction, VenueState
from trading.venues.base import (
    ListedHolding,
    ListedOrder,
    ModeNotice,
    Placement,
    Sighting,
    SignedOrder,
    SubmitResult,
    VenueFill,
    VenueOrder,
)
from trading.venues.venue_time import TOLERANCE, time_of

CREATE_PATH = "/portfolio/events/orders"
BATCH_PATH = "/portfolio/events/orders/batched"
MOST_IN_BATCH = 100
# Codes of a row in a batch that prove nothing: the order may stand, as with a 409 or a 5xx of its own.
UNCLEAR_CODES = ("already_exists", "internal", "unavailable", "timeout")
STATUS_PATH = "/exchange/status"
PAGE_SIZE = 200
LONGEST_LISTING_PAGES = 50
# The venue's clock and ours may differ by some seconds when a listing is asked from a moment on.
LISTING_MARGIN = timedelta(minutes=2)
# 409: this client id is known. Which order it is, only a look-up tells.
DUPLICATE = 409
UNAUTHORIZED = 401
# Trading pauses on Thursdays from 03:00 to 05:00 Eastern time, and whenever the venue wants.
PAUSED_CODES = ("trading_paused", "exchange_paused")
# The status page answers these with a status all the same, while the exchange is down.
STATUS_ANSWERS = (503, 504)
REJECTING = (VenueRejected, VenueAuthError, VenueRateLimited)

# (side held, action) -> (side of the one YES book, whether the YES price is one minus ours).
BOOK_SIDES: dict[tuple[str, str], tuple[str, bool]] = {
    (Side.YES, TradeAction.BUY): ("bid", False),
    (Side.YES, TradeAction.SELL): ("ask", False),
    (Side.NO, TradeAction.BUY): ("ask", True),
    (Side.NO, TradeAction.SELL): ("bid", True),
}


@dataclass(frozen=True, slots=True)
class KeyRights:
    """What Kalshi says of a key: scopes, the one subaccount it is held to, and until when its place is attested."""

    scopes: frozenset[str]
    subaccount: int | None
    region_until: datetime | None


def wire_order(order: Order) -> dict[str, str]:
    """Return the body that creates an order: prices are of YES, whichever side is traded."""
    book_side, is_mirrored = BOOK_SIDES[order.side, order.action]
    price = ONE - order.limit_price if is_mirrored else order.limit_price
    return {
        "ticker": order.market.native_id,
        "client_order_id": str(order.client_id),
        "side": book_side,
        "count": str(quantize(order.count, 2)),
        "price": str(quantize(price, 4)),
        "time_in_force": "immediate_or_cancel",
        "self_trade_prevention_type": "taker_at_cross",
    }


def parse_created(answer: Any) -> str:
    """Return the id of a created order.

    Raises VenueProtocolError where a 2xx names none: old endpoints answer their errors with a 2xx.
    """
    order_id = answer.get("order_id") if isinstance(answer, dict) else None
    if not isinstance(order_id, str) or not order_id:
        raise VenueProtocolError(
            f"kalshi: a created order was expected to have an order_id; found {str(answer)[:200]}.", venue=Venue.KALSHI
        )
    return order_id


def created_result(answer: Any) -> SubmitResult:
    """Return what an answer to one created order means: without an order id it is unknown."""
    try:
        order_id = parse_created(answer)
    except VenueProtocolError as error:
        return SubmitResult(Placement.UNKNOWN, reason=f"{error}", evidence={"found": "no order id"})
    told = {name: answer.get(name) for name in ("fill_count", "remaining_count", "average_fill_price", "ts_ms")}
    return SubmitResult(Placement.ACCEPTED, venue_order_id=order_id, evidence=told)


def batch_results(answer: Any, orders: Sequence[Order]) -> dict[int, SubmitResult]:
    """Return each order's result, by Order.pk, from the rows of a batch, found by client id.

    An order that no row names, that two rows name, or whose row is unclear is unknown.
    """
    listed = answer.get("orders") if isinstance(answer, dict) else None
    rows: dict[str, list[Any]] = {}
    for row in listed if isinstance(listed, list) else []:
        if isinstance(row, dict):
            rows.setdefault(str(row.get("client_order_id")), []).append(row)
    results = {}
    for order in orders:
        own = rows.get(str(order.client_id), [])
        if len(own) == 1:
            results[order.pk] = _batch_result(own[0])
        else:
            results[order.pk] = SubmitResult(
                Placement.UNKNOWN,
                reason=f"kalshi: the answer to a batch names this order {len(own)} times; expected once.",
                evidence={"rows": len(own)},
            )
    return results


def _batch_result(row: Any) -> SubmitResult:
    error = row.get("error")
    if not error:
        return created_result(row)
    code, text = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, error)
    # A row has no status: only a known kind of refusal proves that nothing was placed.
    is_unclear = not code or bool(row.get("order_id")) or any(word in str(code) for word in UNCLEAR_CODES)
    return SubmitResult(
        Placement.UNKNOWN if is_unclear else Placement.REJECTED,
        reason=f"kalshi: one of a batch was answered with {code or 'no code'}: {text}",
        evidence={"code": code},
    )


def parse_order(row: Any) -> VenueOrder:
    """Parse one row of /portfolio/orders. Statuses: resting, canceled, executed."""
    filled = _decimal(row, "fill_count_fp")
    status = row.get("status")
    if status not in ("resting", "canceled", "executed"):
        raise VenueProtocolError(f"kalshi: unknown order status {status!r}; tell us.", venue=Venue.KALSHI)
    return VenueOrder(
        venue_order_id=str(row["order_id"]), filled=filled, ended="" if status == "resting" else str(status)
    )


def parse_fill(row: Any, side: str) -> VenueFill:
    """Parse one row of /portfolio/fills, priced for the side that the order is about."""
    stamp = row.get("created_time")
    at = datetime.fromisoformat(stamp) if stamp else datetime.fromtimestamp(int(row["ts"]), UTC)
    return VenueFill(
        venue_trade_id=str(row.get("fill_id") or row["trade_id"]),
        count=_decimal(row, "count_fp"),
        price=_decimal(row, "yes_price_dollars" if side == Side.YES else "no_price_dollars"),
        fee=_decimal(row, "fee_cost"),
        at=at,
    )


def pause_notice(error: VenueError) -> ModeNotice | None:
    """Return that trading pauses, where a refusal says so: until the status says otherwise, only cancels work."""
    if error.code not in PAUSED_CODES:
        return None
    return ModeNotice(VenueState.Mode.CANCEL_ONLY, evidence={"status": error.status, "code": error.code})


def parse_status(answer: Any) -> ModeNotice:
    """Parse /exchange/status. `exchange_active` false: nothing works; `trading_active` false: cancels do.

    The top level speaks of shard 0; where shards are listed, those that take no orders are named, and
    the worst of them gives the mode. Raises VenueProtocolError where it says neither.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("trading_active"), bool):
        raise VenueProtocolError(
            f"kalshi: /exchange/status was expected to say trading_active; found {str(answer)[:200]}.",
            venue=Venue.KALSHI,
        )
    rows = answer.get("exchange_index_statuses") or []
    stopped = [row for row in rows or [answer] if not (row.get("exchange_active", True) and row.get("trading_active"))]
    if not stopped and answer.get("exchange_active", True):
        return ModeNotice(VenueState.Mode.OPEN, evidence={"trading_active": True})
    is_down = answer.get("exchange_active") is False or any(row.get("exchange_active") is False for row in stopped)
    some = bool(rows) and 0 < len(stopped) < len(rows)
    return ModeNotice(
        VenueState.Mode.DISABLED if is_down else VenueState.Mode.CANCEL_ONLY,
        until=_instant(answer.get("exchange_estimated_resume_time")),
        shards=tuple(sorted(int(row["exchange_index"]) for row in stopped)) if some else (),
        evidence={name: answer.get(name) for name in ("exchange_active", "trading_active")},
    )


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else None


def _listed(row: Any, *, count: str, is_open: bool) -> ListedOrder:
    side = Side.NO if row.get("outcome_side") == "no" else Side.YES
    return ListedOrder(
        venue_order_id=str(row["order_id"]),
        market_key=str(row.get("ticker") or row.get("market_ticker") or ""),
        side=side.value,
        count=_decimal(row, count),
        price=_decimal(row, "yes_price_dollars" if side == Side.YES else "no_price_dollars"),
        is_open=is_open,
        client_id=str(row.get("client_order_id") or ""),
    )


def _decimal(row: Any, name: str) -> Decimal:
    try:
        return quantize(Decimal(str(row[name])), 6)
    except (KeyError, TypeError, InvalidOperation) as error:
        raise VenueProtocolError(
            f"kalshi: expected a decimal string in {name}; found {str(row)[:200]}.", venue=Venue.KALSHI
        ) from error


class KalshiOrders:
    """One Kalshi account, its signing key, checked when it was connected, open until `close`."""

    def __init__(
        self,
        *,
        http: HttpClient,
        key_id: str,
        private_key_pem: str,
        now: Callable[[], datetime],
        give_back: Callable[[], None] | None = None,
    ) -> None:
        self._http = http
        self._give_back = give_back or http.close
        self._key_id = key_id
        self._key: PrivateKey = load_private_key(private_key_pem, was_checked=True)
        self._now = now
        self._time = time_of(http.host)

    def __repr__(self) -> str:
        return "<KalshiOrders>"

    def close(self) -> None:
        """Let the key go, and give the connections back."""
        if self.__dict__.pop("_key", None) is not None:
            self._give_back()

    def sign(self, order: Order) -> SignedOrder:
        body = orjson.dumps(wire_order(order))
        return SignedOrder(payload=body.decode(), native=body)

    @property
    def most_at_once(self) -> int:
        """The most orders in one request: all of them must fit the write budget's burst."""
        return MOST_IN_BATCH

    def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
        """Create the order with one POST. 409 and anything without an order id mean: go and read."""
        answer = self._post(CREATE_PATH, signed.native or signed.payload.encode())
        return answer if isinstance(answer, SubmitResult) else created_result(answer)

    def submit_many(self, signed: Sequence[tuple[Order, SignedOrder]]) -> dict[int, SubmitResult]:
        """Create several orders with one POST; the exchange takes or refuses each for itself."""
        bodies = b",".join(each.native or each.payload.encode() for _, each in signed)
        answer = self._post(BATCH_PATH, b'{"orders":[' + bodies + b"]}")
        if isinstance(answer, SubmitResult):
            return {order.pk: answer for order, _ in signed}
        return batch_results(answer, [order for order, _ in signed])

    def _post(self, path: str, body: bytes) -> Any:
        """POST orders once; gives what was answered with a 2xx, or the result that anything else means."""
        headers = {"Content-Type": "application/json", **self._headers("POST", path)}
        try:
            # Not held back by the readers' limit: the account's write budget has let it through, and late is wrong.
            response = self._http.request("POST", path, content=body, headers=headers, is_limited=False)
        except VenueUnavailable as error:
            return SubmitResult(Placement.UNKNOWN if error.sent else Placement.UNSENT, reason=str(error))
        except REJECTING as error:
            placement = Placement.UNKNOWN if error.status == DUPLICATE else Placement.REJECTED
            evidence = {"status": error.status, "code": error.code}
            waits = (error.retry_after or 0.0) if isinstance(error, VenueRateLimited) else None
            return SubmitResult(
                placement, reason=str(error), evidence=evidence, retry_after=waits, notice=pause_notice(error)
            )
        except VenueError as error:
            return SubmitResult(Placement.UNKNOWN, reason=str(error))
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            evidence = {"status": response.status_code, "found": "no order id"}
            return SubmitResult(Placement.UNKNOWN, reason=f"{error}", evidence=evidence)

    def look_up(self, order: Order) -> Sighting:
        """Find the order by its venue id, else by its client id in the listing since it was sent; then its fills."""
        row = self._by_venue_id(order.venue_order_id) if order.venue_order_id else None
        if row is None:
            row = self._by_client_id(order)
        if row is None:
            # Fills name no client id, so without the order none can be ours.
            return Sighting(order=None, fills=(), complete=True)
        found = parse_order(row)
        path, params = "/portfolio/fills", {"order_id": found.venue_order_id}
        fills = tuple(parse_fill(fill, order.side) for fill in self._pages(path, params, "fills"))
        return Sighting(order=found, fills=fills, complete=True)

    def cancel(self, order: Order) -> None:
        # Without the ticker the venue looks on its first shard only.
        path = f"{CREATE_PATH}/{quote(order.venue_order_id, safe='')}"
        try:
            self._http.request(
                "DELETE", path, params={"market_ticker": order.market.native_id}, headers=self._headers("DELETE", path)
            )
        except VenueNotFound:
            # It may have filled in this very moment: the look-up that follows tells.
            return

    def cash(self) -> Decimal:
        return _decimal(self._get("/portfolio/balance", {}), "balance_dollars")

    def net_counts(self, markets: Sequence[Market]) -> dict[int, Decimal]:
        held = {
            str(row.get("ticker")): _decimal(row, "position_fp")
            for row in self._pages("/portfolio/positions", {"count_filter": "position"}, "market_positions")
        }
        return {market.pk: held.get(market.native_id, ZERO) for market in markets}

    def cash_by_shard(self) -> dict[int, Decimal]:
        """Return the free cash of each shard; empty where the key is held to a subaccount, which names none."""
        rows = self._get("/portfolio/balance", {}).get("balance_breakdown") or []
        return {int(row["exchange_index"]): _decimal(row, "balance") for row in rows}

    def listed_since(self, since: datetime) -> list[ListedOrder]:
        """Return what rests now and each fill since a moment, priced for YES."""
        resting = [
            _listed(row, count="remaining_count_fp", is_open=True)
            for row in self._pages("/portfolio/orders", {"status": "resting"}, "orders")
        ]
        fills = self._pages("/portfolio/fills", {"min_ts": str(int(since.timestamp()))}, "fills")
        return [*resting, *(_listed(row, count="count_fp", is_open=False) for row in fills)]

    def holdings(self) -> list[ListedHolding]:
        """Return what the account holds of each market; YES and NO are netted there."""
        held = []
        for row in self._pages("/portfolio/positions", {"count_filter": "position"}, "market_positions"):
            count, cost = _decimal(row, "position_fp"), _decimal(row, "market_exposure_dollars")
            if count:
                side = Side.YES if count > 0 else Side.NO
                held.append(ListedHolding(str(row.get("ticker")), side.value, abs(count), cost))
        return held

    def key_rights(self) -> KeyRights:
        """Read what this key may do. Raises VenueNotFound where the venue does not list it."""
        answer = self._get("/api_keys", {})
        row = next((row for row in answer.get("api_keys") or [] if row.get("api_key_id") == self._key_id), None)
        if row is None:
            raise VenueNotFound("kalshi: its list of keys does not name this one.", venue=Venue.KALSHI)
        until = answer.get("api_key_region_expiration_ts") or row.get("api_key_region_expiration_ts")
        return KeyRights(
            scopes=frozenset(str(scope) for scope in row.get("scopes") or []),
            subaccount=row.get("subaccount"),
            region_until=datetime.fromtimestamp(int(until), UTC) if until else None,
        )

    def status(self) -> ModeNotice:
        """Return what the exchange takes now. Not signed; its Date tells the venue's time."""
        return parse_status(self._parsed(self._status_response(), STATUS_PATH))

    def trading_by_shard(self) -> dict[int, bool]:
        """Tell which shards take orders now."""
        answer = self._parsed(self._status_response(), STATUS_PATH)
        rows = answer.get("exchange_index_statuses") or [{"exchange_index": 0, **answer}]
        return {int(row["exchange_index"]): bool(row.get("trading_active")) for row in rows}

    def clock_offset(self) -> timedelta | None:
        """Return the venue's time less ours, to the second that its Date header has."""
        before = self._now()
        response = self._http.request("GET", "/exchange/status", retries=READ_RETRIES)
        middle = before + (self._now() - before) / 2
        try:
            return parsedate_to_datetime(response.headers["Date"]) - middle
        except (KeyError, TypeError, ValueError):
            return None

    def _by_venue_id(self, venue_order_id: str) -> Any:
        try:
            return self._get(f"/portfolio/orders/{quote(venue_order_id, safe='')}", {})["order"]
        except VenueNotFound:
            return None

    def _by_client_id(self, order: Order) -> Any:
        # Our clock stamped the send and the venue's stamps the row: what they differ by must not hide it.
        since = (order.submitted_at or order.created_at) - LISTING_MARGIN - abs(self._time.offset(self._now()))
        params = {"ticker": order.market.native_id, "min_ts": str(int(since.timestamp()))}
        for row in self._pages("/portfolio/orders", params, "orders"):
            if row.get("client_order_id") == str(order.client_id):
                return row
        return None

    def _pages(self, path: str, params: dict[str, str], name: str) -> Iterator[Any]:
        """Yield every row of a listing; raises rather than end early, since absence is evidence."""
        cursor, seen = "", set[str]()
        for _ in range(LONGEST_LISTING_PAGES):
            page = self._get(path, {**params, "limit": str(PAGE_SIZE), **({"cursor": cursor} if cursor else {})})
            if not isinstance(page, dict) or not isinstance(page.get(name) or [], list):
                raise VenueProtocolError(f"kalshi: {path} was expected to list {name}.", venue=Venue.KALSHI)
            yield from page.get(name) or []
            cursor = page.get("cursor") or ""
            if not cursor:
                return
            if cursor in seen:
                raise VenueProtocolError(f"kalshi: {path} repeated its cursor.", venue=Venue.KALSHI)
            seen.add(cursor)
        raise VenueProtocolError(f"kalshi: {path} did not end after {LONGEST_LISTING_PAGES} pages.", venue=Venue.KALSHI)

    def _get(self, path: str, params: dict[str, str]) -> Any:
        used = self._time.offset(self._now())
        try:
            response = self._signed_get(path, params)
        except VenueAuthError as error:
            # Perhaps our clock is wrong and not the key: ask what time it is there, and if that differs, once more.
            if error.status != UNAUTHORIZED:
                raise
            self._status_response()
            if abs(self._time.offset(self._now()) - used) <= TOLERANCE:
                raise
            response = self._signed_get(path, params)
        self._time.learn_from(response.headers.get("Date"))
        return self._parsed(response, path)

    def _signed_get(self, path: str, params: dict[str, str]) -> httpx.Response:
        return self._http.request("GET", path, params=params, headers=self._headers("GET", path), retries=READ_RETRIES)

    def _status_response(self) -> httpx.Response:
        response = self._http.request("GET", STATUS_PATH, retries=READ_RETRIES, accepts=STATUS_ANSWERS)
        self._time.learn_from(response.headers.get("Date"))
        return response

    @staticmethod
    def _parsed(response: httpx.Response, path: str) -> Any:
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise VenueProtocolError(f"kalshi: {path} was expected to answer JSON.", venue=Venue.KALSHI) from error

    def _headers(self, method: str, path: str) -> dict[str, str]:
        timestamp_ms = int(self._time.now(self._now()).timestamp() * 1000)
        return signed_headers(self._key_id, self._key, method, self._http.path_of(path), timestamp_ms)
