"""Exact decimals: what goes in comes out, on both databases, and nothing is rounded behind one's back."""

from datetime import datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db.models import F, Max, Sum
from hypothesis import given
from hypothesis import strategies as st

from itomarkets.lib.fields import BIGINT_MAX, DivisorField, MoneyField, PriceField, ScaledDecimalField, WeightField
from markets.models import Market
from tests.factories import make_market

D = Decimal
FIELDS = [PriceField(), MoneyField(), WeightField(), DivisorField(), ScaledDecimalField(places=2)]


@given(field=st.sampled_from(FIELDS), scaled=st.integers(-BIGINT_MAX, BIGINT_MAX))
def test_every_value_that_fits_comes_back_exactly(field: ScaledDecimalField, scaled: int) -> None:
    value = D(scaled).scaleb(-field.places)
    assert field.get_prep_value(value) == scaled
    assert field.from_db_value(scaled, None, None) == value


@pytest.mark.parametrize("value", [0.1, 1.0, float("nan")])
def test_a_float_is_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="float"):
        PriceField(name="price").get_prep_value(value)


@pytest.mark.parametrize("value", ["0.1234567", D("0.0000001"), "NaN", "Infinity", "-Infinity", "abc", "1e300"])
def test_what_does_not_fit_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        PriceField(name="price").get_prep_value(value)


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_null(value: object) -> None:
    assert PriceField().get_prep_value(value) is None


@pytest.mark.parametrize(("value", "scaled"), [("0.5", 500_000), (1, 1_000_000), (D("0.000001"), 1), ("-0", 0)])
def test_strings_integers_and_decimals_are_taken(value: object, scaled: int) -> None:
    assert PriceField().get_prep_value(value) == scaled


def test_the_number_of_places_is_part_of_the_migration() -> None:
    assert ScaledDecimalField(places=3).deconstruct()[3] == {"places": 3}
    assert PriceField().deconstruct()[3] == {}


@pytest.mark.django_db
def test_the_database_adds_compares_and_orders_exactly(now: datetime) -> None:
    for volume in ("0.100000", "0.200000", "9007199254.740993"):
        make_market(volume=D(volume), created_at=now)
    assert Market.objects.aggregate(all=Sum("volume"))["all"] == D("9007199255.040993")
    assert Market.objects.filter(volume__gt="9007199254.740992").count() == 1
    assert Market.objects.filter(volume=D("0.1")).count() == 1
    assert Market.objects.filter(volume__in=["0.1", "0.2"]).count() == 2
    assert Market.objects.aggregate(most=Max("volume"))["most"] == D("9007199254.740993")
    assert Market.objects.filter(yes_ask__gt=F("yes_bid")).count() == 3
    assert next(iter(Market.objects.order_by("volume").values_list("volume", flat=True))) == D("0.1")
