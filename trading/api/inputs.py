"""What may be sent about trades; a field that is not named here is refused by name."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from baskets.models import Basket
from itomarkets.lib.api_fields import DecimalText, StrictSerializer
from itomarkets.lib.venues import Side
from trading.deciding import CHOICES
from trading.models import Trade, TradeAction, VenueAccount

SMALLEST, LARGEST = Decimal("0.01"), Decimal(1_000_000)


class QuoteInput(StrictSerializer):
    """Buying, `amount` is the most that can leave the accounts; selling, it is left out to sell all that is held."""

    action = serializers.ChoiceField(choices=TradeAction.choices, default=TradeAction.BUY.value)
    direction = serializers.ChoiceField(choices=Side.choices)
    amount = DecimalText(
        max_digits=12, decimal_places=2, min_value=SMALLEST, max_value=LARGEST, allow_null=True, default=None
    )
    mode = serializers.ChoiceField(choices=VenueAccount.Mode.choices, default=VenueAccount.Mode.PAPER.value)
    allocation = serializers.ChoiceField(choices=Basket.Allocation.choices, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["action"] == TradeAction.BUY and attrs["amount"] is None:
            raise serializers.ValidationError({"amount": ['Expected how much to buy for, such as "250.00".']})
        return attrs


class TradeInput(StrictSerializer):
    quote_id = serializers.UUIDField()
    policy = serializers.ChoiceField(choices=Trade.Policy.choices, default=Trade.Policy.BEST_EFFORT.value)


class ExternalCashInput(StrictSerializer):
    """A difference in cash as `exposure` shows it: less than zero where cash is missing."""

    amount = DecimalText(max_digits=20, decimal_places=6)
    number = serializers.IntegerField(min_value=1)


class ChoiceInput(StrictSerializer):
    choice = serializers.ChoiceField(choices=[(choice, choice) for choice in CHOICES])
