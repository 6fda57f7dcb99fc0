"""Pictures of an evaluation: the confusion table of themes and the reliability plot, as PNG."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from categorization.calibration import BINS
from categorization.decisions import Decision
from categorization.evaluation import ABSTAINED, EvaluationError, predicted
from categorization.factors import NONE, taxonomy
from categorization.labels import Labelled

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

CELL, LEFT, TOP = 46, 190, 60
PLOT, MARGIN = 520, 60
INK, FAINT, GOOD, BAD = "#1c1c1c", "#d8d8d8", (31, 111, 178), (196, 62, 43)


def draw_charts(labelled: Sequence[Labelled], decisions: Sequence[Decision], folder: Path) -> list[Path]:
    """Draw both pictures into a folder and return their paths.

    Raises EvaluationError where the drawing library is not installed; only developers need it.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise EvaluationError(
            "Charts need Pillow, which is not installed; expected the packages of requirements-dev.txt."
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, size, paint in (
        ("confusion", _table_size(), _paint_confusion),
        ("reliability", (PLOT + 2 * MARGIN, PLOT + 2 * MARGIN), _paint_reliability),
    ):
        image = Image.new("RGB", size, "white")
        paint(ImageDraw.Draw(image), labelled, decisions)
        drawn.append(folder / f"categorization-{name}.png")
        image.save(drawn[-1])
    return drawn


def _themes() -> list[str]:
    return [*(theme.slug for theme in taxonomy().themes), NONE]


def _table_size() -> tuple[int, int]:
    count = len(_themes())
    return LEFT + (count + 1) * CELL + 20, TOP + 110 + count * CELL


def _paint_confusion(draw: "ImageDraw", labelled: Sequence[Labelled], decisions: Sequence[Decision]) -> None:
    """One row a true theme, one column an answer; a right answer is blue, a wrong one red."""
    themes = _themes()
    theme_of: dict[str, Any] = taxonomy().theme_of
    columns = [*themes, ABSTAINED]
    pairs = Counter(
        (theme_of[row.factor], theme_of.get(predicted(said), ABSTAINED))
        for row, said in zip(labelled, decisions, strict=True)
    )
    draw.text((10, 10), f"Themes of {len(labelled)} labelled markets: rows are true, columns are answers", fill=INK)
    for number, theme in enumerate(columns):
        # Column names stand on three steps, so that neighbours do not cover each other.
        place = LEFT + number * CELL
        draw.text((place, TOP + len(themes) * CELL + 8 + 16 * (number % 5)), theme[:16], fill=INK)
    for row, theme in enumerate(themes):
        total = sum(count for (true, _), count in pairs.items() if true == theme)
        draw.text((10, TOP + row * CELL + 16), f"{theme} ({total})", fill=INK)
        for column, answer in enumerate(columns):
            count = pairs[theme, answer]
            box = (LEFT + column * CELL, TOP + row * CELL, LEFT + (column + 1) * CELL, TOP + (row + 1) * CELL)
            shade = _shade(GOOD if theme == answer else BAD, count / total if total else 0.0)
            draw.rectangle(box, fill=shade, outline=FAINT)
            if count:
                draw.text((box[0] + 8, box[1] + 16), str(count), fill=INK)


def _shade(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    """Mix a colour into white; the smallest share can still be seen."""
    part = 0.25 + 0.6 * share if share else 0.0
    red, green, blue = (round(255 + (value - 255) * part) for value in colour)
    return red, green, blue


def _paint_reliability(draw: "ImageDraw", labelled: Sequence[Labelled], decisions: Sequence[Decision]) -> None:
    """Confidence from left to right, share of right answers upwards; a sound run lies on the diagonal."""
    draw.text((MARGIN, 20), "Share right by confidence; the number is how many markets", fill=INK)
    draw.rectangle((MARGIN, MARGIN, MARGIN + PLOT, MARGIN + PLOT), outline=INK)
    draw.line((MARGIN, MARGIN + PLOT, MARGIN + PLOT, MARGIN), fill=FAINT, width=2)
    for step in range(0, 11, 2):
        place = MARGIN + PLOT * step / 10
        draw.text((place - 8, MARGIN + PLOT + 8), f"{step / 10:.1f}", fill=INK)
        draw.text((MARGIN - 30, MARGIN + PLOT - PLOT * step / 10 - 6), f"{step / 10:.1f}", fill=INK)
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = [
            (said.confidence, predicted(said) == row.factor)
            for row, said in zip(labelled, decisions, strict=True)
            if low <= said.confidence < high or (number == BINS - 1 and said.confidence >= 1)
        ]
        if inside:
            x = MARGIN + PLOT * sum(confidence for confidence, _ in inside) / len(inside)
            y = MARGIN + PLOT - PLOT * sum(hit for _, hit in inside) / len(inside)
            draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=GOOD)
            draw.text((x - 40, y + 8), str(len(inside)), fill=INK)
