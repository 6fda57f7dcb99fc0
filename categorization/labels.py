"""Labelled markets from files: the labels, and what a recorded list knows of each market and its event."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from categorization.factors import taxonomy
from categorization.reading import Reading, reading_of_record
from categorization.training import DIRECTIONS
from itomarkets.lib.venues import Venue

LABEL_HEADER = ["venue", "key", "title", "factor", "direction"]
EVENT = "EVENT:"
# Markets of one event that are read beside a labelled one: a vote needs some, not a whole ladder.
SIBLINGS = 12


class EvaluationError(ValueError):
    """The labels or the titles cannot be read."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One market with its true factor and direction, and its event's other markets where they are known."""

    reading: Reading
    factor: str
    direction: int
    siblings: tuple[Reading, ...] = ()


def read_labels(path: Path, titles: Path | None) -> list[Labelled]:
    """Read a label file, with each market's further text from `titles` where it is there.

    Raises EvaluationError naming the line that is not venue, key, title, factor and direction.
    """
    rows = list(_label_rows(path))
    if not rows:
        raise EvaluationError(f"{path} holds no labelled market; expected one at least.")
    known = _recorded(titles, {(row[0], row[1]) for row in rows}) if titles else {}
    labelled = []
    for venue, key, title, factor, direction in rows:
        alone = reading_of_record({"venue": venue, "key": key, "title": title})
        reading, siblings = known.get((venue, key), (alone, ()))
        labelled.append(Labelled(reading, factor, DIRECTIONS[direction], siblings))
    return labelled


def _label_rows(path: Path) -> Iterator[list[str]]:
    known = set(taxonomy().labels)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = next(lines, None)
            if header != LABEL_HEADER:
                raise EvaluationError(f"{path} begins with {header}; expected the columns {LABEL_HEADER}.")
            for number, row in enumerate(lines, start=2):
                if len(row) != 5 or row[3] not in known or row[4] not in DIRECTIONS:
                    raise EvaluationError(
                        f"{path} line {number} is {row!r}; expected venue, key, title, a factor of the taxonomy "
                        "(or none) and a direction +1, 0 or -1."
                    )
                yield row
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read: {error}; expected a tab-separated text file.") from error


def _recorded(path: Path, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], tuple[Reading, tuple[Reading, ...]]]:
    """Find the wanted rows of a recorded list, each with its event's title and other markets.

    A recorded Kalshi market names its event by its ticker; the event's own row holds the event's title, as the
    database would. Raises EvaluationError where the file is not a recorded list.
    """
    events = {_event_of(venue, key) for venue, key in wanted} - {""}
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    members: dict[str, list[dict[str, Any]]] = defaultdict(list)
    titles: dict[str, str] = {}
    for record in _records(path):
        place = (str(record["venue"]), str(record["key"]))
        event = _event_of(*place)
        if place in wanted:
            kept[place] = record
        elif event in events and not place[1].startswith(EVENT) and len(members[event]) < SIBLINGS:
            members[event].append(record)
        if place[1].startswith(EVENT) and event in events:
            titles[event] = str(record.get("title") or "")
    found = {}
    for place, record in kept.items():
        event = _event_of(*place)
        siblings = tuple(_in_event(other, event, titles) for other in members.get(event, ()))
        found[place] = (_in_event(record, event, titles), siblings)
    return found


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                record = orjson.loads(line)
                if not {"venue", "key", "title"} <= record.keys():
                    raise KeyError("venue, key or title")
                yield record
    except FileNotFoundError as error:
        raise EvaluationError(f"There is no file {path}; expected a recorded market list (.jsonl.gz).") from error
    except (OSError, EOFError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise EvaluationError(
            f"{path} cannot be read: {error}; expected gzip lines of JSON objects with venue, key and title."
        ) from error


def _event_of(venue: str, key: str) -> str:
    """Return the event's ticker: a Kalshi market's own without its last part. Polymarket's keys name none."""
    if venue != Venue.KALSHI:
        return ""
    return key.removeprefix(EVENT) if key.startswith(EVENT) else key.rpartition("-")[0]


def _in_event(record: dict[str, Any], event: str, titles: dict[str, str]) -> Reading:
    reading = reading_of_record(record)
    if not event:
        return reading
    title = reading.event_title or ("" if reading.is_event else titles.get(event, ""))
    return replace(reading, event_key=event, event_title=title)


def all_readings(labelled: Sequence[Labelled]) -> list[Reading]:
    """Return the labelled markets in order, then each sibling once."""
    own = [row.reading for row in labelled]
    seen = {reading.key for reading in own}
    others: dict[Any, Reading] = {}
    for row in labelled:
        for sibling in row.siblings:
            if sibling.key not in seen:
                others.setdefault(sibling.key, sibling)
    return [*own, *others.values()]
