"""How a question recurs: the shapes from which the synthetic universe writes its events."""

import re
from typing import NamedTuple

ASKED_YEARS_AHEAD = r"at the end of \{when\}|\{until\}"
MOST_LASTING = 4


class Template(NamedTuple):
    """A recurring question.

    kind: ladder (thresholds on one quantity, YES above), pick (mutually exclusive names) or each (one event a name).
    In `question` {x} is the threshold, {name} the name, {when} the period ("November 2026"), {until} its last day.
    cadence: day, week, month, quarter, half, year, or elections (a year number from which it is every fourth year).
    ahead: periods that are open at once; a yearly question is listed two years before its own begins.
    """

    kind: str
    series: str
    title: str
    question: str
    cadence: str
    ahead: int
    names: tuple[str, ...] = ()
    base: float = 0.0
    step: float = 0.0
    steps: int = 0
    shown: str = ""

    def lasting(self) -> "Template | None":
        """Return the same question about the ends of whole years, for what can be asked years ahead.

        That is where something stands at the end of a period, and what happens until a date; a count over a month
        says nothing about a year. Thresholds stand further apart.
        """
        if self.cadence not in ("month", "quarter") or not re.search(ASKED_YEARS_AHEAD, self.question):
            return None
        return self._replace(
            series=f"{self.series}YR",
            cadence="year",
            ahead=3 if self.kind == "each" else 4,
            names=self.names[:MOST_LASTING],
            step=2 * self.step,
            steps=min(self.steps, MOST_LASTING),
        )


def ladder(
    series: str, title: str, question: str, values: tuple[float, float, int, str], cadence: str, ahead: int
) -> Template:
    """Make a ladder; values are (middle threshold, step, how many thresholds, how a threshold is written)."""
    base, step, count, shown = values
    return Template("ladder", series, title, question, cadence, ahead, (), base, step, count, shown)


def pick(series: str, title: str, question: str, names: str, cadence: str, ahead: int) -> Template:
    """Make an event whose markets exclude each other; names are separated by bars."""
    return Template("pick", series, title, question, cadence, ahead, tuple(names.split("|")))


def each(series: str, question: str, names: str, cadence: str, ahead: int) -> Template:
    """Make one single-market event for each name; names are separated by bars."""
    return Template("each", series, question, question, cadence, ahead, tuple(names.split("|")))
