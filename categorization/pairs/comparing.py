"""Compare two claims: what agrees, what differs, what is missing, and what follows for their answers."""

from functools import lru_cache
from itertools import pairwise

from categorization.knowledge.words import gazetteer
from categorization.pairs.bounds import Bound
from categorization.pairs.claims import Claim
from categorization.pairs.games import Game
from categorization.pairs.periods import Kind
from categorization.pairs.sources import read_demands, read_sources, read_void
from categorization.pairs.timing import compare_times
from categorization.pairs.verdicts import Finding, Match, Relation, Verdict
from itomarkets.lib.venues import Venue

# Words that may stand on one side alone, where the other side's words leave no second reading.
_FILLERS = {
    "win": {"race", "election", "seat", "title", "award", "prize", "contest", "next", "tournament", "edition"},
    "nominee": {"election", "race", "seat", "win", "next"},
    "fed": {"meeting", "decision", "rate", "target", "bps", "federal"},
    "champion": {"title", "season", "english", "race", "win"},
    "oscar": {"award", "ceremony", "annual", "win"},
    "president": {"election", "race"},
    "leave": {"role", "position"},
    "bitcoin": {"price", "get", "high", "low", "value"},
    "ethereum": {"price", "get", "high", "low", "value"},
    "spx": {"price", "index", "close"},
}  # fmt: skip
_SYMMETRIC = {"meet", "vs", "ceasefire", "peace", "deal", "and", "talk", "divorce", "marry", "wedding", "merge",
              "treaty", "agreement", "normalize", "normalise", "relation"}  # fmt: skip


def compare(kalshi: Claim, polymarket: Claim) -> Verdict | None:
    """Compare a Kalshi claim with a Polymarket claim; None where they have little to do with each other."""
    if kalshi.game is not None and polymarket.game is not None:
        return _compare_games(kalshi, polymarket)
    if kalshi.game is not None or polymarket.game is not None:
        return None
    shared = len(kalshi.bag & polymarket.bag)
    # Most candidates end here: even what the context supplies could not make them alike.
    if 2 * (shared + min(len(kalshi.context), 4) + min(len(polymarket.context), 4)) < len(kalshi.bag | polymarket.bag):
        return None
    words, words_found, sureness, likeness = _compare_words(kalshi, polymarket)
    if likeness < 0.5:
        return None
    bounds, bounds_found = _compare_bounds(kalshi, polymarket)
    timing = compare_times(kalshi, polymarket)
    findings = [words_found, _names_found(kalshi, polymarket), bounds_found, timing.finding]
    source, sure_of_void = Match.SAME, 1.0
    if words in (Match.SAME, Match.OPPOSITE):
        source, source_found = _compare_sources(kalshi, polymarket)
        void_found, sure_of_void = _compare_void(kalshi, polymarket)
        findings += [source_found, void_found]
        demands_found = _compare_demands(kalshi, polymarket)
        if demands_found is not None:
            source = Match.OVERLAP
            findings.append(demands_found)
    complete = kalshi.is_complete and polymarket.is_complete
    if not complete:
        unsaid = tuple(claim.venue for claim in (kalshi, polymarket) if not claim.is_complete)
        findings.append(Finding("answer", "One question does not say which answer it is about.", missing=unsaid))
    relation, narrower = _relation(words, bounds, timing.match, source) if complete else (Relation.RELATED, "")
    confidence = sureness * timing.sureness * sure_of_void
    if relation in (Relation.OVERLAPS, Relation.RELATED):
        confidence = min(confidence, likeness) * 0.8
    return Verdict(relation, round(min(confidence, 0.99), 3), narrower, tuple(findings))


def _relation(words: Match, bounds: Match, times: Match, source: Match) -> tuple[Relation, str]:
    if words not in (Match.SAME, Match.OPPOSITE) or Match.UNKNOWN in (bounds, times):
        return Relation.RELATED, ""
    if source != Match.SAME:
        return (Relation.RELATED if Match.APART in (bounds, times) else Relation.OVERLAPS), ""
    if (bounds, times) == (Match.SAME, Match.SAME):
        return (Relation.IDENTICAL if words == Match.SAME else Relation.COMPLEMENT), ""
    if words == Match.OPPOSITE:
        return Relation.RELATED, ""
    if (bounds, times) == (Match.OPPOSITE, Match.SAME):
        return Relation.COMPLEMENT, ""
    sides = {bounds, times} - {Match.SAME}
    if sides == {Match.FIRST}:
        return Relation.SUBSET, Venue.KALSHI.value
    if sides == {Match.SECOND}:
        return Relation.SUBSET, Venue.POLYMARKET.value
    if sides & {Match.APART, Match.OPPOSITE}:
        return Relation.RELATED, ""
    return Relation.OVERLAPS, ""


def _compare_words(kalshi: Claim, polymarket: Claim) -> tuple[Match, Finding, float, float]:
    first, second = set(kalshi.bag), set(polymarket.bag)
    # Of a stretch of time, "reach 100" and "be above 100" say the same; of one day they do not.
    if all(any(one.kind in (Kind.BY, Kind.IN) for one in claim.times) for claim in (kalshi, polymarket)):
        first.discard("touched")
        second.discard("touched")
    both = first & second
    only_first, only_second = first - second, second - first
    opposite = {"not"} in (only_first, only_second) and not (only_first and only_second)
    fillers = {word for cue, words in _FILLERS.items() if cue in both for word in words}
    if "fed" in both and any(one.kind == Kind.BY for one in (*kalshi.times, *polymarket.times)):
        # A deadline at a meeting is not one at the month's end.
        fillers.discard("meeting")
    hard_first, hard_second = only_first - fillers, only_second - fillers
    # The event around one market may say what the other market says itself; never both ways at once.
    supplied: set[str] = set()
    if not hard_first:
        supplied = hard_second & kalshi.context
        hard_second -= supplied
    elif not hard_second:
        supplied = hard_first & polymarket.context
        hard_first -= supplied
    likeness = len(both | supplied) / max(len(both | only_first | only_second), 1)
    sureness = 0.99 - 0.01 * len((only_first | only_second) & fillers) - 0.03 * len(supplied)
    found = Finding(
        "words",
        "The same words." if not hard_first | hard_second else "Words that only one side has.",
        tuple(sorted(both)),
        tuple(sorted(only_first)),
        tuple(sorted(only_second)),
        tuple(sorted(supplied)),
    )
    if opposite:
        return Match.OPPOSITE, found, sureness, likeness
    if hard_first or hard_second or not both:
        return Match.UNKNOWN, found, sureness, likeness
    swapped = _swapped(kalshi, polymarket, both)
    if swapped:
        return (
            Match.UNKNOWN,
            Finding(
                "words", "The same names in another order: who does it to whom?", tuple(sorted(both)), missing=swapped
            ),
            sureness,
            likeness,
        )
    return Match.SAME, found, sureness, likeness


def _swapped(kalshi: Claim, polymarket: Claim, both: set[str]) -> tuple[str, ...]:
    """Return two names of one sort that stand in another order on the other side: who does it to whom?

    A name and a country move about with the phrase ("the next leader of X be Y"), and so do many people.
    """
    if both & _SYMMETRIC:
        return ()
    names = kalshi.names & polymarket.names & both
    order = {word: at for at, word in enumerate(polymarket.words)}
    countries = [word for word in kalshi.words if word in names and word in _nations()]
    people = [word for word in kalshi.words if word in names and word not in _nations()]
    pairs = [*pairwise(countries), *(pairwise(people) if len(people) == 2 and "next" not in both else ())]
    return next(((left, right) for left, right in pairs if order[left] > order[right]), ())


@lru_cache(maxsize=1)
def _nations() -> frozenset[str]:
    return frozenset(" ".join(name) for name, tags in gazetteer().names.items() if "nation" in tags) | {"us", "uk"}


def _names_found(kalshi: Claim, polymarket: Claim) -> Finding:
    first, second = kalshi.names & kalshi.bag, polymarket.names & polymarket.bag
    only_first, only_second = first - polymarket.bag, second - kalshi.bag
    agrees = tuple(sorted((first | second) - only_first - only_second))
    says = "The same names." if not only_first | only_second else "Names that only one side has."
    if not first | second:
        says = "No names."
    return Finding("names", says, agrees, tuple(sorted(only_first)), tuple(sorted(only_second)))


def _compare_bounds(kalshi: Claim, polymarket: Claim) -> tuple[Match, Finding]:
    first, second = kalshi.bounds, polymarket.bounds
    said = tuple(bound.words for bound in first), tuple(bound.words for bound in second)
    if not first and not second:
        return Match.SAME, Finding("threshold", "Neither names a threshold.")
    if set(first) == set(second):
        return Match.SAME, Finding("threshold", "The same threshold.", said[0])
    if len(first) != 1 or len(second) != 1:
        return Match.UNKNOWN, Finding("threshold", "Thresholds that only one side has.", (), *said)
    a, b = first[0], second[0]
    match = Match.UNKNOWN
    if a.unit == b.unit or not (a.unit and b.unit):
        match = _of_bounds(a, b)
    says = {
        Match.SAME: "The same threshold.",
        Match.OPPOSITE: "Each threshold is where the other ends.",
        Match.FIRST: "Kalshi's range lies in Polymarket's.",
        Match.SECOND: "Polymarket's range lies in Kalshi's.",
        Match.OVERLAP: "The ranges overlap.",
        Match.APART: "The ranges exclude each other.",
        Match.UNKNOWN: "Thresholds in different units.",
    }[match]
    return match, Finding("threshold", says, said[0] if match == Match.SAME else (), *said)


def _of_bounds(a: Bound, b: Bound) -> Match:
    if (a.low, a.high, a.low_in, a.high_in) == (b.low, b.high, b.low_in, b.high_in):
        return Match.SAME
    if a.is_opposite_of(b):
        return Match.OPPOSITE
    if a.is_apart_from(b):
        return Match.APART
    if b.holds(a):
        return Match.FIRST
    if a.holds(b):
        return Match.SECOND
    return Match.OVERLAP


def _compare_sources(kalshi: Claim, polymarket: Claim) -> tuple[Match, Finding]:
    first, second = read_sources(kalshi.rules), read_sources(polymarket.rules)
    said = (tuple(sorted(first)), tuple(sorted(second)))
    shared = tuple(sorted(first & second))
    if not first or not second:
        missing = tuple(claim.venue for claim, found in ((kalshi, first), (polymarket, second)) if not found)
        return Match.SAME, Finding("source", "Not both name the source that decides.", shared, *said, missing)
    if shared:
        return Match.SAME, Finding("source", "The same source decides.", shared)
    measured = bool(kalshi.bounds or polymarket.bounds)
    says = (
        "Different sources decide, and a figure may differ between them." if measured else "Different sources decide."
    )
    return (Match.OVERLAP if measured else Match.SAME), Finding("source", says, (), *said)


def _compare_demands(kalshi: Claim, polymarket: Claim) -> Finding | None:
    """Name what one market's rules demand and the other's do not; None where both demand the same."""
    first, second = read_demands(kalshi.rules), read_demands(polymarket.rules)
    if first == second:
        return None
    says = "One's rules demand what the other's do not."
    return Finding("demands", says, (), tuple(sorted(first - second)), tuple(sorted(second - first)))


def _compare_void(kalshi: Claim, polymarket: Claim) -> tuple[Finding, float]:
    first, second = read_void(kalshi.rules), read_void(polymarket.rules)
    if first == second:
        says = (
            "The same words on what happens where nothing decides." if first else "Neither says when it would be void."
        )
        return Finding("void", says, tuple(sorted(first))), 1.0
    return (
        Finding("void", "Different words on what happens where nothing decides.", (), tuple(sorted(first)),
                tuple(sorted(second))),
        0.93 if first and second else 0.96,
    )  # fmt: skip


def _compare_games(kalshi: Claim, polymarket: Claim) -> Verdict | None:
    a, b = kalshi.game, polymarket.game
    if a is None or b is None or a.league != b.league or a.day != b.day or not _same_teams(a, b):
        return None
    names = tuple(sorted(a.teams | b.teams | {a.side}))
    hours = f"{a.hour or 'no hour'} and {b.hour or 'no hour'}"
    sure = 0.99
    found = [Finding("names", "The same teams.", names), Finding("time", f"The same day, {a.day}.", (str(a.day),))]
    if a.league == "mlb" and not (a.hour and a.hour == b.hour):
        found.append(Finding("time", f"Two games may fall on one day; they start at {hours}.", missing=("hour",)))
        return Verdict(Relation.RELATED, 0.6, findings=tuple(found))
    void_found, sure_of_void = _compare_void(kalshi, polymarket)
    found.append(void_found)
    sure *= sure_of_void if sure_of_void < 1 else 1
    asked = (
        Finding("words", f"{a.asks} of the game.", (a.asks,))
        if a.asks == b.asks
        else Finding("words", "They ask for different things of the game.", (), (a.asks,), (b.asks,))
    )
    found.insert(0, asked)
    if a.asks != b.asks:
        return Verdict(Relation.RELATED, 0.5, findings=tuple(found))
    if a.line != b.line:
        found.append(Finding("threshold", "Different lines.", (), (f"{a.line}",), (f"{b.line}",)))
        if a.side != b.side or a.line is None or b.line is None:
            return Verdict(Relation.RELATED, 0.5, findings=tuple(found))
        narrower = Venue.KALSHI if a.line > b.line else Venue.POLYMARKET
        return Verdict(Relation.SUBSET, round(sure, 3), narrower.value, tuple(found))
    if a.side == b.side:
        return Verdict(Relation.IDENTICAL, round(sure, 3), findings=tuple(found))
    if a.asks == "winner" and not a.can_end_level and len(a.teams) == 2 and {a.side, b.side} == a.teams == b.teams:
        found.append(Finding("words", "YES of one is NO of the other.", (), (a.side,), (b.side,)))
        return Verdict(Relation.COMPLEMENT, round(sure, 3), findings=tuple(found))
    return Verdict(Relation.RELATED, 0.5, findings=tuple(found))


def _same_teams(a: Game, b: Game) -> bool:
    if a.teams and b.teams:
        return a.teams == b.teams
    # One side names no opponent: a team plays one game on a day.
    return bool((a.teams or {a.side}) & (b.teams or {b.side}))
