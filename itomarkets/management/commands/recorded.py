"""The whole journey on recorded data, over HTTP, with a table of what it took."""

import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.db.models import QuerySet

from baskets.backfill import LONGEST_DAYS
from baskets.models import Basket, Constituent, PriceHistory
from categorization.models import Classification
from itomarkets.processes import ProcessProblem, Program, Supervisor, free_port
from markets.models import Market

START = "2026-08-01T00:00:00+00:00"


@dataclass(frozen=True)
class Step:
    """One command of the journey, and the question that counts its rows."""

    name: str
    arguments: tuple[str, ...]
    rows: str


@dataclass(frozen=True)
class Measured:
    name: str
    rows: int
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class ThemeLine:
    name: str
    markets: int
    events: int
    legs: int
    gauge: Decimal | None
    level: Decimal | None


STEPS = (
    Step("sync", ("sync_markets",), "markets"),
    Step("categorize", ("categorize_markets",), "classifications"),
    Step("build", ("build_system_baskets",), "constituents"),
    Step("backfill", ("backfill_history", "--all", "--days", "{days}"), "days"),
    Step("record", ("record_prices",), "minutes"),
)


class Command(BaseCommand):
    help = "Run sync, categorize, build, backfill and record against a folder of recorded data, and print a table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", required=True, help="folder of recorded data, with markets.jsonl.gz in it")
        parser.add_argument("--days", type=int, default=365)
        parser.add_argument("--keep", action="store_true", help="keep the database of an earlier run and run over it")

    def handle(self, *args: Any, **options: Any) -> None:
        if not hasattr(os, "wait4"):
            raise CommandError("This command measures memory in a way that Windows has not; run it on Linux or macOS.")
        folder = Path(options["data"])
        if not (folder / "markets.jsonl.gz").is_file():
            raise CommandError(f"Expected markets.jsonl.gz in {folder}; give the folder of recorded data with --data.")
        if not 1 <= options["days"] <= LONGEST_DAYS:
            raise CommandError(f"--days is {options['days']}; expected a whole number from 1 to {LONGEST_DAYS}.")
        var = settings.VAR_DIR / "recorded"
        var.mkdir(parents=True, exist_ok=True)
        database = var / "itomarkets.sqlite3"
        if not options["keep"]:
            for path in var.glob("itomarkets.sqlite3*"):
                path.unlink()
        port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")},
            "ITO_VAR": str(var),
            "VENUES": "sandbox",
            "SANDBOX_URL": f"http://127.0.0.1:{port}",
            "ITO_CLOCK": f"{START}@1#{time.time():.0f}",
            "LOG_LEVEL": "WARNING",
        }
        supervisor = Supervisor(environment=environment, log_folder=var / "logs")
        sandbox = [*MANAGE, "sandbox", "--port", str(port), "--feed", "recorded", "--data", str(folder)]
        try:
            self._run(["migrate", "--no-input", "-v", "0"], environment)
            supervisor.start(Program("sandbox", sandbox))
            supervisor.wait_for(f"http://127.0.0.1:{port}/health", seconds=120)
            _database(database)
            measured = []
            for step in STEPS:
                arguments = [argument.format(days=options["days"]) for argument in step.arguments]
                self.stdout.write(f"{step.name} …")
                self.stdout.flush()
                seconds, peak_mb = self._run(arguments, environment)
                rows = COUNTS[step.rows]().count()
                measured.append(Measured(step.name, rows, seconds, peak_mb))
                supervisor.check()
            self._print(measured, theme_lines(), write=self.stdout.write)
        except ProcessProblem as problem:
            raise CommandError(str(problem)) from problem
        finally:
            supervisor.stop()
        self.stdout.write(f"The database is {database}.")

    def _run(self, arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
        """Run one command to its end; returns its seconds and its peak memory in MB."""
        started = time.monotonic()
        process = subprocess.Popen([*MANAGE, *arguments], env=environment)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise CommandError(f"{arguments[0]} failed (exit code {process.returncode}); its message is above.")
        # Linux counts in kilobytes, macOS in bytes.
        unit = 1_000_000 if sys.platform == "darwin" else 1_000
        return time.monotonic() - started, usage.ru_maxrss / unit

    def _print(self, measured: list[Measured], themes: list[ThemeLine], *, write: Callable[[str], Any]) -> None:
        write(f"\n{'step':<12}{'rows':>10}{'seconds':>10}{'peak MB':>10}")
        for line in measured:
            write(f"{line.name:<12}{line.rows:>10,}{line.seconds:>10.1f}{line.peak_mb:>10.0f}")
        write(f"\n{'theme':<26}{'markets':>9}{'open events':>13}{'legs':>6}{'gauge':>8}{'level':>9}")
        for theme in themes:
            gauge = f"{theme.gauge:.1f}" if theme.gauge is not None else "-"
            level = f"{theme.level:.2f}" if theme.level is not None else "-"
            write(f"{theme.name:<26}{theme.markets:>9,}{theme.events:>13,}{theme.legs:>6}{gauge:>8}{level:>9}")


def _database(path: Path) -> None:
    """Open the run's database beside the configured one, under the alias RUN."""
    connections.databases[RUN] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {},
    }


def theme_lines() -> list[ThemeLine]:
    """Count, for each theme of the run, its markets, its events that still trade, and what its basket holds."""
    lines = []
    for basket in Basket.objects.using(RUN).filter(kind=Basket.Kind.SYSTEM).select_related("theme"):
        held = Classification.objects.using(RUN).filter(factor__theme=basket.theme)
        open_now = held.filter(market__status=Market.Status.OPEN)
        latest = basket.history.using(RUN).order_by("-at").first()
        lines.append(
            ThemeLine(
                name=basket.name,
                markets=held.count(),
                events=open_now.values("market__event").distinct().count(),
                legs=latest.legs if latest else 0,
                gauge=latest.gauge_sum * 100 if latest else None,
                level=latest.value / latest.divisor if latest else None,
            )
        )
    return lines


RUN = "recorded"
MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
COUNTS: dict[str, Callable[[], QuerySet[Any]]] = {
    "markets": lambda: Market.objects.using(RUN).all(),
    "classifications": lambda: Classification.objects.using(RUN).all(),
    "constituents": lambda: Constituent.objects.using(RUN).all(),
    "days": lambda: PriceHistory.objects.using(RUN).filter(interval=PriceHistory.Interval.DAY),
    "minutes": lambda: PriceHistory.objects.using(RUN).filter(interval=PriceHistory.Interval.MINUTE),
}
