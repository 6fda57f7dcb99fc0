"""What a Kalshi series ticker says: KXHIGHNY is a temperature, KXGOVTXNOMR a governor's primary."""

import re
from dataclasses import dataclass
from functools import lru_cache

from categorization.knowledge import knowledge_lines

_STATES = (
    "AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH NJ NM NV NY OH OK OR "
    "PA RI SC SD TN TX UT VA VT WA WI WV WY"
)
STATES = frozenset(_STATES.split())


@dataclass(frozen=True, slots=True)
class SeriesMatch:
    """The factor that a ticker's pattern names, and the pattern, for the trail."""

    factor: str
    pattern: str
    # Characters of the ticker that the pattern fixed: more is surer.
    weight: float


class SeriesTable:
    """Exact names first, then the longest prefix, then the expressions in the file's order."""

    def __init__(self, lines: list[str]) -> None:
        self.exact: dict[str, str] = {}
        self.prefixes: dict[str, str] = {}
        self.expressions: list[tuple[re.Pattern[str], str, str]] = []
        for line in lines:
            factor, *patterns = line.split()
            for pattern in patterns:
                self._add(factor, pattern)
        self.longest = max(map(len, self.prefixes), default=0)

    def _add(self, factor: str, pattern: str) -> None:
        if pattern.startswith("~"):
            self.expressions.append((re.compile(pattern[1:]), factor, pattern))
            return
        is_prefix = pattern.endswith("*")
        name = pattern.rstrip("*")
        names = [name.replace("{ST}", state) for state in sorted(STATES)] if "{ST}" in name else [name]
        (self.prefixes if is_prefix else self.exact).update(dict.fromkeys(names, factor))

    def match(self, ticker: str) -> SeriesMatch | None:
        """Return what a ticker without KX says, or None."""
        if ticker in self.exact:
            return SeriesMatch(self.exact[ticker], ticker, 0.985)
        prefix = next(
            (ticker[:n] for n in range(min(len(ticker), self.longest), 1, -1) if ticker[:n] in self.prefixes), ""
        )
        if len(prefix) >= 4 or (prefix and prefix == ticker):
            return SeriesMatch(self.prefixes[prefix], prefix + "*", 0.97 if len(prefix) >= 5 else 0.93)
        for expression, factor, pattern in self.expressions:
            if expression.fullmatch(ticker):
                return SeriesMatch(factor, pattern, 0.95)
        if prefix:
            return SeriesMatch(self.prefixes[prefix], prefix + "*", 0.8)
        return None


@lru_cache(maxsize=1)
def series_table() -> SeriesTable:
    return SeriesTable(knowledge_lines("series.txt"))


def series_stem(ticker: str) -> str:
    """Return the series part of a Kalshi ticker without KX: `KXHIGHNY-26MAY06-B81.5` gives `HIGHNY`."""
    head = ticker.upper().removeprefix("EVENT:").split("-", 1)[0]
    while head.startswith("KX") and len(head) > 2:
        head = head[2:]
    return head
