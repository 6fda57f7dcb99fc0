"""The built-in exchanges ask about every risk factor; the classifier must recognise each."""

from collections import Counter
from datetime import datetime

from categorization.decisions import Decider
from categorization.factors import NONE, taxonomy
from categorization.reading import Reading
from itomarkets.sandbox.universe import FACTORS, SyntheticFeed


def _factors_by_tags() -> dict[frozenset[str], str]:
    return {frozenset(tags.split("|")): factor for factor, (tags, _) in FACTORS.items()}


def test_the_synthetic_universe_is_recognised_factor_by_factor(now: datetime, decider: Decider) -> None:
    feed = SyntheticFeed(1, now)
    by_series = {f"KX{template.series}": factor for factor, (_, templates) in FACTORS.items() for template in templates}
    by_tags = _factors_by_tags()
    readings: list[Reading] = []
    truth: list[str] = []
    for venue in ("kalshi", "polymarket"):
        events = {event.key: event for event in feed.venue_events(venue)}
        for market in feed.venue_markets(venue):
            event = events[market.event_key]
            # A Polymarket event's first tag is its shelf; the rest are the factor's.
            factor = by_series.get(event.series_key) or by_tags.get(frozenset(event.tags[1:]))
            factor = factor or by_tags.get(frozenset(event.tags))
            if factor is None:
                continue
            on_kalshi = venue == "kalshi"
            readings.append(
                Reading(
                    key=market.key,
                    venue=venue,
                    native_id=market.key,
                    title=market.title,
                    subtitle=market.subtitle or market.group_title,
                    slug=market.slug,
                    event_key=event.key,
                    event_title=event.title,
                    series_key=event.series_key if on_kalshi else "",
                    series_title=event.series_title,
                    category=event.category,
                    tags=() if on_kalshi else event.tags,
                )
            )
            truth.append(factor)
    right: Counter[str] = Counter()
    for factor, said in zip(truth, decider.decide(readings, now=None), strict=True):
        right[factor] += said.label == factor
    asked = Counter(truth)
    assert set(asked) == set(taxonomy().labels) - {NONE}
    assert sum(right.values()) / len(truth) >= 0.94
    assert {factor: right[factor] / asked[factor] for factor in asked if right[factor] / asked[factor] < 0.6} == {}
