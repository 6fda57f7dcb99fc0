"""The index behind the search: made from markets after they were written, so that writing them costs nothing more.

A market or an event that says something new gets a later `last_changed_at`; a document older than either is made anew.
So nothing has to be remembered between a sync and the index, and a run that was cut off is made up for by the next.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import BooleanField, F, Func, Q
from django.db.models.functions import Coalesce, Greatest

from itomarkets.lib.locks import extend, lease
from markets.models import Market, SearchDocument
from markets.upsert import RowWriter
from markets.wording import Wording, document_of

BATCH = 2_000
# Words are added up over this many documents, a multiple of a batch, before they are written.
WORDS_EVERY = 20_000
SHORTEST_WORD, LONGEST_WORD = 3, 24
LEASE = "markets.search_index"
# Extended with every batch, so that a killed run is in nobody's way for longer.
LEASE_SECONDS = 120
DOCUMENT = ("market_id", "title", "words", "stamp")
READ = (
    "pk", "title", "subtitle", "native_id", "slug", "event__title", "event__series_title", "category",
    "event__category", "tags", "newest",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IndexReport:
    """How many documents were made, or that somebody else is making them; `last` is the last market's key so far."""

    written: int = 0
    skipped: bool = False
    last: int = 0


def refresh_index(*, after: int = 0, progress: Callable[[str], None] | None = None) -> IndexReport:
    """Bring the index up to date with the markets whose key is above `after`, a batch a transaction.

    A second run writes nothing.
    """
    with lease(LEASE, seconds=LEASE_SECONDS) as fence:
        if fence is None:
            return IndexReport(skipped=True, last=after)
        writer = RowWriter(SearchDocument, DOCUMENT, key=["market_id"])
        written, last = 0, after
        words: Counter[str] = Counter()
        for rows in _outdated(after):
            documents = [_document(*row) for row in rows]
            with transaction.atomic():
                writer.write(documents)
            written += len(documents)
            last = documents[-1][0]
            for _, own, around, _ in documents:
                words.update(_spellable(own, around))
            if written % WORDS_EVERY == 0:
                _add_words(words)
                if progress is not None:
                    progress(f"search: {written:,} markets indexed so far")
            if not extend(LEASE, fence, seconds=LEASE_SECONDS):
                break
        _add_words(words)
        return IndexReport(written=written, last=last)


def _outdated(after: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield batches of markets whose document is missing or older than they or their event are."""
    newest = Greatest("last_changed_at", Coalesce("event__last_changed_at", "last_changed_at"))
    markets = Market.objects.annotate(newest=newest).filter(Q(search__isnull=True) | Q(search__stamp__lt=F("newest")))
    last = after
    while rows := list(markets.filter(pk__gt=last).order_by("pk").values_list(*READ)[:BATCH]):
        last = rows[-1][0]
        yield rows


def _document(
    pk: int,
    title: str,
    subtitle: str,
    native_id: str,
    slug: str,
    event: str | None,
    series: str | None,
    category: str,
    event_category: str | None,
    tags: Sequence[object],
    newest: datetime,
) -> tuple[int, str, str, datetime]:
    own, around = document_of(
        title=title,
        subtitle=subtitle,
        native_id=native_id,
        slug=slug,
        event=event or "",
        series=series or "",
        category=category or event_category or "",
        tags=tags,
    )
    return pk, own, around, newest


def _spellable(own: str, around: str) -> set[str]:
    """Return the words of a document that a person might mistype; figures and tickers are no words."""
    words = {*own.split(), *around.split()}
    return {word for word in words if word.isalpha() and SHORTEST_WORD <= len(word) <= LONGEST_WORD}


def _add_words(words: Counter[str]) -> None:
    """Add what was counted to the words that are known, and forget it."""
    counted = sorted(words.items())
    words.clear()
    if not counted:
        return
    insert = "INSERT INTO markets_searchword (word, count) "
    add = "ON CONFLICT (word) DO UPDATE SET count = markets_searchword.count + EXCLUDED.count"
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = [list(column) for column in zip(*counted, strict=True)]
            cursor.execute(f"{insert} SELECT * FROM unnest(%s::text[], %s::integer[]) {add}", columns)  # noqa: S608
        else:
            cursor.executemany(f"{insert} VALUES (%s, %s) {add}", counted)


class Matches(Func):
    """True where a market's document holds every term of a wording; `words` leads to the document's words.

    Where a wording is common, SQLite is kept from starting at its matches: it walks the order asked for instead.
    """

    output_field = BooleanField()

    def __init__(self, words: str, wording: Wording, is_common: bool = False) -> None:
        super().__init__(F("pk"), F(words))
        self.wording, self.is_common = wording, is_common

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **extra: Any) -> tuple[str, tuple[str | int, ...]]:
        words: Any
        key, words = self.source_expressions
        if connection.vendor == "postgresql":
            return f"{compiler.quote_name_unless_alias(words.alias)}.vector @@ %s::tsquery", (self.wording.tsquery,)
        column, _ = compiler.compile(key)
        found = "SELECT rowid FROM markets_search WHERE markets_search MATCH %s"
        return f"{'+' if self.is_common else ''}{column} IN ({found})", (self.wording.fts5,)


def count_matches(wording: Wording, *, at_most: int) -> int:
    """Count the markets that hold every term, and stop counting at `at_most`."""
    return SearchDocument.objects.filter(Matches("words", wording))[:at_most].count()


def words_like(word: str, *, at_most: int) -> list[tuple[str, int]]:
    """Return known words that share most trigrams with one, with about how many markets hold them."""
    if connection.vendor == "postgresql":
        sql = (
            "SELECT word, count FROM markets_searchword WHERE word %% %s "
            "ORDER BY similarity(word, %s) DESC, word LIMIT %s"
        )
        values: list[Any] = [word, word, at_most]
    else:
        padded = f" {word} "
        grams = {padded[start : start + 3] for start in range(len(padded) - 2)}
        sql = (
            "SELECT w.word, w.count FROM markets_searchgrams g JOIN markets_searchword w ON w.id = g.rowid "
            "WHERE markets_searchgrams MATCH %s ORDER BY g.rank, w.word LIMIT %s"
        )
        values = [" OR ".join(f'"{gram}"' for gram in sorted(grams)), at_most]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [(str(found), int(count)) for found, count in cursor.fetchall()]
