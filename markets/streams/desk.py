"""Where a stream meets the database: what is wanted, what came, how it goes, and who may run. All of it blocks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from itomarkets.lib import clock
from itomarkets.lib.locks import KeptLease
from itomarkets.lib.venues import Venue
from markets.models import Market, Quote, QuoteStream
from markets.quotes import demanded_markets, store_books
from markets.venues.base import OrderBook

LEASE_SECONDS = 30
# A process that has not told its state for so long does not run.
TOLD_FOR = timedelta(seconds=30)


@dataclass(frozen=True)
class StreamStatus:
    """How a venue's quotes come; `is_running` says whether a process that streams them has told it just now."""

    venue: Venue
    state: QuoteStream.State
    reason: str = ""
    since: datetime | None = None
    data_at: datetime | None = None
    markets: int = 0
    connections: int = 0
    reasked: int = 0
    is_running: bool = True

    def data_age_seconds(self, now: datetime) -> int | None:
        return None if self.data_at is None else max(0, int((now - self.data_at).total_seconds()))


class Desk:
    """One venue's rows, for the one process that holds the venue's lease."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self._lease = KeptLease(f"stream:{venue}", seconds=LEASE_SECONDS)

    def hold(self) -> bool:
        """Take or keep the right to run; False while another process has it."""
        return self._lease.hold()

    def wanted(self) -> dict[int, Market]:
        """Return the markets that somebody needs quoted now."""
        return {market.pk: market for market in demanded_markets(clock.now()).filter(venue=self.venue)}

    def store(self, books: dict[int, OrderBook], source: Quote.Source) -> None:
        store_books(books, source=source)

    def tell(self, status: StreamStatus) -> None:
        """Write how it goes, for the status page."""
        QuoteStream.objects.update_or_create(
            venue=self.venue,
            defaults={
                "state": status.state,
                "reason": status.reason,
                "since": status.since or clock.now(),
                "data_at": status.data_at,
                "told_at": clock.now(),
                "markets": status.markets,
                "connections": status.connections,
                "reasked": status.reasked,
            },
        )

    def leave(self) -> None:
        """End in good order: nothing says any longer that a stream runs, and the next process need not wait."""
        if self.hold():
            QuoteStream.objects.filter(venue=self.venue).delete()
            self._lease.release()


def stream_statuses(now: datetime) -> list[StreamStatus]:
    """Say for both venues how their quotes come; where no process streams them they are polled each minute."""
    rows = {row.venue: row for row in QuoteStream.objects.all()}
    return [_status(venue, rows.get(venue.value), now) for venue in Venue]


def _status(venue: Venue, row: QuoteStream | None, now: datetime) -> StreamStatus:
    if row is None:
        reason = "No process streams quotes; they are asked for each minute."
        return StreamStatus(venue, QuoteStream.State.POLLING, reason, is_running=False)
    if now - row.told_at > TOLD_FOR:
        reason = "The process that streamed quotes has stopped; they are asked for each minute."
        return StreamStatus(
            venue, QuoteStream.State.POLLING, reason, since=row.told_at, data_at=row.data_at, is_running=False
        )
    return StreamStatus(
        venue,
        QuoteStream.State(row.state),
        row.reason,
        since=row.since,
        data_at=row.data_at,
        markets=row.markets,
        connections=row.connections,
        reasked=row.reasked,
    )
