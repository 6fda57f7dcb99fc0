"""Stage 10: give the market its factor and theme; siblings that are less sure follow their event."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from categorization.stages.fuse import Opinion

NAME = "assign"
# A group this sure keeps its own answer inside an event of mixed questions.
OWN_MIND = 0.85
# An event's answer needs this share of its siblings' confidence before others follow it.
MAJORITY = 0.6


@dataclass(frozen=True, slots=True)
class Inherited:
    """An answer taken over from the event's other markets."""

    label: str
    confidence: float


def settle(
    votes: Sequence[tuple[str, str, tuple[str, ...], Opinion]],
) -> dict[tuple[str, tuple[str, ...]], Inherited]:
    """Let the markets of each event agree.

    `votes` are (venue, event key, group key, opinion) a market. Returns, for groups that take over the
    answer of their event, (event key, group key) → what they inherit.
    """
    events: dict[tuple[str, str], list[tuple[tuple[str, ...], Opinion]]] = defaultdict(list)
    for venue, event_key, key, opinion in votes:
        if event_key:
            events[venue, event_key].append((key, opinion))
    settled: dict[tuple[str, tuple[str, ...]], Inherited] = {}
    for (_venue, event_key), siblings in events.items():
        if len({key for key, _ in siblings}) < 2:
            continue
        weight: dict[str, float] = defaultdict(float)
        for _key, opinion in siblings:
            weight[opinion.label] += opinion.confidence
        label = max(weight, key=lambda name: weight[name])
        share = weight[label] / sum(weight.values())
        if share < MAJORITY:
            continue
        surest = max(opinion.confidence for _key, opinion in siblings if opinion.label == label)
        for key, opinion in siblings:
            # A sure group that disagrees keeps its mind; an unsure one follows, sure or not of the same.
            if opinion.is_sure and (opinion.label == label or opinion.confidence >= OWN_MIND):
                continue
            if surest > opinion.confidence:
                settled[event_key, key] = Inherited(label, min(surest, share))
    return settled


def explain(label: str, theme: str, inherited: Inherited | None, *, is_sure: bool) -> str:
    if inherited is not None:
        return f"{label} in {theme}, as its event's other markets."
    return f"{label} in {theme}." if is_sure else f"{label} in {theme} is the best guess."
