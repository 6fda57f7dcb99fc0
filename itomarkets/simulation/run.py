"""Play seeds one after the other, each in an empty database, and report what broke."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, connections
from django.db.models import Model

from itomarkets.simulation import invariants
from itomarkets.simulation.program import Program
from itomarkets.simulation.stage import Breach, Stage
from trading.holding import has_live
from trading.models import Order, Trade

EVENTS_A_SEED = 20
# I12: once the faults have stopped, everything rests within so many passes. The first comes after a listing may
# lag, an order may turn up late and a match may stay open; with the second, no account has gone for longer without
# being looked at than one on which nothing was traded may.
CALM_PASSES, CALM_SECONDS, LONGER_CALM_SECONDS, LEAST_CALM_PASSES = 16, 151, 461, 2
APPS = ("trading", "baskets", "markets", "records", "accounts")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SeedReport:
    """How one seed went: `breach` is empty where every invariant held."""

    seed: int
    faults: Counter[str]
    unknowns_resolved: int
    events: int
    trades: int
    breach: str = ""


@dataclass(slots=True)
class Report:
    """How all seeds went."""

    seeds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    breaches: int = 0
    unknowns_resolved: int = 0
    failing_seed: int | None = None
    events: int = 0
    trades: int = 0

    def add(self, one: SeedReport) -> None:
        self.seeds += 1
        self.faults += one.faults
        self.unknowns_resolved += one.unknowns_resolved
        self.events += one.events
        self.trades += one.trades
        if one.breach:
            self.breaches += 1
            if self.failing_seed is None:
                self.failing_seed = one.seed


def run_seeds(
    seeds: Iterable[int], *, say: Say, told: Callable[[SeedReport], None], until_breach: bool = False
) -> Report:
    """Play seeds; `say` takes the log's lines, `told` each seed's report. `until_breach` ends with the first one."""
    report = Report()
    for seed in seeds:
        one = run_seed(seed, say=say)
        report.add(one)
        told(one)
        if one.breach and until_breach:
            break
    return report


def run_seed(seed: int, *, say: Say) -> SeedReport:
    """Play one seed from an empty database. The same seed says the same lines."""
    empty_database()
    stage = Stage(seed, say)
    program: Program | None = None
    events, breach = 0, ""
    with stage.set_up():
        try:
            program = Program(stage, stage.chance_of("program"))
            for number in range(1, EVENTS_A_SEED + 1):
                name, event = program.next_event()
                stage.new_event(name, program.revoked)
                events = number
                stage.say(f"{number} {name}: {stage.guarded(event)}")
                stage.check(at_rest=False)
            events += come_to_rest(stage, program)
        except Breach as error:
            breach = str(error)
        except Exception as error:
            # Whatever product code raises that its callers do not expect is a finding as well.
            where = traceback.extract_tb(error.__traceback__)[-1]
            breach = f"{type(error).__name__} in {where.name} ({where.filename}:{where.lineno}): {error}"
        stage.process.restart()
        stage.count_what_ended_in_part()
        if breach:
            stage.say(f"BREACH {breach}")
        return SeedReport(seed, stage.faults, stage.unknowns_resolved(), events, Trade.objects.count(), breach)


def come_to_rest(stage: Stage, program: Program) -> int:
    """Stop the faults, let workers and owners do what is left, and check everything at rest: I12, I2 and I3."""
    program.calm()
    stage.say("the faults stop")
    passes = 0
    stage.guarded(program.read_catalogue)
    for passes in range(1, CALM_PASSES + 1):
        stage.app.plan = []
        stage.judges.new_event()
        stage.machine.sleep(LONGER_CALM_SECONDS if passes == LEAST_CALM_PASSES else CALM_SECONDS)
        for event in (program.beat_calmly, program.deliver_all, program.settle):
            stage.guarded(event)
        stage.check(at_rest=False)
        if passes >= LEAST_CALM_PASSES and rests():
            break
    stage.say(f"at rest after {passes} passes")
    stage.check(at_rest=True)
    try:
        for trade in Trade.objects.order_by("created_at", "idempotency_key"):
            invariants.came_to_rest(trade)
    except AssertionError as error:
        raise Breach(f"I12: {error}") from error
    return passes


def rests() -> bool:
    """Tell whether nothing is on its way, and every trade has ended or asks its owner."""
    unended = [trade for trade in Trade.objects.filter(finished_at=None) if not trade.is_held]
    live = any(has_live(trade) for trade in Trade.objects.all())
    return not unended and not live and not Order.objects.filter(fills__settlement="matched").exists()


def empty_database() -> None:
    """Remove every row of ours and begin every count at 1 again, so that a seed is the same wherever it is played."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Nothing of a throw-away database needs to survive the machine.
            cursor.execute("SET synchronous_commit TO OFF")
        if connection.vendor == "postgresql":
            # At once: so many small statements take longer than a trade.
            cursor.execute(";".join(_emptying(connection.alias)))
            return
        for statement in _emptying(connection.alias):
            cursor.execute(statement)


@cache
def _emptying(alias: str) -> tuple[str, ...]:
    """Return the statements that empty a database; its tables do not change while seeds are played."""
    models = [model for label in APPS for model in apps.get_app_config(label).get_models()]
    statements = []
    for model in _children_first(models):
        for table in (*(each.m2m_db_table() for each in model._meta.local_many_to_many), model._meta.db_table):
            statements.append(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608
    tables = {model._meta.db_table for model in models}
    ours = [each for each in connections[alias].introspection.sequence_list() if each["table"] in tables]
    return (*statements, *connection.ops.sequence_reset_by_name_sql(no_style(), ours))


def _children_first(models: list[type[Model]]) -> list[type[Model]]:
    """Order models so that each comes before those that it points at."""
    waiting, ordered = list(models), []
    while waiting:
        pointed_at = {
            field.related_model for model in waiting for field in model._meta.concrete_fields
            if field.is_relation and field.related_model is not model
        }  # fmt: skip
        free = [model for model in waiting if model not in pointed_at]
        if not free:
            raise RuntimeError(f"models point at each other: {waiting}")
        ordered += free
        waiting = [model for model in waiting if model not in free]
    return ordered
