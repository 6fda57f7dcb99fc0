"""What people wrote down for the stages: tickers, tags, names, phrases. Plain text files, read once."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def knowledge_files() -> list[Path]:
    """Return every file that a decision can depend on, in a fixed order; the model's digest is over them."""
    return sorted(FOLDER.glob("*.txt"))


def knowledge_lines(name: str) -> list[str]:
    """Return a file's lines without comments and blank lines."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
