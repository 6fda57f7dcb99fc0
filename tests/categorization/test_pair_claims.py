"""What two venues' questions are to each other: every type, and every trap, in words of our own."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from categorization.pairs.blocking import ClaimIndex
from categorization.pairs.bounds import Bound, read_bounds
from categorization.pairs.claims import Claim, Listing, read_claim
from categorization.pairs.comparing import compare
from categorization.pairs.verdicts import Verdict
from categorization.pairs.wording import side_by_side

YEAR_END = datetime(2027, 1, 1, 5, tzinfo=UTC)


def kalshi(title: str, ticker: str = "KXTHING-27", close: datetime | None = YEAR_END, **values: Any) -> Claim:
    return read_claim(Listing(1, "kalshi", ticker, title, close_at=close, **values))


def polymarket(title: str, close: datetime | None = YEAR_END, **values: Any) -> Claim:
    return read_claim(Listing(2, "polymarket", "512345", title, close_at=close, **values))


def verdict_of(first: Claim, second: Claim) -> Verdict:
    verdict = compare(first, second)
    assert verdict is not None
    return verdict


IDENTICAL = [
    ("Will Otto Lind visit Peru before Jan 1, 2027?", "Will Otto Lind visit Peru in 2026?"),
    ("Will Otto Lind visit Peru before 2027?", "Will Otto Lind visit Peru by December 31, 2026?"),
    (
        "Will Otto Lind leave Prime Minister of Norway before Jul 1, 2026?",
        "Otto Lind out as Norwegian PM by June 30, 2026?",
    ),
    ("When will the U.S. leave the pact?: Will the U.S. leave the pact before 2027?", "US leaves the pact in 2026?"),
    (
        "Will the Federal Reserve Cut rates by >25bps at their December 2026 meeting?",
        "Will the Fed decrease interest rates by 50+ bps after the December 2026 meeting?",
    ),
    (
        "Will the Federal Reserve Hike rates by 0bps at their December 2026 meeting?",
        "Will there be no change in Fed interest rates after the December 2026 meeting?",
    ),
    (
        "How high will Bitcoin get in 2026?: Will Bitcoin be above $249,999.99 by Dec 31, 2026?",
        "Will Bitcoin reach $250k by December 31, 2026?",
    ),
    (
        "Who will win the 2028 Chilean presidential election? — Ana Soto",
        "Will Ana Soto win the 2028 Chile presidential election?",
    ),
    (
        "Will Ana Soto be the nominee for the Presidency for the Republican party in 2028?",
        "Will Ana Soto win the 2028 Republican presidential nomination?",
    ),
    ("Will the Chicago C win the 2027 Pro Baseball Championship?", "Will the Chicago Cubs win the 2027 World Series?"),
    (
        "Will the measure get more than 70 votes by June 3, 2026?",
        "Will the measure get at least 71 votes by June 3, 2026?",
    ),
]


@pytest.mark.parametrize(("first", "second"), IDENTICAL[:-1])
def test_the_same_question_in_both_venues_words_is_identical(first: str, second: str) -> None:
    assert verdict_of(kalshi(first), polymarket(second)).relation == "identical"


# Alike in nearly all words, and not the same question.
TRAPS = {
    "another year": ("Will Otto Lind visit Peru in 2026?", "Will Otto Lind visit Peru in 2027?"),
    "another threshold": (
        "Will Bitcoin be above $150,000 by Dec 31, 2026?",
        "Will Bitcoin reach $160k by December 31, 2026?",
    ),
    "by and on": ("Will Otto Lind speak by May 3, 2026?", "Will Otto Lind speak on May 3, 2026?"),
    "nominee and winner": (
        "Will Ana Soto be the Republican nominee for Senate in Ohio in 2026?",
        "Will Ana Soto win the Senate race in Ohio in 2026?",
    ),
    "at least and more than": (
        "Will turnout be above 60% in the 2026 Malta election?",
        "Will turnout be 60% or more in the 2026 Malta election?",
    ),
    "more than 70 is at least 71 only of what is counted": IDENTICAL[-1],
    "men and women": ("Will Peru win the 2027 Women's World Cup?", "Will Peru win the 2027 FIFA World Cup?"),
    "one game and the series": ("Lynx win game 1 of the 2026 final?", "Lynx win the 2026 final?"),
    "a month and a year of inflation": (
        "Will CPI rise more than 0.3% in April 2026?",
        "Will annual inflation increase by more than 0.3% in April 2026?",
    ),
    "core and headline": (
        "Will core CPI rise more than 0.3% in April 2026?",
        "Will monthly CPI increase by more than 0.3% in April 2026?",
    ),
    "bands of seats": (
        "Will the Greens win between 20 and 29 seats in the 2026 Malta election?",
        "Will the Greens win between 25 and 34 seats in the 2026 Malta election?",
    ),
    "who does it to whom": ("Will Israel strike Iran in 2026?", "Will Iran strike Israel in 2026?"),
    "a condition in the heading": (
        "Otto Lind out? (Excluding death): Will Otto Lind leave office before 2027?",
        "Otto Lind out before 2027?",
    ),
    "a duration in the heading": (
        "Will Iran close the strait for 7 days?: Will Iran close the strait before 2027?",
        "Will Iran close the strait before 2027?",
    ),
    "a meeting before the deadline": (
        "Will the Federal Reserve cut rates before 2027?",
        "Fed rate cut by December 2026 meeting?",
    ),
    "an open question": (
        "Who will win the 2028 Chilean presidential election?",
        "Will Ana Soto win the 2028 Chile presidential election?",
    ),
    "an hour that one does not say": (
        "Will Bitcoin be above $90,000 on May 4, 2026 at 5pm EDT?",
        "Will Bitcoin be above $90,000 on May 4, 2026?",
    ),
    "the next, without and with a deadline": (
        "Will Otto Lind be the next Prime Minister of Norway?",
        "Will Otto Lind be the next Prime Minister of Norway by June 30, 2026?",
    ),
    "a bare year of a league that crosses New Year": (
        "Who will win NFL MVP? — Otto Lind",
        "Will Otto Lind win the 2026 NFL MVP?",
    ),
}


@pytest.mark.parametrize("trap", sorted(TRAPS))
def test_what_only_looks_the_same_is_not_identical(trap: str) -> None:
    first, second = TRAPS[trap]
    ticker = "KXCPI-26APR" if "CPI" in first else "KXTHING-27"
    verdict = compare(kalshi(first, ticker), polymarket(second))
    assert verdict is None or verdict.relation != "identical"


def test_a_narrower_threshold_or_an_earlier_deadline_is_a_subset_and_says_whose() -> None:
    higher = verdict_of(
        kalshi("Will Bitcoin be above $150,000 by Dec 31, 2026?"),
        polymarket("Will Bitcoin reach $100k by December 31, 2026?"),
    )
    assert (higher.relation, higher.narrower) == ("subset", "kalshi")
    earlier = verdict_of(
        kalshi("Will Otto Lind visit Peru before Jan 1, 2027?"),
        polymarket("Will Otto Lind visit Peru by June 30, 2026?"),
    )
    assert (earlier.relation, earlier.narrower) == ("subset", "polymarket")


def test_a_higher_threshold_and_a_later_deadline_together_only_overlap() -> None:
    mixed = verdict_of(
        kalshi("Will Bitcoin be above $150,000 by Dec 31, 2026?"),
        polymarket("Will Bitcoin reach $100k by June 30, 2026?"),
    )
    assert mixed.relation == "overlaps"


def test_the_rest_of_a_range_and_a_denial_are_complements() -> None:
    rest = verdict_of(
        kalshi("Will the 2026 Malta turnout be above 60%?"), polymarket("Will the 2026 Malta turnout be 60% or less?")
    )
    assert rest.relation == "complement"
    denied = verdict_of(
        kalshi("Will Otto Lind visit Peru in 2026?"), polymarket("Will Otto Lind not visit Peru in 2026?")
    )
    assert denied.relation == "complement"


def test_years_apart_and_ranges_apart_are_merely_related() -> None:
    for first, second in (TRAPS["another year"], (
        "Will GDP growth be between 1.0% and 1.4% in Q2 2026?", "Will GDP growth be between 1.5% and 1.9% in Q2 2026?"
    )):  # fmt: skip
        assert verdict_of(kalshi(first), polymarket(second)).relation == "related"


def test_another_source_of_a_figure_makes_it_an_overlap_and_is_named() -> None:
    question = "Will Bitcoin be above $150,000 by Dec 31, 2026?"
    verdict = verdict_of(
        kalshi(question, rules="By the CF Benchmarks index."), polymarket(question, rules="By Binance's candles.")
    )
    assert verdict.relation == "overlaps"
    source = next(stage for stage in verdict.evidence if stage["stage"] == "source")
    assert (source["kalshi"], source["polymarket"]) == (["CF Benchmarks"], ["Binance"])


def test_other_rules_for_a_void_question_make_it_less_sure_and_are_named() -> None:
    question = "Will Otto Lind visit Peru in 2026?"
    same = verdict_of(kalshi(question), polymarket(question))
    verdict = verdict_of(
        kalshi(question, rules="If cancelled, it settles at a fair price."),
        polymarket(question, rules="If cancelled, it resolves 50-50."),
    )
    assert verdict.relation == "identical"
    assert verdict.confidence < same.confidence
    void = next(stage for stage in verdict.evidence if stage["stage"] == "void")
    assert (void["kalshi"], void["polymarket"]) == (["fair price"], ["half each"])


def test_rules_that_demand_more_than_the_question_make_it_an_overlap() -> None:
    verdict = verdict_of(
        kalshi("Will Ana Soto win the 2028 Chilean presidential election?", rules="Yes if she is inaugurated in 2029."),
        polymarket("Will Ana Soto win the 2028 Chile presidential election?", rules="Yes if she wins the vote."),
    )
    assert verdict.relation == "overlaps"
    assert verdict.evidence[-1]["kalshi"] == ["taking office"]


def game(ticker: str, title: str) -> Claim:
    return kalshi(title, ticker)


def test_one_game_is_found_by_teams_day_and_hour_and_its_sides_are_told_apart() -> None:
    # 21:40 Eastern on the 29th is the 30th in UTC: the day of the slug counts, and the hour by Eastern time.
    start = datetime(2026, 7, 30, 1, 40, tzinfo=UTC)
    there = polymarket("Boston Red Sox vs. Athletics", close=start, slug="mlb-bos-oak-2026-07-29")
    title = "Boston vs Oakland Winner?: "
    assert verdict_of(game("KXMLBGAME-26JUL292140BOSOAK-BOS", title + "Boston"), there).relation == "identical"
    assert verdict_of(game("KXMLBGAME-26JUL292140BOSOAK-OAK", title + "Oakland"), there).relation == "complement"
    # The second game of one day, and the day after.
    assert verdict_of(game("KXMLBGAME-26JUL291310BOSOAK-BOS", title + "Boston"), there).relation == "related"
    assert compare(game("KXMLBGAME-26JUL302140BOSOAK-BOS", title + "Boston"), there) is None


def test_a_name_that_two_leagues_share_is_no_game() -> None:
    assert polymarket("Cardinals vs. Giants", close=YEAR_END).game is None


def test_a_draw_is_its_own_side() -> None:
    there = polymarket("Will Norway vs. Senegal end in a draw?", close=datetime(2026, 6, 23, 0, tzinfo=UTC))
    title = "Norway vs Senegal Winner?: "
    assert verdict_of(game("KXWCGAME-26JUN22NORSEN-TIE", title + "Tie"), there).relation == "identical"
    assert verdict_of(game("KXWCGAME-26JUN22NORSEN-NOR", title + "Norway"), there).relation == "related"


@pytest.mark.parametrize(
    ("text", "low", "high", "unit"),
    [
        ("above $4.5k", "4500", None, "usd"),
        ("4.25% or less", None, "4.25", "%"),
        ("between 1.25t and 1.5t", "1250000000000", "1500000000000", ""),
        ("25 bps", "25", "25", "bps"),
        ("at least 1,000", "1000", None, ""),
        ("over 2.5 goals", "3", None, ""),
        ("80-81°f", "80", "81", "degrees"),
    ],
)
def test_thresholds_are_read_with_their_units(text: str, low: str | None, high: str | None, unit: str) -> None:
    _, (bound,) = read_bounds(text)
    assert (bound.low, bound.high) == (low and Decimal(low), high and Decimal(high))
    assert bound.unit == unit


def test_a_bare_number_stays_a_name() -> None:
    assert read_bounds("season 2 of the show") == ("season 2 of the show", ())


def test_ranges_know_what_they_hold_and_exclude() -> None:
    def above(low: str, closed: bool) -> Bound:
        return Bound(Decimal(low), None, closed, True, "")

    assert above("1", True).holds(above("1", False))
    assert not above("1", False).holds(above("1", True))
    assert Bound(None, Decimal(1), True, False, "").is_apart_from(above("1", True))
    assert not Bound(None, Decimal(1), True, True, "").is_apart_from(above("1", True))


def test_the_index_offers_the_claim_that_shares_rare_words_and_no_stranger() -> None:
    claims = [kalshi(f"Will person number {number} visit town {number} in 2026?") for number in range(50)]
    twin = kalshi("Will Otto Lind visit Peru in 2026?")
    found = ClaimIndex([*claims, twin]).candidates(polymarket("Will Otto Lind visit Peru by December 31, 2026?"))
    assert found[0] is twin


def test_rules_stand_side_by_side_with_their_own_words_marked() -> None:
    ours, theirs = side_by_side("It pays if Otto visits Peru.", "It pays if otto sees Peru")
    assert [(run.text, run.is_own) for run in ours] == [("It pays if Otto", False), ("visits", True), ("Peru.", False)]
    assert [run.text for run in theirs if run.is_own] == ["sees"]
