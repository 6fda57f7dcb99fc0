"""R8: labels for many markets against the bare models on the same texts. R5: pages of the list, deep against first.

S1: what a person waits for while typing, against a page of rows by their keys. P1: pairs against an index of words.
"""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import F
from rest_framework.test import APIRequestFactory, force_authenticate

from categorization.api.views import MarketSearch
from categorization.artifact import Artifact
from categorization.knowledge.words import words_of
from categorization.learning import active_version, artifact_of
from categorization.models import Classification
from categorization.pairs.blocking import ClaimIndex
from categorization.pairs.claims import Listing, read_claim
from categorization.pairs.comparing import compare
from categorization.pipeline import categorize_markets
from categorization.reading import MARKET_FIELDS, reading_of_row
from categorization.stages.lexical import lexical, model_text
from categorization.stages.normalize import normalize
from categorization.taxonomy import load_taxonomy
from categorization.training import one_thread, read_examples
from itomarkets.lib.bench import Bench, Row, ratio, slope
from markets.api.serializers import FIELDS
from markets.models import Event, Market
from markets.search_index import refresh_index

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
SMALL = (1_000, 2_000, 4_000)
FULL = (25_000, 50_000, 100_000)
# A venue's event holds several markets that ask one question about several figures.
MARKETS_AN_EVENT = 5
MONTHS = ("January", "March", "April", "June", "August", "September", "October", "December")
CATEGORIES = ("Economics", "Politics", "Crypto", "Sports", "Climate", "Companies", "World", "Science")
IMPORT_SECONDS = 0.3
# A universe that is written row by row, and copied in the database to the sizes that are listed and searched.
BASE = 5_000
LISTED_SMALL, LISTED_FULL = (25_000,), (25_000, 100_000, 400_000)
SEARCHED_SMALL, SEARCHED_FULL = (25_000,), (100_000,)
PAGE, PAGES_READ, SEARCHES = 50, 41, 5
# From the first two letters on: common words, rare ones, names, figures, and words that are mistyped.
TYPED = ("wi", "will", "fe", "fed rates", "bitcoin 100k", "KXBENCH-77", "trump", "trmp", "bitcion prise", "in march")
PAIR = ("kalshi", "polymarket")


@ratio("R8", target=3.0)
def categorizing(bench: Bench) -> Iterable[Row]:
    """Read, decide and write every market of a universe that is new, then run again with nothing changed.

    The yardstick is the shipped vectorisers' transform and the shipped model's best label, in one batch.
    """
    load_taxonomy()
    artifact = artifact_of(active_version(now=NOW))
    imported = _import_seconds()
    points: list[tuple[float, float]] = []
    sizes = FULL if bench.is_full else SMALL
    for size in sizes:
        _fill(size)
        texts = [
            model_text(normalize(reading_of_row(row)))
            for row in Market.objects.order_by("id").values(*MARKET_FIELDS).iterator()
        ]
        timing = bench.alternate(_anew, partial(_yardstick, artifact, texts), rounds=1 if bench.is_full else 3)
        points.append((size, timing.seconds))
        started = time.perf_counter()
        again = categorize_markets(markets=None, now=NOW)
        second = time.perf_counter() - started
        steepness = slope(points) if len(points) > 1 else 1.0
        yield bench.row(
            seconds=timing.seconds,
            yardstick_seconds=timing.yardstick_seconds,
            n=size,
            # A last size that is bigger than its part would say so; small runs are short and noisy.
            also=not again.written and imported < IMPORT_SECONDS and (size != sizes[-1] or steepness <= 1.1),
            note=(
                f"again {second:.2f} s, {again.written} written; slope {steepness:.2f}; "
                f"import of the app {imported:.2f} s"
            ),
        )
    _empty()


@ratio("R5", target=1.1)
def listing(bench: Bench) -> Iterable[Row]:
    """Answer the last full page of `/api/v1/markets/search`; the yardstick is its first page."""
    for size in LISTED_FULL if bench.is_full else LISTED_SMALL:
        _fill(BASE)
        _multiply(size)
        answer = _answers(MarketSearch)
        volume, pk = Market.objects.order_by(F("volume").desc(), "id").values_list("volume", "id")[size - 2 * PAGE]
        cursor = base64.urlsafe_b64encode(f"n||{volume}|{pk}".encode()).decode().rstrip("=")
        deep, first = answer(status="all", cursor=cursor), answer(status="all")
        rows = [deep(), first()]
        timing = bench.alternate(_timed(deep), _timed(first), rounds=PAGES_READ)
        yield bench.row(
            seconds=timing.seconds,
            yardstick_seconds=timing.yardstick_seconds,
            n=size,
            also=rows == [PAGE, PAGE],
            note=f"row {size - 2 * PAGE:,} against row 1, {PAGES_READ} of each",
        )
    _empty()


@ratio("S1", target=40.0)
def searching(bench: Bench) -> Iterable[Row]:
    """Search while a person types: the slowest of TYPED, page and all; the yardstick reads a page of rows by key."""
    for size in SEARCHED_FULL if bench.is_full else SEARCHED_SMALL:
        _fill(BASE)
        _multiply(size)
        started = time.perf_counter()
        refresh_index()
        indexed = time.perf_counter() - started
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        keys = list(Market.objects.order_by("native_id").values_list("pk", flat=True)[:PAGE])
        answer = _answers(MarketSearch)
        timings = {
            typed: bench.alternate(_timed(answer(q=typed, status="all")), partial(_page_by_keys, keys), rounds=SEARCHES)
            for typed in TYPED
        }
        slowest = max(timings.values(), key=lambda timing: timing.seconds / timing.yardstick_seconds)
        told = ", ".join(f"{typed} {timing.seconds * 1000:.0f}" for typed, timing in timings.items())
        yield bench.row(
            seconds=slowest.seconds,
            yardstick_seconds=slowest.yardstick_seconds,
            n=size,
            note=f"ms: {told}; indexed in {indexed:.1f} s",
        )
    _empty()


def _timed(answer: Callable[[], int]) -> Callable[[], None]:
    def work() -> None:
        answer()

    return work


def _answers(view: type[MarketSearch]) -> Callable[..., Callable[[], int]]:
    """Return what asks a view as a signed-in person would, by parameters, and counts the rows of its answer.

    Nobody's requests are counted, so that nobody is told to wait.
    """
    ask = view.as_view(throttle_classes=())
    person = get_user_model()(pk=1, username="bench")

    def to(**parameters: str) -> Callable[[], int]:
        def answer() -> int:
            request = APIRequestFactory().get("/api/v1/markets/search", parameters, HTTP_HOST="localhost")
            force_authenticate(request, user=person)
            return len(json.loads(ask(request).render().content)["results"])

        return answer

    return to


def _page_by_keys(keys: list[int]) -> None:
    list(Market.objects.filter(pk__in=keys).values(*FIELDS))


def _multiply(size: int) -> None:
    """Copy the markets under other names and volumes, in the database, until there are so many."""
    columns = [str(field.column) for field in Market._meta.concrete_fields if not field.primary_key]
    largest = Market.objects.latest("pk").pk
    for copy in range(1, size // BASE):
        changed = {
            "native_id": f"native_id || '-{copy}'",
            "volume": f"(volume * 31 + {copy} * 1000003) %% 10000000000000",
        }
        values = ", ".join(changed.get(name, name) for name in columns)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO markets_market ({', '.join(columns)}) SELECT {values} FROM markets_market WHERE id <= %s",  # noqa: S608
                [largest],
            )


@ratio("P1", target=50.0)
def matching(bench: Bench) -> Iterable[Row]:
    """Read, block and compare the questions of both venues; no database is touched.

    The yardstick splits the same texts into words and indexes one side by them. The design names no target; this
    one says how much more reading and comparing may cost.
    """
    examples = [example.title for example in read_examples()]
    for size in FULL if bench.is_full else SMALL:
        listings = [
            Listing(number, PAIR[number % 2], f"KXBENCH-{number}", title, close_at=NOW + timedelta(days=90))
            for number in range(size)
            for title in [f"{examples[number // 2 % len(examples)].rstrip('?')} by {_day(number)}?"]
        ]
        timing = bench.alternate(
            partial(_match_all, listings), partial(_index_all, listings), rounds=1 if bench.is_full else 3
        )
        yield bench.row(seconds=timing.seconds, yardstick_seconds=timing.yardstick_seconds, n=size)


def _day(number: int) -> str:
    return f"{MONTHS[number // 2 % len(MONTHS)]} {number // 2 % 28 + 1}, 2026"


def _match_all(listings: list[Listing]) -> None:
    index = ClaimIndex([read_claim(listing) for listing in listings if listing.venue == PAIR[0]])
    for listing in listings:
        if listing.venue == PAIR[1]:
            claim = read_claim(listing)
            for other in index.candidates(claim):
                compare(other, claim)


def _index_all(listings: list[Listing]) -> None:
    index: dict[str, list[int]] = {}
    for number, listing in enumerate(listings):
        words = words_of(listing.title)
        if listing.venue == PAIR[0]:
            for word in words:
                index.setdefault(word, []).append(number)


def _anew() -> float:
    """Categorize everything as if for the first time; clearing the table is not part of it."""
    Classification.objects.all().delete()
    started = time.perf_counter()
    categorize_markets(markets=None, now=NOW)
    return time.perf_counter() - started


def _yardstick(artifact: Artifact, texts: list[str]) -> None:
    with one_thread():
        lexical(artifact, artifact.features(texts)).argmax(axis=1)


def _fill(size: int) -> None:
    """Write a universe of our own questions: each event asks one of them of several figures in some month."""
    _empty()
    titles = [example.title for example in read_examples()]
    count = size // MARKETS_AN_EVENT
    questions = [
        f"{titles[number % len(titles)].rstrip('?')} in {MONTHS[number // len(titles) % len(MONTHS)]}?"
        for number in range(count)
    ]
    Event.objects.bulk_create(
        [
            Event(
                venue=PAIR[number % 2],
                native_id=f"KXBENCH-{number}",
                title=question,
                created_at=NOW,
                last_changed_at=NOW,
            )
            for number, question in enumerate(questions)
        ],
        batch_size=500,
    )
    events = Event.objects.order_by("id").values_list("id", "title", "venue")
    Market.objects.bulk_create(
        [
            Market(
                venue=venue,
                event_id=event_id,
                native_id=f"KXBENCH-{event_id}-T{step}",
                title=title,
                subtitle=f"Above {step}",
                status=Market.Status.OPEN,
                category=CATEGORIES[event_id % len(CATEGORIES)],
                tags=[CATEGORIES[event_id % len(CATEGORIES)], MONTHS[event_id % len(MONTHS)]],
                close_at=NOW + timedelta(days=90),
                # Few trade much, and a fifth of all not at all: ties that a cursor must get through.
                volume=Decimal(0 if step == 4 else 10_000_000 // (1 + (event_id * 7919 + step) % 9973)),
                created_at=NOW,
                last_changed_at=NOW,
                **_keys(venue, event_id, step),
            )
            for event_id, title, venue in events
            for step in range(MARKETS_AN_EVENT)
        ],
        batch_size=500,
    )


def _keys(venue: str, event_id: int, step: int) -> dict[str, str]:
    """A Polymarket market is known by three more numbers, each its own."""
    if venue != PAIR[1]:
        return {}
    number = event_id * MARKETS_AN_EVENT + step
    return {"condition_id": f"0x{number:064x}", "yes_token": str(2 * number), "no_token": str(2 * number + 1)}


def _empty() -> None:
    Classification.objects.all().delete()
    Market.objects.all().delete()
    Event.objects.all().delete()


def _import_seconds() -> float:
    """Import the app's jobs and pages in a fresh process, after Django; the best of three."""
    code = (
        "import django, time; from django.conf import settings; django.setup(); import sys;"
        "kept = [name for name in sys.modules if name.startswith('categorization')];"
        "[sys.modules.pop(name) for name in kept if 'models' not in name and name != 'categorization'];"
        "started = time.perf_counter(); import categorization.pipeline, categorization.explain;"
        "print(time.perf_counter() - started)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout  # noqa: S603
        for _ in range(3)
    ]
    return min(float(run) for run in runs)
