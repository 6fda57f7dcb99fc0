"""What makes a seed replayable: time, chance and ids enter the execution package by doors that can be replaced."""

import ast
from pathlib import Path

import pytest

from itomarkets import settings

TRADING = Path(settings.BASE_DIR) / "trading"
# Where a raw door is meant: an id for a click, a quote's or a stream's id, and the keys that seal secrets.
NAMED = {
    ("ticket_views.py", "uuid4"),
    ("models.py", "uuid4"),
    ("credentials.py", "urandom"),
}
FORBIDDEN = {
    "time": {"time", "monotonic", "sleep", "perf_counter"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "timezone": {"now"},
    "uuid": {"uuid1", "uuid4"},
    "random": {"*"},
    "secrets": {"*"},
    "os": {"urandom"},
}


def doors(source: str) -> set[str]:
    """Return the names of the raw doors that a module's text uses: by attribute, or by import."""
    found: set[str] = set()
    # A parameter that holds a dictionary of secrets is no module of that name.
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN:
            names = FORBIDDEN[node.module]
            imported |= {alias.name for alias in node.names}
            found |= {alias.name for alias in node.names if alias.name in names or "*" in names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {alias.name for alias in node.names}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported:
            names = FORBIDDEN.get(node.value.id, set())
            if node.attr in names or "*" in names:
                found.add(node.attr)
    return found


# Benches measure the machine itself and trade for nobody.
MODULES = sorted(
    path for path in TRADING.rglob("*.py") if "migrations" not in path.parts and not path.name.endswith("benches.py")
)


def test_the_execution_package_reads_no_raw_clock_chance_or_id() -> None:
    used = {(path.relative_to(TRADING).as_posix(), name) for path in MODULES for name in doors(path.read_text())}
    assert used - NAMED == set()


def test_every_named_place_is_still_used() -> None:
    used = {(path.relative_to(TRADING).as_posix(), name) for path in MODULES for name in doors(path.read_text())}
    assert used >= NAMED


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1)",
        "from time import sleep",
        "from datetime import datetime\ndatetime.now()",
        "from uuid import uuid4",
        "import random\nrandom.uniform(0, 1)",
        "from django.utils import timezone\ntimezone.now()",
    ],
)
def test_a_raw_door_is_seen_however_it_is_opened(source: str) -> None:
    assert doors(source)
