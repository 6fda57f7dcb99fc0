"""Search over both venues' markets. One function for pages, the API and commands."""

import difflib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Case, F, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Lower

from markets.models import Market, SearchWord
from markets.search_index import Matches, count_matches, words_like
from markets.wording import CATEGORY, COMMON, TAG, Term, Wording, mark, read_wording

# More matches than these are not ranked by where their words stand: so common a wording says little, and volume tells
# more. It also bounds what a search costs.
MOST_RANKED = 5_000
# Facets count the first so many of what was found; a larger number would tell nobody more.
MOST_COUNTED = 2_000
SPELLINGS = 40
NOTHING = Wording()
LEAST_ALIKE = 0.7
# What a person asks for, and the statuses that answer it. `open` is more: it also looks at the clock.
STATUS_WORDS: dict[str, tuple[str, ...]] = {
    "open": (Market.Status.OPEN,),
    "closed": (Market.Status.PAUSED, Market.Status.CLOSED, Market.Status.DISPUTED),
    "resolved": (Market.Status.RESOLVED, Market.Status.VOID),
    "all": tuple(Market.Status.values),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text was read: the wording that is searched, and what stands in it where the text was mistyped.

    `matches` counts the markets that hold it before any other filter, up to one more than are ranked.
    """

    text: str = ""
    wording: Wording = NOTHING
    matches: int = 0
    corrected: str = ""

    @property
    def is_common(self) -> bool:
        return self.matches > MOST_RANKED


@dataclass(frozen=True, slots=True)
class Facets:
    """How many markets each choice of each filter would find, the other filters being as they are, largest first.

    Where `is_cut`, one of them counts only the first MOST_COUNTED markets.
    """

    counts: Mapping[str, list[tuple[str, int]]]
    is_cut: bool


def read_text(text: str, *, category: str = "", tag: str = "") -> Reading:
    """Read what a person typed, with a category and a tag; words that no market holds are read as the likest known.

    One statement where something is found as it was typed.
    """
    marks = [mark(CATEGORY, category)] if category else []
    marks += [mark(TAG, tag)] if tag else []
    # A name or a text without one letter or figure is held by no market.
    if not all(marks):
        return Reading(text=text)
    wording = read_wording(text, marks=marks)
    if not wording.terms or (text.strip() and not wording.words):
        return Reading(text=text)
    matches = count_matches(wording, at_most=MOST_RANKED + 1)
    if matches or not wording.words:
        return Reading(text=text, wording=wording, matches=matches)
    respelt = _respelt(wording)
    if respelt is None:
        return Reading(text=text, wording=wording)
    matches = count_matches(respelt, at_most=MOST_RANKED + 1)
    return Reading(text=text, wording=respelt, matches=matches, corrected=respelt.phrase if matches else "")


def _respelt(wording: Wording) -> Wording | None:
    """Return the wording with each unknown word as the known one most like it; None where nothing is like one."""
    words, terms = list(wording.words), list(wording.terms)
    telling = [index for index, word in enumerate(words) if word not in COMMON] or range(len(words))
    for place, index in enumerate(telling):
        word = words[index]
        if not word.isalpha() or _is_known(terms[place]):
            continue
        likest = spell(word)
        if likest is None:
            return None
        words[index] = likest
        terms[place] = Term((likest,), is_prefix=False)
    changed = replace(wording, words=tuple(words), terms=tuple(terms))
    return changed if changed != wording else None


def _is_known(term: Term) -> bool:
    return count_matches(Wording(terms=(term,)), at_most=1) > 0


def spell(word: str) -> str | None:
    """Return the known word that is most like a mistyped one; of two alike, the one that more markets hold."""
    near = dict(words_like(word, at_most=SPELLINGS))
    if len(word) <= 5:
        # Two letters changed about leave hardly a trigram of a short word.
        # In lower case, which they are: PostgreSQL would take each of some hundred slips to the trigrams' index.
        slipped = SearchWord.objects.alias(plain=Lower("word")).filter(plain__in=_one_slip(word))
        near |= dict(slipped.values_list("word", "count"))
    slips = _one_slip(word) if len(word) <= 12 else set()
    likeness = {
        # A slip of one key comes before any other likeness.
        found: 1.0 if found in slips else difflib.SequenceMatcher(None, word, found).ratio()
        for found in near
    }
    alike = [found for found, ratio in likeness.items() if ratio >= LEAST_ALIKE]
    return max(alike, key=lambda found: (round(likeness[found], 1), near[found], found), default=None)


def _one_slip(word: str) -> set[str]:
    """Return what one slip of a finger makes of a word: a letter left out, doubled, wrong, or two changed about."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    missed = {a + b[1:] for a, b in cuts if b}
    turned = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    wrong = {a + letter + b[1:] for a, b in cuts if b for letter in letters}
    added = {a + letter + b for a, b in cuts for letter in letters}
    return (missed | turned | wrong | added) - {word, ""}


def search_markets(
    *,
    text: str = "",
    venue: str = "",
    category: str = "",
    tag: str = "",
    status: str = "open",
    closes_before: datetime | None = None,
    closes_after: datetime | None = None,
    min_price: Decimal | None = None,
    max_price: Decimal | None = None,
    min_volume: Decimal | None = None,
    min_liquidity: Decimal | None = None,
    now: datetime,
    reading: Reading | None = None,
) -> QuerySet[Market]:
    """Return the markets that hold every word of `text`, best first; without a text the busiest first.

    Case, accents and punctuation do not matter; a word may be the beginning of a longer one, and a mistyped one is
    read as the known one most like it. Best: called so at its venue, then the phrase at the beginning of the question,
    in it, in what is around it (event, series, category, tags), then the words anywhere; open ones first, then by
    volume. More than MOST_RANKED matches are ordered by volume alone. Such an order is in the annotation `rank`, which
    only ranked results have. Ties are ordered by id, so that pages by cursor never skip a row.

    `status` is a key of STATUS_WORDS. `price` is the last trade's of YES, else what it is asked for, else bid. Volume
    is dollars at Polymarket and contracts at Kalshi. `reading` is `read_text` of the same text, category and tag, for
    a caller that has it already.
    """
    if status not in STATUS_WORDS:
        raise ValueError(f"status: expected one of {', '.join(STATUS_WORDS)}, found {status!r}")
    markets = Market.objects.all()
    if status == "open":
        markets = markets.open(now)
    elif status != "all":
        markets = markets.filter(status__in=STATUS_WORDS[status])
    if venue:
        markets = markets.filter(venue=venue)
    if closes_before is not None:
        markets = markets.filter(close_at__lt=closes_before)
    if closes_after is not None:
        markets = markets.filter(close_at__gte=closes_after)
    if min_price is not None or max_price is not None:
        markets = markets.alias(price=Coalesce("last_price", "yes_ask", "yes_bid"))
        if min_price is not None:
            markets = markets.filter(price__gte=min_price)
        if max_price is not None:
            markets = markets.filter(price__lte=max_price)
    if min_volume is not None:
        markets = markets.filter(volume__gte=min_volume)
    if min_liquidity is not None:
        markets = markets.filter(liquidity__gte=min_liquidity)
    busiest = (F("volume").desc(), "id")
    if not (text.strip() or category or tag):
        return markets.order_by(*busiest)
    read = reading or read_text(text, category=category, tag=tag)
    if not read.matches:
        return markets.none()
    markets = markets.filter(Matches("search__words", read.wording, is_common=read.is_common))
    if read.is_common or not read.wording.words:
        return markets.order_by(*busiest)
    return markets.annotate(rank=_rank(read, now)).order_by("rank", *busiest)


def fewer_words(reading: Reading) -> list[str]:
    """Return what is left of a text that finds nothing, one word taken out, wherever markets hold the rest of it."""
    words = reading.wording.words
    rests = [" ".join(words[:index] + words[index + 1 :]) for index in range(len(words))] if len(words) > 1 else []
    return [rest for rest in dict.fromkeys(rests) if count_matches(read_wording(rest), at_most=1)]


def _rank(read: Reading, now: datetime) -> Any:
    """Return 0 for the best; odd numbers are those of markets that are not open."""
    phrase = read.wording.phrase
    # No name holds what a database cannot: half a character, or a zero byte, which PostgreSQL refuses.
    name = read.text.encode(errors="ignore").decode().replace("\0", " ").strip()
    called = Q(native_id__iexact=name) | Q(slug__iexact=name)
    tiers = [
        called,
        Q(search__title__startswith=f" {phrase} "),
        Q(search__title__contains=f" {phrase} "),
        Q(search__title__contains=f" {phrase}"),
        Q(search__words__contains=f" {phrase}"),
    ]
    tier = Case(
        *(When(tier, then=Value(2 * place)) for place, tier in enumerate(tiers)),
        default=Value(2 * len(tiers)),
        output_field=IntegerField(),
    )
    return tier + Case(When(_is_open(now), then=Value(0)), default=Value(1))


def _is_open(now: datetime) -> Q:
    return Q(status=Market.Status.OPEN, vanished_at__isnull=True) & (Q(close_at__isnull=True) | Q(close_at__gt=now))


def status_word(now: datetime) -> Case:
    """Return the expression that says which of STATUS_WORDS finds a market; '' where only `all` does."""
    return Case(
        When(_is_open(now), then=Value("open")),
        When(status__in=STATUS_WORDS["closed"], then=Value("closed")),
        When(status__in=STATUS_WORDS["resolved"], then=Value("resolved")),
        default=Value(""),
    )


def count_facets(found: Callable[[str], QuerySet[Market]], columns: Mapping[str, Any]) -> Facets:
    """Count what each choice of each filter would find.

    `found` takes a filter's name and returns the search without that filter; `columns` says which column (or
    expression) of a market holds the choice of which filter. One statement a filter, of at most MOST_COUNTED rows.
    """
    counts: dict[str, list[tuple[str, int]]] = {}
    is_cut = False
    for name, column in columns.items():
        values = list(found(name).values_list(column, flat=True)[: MOST_COUNTED + 1])
        is_cut = is_cut or len(values) > MOST_COUNTED
        counted = Counter(str(value) for value in values[:MOST_COUNTED] if value not in (None, ""))
        counts[name] = sorted(counted.items(), key=lambda choice: (-choice[1], choice[0]))
    return Facets(counts=counts, is_cut=is_cut)
