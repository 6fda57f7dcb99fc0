"""Books and matching: what stands, what trades with what, at which price, in which order.

Everything is in YES-space: a bid buys YES, an ask sells YES, and to buy NO at q is to sell YES at 1 - q. The
synthetic side of a book is drawn from the feed and stands before users' orders at the same price.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

from .depth import SLOT_SECONDS, Top, levels_of, top_of
from .feeds import Feed
from .ledger import Ledger
from .model import NET, ONE, PRICE_UNITS, ZERO, SandboxMarket, from_units, to_units
from .store import Fill, Order, Store

BookSide = list[tuple[Decimal, Decimal]]


class Books:
    """The standing books, the resting orders and the matching between them; the ledger is written as they trade."""

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
        self.new_id = new_id
        self._seq = self.store.last_seq()
        self._resting: dict[tuple[str, str], list[Order]] = {}
        self._consumed: dict[tuple[str, str], tuple[int, dict[tuple[str, int], Decimal]]] = {}
        for order in self.store.rows(Order, "status = 'resting'", order_by="seq"):
            self._resting.setdefault((order.venue, order.market_key), []).append(order)

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

    @property
    def last_seq(self) -> int:
        """The number of the newest order or fill."""
        return self._seq

    def is_touched(self, market: SandboxMarket) -> bool:
        """Say whether users' orders stand in a market's book, or took from it in this slot."""
        key = (market.venue, market.key)
        return key in self._resting or key in self._consumed

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

    def _would_cross(self, order: Order, market: SandboxMarket, now: datetime) -> bool:
        return next(self._against(order, market, now), None) is not None

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
        fee, cost = self.ledger.apply(
            order, market, price, size, now, is_taker=is_taker, pays=self.feed.outcome(market)
        )
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
        if maker.token != NET and not maker.spends_cash:
            position = self.ledger.position(maker.account_id, maker.venue, maker.market_key, maker.token)
            return min(maker.live, position.quantity if position else ZERO)
        cash = self.ledger.shards(maker.account_id, maker.venue).get(maker.exchange_index, ZERO)
        return maker.live if cash >= self._cash_need(maker, market, maker.live, taker=False) else ZERO

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
            opening = size if order.spends_cash else ZERO
        each = order.price if order.side == "buy" else ONE - order.price
        return each * opening + market.fee.raw(order.price, size, taker=taker)

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


def _affordable(cash: Decimal, each: Decimal) -> Decimal:
    """Return the units, to six places, that cash buys."""
    return (cash / each).quantize(Decimal("0.000001"), rounding="ROUND_DOWN")
