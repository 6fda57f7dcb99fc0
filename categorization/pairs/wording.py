"""Two texts word by word: what both say, and what only one does."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

_piece = re.compile(r"\S+|\n")
# Beyond this a difference by words is no help to a reader, and costs the square of it.
MOST_WORDS = 1200


@dataclass(frozen=True, slots=True)
class Run:
    """Some words in a row; `is_own` where the other text does not have them there."""

    text: str
    is_own: bool


def side_by_side(first: str, second: str) -> tuple[list[Run], list[Run]]:
    """Return both texts in runs of words, those that differ marked; case and marks at a word's edge do not count."""
    words = [_piece.findall(text)[:MOST_WORDS] for text in (first, second)]
    keys = [[_key(word) for word in side] for side in words]
    runs: tuple[list[Run], list[Run]] = ([], [])
    for tag, a, b, c, d in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        for side, (start, end) in enumerate(((a, b), (c, d))):
            if end > start:
                runs[side].append(Run(" ".join(words[side][start:end]), tag != "equal"))
    return runs


def _key(word: str) -> str:
    return word.lower().strip(".,;:!?\"'“”‘’()*") or word
