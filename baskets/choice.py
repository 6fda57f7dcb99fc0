"""Which of the eligible markets a basket takes: spread over factors and venues, the busiest of each first. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from baskets.eligibility import Candidate
from baskets.method import Method


def choose(
    candidates: Iterable[Candidate],
    *,
    count: int,
    method: Method,
    keep: Sequence[Candidate] = (),
    successors_of: frozenset[str] = frozenset(),
) -> list[Candidate]:
    """Return up to `count` markets, those to keep first.

    The next leg comes from the factor with the fewest legs, in the taxonomy's order. Within it, the longer past,
    up to `past_quarters`, goes first (a known past is tested, and can be shown), the venue with fewer legs before the
    other, a sibling of a leg that fell out (`successors_of`: series) before strangers, and the busiest before the rest.
    One event, and one question, gives at most `per_event` legs and one series `per_series`; the latter gives way below
    `min_legs`.
    """
    chosen = list(keep)
    held = {candidate.market_id for candidate in chosen}
    events = Counter(candidate.event_key for candidate in chosen)
    questions = Counter(candidate.question_key for candidate in chosen)
    series = Counter(candidate.series_key for candidate in chosen if candidate.series_key)
    factors = Counter(candidate.factor for candidate in chosen)
    venues = Counter(candidate.venue for candidate in chosen)

    def past(candidate: Candidate) -> int:
        return min(candidate.quarters, method.past_quarters)

    queues: dict[tuple[int, str], dict[str, list[Candidate]]] = {}
    busiest_last = sorted(
        (candidate for candidate in candidates if candidate.market_id not in held),
        key=lambda c: (c.series_key in successors_of, past(c), c.volume, -c.market_id),
    )
    for candidate in busiest_last:
        by_venue = queues.setdefault((candidate.factor_position, candidate.factor), {})
        by_venue.setdefault(candidate.venue, []).append(candidate)
    held_back: list[Candidate] = []

    def is_exposed(candidate: Candidate) -> bool:
        return max(events[candidate.event_key], questions[candidate.question_key]) >= method.per_event

    def take(candidate: Candidate) -> None:
        chosen.append(candidate)
        events[candidate.event_key] += 1
        questions[candidate.question_key] += 1
        factors[candidate.factor] += 1
        venues[candidate.venue] += 1
        if candidate.series_key:
            series[candidate.series_key] += 1

    while queues and len(chosen) < count:
        key = min(queues, key=lambda name: (factors[name[1]], name[0], name[1]))
        by_venue = queues[key]
        venue = min(
            by_venue,
            key=lambda name: (-past(by_venue[name][-1]), venues[name], -by_venue[name][-1].volume, name),
        )
        candidate = by_venue[venue].pop()
        if not by_venue[venue]:
            del by_venue[venue]
        if not by_venue:
            del queues[key]
        if is_exposed(candidate):
            continue
        if candidate.series_key and series[candidate.series_key] >= method.per_series:
            held_back.append(candidate)
            continue
        take(candidate)
    for candidate in held_back:
        if len(chosen) >= min(count, method.min_legs):
            break
        if not is_exposed(candidate):
            take(candidate)
    return chosen
