"""Who decides, and what happens where nobody can: read from the rules."""

import re
from functools import lru_cache

# What measures a figure or declares a result, by the words that rules use for it.
_SOURCES = {
    "BLS": r"bureau of labor statistics|\bbls\b",
    "BEA": r"bureau of economic analysis|\bbea\b",
    "Federal Reserve": r"federal reserve|federalreserve\.gov|\bfomc\b",
    "NWS": r"national weather service|\bnws\b|climatological report",
    "NOAA": r"\bnoaa\b|national hurricane center|\bnhc\b",
    "Weather Underground": r"wunderground|weather underground",
    "NASA": r"\bgistemp\b|\bnasa\b",
    "CF Benchmarks": r"cf benchmarks|\bbrti\b|real[- ]time index",
    "Binance": r"\bbinance\b",
    "Coinbase": r"\bcoinbase\b",
    "Chainlink": r"\bchainlink\b",
    "Pyth": r"\bpyth\b",
    "CoinGecko": r"\bcoingecko\b",
    "Yahoo Finance": r"yahoo finance|finance\.yahoo",
    "Google Finance": r"google finance",
    "Nasdaq": r"nasdaq\.com",
    "CME": r"\bcme group\b|\bnymex\b|\bcomex\b",
    "EIA": r"\beia\b|energy information administration",
    "AAA": r"\baaa\b",
    "US Treasury": r"treasury\.gov|department of the treasury",
    "Associated Press": r"associated press|\bthe ap\b",
    "ESPN": r"\bespn\b",
    "FIFA": r"\bfifa\.com\b",
    "Rotten Tomatoes": r"rotten ?tomatoes",
    "Box Office Mojo": r"box office mojo",
    "The Numbers": r"the-numbers",
    "Billboard": r"\bbillboard\b",
    "Spotify": r"\bspotify\b",
    "LMArena": r"lmarena|lmsys|chatbot arena",
    "Silver Bulletin": r"silver bulletin",
    "RealClearPolitics": r"realclear",
}
_VOID = {
    "half each": r"50[-/–]50|50 ?%|50 cents|0\.50?\b(?= (?:each|to both))",
    "fair price": r"fair (?:market )?(?:price|value)",
    "last traded price": r"last (?:traded|trade) price",
    "NO if not decided": r"resolve to [\"“']?no[\"”']? (?:if|in the event) (?:no|not)|otherwise[^.]{0,30}\bno\b",
    "stays open if postponed": r"postponed?[^.]{0,80}(?:remain|stay)s? open|remain open until",
    "refund": r"refund|cancel+ed and (?:all )?(?:funds|stakes)",
}


# What rules can demand beyond the question: a winner of an election may still never take office.
_DEMANDS = {
    "taking office": r"inaugurat|sworn in|take[sn]? the oath",
    "any death counts": r"(?:including|or) death|dies or",
    "death does not count": (
        r"(?:other than|excluding|except (?:for|by)) (?:by )?death|solely (?:because|due to)[^.]{0,40}death"
    ),
}


@lru_cache(maxsize=1)
def _compiled() -> tuple[dict[str, re.Pattern[str]], ...]:
    return tuple(
        {name: re.compile(words, re.IGNORECASE) for name, words in table.items()}
        for table in (_SOURCES, _VOID, _DEMANDS)
    )


def read_sources(rules: str) -> frozenset[str]:
    """Return the sources that the rules name, of those known here."""
    return frozenset(name for name, pattern in _compiled()[0].items() if pattern.search(rules))


def read_void(rules: str) -> frozenset[str]:
    """Return what the rules say of a question that nothing decides: halves, a fair price, NO, waiting."""
    return frozenset(name for name, pattern in _compiled()[1].items() if pattern.search(rules)) - {"NO if not decided"}


def read_demands(rules: str) -> frozenset[str]:
    """Return what the rules demand beyond the question, of what is known here."""
    return frozenset(name for name, pattern in _compiled()[2].items() if pattern.search(rules))
