"""Find the few Kalshi claims that one Polymarket claim is worth comparing with, by rare words, dates and games."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from math import log

from categorization.pairs.claims import Claim

# A word of more claims than this says little; it is left to the comparison.
MOST_CLAIMS_A_WORD = 400
RAREST_WORDS = 6
MOST_CANDIDATES = 12


class ClaimIndex:
    """An inverted index over one side's claims. Memory grows with that side alone; the other streams past."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.claims = claims
        self._postings: dict[str, array[int]] = {}
        counts: Counter[str] = Counter()
        for claim in claims:
            counts.update(claim.bag)
        self._counts = counts
        for at, claim in enumerate(claims):
            for key in self._keys(claim, (word for word in claim.bag if counts[word] <= MOST_CLAIMS_A_WORD)):
                self._postings.setdefault(key, array("I")).append(at)

    def candidates(self, claim: Claim) -> list[Claim]:
        """Return the indexed claims that share the most rare words with a claim, best first."""
        rare = sorted((word for word in claim.bag if word in self._postings), key=lambda word: self._counts[word])
        scores: Counter[int] = Counter()
        for key in self._keys(claim, rare[:RAREST_WORDS]):
            found = self._postings.get(key)
            if found is not None:
                # A key of few claims says more; in whole numbers, for a counter.
                worth = int(100 * log(1 + len(self.claims) / len(found)))
                for at in found:
                    scores[at] += worth
        return [self.claims[at] for at, _ in scores.most_common(MOST_CANDIDATES)]

    @staticmethod
    def _keys(claim: Claim, words: Iterable[str]) -> list[str]:
        if claim.game is not None:
            return [f"game:{claim.game.day}:{team}" for team in (claim.game.teams or {claim.game.side})]
        # A common word is rare together with a day or a threshold.
        marks = [f"@{one.end}" for one in claim.times if one.end] + [f"#{bound.words}" for bound in claim.bounds]
        return [*words, *(f"{word}{mark}" for word in sorted(claim.bag)[:12] for mark in marks)]
