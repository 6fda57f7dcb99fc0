"""Stage 5: precise phrases, written by people who know what they mean."""

from dataclasses import dataclass

from categorization.knowledge.phrases import phrase_book
from categorization.stages.normalize import Text

NAME = "rules"
# Where a decisive phrase spoke (100 in the file), this share of every other factor's strength is left.
BESIDE_DECISIVE = 0.15


@dataclass(frozen=True, slots=True)
class RuleHits:
    """Strength (0..1) of each factor that a phrase named, and the words for the trail."""

    weights: dict[str, float]
    says: str


def rules(text: Text) -> RuleHits:
    """Match every phrase; a factor is as strong as its best phrase, a little more for each other one.

    A phrase that settles the question by itself leaves little to what else the text touches.
    """
    hits = phrase_book().find(text.words, text.tags, slug=text.slug, venue=text.venue)
    if not hits:
        return RuleHits({}, "No phrase fits.")
    best: dict[str, float] = {}
    rest: dict[str, int] = {}
    shown: dict[str, str] = {}
    for phrase in hits:
        rest[phrase.factor] = rest.get(phrase.factor, -1) + 1
        if phrase.weight > best.get(phrase.factor, 0.0):
            best[phrase.factor] = phrase.weight
            shown[phrase.factor] = phrase.text
    weights = {factor: 1 - (1 - weight) * 0.75 ** min(rest[factor], 4) for factor, weight in best.items()}
    if any(weight >= 1 for weight in best.values()):
        weights = {name: weight if best[name] >= 1 else weight * BESIDE_DECISIVE for name, weight in weights.items()}
    order = sorted(weights, key=lambda factor: -weights[factor])[:2]
    says = "; ".join(f"“{shown[factor]}” is {factor}" for factor in order)
    return RuleHits(weights, says + ".")
