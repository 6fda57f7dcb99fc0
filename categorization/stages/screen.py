"""Stage 3: step over what cannot be a leg: combos, expired, malformed and non-binary markets."""

from datetime import datetime

from categorization.reading import Reading
from categorization.stages.normalize import Text
from itomarkets.lib.venues import Venue

NAME = "screen"
# A Kalshi multivariate (combo) series begins so.
COMBO_PREFIX = "KXMVE"
REASONS = {
    "combo": "A combination of other markets; its legs are classified instead.",
    "expired": "It closed before it was first read.",
    "malformed": "It has no readable title and no ticker that says anything.",
    "not binary": "It does not pay out as one YES and one NO.",
}
ENDED = frozenset({"resolved", "void"})


def is_expired(reading: Reading, *, now: datetime | None) -> bool:
    """Say whether a market is over at `now`; without `now` nothing is."""
    if now is None:
        return False
    return reading.status in ENDED or (reading.close_at is not None and reading.close_at <= now)


def screen(reading: Reading, text: Text, *, now: datetime | None) -> str:
    """Return why a market is skipped, one of REASONS, or an empty string."""
    if reading.is_combo or (reading.venue == Venue.KALSHI and reading.native_id.upper().startswith(COMBO_PREFIX)):
        return "combo"
    if reading.outcome_count != 2:
        return "not binary"
    if text.is_empty:
        return "malformed"
    if is_expired(reading, now=now):
        return "expired"
    return ""


def explain(reason: str) -> str:
    return f"Skipped ({reason}): {REASONS[reason]}" if reason else "A live yes-or-no question."
