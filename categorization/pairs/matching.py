"""The job that finds pairs: read both venues' open markets, compare, and keep the table of pairs in step."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from categorization.models import MarketPair
from categorization.pairs.blocking import ClaimIndex
from categorization.pairs.claims import Claim, Listing, read_claim, reading_version
from categorization.pairs.comparing import Relation, Verdict, compare
from categorization.pairs.deciding import reopen_changed, texts_digest, texts_of
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import Venue
from itomarkets.records.models import JobRun
from markets.models import Market, SyncRun

JOB = "match_markets"
# Claims indexed at once: memory ends here, and the other side is read once more for each block.
BLOCK = 50_000
CHUNK = 2_000
LOOKUP = 400
# A sync stamps its rows with the time it began and commits them later; one that began before this is dead.
LONGEST_SYNC = timedelta(hours=2)
# Pairs that are merely about the same thing are many; these say enough alike to be worth a look.
LEAST_RELATED = 0.6
MAGNITUDES = 10
FIELDS = (
    "id", "venue", "native_id", "title", "subtitle", "slug", "yes_label", "event__title", "event__series_key", "rules",
    "close_at", "last_changed_at",
)  # fmt: skip


@dataclass
class MatchReport:
    """What one run did. `seen_until` and `version` tell the next one what it need not compare again."""

    markets: int = 0
    changed: int = 0
    compared: int = 0
    found: int = 0
    added: int = 0
    updated: int = 0
    removed: int = 0
    reopened: int = 0
    identical: int = 0
    seen_until: str = ""
    version: str = ""

    @property
    def sentence(self) -> str:
        return (
            f"{self.changed:,} of {self.markets:,} open markets new or changed, {self.compared:,} pairs compared: "
            f"{self.added:,} added, {self.updated:,} updated, {self.removed:,} removed, {self.reopened:,} opened "
            f"again. {self.identical:,} are identical."
        )


Found = dict[tuple[int, int], Verdict]


def match_markets(
    *, now: datetime, full: bool = False, progress: Callable[[str], None] = lambda text: None
) -> MatchReport:
    """Compare new and changed open markets of both venues, and write what is new or differs.

    A decision is never overwritten: an approved pair whose texts changed waits again, with the reason.
    Everything is compared where `full`, at the first run, and after the rules of comparing changed.
    """
    report = MatchReport(version=reading_version())
    since = None if full else _seen_until(report.version)
    open_markets = Market.objects.open(now).filter(is_combo=False, outcome_count=2)
    report.markets = open_markets.count()
    changed = open_markets if since is None else open_markets.filter(last_changed_at__gte=since)
    changed_ids = set(changed.values_list("id", flat=True)) if since is not None else None
    report.changed = report.markets if changed_ids is None else len(changed_ids)
    report.seen_until = _settled_until(now).isoformat()
    if changed_ids is None or changed_ids:
        _match(open_markets, changed_ids, report, now, progress)
    report.removed += _remove_ended()
    report.reopened += _reopen_changed(since, now)
    _refresh_importance()
    report.identical = MarketPair.objects.filter(relation=Relation.IDENTICAL).count()
    return report


def _seen_until(version: str) -> datetime | None:
    last = JobRun.objects.filter(name=JOB, status=JobRun.Status.DONE).order_by("-id").first()
    if last is None or last.report.get("version") != version or not last.report.get("seen_until"):
        return None
    return datetime.fromisoformat(last.report["seen_until"])


def _settled_until(now: datetime) -> datetime:
    """Return up to when every change is in the table: a sync that is under way has yet to commit its own."""
    syncs = SyncRun.objects.filter(status=SyncRun.Status.RUNNING, started_at__gt=now - LONGEST_SYNC)
    first = syncs.order_by("started_at").values_list("started_at", flat=True).first()
    return now if first is None else min(now, first - timedelta(minutes=1))


def _match(
    open_markets: QuerySet[Market],
    changed_ids: Collection[int] | None,
    report: MatchReport,
    now: datetime,
    progress: Callable[[str], None],
) -> None:
    """Index one venue's markets block by block and let the other's stream past; the changed of both, each in turn."""
    kalshi = open_markets.filter(venue=Venue.KALSHI)
    polymarket = open_markets.filter(venue=Venue.POLYMARKET)
    if changed_ids is None:
        smaller = (kalshi, polymarket) if kalshi.count() <= polymarket.count() else (polymarket, kalshi)
        passes: list[tuple[Iterator[Listing], QuerySet[Market], Collection[int] | None]] = [
            (_listings(smaller[0]), smaller[1], None)
        ]
    else:
        # What is changed on both sides is compared in the first pass alone.
        passes = [
            (_listings_of(kalshi, changed_ids), polymarket, None),
            (_listings_of(polymarket, changed_ids), kalshi, changed_ids),
        ]
    for indexed, streamed, without in passes:
        for block in _blocks(indexed):
            _match_block(block, streamed, without, report, now, progress)


def _match_block(
    block: list[Claim],
    streamed: QuerySet[Market],
    without: Collection[int] | None,
    report: MatchReport,
    now: datetime,
    progress: Callable[[str], None],
) -> None:
    index = ClaimIndex(block)
    indexed_ids = {claim.key for claim in block}
    seen = 0
    for chunk in _chunks(_listings(streamed), CHUNK):
        found: Found = {}
        claims = [read_claim(listing) for listing in chunk if without is None or listing.key not in without]
        for claim in claims:
            report.compared += _compare_with(claim, index, found)
        report.found += len(found)
        _write(found, {claim.key for claim in claims}, indexed_ids, report, now)
        seen += len(chunk)
        progress(f"{seen:,} read past {len(block):,}: {report.found:,} pairs found")


def _compare_with(claim: Claim, index: ClaimIndex, found: Found) -> int:
    candidates = index.candidates(claim)
    for other in candidates:
        kalshi, polymarket = (other, claim) if claim.venue == Venue.POLYMARKET else (claim, other)
        verdict = compare(kalshi, polymarket)
        if verdict is not None and (verdict.relation != Relation.RELATED or verdict.confidence >= LEAST_RELATED):
            found[kalshi.key, polymarket.key] = verdict
    return len(candidates)


def _write(
    found: Found, streamed: Collection[int], indexed: Collection[int], report: MatchReport, now: datetime
) -> None:
    """Bring the pairs between these streamed and the indexed markets in step with what was found."""
    standing: dict[tuple[int, int], MarketPair] = {}
    ids = sorted(streamed)
    for start in range(0, len(ids), LOOKUP):
        some = ids[start : start + LOOKUP]
        for pair in MarketPair.objects.filter(Q(kalshi__in=some) | Q(polymarket__in=some)):
            if pair.kalshi_id in indexed or pair.polymarket_id in indexed:
                standing[pair.kalshi_id, pair.polymarket_id] = pair
    needed = {pk for key in found for pk in key}
    markets = _markets(needed)
    new: list[MarketPair] = []
    changed: list[tuple[int, dict[str, Any]]] = []
    for key, verdict in found.items():
        kalshi, polymarket = markets[key[0]], markets[key[1]]
        values = {
            "relation": verdict.relation.value,
            "narrower": verdict.narrower,
            "confidence": verdict.confidence,
            "evidence": verdict.evidence,
            "texts_digest": texts_digest(texts_of(kalshi), texts_of(polymarket)),
        }
        known = standing.get(key)
        if known is None:
            new.append(
                MarketPair(
                    kalshi=kalshi,
                    polymarket=polymarket,
                    importance=importance_of(verdict.confidence, kalshi.volume, polymarket.volume),
                    found_at=now,
                    changed_at=now,
                    **values,
                )
            )
        elif known.status == MarketPair.Status.PENDING and _differs(known, values):
            changed.append((known.pk, values))
    gone = [
        pair.pk
        for key, pair in standing.items()
        if key not in found and pair.status == MarketPair.Status.PENDING and not pair.reopened
    ]
    with transaction.atomic():
        MarketPair.objects.bulk_create(new, ignore_conflicts=True)
        for pk, values in changed:
            # Conditional: a reviewer may have decided it since it was read.
            report.updated += MarketPair.objects.filter(pk=pk, status=MarketPair.Status.PENDING).update(
                changed_at=now, **values
            )
        for start in range(0, len(gone), LOOKUP):
            report.removed += MarketPair.objects.filter(
                pk__in=gone[start : start + LOOKUP], status=MarketPair.Status.PENDING
            ).delete()[0]
    report.added += len(new)


def _remove_ended() -> int:
    """Forget waiting pairs that nobody can trade any more."""
    over = (Market.Status.RESOLVED, Market.Status.VOID)
    ended = MarketPair.objects.filter(Q(kalshi__status__in=over) | Q(polymarket__status__in=over))
    return ended.filter(status=MarketPair.Status.PENDING).delete()[0]


def _differs(pair: MarketPair, values: Mapping[str, Any]) -> bool:
    return any(getattr(pair, name) != value for name, value in values.items())


def _reopen_changed(since: datetime | None, now: datetime) -> int:
    """Let approved pairs wait again whose question or rules are not those that were approved."""
    pairs = MarketPair.objects.filter(status=MarketPair.Status.APPROVED).select_related(
        "kalshi__event", "polymarket__event"
    )
    if since is not None:
        pairs = pairs.filter(Q(kalshi__last_changed_at__gte=since) | Q(polymarket__last_changed_at__gte=since))
    count = 0
    for pair in pairs.iterator(chunk_size=CHUNK):
        changed = [
            f"The {name} of {market} changed."
            for market in (pair.kalshi, pair.polymarket)
            for name, text in texts_of(market).items()
            if pair.approved_texts.get(market.venue, {}).get(name) != text
        ]
        if changed:
            count += reopen_changed(pair=pair, reason=" ".join(changed), now=now)
    return count


def _refresh_importance() -> None:
    """Write the importance of waiting pairs where it moved: liquidity counts by its order of magnitude, so seldom."""
    moved: dict[float, list[int]] = {}
    rows = MarketPair.objects.filter(status=MarketPair.Status.PENDING).values_list(
        "pk", "confidence", "importance", "kalshi__volume", "polymarket__volume"
    )
    for pk, confidence, importance, first, second in rows.iterator(chunk_size=CHUNK):
        now_worth = importance_of(confidence, first, second)
        if now_worth != importance:
            moved.setdefault(now_worth, []).append(pk)
    for worth, pks in moved.items():
        for start in range(0, len(pks), LOOKUP):
            MarketPair.objects.filter(pk__in=pks[start : start + LOOKUP]).update(importance=worth)


def importance_of(confidence: float, first: Decimal, second: Decimal) -> float:
    """Return confidence × liquidity, 0 to 1: the order of magnitude of what the quieter of the two has traded."""
    digits = len(str(int(max(min(first, second), ZERO))))
    return round(confidence * min(digits / MAGNITUDES, 1.0), 4)


def _markets(ids: Collection[int]) -> dict[int, Market]:
    found: dict[int, Market] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), LOOKUP):
        found |= {
            market.pk: market
            for market in Market.objects.filter(pk__in=wanted[start : start + LOOKUP]).select_related("event")
        }
    return found


def all_listings() -> Iterator[Listing]:
    """Read every market that is a plain question, open or over."""
    return _listings(Market.objects.filter(is_combo=False, outcome_count=2))


def _listings_of(markets: QuerySet[Market], ids: Collection[int]) -> Iterator[Listing]:
    wanted = sorted(ids)
    for start in range(0, len(wanted), LOOKUP):
        yield from _listings(markets.filter(pk__in=wanted[start : start + LOOKUP]))


def _listings(markets: QuerySet[Market]) -> Iterator[Listing]:
    """Read markets for comparing, in order of their ids, without holding them all."""
    last = 0
    while True:
        rows = list(markets.filter(pk__gt=last).order_by("pk").values(*FIELDS)[:CHUNK])
        for row in rows:
            yield listing_of_row(row)
        if len(rows) < CHUNK:
            return
        last = rows[-1]["id"]


def listing_of_row(row: Mapping[str, Any]) -> Listing:
    """Read one row of `Market.objects.values(*FIELDS)`."""
    return Listing(
        key=row["id"],
        venue=row["venue"],
        native_id=row["native_id"],
        title=row["title"] or row["event__title"] or "",
        subtitle=row["subtitle"],
        slug=row["slug"],
        yes_label=row["yes_label"],
        event_title=row["event__title"] or "",
        series_key=row["event__series_key"] or "",
        rules=row["rules"],
        close_at=row["close_at"],
    )


def _blocks(listings: Iterator[Listing]) -> Iterator[list[Claim]]:
    for chunk in _chunks(listings, BLOCK):
        yield [read_claim(listing) for listing in chunk]


def _chunks(listings: Iterator[Listing], size: int) -> Iterator[list[Listing]]:
    chunk: list[Listing] = []
    for listing in listings:
        chunk.append(listing)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
