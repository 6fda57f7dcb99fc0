"""All attempts at one leg, taken together: a leg that was sent again is still one leg."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from itomarkets.lib.rounding import ZERO
from trading.models import Fill, Order, Trade
from trading.states import FINAL

Status = Order.Status


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg's attempts, first to last; the first says how many contracts were asked for."""

    attempts: tuple[Order, ...]

    @property
    def first(self) -> Order:
        return self.attempts[0]

    @property
    def leg_no(self) -> int:
        return self.first.leg_no

    @property
    def action(self) -> str:
        return self.first.action

    @property
    def count(self) -> Decimal:
        return self.first.count

    @property
    def last(self) -> Order:
        return self.attempts[-1]

    @property
    def fills(self) -> list[Fill]:
        """Return what all attempts filled, without what failed on chain."""
        return [fill for fill in self._told() if fill.settlement != Fill.Settlement.FAILED]

    @property
    def filled(self) -> Decimal:
        return sum((fill.count for fill in self.fills), ZERO)

    @property
    def failed(self) -> Decimal:
        """Return the contracts that were matched and then failed on chain."""
        return sum((fill.count for fill in self._told() if fill.settlement == Fill.Settlement.FAILED), ZERO)

    @property
    def missing(self) -> Decimal:
        return max(ZERO, self.count - self.filled)

    @property
    def has_ended(self) -> bool:
        return all(order.status in FINAL for order in self.attempts)

    @property
    def is_whole(self) -> bool:
        if any(order.status == Status.FILLED for order in self.attempts) and not self.failed:
            return True
        return self.filled >= self.count

    @property
    def is_short(self) -> bool:
        return self.has_ended and not self.is_whole

    @property
    def is_doubled(self) -> bool:
        """Tell whether an attempt that was held for absent turned up after another had filled."""
        return len(self.attempts) > 1 and self.filled > self.count

    @property
    def status(self) -> str:
        """Return how the leg stands: what an attempt under way says, else what all of them came to."""
        for order in reversed(self.attempts):
            if order.status not in FINAL:
                return order.status
        return Status.FILLED if self.is_whole else self.last.status

    def has_turned_up(self) -> bool:
        """Tell whether the venue, against its own listing, had an attempt that was held for absent."""
        absent = [order for order in self.attempts if order.status == Status.NOT_PLACED]
        return any(order.venue_order_id or order.fills.all() for order in absent)

    def _told(self) -> list[Fill]:
        return [fill for order in self.attempts for fill in order.fills.all()]


def grouped(orders: Iterable[Order]) -> list[Leg]:
    """Group orders by leg, in the order of their legs; read them with their fills."""
    found: dict[int, list[Order]] = {}
    for order in sorted(orders, key=lambda order: (order.leg_no, order.attempt_no)):
        found.setdefault(order.leg_no, []).append(order)
    return [Leg(tuple(attempts)) for attempts in found.values()]


def legs_of_trade(trade: Trade) -> list[Leg]:
    """Read a trade's legs, those of a way back after those that were asked for."""
    return grouped(trade.orders.select_related("market", "market__event", "account").prefetch_related("fills"))


def asked_of(legs: Iterable[Leg], trade: Trade) -> list[Leg]:
    """Return the legs that were asked for, without those of the way back."""
    return [leg for leg in legs if leg.action == trade.action]
