"""Compute again what was published, from what was stored: any difference is a fault (methodology and data quality, 10).

Sums are added here in plain decimals, leg by leg; they were published in whole numbers, in bulk.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch

from baskets.arithmetic import divisor_after, units_of
from baskets.compositions import hash_of
from baskets.method import BASE_VALUE, method_of
from baskets.minutes import Marked, marks_of
from baskets.models import Basket, Composition, Constituent, OfficialFixing, PriceHistory
from itomarkets.lib.rounding import ZERO

SHARE = Decimal("0.01")
NIGHT = timedelta(days=1)
MOST_SHOWN = 20


class ReplayFailed(Exception):
    """What was published is not what its inputs give; the text names the first differences."""


@dataclass(frozen=True)
class ReplayReport:
    """How much was computed again, and each difference in a sentence."""

    compositions: int = 0
    fixings: int = 0
    official: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        return (
            f"{self.compositions} compositions, {self.fixings} fixings and {self.official} official fixings computed "
            f"again: {len(self.differences)} differences"
        )


def replay_basket(basket: Basket, *, start: datetime, end: datetime) -> ReplayReport:
    """Compute a basket's compositions, fixings and official fixings of a time again and compare every digit."""
    compositions = _compositions(basket)
    differences: list[str] = []
    for composition in compositions.values():
        if start <= composition.effective_at < end:
            differences += _check_composition(composition)
    keys = PriceHistory.objects.filter(basket=basket, at__gte=start, at__lt=end).order_by("at", "pk")
    fixings = 0
    for row, marks in _with_marks(list(keys.values_list("pk", flat=True))):
        differences += _check_fixing(row, marks, compositions[row.composition_id])
        fixings += 1
    official = 0
    for fixed in OfficialFixing.objects.filter(basket=basket, day__gte=start.date(), day__lt=end.date()):
        differences += _check_official(fixed, compositions[fixed.composition_id])
        official += 1
    counted = sum(start <= composition.effective_at < end for composition in compositions.values())
    return ReplayReport(counted, fixings, official, differences)


def replay_sample(*, now: datetime, share: Decimal = SHARE) -> ReplayReport:
    """Replay a hundredth of the past day's fixings, and all of its compositions; raises ReplayFailed on a difference.

    Which ones is drawn from the date, so that a run can be repeated.
    """
    start = now - NIGHT
    draw = random.Random(now.astimezone(UTC).date().isoformat())
    differences: list[str] = []
    keys = list(PriceHistory.objects.filter(at__gte=start, at__lt=now).order_by("pk").values_list("pk", flat=True))
    chosen = draw.sample(keys, max(1, int(len(keys) * share))) if keys else []
    changed = _with_legs(Composition.objects.filter(effective_at__gte=start, effective_at__lt=now))
    compositions = 0
    for composition in changed:
        differences += _check_composition(composition)
        compositions += 1
    for row, marks, composition in _with_compositions(chosen):
        differences += _check_fixing(row, marks, composition)
    official = 0
    for fixed in OfficialFixing.objects.filter(made_at__gte=start, made_at__lt=now):
        differences += _check_official(fixed, _with_legs(Composition.objects.filter(pk=fixed.composition_id)).get())
        official += 1
    report = ReplayReport(compositions, len(chosen), official, differences)
    if differences:
        raise ReplayFailed(f"{report.sentence}. {' '.join(differences[:MOST_SHOWN])}")
    return report


def _with_legs(compositions: Any) -> Any:
    legs = Constituent.objects.select_related("market").order_by("id")
    return compositions.select_related("basket").prefetch_related(Prefetch("constituents", queryset=legs))


def _compositions(basket: Basket) -> dict[int, Composition]:
    return {row.pk: row for row in _with_legs(Composition.objects.filter(basket=basket).order_by("version"))}


def _with_marks(keys: Sequence[int]) -> Iterator[tuple[PriceHistory, list[Marked]]]:
    """Read fixings in slices, in the order of the keys: a database takes so many keys in one statement."""
    for first in range(0, len(keys), 500):
        rows = PriceHistory.objects.in_bulk(keys[first : first + 500])
        marks = marks_of(rows.values())
        yield from ((rows[key], marks[key]) for key in keys[first : first + 500] if key in rows)


def _with_compositions(keys: Sequence[int]) -> Iterator[tuple[PriceHistory, list[Marked], Composition]]:
    known: dict[int, Composition] = {}
    for row, marks in _with_marks(keys):
        if row.composition_id not in known:
            known[row.composition_id] = _with_legs(Composition.objects.filter(pk=row.composition_id)).get()
        yield row, marks, known[row.composition_id]


def _check_composition(composition: Composition) -> list[str]:
    """Hold units, cash and divisors against the stored inputs, and the inputs against their hash."""
    name = f"{composition.basket.slug} v{composition.version}"
    inputs = composition.inputs
    if not inputs:
        # Made before inputs were kept: its legs still carry weights and marks.
        return []
    found = [f"{name}: the inputs do not have the hash that was stored."] if _is_forged(composition) else []
    legs = list(composition.constituents.all())
    told = {key: (side, Decimal(weight), price) for key, side, weight, price, _ in inputs["legs"]}
    weights = [leg.weight for leg in legs]
    prices = [leg.mark for leg in legs]
    held = {str(leg.market): (leg.side, leg.weight, int(leg.mark.scaleb(6))) for leg in legs}
    if held != told:
        found.append(f"{name}: sides, weights or marks of the legs are not those of the inputs.")
    units = units_of(
        mode=inputs["mode"], weights=weights, prices=prices, value=BASE_VALUE, method=method_of(inputs["rules"])
    )
    if sum(weights, ZERO) != 1:
        found.append(f"{name}: the weights sum to {sum(weights, ZERO)}.")
    found += [
        f"{name}: {leg.market} has {leg.units} units; its inputs give {n}."
        for leg, n in zip(legs, units, strict=True)
        if leg.units != n
    ]
    cash = BASE_VALUE - sum((n * q for n, q in zip(units, prices, strict=True)), ZERO)
    if composition.cash != cash:
        found.append(f"{name}: cash is {composition.cash}; its inputs give {cash}.")
    return found + _check_divisors(composition, name)


def _is_forged(composition: Composition) -> bool:
    return hash_of(composition.inputs) != composition.inputs_hash


def _check_divisors(composition: Composition, name: str) -> list[str]:
    if composition.value_before is None or composition.divisor_before is None:
        return []
    cost = composition.cost or ZERO
    found = []
    for kind, before, after, paid in (
        ("gross", composition.divisor_before, composition.divisor, ZERO),
        ("net", composition.divisor_net_before or ZERO, composition.divisor_net, cost),
    ):
        wanted = divisor_after(
            divisor=before, value_before=composition.value_before, value_after=composition.value_after, cost=paid
        )
        if wanted != after:
            found.append(f"{name}: the {kind} divisor is {after}; its inputs give {wanted}.")
    return found


def _check_fixing(row: PriceHistory, marks: Sequence[Marked], composition: Composition) -> list[str]:
    """Hold one fixing's sums against its stored marks and its composition's units and weights."""
    name = f"{composition.basket.slug} at {row.at:%Y-%m-%d %H:%M}"
    return _compare(
        name,
        composition,
        {market_id: (side, price) for market_id, side, price, _ in marks},
        value=row.value,
        gauge=row.gauge_sum,
        divisors=(row.divisor, row.divisor_net),
    )


def _check_official(row: OfficialFixing, composition: Composition) -> list[str]:
    return _compare(
        f"{composition.basket.slug} official on {row.day}",
        composition,
        {market_id: (side, price) for market_id, side, price, *_ in row.marks},
        value=row.value,
        gauge=row.gauge_sum,
        divisors=(row.divisor, row.divisor_net),
    )


def _compare(
    name: str,
    composition: Composition,
    marks: Mapping[int, tuple[str, int]],
    *,
    value: Decimal,
    gauge: Decimal,
    divisors: tuple[Decimal, Decimal],
) -> list[str]:
    legs = list(composition.constituents.all())
    if {leg.market_id: leg.side for leg in legs} != {key: side for key, (side, _) in marks.items()}:
        return [f"{name}: the marks are not of the legs that were held."]
    prices = [Decimal(marks[leg.market_id][1]).scaleb(-6) for leg in legs]
    wanted_value = sum((leg.units * q for leg, q in zip(legs, prices, strict=True)), composition.cash)
    wanted_gauge = sum((leg.weight * q for leg, q in zip(legs, prices, strict=True)), ZERO)
    found = []
    if value != wanted_value:
        found.append(f"{name}: the value is {value}; its marks give {wanted_value}.")
    if gauge != wanted_gauge:
        found.append(f"{name}: the gauge is {gauge}; its marks give {wanted_gauge}.")
    if divisors != (composition.divisor, composition.divisor_net):
        found.append(f"{name}: the divisors are not those of v{composition.version}.")
    return found
