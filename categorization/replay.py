"""Decide a market again from what its trail wrote down; the same version gives the same bytes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from categorization.decisions import Decider, Decision
from categorization.reading import reading_of_seen
from categorization.stages import assign, group, normalize, screen


class ReplayError(ValueError):
    """The trail does not hold what was read."""


def replay(trail: Sequence[dict[str, Any]], *, decider: Decider, key: object = None) -> Decision:
    """Decide again: the market as it was read, the sibling that stood for its group, what it inherited.

    Raises ReplayError where the trail was written before inputs were kept.
    """
    entries = {entry["stage"]: entry for entry in trail}
    grouped, screened = entries.get(group.NAME, {}), entries.get(screen.NAME, {})
    seen = entries.get(normalize.NAME, {}).get("saw")
    if seen is None or "members" not in grouped or "reason" not in screened:
        raise ReplayError("The trail does not say what was read; categorize the market again, then replay.")
    reading = reading_of_seen(seen, key=key)
    text = normalize.normalize(reading)
    if screened["reason"]:
        return decider.conclude(reading, text, screened["reason"], grouped["members"], None, None)
    stood = grouped.get("stands_for") or {}
    judged = decider.judge(reading_of_seen({**seen, **stood}) if stood else reading)
    if not stood:
        judged = replace(judged, reading=reading)
    taken = entries.get(assign.NAME, {}).get("inherited")
    inherited = assign.Inherited(str(taken[0]), float(taken[1])) if taken else None
    return decider.conclude(reading, text, "", grouped["members"], judged, inherited)
