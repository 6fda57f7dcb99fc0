"""Measure the ratios that the apps' `benches` modules register, each on an empty database of its own."""

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.utils.module_loading import module_has_submodule

from itomarkets.lib.bench import RATIOS, SCALES, Bench, Row, in_order
from itomarkets.processes import free_port

DATABASES = ("sqlite", "postgres")
MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
# One thread a library: what is compared must not depend on how many cores are idle.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Command(BaseCommand):
    help = (
        "Measure ratios against yardsticks in one run, on throw-away databases. Prints a table, or with --json only "
        "the rows; ends with 1 when a ratio does not hold. PostgreSQL is DATABASE_URL's server, or the one here."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="R1", help="the ratios to measure (default: all)")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print the rows as JSON and no more")
        parser.add_argument("--scale", default="small", help="small (a minute a ratio, the default) or full")
        parser.add_argument("--databases", default="", help="sqlite, postgres or both (default: the configured one)")
        # The rows' file: given only by this command to the process that measures on one database.
        parser.add_argument("--into", default="", help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        find_benches()
        ids = _known(options["ids"])
        scale = options["scale"]
        if scale not in SCALES:
            raise CommandError(f"--scale is {scale!r}; expected {' or '.join(SCALES)}.")
        databases = _databases(options["databases"])
        if options["into"]:
            rows = self._measure(ids, scale, databases[0])
            Path(options["into"]).write_text(json.dumps([asdict(row) for row in rows]))
            return
        rows = [row for database in databases for row in _measured_apart(ids, scale, database)]
        if options["as_json"]:
            self.stdout.write(json.dumps([asdict(row) for row in rows], indent=2))
        else:
            self._print(rows)
        if not all(row.holds for row in rows):
            sys.exit(1)

    def _measure(self, ids: list[str], scale: str, database: str) -> list[Row]:
        """Measure in this process, on a new database that is gone afterwards."""
        rows: list[Row] = []
        with throw_away_database():
            for id in ids:
                bench = Bench(
                    id=id,
                    target=RATIOS[id].target,
                    database=database,
                    scale=scale,
                    say=self._say,
                    redis_url=os.environ.get("BENCH_REDIS_URL", ""),
                )
                self._say(f"{id} on {database} …")
                rows.extend(RATIOS[id].measure(bench))
        return rows

    def _say(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()

    def _print(self, rows: list[Row]) -> None:
        write = self.stdout.write
        write(
            f"{'id':<5}{'n':>9} {'database':<9}{'ratio':>8}{'target':>8}  {'holds':<6}{'seconds':>11}{'yardstick':>11}"
        )
        for row in rows:
            write(
                f"{row.id:<5}{row.n:>9,} {row.database:<9}{row.ratio:>8.3f}{row.target:>8g}  "
                f"{'yes' if row.holds else 'NO':<6}{row.seconds:>11.4f}{row.yardstick_seconds:>11.4f}  {row.note}"
            )


def find_benches() -> None:
    """Import the module `benches` of every installed app that has one."""
    for config in apps.get_app_configs():
        if config.module is not None and module_has_submodule(config.module, "benches"):
            import_module(f"{config.name}.benches")


def _known(asked: list[str]) -> list[str]:
    ids = list(dict.fromkeys(id.upper() for id in asked)) or in_order(RATIOS)
    unknown = [id for id in ids if id not in RATIOS]
    if unknown:
        raise CommandError(f"Nothing measures {', '.join(unknown)}; expected some of {', '.join(in_order(RATIOS))}.")
    return ids


def _databases(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    wrong = [name for name in names if name not in DATABASES]
    if wrong:
        raise CommandError(f"--databases names {', '.join(wrong)}; expected sqlite, postgres or sqlite,postgres.")
    return names or ["sqlite" if settings.EMBEDDED else "postgres"]


def _measured_apart(ids: list[str], scale: str, database: str) -> list[Row]:
    """Measure on one database in a process of its own, which reads nothing of the operator's."""
    with tempfile.TemporaryDirectory(prefix="itomarkets-bench-") as folder:
        into = Path(folder) / "rows.json"
        command = [*MANAGE, "bench", *ids, "--scale", scale, "--databases", database, "--into", str(into)]
        ended = subprocess.run(command, env=_environment(database, Path(folder)), stdout=sys.stderr, check=False)  # noqa: S603
        if ended.returncode or not into.exists():
            raise CommandError(f"Measuring on {database} ended with {ended.returncode}; the reason is printed above.")
        return [Row(**row) for row in json.loads(into.read_text())]


def _environment(database: str, folder: Path) -> dict[str, str]:
    here = f"postgres://{os.environ.get('PGUSER', 'postgres')}@127.0.0.1/postgres"
    return {
        **os.environ,
        **dict.fromkeys(THREADS, "1"),
        "DATABASE_URL": (settings.DATABASE_URL or here) if database == "postgres" else "",
        # The operator's broker must hear of no order of a bench; what measures Redis itself asks for it by name.
        "REDIS_URL": "",
        "BENCH_REDIS_URL": settings.REDIS_URL,
        "ITO_VAR": str(folder / "var"),
        "ITO_CLOCK": "",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "CREDENTIAL_KEYS": f"bench:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "VENUES": "sandbox",
        # Where a bench that needs the exchanges starts their stand-in.
        "SANDBOX_URL": f"http://127.0.0.1:{free_port()}",
        "LIVE_TRADING": "0",
        "DEBUG": "0",
        "INSECURE_HTTP": "1",
        "LOG_LEVEL": "ERROR",
        "EMAIL_URL": "dummymail://",
    }


@contextmanager
def throw_away_database() -> Iterator[None]:
    """Make an empty database beside the configured one, use it in this process, and drop it."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(settings.VAR_DIR / "bench.sqlite3")
    else:
        connection.settings_dict["TEST"]["NAME"] = f"bench_{os.getpid()}_{secrets.token_hex(4)}"
    configured = connection.settings_dict["NAME"]
    try:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    except OperationalError as error:
        raise CommandError(
            f"No throw-away database could be made: {str(error).strip()}. Set DATABASE_URL to a PostgreSQL whose user "
            "may create databases, or measure with --databases sqlite."
        ) from error
    try:
        yield
    finally:
        connection.creation.destroy_test_db(str(configured), verbosity=0)
