"""Make and keep the system baskets: one a theme, rebuilt when the method asks for it and left alone otherwise."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from baskets.candidates import Word, labelled_sides, named_candidates, series_of, theme_candidates, words_for
from baskets.choice import choose
from baskets.compositions import CompositionRefused, TargetLeg, create_composition, current_composition, reckon
from baskets.demand import demand_held, refresh_markets
from baskets.eligibility import Candidate, count_reasons, quoted_reasons, state_reasons
from baskets.fixing import Fixing, fix_baskets
from baskets.importance import write_importance
from baskets.legs import HeldLeg, books_of, held_legs
from baskets.method import Method, RuleError, method_of
from baskets.models import Basket, Composition
from baskets.proposals import beyond_limits, propose, supersede
from baskets.triggers import FIRST, label_triggers, override_triggers, schedule_triggers, value_triggers
from baskets.weights import capped_weights, parts_of
from categorization.models import Theme

Progress = Callable[[str], None]
Refresh = Callable[[Sequence[int], datetime], str]
# Quotes are asked for this many times more markets than a basket holds, since some books will not do.
SHORTLIST = 3
# Triggers that reset the weights even where the same legs stay.
REBALANCES = ("drifted", "days since", "is cash")


@dataclass(frozen=True)
class BasketLine:
    """What happened to one basket; `ineligible` counts why open markets of its theme were not considered."""

    slug: str
    legs: int
    eligible: int
    changed: bool
    reason: str
    ineligible: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class BuildReport:
    """What a build did: baskets made, compositions written, and a line a basket that was looked at."""

    baskets_added: int
    compositions_added: int
    unchanged: int
    importance_written: int
    quotes: str
    lines: list[BasketLine] = field(default_factory=list)
    # Newly labelled open markets by theme, and those among them that are siblings of held legs.
    mapped: dict[str, int] = field(default_factory=dict)
    new_siblings: int = 0


@dataclass
class _Plan:
    """One basket on its way through a build."""

    basket: Basket
    method: Method
    composition: Composition | None
    fixing: Fixing | None
    words: dict[int, Word]
    triggers: list[str]
    candidates: list[Candidate] = field(default_factory=list)
    pinned: list[Candidate] = field(default_factory=list)
    ineligible: dict[str, int] = field(default_factory=dict)
    # Series of held legs that no longer qualify: their next question is the natural successor.
    lost_series: frozenset[str] = frozenset()

    @property
    def held(self) -> dict[int, HeldLeg]:
        return {leg.book.market_id: leg for leg, _ in self.fixing.marks} if self.fixing else {}


def build_system_baskets(
    *, now: datetime, progress: Progress | None = None, refresh: Refresh = refresh_markets
) -> BuildReport:
    """Make the missing system baskets, rebuild those that need it, and say which labels matter most.

    Running again without a change writes nothing. Quotes of the markets on the shortlists are fetched first.
    """
    added = ensure_baskets(now=now)
    report = rebuild_baskets(list(_system_baskets()), now=now, progress=progress, refresh=refresh)
    written = write_importance(now=now)
    return replace(report, baskets_added=added, importance_written=written)


def ensure_baskets(*, now: datetime) -> int:
    """Have one public system basket a theme, named as the theme is; returns how many were made."""
    existing = {basket.theme_id: basket for basket in _system_baskets(active_only=False)}
    added = 0
    for theme in Theme.objects.all():
        basket = existing.get(theme.pk)
        if basket is None:
            Basket.objects.create(
                slug=theme.slug,
                name=theme.name,
                description=theme.about,
                kind=Basket.Kind.SYSTEM,
                visibility=Basket.Visibility.PUBLIC,
                theme=theme,
                created_at=now,
            )
            added += 1
        elif (basket.name, basket.description) != (theme.name, theme.about):
            Basket.objects.filter(pk=basket.pk).update(name=theme.name, description=theme.about)
    return added


def _system_baskets(*, active_only: bool = True) -> Iterable[Basket]:
    rows = Basket.objects.filter(kind=Basket.Kind.SYSTEM).select_related("theme").order_by("theme__position")
    return rows.filter(is_active=True) if active_only else rows


def rebuild_baskets(
    baskets: Sequence[Basket],
    *,
    now: datetime,
    progress: Progress | None = None,
    refresh: Refresh = refresh_markets,
    because: str = "",
    actor: Any = None,
) -> BuildReport:
    """Rebuild those of the system baskets that have a trigger (all of them, if `because` says why).

    A change beyond staff's limits waits for a reviewer, unless one asks for it: `actor`.
    """
    say = progress or (lambda text: None)
    fixings = {fixing.basket_id: fixing for fixing in fix_baskets(held_legs(basket_ids=[b.pk for b in baskets]), now)}
    plans, lines = [], []
    for basket in baskets:
        try:
            plans.append(_plan(basket, fixings.get(basket.pk), now=now, because=because))
        except RuleError as error:
            lines.append(BasketLine(basket.slug, 0, 0, False, f"not looked at: {error}"))
    due = [plan for plan in plans if plan.triggers]
    wanted: set[int] = set()
    for plan in due:
        _find_candidates(plan, now=now)
        shortlist = choose(
            plan.candidates, count=plan.method.max_legs * SHORTLIST, method=plan.method, successors_of=plan.lost_series
        )
        kept = [candidate for candidate in plan.candidates if candidate.market_id in plan.held]
        plan.candidates = list({c.market_id: c for c in (*kept, *shortlist)}.values())
        wanted |= {c.market_id for c in (*plan.candidates, *plan.pinned)} | plan.held.keys()
    say(f"{len(due)} of {len(plans)} baskets to look at; quotes for {len(wanted)} markets")
    quotes = refresh(sorted(wanted), now) if wanted else ""
    lines += [
        BasketLine(plan.basket.slug, len(plan.held), 0, False, "nothing to do") for plan in plans if not plan.triggers
    ]
    for plan in due:
        line = _rebuild(plan, now=now, actor=actor)
        lines.append(line)
        say(f"{line.slug}: {line.legs} legs of {line.eligible} eligible; {line.reason}")
    demand_held(now=now)
    changed = sum(line.changed for line in lines)
    return BuildReport(0, changed, len(lines) - changed, 0, quotes, lines)


def _plan(basket: Basket, fixing: Fixing | None, *, now: datetime, because: str) -> _Plan:
    method = method_of(basket.rules)
    composition = current_composition(basket)
    words = words_for(basket, now=now)
    plan = _Plan(basket, method, composition, fixing, words, [because] if because else [])
    plan.triggers += triggers_of(plan, now=now)
    return plan


def triggers_of(plan: _Plan, *, now: datetime) -> list[str]:
    """Say why a basket must be looked at; an empty list leaves it alone."""
    if plan.composition is None or plan.fixing is None:
        return [FIRST]
    assert plan.basket.theme is not None
    held = {leg.book.market_id: leg for leg, _ in plan.fixing.marks}
    if plan.method.roll_policy == "terminate":
        # A fixed series: nothing but a reviewer's word changes it, and nothing at all once it has ended.
        return [] if plan.basket.ended_at else override_triggers(plan.words, held)
    return [
        *override_triggers(plan.words, held),
        *label_triggers(plan.words, held, labelled_sides(held, plan.basket.theme)),
        *value_triggers(plan.fixing, method=plan.method),
        *schedule_triggers(plan.composition.effective_at, method=plan.method, now=now),
    ]


def _find_candidates(plan: _Plan, *, now: datetime) -> None:
    assert plan.basket.theme is not None
    found, refused = theme_candidates(plan.basket.theme, now=now, method=plan.method)
    plan.candidates = [candidate for candidate in found if candidate.market_id not in plan.words]
    plan.ineligible = count_reasons({}, refused)
    wanted = [market_id for market_id, word in plan.words.items() if not word.excluded]
    plan.pinned = named_candidates(wanted, words=plan.words, now=now)
    live = {candidate.market_id for candidate in (*plan.candidates, *plan.pinned)}
    plan.lost_series = series_of(plan.held.keys() - live)


def _rebuild(plan: _Plan, *, now: datetime, actor: Any) -> BasketLine:
    """Choose, weigh and, if what is held would change, write or propose the next composition."""
    books = books_of([c.market_id for c in (*plan.candidates, *plan.pinned)])
    sides = {market_id: leg.side for market_id, leg in plan.held.items()}
    marks = {}
    for c in (*plan.candidates, *plan.pinned):
        carried = plan.held[c.market_id].carried(now) if sides.get(c.market_id) == c.side else None
        marks[c.market_id] = books[c.market_id].mark(c.side, now, carried)
    refused = {
        c.market_id: quoted_reasons(marks[c.market_id], method=plan.method, is_held=c.market_id in sides)
        for c in plan.candidates
    }
    eligible = [c for c in plan.candidates if not refused[c.market_id]]
    count_reasons(plan.ineligible, {market_id: reasons for market_id, reasons in refused.items() if reasons})
    pinned = [c for c in plan.pinned if not state_reasons(c, now=now) and marks[c.market_id].price]
    keep = [c for c in eligible if sides.get(c.market_id) == c.side]
    legs = choose(
        eligible,
        count=max(plan.method.max_legs, len(pinned)),
        method=plan.method,
        keep=[*pinned, *keep][: max(plan.method.max_legs, len(pinned))],
        successors_of=plan.lost_series,
    )

    def line(changed: bool, reason: str, count: int) -> BasketLine:
        return BasketLine(plan.basket.slug, count, len(eligible) + len(pinned), changed, reason, plan.ineligible)

    if not legs:
        return line(False, "nothing eligible is left to hold; what is held stays", len(sides))
    reason = "; ".join(plan.triggers)
    try:
        targets = target_legs(legs, plan.words, plan.method)
        if not _is_change(plan, targets):
            supersede(basket=plan.basket, now=now)
            return line(False, f"looked at ({reason}); nothing to change", len(sides))
        reckoned = reckon(basket=plan.basket, legs=targets, now=now)
        limit = beyond_limits(reckoned, plan.method)
        if limit and not actor:
            said = propose(
                basket=plan.basket, legs=targets, reckoned=reckoned, reason=_sentence(reason), limit=limit, now=now
            )
            return line(False, said, len(sides))
        with transaction.atomic():
            create_composition(basket=plan.basket, legs=targets, reason=_sentence(reason), now=now, actor=actor)
            supersede(basket=plan.basket, now=now)
    except (CompositionRefused, ValueError) as error:
        return line(False, f"not changed: {error}", len(sides))
    return line(True, reason, len(targets))


def compose_with_overrides(*, basket: Basket, reason: str, now: datetime, actor: Any = None) -> Composition:
    """Make the composition that reviewers' words ask for: what is held, less what they exclude, plus what they pin.

    Nothing else comes in; decided legs leave. Call it inside the transaction of the words. Raises CompositionRefused.
    """
    targets = targets_by_words(basket=basket, words=words_for(basket, now=now), now=now)
    composition = create_composition(basket=basket, legs=targets, reason=_sentence(reason), now=now, actor=actor)
    demand_held(now=now)
    return composition


def targets_by_words(*, basket: Basket, words: Mapping[int, Word], now: datetime) -> list[TargetLeg]:
    """Weigh what is held now, less what the words exclude, plus what they pin. Raises CompositionRefused."""
    before = current_composition(basket)
    wanted = {market_id: word for market_id, word in words.items() if not word.excluded}
    kept = {
        row.market_id: row
        for row in (before.constituents.select_related("market") if before else ())
        if row.market_id not in words and not row.market.is_resolved
    }
    named = named_candidates(
        [*kept, *wanted],
        words={**{pk: Word(pk, False, row.side) for pk, row in kept.items()}, **wanted},
        now=now,
    )
    legs = [replace(leg, why=kept[leg.market_id].why) if leg.market_id in kept else leg for leg in named]
    if not legs:
        raise CompositionRefused("Nothing would be left in the basket; deactivate it instead.")
    return target_legs(legs, wanted, method_of(basket.rules))


def target_legs(legs: Sequence[Candidate], words: Mapping[int, Word], method: Method) -> list[TargetLeg]:
    """Weigh what was chosen under the caps; a weight that a reviewer gave stands."""
    parts = parts_of(
        method.scheme,
        volumes=[leg.volume for leg in legs],
        venues=[leg.venue for leg in legs],
        confidences=[leg.confidence for leg in legs],
    )
    said = [words[leg.market_id].weight if leg.market_id in words else None for leg in legs]
    if all(weight is not None for weight in said):
        # Somebody must take what is left of one.
        said[-1] = None
    weights = capped_weights(
        parts, [leg.event_key for leg in legs], leg_cap=method.leg_cap, group_cap=method.event_cap, fixed=said
    )
    return [TargetLeg(leg.market_id, leg.side, weight, leg.why) for leg, weight in zip(legs, weights, strict=True)]


def _is_change(plan: _Plan, targets: Sequence[TargetLeg]) -> bool:
    """Tell whether other legs would be held, or a rebalance of the same ones is due."""
    if plan.composition is None or plan.fixing is None:
        return True
    held = {(leg.book.market_id, leg.side): leg.weight for leg, _ in plan.fixing.marks}
    wanted = {(leg.market_id, leg.side): int(leg.weight.scaleb(8)) for leg in targets}
    if held.keys() != wanted.keys():
        return True
    if any(word in trigger for trigger in plan.triggers for word in REBALANCES):
        return True
    return any(
        plan.words[market_id].weight is not None and held[market_id, side] != weight
        for (market_id, side), weight in wanted.items()
        if market_id in plan.words
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
