"""The synthetic feed: what it must offer, and that it is a function of seed and calendar."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from statistics import median

import pytest

from itomarkets.sandbox.engine import World
from itomarkets.sandbox.model import KALSHI, POLYMARKET, VENUES, SandboxMarket, stable_hash
from itomarkets.sandbox.templates import each, ladder
from itomarkets.sandbox.universe import FACTORS, SyntheticFeed

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
THEMES = {
    "monetary-policy": 6, "inflation": 3, "growth-labor": 5, "fiscal-trade": 5, "equities": 4, "corporate": 5,
    "fx-rates": 3, "crypto": 6, "energy": 5, "commodities": 3, "ai-technology": 5, "us-elections": 5,
    "us-government": 7, "world-politics": 7, "geopolitics": 7, "climate-weather": 5, "health-science-space": 4,
    "sports-culture": 14,
}  # fmt: skip


@cache
def feed() -> SyntheticFeed:
    return SyntheticFeed(7, NOW)


def open_markets(at: SyntheticFeed, now: datetime, venue: str) -> list[SandboxMarket]:
    return [m for m in at.venue_markets(venue) if m.open_at <= now < m.close_at]


def series_factors() -> dict[str, str]:
    """Return the factor of every series, on both venues. FACTORS lists the factors in the taxonomy's order."""
    found: dict[str, str] = {}
    for factor, (_, templates) in FACTORS.items():
        for template in templates:
            found[f"KX{template.series}"] = factor
            found[str(10**9 + stable_hash("series", template.series) % 10**11)] = factor
    return found


@pytest.mark.parametrize("now", [NOW, NOW + timedelta(days=61), NOW + timedelta(days=250)])
def test_at_any_time_at_least_4000_markets_are_open_on_both_venues(now: datetime) -> None:
    at = SyntheticFeed(7, now)
    counts = {venue: len(open_markets(at, now, venue)) for venue in VENUES}
    assert sum(counts.values()) >= 4_000
    assert 0.5 < counts[KALSHI] / sum(counts.values()) < 0.7


def test_every_factor_has_open_markets_and_every_theme_enough_liquid_events() -> None:
    factors = iter(FACTORS)
    theme_of = {next(factors): theme for theme, size in THEMES.items() for _ in range(size)}
    world = World(feed(), lambda: NOW)
    factor_of_series = series_factors()
    seen: Counter[str] = Counter()
    liquid: Counter[str] = Counter()
    events: dict[str, set[str]] = defaultdict(set)
    for venue in VENUES:
        for market in open_markets(feed(), NOW, venue):
            event = feed().event(venue, market.event_key)
            factor = factor_of_series.get(event.series_key) if event else None
            if factor is None:
                continue
            seen[factor] += 1
            top = world.top(market, NOW)
            middle = (top.bid + top.ask) / 20_000
            if 0.05 < middle < 0.95 and top.bid_size and top.ask_size and market.close_at > NOW + timedelta(days=14):
                liquid[theme_of[factor]] += 1
                events[theme_of[factor]].add(market.event_key)
    assert set(seen) == set(FACTORS)
    assert len(FACTORS) == 99
    assert [theme for theme in THEMES if liquid[theme] < 25] == []
    assert [theme for theme in THEMES if len(events[theme]) < 8] == []


@pytest.mark.parametrize("days", [0, 25, 45, 100, 180, 222, 300, 590])
def test_at_any_time_every_theme_has_liquid_events_of_more_than_a_year_that_are_undecided(days: int) -> None:
    now = NOW + timedelta(days=days)
    at = SyntheticFeed(7, now)
    world = World(at, lambda: now)
    factors = iter(FACTORS)
    theme_of = {next(factors): theme for theme, size in THEMES.items() for _ in range(size)}
    factor_of_series = series_factors()
    questions: dict[str, set[str]] = defaultdict(set)
    venues: dict[str, set[str]] = defaultdict(set)
    factors_seen: set[str] = set()
    for venue in VENUES:
        for market in open_markets(at, now, venue):
            event = at.event(venue, market.event_key)
            factor = factor_of_series.get(event.series_key) if event else None
            if factor is None or event is None or market.open_at > now - timedelta(days=400):
                continue
            top = world.top(market, now)
            middle = (top.bid + top.ask) / 20_000
            if 0.08 <= middle <= 0.92 and top.ask - top.bid <= 500 and market.close_at > now + timedelta(days=30):
                questions[theme_of[factor]].add(event.title)
                venues[theme_of[factor]].add(venue)
                factors_seen.add(factor)
    assert [theme for theme in THEMES if len(questions[theme]) < 16] == []
    assert [theme for theme in THEMES if venues[theme] != set(VENUES)] == []
    assert factors_seen == set(FACTORS)


def test_a_market_of_years_has_traded_more_than_a_young_one_and_less_than_it_will() -> None:
    live = open_markets(feed(), NOW, KALSHI)
    old = [m for m in live if m.open_at < NOW - timedelta(days=400)]
    young = [m for m in live if m.open_at > NOW - timedelta(days=60) and not m.is_combo]
    assert median(m.traded_until(NOW) for m in old) > 50 * median(m.traded_until(NOW) for m in young)
    assert median(m.traded_today(NOW) for m in old) > 3 * median(m.traded_today(NOW) for m in young)
    assert all(0 < m.traded_until(NOW) < m.traded_until(NOW + timedelta(days=5)) <= m.volume for m in old)


def test_what_is_open_for_years_moves_a_few_cents_a_day() -> None:
    old = [m for m in open_markets(feed(), NOW, POLYMARKET) if m.open_at < NOW - timedelta(days=400)]
    calm = [m for m in old if m.close_at > NOW + timedelta(days=200)]
    moves = [
        abs(float(feed().price(m, NOW - timedelta(days=day)) - feed().price(m, NOW - timedelta(days=day + 1))))
        for m in calm[::10]
        for day in range(30)
    ]
    assert 0.002 < sum(moves) / len(moves) < 0.02
    assert max(moves) < 0.12


def test_only_what_can_be_asked_years_ahead_has_a_lasting_twin() -> None:
    gold = ladder("GOLD", "Gold", "Will gold be above {x} at the end of {when}?", (4000, 100, 7, "{:.0f}"), "month", 3)
    twin = gold.lasting()
    assert twin is not None
    assert (twin.series, twin.cadence, twin.ahead, twin.step, twin.steps) == ("GOLDYR", "year", 4, 200, 4)
    strike = each("STRIKE", "Will {name} by {until}?", "a|b|c|d|e|f", "quarter", 3).lasting()
    assert strike is not None
    assert (strike.ahead, strike.names) == (3, ("a", "b", "c", "d"))
    assert each("RAIN", "Will it rain in {name} in {when}?", "a|b", "month", 3).lasting() is None
    assert each("SLOW", "Will {name} by {until}?", "a|b", "half", 4).lasting() is None


def test_the_same_seed_and_time_give_the_same_markets_and_prices() -> None:
    other = SyntheticFeed(7, NOW)
    for venue in VENUES:
        assert [m.key for m in feed().venue_markets(venue)] == [m.key for m in other.venue_markets(venue)]
    for market in feed().venue_markets(KALSHI)[::40]:
        twin = other.market(KALSHI, market.key)
        assert twin is not None
        moments = [NOW, NOW - timedelta(hours=5), NOW + timedelta(days=2)]
        assert [other.price(twin, m) for m in moments][::-1] == [feed().price(market, m) for m in moments[::-1]]


def test_another_seed_gives_other_prices() -> None:
    other = SyntheticFeed(8, NOW)
    shared = [m for m in feed().venue_markets(KALSHI)[:200] if other.market(KALSHI, m.key)]
    assert any(feed().price(m, NOW) != other.price(other.market(KALSHI, m.key), NOW) for m in shared)  # type: ignore[arg-type]


def test_a_restart_weeks_later_knows_the_markets_that_are_still_open() -> None:
    later = NOW + timedelta(days=20)
    restarted, moved = SyntheticFeed(7, later), SyntheticFeed(7, NOW)
    moved.refresh(later)
    for venue in VENUES:
        fresh = {m.key for m in open_markets(restarted, later, venue)}
        grown = {m.key for m in open_markets(moved, later, venue)}
        assert fresh == grown
        kept = [m for m in open_markets(feed(), NOW, venue) if m.close_at > later]
        assert all(restarted.market(venue, m.key) for m in kept)


def test_ladders_fall_with_the_threshold_and_exclusive_outcomes_sum_to_one() -> None:
    for event in feed().venue_events(KALSHI):
        markets = [feed().market(KALSHI, key) for key in event.market_keys]
        live = [m for m in markets if m is not None and m.open_at <= NOW < m.close_at]
        if len(live) < 2 or event.is_combo:
            continue
        prices = [float(feed().price(m, NOW)) for m in live]
        if event.mutually_exclusive:
            assert 0.97 < sum(prices) < 1.05, event.key
        elif live[0].floor_strike is not None:
            ranked = [p for _, p in sorted(zip([m.floor_strike for m in live], prices, strict=True))]  # type: ignore[type-var]
            assert ranked == sorted(ranked, reverse=True), event.key


def test_prices_stay_inside_the_bounds_and_end_at_zero_or_one() -> None:
    for market in feed().venue_markets(POLYMARKET)[::25]:
        life = market.close_at - market.open_at
        for part in range(20):
            price = feed().price(market, market.open_at + life * part / 20)
            assert 0 < price < 1
        assert feed().price(market, market.settle_at) == feed().outcome(market)
        assert feed().outcome(market) in (0, 1)


def test_prices_move_within_minutes() -> None:
    world = World(feed(), lambda: NOW)
    markets = open_markets(feed(), NOW, KALSHI)[:600]
    tops = [world.top(m, NOW)[:2] for m in markets]
    later = [world.top(m, NOW + timedelta(minutes=1))[:2] for m in markets]
    assert sum(a != b for a, b in zip(tops, later, strict=True)) > 30


def test_the_same_question_on_both_venues_has_the_same_price() -> None:
    titles = {m.title: m for m in open_markets(feed(), NOW, POLYMARKET)}
    pairs = [(m, titles[m.title]) for m in open_markets(feed(), NOW, KALSHI) if m.title in titles]
    assert len(pairs) > 500
    assert all(feed().price(a, NOW) == feed().price(b, NOW) for a, b in pairs[::20])


def test_there_are_combos_settled_and_unopened_markets_and_a_few_odd_ones() -> None:
    markets = feed().venue_markets(KALSHI)
    assert sum(m.is_combo for m in markets) > 50
    assert sum(m.settle_at < NOW for m in markets) > 500
    assert sum(m.open_at > NOW for m in markets) > 50
    odd = [m for venue in VENUES for m in open_markets(feed(), NOW, venue) if "ODD" in m.key or "???" in m.title]
    assert odd


def test_every_day_something_opens_and_something_closes() -> None:
    for day in range(7):
        start = NOW + timedelta(days=day)
        at = SyntheticFeed(7, start)
        rows = at.venue_markets(KALSHI)
        assert any(start <= m.open_at < start + timedelta(days=1) for m in rows)
        assert any(start <= m.close_at < start + timedelta(days=1) for m in rows)
