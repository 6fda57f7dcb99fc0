"""Stage 1: read a market's words, ticker parts and names, without deciding anything."""

import re
from dataclasses import dataclass

from categorization.knowledge.series import STATES, series_stem
from categorization.knowledge.words import gazetteer, words_of
from categorization.reading import Reading
from itomarkets.lib.venues import Venue

NAME = "normalize"
_district = re.compile(r"\b([A-Z]{2})-(?:\d{1,2}|AL)\b")
_stock = re.compile(r"\(\$?[A-Z]{1,5}\)")
_not_stocks = {"(BO", "(SI)", "(GC)", "(CL)", "(NG)", "(HIGH)", "(LOW)", "(SPX)", "(NDX)", "(HSI)", "(WTI)", "(XAUUSD)"}
_not_stocks |= {"(XAGUSD)", "(RUT)", "(DJI)", "(NYA)", "(NKY)", "(UKX)", "(DAX)", "(HG)", "(SPY)", "(QQQ)", "(VIX)"}
# "Oeiras 3: Henrique Rocha vs Roman Safiullin": a place or a cup, and two people.
_duel = re.compile(
    r"^[^:]{3,60}: [A-ZÀ-Ž][\w'’.-]+(?: [A-ZÀ-Ža-z][\w'’.-]+){1,4} vs [A-ZÀ-Ž][\w'’.-]+(?: [A-ZÀ-Ža-z][\w'’.-]+){1,4}$"
)
_bare_win = re.compile(r"^Will [^?|]{3,40} win\?$")
_abbreviations = re.compile(r"^(?:Spread: [A-Z]{2,3} \(|[A-Z]{2,3} vs\. [A-Z]{2,3}\b)")
_over_under = re.compile(r"\bO/U (\d+)(?:\.\d)?\b")
_slug_id = re.compile(r"(?:-\d+)+$")
_masked = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Text:
    """What one market says, in words; the stages after this one read nothing else of its text."""

    words: tuple[str, ...]
    tags: dict[str, set[str]]
    # The Kalshi series without KX, or the first part of the Polymarket slug.
    stem: str
    venue: str
    slug: str
    names: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not any(len(word) > 1 for word in self.words) and not self.stem


def normalize(reading: Reading) -> Text:
    """Read a market's words: the title, then after a bar each other text that adds something."""
    title_words = words_of(reading.title)
    parts: list[str] = list(title_words)
    bag = set(title_words)
    for text in (reading.event_title, reading.subtitle, reading.series_title):
        if not text:
            continue
        more = words_of(text)
        if not set(more) <= bag:
            parts += ["|", *more]
            bag.update(more)
    on_kalshi = reading.venue == Venue.KALSHI
    # A slug is in Latin letters even where the title is not.
    if reading.slug and not on_kalshi and not reading.title.isascii():
        slug_words = words_of(_slug_id.sub("", reading.slug).replace("-", " "))
        if not set(slug_words) <= bag:
            parts += ["|", *slug_words]
    words = tuple(parts)
    tags = gazetteer().find(words)
    whole = f"{reading.title} {reading.event_title}"
    if any(found.group(1) in STATES for found in _district.finditer(whole)):
        tags["district"] = {"district"}
    if any(found.group() not in _not_stocks for found in _stock.finditer(whole)):
        tags["ticker"] = {"ticker"}
    tags.update(_shapes(reading))
    # A market's own ticker where the venue's event names no series.
    ticker = reading.series_key or reading.native_id
    stem = series_stem(ticker) if on_kalshi else reading.slug.split("-", 1)[0].lower()
    named = dict.fromkeys(name.strip().lower() for name in (reading.category, *reading.tags) if name.strip())
    return Text(words=words, tags=tags, stem=stem, venue=reading.venue, slug=reading.slug.lower(), names=tuple(named))


def bare(reading: Reading) -> Text:
    """Read only the title, cut at blanks, with no names and no shapes: what is left without this stage."""
    words = tuple(reading.title[:600].lower().split())
    stem = series_stem(reading.series_key or reading.native_id) if reading.venue == Venue.KALSHI else ""
    return Text(words=words, tags={}, stem=stem, venue=reading.venue, slug="", names=())


def _shapes(reading: Reading) -> dict[str, set[str]]:
    """Tag what the form of a title gives away: a duel, a bare win, the size of a total."""
    shapes: dict[str, set[str]] = {}
    title = reading.title.strip()
    if _duel.match(title):
        shapes["duel"] = {"duel"}
    if _bare_win.match(title):
        shapes["barewin"] = {"barewin"}
    if _abbreviations.match(title):
        shapes["abbreviations"] = {"abbreviations"}
    total = _over_under.search(title)
    if total is not None:
        points = int(total.group(1))
        size = "highscore" if points >= 100 else "goals" if points <= 6 else "runs" if points <= 20 else "points"
        shapes[size] = {size}
    return shapes


def explain(text: Text) -> str:
    names = ", ".join(sorted(text.tags)[:5])
    said = f"{len(text.words)} words"
    if text.stem:
        said += f", {'series' if text.venue == Venue.KALSHI else 'slug'} {text.stem}"
    return said + (f", names: {names}" if names else "") + "."


def mask(words: tuple[str, ...]) -> tuple[str, ...]:
    """Hide numbers, except years, so that the steps of a ladder read alike."""
    return tuple(
        "#" if _masked.search(word) and not (len(word) == 4 and word.startswith("20")) else word for word in words
    )
