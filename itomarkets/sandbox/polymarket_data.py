"""The Data API: what a wallet holds and has traded, and a token's past prices. Public, by address."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from eth_utils.address import is_address, to_checksum_address
from starlette.requests import Request
from starlette.routing import Route

from .engine import World
from .model import NO, ONE, POLYMARKET, YES, ZERO, SandboxEvent, SandboxMarket
from .polymarket_auth import BUY, SELL
from .polymarket_clob import label_of, token_of
from .polymarket_history import DAY, HOUR, INTERVALS, MINUTE, buckets, interval_of, life_of, price_at
from .polymarket_keys import Keys
from .polymarket_private import transaction_hash
from .polymarket_wire import Query, Service, WireError, decode_cursor, encode_cursor, iso, route, unix
from .store import Account, Fill, Position

POSITIONS_A_PAGE, TRADES_A_PAGE, V2_A_PAGE, HISTORY_A_PAGE = 500, 10_000, 1000, 10_000
DEEPEST = 10_000
LONGEST_WINDOW = 15 * DAY
# Finest bucket, in seconds, of an interval; one of two times may have one of a minute.
FINEST = {"max": 600, "all": 600, "1m": 600, "1w": 300}
SORTS = {
    "TOKENS": "size",
    "CURRENT": "currentValue",
    "INITIAL": "initialValue",
    "CASHPNL": "cashPnl",
    "PERCENTPNL": "percentPnl",
    "TITLE": "title",
    "PRICE": "curPrice",
    "AVGPRICE": "avgPrice",
}
SIX_PLACES = Decimal("0.000001")


def routes(world: World) -> list[Route]:
    data = Data(world)
    return [
        route("/", data.status),
        route("/positions", data.positions),
        route("/trades", data.trades),
        route("/value", data.value),
        route("/v2/positions", data.positions_v2),
        route("/v2/value", data.value_v2),
        route("/v2/prices-history", data.history),
    ]


def refuse(error: str) -> WireError:
    return WireError(400, error)


class Data(Service):
    """The handlers."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.owners = Keys(world)

    async def status(self, request: Request) -> Any:
        return {"data": "OK"}

    # What wallets hold

    async def positions(self, request: Request) -> Any:
        query = Query(request, refuse)
        rows = [
            self._position(wallet, position, market)
            for wallet, position, market in self._held(query, query.many("market"))
        ]
        least = query.number("sizeThreshold")
        title = query.text("title").lower()
        rows = [
            row
            for row in rows
            if row["size"] >= (1 if least is None else least) and (not title or title in row["title"].lower())
        ]
        if query.flag("redeemable") is not None:
            rows = [row for row in rows if row["redeemable"] is query.flag("redeemable")]
        if query.flag("mergeable") is not None:
            rows = [row for row in rows if row["mergeable"] is query.flag("mergeable")]
        sort = query.text("sortBy") or "TOKENS"
        if sort not in SORTS:
            raise refuse(f"sortBy is {sort!r}; expected one of {', '.join(SORTS)}")
        rows.sort(key=lambda row: row[SORTS[sort]], reverse=query.text("sortDirection") != "ASC")
        offset = self._offset(query)
        return rows[offset : offset + query.whole("limit", 100, most=POSITIONS_A_PAGE)]

    async def positions_v2(self, request: Request) -> Any:
        query = Query(request, refuse)
        wanted = query.text("status")
        rows = []
        for wallet, position, market in self._held(query, query.many("condition_id"), ended=wanted == "CLOSED"):
            row = self._position_v2(wallet, position, market)
            if wanted in ("", row["status"]) or (wanted == "MERGEABLE" and row["mergeable"]):
                rows.append(row)
        return self._enveloped(rows, query, V2_A_PAGE)

    async def value(self, request: Request) -> Any:
        query = Query(request, refuse)
        return [{"user": self._wallet(query)[0], "value": self._value(query, query.many("market"))}]

    async def value_v2(self, request: Request) -> Any:
        query = Query(request, refuse)
        return {
            "data": {"proxy_wallet": self._wallet(query)[0], "value": self._value(query, query.many("condition_id"))}
        }

    def _value(self, query: Query, conditions: list[str]) -> float:
        held = self._held(query, conditions)
        return float(
            sum((position.quantity * self._price(market, position.token) for _, position, market in held), ZERO)
        )

    def _wallet(self, query: Query) -> tuple[str, Account | None]:
        address = query.text("user")
        if not address:
            raise refuse("required query param 'user' not provided")
        if not is_address(address):
            raise refuse(f"user is {address!r}; expected an address: 0x and 40 hexadecimal digits")
        return to_checksum_address(address), self.owners.owner(address)

    def _held(
        self, query: Query, conditions: list[str], *, ended: bool = False
    ) -> list[tuple[str, Position, SandboxMarket]]:
        """Return a wallet's positions with something in them, or with nothing left, newest change first."""
        wallet, account = self._wallet(query)
        events = set(query.many("eventId")) | set(query.many("event_id"))
        found = []
        for position in self.world.positions(account.id, POLYMARKET) if account else ():
            market = self.feed.market(POLYMARKET, position.market_key)
            if (
                market is not None
                and (position.quantity == 0) is ended
                and (not conditions or market.condition_id in conditions)
                and (not events or market.event_key in events)
            ):
                found.append((wallet, position, market))
        return found

    def _price(self, market: SandboxMarket, token: str) -> Decimal:
        """Return what a token is worth now: its payout, or the middle of its book."""
        now = self.world.now()
        if self.world.status_of(market, now) == "settled":
            yes = self.feed.outcome(market)
        else:
            top = self.world.top(market, now)
            yes = Decimal(top.bid + top.ask).scaleb(-4) / 2
        return yes if token == YES else ONE - yes

    def _bought(self, position: Position) -> Decimal:
        fills = self.world.fills(position.account_id, POLYMARKET, market_keys=(position.market_key,))
        mine = (fill for fill in fills if fill.token == position.token)
        return sum((fill.size for fill in mine if (fill.side == "buy") == (fill.token == YES)), ZERO)

    def _mergeable(self, position: Position) -> bool:
        other = NO if position.token == YES else YES
        twin = self.world.ledger.position(position.account_id, POLYMARKET, position.market_key, other)
        return position.quantity > 0 and twin is not None and twin.quantity > 0

    def _position(self, wallet: str, position: Position, market: SandboxMarket) -> dict[str, Any]:
        price = self._price(market, position.token)
        worth = position.quantity * price
        gain = worth - position.cost
        other = NO if position.token == YES else YES
        event = self.feed.event(POLYMARKET, market.event_key)
        return {
            "proxyWallet": wallet,
            "asset": token_of(market, position.token),
            "conditionId": market.condition_id,
            "size": _number(position.quantity),
            "avgPrice": _number(_ratio(position.cost, position.quantity)),
            "initialValue": _number(position.cost),
            "grossInitialValue": _number(position.cost + position.fees),
            "entryFeesUsdc": _number(position.fees),
            "currentValue": _number(worth),
            "cashPnl": _number(gain),
            "percentPnl": _number(100 * _ratio(gain, position.cost)),
            "totalBought": _number(self._bought(position)),
            "realizedPnl": _number(position.realized),
            "percentRealizedPnl": _number(100 * _ratio(position.realized, position.cost)),
            "curPrice": _number(price),
            "redeemable": self.world.status_of(market) == "settled",
            "mergeable": self._mergeable(position),
            "title": market.title,
            "slug": market.slug,
            "icon": "",
            "eventSlug": event.slug if event else "",
            "outcome": label_of(market, position.token),
            "outcomeIndex": 0 if position.token == YES else 1,
            "oppositeOutcome": label_of(market, other),
            "oppositeAsset": token_of(market, other),
            "endDate": iso(market.close_at)[:10],
            "negativeRisk": market.neg_risk,
        }

    def _position_v2(self, wallet: str, position: Position, market: SandboxMarket) -> dict[str, Any]:
        old = self._position(wallet, position, market)
        event: SandboxEvent | None = self.feed.event(POLYMARKET, market.event_key)
        held = "REDEEMABLE" if old["redeemable"] else "OPEN"
        return {
            "proxy_wallet": wallet,
            "token_id": old["asset"],
            "condition_id": old["conditionId"],
            "current_size": old["size"],
            "avg_price": old["avgPrice"],
            "entry_cost_usdc": old["initialValue"],
            "entry_fees_usdc": old["entryFeesUsdc"],
            "total_cost_usdc": old["grossInitialValue"],
            "current_price": old["curPrice"],
            "current_value": old["currentValue"],
            "total_size": old["totalBought"],
            "realized_pnl": old["realizedPnl"],
            "unrealized_pnl": old["cashPnl"],
            "total_pnl": old["realizedPnl"] + old["cashPnl"],
            "percent_pnl": old["percentPnl"],
            "percent_realized_pnl": old["percentRealizedPnl"],
            "status": held if position.quantity else "CLOSED",
            "redeemable": old["redeemable"],
            "mergeable": old["mergeable"],
            "negative_risk": old["negativeRisk"],
            "archived": False,
            "verified": False,
            "title": old["title"],
            "slug": old["slug"],
            "icon": None,
            "event_slug": old["eventSlug"],
            "event_id": event.key if event else None,
            "outcome": old["outcome"],
            "outcome_index": old["outcomeIndex"],
            "opposite_outcome": old["oppositeOutcome"],
            "opposite_token_id": old["oppositeAsset"],
            "end_date": old["endDate"],
            "last_event_at": unix(position.updated_at),
            "first_entry_at": None,
        }

    # Trades

    async def trades(self, request: Request) -> Any:
        query = Query(request, refuse)
        wallet, account = self._wallet(query) if query.text("user") else ("", None)
        where, values = ["venue = ?"], [POLYMARKET]
        if wallet:
            where.append("account_id = ?")
            values.append(account.id if account else "")
        if query.flag("takerOnly") is not False:
            where.append("is_taker = 1")
        side = query.text("side")
        if side not in ("", BUY, SELL):
            raise refuse(f"side is {side!r}; expected BUY or SELL")
        conditions, events = set(query.many("market")), set(query.many("eventId"))
        start, end = query.seconds("start"), query.seconds("end")
        found = []
        for fill in self.world.store.rows(Fill, " AND ".join(where), values, order_by="seq DESC"):
            market = self.feed.market(POLYMARKET, fill.market_key)
            if (
                market is not None
                and (not conditions or market.condition_id in conditions)
                and (not events or market.event_key in events)
                and (not side or _side(fill) == side)
                and (start is None or unix(fill.at) >= start)
                and (end is None or unix(fill.at) <= end)
            ):
                found.append((fill, market))
        offset = self._offset(query)
        page = found[offset : offset + query.whole("limit", 100, most=TRADES_A_PAGE)]
        wallets = {row.id: to_checksum_address(row.polymarket_address) for row in self.world.accounts.all()}
        return [self._trade(fill, market, wallets[fill.account_id]) for fill, market in page]

    def _trade(self, fill: Fill, market: SandboxMarket, wallet: str) -> dict[str, Any]:
        event = self.feed.event(POLYMARKET, market.event_key)
        return {
            "proxyWallet": wallet,
            "side": _side(fill),
            "asset": token_of(market, fill.token),
            "conditionId": market.condition_id,
            "size": _number(fill.size),
            "price": _number(fill.price if fill.token == YES else ONE - fill.price),
            "timestamp": unix(fill.at),
            "title": market.title,
            "slug": market.slug,
            "icon": "",
            "eventSlug": event.slug if event else "",
            "outcome": label_of(market, fill.token),
            "outcomeIndex": 0 if fill.token == YES else 1,
            "name": "",
            "pseudonym": "",
            "bio": "",
            "profileImage": "",
            "profileImageOptimized": "",
            "transactionHash": transaction_hash(fill.trade_id),
        }

    # Past prices

    async def history(self, request: Request) -> Any:
        """Serve one of: an interval, a window of at most 15 days, or the one price at an instant."""
        query = Query(request, refuse)
        token_id = query.text("token_id")
        if not token_id.isdigit():
            raise refuse("token_id is required: a decimal token id")
        interval, start, as_of = query.text("interval"), query.seconds("start"), query.seconds("as_of")
        if sum((bool(interval), start is not None, as_of is not None)) != 1:
            raise refuse("exactly one of interval, start or as_of is required")
        end = query.seconds("end")
        if end is not None and start is None:
            raise refuse("end is only valid with start")
        if interval and interval not in INTERVALS:
            raise refuse(f"interval is {interval!r}; expected one of {', '.join(INTERVALS)}")
        now = self.world.now()
        if start is not None:
            end = unix(now) if end is None else end
            if end <= start:
                raise refuse("end must be after start")
            if end - start > LONGEST_WINDOW:
                raise refuse("the range from start to end exceeds 15 days")
        step = self._bucket(query, interval)
        found = self.feed.by_token(token_id)
        if found is None:
            return self._enveloped([], query, HISTORY_A_PAGE, HISTORY_A_PAGE)
        market, token = found
        if as_of is not None:
            return self._enveloped(self._exactly(market, token, as_of, now), query, HISTORY_A_PAGE, HISTORY_A_PAGE)
        span = interval_of(market, interval, now) if interval else life_of(market, now).clipped(start, end)
        step = step or max(FINEST.get(interval, MINUTE), MINUTE if span.end - span.start <= DAY else HOUR)
        rows = [
            {"timestamp": second, "price": price, "resolution_seconds": step}
            for second, price in buckets(self.world, market, token, span, step)
        ]
        return self._enveloped(rows, query, HISTORY_A_PAGE, HISTORY_A_PAGE)

    def _exactly(self, market: SandboxMarket, token: str, second: int, now: datetime) -> list[dict[str, Any]]:
        life = life_of(market, now)
        if second < life.start:
            return []
        second = min(second, life.end - 1)
        price = price_at(self.world, market, token, second)
        return [{"timestamp": second, "price": price, "resolution_seconds": 0}]

    @staticmethod
    def _bucket(query: Query, interval: str) -> int | None:
        step = query.seconds("bucket_seconds")
        least = FINEST.get(interval, MINUTE)
        if step is not None and query.text("as_of"):
            raise refuse("bucket_seconds is not valid with as_of")
        if step is not None and not least <= step <= DAY:
            raise refuse(f"bucket_seconds is {step}; expected {least} to {DAY}")
        return step

    # Paging

    @staticmethod
    def _offset(query: Query) -> int:
        offset = query.whole("offset", 0)
        if offset > DEEPEST:
            raise refuse(f"offset is {offset}; expected at most {DEEPEST}")
        return offset

    @staticmethod
    def _enveloped(rows: list[dict[str, Any]], query: Query, most: int, default: int = 100) -> dict[str, Any]:
        """Return one page in the second version's envelope; the cursor is opaque."""
        text = query.text("cursor")
        start = decode_cursor(text) if text else 0
        if not isinstance(start, int) or start < 0:
            raise refuse("cursor is invalid")
        limit = query.whole("limit", default, least=1, most=most)
        end = start + limit
        more = end < len(rows)
        return {
            "data": rows[start:end],
            "pagination": {"has_more": more, "next_cursor": encode_cursor(end) if more else None},
        }


def _side(fill: Fill) -> str:
    return BUY if (fill.side == "buy") == (fill.token == YES) else SELL


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole else ZERO


def _number(value: Decimal) -> float:
    return float(value.quantize(SIX_PLACES))
