"""Stage 4: what the venue's own shelf says: the series ticker, the category, the tags."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from categorization.knowledge import knowledge_lines
from categorization.knowledge.series import series_table
from categorization.stages.normalize import Text
from itomarkets.lib.venues import Venue

NAME = "venue prior"


# A tag names what a market touches, often beside what it is about; it counts for less than a series.
TAG_SHARE = 0.15
# How sure a series is that reviewers decided more than once, always alike.
TAUGHT = 0.985


@dataclass(frozen=True, slots=True)
class Prior:
    """Likelihood (0..1) of each factor that the shelf names, and the words for the trail."""

    weights: dict[str, float]
    says: str


@lru_cache(maxsize=1)
def tag_table() -> dict[str, list[tuple[str, float]]]:
    """Read the tags file: name → (factor, weight)."""
    table: dict[str, list[tuple[str, float]]] = {}
    for line in knowledge_lines("tags.txt"):
        head, _, names = line.partition(":")
        weight, factor = head.split()
        for name in names.split(","):
            table.setdefault(name.strip(), []).append((factor, int(weight) / 100))
    return table


def venue_prior(text: Text, taught: Mapping[str, str] | None = None) -> Prior:
    """Weigh the series ticker (Kalshi) or the tags (Polymarket); what reviewers taught of a series comes first."""
    if text.venue == Venue.KALSHI:
        if taught and text.stem in taught:
            return Prior(
                {taught[text.stem]: TAUGHT}, f"Reviewers taught that series {text.stem} is {taught[text.stem]}."
            )
        found = series_table().match(text.stem) if text.stem else None
        if found is not None:
            says = f"Series {text.stem} (pattern {found.pattern}) is {found.factor}."
            return Prior({found.factor: found.weight}, says)
        return Prior({}, f"Series {text.stem} is not in the table." if text.stem else "No series.")
    weights: dict[str, float] = {}
    heard: list[str] = []
    table = tag_table()
    for name in text.names:
        for factor, weight in table.get(name, ()):
            # Two tags that agree are surer than one.
            weights[factor] = 1 - (1 - weights.get(factor, 0.0)) * (1 - weight)
            heard.append(name)
    if not weights:
        return Prior({}, "No tag that says anything.")
    best = max(weights, key=lambda factor: weights[factor])
    weights = {factor: weight * TAG_SHARE for factor, weight in weights.items()}
    return Prior(weights, f"Tags {', '.join(heard[:4])} point to {best}.")
