"""What one market claims, in words, times and thresholds that two venues' texts can be compared by."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from categorization.knowledge.words import plain_text, words_of
from categorization.pairs.bounds import Bound, read_bounds
from categorization.pairs.games import Game, read_game, with_teams
from categorization.pairs.periods import Kind, Period, TickerTime, read_periods, read_ticker
from itomarkets.lib.venues import Venue

FOLDER = Path(__file__).resolve().parent
_asks = re.compile(r"^\W*(?:who|what|which|where|when|how)\b", re.IGNORECASE)
_asks_object = re.compile(r"^\W*(?:who|what|which(?: \w+)?|where) (?:will|did|does|is) (?:the )?[A-Z]")
_states = re.compile(
    r"^\W*(?:will|wil|is|are|was|does|do|did|has|have|can|could|should)\b|\bout\b|\breach(?:es)?\b|\bbefore\b.*\?$",
    re.IGNORECASE,
)
_either = re.compile(r"\b[A-Z]\w+ or [A-Z][\w ]+ first\b")
_dash = re.compile(r"[‐-―−]")
_edition = re.compile(r"\b(\d{2})(?:st|nd|rd|th) (?:annual )?oscars?\b|\b(\d{2})(?:st|nd|rd|th) academy awards?\b")
_roman = {"lix": 2025, "lx": 2026, "lxi": 2027, "lxii": 2028}
_bowl = re.compile(r"\bsuper bowl (lix|lxii|lxi|lx)\b")
_ordinal = re.compile(r"^(\d+)(?:st|nd|rd|th)$")
_ordinals = {
    "first": "#1", "second": "#2", "third": "#3", "fourth": "#4", "fifth": "#5", "sixth": "#6", "seventh": "#7",
    "one": "#1", "two": "#2", "three": "#3", "four": "#4", "five": "#5",
}  # fmt: skip
_same = {
    "increase": "rise", "grow": "rise", "growth": "rise", "winner": "win", "won": "win", "inflation": "cpi",
    "nominate": "nominee", "nominated": "nominee",
    "picked": "pick", "ousted": "leave", "cannot": "not", "no": "not", "fail": "not", "wont": "not",
}  # fmt: skip
_bracket = re.compile(r"\(([^)]*\b(?:excluding|including|only|not|death|settles)\b[^)]*)\)", re.IGNORECASE)
_demand = re.compile(r"\bfor (\d+\+? (?:hours|days|weeks|months))", re.IGNORECASE)
_name = re.compile(r"(?<![.?!:] )(?<!^)\b[A-ZÀ-Ž][\w'’À-ž-]+")
_fed_step = Decimal(25)


@dataclass(frozen=True, slots=True)
class Listing:
    """One market as its venue describes it. `key` is what the caller calls it by."""

    key: Any
    venue: str
    native_id: str
    title: str
    subtitle: str = ""
    slug: str = ""
    yes_label: str = "Yes"
    event_title: str = ""
    series_key: str = ""
    rules: str = ""
    close_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a market says comes about, in canonical words, and what else is known of it."""

    key: Any
    venue: str
    words: tuple[str, ...]
    bag: frozenset[str]
    # Words around the claim: the event's title, a list's heading. They may supply what the other venue says.
    context: frozenset[str]
    names: frozenset[str]
    bounds: tuple[Bound, ...]
    # Deadlines, days and stretches; then editions ("the 2028 election"), also those of the context.
    times: tuple[Period, ...]
    editions: tuple[Period, ...]
    hour: str
    ticker: TickerTime
    close: date | None
    is_complete: bool
    game: Game | None
    rules: str


def read_claim(listing: Listing) -> Claim:
    """Read what a market claims; a question that names no answer is marked incomplete."""
    close = listing.close_at.date() if listing.close_at else None
    statement, around, complete = (
        _kalshi_statement(listing) if listing.venue == Venue.KALSHI else _polymarket_statement(listing)
    )
    said = _read(statement, close)
    words, bounds, editions = said.words, said.bounds, said.editions
    context_words: list[str] = []
    context_editions: list[Period] = []
    for text in around:
        more = _read(text, close)
        context_words += more.words
        context_editions += [*more.editions, *(one for one in more.times if one.is_whole_year)]
    if not said.times and not editions:
        editions = tuple(dict.fromkeys(context_editions))
    ticker = TickerTime()
    if listing.venue == Venue.KALSHI:
        ticker = read_ticker(listing.native_id.removeprefix("EVENT:"))
        words += _series_words(listing.series_key or listing.native_id.removeprefix("EVENT:").split("-")[0])
    if "fed" in words:
        bounds = tuple(_in_steps(bound) for bound in bounds)
    return Claim(
        key=listing.key,
        venue=listing.venue,
        words=tuple(dict.fromkeys(words)),
        bag=frozenset(words),
        context=frozenset(context_words) - frozenset(words),
        names=frozenset(_words(" ".join(_name.findall(statement)))) & frozenset(words),
        bounds=bounds,
        times=said.times,
        editions=editions,
        hour=said.hour,
        ticker=ticker,
        close=close,
        is_complete=complete and bool(words),
        game=read_game(
            venue=listing.venue,
            ticker=listing.native_id.removeprefix("EVENT:"),
            title=listing.title,
            outcome=listing.subtitle if listing.venue == Venue.KALSHI else listing.yes_label,
            slug=listing.slug,
            event_title=listing.event_title,
            close_at=listing.close_at,
        ),
        rules=listing.rules,
    )


def _kalshi_statement(listing: Listing) -> tuple[str, list[str], bool]:
    """Put a question and its outcome together; titles hold both, one, or the outcome alone."""
    head, _, aside = _clean(listing.title).partition("::")
    aside = aside.strip(" :")
    around = [text for text in (listing.event_title, aside) if text]
    question, outcome = head.strip(" :"), ""
    if " — " in f" {head}":
        question, _, outcome = f" {head}".partition(" — ")
    else:
        left, colon, right = question.rpartition(": ")
        if colon and re.match(r"\W*will\b", right, re.IGNORECASE):
            return f"{right} {_conditions(left)}".strip(), [left, *around], True
        if colon:
            question, outcome = left, right
    question, outcome = question.strip(), outcome.strip()
    subtitle = listing.subtitle.partition("::")[0].strip()
    if subtitle == listing.title.strip():
        subtitle = ""
    if not outcome and subtitle and (not _states.search(question) or not _adds_nothing(subtitle, question)):
        outcome = subtitle
    if not question:
        question, around = listing.event_title, [aside] if aside else []
    if not outcome:
        return (
            question,
            around,
            bool(_states.search(question)) and not _asks.search(question) and not _either.search(question),
        )
    return _together(question, outcome), around, bool(question)


def _polymarket_statement(listing: Listing) -> tuple[str, list[str], bool]:
    title = _clean(listing.title)
    around = [listing.event_title] if listing.event_title else []
    if listing.yes_label not in ("Yes", "YES", "yes", ""):
        return f"{title} {listing.yes_label}", around, " vs" not in title
    complete = (
        not _asks.search(title) and not _either.search(title) and " vs" not in title and "Up or Down" not in title
    )
    return title, around, complete


def _conditions(heading: str) -> str:
    """Return what a heading adds to the question under it: brackets, and a duration or count that it demands."""
    return " ".join([*_bracket.findall(heading), *_demand.findall(heading)])


def _clean(text: str) -> str:
    return text.replace("**", "").strip()


def _adds_nothing(outcome: str, question: str) -> bool:
    """Say whether an outcome is the question's own threshold or name again: "4.25%", "Spain"."""
    said = set(words_of(question))
    return all(word in said or any(char.isdigit() for char in word) for word in words_of(outcome)) or bool(
        re.match(r"[<>≥≤$\d]", outcome)
    )


def _together(question: str, outcome: str) -> str:
    """Put the outcome where the question asks for it; a time or threshold in it stands for the question's own."""
    _, times, _ = read_periods(plain_text(outcome), close=None)
    _, bounds = read_bounds(plain_text(outcome))
    bare = question.rstrip("? ")
    if times:
        bare = read_periods(plain_text(bare), close=None)[0]
    if bounds:
        bare = read_bounds(bare)[0]
    return f"{bare} {outcome}" if _asks_object.search(question) or times else f"{outcome} {bare}"


@dataclass(frozen=True, slots=True)
class _Said:
    words: list[str]
    bounds: tuple[Bound, ...]
    times: tuple[Period, ...]
    editions: tuple[Period, ...]
    hour: str


def _read(text: str, close: date | None) -> _Said:
    plain = _dash.sub("-", plain_text(text)).replace("’", "'")
    plain = _edition.sub(lambda found: f"{1928 + int(found[1] or found[2])} oscar", plain)
    plain = _bowl.sub(lambda found: f"{_roman[found[1]]} super bowl", plain)
    for cues, pattern, said in _phrases():
        if any(cue in plain for cue in cues):
            plain = pattern.sub(said, plain)
    plain, periods, hour = read_periods(plain, close=close)
    plain, bounds = read_bounds(plain)
    words = _words(with_teams(plain))
    if {"champion", "nominee", "constructor", "driver"} & set(words):
        # To win a championship and to be the champion is one thing.
        words = [word for word in words if word != "win"]
    return _Said(
        words,
        bounds,
        tuple(one for one in periods if one.kind != Kind.LABEL),
        tuple(one for one in periods if one.kind == Kind.LABEL),
        hour,
    )


def _words(text: str) -> list[str]:
    stop, countries = _stopwords(), _demonyms()
    found = []
    for raw in words_of(text):
        word = raw
        if "_" not in word:
            word = countries.get(word, word)
            word = _ordinals.get(word, word)
            ordinal = _ordinal.match(word)
            if ordinal is not None:
                word = f"#{ordinal[1]}"
            elif word.isdigit():
                word = f"#{int(word)}"
            elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
                word = word[:-1]
            word = _same.get(word, word)
        if word and raw not in stop and word not in stop and word != "|" and len(word) > 1:
            found.append(word)
    return found


def _in_steps(bound: Bound) -> Bound:
    """Read "more than 25 bps" of a bank that moves in steps of 25 as "at least 50"."""
    if bound.unit == "bps" and bound.low is not None and not bound.low_in:
        return Bound(bound.low + _fed_step, bound.high, True, bound.high_in, "bps")
    return bound


def _lines(name: str) -> Iterable[str]:
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


@lru_cache(maxsize=1)
def _phrases() -> tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...]:
    made = []
    for line in _lines("phrases.txt"):
        cues, _, rest = line.partition(" | ")
        pattern, _, words = rest.partition(" => ")
        made.append((tuple(cues.split(", ")), re.compile(pattern), words))
    return tuple(made)


@lru_cache(maxsize=1)
def _stopwords() -> frozenset[str]:
    return frozenset(word for line in _lines("stopwords.txt") for word in line.split())


@lru_cache(maxsize=1)
def _demonyms() -> dict[str, str]:
    return dict(line.split() for line in _lines("demonyms.txt"))


@lru_cache(maxsize=1)
def _series() -> dict[str, list[str]]:
    return {name: words.split() for name, _, words in (line.partition(": ") for line in _lines("series.txt"))}


def _series_words(series: str) -> list[str]:
    return _series().get(series, [])


@lru_cache(maxsize=1)
def reading_version() -> str:
    """Return the digest of all that a comparison depends on besides the markets' own texts."""
    digest = blake2b(digest_size=8)
    for path in sorted([*FOLDER.glob("*.txt"), *FOLDER.glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
