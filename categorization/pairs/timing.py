"""Compare when two claims are about: the same time, one inside the other, or not to be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from categorization.pairs.claims import Claim
from categorization.pairs.periods import Kind, Period
from categorization.pairs.verdicts import Finding, Match

# Seasons of these cross New Year: a bare year names two of them.
_CROSSES_NEW_YEAR = {
    "nfl", "nba", "nhl", "ncaa", "premier", "mvp", "rookie", "league", "player", "coach", "football", "basketball",
    "hockey", "soccer", "liga", "serie", "bundesliga",
}  # fmt: skip
# What can come several times a year.
_COMES_AGAIN = {
    "next", "say", "mention", "briefing", "speech", "video", "episode", "week", "month", "daily", "game", "match",
    "fight", "tweet", "post", "approval", "chart", "album", "song", "top",
}  # fmt: skip
_READ_BY_THE_HOUR = {
    "bitcoin", "ethereum", "solana", "xrp", "dogecoin", "spx", "ndx", "gold", "silver", "wti", "nasdaq", "dow",
}  # fmt: skip
SAME_EVENT_DAYS = 400
SAME_ROUND_DAYS = 7


@dataclass(frozen=True, slots=True)
class Timing:
    """How the times compare, and how sure that is: 1 where both say it."""

    match: Match
    finding: Finding
    sureness: float = 1.0


def compare_times(kalshi: Claim, polymarket: Claim) -> Timing:
    """Compare the deadlines, days and stretches of two claims; what only a ticker or a close hints at is less sure."""
    first, second = kalshi.times, polymarket.times
    both = kalshi.bag & polymarket.bag
    of_a_day = any(one.kind == Kind.ON for one in (*first, *second))
    if of_a_day and both & _READ_BY_THE_HOUR and kalshi.hour != polymarket.hour:
        return _timing(Match.OVERLAP, "The hour of the reading differs or is not said.", kalshi, polymarket, 0.9)
    if len(first) > 1 or len(second) > 1:
        if _keys(first) == _keys(second):
            return _timing(Match.SAME, "The same times.", kalshi, polymarket)
        return _timing(Match.UNKNOWN, "Several times, not the same.", kalshi, polymarket)
    if first and second:
        match = _of_periods(first[0], second[0], kalshi, polymarket)
        spans = [_spans(claim.editions) for claim in (kalshi, polymarket)]
        if match == Match.SAME and spans[0] and spans[1] and spans[0] != spans[1]:
            match = Match.APART
        return _timing(match, _SAYS[match], kalshi, polymarket)
    if first or second:
        return _compare_half_dated(kalshi, polymarket)
    return _compare_editions(kalshi, polymarket)


_SAYS = {
    Match.SAME: "The same time.",
    Match.FIRST: "Kalshi's time lies in Polymarket's.",
    Match.SECOND: "Polymarket's time lies in Kalshi's.",
    Match.OVERLAP: "The times overlap.",
    Match.APART: "Different times.",
    Match.UNKNOWN: "Times that cannot be compared.",
}
_ONE_SIDE = "Only one side names a time."
_BY_HINT = "The year of one is only in its ticker and close."


def _timing(match: Match, says: str, kalshi: Claim, polymarket: Claim, sureness: float = 1.0) -> Timing:
    said = [tuple(one.words for one in (*claim.times, *claim.editions)) for claim in (kalshi, polymarket)]
    if match == Match.SAME and said[0] == said[1]:
        return Timing(match, Finding("time", says, said[0]), sureness)
    hours = [(f"at {claim.hour}",) if claim.hour else () for claim in (kalshi, polymarket)]
    missing = tuple(claim.venue for claim in (kalshi, polymarket) if not claim.times and not claim.editions)
    return Timing(match, Finding("time", says, (), said[0] + hours[0], said[1] + hours[1], missing), sureness)


def _compare_half_dated(kalshi: Claim, polymarket: Claim) -> Timing:
    """Compare where only one side has a deadline or a day; the other may name an edition, or nothing."""
    dated, undated = (kalshi, polymarket) if kalshi.times else (polymarket, kalshi)
    one = dated.times[0]
    # "in 2026" and "the 2026 election" name the same year.
    if one.is_whole_year and _spans(undated.editions) == {(one.start, one.end)}:
        return _timing(Match.SAME, "The same year.", kalshi, polymarket, 0.99)
    if one.end and any(two.start and two.end and not two.start <= one.end <= two.end for two in undated.editions):
        return _timing(Match.APART, _SAYS[Match.APART], kalshi, polymarket)
    if one.is_whole_year and one.end and not undated.editions and _hints_at(undated, one.end.year):
        return _timing(Match.SAME, _BY_HINT, kalshi, polymarket, 0.95)
    if undated.editions or one.kind not in (Kind.BY, Kind.IN):
        return _timing(Match.UNKNOWN, _ONE_SIDE, kalshi, polymarket, 0.9)
    return _timing(Match.FIRST if dated is kalshi else Match.SECOND, _ONE_SIDE, kalshi, polymarket, 0.9)


def _compare_editions(kalshi: Claim, polymarket: Claim) -> Timing:
    """Compare two claims without deadlines: by the editions they name, else by ticker and close."""
    spans = [_spans(claim.editions) for claim in (kalshi, polymarket)]
    if spans[0] and spans[1]:
        same = spans[0] == spans[1]
        return _timing(Match.SAME if same else Match.APART, "The same edition." if same else "Different editions.",
                       kalshi, polymarket)  # fmt: skip
    if spans[0] or spans[1]:
        dated, undated = (kalshi, polymarket) if spans[0] else (polymarket, kalshi)
        return _compare_with_hint(dated.editions, undated, kalshi, polymarket)
    years = [_hint_year(claim) for claim in (kalshi, polymarket)]
    if years[0] is None or years[0] != years[1]:
        return _timing(Match.UNKNOWN, "Neither says when.", kalshi, polymarket, 0.8)
    if kalshi.close is None or polymarket.close is None:
        return _timing(Match.SAME, "Neither says when; the same year by ticker and close.", kalshi, polymarket, 0.9)
    apart = abs((kalshi.close - polymarket.close).days)
    says = f"Neither says when; they close {apart} days apart."
    # What comes again within the year is the same only if it ends at about the same time.
    if apart <= (SAME_ROUND_DAYS if kalshi.bag & _COMES_AGAIN else SAME_EVENT_DAYS):
        return _timing(Match.SAME, says, kalshi, polymarket, 0.95)
    return _timing(Match.UNKNOWN, says, kalshi, polymarket, 0.8)


def _compare_with_hint(editions: Sequence[Period], undated: Claim, kalshi: Claim, polymarket: Claim) -> Timing:
    hint, edition = _hint_year(undated), editions[0]
    if len(editions) != 1 or hint is None or edition.end is None or not (edition.is_whole_year or edition.is_season):
        return _timing(Match.UNKNOWN, _ONE_SIDE, kalshi, polymarket, 0.9)
    if hint != edition.end.year:
        return _timing(Match.APART, "Different years, by ticker or close.", kalshi, polymarket)
    # A ticker names the year in which a season ends; a bare year of such a league may be either.
    if (edition.is_season and undated.ticker.year) or _hints_at(undated, edition.end.year):
        return _timing(Match.SAME, _BY_HINT, kalshi, polymarket, 0.95)
    return _timing(Match.UNKNOWN, _ONE_SIDE, kalshi, polymarket, 0.9)


def _hints_at(claim: Claim, year: int) -> bool:
    """Say whether a claim that names no time is of that year, by its ticker, and by when it closes."""
    if claim.bag & _CROSSES_NEW_YEAR or _hint_year(claim) != year:
        return False
    if claim.close is None or claim.close.year == year:
        return True
    return claim.ticker.year == year and claim.close.year == year + 1


def _hint_year(claim: Claim) -> int | None:
    return claim.ticker.year or (claim.close.year if claim.close else None)


def _keys(periods: Sequence[Period]) -> set[tuple[Kind, date | None, date | None]]:
    return {(one.kind, one.start, one.end) for one in periods}


def _spans(periods: Sequence[Period]) -> set[tuple[date | None, date | None]]:
    return {(one.start, one.end) for one in periods}


def _of_periods(a: Period, b: Period, kalshi: Claim, polymarket: Claim) -> Match:
    if Kind.RELATIVE in (a.kind, b.kind):
        same = a.said == b.said and kalshi.close == polymarket.close and kalshi.close is not None
        return Match.SAME if same else Match.UNKNOWN
    if (a.kind, a.start, a.end) == (b.kind, b.start, b.end):
        return Match.SAME
    if a.end is None or b.end is None or Kind.AFTER in (a.kind, b.kind):
        return Match.UNKNOWN
    # "in 2026" ends with "by December 31, 2026", and both began before most people asked.
    if a.end == b.end and {a.kind, b.kind} == {Kind.BY, Kind.IN} and (a.is_whole_year or b.is_whole_year):
        return Match.SAME
    return _nested(a.start, a.end, b.start, b.end)


def _nested(a_start: date | None, a_end: date, b_start: date | None, b_end: date) -> Match:
    if (a_start and a_start > b_end) or (b_start and b_start > a_end):
        return Match.APART
    if a_end <= b_end and (b_start is None or (a_start is not None and a_start >= b_start)):
        return Match.FIRST
    if b_end <= a_end and (a_start is None or (b_start is not None and b_start >= a_start)):
        return Match.SECOND
    return Match.OVERLAP
