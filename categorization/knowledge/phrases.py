"""Phrases that decide a factor: a small pattern language over words.

`will ... say` : words in this order, `...` up to eight words between, `(a|b)` either, `#` a number.
`@tag` the text holds a name of that tag (`@tag*2` two different ones), `!word` or `!@tag` it does not,
`^word` the text begins so, `slug:nba` the market's slug begins so, `venue:kalshi` the market is from there.
A weight of 100 settles the question, whatever else the text touches.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from categorization.knowledge import knowledge_lines


@dataclass(frozen=True, slots=True)
class Phrase:
    """One pattern with its factor, its weight (0..1) and the word that must be there at all."""

    factor: str
    weight: float
    text: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str] | None
    tags: tuple[tuple[str, int], ...]
    forbidden: tuple[str, ...]
    slug: str
    venue: str


# A choice in brackets may hold names of several words.
_piece = re.compile(r"\([^)]*\)|\S+")


def _word_pattern(word: str) -> str:
    if "#" in word and not word.startswith("("):
        return r"[$€£#]?\d\S*" if word == "#" else re.escape(word).replace(r"\#", r"\d[\d.,]*")
    if word.startswith("(") and word.endswith(")"):
        return "(?:" + "|".join(re.escape(choice) for choice in word[1:-1].split("|")) + ")"
    if word.endswith("*"):
        return re.escape(word[:-1]) + r"\S*"
    return re.escape(word)


def parse_phrase(factor: str, weight: float, text: str) -> Phrase:
    """Compile one phrase. Raises ValueError where it names nothing to look for."""
    tags: list[tuple[str, int]] = []
    forbidden: list[str] = []
    ordered: list[str] = []
    slug = venue = ""
    for word in _piece.findall(text):
        if word.startswith("@"):
            tag, _, count = word[1:].partition("*")
            tags.append((tag, int(count or 1)))
        elif word.startswith("!"):
            forbidden.append(word[1:])
        elif word.startswith("slug:"):
            slug = word[5:]
        elif word.startswith("venue:"):
            venue = word[6:]
        else:
            ordered.append(word)
    if not ordered and not tags and not slug:
        raise ValueError(f"The phrase {text!r} of {factor} names no word, tag or slug; expected one at least.")
    pieces: list[str] = []
    begins = bool(ordered) and ordered[0].startswith("^")
    if begins:
        ordered[0] = ordered[0][1:]
    for word in ordered:
        pieces.append(r"(?: [^ |]+){0,8}?" if word == "..." else " " + _word_pattern(word))
    literal = [w for w in ordered if w != "..." and "#" not in w and not w.endswith("*")]
    plain = [w for w in literal if not w.startswith("(")]
    anchors: tuple[str, ...] = ()
    if plain:
        anchors = (max(plain, key=len),)
    elif literal:
        anchors = tuple(dict.fromkeys(choice.split()[0] for choice in literal[0][1:-1].split("|")))
    pattern = re.compile("^" * begins + "".join(pieces) + r"(?= )") if ordered else None
    return Phrase(factor, weight, text, anchors, pattern, tuple(tags), tuple(forbidden), slug, venue)


class PhraseBook:
    """All phrases, found by their anchor word so that most texts try only a few."""

    def __init__(self, lines: list[str]) -> None:
        self.by_anchor: dict[str, list[Phrase]] = {}
        self.by_tag: dict[str, list[Phrase]] = {}
        self.by_slug: dict[str, list[Phrase]] = {}
        self.always: list[Phrase] = []
        factor = ""
        for line in lines:
            if line.startswith("["):
                factor = line.strip("[]")
                continue
            weight, _, phrases = line.partition(" ")
            for text in phrases.split(" ; "):
                self._add(parse_phrase(factor, int(weight) / 100, text.strip()))

    def _add(self, phrase: Phrase) -> None:
        if phrase.anchors:
            for anchor in phrase.anchors:
                self.by_anchor.setdefault(anchor, []).append(phrase)
        elif phrase.slug:
            self.by_slug.setdefault(phrase.slug, []).append(phrase)
        elif phrase.tags:
            self.by_tag.setdefault(phrase.tags[0][0], []).append(phrase)
        else:
            self.always.append(phrase)

    def find(self, words: tuple[str, ...], tags: dict[str, set[str]], *, slug: str, venue: str) -> list[Phrase]:
        """Return every phrase that the text satisfies."""
        line = " " + " ".join(words) + " "
        bag = set(words)
        slug_head = slug.split("-", 1)[0]
        tried: list[Phrase] = list(self.always)
        for word in bag & self.by_anchor.keys():
            tried += self.by_anchor[word]
        for tag in tags.keys() & self.by_tag.keys():
            tried += self.by_tag[tag]
        tried += self.by_slug.get(slug_head, [])
        return [phrase for phrase in tried if _holds(phrase, line, bag, tags, slug, slug_head, venue)]


def _holds(
    phrase: Phrase, line: str, bag: set[str], tags: dict[str, set[str]], slug: str, slug_head: str, venue: str
) -> bool:
    if phrase.slug and phrase.slug != slug_head:
        return False
    if phrase.venue and phrase.venue != venue:
        return False
    if any(len(tags.get(tag, ())) < count for tag, count in phrase.tags):
        return False
    for word in phrase.forbidden:
        if word[1:] in tags if word.startswith("@") else word in bag:
            return False
    return phrase.pattern is None or phrase.pattern.search(line) is not None


@lru_cache(maxsize=1)
def phrase_book() -> PhraseBook:
    return PhraseBook(knowledge_lines("phrases.txt"))
