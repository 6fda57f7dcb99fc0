"""`manage.py up` as a person meets it: the first run, the second, Ctrl-C, a dead child, a taken port."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from itomarkets.processes import free_port
from tests.journeys.conftest import ROOT, House, start_house

pytestmark = pytest.mark.browser
SECOND_RUN_SECONDS = 45


def rows(house: House, table: str) -> int:
    with sqlite3.connect(house.var / "itomarkets.sqlite3") as database:
        return int(database.execute(f"select count(*) from {table}").fetchone()[0])


def children(pid: int) -> list[int]:
    return [int(line) for line in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_up_opens_the_pages_prints_passwords_once_and_keeps_its_data(house: House, tmp_path: Path) -> None:
    assert set(house.passwords) == {"admin", "reviewer", "demo"}
    with urlopen(f"{house.url}/health") as answer:
        assert answer.status == 200
    assert rows(house, "baskets_basket where kind = 'system'") == 18
    assert rows(house, "markets_market") > 4_000
    assert rows(house, "baskets_pricehistory") > 18


def test_a_second_run_starts_in_seconds_keeps_the_data_and_ctrl_c_ends_every_child(tmp_path: Path) -> None:
    first = start_house(tmp_path / "var", days=5)
    markets = rows(first, "markets_market")
    assert first.stop() == 0
    # What a script starts in the background is born with Ctrl-C ignored, and must end by it all the same.
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        second = start_house(tmp_path / "var", days=5)
    finally:
        signal.signal(signal.SIGINT, heard)
    try:
        assert second.passwords == {}
        assert rows(second, "markets_market") >= markets
        opened = re.search(r"\[\s*([\d.]+) s\] open http", second.printed())
        assert opened is not None
        assert float(opened.group(1)) < SECOND_RUN_SECONDS
        kin = children(second.process.pid)
        assert len(kin) == 5, "the stand-in, two workers, the stream and the pages"
    finally:
        assert second.stop() == 0
    assert not any(is_running(pid) for pid in kin)


def test_if_one_child_dies_all_stop_and_the_reason_is_shown(tmp_path: Path) -> None:
    house = start_house(tmp_path / "var", days=5)
    kin = children(house.process.pid)
    os.kill(kin[0], signal.SIGKILL)
    assert house.process.wait(timeout=60) == 1
    assert "sandbox ended by itself" in house.printed()
    assert "Traceback" not in house.printed()
    until = time.monotonic() + 10
    while any(is_running(pid) for pid in kin):
        assert time.monotonic() < until, "a child outlived the others"
        time.sleep(0.1)


@pytest.mark.parametrize("variable", ["PORT", "SANDBOX_URL"])
def test_a_taken_port_gets_a_sentence_and_changes_nothing(variable: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        value = str(port) if variable == "PORT" else f"http://127.0.0.1:{port}"
        answer = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "up"],
            env={**os.environ, "ITO_VAR": str(tmp_path), "PORT": str(free_port()), variable: value},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert answer.returncode == 1
    assert f"Port {port}" in answer.stderr
    assert variable in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "itomarkets.sqlite3").exists()


def test_a_port_that_is_no_number_gets_a_sentence(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "up"],
        env={**os.environ, "ITO_VAR": str(tmp_path), "PORT": "eighty"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 1
    assert "PORT is 'eighty'; expected a number" in answer.stderr
