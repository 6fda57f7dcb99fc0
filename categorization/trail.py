"""The trail that a decision leaves: ten cards, one a stage, and what would change the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

from categorization.models import Classification
from categorization.stages import (
    assign,
    direction,
    fuse,
    group,
    lexical,
    normalize,
    rules,
    screen,
    semantic,
    venue_prior,
)
from markets.models import Market

# The ten stages, in the order in which they run.
STAGES = (normalize, group, screen, venue_prior, rules, lexical, semantic, fuse, direction, assign)
# The four that give an opinion of their own, which the eighth weighs.
VOICES = (venue_prior.NAME, rules.NAME, lexical.NAME, semantic.NAME)
# A voice this sure speaks clearly: two such voices that differ are a disagreement.
CLEAR = 0.5
REVIEWED = (Classification.Status.CONFIRMED, Classification.Status.CORRECTED)
# Leads beyond this many times are all the same to a reader.
MANY_TIMES = 1_000_000

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StageCard:
    """One stage's card: what it saw, what it said, the factor that it names with how sure, and its second choice.

    Names are empty and `confidence` is None where the stage gives no opinion; `skipped` where it had no turn.
    """

    name: str
    saw: str
    says: str
    label: str = ""
    confidence: float | None = None
    runner_up: str = ""
    skipped: bool = False


def explain_market(market: Market) -> list[StageCard]:
    """Return the ten cards of a market, or nothing where it was never read."""
    classification = getattr(market, "classification", None)
    return [] if classification is None else stage_cards(classification)


def stage_cards(classification: Classification) -> list[StageCard]:
    """Return the stored trail as cards, in the order of the stages; after a skip the rest had no turn.

    A reviewer's decision stands on the last card, over what the stages said.
    """
    entries = entries_of(classification.trail)
    cards = [_card(stage.NAME, entries) for stage in STAGES]
    if classification.status in REVIEWED:
        factor = classification.factor.slug if classification.factor else "no factor"
        verb = "Confirmed" if classification.status == Classification.Status.CONFIRMED else "Corrected"
        says = f"{verb} by a reviewer: {factor}, direction {classification.direction:+d}."
        label = classification.factor.slug if classification.factor else ""
        cards[-1] = StageCard(assign.NAME, "A reviewer's decision.", says, label=label)
    return cards


def entries_of(trail: Any) -> dict[str, Entry]:
    """Return a stored trail by the stages' names; what is no trail is an empty one."""
    rows = trail if isinstance(trail, list) else []
    return {str(entry.get("stage")): entry for entry in rows if isinstance(entry, dict)}


def is_disputed(trail: Any) -> bool:
    """Say whether two of the voices that spoke clearly named different factors."""
    return len({label for _voice, label in clear_voices(entries_of(trail))}) > 1


def clear_voices(entries: Mapping[str, Entry]) -> list[tuple[str, str]]:
    """Return (stage, factor) of the voices that spoke clearly, in their order."""
    spoke = [(name, entries.get(name, {})) for name in VOICES]
    return [(name, str(said["label"])) for name, said in spoke if said.get("label") and _sure(said) >= CLEAR]


def _sure(entry: Entry) -> float:
    value = entry.get("confidence")
    return float(value) if isinstance(value, int | float) else 0.0


def _card(name: str, entries: Mapping[str, Entry]) -> StageCard:
    entry = entries.get(name)
    if entry is None:
        return StageCard(name, "", "Had no turn.", skipped=True)
    says = str(entry.get("says", ""))
    label = str(entry.get("label") or "")
    sure = _sure(entry) if label and "confidence" in entry else None
    return StageCard(name, _saw(name, entries), says, label, sure, str(entry.get("runner_up") or ""))


def _saw(name: str, entries: Mapping[str, Entry]) -> str:
    """Say what a stage looked at, from what the first stage wrote down and the stages before it said."""
    seen = entries.get(normalize.NAME, {}).get("saw")
    if not isinstance(seen, dict):
        return ""
    if name == normalize.NAME:
        return _texts(seen, "title", "subtitle", "event_title", "series_title", "slug")
    if name == group.NAME:
        return _texts(seen, "event_key", "series_key", "event_title") or "no event"
    if name == screen.NAME:
        return f"{seen.get('outcome_count', 2)} outcomes, {'a' if seen.get('is_combo') else 'no'} combination"
    if name == venue_prior.NAME:
        return _texts(seen, "series_key", "category", "tags") or "no shelf"
    if name == fuse.NAME:
        said = [(voice, entries.get(voice, {})) for voice in VOICES]
        heard = [f"{voice}: {one['label']} {_sure(one):.2f}" for voice, one in said if one.get("label")]
        return "; ".join(heard) or "silence"
    if name == direction.NAME:
        return _texts(entries.get(assign.NAME, {}), "label") + ": " + _texts(seen, "title", "subtitle", "native_id")
    if name == assign.NAME:
        fused = entries.get(fuse.NAME, {})
        siblings = "; its event's other markets" if "inherited" in entries.get(assign.NAME, {}) else ""
        return f"{fused.get('label', 'no factor')} at {_sure(fused):.2f}{siblings}"
    return _texts(seen, "title", "subtitle", "event_title")


def _texts(values: Mapping[str, Any], *names: str) -> str:
    """Join what is there of some values, a text that another one holds already left out."""
    found: list[str] = []
    for name in names:
        value = values.get(name)
        text = ", ".join(str(one) for one in value) if isinstance(value, list) else str(value or "")
        if text and not any(text in other for other in found):
            found.append(text)
    return " | ".join(found)


def would_change(classification: Classification) -> list[str]:
    """Say, in sentences, what would change a market's answer: who may, and which stage would have to speak."""
    if classification.status in REVIEWED:
        return ["A reviewer decided; only another review changes it, or the undo of this one."]
    entries = entries_of(classification.trail)
    reason = entries.get(screen.NAME, {}).get("reason") or classification.skip_reason
    if reason:
        return [
            {
                "combo": "Nothing: a combination has no factor of its own; its legs have.",
                "expired": "Nothing: it is over. A reviewer may still give it a factor, to teach its series.",
                "malformed": "A readable title at the venue, or a reviewer.",
                "not binary": "Nothing: it does not pay as one YES and one NO.",
            }.get(str(reason), "A reviewer.")
        ]
    fused, last = entries.get(fuse.NAME, {}), entries.get(assign.NAME, {})
    if not fused:
        return ["It is read again after the next sync; its trail does not say how it was decided."]
    sentences = []
    if last.get("inherited"):
        sentences.append(
            f"Its event's other markets: alone it reads as {fused.get('label')}. Deciding the event decides it."
        )
    sentences.append(_lead_sentence(fused))
    sentences += _voice_sentences(entries, str(last.get("label") or fused.get("label") or ""))
    if classification.status in (Classification.Status.WAITING, Classification.Status.UNCLASSIFIED):
        sentences.append("A reviewer: it is not sure enough to stand without one.")
    seen = entries.get(normalize.NAME, {}).get("saw")
    if isinstance(seen, dict) and seen.get("series_key"):
        sentences.append(f"Alike reviews of other markets of series {seen['series_key']}, from the next training on.")
    return sentences


def _lead_sentence(fused: Entry) -> str:
    lead = fused.get("lead")
    second = fused.get("runner_up") or "the second"
    if not isinstance(lead, int | float):
        return f"A clear word for {second}, which came second."
    times = min(exp(min(lead, 20.0)), MANY_TIMES)
    more = "over a million" if times >= MANY_TIMES else f"{times:,.1f}" if times < 10 else f"{times:,.0f}"
    return f"A word for {second} that makes it {more} times as likely as now: so far {fused.get('label')} leads it."


def _voice_sentences(entries: Mapping[str, Entry], label: str) -> list[str]:
    """Name the voices that stand against the answer, or the only one that stands for it."""
    clear = clear_voices(entries)
    against = [f"{voice} says {said}" for voice, said in clear if said != label]
    backers: Sequence[str] = [voice for voice, said in clear if said == label]
    sentences = [f"More weight for who disagrees: {'; '.join(against)}."] if against else []
    if len(backers) == 1:
        sentences.append(f"Silence of {backers[0]}: no other stage is clearly for {label}.")
    return sentences
