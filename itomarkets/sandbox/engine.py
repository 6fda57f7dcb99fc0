"""The exchange's heart: what accounts may do to the books, what they hold, and what time does to both.

One engine serves both venues. Kalshi nets (one signed count of YES, token `net`); Polymarket holds two tokens
(`yes`, `no`). Sides and prices are of YES throughout; see `books`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from .accounts import Accounts
from .books import Books, BookSide
from .chain import Chain
from .feeds import Feed
from .model import NET, ONE, ZERO, SandboxMarket
from .store import Fill, Forced, Order, Position, Settlement

__all__ = ["BookSide", "PlacedOrder", "Refused", "World"]


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


class World(Books):
    """Everything the sandbox knows: the feed, the accounts and their ledger, the books and the clock."""

    def __init__(
        self,
        feed: Feed,
        clock: Callable[[], datetime],
        store_dir: Path | None = None,
        *,
        new_id: Callable[[], UUID] = uuid4,
    ) -> None:
        super().__init__(feed, clock, store_dir, new_id=new_id)
        self.accounts = Accounts(self.store, self.ledger, clock)
        self.chain = Chain(self.store, self.ledger)
        self.dedupe_forever = True
        for forced in self.store.rows(Forced):
            self._apply_forced(forced)

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
        """Return the units of a Polymarket token that are settled and that no resting order promises away."""
        position = self.ledger.position(account_id, market.venue, market.key, token)
        promised = (
            order.live
            for order in self._resting.get((market.venue, market.key), ())
            if order.account_id == account_id and order.token == token and not order.spends_cash
        )
        held = position.quantity if position else ZERO
        pending = self.chain.unsettled(market.key, self.clock(), account_id=account_id, token=token)
        return held - pending - sum(promised, ZERO)

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
            settles_at = market.settle_at if market else position.settles_at
            if now >= settles_at:
                pays = self.feed.outcome(market) if market else position.pays
                with self.store.transaction():
                    self.ledger.settle(position, pays, settles_at)
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

    # Checks

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
        if order.token != NET and not order.spends_cash:
            if self.available_tokens(order.account_id, market, order.token) < order.size:
                raise Refused("insufficient_tokens", "not enough balance / allowance")
            return
        need = self._cash_need(order, market, order.size, taker=True)
        if spend is not None:
            need = min(need, spend + market.fee.raw(order.price, order.size, taker=True))
        if self.balance(order.account_id, order.venue).get(order.exchange_index, ZERO) < need:
            raise Refused("insufficient_balance", "insufficient balance")

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
