"""A real process, really killed in the middle of a sync; what the next one makes of it."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from tests.trading.house import ROOT, environment_of, migrated, on_server  # noqa: F401

# The marker lets the run on PostgreSQL choose it; the children's database is not pytest's.
pytestmark = pytest.mark.django_db


def test_promise_7_a_killed_sync_is_named_and_the_next_one_completes_it_with_nothing_doubled(
    migrated: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    name = f"kill_{uuid4().hex[:12]}"
    if settings.DATABASE_URL:
        on_server(f'CREATE DATABASE "{name}" TEMPLATE "{migrated}"')
    else:
        (tmp_path / Path(migrated).name).write_bytes(Path(migrated).read_bytes())

    def child(what: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.markets.kill_child", what]
        environment = environment_of(tmp_path, name)
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    try:
        killed, again = child("die"), child("again")
    finally:
        if settings.DATABASE_URL:
            on_server(f'DROP DATABASE "{name}" WITH (FORCE)')
    assert killed.returncode == -9, killed.stderr
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout.splitlines()[-1])
    # Two writes of fifty were committed; the third died with its process.
    assert (told["status"], told["markets"], told["added"]) == ("complete", 300, 200)
    (dead, live) = told["runs"]
    assert (dead[0], dead[2], live[0], live[2]) == ("incomplete", 100, "complete", 300)
    assert "cut off" in dead[1]
