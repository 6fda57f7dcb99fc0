"""Exact decimals, stored as scaled BIGINT.

SQLite keeps Django's DecimalField as a floating-point number and PostgreSQL rounds half away from
zero, so sums and comparisons differ between them. A whole number of the smallest unit adds and
compares exactly on both. In Python the value is a Decimal with the field's places.
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Combinable

BIGINT_MAX = 9_223_372_036_854_775_807


class ScaledDecimalField(models.BigIntegerField):
    """A Decimal with a fixed number of places.

    Accepts Decimal, int and str. A float is refused: it has already lost digits. A value with more
    places than the field holds is refused too; round it on purpose with `rounding.quantize` first.
    """

    places = 6
    # What the type checker's Django plugin reads: what may be assigned, and what is found.
    _pyi_private_set_type: Decimal | int | str | Combinable  # type: ignore[assignment]
    _pyi_private_get_type: Decimal  # type: ignore[assignment]
    _pyi_lookup_exact_type: Decimal | int | str  # type: ignore[assignment]

    def __init__(self, *args: Any, places: int | None = None, **kwargs: Any) -> None:
        if places is not None:
            self.places = places
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if self.places != type(self).places:
            kwargs["places"] = self.places
        return name, path, args, kwargs

    @property
    def quantum(self) -> Decimal:
        return Decimal(1).scaleb(-self.places)

    def to_python(self, value: Any) -> Decimal | None:
        if value is None or value == "":
            return None
        if isinstance(value, float):
            raise ValidationError(f"{self.name}: expected a Decimal or a decimal string, found the float {value!r}.")
        try:
            number = value if isinstance(value, Decimal) else Decimal(str(value))
        except InvalidOperation as error:
            raise ValidationError(f"{self.name}: expected a decimal number, found {value!r}.") from error
        if not number.is_finite():
            raise ValidationError(f"{self.name}: expected a finite number, found {number}.")
        return number

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Decimal | None:
        if value is None:
            return None
        return Decimal(int(value)).scaleb(-self.places)

    def get_prep_value(self, value: Any) -> int | None:
        if value is None:
            return None
        if type(value) is not Decimal:
            # An expression resolves itself; only plain values are scaled here.
            if hasattr(value, "resolve_expression"):
                return value  # type: ignore[no-any-return]
            value = self.to_python(value)
            if value is None:
                return None
        elif not value.is_finite():
            self.to_python(value)
        number: Decimal = value
        scaled = number.scaleb(self.places)
        whole = int(scaled)
        if whole != scaled:
            raise ValidationError(
                f"{self.name}: {number} has more than {self.places} decimal places; round it before storing it."
            )
        if abs(whole) > BIGINT_MAX:
            raise ValidationError(f"{self.name}: {number} is too large for a column with {self.places} places.")
        return whole

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value if prepared else self.get_prep_value(value)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else str(value)

    def formfield(self, **kwargs: Any) -> Any:
        kwargs.pop("min_value", None)
        kwargs.pop("max_value", None)
        return models.Field.formfield(
            self,
            **{"form_class": forms.DecimalField, "decimal_places": self.places, "max_digits": 19, **kwargs},
        )

    @property
    def validators(self) -> list[Any]:
        # BigIntegerField would add integer range validators that compare scaled with unscaled.
        return list(self._validators)  # type: ignore[attr-defined]


class PriceField(ScaledDecimalField):
    """A price of one contract in dollars, 0 to 1, six places."""

    description = "Price of one contract in dollars"
    places = 6


class SizeField(ScaledDecimalField):
    """A number of contracts, six places."""

    description = "Number of contracts"
    places = 6


class MoneyField(ScaledDecimalField):
    """Dollars, six places."""

    description = "Dollars"
    places = 6


class WeightField(ScaledDecimalField):
    """A share of a whole, 0 to 1, eight places."""

    description = "Share of a whole"
    places = 8


class UnitsField(ScaledDecimalField):
    """Units of a constituent that one basket holds, eight places."""

    description = "Units of a constituent"
    places = 8


class ValueField(ScaledDecimalField):
    """A sum of units (or weights) times prices: 8 + 6 = fourteen places, so that nothing is rounded."""

    description = "Exact sum of units times prices"
    places = 14


class DivisorField(ScaledDecimalField):
    """An index divisor, fifteen places: the level stays within 1e-9 across a change."""

    description = "Index divisor"
    places = 15
