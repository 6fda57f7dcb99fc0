"""The shapes of answers about baskets, field by field. Nothing is ever taken away from them; fields may come."""

from typing import Any

from rest_framework import serializers

from baskets.models import BackfillRun, Basket, PriceHistory
from itomarkets.lib.api_fields import DecimalText
from itomarkets.lib.api_series import STEPS, GapShape
from itomarkets.lib.venues import Side, Venue

Shape = serializers.Serializer[Any]


class PriceShape(Shape):
    """The indicative price of now: dollars of one dollar, levels base 100, changes as shares of one."""

    at = serializers.DateTimeField()
    gauge = DecimalText()
    bid = DecimalText(allow_null=True)
    mid = DecimalText()
    ask = DecimalText(allow_null=True)
    level = DecimalText()
    level_net = DecimalText()
    change_day = DecimalText(allow_null=True)
    change_month = DecimalText(allow_null=True)
    quality = serializers.CharField(allow_blank=True)
    not_official = serializers.CharField(allow_blank=True)
    worst_age_seconds = serializers.IntegerField()


class BasketShape(Shape):
    """One basket of the list."""

    id = serializers.CharField()
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    kind = serializers.ChoiceField(choices=Basket.Kind.choices)
    visibility = serializers.ChoiceField(choices=Basket.Visibility.choices)
    theme = serializers.CharField(allow_null=True)
    owner = serializers.CharField(allow_null=True)
    is_own = serializers.BooleanField()
    leg_count = serializers.IntegerField()
    venues = serializers.ListField(child=serializers.ChoiceField(choices=Venue.choices))
    next_close_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    price = PriceShape(allow_null=True)


class _Constituent(Shape):
    """What a composition says of one leg."""

    market_id = serializers.CharField()
    venue = serializers.ChoiceField(choices=Venue.choices)
    native_id = serializers.CharField()
    question = serializers.CharField()
    side = serializers.ChoiceField(choices=Side.choices)
    weight = DecimalText()
    units = DecimalText()


class LegShape(_Constituent):
    """One leg held now; prices are of the held side."""

    price = DecimalText(allow_null=True)
    bid = DecimalText(allow_null=True)
    ask = DecimalText(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    age_seconds = serializers.IntegerField(allow_null=True)
    close_at = serializers.DateTimeField(allow_null=True)
    why = serializers.CharField(allow_blank=True)


class VersionShape(Shape):
    version = serializers.IntegerField()
    effective_at = serializers.DateTimeField()
    reason = serializers.CharField(allow_blank=True)
    method_version = serializers.CharField()


class BasketDetailShape(BasketShape):
    """One basket with its legs."""

    mode = serializers.ChoiceField(choices=Basket.Mode.choices)
    allocation = serializers.ChoiceField(choices=Basket.Allocation.choices)
    composition = VersionShape(allow_null=True)
    legs = LegShape(many=True)


class SnapshotShape(Shape):
    """A recorded fixing."""

    at = serializers.DateTimeField()
    gauge = DecimalText()
    level = DecimalText()
    level_net = DecimalText()
    quality = serializers.CharField()
    legs = serializers.IntegerField()
    legs_priced = serializers.IntegerField()


class BasketPriceShape(Shape):
    id = serializers.CharField()
    slug = serializers.CharField()
    price = PriceShape(allow_null=True)
    latest = SnapshotShape(allow_null=True)


class PointShape(Shape):
    """One fixing of a series; a day's stands for the end of its day."""

    at = serializers.DateTimeField()
    gauge = DecimalText()
    bid = DecimalText(allow_null=True)
    ask = DecimalText(allow_null=True)
    level = DecimalText()
    level_net = DecimalText()
    quality = serializers.CharField()
    source = serializers.ChoiceField(choices=PriceHistory.Source.choices)  # type: ignore[assignment]
    legs = serializers.IntegerField()
    legs_priced = serializers.IntegerField()
    version = serializers.IntegerField()


class HistoryShape(Shape):
    """A page of a series, oldest first."""

    resolution = serializers.ChoiceField(choices=list(STEPS))
    results = PointShape(many=True)
    gaps = GapShape(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class HeldLegShape(_Constituent):
    mark = DecimalText()
    mark_reason = serializers.CharField()
    why = serializers.CharField(allow_blank=True)


class CompositionShape(Shape):
    """What a basket held at an instant; `until` is null for what it holds still."""

    basket_id = serializers.CharField()
    version = serializers.IntegerField()
    effective_at = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    method_version = serializers.CharField()
    turnover = DecimalText(allow_null=True)
    cost = DecimalText(allow_null=True)
    legs = HeldLegShape(many=True)


class BackfillShape(Shape):
    """A run of a backfill: how far it is, and the snapshots that it created."""

    id = serializers.UUIDField()
    basket_id = serializers.CharField()
    status = serializers.ChoiceField(choices=BackfillRun.Status.choices)
    days = serializers.IntegerField()
    progress = serializers.CharField(allow_blank=True)
    snapshots_created = serializers.IntegerField()
    snapshots_standing = serializers.IntegerField()
    gaps = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
