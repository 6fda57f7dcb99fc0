"""Paper: orders fill in this process against the venues' real books, with depth and fees, immediately or not at all."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial

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


@dataclass(frozen=True, slots=True)
class Impact:
    """What a paper fill took of a book, which the venue's book does not show: contracts at a price of YES."""

    # Asks of YES were taken; else bids.
    is_ask: bool
    price_yes: Decimal
    count: Decimal

    @classmethod
    def of(cls, *, side: str, action: str, price: Decimal, count: Decimal) -> "Impact":
        """Say in terms of YES what was taken: who buys NO takes YES bids, at one minus the price."""
        is_yes = side == Side.YES
        return cls((action == TradeAction.BUY) == is_yes, price if is_yes else ONE - price, count)


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
        return SubmitResult(
            Placement.ACCEPTED,
            venue_order_id=venue_order_id,
            evidence={"book_at": book.observed_at.isoformat()},
            decide=partial(self._decide, order, book, venue_order_id),
        )

    def _decide(self, order: Order, book: OrderBook, venue_order_id: str) -> Sighting:
        """Say what an order takes of a book, less what this account has taken of it before; under the account's lock.

        A book that was observed after a fill is newer, and shows whatever the market made of it.
        """
        before = Fill.objects.filter(account=self._account, order__market=order.market_id, at__gte=book.observed_at)
        own = [
            Impact.of(side=side, action=action, price=price, count=count)
            for side, action, price, count in before.values_list("order__side", "order__action", "price", "count")
        ]
        ladder = Ladder.of(book.side(order.side), action=order.action)
        ladder = _without(ladder, own, side=order.side, action=order.action).within(order.limit_price)
        now = self._now()
        fills = tuple(
            VenueFill(
                venue_trade_id=f"{venue_order_id}:{number}",
                count=level.size,
                price=level.price,
                fee=taker_fee(order.market, price=level.price, count=level.size),
                at=now,
            )
            for number, level in enumerate(ladder.take(order.count), start=1)
        )
        filled = sum((fill.count for fill in fills), ZERO)
        seen = VenueOrder(venue_order_id, filled=filled, ended="executed" if filled == order.count else "canceled")
        return Sighting(order=seen, fills=fills, complete=True)

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


def _without(ladder: Ladder, impacts: Iterable[Impact], *, side: str, action: str) -> Ladder:
    """Return a ladder without what was taken of it."""
    taken: dict[tuple[bool, Decimal], Decimal] = {}
    for impact in impacts:
        key = (impact.is_ask, impact.price_yes)
        taken[key] = taken.get(key, ZERO) + impact.count
    levels = []
    for level in ladder.levels:
        place = Impact.of(side=side, action=action, price=level.price, count=ZERO)
        left = level.size - taken.get((place.is_ask, place.price_yes), ZERO)
        if left > 0:
            levels.append(Level(level.price, left))
    return Ladder(levels=tuple(levels), is_buy=ladder.is_buy)
