"""R6 and R7: what it costs to price and to record every basket, against the least that a machine could do."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db import connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from baskets.bulk import insert_rows
from baskets.fixing import Fixing, fix_baskets
from baskets.legs import held_legs
from baskets.models import Basket, Composition, Constituent, Mark, MinuteMark, PriceHistory
from baskets.snapshots import record_prices
from itomarkets.lib.bench import Bench, Row, ratio, slope
from markets.models import Market, Quote

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
LEGS = 10
MARKETS = 2_000
MOST_STATEMENTS = 3
# A history table with the same join behind it and nothing done on the way: the least that recording can cost.
BARE = """
INSERT INTO bare_history (basket_id, composition_id, at, value, gauge)
SELECT co.basket_id, co.id, %s, co.cash + SUM(c.units * (q.yes_bid + q.yes_ask) / 2),
       SUM(c.weight * (q.yes_bid + q.yes_ask) / 2)
FROM baskets_constituent c
JOIN baskets_composition co ON co.id = c.composition_id
JOIN baskets_basket b ON b.id = co.basket_id AND b.is_active
JOIN markets_market m ON m.id = c.market_id
LEFT JOIN markets_quote q ON q.market_id = m.id
LEFT JOIN baskets_mark k ON k.market_id = m.id AND k.side = c.side
WHERE NOT EXISTS (
    SELECT 1 FROM baskets_composition n WHERE n.basket_id = co.basket_id AND n.version > co.version
)
GROUP BY co.basket_id, co.id, co.cash
"""


def sizes(bench: Bench) -> tuple[int, ...]:
    return (1_000, 10_000, 100_000) if bench.is_full else (1_000, 10_000)


def fill(count: int) -> None:
    """Have this many active baskets of ten live-quoted legs each; what an earlier size left is used."""
    owner, _ = User.objects.get_or_create(username="bench", defaults={"email": "bench@example.com"})
    if not Market.objects.exists():
        insert_rows(
            Market,
            ("venue", "native_id", "title", "status", "outcome_count", "created_at", "last_changed_at", *BLANK),
            [["kalshi", f"KXBENCH-{n}", f"Question {n}", "open", 2, NOW, NOW, *BLANK.values()] for n in range(MARKETS)],
        )
    first = Market.objects.order_by("pk").values_list("pk", flat=True)[0]
    have = Basket.objects.count()
    insert_rows(
        Basket,
        ("public_id", "slug", "name", "description", "kind", "visibility", "owner", "mode", "allocation", "rules",
         "is_active", "created_at"),
        [
            [f"bas_{n:014d}", f"bench-{n}", f"Bench {n}", "", "custom", "private", owner.pk, "dollar", "units", {},
             True, NOW]
            for n in range(have, count)
        ],
    )  # fmt: skip
    ids = list(Basket.objects.order_by("pk").values_list("pk", flat=True))[have:]
    insert_rows(
        Composition,
        ("basket", "version", "effective_at", "reason", "method_version", "inputs", "inputs_hash", "divisor",
         "divisor_net", "value_after", "cash"),
        [[pk, 1, NOW, "Bench", "1.0", {}, "0" * 64, 10**15, 10**15, 10**16, 0] for pk in ids],
    )  # fmt: skip
    compositions = list(Composition.objects.order_by("pk").values_list("pk", flat=True))[have:]
    insert_rows(
        Constituent,
        ("composition", "market", "side", "weight", "units", "mark", "mark_reason", "why"),
        [
            [pk, first + (pk * 7 + leg * 197) % MARKETS, ("yes", "no")[leg % 2], 10**7, 10**9 + leg * pk, 500_000,
             "mid", ""]
            for pk in compositions
            for leg in range(LEGS)
        ],
    )  # fmt: skip
    insert_rows(
        Mark,
        ("market", "side", "price", "at"),
        [[first + n, side, 500_000, NOW] for n in range(MARKETS) for side in ("yes", "no")],
    )
    last = Basket.objects.order_by("pk").values_list("pk", flat=True)[count - 1]
    Basket.objects.update(is_active=Q(pk__lte=last))


BLANK = {
    "slug": "", "rules": "", "yes_label": "Yes", "no_label": "No", "subtitle": "", "category": "", "tags": [],
    "is_combo": False, "result": "", "volume": 0, "price_ranges": [], "exchange_index": 0, "condition_id": "",
    "yes_token": "", "no_token": "", "neg_risk": False, "accepts_orders": True, "fee_schedule": {}, "digest": "",
}  # fmt: skip


def quote(now: datetime) -> None:
    """Have a live book of every market at an instant, each minute another."""
    step = now.minute * 1_000
    bids = [300_000 + (n * 37 % 400) * 1_000 + step for n in range(MARKETS)]
    ids = list(Market.objects.order_by("pk").values_list("pk", flat=True))
    insert_rows(
        Quote,
        ("market", "yes_bid", "yes_ask", "observed_at", "received_at"),
        [[pk, bid, bid + 20_000, now, now] for pk, bid in zip(ids, bids, strict=True)],
        on_conflict=(
            "(market_id) DO UPDATE SET yes_bid = excluded.yes_bid, yes_ask = excluded.yes_ask, "
            "observed_at = excluded.observed_at, received_at = excluded.received_at"
        ),
    )


@ratio("R6", target=20)
def pricing(bench: Bench) -> Iterable[Row]:
    """Price every basket exactly, against a float product of the same legs; both begin with the legs in memory."""
    for count in sizes(bench):
        fill(count)
        quote(NOW)
        legs = list(held_legs())
        fixings = list(fix_baskets(legs, NOW))
        units = np.array([leg.units for leg in legs], dtype=float)
        weights = np.array([leg.weight for leg in legs], dtype=float)
        prices = np.array([mark.price for fixing in fixings for _, mark in fixing.marks], dtype=float)
        starts = np.arange(0, len(legs), LEGS)

        def bare(units=units, weights=weights, prices=prices, starts=starts) -> None:  # type: ignore[no-untyped-def]
            np.add.reduceat(units * prices, starts)
            np.add.reduceat(weights * prices, starts)

        timing = bench.alternate(lambda legs=legs: _drain(fix_baskets(legs, NOW)), bare)  # type: ignore[misc]
        equal = all(map(_is_equal_to_decimals, fixings))
        yield bench.row(
            seconds=timing.seconds,
            yardstick_seconds=timing.yardstick_seconds,
            n=count,
            also=equal,
            note="equal to decimals to the last digit" if equal else "NOT equal to decimals",
        )


def _drain(fixings: Iterable[Fixing]) -> None:
    for _ in fixings:
        pass


def _is_equal_to_decimals(fixing: Fixing) -> bool:
    value, gauge = Decimal(fixing.marks[0][0].cash).scaleb(-14), Decimal(0)
    for leg, mark in fixing.marks:
        price = Decimal(mark.price or 0).scaleb(-6)
        value += Decimal(leg.units).scaleb(-8) * price
        gauge += Decimal(leg.weight).scaleb(-8) * price
    return fixing.value == int(value.scaleb(14)) and fixing.gauge == int(gauge.scaleb(14))


@ratio("R7", target=1.2)
def recording(bench: Bench) -> Iterable[Row]:
    """Record a minute of every basket, from stored quotes to committed rows, against one bare INSERT … SELECT."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE bare_history (basket_id bigint, composition_id bigint, at timestamp, value bigint, "
            "gauge bigint, PRIMARY KEY (basket_id, at))"
        )
    points: list[tuple[float, float]] = []
    for count in sizes(bench):
        fill(count)
        MinuteMark.objects.all().delete()
        PriceHistory.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM bare_history")
        recorder = Recorder(count)
        timing = bench.alternate(recorder.work, recorder.bare)
        points.append((count, timing.seconds))
        grows = slope(points) if len(points) > 1 else 1.0
        yield bench.row(
            seconds=timing.seconds,
            yardstick_seconds=timing.yardstick_seconds,
            n=count,
            also=recorder.statements <= MOST_STATEMENTS,
            note=f"{recorder.statements} statements, slope {grows:.2f}",
        )


class Recorder:
    """Records one minute after the other, by our code or by the bare statement; counts the statements of ours."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.minute = NOW
        self.statements = 0

    def _next(self) -> datetime:
        self.minute += timedelta(minutes=1)
        quote(self.minute)
        return self.minute

    def work(self) -> float:
        now = self._next()
        started = time.perf_counter()
        with CaptureQueriesContext(connection) as queries:
            report = record_prices(now=now)
        seconds = time.perf_counter() - started
        if report.fixings != self.count:
            raise AssertionError(f"expected {self.count} fixings, found {report.fixings}")
        self.statements = max(self.statements, len(queries))
        return seconds

    def bare(self) -> float:
        now = self._next()
        started = time.perf_counter()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(BARE, [now.replace(tzinfo=None)])
        return time.perf_counter() - started
