"""What every order client gives: sign, submit once, look up. Venue vocabulary ends in the clients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from itomarkets.lib.rounding import ZERO
from markets.models import Market
from trading.models import Fill, Order


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """What will be sent, fixed before it is sent. `payload` holds no key."""

    payload: str
    order_hash: str = ""
    # The client's own object for the same order, so that exactly this is sent.
    native: Any = field(default=None, repr=False, compare=False)


class Placement(StrEnum):
    ACCEPTED = "accepted"
    # The venue said no, or something that its documents define as no.
    REJECTED = "rejected"
    # It may stand at the venue or not: only a look-up can tell.
    UNKNOWN = "unknown"
    # The request provably did not leave this machine.
    UNSENT = "unsent"


@dataclass(frozen=True, slots=True)
class VenueFill:
    """One fill as the venue reports it. `price` is of the side that the order is about."""

    venue_trade_id: str
    count: Decimal
    price: Decimal
    fee: Decimal
    at: datetime
    settlement: str = Fill.Settlement.CONFIRMED


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue reports it: `ended` is empty while it can still fill."""

    venue_order_id: str
    filled: Decimal
    ended: str = ""

    @property
    def is_open(self) -> bool:
        return not self.ended


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a look-up saw. Absence means something only when `complete`: every page was read to its end."""

    order: VenueOrder | None
    fills: tuple[VenueFill, ...]
    complete: bool

    @property
    def filled(self) -> Decimal:
        return sum((fill.count for fill in self.fills if fill.settlement != Fill.Settlement.FAILED), ZERO)


@dataclass(frozen=True, slots=True)
class ModeNotice:
    """What a venue said of itself: its mode, for how long or until when, and which shards it is about (none: all)."""

    mode: str
    seconds: float | None = None
    until: datetime | None = None
    shards: tuple[int, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """How one submit ended."""

    placement: Placement
    reason: str = ""
    venue_order_id: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    # Where our own database is the venue: what fills is said once the account is locked, and stored with the answer.
    decide: Callable[[], Sighting] | None = field(default=None, repr=False, compare=False)
    # The venue said too many requests; how long it asks us to wait, 0 where it names no time.
    retry_after: float | None = None
    # What a refusal told of the venue itself.
    notice: ModeNotice | None = None


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """An order that the venue lists for the account, whoever placed it: resting, or known by a fill."""

    venue_order_id: str
    market_key: str
    side: str
    count: Decimal
    price: Decimal
    is_open: bool
    client_id: str = ""
    # It gives contracts of that side away. Where a venue nets YES against NO, a sale is listed as the
    # other side's purchase.
    is_sale: bool = False


@dataclass(frozen=True, slots=True)
class ListedHolding:
    """Contracts of one side of one market that the venue says the account holds, and what they cost."""

    market_key: str
    side: str
    count: Decimal
    cost: Decimal


@runtime_checkable
class ListsOrders(Protocol):
    """A client that can list all of its account's orders, not only ours."""

    def listed_since(self, since: datetime) -> list[ListedOrder]:
        """Return what rests now, and what has filled since, from complete listings."""
        ...

    def holdings(self) -> list[ListedHolding]:
        """Return all that the account holds, from a complete listing."""
        ...


@runtime_checkable
class TellsStatus(Protocol):
    """A client whose venue tells whether it takes orders."""

    def status(self) -> ModeNotice:
        """Return what the venue takes now."""
        ...


@runtime_checkable
class SubmitsMany(Protocol):
    """A client whose venue takes several orders in one request."""

    @property
    def most_at_once(self) -> int:
        """The most orders that one request may hold."""
        ...

    def submit_many(self, signed: Sequence[tuple[Order, SignedOrder]]) -> dict[int, SubmitResult]:
        """Send exactly once, all in one request; gives each order's own result, by Order.pk.

        Results are found by the orders' own ids, never by their place. What the answer does not name
        is unknown. Never raises for what the venue or the network did.
        """
        ...


class Line(Protocol):
    """Open connections to a venue, with nothing of an account's secrets."""

    def close(self) -> None: ...


class OrderClient(Protocol):
    """One account's hand at its venue. Raises only the errors of `itomarkets.lib.venues`."""

    def sign(self, order: Order) -> SignedOrder:
        """Fix what will be sent. May read from the venue; sends no order."""
        ...

    def submit(self, order: Order, signed: SignedOrder) -> SubmitResult:
        """Send exactly once; never raises for what the venue or the network did."""
        ...

    def look_up(self, order: Order) -> Sighting:
        """Find an order by its ids, in orders and in fills."""
        ...

    def cancel(self, order: Order) -> None:
        """Ask for a cancel; the evidence comes from a look-up."""
        ...

    def cash(self) -> Decimal:
        """Return the account's free cash in dollars."""
        ...

    def net_counts(self, markets: Sequence[Market]) -> dict[int, Decimal]:
        """Return YES contracts minus NO contracts held, by Market.pk."""
        ...

    def close(self) -> None: ...
