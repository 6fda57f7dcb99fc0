"""What a suggestion would do to a basket at the prices of now: weights, gauge and cost, before anybody decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from baskets.arithmetic import gauge
from baskets.candidates import Word, words_for
from baskets.compositions import CompositionRefused, Reckoning, TargetLeg, reckon, value_before_change
from baskets.drafts import LegDraft, preview
from baskets.fixing import UNIT
from baskets.models import Basket, Suggestion
from baskets.rebuild import targets_by_words
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.templatetags.figures import cents, percent
from markets.models import Market


@dataclass(frozen=True, slots=True)
class EffectLine:
    """One leg's weight before and after; 0 is not held."""

    market_id: int
    question: str
    side: str
    before: Decimal
    after: Decimal

    @property
    def words(self) -> str:
        if not self.before:
            return f"comes in at {percent(self.after)}"
        if not self.after:
            return f"goes out, held at {percent(self.before)}"
        return f"{percent(self.before)} → {percent(self.after)}"


@dataclass(frozen=True, slots=True)
class Effect:
    """What would change. Gauges are dollars of one dollar; `cost` is a share of the value; None where unknown.

    `refusal` says why it could not be done now; then nothing else is known.
    """

    lines: tuple[EffectLine, ...] = ()
    gauge_before: Decimal | None = None
    gauge_after: Decimal | None = None
    turnover: Decimal | None = None
    cost: Decimal | None = None
    refusal: str = ""

    @property
    def sentences(self) -> list[str]:
        if self.refusal:
            return [f"It could not be done now: {self.refusal}"]
        if self.gauge_before is not None:
            said = [f"Gauge {cents(self.gauge_before)} → {cents(self.gauge_after)}."]
        else:
            said = [f"Gauge {cents(self.gauge_after)}."]
        if self.turnover is not None:
            said.append(f"{percent(self.turnover)} of the basket would be turned over.")
        if self.cost is not None:
            said.append(f"It would cost {percent(self.cost)} of the value, at bids and asks.")
        return said


def effect_of(*, type: str, basket: Basket | None, legs: Sequence[LegDraft], now: datetime) -> Effect:
    """Reckon what approving legs would do, with the quotes that are there; nothing is fetched or written."""
    if type == Suggestion.Type.NEW or basket is None:
        return _of_new(legs, now)
    adds = type == Suggestion.Type.ADD
    said = {leg.market_id: Word(leg.market_id, not adds, leg.side if adds else "") for leg in legs}
    try:
        targets = targets_by_words(basket=basket, words={**words_for(basket, now=now), **said}, now=now)
    except CompositionRefused as error:
        return Effect(refusal=str(error))
    return effect_of_targets(basket=basket, targets=targets, now=now)


def effect_of_targets(*, basket: Basket, targets: Sequence[TargetLeg], now: datetime) -> Effect:
    """Reckon what holding these legs instead would do; nothing is fetched or written."""
    try:
        reckoned = reckon(basket=basket, legs=targets, now=now)
    except CompositionRefused as error:
        return Effect(refusal=str(error))
    before = reckoned.fields.get("value_before")
    return Effect(
        lines=tuple(_lines(targets, reckoned)),
        gauge_before=_gauge_before(reckoned, now),
        gauge_after=gauge([leg.weight for leg in targets], reckoned.prices),
        turnover=reckoned.fields.get("turnover"),
        cost=reckoned.fields["cost"] / before if before else None,
    )


def _of_new(legs: Sequence[LegDraft], now: datetime) -> Effect:
    """Reckon a basket that does not exist yet: what buying it at the asks costs beyond its mids."""
    shown = preview(legs, now)
    titles = _titles([leg.market_id for leg in shown.legs])
    cost = None
    if shown.gauge and shown.ask is not None:
        cost = shown.ask / shown.gauge - 1
    return Effect(
        lines=tuple(EffectLine(leg.market_id, titles[leg.market_id], leg.side, ZERO, leg.share) for leg in shown.legs),
        gauge_after=shown.gauge,
        cost=cost,
    )


def _lines(targets: Sequence[TargetLeg], reckoned: Reckoning) -> list[EffectLine]:
    """Pair old and new weights; what changes comes first, then the heaviest."""
    held = {(leg.book.market_id, leg.side): Decimal(leg.weight) / UNIT for leg in reckoned.held}
    wanted = {(leg.market_id, leg.side): leg.weight for leg in targets}
    titles = {pk: market.question for pk, market in reckoned.markets.items()}
    lines = [
        EffectLine(key[0], titles[key[0]], key[1], held.get(key, ZERO), wanted.get(key, ZERO))
        for key in held.keys() | wanted.keys()
    ]
    return sorted(lines, key=lambda line: (bool(line.before and line.after), -line.after, line.market_id, line.side))


def _gauge_before(reckoned: Reckoning, now: datetime) -> Decimal | None:
    if not reckoned.held:
        return None
    fixing = value_before_change(reckoned.held, now)
    return Decimal(fixing.gauge) / fixing.weight / 1_000_000 if fixing.weight else None


def _titles(market_ids: Sequence[int]) -> Mapping[int, str]:
    return {pk: market.question for pk, market in Market.objects.select_related("event").in_bulk(market_ids).items()}
