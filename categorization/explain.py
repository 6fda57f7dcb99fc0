"""Show how a market was read: ten lines, one a stage, in plain words."""

from dataclasses import dataclass

from categorization.models import Classification
from categorization.pipeline import STAGES
from markets.models import Market


@dataclass(frozen=True, slots=True)
class StageLine:
    """One stage's card: its name, what it said, and whether it had no turn."""

    name: str
    says: str
    skipped: bool = False


def explain_market(market: Market) -> list[StageLine]:
    """Return the ten stages of a market, or nothing where it was never read."""
    classification = getattr(market, "classification", None)
    return [] if classification is None else stage_lines(classification)


def stage_lines(classification: Classification) -> list[StageLine]:
    """Return the stored trail, in the order of the stages; after a skip the rest had no turn.

    A reviewer's decision stands last, over what the stages said.
    """
    trail = classification.trail if isinstance(classification.trail, list) else []
    said = {entry.get("stage"): str(entry.get("says", "")) for entry in trail if isinstance(entry, dict)}
    lines = [
        StageLine(stage.NAME, said[stage.NAME]) if stage.NAME in said else StageLine(stage.NAME, "Had no turn.", True)
        for stage in STAGES
    ]
    if classification.status in (Classification.Status.CONFIRMED, Classification.Status.CORRECTED):
        factor = classification.factor.slug if classification.factor else "no factor"
        verb = "Confirmed" if classification.status == Classification.Status.CONFIRMED else "Corrected"
        lines[-1] = StageLine(
            assign_name(), f"{verb} by a reviewer: {factor}, direction {classification.direction:+d}."
        )
    return lines


def assign_name() -> str:
    """Return the last stage's name: the card that a reviewer's word replaces."""
    return STAGES[-1].NAME
