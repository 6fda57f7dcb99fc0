"""Words as the search compares them: of a market's texts, and of what a person types. No Django here."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

TEXT_LENGTH = 200
MOST_WORDS = 8
LONGEST_WORD = 40
# Marks of a tag and of a category among the words of a market; no word that a person types holds them.
TAG, CATEGORY = "#", "@"
# Said in every question: they tell nothing apart, unless nothing else was typed.
COMMON = frozenset(
    ("a", "an", "and", "at", "be", "by", "for", "in", "is", "it", "of", "on", "or", "the", "to", "will", "with")
)
# Letters that Unicode does not take apart into a letter and a mark.
UNMARKED = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
THOUSANDS = {"k": 3, "m": 6, "b": 9, "bn": 9, "t": 12}
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_SHORT_NUMBER = re.compile(r"(?<![\w.])(\d{1,6}(?:\.\d{1,3})?)(k|m|bn|b|t)(?!\w)")
_WORD = re.compile(r"[^\W_]+")


@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text: no case, no accents, no punctuation; 100k and 100,000 are one word."""
    if not text.isascii():
        # What is written without being seen (zero width, direction) is no part of a word.
        seen = (letter for letter in unicodedata.normalize("NFKD", text) if unicodedata.category(letter) != "Cf")
        text = "".join(letter for letter in seen if not unicodedata.combining(letter))
    text = text.casefold()
    if not text.isascii():
        text = text.translate(UNMARKED)
    text = _GROUPED.sub("", text).replace("%", " percent ")
    text = _SHORT_NUMBER.sub(_written_out, text)
    return tuple(word[:LONGEST_WORD] for word in _WORD.findall(text))


def _written_out(found: re.Match[str]) -> str:
    number = Decimal(found[1]).scaleb(THOUSANDS[found[2]])
    return str(int(number)) if number == int(number) else found[0]


def mark(sign: str, name: str) -> str:
    """Return the one word that stands for a tag or a category, however it is spaced or written; '' for no name."""
    joined = "".join(words_of(name))
    return sign + joined[:LONGEST_WORD] if joined else ""


@dataclass(frozen=True, slots=True)
class Term:
    """One of several words that must be there, as it stands or as the beginning of a longer one."""

    words: tuple[str, ...]
    is_prefix: bool


@dataclass(frozen=True, slots=True)
class Wording:
    """What a text asks of the index: every term must be there; `words` are the text's own, in order."""

    words: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()

    @property
    def phrase(self) -> str:
        return " ".join(self.words)

    @property
    def tsquery(self) -> str:
        """The terms for PostgreSQL. Words hold letters and digits alone, so quotes cannot end early."""
        return " & ".join(
            "(" + " | ".join(f"'{word}'{':*' if term.is_prefix else ''}" for word in term.words) + ")"
            for term in self.terms
        )

    @property
    def fts5(self) -> str:
        """The terms for SQLite's FTS5."""
        return " AND ".join(
            "(" + " OR ".join(f'"{word}"{"*" if term.is_prefix else ""}' for word in term.words) + ")"
            for term in self.terms
        )


def read_wording(text: str, *, marks: Iterable[str] = ()) -> Wording:
    """Read what a person typed, and the marks of tags and categories that must be there beside it.

    Every word may be the beginning of a longer one; a number only where it stands last, because it may not be
    finished. Of a plural the singular is enough. Words past the eighth are not read.
    """
    words = words_of(text[:TEXT_LENGTH])[:MOST_WORDS]
    telling = [index for index, word in enumerate(words) if word not in COMMON] or range(len(words))
    terms = [_term(words[index], is_last=index == len(words) - 1) for index in telling]
    terms += [Term((name,), is_prefix=False) for name in marks]
    return Wording(words=words, terms=tuple(terms))


def _term(word: str, *, is_last: bool) -> Term:
    if len(word) >= 5 and word.endswith("s") and not word.endswith("ss"):
        return Term((word[:-1],), is_prefix=True)
    # One letter begins half of all words.
    is_prefix = len(word) > 1 and (is_last or not word.isdigit())
    return Term((word,), is_prefix=is_prefix)


def document_of(
    *,
    title: str,
    subtitle: str,
    native_id: str,
    slug: str,
    event: str,
    series: str,
    category: str,
    tags: Sequence[object],
) -> tuple[str, str]:
    """Return what is indexed of a market: the words of its question, and those around it, each with spaces at its ends.

    A space before and after each word lets a phrase be found by one comparison.
    """
    own = [*words_of(title), *words_of(subtitle)]
    ticker = words_of(native_id)
    # An event's texts come again with each of its markets, and are read once.
    around = [*ticker, *words_of(f"{event} {series} {category} {' '.join(str(tag) for tag in tags)}")]
    known = {*own, *around}
    around += [word for word in words_of(slug) if word not in known]
    # A ticker is typed with and without its dashes.
    around += [joined for joined in ["".join(ticker)[:LONGEST_WORD]] if joined not in known]
    around += [mark(TAG, str(tag)) for tag in tags] + [mark(CATEGORY, category)]
    return f" {' '.join(own)} ", f" {' '.join(word for word in around if word)} "
