import sys
import time
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from itomarkets.simulation.database import throw_away_database
from itomarkets.simulation.run import Report, SeedReport, run_seeds


class Command(BaseCommand):
    help = (
        "Trade through seeded faults in a database of its own, on a virtual clock, and check I1 to I12 after every "
        "event. Exits with 1 on a breach. `--seed S --seeds 1 -v 2` plays one seed again, line by line."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seeds", type=int, default=60, help="how many seeds to play (60)")
        parser.add_argument("--seed", type=int, default=1, help="the first one (1)")
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

        first = options["seed"]
        with throw_away_database() as database:
            report = run_seeds(range(first, first + options["seeds"]), say=say, told=told)
        self._print(report, database, time.monotonic() - started, as_json=options["json"])
        if report.breaches:
            self.stderr.write(f"Play it again: manage.py simulate_faults --seed {report.failing_seed} --seeds 1 -v 2")
            sys.exit(1)

    def _print(self, report: Report, database: str, seconds: float, *, as_json: bool) -> None:
        found = {
            "seeds": report.seeds,
            "faults": dict(sorted(report.faults.items())),
            "breaches": report.breaches,
            "unknowns_resolved": report.unknowns_resolved,
            "failing_seed": report.failing_seed,
            "events": report.events,
            "trades": report.trades,
            "seconds": round(seconds, 1),
            "database": database,
        }
        if as_json:
            self.stdout.write(orjson.dumps(found).decode())
            return
        for kind, count in found["faults"].items():
            self.stdout.write(f"{kind:<40} {count:>8,}")
        for name, value in found.items():
            if name != "faults":
                self.stdout.write(f"{name:<40} {value!s:>8}")
