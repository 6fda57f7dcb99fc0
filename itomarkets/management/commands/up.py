"""Everything on one machine: both exchanges' stand-in, database, workers and pages."""

import errno
import os
import secrets
import shutil
import signal
import sys
import time
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from accounts.models import User
from baskets.backfill import LONGEST_DAYS, BackfillReport, backfill_history
from baskets.snapshots import record_prices, report_of
from categorization.taxonomy import load_taxonomy
from itomarkets import journey
from itomarkets.lib import clock
from itomarkets.processes import ProcessProblem, Program, Supervisor, port_is_free
from itomarkets.records.jobs import release_all, run_job
from itomarkets.records.models import JobRun
from markets.quotes import refresh_quotes
from trading.accounts import paper_account

HOST = "127.0.0.1"
FIRST_FILL = "first_fill"
NEEDED_DISK_BYTES = 1_000_000_000
PEOPLE = (("admin", "administrator"), ("reviewer", "reviewer"), ("demo", "person who trades on paper"))


class Command(BaseCommand):
    help = "Run everything on this machine: the exchanges' stand-in, the workers and the pages. Ctrl-C stops it all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=None, help="port of the pages (default: PORT, else 8000)")
        parser.add_argument("--days", type=int, default=365, help="days of history to fetch at the first run")

    def handle(self, *args: Any, **options: Any) -> None:
        self.started = time.monotonic()
        port = self._port(options["port"])
        days = options["days"]
        if not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--days is {days}; expected a whole number from 1 to {LONGEST_DAYS}.")
        sandbox_port = urlsplit(settings.SANDBOX_URL).port or 80
        self._check_machine(port=port, sandbox_port=sandbox_port)
        # The pages are served on this machine alone, by plain http.
        environment = {"INSECURE_HTTP": "1", **os.environ, "PYTHONUNBUFFERED": "1"}
        supervisor = Supervisor(environment=environment, log_folder=settings.VAR_DIR / "logs")
        # Ctrl-C as well: what a script starts in the background is born deaf to it.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _as_interrupt)
        try:
            self._prepare()
            if settings.VENUES == "sandbox":
                supervisor.start(Program("sandbox", _manage("sandbox", "--port", str(sandbox_port))))
                supervisor.wait_for(f"{settings.SANDBOX_URL}/health", seconds=60)
                self._say("the stand-in for both exchanges answers")
            self._fill(days=days)
            for program in programs_of(port, windows=sys.platform == "win32"):
                supervisor.start(program)
            supervisor.wait_for(f"http://{HOST}:{port}/health", seconds=60)
            self._say(f"open http://{HOST}:{port}/ (Ctrl-C stops everything)")
            supervisor.watch()
        except KeyboardInterrupt:
            self.stdout.write("Stopping.")
        except ProcessProblem as problem:
            raise CommandError(str(problem)) from problem
        except (OSError, OperationalError) as error:
            if not _disk_is_full(error):
                raise
            raise CommandError(
                f"The disk that holds {settings.VAR_DIR} is full. Make room, or set ITO_VAR to a folder on another "
                "disk, and run it again: it goes on with what is there."
            ) from error
        finally:
            supervisor.stop()

    def _say(self, text: str) -> None:
        self.stdout.write(f"[{time.monotonic() - self.started:5.1f} s] {text}")
        self.stdout.flush()

    def _port(self, given: int | None) -> int:
        name, text = ("PORT", os.environ.get("PORT") or "8000") if given is None else ("--port", str(given))
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            raise CommandError(f"{name} is {text!r}; expected a number from 1 to 65535.")
        return int(text)

    def _check_machine(self, *, port: int, sandbox_port: int) -> None:
        if not port_is_free(HOST, port):
            raise CommandError(
                f"Port {port} is taken by another program. Stop that one, or choose another: PORT={port + 1}."
            )
        if settings.VENUES == "sandbox" and not port_is_free(HOST, sandbox_port):
            raise CommandError(
                f"Port {sandbox_port}, where the stand-in for the exchanges listens, is taken by another program. "
                f"Stop that one, or choose another: SANDBOX_URL=http://{HOST}:{sandbox_port + 1}."
            )
        free = shutil.disk_usage(settings.VAR_DIR).free
        if free < NEEDED_DISK_BYTES:
            raise CommandError(
                f"Only {free / 1e9:.1f} GB are free at {settings.VAR_DIR}; about 1 GB is needed. "
                "Make room, or set ITO_VAR to a folder on a larger disk."
            )

    def _prepare(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        if settings.EMBEDDED:
            # The ports were free, so whoever held a lease on this machine's files was killed.
            release_all(now=clock.now())
        load_taxonomy()
        self._say("database and static files are ready")
        new = []
        now = clock.now()
        for username, role in PEOPLE:
            if User.objects.filter(username=username).exists():
                continue
            password = secrets.token_urlsafe(12)
            user = User.objects.create_user(
                username=username,
                email=f"{username}@localhost.localdomain",
                password=password,
                is_staff=username in ("admin", "reviewer"),
                is_superuser=username == "admin",
            )
            if username == "reviewer":
                user.groups.add(Group.objects.get(name="Reviewers"))
            paper_account(user, now=now)
            new.append((username, password, role))
        if new:
            self.stdout.write("\n  People made now; their passwords are shown only this once:")
            for username, password, role in new:
                self.stdout.write(f"    {username:<10} {password:<20} {role}")
            self.stdout.write("")

    def _fill(self, *, days: int) -> None:
        """Do what the beat would do over time, so that the first page already has prices and a year of history."""
        # A first fill that was cut off, or found no venue, does not count: the next run takes it up.
        filled = JobRun.objects.filter(name=FIRST_FILL, status=JobRun.Status.DONE)
        if not filled.filter(report__baskets__gt=0, report__errors=[]).exists():

            def fill() -> BackfillReport:
                journey.sync_pipeline(full=True, now=clock.now(), progress=self._say)
                return backfill_history(baskets=None, days=days, now=clock.now(), progress=self._say)

            run_job(FIRST_FILL, fill, lease_seconds=3600)
        refresh_quotes(now=clock.now())
        now = clock.now()
        report = report_of(record_prices(now=now), now=now)
        self._say(f"the prices of {report.recorded + report.already_there} baskets are recorded")


def _disk_is_full(error: Exception) -> bool:
    """Tell a full disk from other trouble: the system says ENOSPC, SQLite says so in words."""
    return getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)


def _as_interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def programs_of(port: int, *, windows: bool) -> list[Program]:
    """List the programs that run beside the stand-in: workers, their beat, the stream of quotes, and the pages."""
    celery = [sys.executable, "-m", "celery", "-A", "itomarkets"]
    pages = [sys.executable, "-m"]
    if windows:
        # gunicorn needs Unix; uvicorn serves the same pages everywhere.
        pages += ["uvicorn", "itomarkets.asgi:application", "--lifespan", "off", "--no-access-log"]
        pages += ["--host", HOST, "--port", str(port)]
    else:
        pages += ["gunicorn", "itomarkets.wsgi", "-k", "gthread", "--threads", "8"]
        pages += ["--no-control-socket", "-b", f"{HOST}:{port}"]
    schedule = ["-s", str(settings.CELERY_BEAT_SCHEDULE_FILENAME)]
    worker = [*celery, "worker", "-P", "threads", "-l", "INFO"]
    default = [*worker, "-c", "2", "-Q", "default,ingest", "-n", "default@%h"]
    programs = [
        Program("worker", default if windows else [*default, "-B", *schedule]),
        Program("trading", [*worker, "-c", "1", "-Q", "trading", "-n", "trading@%h"]),
        Program("stream", _manage("stream_quotes")),
        Program("web", pages),
    ]
    if windows:
        # There a worker refuses to carry the beat.
        programs.append(Program("beat", [*celery, "beat", "-l", "INFO", *schedule]))
    return programs
