"""How a question is put: whether it names an outcome, a range, a comparison, a denial."""

import re

from categorization.knowledge.words import plain_text
from categorization.reading import Reading
from itomarkets.lib.venues import Venue

_interrogative = re.compile(r"^(?:who|which|what|when|where|how|whose|in which|on which|at which|for which)\b")
_outcome_after = re.compile(r"(?:—|:: | - |\?:|: will |\?\s)")
# What makes a short headline a statement that can come true: a verb, or a state after its subject.
_statement = re.compile(
    r"\b(?:will|is|are|be|has|have|does|do|did|out|leaves?|wins?|won|hits?|reaches|above|below|over|under|"
    r"before|by|replaced|"
    r"removed|released?|signed|passes|passed|announce[sd]?|called|confirmed|banned|enters?|becomes?|confirms|"
    r"happens?|falls?|"
    r"rises?|meets?|up|down|cut|cuts|re-?launches|drop|ends?|lose|loses|fired|resigns?|arrested|"
    r"impeached|acquired?|"
    r"repealed|stays?|depart|visit|deal|merger|recession|this year)\b|^new\b"
)
_number = r"[$€£]?-?\d[\d.,]*\s?(?:%|°|k|m|b|t|bn|million|billion|trillion|bps?)?(?:[fc]\b)?"
_range = re.compile(
    rf"\bbetween\b|\bin the range\b|\bexactly\b|{_number}\s*(?:–|—|-|\bto\b)\s*{_number}(?=[\s?).,]|$)|\binclusive\b"
)
_date_like = re.compile(
    r"\b\d{4}-\d{2}-\d{2}\S*|\b(?:19|20)\d\d\s?[-–/]\s?\d{2,4}\b|"
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}\s?[-–]\s?(?:[a-z]{3,9}\.? )?\d{1,2}\b|"
    r"\b[a-z]{2}-\d{1,2}\b|\bvs\.?|\b\d+-(?:year|day|month|week|person|round|game|min|hour)s?\b|\bs&p 500\b"
)
_above = re.compile(
    r"\b(?:above|over(?= [$€£#]?\d)|(?:more|greater|larger|bigger) than|at least|or higher|or above|or more|or greater|"
    r"or stronger|exceeds?|exceeding|"
    r"higher than)\b|≥|>|\d\s?%?\+|↑|\(high\)|, high\b"
)
_below = re.compile(
    r"\b(?:below|under(?= [$€£#]?\d)|less than|fewer than|at most|or lower|or below|or less|or fewer|lower than|"
    r"no more than)\b|≤|<|↓|\(low\)"
)
_rising = re.compile(
    r"\b(?:reach(?:es)?|hits?|surpass(?:es)?|increases?|increased|rises?|grows?|hikes?|hiked|all[- ]time high|"
    r"ath|up or down|"
    r"highest|record high|outperforms?|beats?|cross(?:es)?|positive|raise[sd]?|higher|flip(?:s|ped)?|largest|"
    r"top|gains?|up|"
    r"stronger|strengthens?|hottest|warmest|pass(?:es)? [$€£]?\d|doubles?|best|most)\b"
)
_falling = re.compile(
    r"\b(?:dips?|drops?|falls?|trims?|declines?|decreases?|decreased|cuts?|lower|lowers|lowest|shrinks?|reduces?|"
    r"reduced|negative|"
    r"miss(?:es)?|de-?pegs?|crash(?:es)?|weaker|weakens?|contracts?|recessions?|smaller|halve[sd]?|down|"
    r"depegged|worst|loses?)\b"
)
_negation = re.compile(
    r"\b(?:no longer|not|never|without(?! borders)|fails? to|nobody|refuses? to|wont|isnt|doesnt|canceled|"
    r"cancelled|avoids?|nothing)\b|"
    r"\b(?:be|there be|is) no\b|^no (?!change)|\bnone\b"
)
_place = re.compile(
    r"#[2-9]\b|\b(?:second|third|fourth|fifth|sixth|2nd|3rd|4th|5th)[- ](?:best|largest|place|most|highest|richest)?"
)
_exact_day = re.compile(
    r"\bon (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d|\bexactly \d|\b(?:first|second|third|"
    r"fourth) quarter of\b"
)


def line_of(reading: Reading) -> str:
    """Write all that the market says of itself as one plain line."""
    line = plain_text(reading.title)
    if reading.subtitle and reading.subtitle not in reading.title:
        line += f" — {plain_text(reading.subtitle)}"
    return " ".join(line.replace("'", "").replace("’", "").split())


def names_no_outcome(reading: Reading, line: str) -> bool:
    """Say whether the text is an open question or a headline, with no outcome for YES to stand for."""
    is_open = _interrogative.search(line) is not None
    if is_open and not reading.is_event and (reading.subtitle or _outcome_after.search(line)):
        return False
    if reading.is_event or reading.venue == Venue.KALSHI:
        has_outcome = bool(_outcome_after.search(line)) or bool(reading.subtitle) or "-" in _strike(reading)
        if is_open:
            return reading.is_event or not has_outcome
        return reading.is_event and _statement.search(line) is None
    return is_open


def _strike(reading: Reading) -> str:
    """Return what a Kalshi ticker says after its event: `-T6.0`, `-B90.5`, `-R`; else nothing."""
    if reading.venue != Venue.KALSHI or reading.is_event:
        return ""
    parts = reading.native_id.upper().split("-")
    return "-" + parts[-1] if len(parts) > 2 else ""


def strike_kind(reading: Reading) -> str:
    """Return `above`, `between` or nothing: what a Kalshi strike says by its first letter."""
    found = re.fullmatch(r"-([TB])-?\d[\d.]*", _strike(reading))
    if found is None:
        return ""
    return "between" if found.group(1) == "B" else "above"


def ticker_side(reading: Reading) -> str:
    """Return the party or person that a Kalshi ticker ends with, without the strike's dash."""
    return _strike(reading).lstrip("-")


def without_dates(line: str) -> str:
    return _date_like.sub(" ", line)


def is_range(line: str) -> bool:
    return _range.search(without_dates(line)) is not None


def compares(line: str) -> int:
    """Return +1 for above, -1 for below, 0 for neither; what stands last is the outcome's own."""
    line = without_dates(line)
    above = [found.start() for found in _above.finditer(line)]
    below = [found.start() for found in _below.finditer(line)]
    if not above and not below:
        return 0
    return 1 if max(above, default=-1) > max(below, default=-1) else -1


def moves(line: str) -> int:
    """Return +1 for rising, -1 for falling, 0 for neither."""
    rising = _rising.search(line)
    falling = _falling.search(line)
    if rising and falling:
        if re.search(r"up or down|up/down", line):
            return 1
        return 1 if rising.start() > falling.start() else -1
    return 1 if rising else -1 if falling else 0


def denies(line: str) -> bool:
    return _negation.search(line) is not None


def is_lower_place(line: str) -> bool:
    return _place.search(line) is not None


def is_exact_day(line: str) -> bool:
    return _exact_day.search(line) is not None
