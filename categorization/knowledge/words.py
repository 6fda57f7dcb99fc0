"""Words as the tables compare them: one case, no accents, no marks, with the names found in them."""

import re
import unicodedata
from functools import lru_cache

from categorization.knowledge import knowledge_lines

LONGEST_TEXT = 600
_unwanted = re.compile(r"[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff*]")
_abbreviation = re.compile(r"\b(?:[a-z]\.){2,}")
_token = re.compile(r"#\d+|[$€£]?\d[\d,.]*(?:[kmbt%°]|bps|bp)?\b[%°+]?|[^\W_]+(?:[&/$.'][^\W_]+)*|\|", re.UNICODE)
_possessive = re.compile(r"['’]s\b")
_apostrophe = re.compile(r"['’‘`]")


def plain_text(text: str) -> str:
    """Return text in one case, without accents, control and bidi characters, cut to a sane length."""
    text = _unwanted.sub(" ", text[:LONGEST_TEXT])
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text)
    return "".join(char for char in text if not unicodedata.combining(char)).lower()


@lru_cache(maxsize=4_096)
def words_of(text: str) -> tuple[str, ...]:
    """Split plain text into words; "U.S." becomes "us", "Canada's" becomes "canada", a bar stays a word."""
    text = _abbreviation.sub(lambda found: found.group().replace(".", ""), plain_text(text))
    return tuple(_token.findall(_apostrophe.sub("", _possessive.sub("", text))))


class Gazetteer:
    """Names of one to five words, each with the tags that it gives a text."""

    def __init__(self, lines: list[str]) -> None:
        self.names: dict[tuple[str, ...], set[str]] = {}
        self.first: dict[str, int] = {}
        for line in lines:
            tag, _, names = line.partition(":")
            for name in names.split(","):
                words = words_of(name)
                if words:
                    self.names.setdefault(words, set()).add(tag.strip())
                    self.first[words[0]] = max(self.first.get(words[0], 0), len(words))

    def find(self, words: tuple[str, ...]) -> dict[str, set[str]]:
        """Return tag → the names found; a longer name hides the shorter ones inside it."""
        found: dict[str, set[str]] = {}
        free_from = 0
        for start, word in enumerate(words):
            # "New York Giants" is no giant of another league: a longer name owns its words.
            if start < free_from:
                continue
            longest = self.first.get(word, 0)
            for length in range(min(longest, len(words) - start), 0, -1):
                tags = self.names.get(words[start : start + length])
                if tags is None:
                    continue
                for tag in tags:
                    found.setdefault(tag, set()).add(" ".join(words[start : start + length]))
                free_from = start + length
                break
        return found


@lru_cache(maxsize=1)
def gazetteer() -> Gazetteer:
    return Gazetteer(knowledge_lines("gazetteer.txt"))
