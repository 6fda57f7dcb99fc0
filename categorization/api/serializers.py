"""Markets with what they bear on, and the taxonomy, as the API shows them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from categorization.filters import DECIDED
from categorization.models import Classification, MarketPair, RiskFactor
from categorization.pairs.partners import Partner, pairs_of
from categorization.trail import StageCard, stage_cards, would_change
from itomarkets.lib.api_fields import DecimalText
from itomarkets.lib.venues import Venue
from markets.api.ids import market_id
from markets.api.serializers import FIELDS, MarketShape, show_market
from markets.models import Market, Quote
from markets.search import Facets, Reading

Shape = serializers.Serializer[Any]
LABEL = (
    "classification__factor__theme__slug",
    "classification__factor__slug",
    "classification__direction",
    "classification__status",
)
LABELLED_FIELDS = (*FIELDS, *LABEL)
QUOTE_COLUMNS = (
    "yes_bid", "yes_bid_size", "yes_ask", "yes_ask_size", "no_bid", "no_bid_size", "no_ask", "no_ask_size",
    "last_price", "last_at", "observed_at", "received_at",
)  # fmt: skip


class LabelledMarketShape(MarketShape):
    """A market with its decided label; null where none is decided. Direction 1: YES means more of the factor."""

    theme = serializers.CharField(allow_null=True)
    factor = serializers.CharField(allow_null=True)
    direction = serializers.IntegerField(allow_null=True)


class FacetShape(Shape):
    """A choice of a filter, and how many markets it would find."""

    value = serializers.CharField()
    count = serializers.IntegerField()


class FacetsShape(Shape):
    """What each choice of a filter would find, the other filters as given, largest first.

    Where `is_cut`, one of them counts only the first markets that were found. `corrected` is what was searched for
    where the words were mistyped.
    """

    venue = FacetShape(many=True)
    category = FacetShape(many=True)
    status = FacetShape(many=True)
    theme = FacetShape(many=True)
    is_cut = serializers.BooleanField()
    corrected = serializers.CharField(allow_blank=True)


class BestPricesShape(Shape):
    """The best prices of the order book, when the venue says it stood so, and when we received it."""

    yes_bid = DecimalText(allow_null=True)
    yes_bid_size = DecimalText(allow_null=True)
    yes_ask = DecimalText(allow_null=True)
    yes_ask_size = DecimalText(allow_null=True)
    no_bid = DecimalText(allow_null=True)
    no_bid_size = DecimalText(allow_null=True)
    no_ask = DecimalText(allow_null=True)
    no_ask_size = DecimalText(allow_null=True)
    last_price = DecimalText(allow_null=True)
    last_at = serializers.DateTimeField(allow_null=True)
    observed_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()


class PairShape(Shape):
    """An approved pair: the other venue's market that asks the same or nearly the same.

    `same_as_yes` is its side that pays when YES pays here, `follows` whose YES a subset's narrower YES implies.
    `ask_apart`: its ask less the ask here, dollars, before fees. `differs` names the stages that differ, in words.
    """

    market_id = serializers.CharField()
    venue = serializers.ChoiceField(choices=Venue.choices)
    question = serializers.CharField()
    relation = serializers.ChoiceField(choices=MarketPair.Relation.choices)
    same_as_yes = serializers.CharField(allow_null=True)
    follows = serializers.CharField(allow_null=True)
    bid = DecimalText(allow_null=True)
    ask = DecimalText(allow_null=True)
    ask_apart = DecimalText(allow_null=True)
    differs = serializers.ListField(child=serializers.CharField())
    rules = serializers.CharField(allow_blank=True)


class MarketDetailShape(LabelledMarketShape):
    """One market with its rules and its order book's best prices."""

    question = serializers.CharField()
    rules = serializers.CharField(allow_blank=True)
    open_at = serializers.DateTimeField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    is_gone = serializers.BooleanField()
    accepts_orders = serializers.BooleanField()
    min_size = DecimalText(allow_null=True)
    liquidity = DecimalText(allow_null=True)
    open_interest = DecimalText(allow_null=True)
    exclusive_event = serializers.BooleanField()
    quote = BestPricesShape(allow_null=True)
    pairs = PairShape(many=True)


class StageShape(Shape):
    """One stage of the reading: what it saw, said and named, how sure, and its second; skipped had no turn."""

    name = serializers.CharField()
    saw = serializers.CharField(allow_blank=True)
    says = serializers.CharField(allow_blank=True)
    factor = serializers.CharField(allow_null=True)
    confidence = serializers.CharField(allow_null=True)
    runner_up = serializers.CharField(allow_null=True)
    skipped = serializers.BooleanField()


class ClassificationShape(Shape):
    """How a market was read: what it bears on, how sure we are, who confirmed it, and each stage's word."""

    market_id = serializers.CharField()
    status = serializers.ChoiceField(choices=Classification.Status.choices)
    theme = serializers.CharField(allow_null=True)
    factor = serializers.CharField(allow_null=True)
    runner_up = serializers.CharField(allow_null=True)
    direction = serializers.IntegerField()
    confidence = serializers.CharField()
    skip_reason = serializers.CharField(allow_blank=True)
    model_version = serializers.CharField(allow_null=True)
    changed_at = serializers.DateTimeField()
    is_disputed = serializers.BooleanField()
    would_change = serializers.ListField(child=serializers.CharField())
    stages = StageShape(many=True)


class ThemeShape(Shape):
    """A family of risk factors; `up` says what more of it means."""

    slug = serializers.CharField()
    name = serializers.CharField()
    about = serializers.CharField(allow_blank=True)
    up = serializers.CharField(allow_blank=True)
    factor_count = serializers.IntegerField()


class FactorShape(Shape):
    """One risk factor; `sign` says whether more of it is more (1), less (-1) or neither (0) of its theme."""

    slug = serializers.CharField()
    name = serializers.CharField()
    theme = serializers.CharField()
    up = serializers.CharField(allow_blank=True)
    sign = serializers.ChoiceField(choices=RiskFactor.Sign.choices)


def show_labelled(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one row of LABELLED_FIELDS."""
    theme, factor, direction, status = (row[name] for name in LABEL)
    is_decided = status in DECIDED and factor is not None
    return show_market(row) | {
        "theme": theme if is_decided else None,
        "factor": factor if is_decided else None,
        "direction": direction if is_decided else None,
    }


def show_detail(market: Market, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a market's page; `row` is its row of LABELLED_FIELDS."""
    quote: Quote | None = getattr(market, "quote", None)
    event = market.event
    return show_labelled(row) | {
        "question": market.question,
        "rules": market.rules,
        "open_at": market.open_at,
        "resolved_at": market.resolved_at,
        "is_gone": market.vanished_at is not None,
        "accepts_orders": market.accepts_orders,
        "min_size": market.min_size,
        "liquidity": market.liquidity,
        "open_interest": market.open_interest,
        "exclusive_event": event is not None and (event.mutually_exclusive or event.neg_risk),
        "quote": None if quote is None else {name: getattr(quote, name) for name in QUOTE_COLUMNS},
        "pairs": [
            show_pair(partner, ask=market.yes_ask if quote is None else quote.yes_ask)
            for partner in pairs_of([market.pk]).get(market.pk, [])
        ],
    }


def show_pair(partner: Partner, *, ask: Decimal | None) -> dict[str, Any]:
    """Return a market's partner; `ask` is what YES costs here."""
    return {
        "market_id": market_id(partner.market.venue, partner.market.native_id),
        "venue": partner.market.venue,
        "question": partner.market.question,
        "relation": partner.relation,
        "same_as_yes": partner.same_as_yes or None,
        "follows": partner.follows or None,
        "bid": partner.bid,
        "ask": partner.ask,
        "ask_apart": None if ask is None or partner.ask is None else partner.ask - ask,
        "differs": [
            f"{stage['stage']}: {stage['says']}"
            for stage in partner.evidence
            if "kalshi" in stage or "polymarket" in stage
        ],
        "rules": partner.market.rules,
    }


def show_classification(market_id: str, row: Classification) -> dict[str, Any]:
    return {
        "market_id": market_id,
        "status": row.status,
        "theme": row.factor.theme.slug if row.factor else None,
        "factor": row.factor.slug if row.factor else None,
        "runner_up": row.runner_up.slug if row.runner_up else None,
        "direction": row.direction,
        "confidence": f"{row.confidence:.4f}",
        "skip_reason": row.skip_reason,
        "model_version": str(row.model_version) if row.model_version else None,
        "changed_at": row.changed_at,
        "is_disputed": row.is_disputed,
        "would_change": would_change(row),
        "stages": [_show_card(card) for card in stage_cards(row)],
    }


def _show_card(card: StageCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "saw": card.saw,
        "says": card.says,
        "factor": card.label or None,
        "confidence": None if card.confidence is None else f"{card.confidence:.4f}",
        "runner_up": card.runner_up or None,
        "skipped": card.skipped,
    }


def show_facets(facets: Facets, reading: Reading) -> dict[str, Any]:
    counts = {
        name: [{"value": value, "count": count} for value, count in choices] for name, choices in facets.counts.items()
    }
    return {**counts, "is_cut": facets.is_cut, "corrected": reading.corrected}
