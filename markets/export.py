"""Markets as a CSV file for spreadsheets and scripts: streamed, whole or not there at all, with what proves it."""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import orjson
from django.db.models import QuerySet

from markets.api.ids import market_id
from markets.models import Market

MARKETS_FILE, MANIFEST_FILE = "markets.csv", "manifest.json"
CHUNK = 2_000
PROGRESS_EVERY = 50_000
# A spreadsheet reads a cell that begins like this as a formula, and may run what it says.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
COLUMNS = (
    "venue", "native_id", "slug", "title", "subtitle", "event__native_id", "event__title", "event__series_key",
    "category", "tags", "status", "result", "payout", "open_at", "close_at", "resolved_at", "vanished_at", "yes_label",
    "no_label", "yes_bid", "yes_ask", "last_price", "volume", "volume_24h", "liquidity", "open_interest", "listed_at",
    "created_at", "last_changed_at",
)  # fmt: skip
HEADINGS = ("id", *(name.replace("event__title", "event").replace("event__", "event_") for name in COLUMNS))


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds: rows in all and by venue, the file's size and its SHA-256."""

    file: str
    made_at: str
    filters: dict[str, str]
    rows: int
    rows_by_venue: dict[str, int]
    bytes: int
    sha256: str
    columns: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"{self.rows:,} markets, {self.bytes:,} bytes, SHA-256 {self.sha256}."


def export_markets(
    *,
    markets: QuerySet[Market],
    folder: Path,
    filters: dict[str, str],
    now: datetime,
    progress: Callable[[str], None] | None = None,
) -> Manifest:
    """Write the markets into `folder` as CSV (UTF-8, a heading, lines that end in CRLF), ordered by venue and id.

    Memory does not grow with the rows. The file takes its name only when it is whole; the manifest comes after it. An
    export that fails leaves the one before as it was. Raises OSError where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    with _whole_file(folder / MARKETS_FILE) as file:
        digest = _Digest(file)
        writer = csv.writer(digest)
        writer.writerow(HEADINGS)
        for row in markets.order_by("venue", "native_id").values_list(*COLUMNS).iterator(chunk_size=CHUNK):
            writer.writerow([market_id(row[0], row[1]), *map(cell, row)])
            counts[row[0]] += 1
            if progress is not None and counts.total() % PROGRESS_EVERY == 0:
                progress(f"{counts.total():,} markets so far")
    manifest = Manifest(
        file=MARKETS_FILE,
        made_at=now.astimezone(UTC).isoformat(),
        filters=filters,
        rows=counts.total(),
        rows_by_venue=dict(sorted(counts.items())),
        bytes=digest.size,
        sha256=digest.sha256.hexdigest(),
        columns=HEADINGS,
    )
    with _whole_file(folder / MANIFEST_FILE) as file:
        file.write(orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return manifest


def cell(value: Any) -> str:
    """Return a value as a cell: '' for none, decimals plain, times in UTC, and no text that a spreadsheet would run."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = " | ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    text = text.replace("\0", "")
    # An apostrophe says that the rest is text; what is behind spaces is read as a formula too.
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


class _Digest:
    """Takes a CSV writer's text and puts it into a file, counting and hashing what goes by."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, text: str) -> int:
        content = text.encode(errors="replace")
        self.sha256.update(content)
        self.size += len(content)
        return self.file.write(content)


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file under another name, and give it its own only when the block has ended well and is on the disk."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
