"""Lines drawn on the server: sparklines in lists, and the chart that needs no script. Pure arithmetic."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template

from itomarkets.lib.templatetags.figures import DASH, ago_words

register = template.Library()
Point = Decimal | None


def path_of(values: Sequence[Point], *, width: int, height: int, top: int = 1, places: Sequence[Decimal] = ()) -> str:
    """Return the `d` of an SVG path through the values; None lifts the pen, so a gap stays a gap.

    `places` gives each value's share of the width, 0 to 1; evenly spaced without it.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    room = high - low
    last = max(len(values) - 1, 1)
    steps, drawing = [], False
    for index, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        share = places[index] if places else Decimal(index) / last
        # A flat line runs through the middle.
        rise = (value - low) / room if room else Decimal("0.5")
        steps.append(f"{'L' if drawing else 'M'}{width * share:.1f},{top + (height - 2 * top) * (1 - rise):.1f}")
        drawing = True
    return " ".join(steps)


@register.inclusion_tag("parts/spark.html")
def spark(values: Sequence[Any], change: Any = None, says: str = "") -> dict[str, Any]:
    """Draw a sparkline of prices, coloured by the change where one is given."""
    points = [None if value is None else Decimal(str(value)) for value in values or ()]
    tone = ""
    if change is not None and Decimal(str(change)) != 0:
        tone = "up" if Decimal(str(change)) > 0 else "down"
    return {"path": path_of(points, width=96, height=28, top=2), "tone": tone, "says": says}


@register.inclusion_tag("parts/plot.html")
def plot(times: Sequence[datetime], values: Sequence[Any], says: str = "") -> dict[str, Any]:
    """Draw a chart of prices in cents over time, with four lines of a grid and up to five dates."""
    points = [None if value is None else Decimal(str(value)) for value in values]
    known = [point for point in points if point is not None]
    if len(known) < 2:
        return {"path": "", "says": says}
    left, right, height = 64, 690, 240
    start, span = times[0], max((times[-1] - times[0]).total_seconds(), 1)
    places = [Decimal(str((at - start).total_seconds())) / Decimal(str(span)) for at in times]
    low, high = min(known), max(known)
    room = high - low
    grid = []
    for step in range(4):
        y = 10 + (height - 20) * step / 3
        grid.append({"y": f"{y:.1f}", "text": f"{(high - room * step / 3) * 100:.1f}¢", "text_y": f"{y + 4:.1f}"})
    dates = []
    for step in range(4):
        at = start + (times[-1] - start) * step / 4
        dates.append({"x": f"{left + (right - left) * step / 4:.1f}", "text": f"{at:%d %b}"})
    path = path_of(points, width=right - left, height=height, top=10, places=places)
    end_x, _, end_y = path.rpartition(" ")[2][1:].partition(",")
    return {
        "path": path,
        "grid": grid,
        "dates": dates,
        "left": left,
        "right": right,
        "end_x": end_x,
        "end_y": end_y,
        "says": says,
    }


@register.filter
def lasting(seconds: Any) -> str:
    """Say a number of seconds in words: 8 s, 3 min, 2 h, 5 d."""
    return DASH if seconds is None else ago_words(int(seconds))
