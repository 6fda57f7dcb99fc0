"""What the API's serializers are built of: inputs that name what they do not know, decimals as strings."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

NAME_SHOWN = 80


class StrictSerializer(serializers.Serializer[Any]):
    """An input that refuses fields nobody would read, so that `owner` or a misspelt name never passes as taken."""

    def to_internal_value(self, data: Any) -> Any:
        known = {name for name, field in self.fields.items() if not field.read_only}
        unknown = sorted(str(name) for name in set(data) - known) if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError(
                {name[:NAME_SHOWN]: ["This field is not known here; leave it out."] for name in unknown}
            )
        return super().to_internal_value(data)


class DecimalText(serializers.DecimalField):
    """A decimal that travels as a string. A JSON number with a point is refused: it has already lost digits."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", None)
        kwargs.setdefault("decimal_places", None)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, (float, bool)):
            raise serializers.ValidationError(
                f'Expected a decimal as a string such as "12.50"; found the number {data}. Put it in quotes.'
            )
        return super().to_internal_value(data)
