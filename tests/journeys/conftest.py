"""The whole house, started as a person starts it, and a browser in front of it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from itomarkets.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD_LINE = re.compile(r"^\s+(admin|reviewer|demo)\s+(\S+)\s", re.MULTILINE)
START_SECONDS = 240
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class House:
    """A running `manage.py up`: its address, its people, its process and what it printed."""

    url: str
    var: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    output: Path
    passwords: dict[str, str]

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def stop(self) -> int:
        """Press Ctrl-C and wait."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


def start_house(var: Path, *, days: int = 60, **extra: str) -> House:
    """Start everything with its data in `var`; returns once the pages answer."""
    port, sandbox_port = free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment |= {
        "ITO_VAR": str(var),
        "STATIC_ROOT": str(var / "static"),
        "SANDBOX_URL": f"http://127.0.0.1:{sandbox_port}",
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        **extra,
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    var.mkdir(parents=True, exist_ok=True)
    output = var / f"up-{port}.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up", "--days", str(days)],
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
    house = House(f"http://127.0.0.1:{port}", var, environment, process, output, {})
    until = time.monotonic() + START_SECONDS
    while "] open http" not in house.printed():
        if process.poll() is not None:
            raise AssertionError(f"`up` ended before the pages answered:\n{house.printed()}")
        if time.monotonic() > until:
            house.stop()
            raise AssertionError(f"`up` did not open the pages within {START_SECONDS} s:\n{house.printed()}")
        time.sleep(0.3)
    house.passwords = dict(PASSWORD_LINE.findall(house.printed()))
    return house


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = start_house(tmp_path_factory.mktemp("house"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; install Debian's package chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield chromium
        chromium.close()
