"""The next question of a series: the same words for a later date, as a share's ticker outlives its papers."""

import re
from collections.abc import Collection
from datetime import datetime

from baskets.candidates import Word, labelled_sides, named_candidates
from baskets.eligibility import listed_reasons
from baskets.method import Method
from baskets.models import Basket
from markets.models import Market

MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec"
)
# What names a date in a question. Other numbers stay: they are what the question is about.
DATE_WORDS = re.compile(
    rf"\b(?:(?:{MONTHS})\b\.?(?:\s+\d{{1,2}}(?:st|nd|rd|th)?\b)?|\d{{1,2}}(?:st|nd|rd|th)?\s+(?:{MONTHS})\b"
    r"|(?:19|20)\d\d(?:-\d\d(?:-\d\d)?)?\b|q[1-4]\b|\d{1,2}/\d{1,2}(?:/\d{2,4})?\b)",
    re.IGNORECASE,
)


def stem_of(question: str) -> str:
    """Return a question without its dates: two questions of one stem ask the same of different days."""
    return " ".join(re.findall(r"[\w.%$]+", DATE_WORDS.sub(" ", question).lower()))


def successor_of(
    decided: Market, *, side: str, basket: Basket, method: Method, taken: Collection[int], now: datetime
) -> Market | None:
    """Return the next question of a decided market's series that may be bought, the soonest to close, or None.

    In a system basket its label must say the same side too.
    """
    if decided.event is None or not decided.event.series_key or decided.close_at is None:
        return None
    later = (
        Market.objects.open(now)
        .filter(venue=decided.venue, event__series_key=decided.event.series_key, close_at__gt=decided.close_at)
        .exclude(pk__in=taken)
        .select_related("event")
        .order_by("close_at", "pk")
    )
    stem = stem_of(decided.question)
    same = [market for market in later if stem_of(market.question) == stem]
    words = {market.pk: Word(market.pk, False, side) for market in same}
    reasons = {
        candidate.market_id: listed_reasons(candidate, now=now, method=method)
        for candidate in named_candidates(words, words=words, now=now)
    }
    labels = labelled_sides(words, basket.theme) if basket.theme is not None else dict.fromkeys(words, side)
    return next((market for market in same if not reasons[market.pk] and labels.get(market.pk) == side), None)
