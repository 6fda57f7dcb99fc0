"""What a ticket says: read leniently where a default is safe, strictly where money is."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from baskets.models import Basket
from itomarkets.lib.venues import Side
from trading.models import Trade

OPENING_AMOUNT = "100.00"
MOST_AMOUNT = Decimal(1_000_000)
ALLOCATIONS = (
    (Basket.Allocation.UNITS.value, "As the basket stands: tracks its level"),
    (Basket.Allocation.WEIGHTS.value, "By the target weights: splits the money"),
)
POLICIES = (
    (Trade.Policy.BEST_EFFORT.value, "Keep what fills"),
    (Trade.Policy.HOLD_AND_ASK.value, "Stop and ask me"),
    (Trade.Policy.ALL_OR_UNWIND.value, "All legs, or sell them again"),
)
POLICY_WORDS = {
    Trade.Policy.BEST_EFFORT.value: "Every leg is tried; what fills is kept, what does not stays as cash.",
    Trade.Policy.HOLD_AND_ASK.value: "The thinnest leg goes first. If a leg fails, the rest waits until you choose.",
    Trade.Policy.ALL_OR_UNWIND.value: (
        "The thinnest leg goes first. If a leg fails, what was bought is sold again; you are asked first when that "
        "loses more than a little."
    ),
}

SALE_WORDS = "Every leg is tried; what nobody buys at its limit stays with you."


class TicketError(ValueError):
    """The ticket cannot be read; the text says what was expected."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Side, amount in dollars as text, how it is split, and what happens when a leg fails."""

    side: str = Side.YES.value
    amount: str = OPENING_AMOUNT
    allocation: str = Basket.Allocation.UNITS.value
    policy: str = Trade.Policy.BEST_EFFORT.value

    @classmethod
    def of(cls, posted: Mapping[str, Any], basket: Basket) -> "Ticket":
        allocation = str(posted.get("allocation", ""))
        policy = str(posted.get("policy", ""))
        side = str(posted.get("side", ""))
        return cls(
            side=side if side in Side.values else Side.YES.value,
            amount=str(posted.get("amount", OPENING_AMOUNT)).strip()[:20],
            allocation=allocation if allocation in Basket.Allocation.values else basket.allocation,
            policy=policy if policy in POLICY_WORDS else Trade.Policy.BEST_EFFORT.value,
        )

    def dollars(self) -> Decimal:
        """Return the amount; raises TicketError, saying what was expected, when it is no amount of money."""
        text = self.amount.replace(",", "").replace(" ", "").lstrip("$")
        try:
            amount = Decimal(text)
        except InvalidOperation as error:
            raise TicketError(f"Expected an amount in dollars such as 250 or 99.50; found “{self.amount}”.") from error
        if not amount.is_finite() or amount <= 0 or amount > MOST_AMOUNT:
            raise TicketError("Expected an amount above 0 and not above 1,000,000 dollars.")
        if amount != amount.quantize(Decimal("0.01")):
            raise TicketError("Expected whole cents: no more than two decimals.")
        return amount.quantize(Decimal("0.01"))


def quote_id_of(text: str) -> UUID:
    """Parse the quote's id of a confirmation; raises TicketError when it is none."""
    try:
        return UUID(text)
    except (ValueError, AttributeError) as error:
        raise TicketError("The confirmation named no quote. Ask for a quote and confirm that one.") from error
