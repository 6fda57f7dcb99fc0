import subprocess
import sys
import time
from collections import Counter
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from itomarkets.simulation.database import throw_away_database, use_database
from itomarkets.simulation.run import Report, SeedReport, run_seeds
from itomarkets.simulation.weather import NOT_PLAYED, never_drawn

# Fewer seeds may miss a fault by chance; so many, or more, must have drawn each.
ENOUGH_SEEDS = 60


class Command(BaseCommand):
    help = (
        "Trade through seeded faults in a database of its own, on a virtual clock, and check I1 to I12 after every "
        f"event. Exits with 1 on a breach, and where {ENOUGH_SEEDS} seeds or more leave one of F1 to F32 undrawn. "
        "`--seed S --seeds 1 -v 2` plays one seed again, line by line. Not played: "
        + "; ".join(f"{kind} ({reason})" for kind, reason in NOT_PLAYED.items())
        + "."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seeds", type=int, default=60, help="how many seeds to play (60)")
        parser.add_argument("--seed", type=int, default=1, help="the first one (1)")
        parser.add_argument("--jobs", type=int, default=1, help="processes side by side, each with its database (1)")
        parser.add_argument("--database", default="", help="a copy of the empty database that --jobs has made")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        loud = options["verbosity"] >= 2

        def say(line: str) -> None:
            if loud:
                self.stderr.write(line)

        def told(one: SeedReport) -> None:
            if one.breach:
                self.stderr.write(f"seed {one.seed}: {one.breach}")

        seeds = range(options["seed"], options["seed"] + options["seeds"])
        if options["database"]:
            try:
                use_database(options["database"])
            except ValueError as error:
                raise CommandError(str(error)) from error
            report = run_seeds(seeds, say=say, told=told)
        elif options["jobs"] > 1:
            with throw_away_database(copies=options["jobs"]) as copies:
                report = self._side_by_side(seeds, options["jobs"], copies)
        else:
            with throw_away_database():
                report = run_seeds(seeds, say=say, told=told)
        self._print(report, time.monotonic() - started, as_json=options["json"])
        if report.breaches:
            self.stderr.write(f"Play it again: manage.py simulate_faults --seed {report.failing_seed} --seeds 1 -v 2")
            sys.exit(1)
        missing = never_drawn(report.faults)
        # One of several processes plays too few for that; their sum is looked at.
        if missing and report.seeds >= ENOUGH_SEEDS and not options["database"]:
            self.stderr.write(
                f"{report.seeds} seeds have not drawn {', '.join(missing)}: make what draws them likelier."
            )
            sys.exit(1)

    def _side_by_side(self, seeds: range, jobs: int, copies: list[str]) -> Report:
        """Play runs of seeds in processes of this very command, each in its copy, and add up what they print."""
        size = -(-len(seeds) // jobs)
        parts = [seeds[start : start + size] for start in range(0, len(seeds), size)]
        databases = [["--database", name] for name in copies] or [[]] * jobs
        processes = [
            subprocess.Popen(  # noqa: S603
                [sys.executable, sys.argv[0], "simulate_faults", "--seeds", str(len(part)), "--seed", str(part[0]),
                 "--json", *database],
                stdout=subprocess.PIPE, text=True,
            )
            for part, database in zip(parts, databases, strict=False)
        ]  # fmt: skip
        total = Report()
        for process in processes:
            printed = process.communicate()[0].strip()
            if process.returncode not in (0, 1) or not printed:
                raise CommandError(f"a process of the simulation ended with {process.returncode}; see above")
            found = orjson.loads(printed)
            total.faults += Counter(found["faults"])
            for name in ("seeds", "breaches", "unknowns_resolved", "events", "trades"):
                setattr(total, name, getattr(total, name) + found[name])
            if total.failing_seed is None:
                total.failing_seed = found["failing_seed"]
        return total

    def _print(self, report: Report, seconds: float, *, as_json: bool) -> None:
        found: dict[str, Any] = {
            "seeds": report.seeds,
            "faults": dict(sorted(report.faults.items())),
            "breaches": report.breaches,
            "unknowns_resolved": report.unknowns_resolved,
            "failing_seed": report.failing_seed,
            "events": report.events,
            "trades": report.trades,
            "seconds": round(seconds, 1),
            "database": connection.vendor,
            "faults_never_drawn": never_drawn(report.faults),
            "not_played": NOT_PLAYED,
        }
        if as_json:
            self.stdout.write(orjson.dumps(found).decode())
            return
        for kind, count in found["faults"].items():
            self.stdout.write(f"{kind:<40} {count:>8,}")
        for name, value in found.items():
            if name not in ("faults", "not_played"):
                self.stdout.write(f"{name:<40} {value!s:>8}")
        for kind, reason in NOT_PLAYED.items():
            self.stdout.write(f"not played: {kind}: {reason}")
