"""Paper: orders fill in this process against the venues' real books, with depth and fees, immediately or not at all."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import VenueError, VenueUnavailable
from markets.fees import taker_fee
from markets.models import Market
from markets.venues.base import OrderBook
from trading.ladders import Ladder
from trading.models import Order, VenueAccount
from trading.venues.base import Placement, Sighting, SignedOrder, SubmitResult, VenueFill, VenueOrder

BookReader = Callable[[Sequence[Market]], dict[int, OrderBook]]


class PaperOrders:
    """A person's paper account. Nothing leaves this process but the reading of books."""

    def __init__(self, *, account: VenueAccount, fetch_books: BookReader, now: Callable[[], datetime]) -> None:
        self._account = account
        self._fetch_books = fetch_books
        self._now = now

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
        ladder = Ladder.of(book.side(order.side), action=order.action).within(order.limit_price)
        fills = tuple(
            VenueFill(
                venue_trade_id=f"{venue_order_id}:{number}",
                count=level.size,
                price=level.price,
                fee=taker_fee(order.market, price=level.price, count=level.size),
                at=self._now(),
            )
            for number, level in enumerate(ladder.take(order.count), start=1)
        )
        filled = sum((fill.count for fill in fills), ZERO)
        seen = VenueOrder(venue_order_id, filled=filled, ended="executed" if filled == order.count else "canceled")
        return SubmitResult(
            Placement.ACCEPTED,
            venue_order_id=venue_order_id,
            evidence={"book_at": book.observed_at.isoformat(), "filled": str(filled)},
            sighting=Sighting(order=seen, fills=fills, complete=True),
        )

    def look_up(self, order: Order) -> Sighting:
        """Find nothing: a paper order whose outcome was not stored happened nowhere."""
        return Sighting(order=None, fills=(), complete=True)

    def cancel(self, order: Order) -> None:
        return

    def cash(self) -> Decimal:
        return sum(self._account.cash_entries.values_list("amount", flat=True), ZERO)

    def net_counts(self, markets: Sequence[Market]) -> dict[int, Decimal]:
        """Return what the ledger holds: on paper it is the venue."""
        net = {market.pk: ZERO for market in markets}
        for position in self._account.positions.filter(market__in=markets):
            net[position.market_id] += position.count if position.side == "yes" else -position.count
        return net
