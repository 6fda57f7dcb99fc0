"""Paper: orders fill in this process against the venues' real books, with depth and fees, immediately or not at all."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Lock

from itomarkets.lib.rounding import ONE, ZERO
from itomarkets.lib.venues import Side, VenueError, VenueUnavailable
from markets.fees import taker_fee
from markets.models import Market
from markets.venues.base import Level, OrderBook
from trading.ladders import Ladder
from trading.ledger import ledger_cash
from trading.models import Fill, Order, TradeAction, VenueAccount
from trading.venues.base import Placement, Sighting, SignedOrder, SubmitResult, VenueFill, VenueOrder

BookReader = Callable[[Sequence[Market]], dict[int, OrderBook]]
# How far back own fills are read: no book that stands unchanged for longer is traded on.
IMPACT_LASTS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Impact:
    """What a paper fill took of a book, which the venue's book does not show: contracts at a price of YES."""

    market_id: int
    # Asks of YES were taken; else bids.
    is_ask: bool
    price_yes: Decimal
    count: Decimal
    at: datetime

    @classmethod
    def of(cls, *, market_id: int, side: str, action: str, price: Decimal, count: Decimal, at: datetime) -> "Impact":
        """Say in terms of YES what was taken: who buys NO takes YES bids, at one minus the price."""
        is_yes = side == Side.YES
        return cls(market_id, (action == TradeAction.BUY) == is_yes, price if is_yes else ONE - price, count, at)


class PaperOrders:
    """A person's paper account. Nothing leaves this process but the reading of books."""

    def __init__(self, *, account: VenueAccount, fetch_books: BookReader, now: Callable[[], datetime]) -> None:
        self._account = account
        self._fetch_books = fetch_books
        self._now = now
        # Read here, by the thread that has the database; submits add to it from theirs.
        self._impacts = self._recent()
        self._lock = Lock()

    def close(self) -> None:
        return

    def sign(self, order: Order) -> SignedOrder:
        return SignedOrder(payload=f"paper {order.action} {order.count} {order.side} at {order.limit_price}")

    def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
        try:
            book = self._fetch_books([order.market]).get(order.market_id)
        except VenueUnavailable as error:
            return SubmitResult(Placement.UNSENT, reason=f"The order book could not be read: {error}")
        except VenueError as error:
            return SubmitResult(Placement.REJECTED, reason=f"The order book could not be read: {error}")
        if book is None:
            return SubmitResult(Placement.REJECTED, reason="The venue serves no order book for this market.")
        venue_order_id = f"paper:{order.client_id}"
        fills = self._fill(order, book, venue_order_id)
        filled = sum((fill.count for fill in fills), ZERO)
        seen = VenueOrder(venue_order_id, filled=filled, ended="executed" if filled == order.count else "canceled")
        return SubmitResult(
            Placement.ACCEPTED,
            venue_order_id=venue_order_id,
            evidence={"book_at": book.observed_at.isoformat(), "filled": str(filled)},
            sighting=Sighting(order=seen, fills=fills, complete=True),
        )

    def _fill(self, order: Order, book: OrderBook, venue_order_id: str) -> tuple[VenueFill, ...]:
        """Take what the order wants of the book, less what this account has taken of the same book before.

        A book that was observed after a fill is newer, and shows whatever the market made of it.
        """
        with self._lock:
            own = [
                impact
                for impact in self._impacts
                if impact.market_id == order.market_id and impact.at >= book.observed_at
            ]
            ladder = Ladder.of(book.side(order.side), action=order.action)
            ladder = _without(ladder, own, side=order.side, action=order.action).within(order.limit_price)
            now = self._now()
            taken = ladder.take(order.count)
            self._impacts += [_impact(order, level.price, level.size, now) for level in taken]
        return tuple(
            VenueFill(
                venue_trade_id=f"{venue_order_id}:{number}",
                count=level.size,
                price=level.price,
                fee=taker_fee(order.market, price=level.price, count=level.size),
                at=now,
            )
            for number, level in enumerate(taken, start=1)
        )

    def _recent(self) -> list[Impact]:
        fills = Fill.objects.filter(account=self._account, at__gte=self._now() - IMPACT_LASTS).select_related("order")
        return [_impact(fill.order, fill.price, fill.count, fill.at) for fill in fills]

    def look_up(self, order: Order) -> Sighting:
        """Find nothing: a paper order whose outcome was not stored happened nowhere."""
        return Sighting(order=None, fills=(), complete=True)

    def cancel(self, order: Order) -> None:
        return

    def cash(self) -> Decimal:
        return ledger_cash(self._account)

    def net_counts(self, markets: Sequence[Market]) -> dict[int, Decimal]:
        """Return what the ledger holds: on paper it is the venue."""
        net = {market.pk: ZERO for market in markets}
        for position in self._account.positions.filter(market__in=markets):
            net[position.market_id] += position.count if position.side == "yes" else -position.count
        return net


def _impact(order: Order, price: Decimal, count: Decimal, at: datetime) -> Impact:
    return Impact.of(market_id=order.market_id, side=order.side, action=order.action, price=price, count=count, at=at)


def _without(ladder: Ladder, impacts: Iterable[Impact], *, side: str, action: str) -> Ladder:
    """Return a ladder without what was taken of it."""
    taken: dict[tuple[bool, Decimal], Decimal] = {}
    for impact in impacts:
        key = (impact.is_ask, impact.price_yes)
        taken[key] = taken.get(key, ZERO) + impact.count
    levels = []
    for level in ladder.levels:
        place = Impact.of(market_id=0, side=side, action=action, price=level.price, count=ZERO, at=datetime.min)
        left = level.size - taken.get((place.is_ask, place.price_yes), ZERO)
        if left > 0:
            levels.append(Level(level.price, left))
    return Ladder(levels=tuple(levels), is_buy=ladder.is_buy)
