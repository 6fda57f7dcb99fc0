"""Markets as the API shows them: decimals as strings, times in ISO 8601 UTC."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from itomarkets.lib.api_fields import DecimalText
from itomarkets.lib.api_series import STEPS, GapShape
from itomarkets.lib.venues import Venue
from markets.api.ids import market_id
from markets.gaps import REASONS, ExplainedGap
from markets.models import Market, PriceConflict

Shape = serializers.Serializer[Any]
# Columns read for a list; no model object is built. `id` orders a page and is not shown.
FIELDS = (
    "id", "venue", "native_id", "slug", "title", "subtitle", "event__title", "category", "event__category", "status",
    "result", "payout", "close_at", "yes_label", "no_label", "yes_bid", "yes_ask", "last_price", "volume",
    "volume_24h", "listed_at",
)  # fmt: skip
AS_THEY_ARE = (
    "venue", "native_id", "title", "subtitle", "status", "result", "payout", "close_at", "yes_label", "no_label",
    "yes_bid", "yes_ask", "last_price", "volume", "volume_24h", "listed_at",
)  # fmt: skip
POINT_COLUMNS = ("at", "price", "average", "bid", "ask", "volume", "source", "observed_at", "received_at")

CONFLICT_COLUMNS = ("at", "price", "source", "other_price", "other_source", "found_at")


class MarketShape(Shape):
    """One market of the search; prices are dollars of one YES contract, as the venue's list last gave them."""

    id = serializers.CharField()
    venue = serializers.ChoiceField(choices=Venue.choices)
    native_id = serializers.CharField()
    # What people call it at its venue: Kalshi's ticker, Polymarket's slug.
    ticker = serializers.CharField()
    title = serializers.CharField(allow_blank=True)
    subtitle = serializers.CharField(allow_blank=True)
    event = serializers.CharField(allow_blank=True)
    category = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=Market.Status.choices)
    result = serializers.ChoiceField(choices=Market.Result.choices, allow_blank=True)
    payout = DecimalText(allow_null=True)
    close_at = serializers.DateTimeField(allow_null=True)
    yes_label = serializers.CharField()
    no_label = serializers.CharField()
    yes_bid = DecimalText(allow_null=True)
    yes_ask = DecimalText(allow_null=True)
    last_price = DecimalText(allow_null=True)
    volume = DecimalText()
    volume_24h = DecimalText(allow_null=True)
    listed_at = serializers.DateTimeField(allow_null=True)


class MarketPointShape(Shape):
    """The price of one YES contract in a bucket of time; `at` is the bucket's start."""

    at = serializers.DateTimeField()
    price = DecimalText()
    # The mean of the bucket, where the venue says it or several prices of the bucket are known.
    average = DecimalText(allow_null=True)
    bid = DecimalText(allow_null=True)
    ask = DecimalText(allow_null=True)
    volume = DecimalText(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    # When the venue says that the price stood, and when we received it.
    observed_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField(allow_null=True)


class MarketGapShape(GapShape):
    """Buckets without a price, all for one reason."""

    reason = serializers.ChoiceField(choices=REASONS)
    detail = serializers.CharField(allow_blank=True)


class ConflictShape(Shape):
    """Another price for a bucket than the one that stands; it was not taken."""

    at = serializers.DateTimeField()
    price = DecimalText()
    source = serializers.CharField()  # type: ignore[assignment]
    other_price = DecimalText()
    other_source = serializers.CharField()
    found_at = serializers.DateTimeField()


class MarketHistoryShape(Shape):
    """A page of a series, oldest first."""

    resolution = serializers.ChoiceField(choices=list(STEPS))
    results = MarketPointShape(many=True)
    gaps = MarketGapShape(many=True)
    # The oldest ones within what was asked for, 100 at most.
    conflicts = ConflictShape(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


def show_market(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one row of FIELDS as a list of search results shows it."""
    shown = {name: row[name] for name in AS_THEY_ARE}
    shown["id"] = market_id(row["venue"], row["native_id"])
    shown["ticker"] = (row["slug"] if row["venue"] == Venue.POLYMARKET else "") or row["native_id"]
    shown["event"] = row["event__title"] or ""
    shown["category"] = row["category"] or row["event__category"] or ""
    return shown


def show_point(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return one row of POINT_COLUMNS."""
    return dict(zip(POINT_COLUMNS, row, strict=True))


def show_gap(gap: ExplainedGap) -> dict[str, Any]:
    return {"start": gap.start, "end": gap.end, "missing": gap.missing, "reason": gap.reason, "detail": gap.detail}


def show_conflict(conflict: PriceConflict) -> dict[str, Any]:
    return {name: getattr(conflict, name) for name in CONFLICT_COLUMNS}
