"""The shapes of answers about trades, field by field. Nothing is ever taken away from them; fields may come."""

from typing import Any

from rest_framework import serializers

from baskets.models import Basket
from itomarkets.lib.api_fields import DecimalText
from itomarkets.lib.venues import Side, Venue
from trading.deciding import CHOICES
from trading.models import Fill, Order, Trade, TradeAction, VenueAccount

Shape = serializers.Serializer[Any]


class BasketNameShape(Shape):
    id = serializers.CharField()
    slug = serializers.CharField()
    name = serializers.CharField()


class QuoteLegShape(Shape):
    """One leg of a quote: counts are contracts, prices dollars of the side that is traded."""

    leg_no = serializers.IntegerField()
    market_id = serializers.CharField()
    venue = serializers.ChoiceField(choices=Venue.choices)
    title = serializers.CharField()
    side = serializers.ChoiceField(choices=Side.choices)
    account = serializers.CharField()
    weight = DecimalText()
    count = DecimalText()
    best = DecimalText()
    average = DecimalText()
    worst = DecimalText()
    limit = DecimalText()
    cost = DecimalText()
    fee = DecimalText()
    worst_cost = DecimalText()
    book_at = serializers.DateTimeField()
    book_age_seconds = serializers.IntegerField()
    notes = serializers.ListField(child=serializers.CharField())


class QuoteShape(Shape):
    """What a basket costs now, both books walked at the amount. It is confirmed before `expires_at`, or not at all."""

    id = serializers.UUIDField()
    basket = BasketNameShape()
    action = serializers.ChoiceField(choices=TradeAction.choices)
    direction = serializers.ChoiceField(choices=Side.choices)
    mode = serializers.ChoiceField(choices=VenueAccount.Mode.choices)
    allocation = serializers.ChoiceField(choices=Basket.Allocation.choices)
    amount = DecimalText()
    cost = DecimalText()
    fees = DecimalText()
    total = DecimalText()
    worst_cost = DecimalText()
    best_payout = DecimalText()
    worst_payout = DecimalText()
    left_over = DecimalText()
    left_over_reason = serializers.CharField(allow_blank=True)
    warnings = serializers.ListField(child=serializers.CharField())
    # How long the orders take to go out, at the pace that the venues allow.
    send_seconds = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    legs = QuoteLegShape(many=True)


class TradeShape(Shape):
    """One trade of the list."""

    id = serializers.UUIDField()
    basket = BasketNameShape()
    action = serializers.ChoiceField(choices=TradeAction.choices)
    direction = serializers.ChoiceField(choices=Side.choices)
    mode = serializers.ChoiceField(choices=VenueAccount.Mode.choices)
    policy = serializers.ChoiceField(choices=Trade.Policy.choices)
    amount = DecimalText()
    worst_cost = DecimalText()
    status = serializers.ChoiceField(choices=Trade.Status.choices)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class FillShape(Shape):
    venue_trade_id = serializers.CharField()
    count = DecimalText()
    price = DecimalText()
    fee = DecimalText()
    settlement = serializers.ChoiceField(choices=Fill.Settlement.choices)
    at = serializers.DateTimeField()


class OrderShape(Shape):
    """One attempt of a leg at its venue."""

    id = serializers.UUIDField()
    attempt_no = serializers.IntegerField()
    account = serializers.CharField()
    action = serializers.ChoiceField(choices=TradeAction.choices)
    status = serializers.ChoiceField(choices=Order.Status.choices)
    reason = serializers.CharField(allow_blank=True)
    count = DecimalText()
    limit_price = DecimalText()
    reserved = DecimalText()
    venue_order_id = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    fills = FillShape(many=True)


class TradeLegShape(Shape):
    """One leg as it stands; `price` is the average of its fills."""

    leg_no = serializers.IntegerField()
    market_id = serializers.CharField()
    venue = serializers.ChoiceField(choices=Venue.choices)
    title = serializers.CharField()
    side = serializers.ChoiceField(choices=Side.choices)
    status = serializers.ChoiceField(choices=Order.Status.choices)
    says = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    count = DecimalText()
    filled = DecimalText()
    limit_price = DecimalText()
    price = DecimalText(allow_null=True)
    cost = DecimalText()
    fee = DecimalText()
    is_final = serializers.BooleanField()
    is_settling = serializers.BooleanField()
    is_way_back = serializers.BooleanField()
    orders = OrderShape(many=True)


class WayBackShape(Shape):
    """What selling again what was bought would bring, as it was last priced; `unwind` loses at most `loss`."""

    at = serializers.DateTimeField()
    paid = DecimalText()
    brings = DecimalText()
    loss = DecimalText()
    cap = DecimalText()
    missing = DecimalText()
    notes = serializers.ListField(child=serializers.CharField())


class TradeDetailShape(TradeShape):
    """One trade with its legs, their orders and fills, and what its owner may choose now."""

    sentence = serializers.CharField()
    is_final = serializers.BooleanField()
    leg_count = serializers.IntegerField()
    filled_legs = serializers.IntegerField()
    cost = DecimalText()
    fees = DecimalText()
    total = DecimalText()
    reserved = DecimalText()
    choices = serializers.ListField(child=serializers.ChoiceField(choices=list(CHOICES)))
    way_back = WayBackShape(allow_null=True)
    legs = TradeLegShape(many=True)


class ChoiceShape(Shape):
    """What a choice led to, and the trade as it stands since."""

    says = serializers.CharField()
    trade = TradeDetailShape()


class PositionShape(Shape):
    """One side of one market, held for one basket; `value` is what the bids pay now, null where nobody bids."""

    basket = BasketNameShape()
    market_id = serializers.CharField()
    question = serializers.CharField()
    venue = serializers.ChoiceField(choices=Venue.choices)
    side = serializers.ChoiceField(choices=Side.choices)
    count = DecimalText()
    cost = DecimalText()
    fees = DecimalText()
    realised = DecimalText()
    bid = DecimalText(allow_null=True)
    value = DecimalText(allow_null=True)
    profit = DecimalText(allow_null=True)
    is_resolved = serializers.BooleanField()
    note = serializers.CharField(allow_blank=True)
    close_at = serializers.DateTimeField(allow_null=True)


class UnexplainedShape(Shape):
    """What the venue says of cash beyond the ledger; `waits_for` says why it cannot be booked yet."""

    amount = DecimalText()
    number = serializers.IntegerField()
    waits_for = serializers.CharField(allow_blank=True)


class BookedCashShape(Shape):
    """Cash that was booked as moved outside."""

    kind = serializers.ChoiceField(choices=VenueAccount.Kind.choices)
    mode = serializers.ChoiceField(choices=VenueAccount.Mode.choices)
    amount = DecimalText()
    number = serializers.IntegerField()
    at = serializers.DateTimeField()


class AccountCashShape(Shape):
    """One account's cash; `available` is what no order holds back, `claimable` is not part of it."""

    account = serializers.CharField()
    kind = serializers.ChoiceField(choices=VenueAccount.Kind.choices)
    mode = serializers.ChoiceField(choices=VenueAccount.Mode.choices)
    cash = DecimalText()
    available = DecimalText()
    claimable = DecimalText()
    checked_at = serializers.DateTimeField(allow_null=True)
    differences = serializers.ListField(child=serializers.CharField())
    unexplained = UnexplainedShape(allow_null=True)


class ExposureLineShape(Shape):
    """What a part of the portfolio cost, would bring now, and pays at least and at most in the end."""

    key = serializers.CharField(allow_blank=True)
    name = serializers.CharField()
    positions = serializers.IntegerField()
    cost = DecimalText()
    value = DecimalText()
    worst = DecimalText()
    best = DecimalText()


class OutcomeShape(Shape):
    """One outcome of an exclusive event; `market_id` is null where no market that is held comes true."""

    market_id = serializers.CharField(allow_null=True)
    name = serializers.CharField()
    pays = DecimalText()
    profit = DecimalText()


class EventOutcomesShape(Shape):
    event_id = serializers.CharField()
    title = serializers.CharField(allow_blank=True)
    venue = serializers.ChoiceField(choices=Venue.choices)
    is_exhaustive = serializers.BooleanField()
    cost = DecimalText()
    outcomes = OutcomeShape(many=True)


class ExternalShape(Shape):
    """What was placed on an account elsewhere; it is counted, and never adopted."""

    account = serializers.CharField()
    order = serializers.CharField(allow_blank=True)
    market = serializers.CharField(allow_blank=True)
    side = serializers.CharField(allow_blank=True)
    status = serializers.CharField()
    count = DecimalText()
    price = DecimalText()
    cost = DecimalText()


class ExposureShape(Shape):
    """What a portfolio in one mode is exposed to: by factor, theme, event and venue, and outcome by outcome."""

    mode = serializers.ChoiceField(choices=VenueAccount.Mode.choices)
    cash = DecimalText()
    available = DecimalText()
    claimable = DecimalText()
    worth = DecimalText()
    realised = DecimalText()
    fees = DecimalText()
    total = ExposureLineShape()
    accounts = AccountCashShape(many=True)
    factors = ExposureLineShape(many=True)
    themes = ExposureLineShape(many=True)
    events = ExposureLineShape(many=True)
    venues = ExposureLineShape(many=True)
    outcomes = EventOutcomesShape(many=True)
    external = ExternalShape(many=True)
