"""When a question is about: deadlines, days and periods, read from its words."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
            "september sept sep", "october oct", "november nov", "december dec",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_month = "(?:" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\b\.?"
_year = r"20[2-4]\d"
_zone = r"(?:e[sd]?t|p[sd]?t|utc|gmt)\b"
_when = re.compile(
    rf"(?P<lead>\b(?:(?:before|by|until|through|prior to|on|in|during|at|after|since|from)\s+)?"
    rf"(?:the\s+)?(?:(?:end|close)\s+of\s+)?(?:the\s+)?)"
    rf"(?:(?P<iso>{_year}-\d\d-\d\d)\b"
    rf"|(?P<month>{_month})\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\s*[%.,]?\d{{3}})(?:,?\s+(?P<dayyear>{_year})\b)?"
    rf"|(?P<day2>\d{{1,2}})\s+(?P<month3>{_month})(?:,?\s+(?P<day2year>{_year})\b)?"
    rf"|(?P<year1>{_year})\s+(?P<month1>{_month})"
    rf"|(?P<month2>{_month})(?:,?\s+(?P<year2>{_year})\b)?"
    rf"|q(?P<quarter>[1-4])\s+(?:of\s+)?(?P<quarteryear>{_year})\b"
    rf"|(?P<season>{_year}\s?[-/]\s?(?:20)?\d\d)\b(?!-)"
    rf"|(?P<year>{_year})\b(?![-/]\d)"
    r"|(?P<this>this\s+year)"
    r"|(?P<relative>(?:this|next)\s+(?:week|month|quarter)|today|tomorrow))"
)
_hour = re.compile(rf"\b(?:at\s+)?(\d{{1,2}})(?::(\d\d))?\s?([ap])\.?m\.?\s*(?:{_zone})?")
_ends = re.compile(r"\b(?:end|close) of\b")
_may_means = re.compile(r"\b(?:before|by|until|through|in|during|of|on|end)\s+$")


class Kind(StrEnum):
    BY = "by"
    ON = "on"
    IN = "in"
    # A name of an edition: "the 2028 election", "the May meeting".
    LABEL = "label"
    RELATIVE = "relative"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of days, both ends counted; `start` is None where only the deadline is said."""

    kind: Kind
    start: date | None
    end: date | None
    said: str

    @property
    def is_whole_year(self) -> bool:
        return bool(
            self.start
            and self.end
            and (self.start.month, self.start.day, self.end.month, self.end.day) == (1, 1, 12, 31)
        )

    @property
    def is_season(self) -> bool:
        """Whether it is a league's year, that crosses New Year: "2025-26"."""
        return bool(self.start and self.end and (self.start.month, self.end.month) == (7, 6))

    @property
    def words(self) -> str:
        if self.kind == Kind.RELATIVE or self.end is None:
            return self.said
        if self.kind == Kind.BY or self.start is None:
            return f"by {self.end}"
        return f"{self.kind} {self.start}" + (f" to {self.end}" if self.end != self.start else "")


def read_periods(text: str, *, close: date | None) -> tuple[str, tuple[Period, ...], str]:
    """Return the text without its times, the periods it names, and the hour ("16:00"), as far as said.

    `text` is in lower case. A day or month without a year gets the year that brings it closest to `close`.
    """
    hour = ""
    found_hour = _hour.search(text)
    if found_hour is not None:
        number = int(found_hour.group(1)) % 12 + (12 if found_hour.group(3) == "p" else 0)
        hour = f"{number:02d}:{found_hour.group(2) or '00'}"
        text = text[: found_hour.start()] + " " + text[found_hour.end() :]
        text = re.sub(rf"\b{_zone}", " ", text)
    periods: list[Period] = []
    rest: list[str] = []
    at = 0
    for found in _when.finditer(text):
        if _is_word_may(found, text):
            continue
        period = _period(found, close)
        if period is None:
            continue
        rest.append(text[at : found.start()])
        at = found.end()
        periods.append(period)
    rest.append(text[at:])
    return " ".join(rest), _joined(periods, text), hour


def _is_word_may(found: re.Match[str], text: str) -> bool:
    """Tell the verb or a name from the month: a bare "may" or "march" needs a preposition or a year."""
    if found["month2"] is None or found["year2"]:
        return False
    if found["lead"].strip():
        return False
    return found["month2"].startswith(("may", "march", "mar", "sep", "jan", "dec")) and not _may_means.search(
        text[: found.start()]
    )


def _period(found: re.Match[str], close: date | None) -> Period | None:
    lead = " ".join(found["lead"].split())
    said = " ".join(found.group().split())
    if found["this"] and close is not None and (close.month, close.day) >= (12, 15):
        return Period(Kind.IN, date(close.year, 1, 1), date(close.year, 12, 31), said)
    if found["this"] and close is not None and close.month == 1:
        return Period(Kind.IN, date(close.year - 1, 1, 1), date(close.year - 1, 12, 31), said)
    if found["this"]:
        return Period(Kind.RELATIVE, None, None, found["this"])
    if found["relative"]:
        return Period(Kind.RELATIVE, None, None, found["relative"])
    span = _span(found, close)
    if span is None:
        return None
    start, end = span
    single = start == end
    if lead.startswith(("before", "prior to")) and not _ends.search(lead):
        return Period(Kind.BY, None, start - timedelta(days=1), said)
    if lead.startswith(("by", "until", "through", "before", "prior to")):
        return Period(Kind.BY, None, end, said)
    if lead.startswith(("after", "since")):
        return Period(Kind.AFTER if single else Kind.LABEL, start, end, said)
    if _ends.search(lead):
        return Period(Kind.ON, end, end, said)
    if single:
        return Period(Kind.ON, start, end, said)
    if lead.startswith(("in", "during")):
        return Period(Kind.IN, start, end, said)
    return Period(Kind.LABEL, start, end, said)


def _span(found: re.Match[str], close: date | None) -> tuple[date, date] | None:
    try:
        if found["iso"]:
            day = date.fromisoformat(found["iso"])
            return day, day
        if found["day"] or found["day2"]:
            month = MONTHS[(found["month"] or found["month3"]).rstrip(".")]
            number = int(found["day"] or found["day2"])
            year = found["dayyear"] or found["day2year"]
            day = date(int(year), month, number) if year else _nearest(month, number, close)
            return day, day
        if found["month1"] or found["month2"]:
            month = MONTHS[(found["month1"] or found["month2"]).rstrip(".")]
            year = found["year1"] or found["year2"]
            first = date(int(year), month, 1) if year else _nearest(month, 1, close)
            return first, first.replace(day=monthrange(first.year, first.month)[1])
        if found["quarter"]:
            first = date(int(found["quarteryear"]), 3 * int(found["quarter"]) - 2, 1)
            last = first.month + 2
            return first, date(first.year, last, monthrange(first.year, last)[1])
        if found["season"]:
            first_year = int(found["season"][:4])
            last_year = int("20" + found["season"].replace(" ", "")[-2:])
            if last_year != first_year + 1:
                return None
            return date(first_year, 7, 1), date(last_year, 6, 30)
        year_only = int(found["year"])
        return date(year_only, 1, 1), date(year_only, 12, 31)
    except ValueError:
        # "February 30": no day of the calendar.
        return None


def _nearest(month: int, day: int, close: date | None) -> date:
    if close is None:
        raise ValueError("no year")
    days = [date(year, month, day) for year in (close.year - 1, close.year, close.year + 1)]
    return min(days, key=lambda one: abs((one - close).days))


def _joined(periods: list[Period], text: str) -> tuple[Period, ...]:
    """Join "from May 5 to May 12" into one stretch, and drop what is said twice."""
    if len(periods) == 2 and re.search(r"\bfrom\b", periods[0].said) and all(one.start for one in periods):
        return (Period(Kind.IN, periods[0].start, periods[1].end, f"{periods[0].said} to {periods[1].said}"),)
    return tuple({(one.kind, one.start, one.end): one for one in periods}.values())


_ticker_day = re.compile(r"-(\d{2})([A-Z]{3})(\d{2})(?:H?(\d{2})(\d{2}))?")
_ticker_month = re.compile(r"-(\d{2})([A-Z]{3})(?![A-Z])")
_ticker_year = re.compile(r"-(\d{2})(?=-|$)")


@dataclass(frozen=True, slots=True)
class TickerTime:
    """What a Kalshi ticker hints at; venues do not promise the form, so it only fills in what no text says."""

    year: int | None = None
    day: date | None = None
    hour: str = ""


def read_ticker(ticker: str) -> TickerTime:
    """Read the year, the day and the hour (US Eastern) from a ticker's parts, as far as they are there."""
    found = _ticker_day.search(ticker)
    if found is not None and found[2].lower() in MONTHS:
        try:
            day = date(2000 + int(found[1]), MONTHS[found[2].lower()], int(found[3]))
        except ValueError:
            return TickerTime()
        hour = f"{found[4]}:{found[5]}" if found[4] and int(found[4]) < 24 and int(found[5]) < 60 else ""
        return TickerTime(day.year, day, hour)
    found = _ticker_month.search(ticker)
    if found is not None and found[2].lower() in MONTHS:
        return TickerTime(2000 + int(found[1]))
    found = _ticker_year.search(ticker)
    return TickerTime(2000 + int(found[1])) if found is not None else TickerTime()
