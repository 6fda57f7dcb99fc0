"""What may be sent about baskets; a field that is not named here is refused by name."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from baskets.drafts import LegDraft
from baskets.editing import DESCRIPTION_LENGTH, NAME_LENGTH
from baskets.method import CUSTOM_MAX_LEGS
from itomarkets.lib.api_fields import DecimalText, StrictSerializer
from itomarkets.lib.venues import Side
from markets.api.ids import LONGEST_ID, UnknownMarkets, rows_by_id

SMALLEST_WEIGHT, LARGEST_WEIGHT = Decimal("0.00000001"), Decimal(1_000_000)


class LegInput(StrictSerializer):
    """A leg: weights are positive parts of a whole, in any unit."""

    market_id = serializers.CharField(max_length=LONGEST_ID)
    side = serializers.ChoiceField(choices=Side.choices)
    weight = DecimalText(max_digits=15, decimal_places=8, min_value=SMALLEST_WEIGHT, max_value=LARGEST_WEIGHT)


class NewBasketInput(StrictSerializer):
    name = serializers.CharField(max_length=NAME_LENGTH)
    description = serializers.CharField(max_length=DESCRIPTION_LENGTH, allow_blank=True, default="")
    legs = LegInput(many=True, allow_empty=False, max_length=CUSTOM_MAX_LEGS)  # type: ignore[call-arg]


class ChangedBasketInput(StrictSerializer):
    name = serializers.CharField(max_length=NAME_LENGTH, required=False)
    description = serializers.CharField(max_length=DESCRIPTION_LENGTH, allow_blank=True, required=False)
    legs = LegInput(many=True, allow_empty=False, max_length=CUSTOM_MAX_LEGS, required=False)  # type: ignore[call-arg]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Expected a name, a description or legs; found nothing to change.")
        return attrs


def drafts_of(legs: list[dict[str, Any]]) -> list[LegDraft]:
    """Return legs by our rows; raises ValidationError naming each leg whose market is unknown."""
    try:
        rows = rows_by_id(leg["market_id"] for leg in legs)
    except UnknownMarkets as error:
        message = "There is no such market; take an id from /api/v1/markets/search."
        unknown = [place for place, leg in enumerate(legs) if leg["market_id"] in error.ids]
        raise ValidationError({"legs": {str(place): {"market_id": [message]} for place in unknown}}) from error
    return [LegDraft(rows[leg["market_id"]], leg["side"], leg["weight"]) for leg in legs]
