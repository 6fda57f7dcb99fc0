"""The exchange's heart: books, matching by price and time, cash, positions, closing and settlement.

One engine serves both venues. Everything is in YES-space: a bid buys YES, an ask sells YES, and to buy NO at q
is to sell YES at 1 - q. Kalshi nets (one signed count, token `net`); Polymarket holds two tokens (`yes`, `no`).
The synthetic side of a book is drawn from the feed and stands before users' orders at the same price.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from .accounts import Accounts
from .depth import SLOT_SECONDS, Top, levels_of, top_of
from .feeds import Feed
from .ledger import Ledger
from .model import NET, ONE, PRICE_UNITS, YES, ZERO, SandboxMarket, from_units, to_units
from .store import Fill, Forced, Order, Position, Settlement, Store

BookSide = list[tuple[Decimal, Decimal]]


class Refused(Exception):
    """The exchange says no. `code` is a short name; each wire turns it into its own words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """What came of an order: the order as it stands and the fills of this request, in order."""

    order: Order
    fills: tuple[Fill, ...]

    @property
    def filled(self) -> Decimal:
        return sum((fill.size for fill in self.fills), ZERO)

    @property
    def fees(self) -> Decimal:
        return sum((fill.fee for fill in self.fills), ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """The size-weighted YES price of the fills."""
        return sum((fill.price * fill.size for fill in self.fills), ZERO) / self.filled if self.fills else None


class World:
    """Everything the sandbox knows: the feed, the accounts' ledger, resting orders and the clock."""

    def __init__(
        self,
        feed: Feed,
        clock: Callable[[], datetime],
        store_dir: Path | None = None,
        *,
        new_id: Callable[[], UUID] = uuid4,
    ) -> None:
        self.feed = feed
        self.clock = clock
        self.store = Store(store_dir)
        self.ledger = Ledger(self.store)
        self.accounts = Accounts(self.store, self.ledger, clock)
        self.new_id = new_id
        self.dedupe_forever = True
        self._seq = self.store.last_seq()
        self._resting: dict[tuple[str, str], list[Order]] = {}
        self._consumed: dict[tuple[str, str], tuple[int, dict[tuple[str, int], Decimal]]] = {}
        for order in self.store.rows(Order, "status = 'resting'", order_by="seq"):
            self._resting.setdefault((order.venue, order.market_key), []).append(order)
        for forced in self.store.rows(Forced):
            self._apply_forced(forced)

    # What the market looks like

    def now(self) -> datetime:
        return self.clock()

    def status_of(self, market: SandboxMarket, now: datetime | None = None) -> str:
        """Return unopened, open, paused, closed or settled."""
        now = now or self.clock()
        if now >= market.settle_at:
            return "settled"
        if now >= market.close_at:
            return "closed"
        if now < market.open_at:
            return "unopened"
        return "paused" if market.paused else "open"

    def slot(self, now: datetime) -> int:
        return int(now.timestamp()) // SLOT_SECONDS

    def fair(self, market: SandboxMarket, now: datetime) -> float:
        """Return the fair YES price of the time slot: what the standing book is drawn around."""
        return self.feed.price_float(market, float(self.slot(now) * SLOT_SECONDS))

    def top(self, market: SandboxMarket, now: datetime | None = None) -> Top:
        """Return best bid and ask in price units: the quick way for listings; the book itself where users trade it."""
        now = now or self.clock()
        key = (market.venue, market.key)
        if key in self._resting or key in self._consumed:
            bids, asks = self.book(market, now)
            return Top(
                to_units(bids[0][0]) if bids else 0,
                to_units(asks[0][0]) if asks else PRICE_UNITS,
                int(bids[0][1]) if bids else 0,
                int(asks[0][1]) if asks else 0,
            )
        if self.status_of(market, now) not in ("open", "paused"):
            return Top(0, PRICE_UNITS, 0, 0)
        recorded = self.feed.recorded_book(market)
        if recorded is not None:
            bid, ask = (side[0] if side else None for side in recorded)
            return Top(bid[0] if bid else 0, ask[0] if ask else PRICE_UNITS, bid[1] if bid else 0, ask[1] if ask else 0)
        return top_of(market, self.fair(market, now), self.slot(now))

    def book(self, market: SandboxMarket, now: datetime | None = None) -> tuple[BookSide, BookSide]:
        """Return bids and asks of YES as (price, size), best first, with users' resting orders in them."""
        now = now or self.clock()
        if self.status_of(market, now) not in ("open", "paused"):
            return [], []
        self._cross_resting(market, now)
        sides: list[BookSide] = []
        for side, sign in (("buy", -1), ("sell", 1)):
            sizes: dict[Decimal, Decimal] = {}
            for price, size in self._synthetic(market, side, now):
                sizes[price] = sizes.get(price, ZERO) + size
            for order in self._resting.get((market.venue, market.key), ()):
                if order.side == side:
                    sizes[order.price] = sizes.get(order.price, ZERO) + order.live
            sides.append(sorted(sizes.items(), key=lambda level: sign * level[0]))
        return sides[0], sides[1]

    # Orders

    def place(
        self,
        account_id: str,
        market: SandboxMarket,
        *,
        side: str,
        price: Decimal,
        size: Decimal,
        tif: str = "gtc",
        post_only: bool = False,
        client_id: str = "",
        meta: dict[str, Any] | None = None,
        exchange_index: int | None = None,
        token: str = NET,
        expires_at: datetime | None = None,
        spend: Decimal | None = None,
        self_trade: str = "taker",
        order_id: str | None = None,
        least: Decimal | None = None,
    ) -> PlacedOrder:
        """Place an order: check, match, rest or cancel what is left.

        side: buy or sell, of YES; token: net (Kalshi), or yes or no, the Polymarket token whose balance moves.
        tif: gtc, gtd (with expires_at), ioc (FAK) or fok. spend: dollars of the token after which a buying ioc or
        fok stops, whatever size is left (a Polymarket market buy). least: the smallest size, where it is not the
        market's own (Polymarket's orders that cannot rest). self_trade: who gives way at one's own order,
        taker (the rest of the new order is cancelled) or maker. Raises Refused; then nothing has changed.
        """
        now = self.clock()
        least = market.min_size if least is None else least
        self._check(
            account_id, market, side, price, size, least, tif, expires_at, exchange_index, client_id, order_id, now
        )
        order = Order(
            id=order_id or str(self.new_id()),
            seq=self._next_seq(),
            account_id=account_id,
            venue=market.venue,
            market_key=market.key,
            event_key=market.event_key,
            token=token,
            side=side,
            price=price,
            size=size,
            tif=tif,
            post_only=post_only,
            client_id=client_id,
            exchange_index=market.exchange_index,
            created_at=now,
            updated_at=now,
            expires_at=expires_at,
            meta=meta or {},
        )
        self._cross_resting(market, now)
        self._check_funds(order, market, spend)
        if post_only and self._would_cross(order, market, now):
            raise Refused("post_only_cross", "post only cross")
        with self.store.transaction():
            fills = self._match(order, market, now, spend=spend, self_trade=self_trade)
            if order.remaining == 0:
                order.status = "executed"
            elif tif in ("ioc", "fok") or order.reason:
                order.status = "executed" if spend is not None and fills and not order.reason else "canceled"
                order.reason = order.reason or "unfilled"
            else:
                self._resting.setdefault((market.venue, market.key), []).append(order)
            self.store.save(order)
        return PlacedOrder(order, tuple(fills))

    def cancel(self, order_id: str, *, reason: str = "canceled") -> Decimal:
        """Cancel what rests of an order and return how many contracts that was; Refused if nothing rests."""
        order = self.resting_order(order_id)
        if order is None:
            raise Refused("order_not_found", "order not found or no longer resting")
        market = self.feed.market(order.venue, order.market_key)
        if market is not None and self.status_of(market) not in ("open", "paused"):
            raise Refused("market_inactive", "MARKET_INACTIVE")
        return self._stop(order, reason, self.clock())

    def cancel_all(self, account_id: str, venue: str) -> list[Order]:
        """Cancel every resting order of an account on a venue and return them."""
        own = [order for order in self._all_resting() if order.account_id == account_id and order.venue == venue]
        for order in own:
            self._stop(order, "canceled", self.clock())
        return own

    def shrink(self, order: Order, remaining: Decimal) -> Decimal:
        """Lower what rests of an order to `remaining`; 0 cancels it. It keeps its place. Returns what rests."""
        if order.status != "resting" or remaining > order.remaining:
            raise Refused("invalid_order_size", "a decrease cannot raise the remaining count")
        if remaining == 0:
            self._stop(order, "canceled", self.clock())
            return ZERO
        order.size = order.filled + remaining
        order.updated_at = self.clock()
        self.store.save(order)
        return remaining

    def resting_order(self, order_id: str) -> Order | None:
        """Return the live object of a resting order."""
        return next((order for order in self._all_resting() if order.id == order_id), None)

    def order(self, order_id: str) -> Order | None:
        """Return any order by id."""
        return self.resting_order(order_id) or next(iter(self.store.rows(Order, "id = ?", [order_id])), None)

    def orders(
        self,
        account_id: str,
        venue: str,
        *,
        market_key: str = "",
        event_keys: tuple[str, ...] = (),
        status: str = "",
        client_id: str = "",
        min_at: datetime | None = None,
        max_at: datetime | None = None,
        exchange_index: int | None = None,
        before_seq: int | None = None,
        limit: int | None = None,
    ) -> list[Order]:
        """Return an account's orders, newest first; before_seq continues a listing."""
        where = {
            "market_key = ?": market_key or None,
            "status = ?": status or None,
            "client_id = ?": client_id or None,
            "created_at >= ?": min_at,
            "created_at <= ?": max_at,
            "exchange_index = ?": exchange_index,
            "seq < ?": before_seq,
        }
        return self._listing(Order, account_id, venue, where, event_keys, limit)

    def fills(
        self,
        account_id: str,
        venue: str,
        *,
        market_keys: tuple[str, ...] = (),
        order_id: str = "",
        min_at: datetime | None = None,
        max_at: datetime | None = None,
        exchange_index: int | None = None,
        before_seq: int | None = None,
        limit: int | None = None,
    ) -> list[Fill]:
        """Return an account's fills, newest first."""
        where = {
            "order_id = ?": order_id or None,
            "at >= ?": min_at,
            "at <= ?": max_at,
            "exchange_index = ?": exchange_index,
            "seq < ?": before_seq,
        }
        return self._listing(Fill, account_id, venue, where, market_keys, limit, column="market_key")

    def market_fills(self, market: SandboxMarket) -> list[Fill]:
        """Return the takers' fills of all users in a market, newest first: its public trades."""
        return self.store.rows(
            Fill,
            "venue = ? AND market_key = ? AND is_taker = 1",
            [market.venue, market.key],
            order_by="seq DESC",
            limit=1000,
        )

    def positions(self, account_id: str, venue: str) -> list[Position]:
        """Return an account's positions, open and settled, newest change first."""
        return self.store.rows(
            Position, "account_id = ? AND venue = ?", [account_id, venue], order_by="updated_at DESC, market_key"
        )

    def settlements(self, account_id: str, venue: str) -> list[Settlement]:
        """Return what settled markets paid an account, newest first."""
        return self.store.rows(
            Settlement, "account_id = ? AND venue = ?", [account_id, venue], order_by="at DESC, market_key"
        )

    def balance(self, account_id: str, venue: str) -> dict[int, Decimal]:
        """Return the cash an account can use, per shard: what it has less what its resting orders may need."""
        shards = self.ledger.shards(account_id, venue)
        reserved = dict.fromkeys(shards, ZERO)
        for order in self._all_resting():
            if order.account_id == account_id and order.venue == venue:
                market = self.feed.market(venue, order.market_key)
                if market is not None:
                    reserved[order.exchange_index] += self._cash_need(order, market, order.live, taker=False)
        return {shard: cash - reserved[shard] for shard, cash in shards.items()}

    def available_tokens(self, account_id: str, market: SandboxMarket, token: str) -> Decimal:
        """Return the units of a Polymarket token that no resting order of the account promises away."""
        position = self.ledger.position(account_id, market.venue, market.key, token)
        promised = (
            order.live
            for order in self._resting.get((market.venue, market.key), ())
            if order.account_id == account_id and order.token == token and not _spends_cash(order)
        )
        return (position.quantity if position else ZERO) - sum(promised, ZERO)

    # Time

    def advance(self) -> None:
        """Bring the world up to the clock: expire, cross, close and settle what is due. Safe to run at any time."""
        now = self.clock()
        self.feed.refresh(now)
        for venue, key in list(self._resting):
            market = self.feed.market(venue, key)
            if market is None or self.status_of(market, now) in ("closed", "settled"):
                for order in list(self._resting.get((venue, key), ())):
                    self._stop(order, "market_closed", now)
            else:
                self._cross_resting(market, now)
        self.settle_due()
        slot = self.slot(now)
        self._consumed = {key: value for key, value in self._consumed.items() if value[0] == slot}

    def settle_due(self) -> int:
        """Pay every open position whose market has settled; return how many were paid."""
        now = self.clock()
        paid = 0
        for position in self.ledger.open_positions():
            market = self.feed.market(position.venue, position.market_key)
            if market is not None and now >= market.settle_at:
                with self.store.transaction():
                    self.ledger.settle(position, self.feed.outcome(market), market.settle_at)
                paid += 1
        return paid

    def force_settle(self, market: SandboxMarket, outcome: Decimal) -> None:
        """Settle a market now, with what YES pays: closes it, cancels its orders, pays its positions; it stays so."""
        if not ZERO <= outcome <= ONE:
            raise Refused("invalid_outcome", f"outcome is {outcome}; expected 0 to 1")
        if self.status_of(market) == "settled":
            raise Refused("market_settled", f"{market.key} is settled already")
        forced = Forced(market.venue, market.key, outcome, self.clock())
        self.store.save(forced)
        self._apply_forced(forced)
        self.advance()

    def _apply_forced(self, forced: Forced) -> None:
        market = self.feed.market(forced.venue, forced.market_key)
        if market is not None:
            market.outcome = forced.outcome
            market.close_at = min(market.close_at, forced.at)
            market.settle_at = forced.at
            market.open_at = min(market.open_at, market.close_at)

    # Matching

    def _check(
        self,
        account_id: str,
        market: SandboxMarket,
        side: str,
        price: Decimal,
        size: Decimal,
        least: Decimal,
        tif: str,
        expires_at: datetime | None,
        exchange_index: int | None,
        client_id: str,
        order_id: str | None,
        now: datetime,
    ) -> None:
        if side not in ("buy", "sell") or tif not in ("gtc", "gtd", "ioc", "fok"):
            raise ValueError(f"side {side!r}, tif {tif!r}; expected buy or sell, and gtc, gtd, ioc or fok")
        status = self.status_of(market, now)
        if status != "open":
            raise Refused("market_inactive", f"market is {status}")
        if exchange_index not in (None, -1, market.exchange_index):
            raise Refused("wrong_shard", f"market {market.key} is on exchange index {market.exchange_index}")
        if not market.on_grid(price):
            raise Refused("invalid_price", f"price {price} is not on the market's price grid")
        if size < least:
            raise Refused("invalid_order_size", f"count {size} is below the minimum {least}")
        if expires_at is not None and expires_at <= now:
            raise Refused("invalid_expiration", "expiration time must be in the future")
        if (order_id and self.order(order_id) is not None) or (
            client_id and self._client_id_taken(account_id, market.venue, client_id)
        ):
            raise Refused("duplicate", "Order with this client_order_id already exists")

    def _client_id_taken(self, account_id: str, venue: str, client_id: str) -> bool:
        found = self.store.rows(Order, "account_id = ? AND venue = ? AND client_id = ?", [account_id, venue, client_id])
        return any(self.dedupe_forever or order.status == "resting" for order in found)

    def _check_funds(self, order: Order, market: SandboxMarket, spend: Decimal | None) -> None:
        if order.token != NET and not _spends_cash(order):
            if self.available_tokens(order.account_id, market, order.token) < order.size:
                raise Refused("insufficient_tokens", "not enough balance / allowance")
            return
        need = self._cash_need(order, market, order.size, taker=True)
        if spend is not None:
            need = min(need, spend + market.fee.raw(order.price, order.size, taker=True))
        if self.balance(order.account_id, order.venue).get(order.exchange_index, ZERO) < need:
            raise Refused("insufficient_balance", "insufficient balance")

    def _cash_need(self, order: Order, market: SandboxMarket, size: Decimal, *, taker: bool) -> Decimal:
        """Return the most cash that `size` of an order can cost, fee included; closing a net position needs none."""
        if order.token == NET:
            position = self.ledger.position(order.account_id, order.venue, order.market_key, NET)
            held = position.quantity if position else ZERO
            closable = max(ZERO, -held if order.side == "buy" else held)
            for other in self._resting.get((order.venue, order.market_key), ()):
                if other.account_id == order.account_id and other.side == order.side and other.seq < order.seq:
                    closable = max(ZERO, closable - other.live)
            opening = max(ZERO, size - closable)
        else:
            opening = size if _spends_cash(order) else ZERO
        each = order.price if order.side == "buy" else ONE - order.price
        return each * opening + market.fee.raw(order.price, size, taker=taker)

    def _would_cross(self, order: Order, market: SandboxMarket, now: datetime) -> bool:
        return next(self._against(order, market, now), None) is not None

    def _against(
        self, order: Order, market: SandboxMarket, now: datetime
    ) -> Iterator[tuple[Decimal, Decimal, Order | None]]:
        """Yield what an order can trade with, best first: price, size, resting order (None: the standing book)."""
        side, sign = ("sell", 1) if order.side == "buy" else ("buy", -1)
        offers: list[tuple[Decimal, int, Decimal, Order | None]] = [
            (price, 0, size, None) for price, size in self._synthetic(market, side, now)
        ]
        for resting in self._resting.get((market.venue, market.key), ()):
            if resting.side == side and resting is not order:
                offers.append((resting.price, resting.seq, resting.live, resting))
        offers.sort(key=lambda offer: (sign * offer[0], offer[1]))
        for price, _, size, resting_order in offers:
            if sign * (price - order.price) > 0:
                return
            if size > 0:
                yield price, size, resting_order

    def _match(
        self, order: Order, market: SandboxMarket, now: datetime, *, spend: Decimal | None, self_trade: str
    ) -> list[Fill]:
        """Trade an incoming order against the book; sets `reason` when what is left must not rest."""
        if order.tif == "fok" and not self._fillable(order, market, now, spend):
            order.reason = "unfilled"
            return []
        fills: list[Fill] = []
        left = spend
        for price, size, maker in list(self._against(order, market, now)):
            if order.remaining == 0:
                break
            if maker is not None and maker.account_id == order.account_id:
                if self_trade == "maker":
                    self._stop(maker, "self_trade", now)
                    continue
                order.reason = "self_trade"
                break
            count = min(size, order.remaining)
            if left is not None:
                count = min(count, _affordable(left, price if order.side == "buy" else ONE - price))
                if count <= 0:
                    break
            if maker is not None:
                count = min(count, self._maker_can(maker, market))
                if count <= 0:
                    self._stop(maker, "insufficient_balance", now)
                    continue
            fills.append(self._trade(order, market, price, count, maker, now))
            if left is not None:
                left -= count * (price if order.side == "buy" else ONE - price)
        return fills

    def _fillable(self, order: Order, market: SandboxMarket, now: datetime, spend: Decimal | None) -> bool:
        count, cost = ZERO, ZERO
        for price, size, maker in self._against(order, market, now):
            if maker is not None and maker.account_id == order.account_id:
                return True  # a fill-or-kill that meets its own order behaves like ioc
            count += size
            cost += size * (price if order.side == "buy" else ONE - price)
            if count >= order.size or (spend is not None and cost >= spend):
                return True
        return False

    def _trade(
        self, taker: Order, market: SandboxMarket, price: Decimal, size: Decimal, maker: Order | None, now: datetime
    ) -> Fill:
        trade_id = str(self.new_id())
        if maker is None:
            self._consume(market, "sell" if taker.side == "buy" else "buy", price, size, now)
        else:
            self._book_fill(maker, market, price, size, trade_id, taker.id, now, is_taker=False)
            if maker.remaining == 0:
                maker.status = "executed"
                self._unrest(maker)
            self.store.save(maker)
        return self._book_fill(taker, market, price, size, trade_id, maker.id if maker else "", now, is_taker=True)

    def _book_fill(
        self,
        order: Order,
        market: SandboxMarket,
        price: Decimal,
        size: Decimal,
        trade_id: str,
        counter: str,
        now: datetime,
        *,
        is_taker: bool,
    ) -> Fill:
        fee, cost = self.ledger.apply(order, market, price, size, now, is_taker=is_taker)
        order.filled += size
        order.updated_at = now
        if is_taker:
            order.taker_fees += fee
            order.taker_cost += cost
        else:
            order.maker_fees += fee
            order.maker_cost += cost
        fill = Fill(
            id=str(self.new_id()),
            seq=self._next_seq(),
            trade_id=trade_id,
            order_id=order.id,
            account_id=order.account_id,
            venue=order.venue,
            market_key=order.market_key,
            event_key=order.event_key,
            token=order.token,
            side=order.side,
            price=price,
            size=size,
            fee=fee,
            is_taker=is_taker,
            exchange_index=order.exchange_index,
            at=now,
            counter_order_id=counter,
        )
        self.store.save(fill)
        return fill

    def _maker_can(self, maker: Order, market: SandboxMarket) -> Decimal:
        """Return how much of a resting order its owner can still pay for; fills elsewhere may have used the cover."""
        if maker.token != NET and not _spends_cash(maker):
            position = self.ledger.position(maker.account_id, maker.venue, maker.market_key, maker.token)
            return min(maker.live, position.quantity if position else ZERO)
        cash = self.ledger.shards(maker.account_id, maker.venue).get(maker.exchange_index, ZERO)
        return maker.live if cash >= self._cash_need(maker, market, maker.live, taker=False) else ZERO

    def _cross_resting(self, market: SandboxMarket, now: datetime) -> None:
        """Fill resting orders that the standing book has moved onto, at their own price; drop expired ones."""
        for order in list(self._resting.get((market.venue, market.key), ())):
            if order.expires_at is not None and order.expires_at <= now:
                self._stop(order, "expired", now)
                continue
            if self.status_of(market, now) != "open":
                continue
            side = "sell" if order.side == "buy" else "buy"
            for price, size in self._synthetic(market, side, now):
                crossed = price <= order.price if order.side == "buy" else price >= order.price
                if not crossed or order.live == 0 or size <= 0:
                    break
                count = min(size, order.live, self._maker_can(order, market))
                if count <= 0:
                    self._stop(order, "insufficient_balance", now)
                    break
                with self.store.transaction():
                    self._consume(market, side, price, count, now)
                    self._book_fill(order, market, order.price, count, str(self.new_id()), "", now, is_taker=False)
                    if order.remaining == 0:
                        order.status = "executed"
                        self._unrest(order)
                    self.store.save(order)

    def _synthetic(self, market: SandboxMarket, side: str, now: datetime) -> BookSide:
        """Return the standing levels that rest on a side (buy: bids), less what was taken in this slot."""
        slot = self.slot(now)
        bids, asks = self.feed.recorded_book(market) or levels_of(market, self.fair(market, now), slot)
        taken_slot, taken = self._consumed.get((market.venue, market.key), (slot, {}))
        if taken_slot != slot:
            taken = {}
        levels = bids if side == "buy" else asks
        left = [(from_units(price), Decimal(size) - taken.get((side, price), ZERO)) for price, size in levels]
        return [(price, size) for price, size in left if size > 0]

    def _consume(self, market: SandboxMarket, side: str, price: Decimal, size: Decimal, now: datetime) -> None:
        slot = self.slot(now)
        key = (market.venue, market.key)
        if self._consumed.get(key, (None, {}))[0] != slot:
            self._consumed[key] = (slot, {})
        taken = self._consumed[key][1]
        taken[side, to_units(price)] = taken.get((side, to_units(price)), ZERO) + size

    # Small things

    def _stop(self, order: Order, reason: str, now: datetime) -> Decimal:
        left = order.live
        order.status = "canceled"
        order.reason = reason
        order.updated_at = now
        self._unrest(order)
        self.store.save(order)
        return left

    def _unrest(self, order: Order) -> None:
        key = (order.venue, order.market_key)
        orders = [other for other in self._resting.get(key, ()) if other is not order]
        if orders:
            self._resting[key] = orders
        else:
            self._resting.pop(key, None)

    def _all_resting(self) -> Iterator[Order]:
        return (order for orders in self._resting.values() for order in orders)

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _listing(
        self,
        kind: Any,
        account_id: str,
        venue: str,
        where: dict[str, Any],
        keys: tuple[str, ...],
        limit: int | None,
        *,
        column: str = "event_key",
    ) -> list[Any]:
        conditions = ["account_id = ?", "venue = ?"]
        values: list[Any] = [account_id, venue]
        for condition, value in where.items():
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if keys:
            conditions.append(f"{column} IN ({', '.join('?' * len(keys))})")
            values.extend(keys)
        return self.store.rows(kind, " AND ".join(conditions), values, order_by="seq DESC", limit=limit)


def _spends_cash(order: Order) -> bool:
    """Say whether a Polymarket order buys its token (cash out) rather than sells it (tokens out)."""
    return (order.side == "buy") == (order.token == YES)


def _affordable(cash: Decimal, each: Decimal) -> Decimal:
    """Return the units, to six places, that cash buys."""
    return (cash / each).quantize(Decimal("0.000001"), rounding="ROUND_DOWN")
