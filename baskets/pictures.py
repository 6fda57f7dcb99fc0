"""Pictures of baskets' histories as PNG: gauge above, gross and net level beneath, to be looked at by people."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from baskets.chart import ChartPoint, ChartSeries

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP = 1_000, 560, 60, 20, 40, 40
PANEL = (HEIGHT - TOP - 2 * GAP) // 2
INK, FAINT, SIMULATED = "#1c1c1c", "#d8d8d8", "#f1efe8"
GAUGE, LEVEL, NET, CHANGE = "#1f6fb2", "#c43e2b", "#d99a1c", "#8a8a8a"

WORDS = {LEVEL: "red", NET: "yellow"}


class PictureError(Exception):
    """No picture can be drawn here; the text says what is missing."""


def draw_history(*, title: str, series: ChartSeries, path: Path) -> None:
    """Draw a basket's history into a file. A gap stays a gap; what was never held has a shaded ground.

    Raises PictureError where the drawing library is not installed, or nothing is known.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise PictureError(
            "Pictures need Pillow, which is not installed; expected the packages of requirements-dev.txt."
        ) from error
    known = [point for point in series.points if point.gauge is not None]
    if len(known) < 2:
        raise PictureError("fewer than two prices are known")
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    start, end = known[0].at, known[-1].at

    def across(at: datetime) -> int:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - start) // (end - start)

    draw.text((LEFT, 12), f"{title}: {start:%Y-%m-%d} to {end:%Y-%m-%d}", fill=INK)
    lines: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
        ("Gauge, 0 to 100", (("gauge", GAUGE, ""),)),
        ("Level", (("level_net", NET, "net"), ("level", LEVEL, "gross"))),
    )
    for place, (label, shown) in enumerate(lines):
        top = TOP + place * (PANEL + GAP)
        if series.simulated_until is not None:
            edge = across(min(max(series.simulated_until, start), end))
            draw.rectangle((LEFT, top, edge, top + PANEL), fill=SIMULATED)
        values = [value for name, _, _ in shown for value in _values(known, name)]
        low, high = min(values), max(values)
        room = (high - low) / 20 or Decimal(1)
        low, high = low - room, high + room
        for change in series.changes:
            if start <= change.at <= end:
                draw.line((across(change.at), top, across(change.at), top + PANEL), fill=CHANGE)
        for mark in (low + room, (low + high) / 2, high - room):
            y = _down(mark, top, low, high)
            draw.line((LEFT, y, WIDTH - RIGHT, y), fill=FAINT)
            draw.text((8, y - 6), f"{mark:.1f}", fill=INK)
        for name, colour, _ in shown:
            _line(draw, series.points, name, colour, across, top, low, high)
        says = ", ".join(f"{name} in {WORDS[colour]}" for _, colour, name in shown if name)
        draw.text((LEFT, top + PANEL + 6), f"{label}{': ' + says if says else ''}", fill=INK)
        draw.rectangle((LEFT, top, WIDTH - RIGHT, top + PANEL), outline=FAINT)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def _line(
    draw: "ImageDraw",
    points: Sequence[ChartPoint],
    name: str,
    colour: str,
    across: Callable[[datetime], int],
    top: int,
    low: Decimal,
    high: Decimal,
) -> None:
    """Draw one line through the known points; an unknown one lifts the pen."""
    before: tuple[int, int] | None = None
    for point in points:
        (value,) = _values([point], name) or (None,)
        place = None if value is None else (across(point.at), _down(value, top, low, high))
        if place is not None:
            # One between two gaps is seen too.
            draw.line((*(before or place), *place), fill=colour, width=2)
        before = place


def _values(points: Sequence[ChartPoint], name: str) -> list[Decimal]:
    """Return the known values of one number; a gauge in points of a hundred."""
    scale = 100 if name == "gauge" else 1
    return [value * scale for point in points if (value := getattr(point, name)) is not None]


def _down(value: Decimal, top: int, low: Decimal, high: Decimal) -> int:
    return top + int(PANEL * (high - value) / (high - low))
