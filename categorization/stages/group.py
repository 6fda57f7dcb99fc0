"""Stage 2: put siblings together, so that an event or a ladder is decided once."""

from categorization.knowledge.words import words_of
from categorization.reading import Reading
from categorization.stages.normalize import Text, mask
from itomarkets.lib.venues import Venue

NAME = "group"
OUTCOME = "§"


def group_key(reading: Reading, text: Text) -> tuple[str, ...]:
    """Return the key that siblings share.

    Kalshi: the series and the event's question. Polymarket: the question, with the outcome's own name
    hidden where the event is known, because there the event holds the outcomes together.
    """
    names = ",".join(text.names)
    if reading.venue == Venue.KALSHI and reading.event_title and text.stem:
        return (reading.venue, text.stem, names, *mask(words_of(reading.event_title)))
    words = text.words
    if reading.event_key and reading.subtitle:
        words = _hide(words_of(reading.title), words_of(reading.subtitle))
    return (reading.venue, text.stem, reading.event_key, names, *mask(words))


def _hide(words: tuple[str, ...], name: tuple[str, ...]) -> tuple[str, ...]:
    """Replace the words of an outcome's name by one sign."""
    length = len(name)
    if not length or length >= len(words):
        return words
    for start in range(len(words) - length + 1):
        if words[start : start + length] == name:
            return (*words[:start], OUTCOME, *words[start + length :])
    return words


def explain(members: int) -> str:
    return "Alone in its group." if members == 1 else f"Decided once for {members} siblings."
