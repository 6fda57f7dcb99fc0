"""`manage.py bench`: each run is a process with a database of its own."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection


def bench(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench", *arguments]
    told = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.roof.bench_settings", **environment}
    return subprocess.run(command, env=told, capture_output=True, text=True, timeout=120, check=False)


def test_rows_are_json_alone_and_a_ratio_that_does_not_hold_ends_with_one() -> None:
    ended = bench("t1", "T2", "--json", "--scale", "full", "--databases", "sqlite")
    assert ended.returncode == 1, ended.stderr
    rows: list[dict[str, Any]] = json.loads(ended.stdout)
    assert [(row["id"], row["n"], row["database"], row["holds"]) for row in rows] == [
        ("T1", 10, "sqlite", True),
        ("T1", 100, "sqlite", True),
        ("T2", 1, "sqlite", False),
    ]
    assert list(rows[0]) == [
        "id", "ratio", "target", "holds", "seconds", "yardstick_seconds", "n", "database", "note"
    ]  # fmt: skip
    assert rows[2]["ratio"] == 3.0
    assert "T1 sqlite: ms 200.0/200.0" in ended.stderr


@pytest.mark.postgres
@pytest.mark.django_db
def test_each_database_that_is_named_is_made_measured_on_and_dropped() -> None:
    before = databases()
    ended = bench("T1", "--databases", "postgres,sqlite", DATABASE_URL=settings.DATABASE_URL)
    assert ended.returncode == 0, ended.stderr
    table = [line.split() for line in ended.stdout.splitlines()]
    assert [(line[0], line[2], line[-1]) for line in table[1:]] == [
        ("T1", "postgres", "postgresql"),
        ("T1", "sqlite", "sqlite"),
    ]
    # One that was killed elsewhere may have left its own.
    assert databases() <= before


def databases() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("select datname from pg_database where datname like 'bench\\_%'")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["T7"], "Nothing measures T7; expected some of "),
        (["--scale", "huge"], "--scale is 'huge'; expected small or full."),
        (["--databases", "oracle"], "--databases names oracle; expected sqlite, postgres or sqlite,postgres."),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("bench", *arguments)
    assert sentence in str(refused.value)


def test_a_server_that_cannot_be_reached_is_named() -> None:
    nowhere = "postgres://nobody@127.0.0.1:1/none"
    ended = bench("T1", "--databases", "postgres", DATABASE_URL=nowhere)
    assert ended.returncode == 1
    assert "No throw-away database could be made" in ended.stderr
    assert "Traceback" not in ended.stderr
