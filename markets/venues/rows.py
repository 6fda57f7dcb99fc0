"""What both read clients give: events, markets, pages and price points, in our words."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from itomarkets.lib.venues import VenueProtocolError

# More pages than this is a cursor that never ends: 10 million rows at 1,000 a page, and room.
PAGE_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as its venue describes it now."""

    native_id: str
    slug: str = ""
    title: str = ""
    subtitle: str = ""
    series_key: str = ""
    series_title: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    mutually_exclusive: bool = False
    neg_risk: bool = False
    fee_type: str = ""
    fee_multiplier: str = ""


@dataclass(frozen=True, slots=True)
class MarketRow:
    """A market as its venue describes it now; prices are dollars of one YES contract."""

    native_id: str
    event_key: str
    title: str
    status: str
    slug: str = ""
    subtitle: str = ""
    rules: str = ""
    yes_label: str = "Yes"
    no_label: str = "No"
    outcome_count: int = 2
    is_combo: bool = False
    category: str = ""
    tags: tuple[str, ...] = ()
    result: str = ""
    payout: Decimal | None = None
    open_at: datetime | None = None
    close_at: datetime | None = None
    resolved_at: datetime | None = None
    yes_bid: Decimal | None = None
    yes_ask: Decimal | None = None
    last_price: Decimal | None = None
    volume: Decimal = Decimal(0)
    volume_24h: Decimal | None = None
    liquidity: Decimal | None = None
    open_interest: Decimal | None = None
    price_ranges: tuple[dict[str, str], ...] = ()
    min_size: Decimal | None = None
    exchange_index: int = 0
    condition_id: str = ""
    yes_token: str = ""
    no_token: str = ""
    neg_risk: bool = False
    accepts_orders: bool = True
    fee_schedule: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read, as it came, with the reason."""

    native_id: str
    raw: Any
    error: str


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a listing, read."""

    events: tuple[EventRow, ...] = ()
    markets: tuple[MarketRow, ...] = ()
    bad: tuple[BadRow, ...] = ()


def read_rows(raws: Iterable[Any], parse: Callable[[Any], Any], key_name: str) -> tuple[list[Any], list[BadRow]]:
    """Parse each row; one that cannot be read is kept aside and never stops the others."""
    rows, bad = [], []
    for raw in raws:
        try:
            rows.append(parse(raw))
        except (VenueProtocolError, ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            key = str(raw.get(key_name) or "").replace("\x00", "") if isinstance(raw, dict) else ""
            reason = str(error) if isinstance(error, VenueProtocolError) else f"{type(error).__name__}: {error}"
            bad.append(BadRow(native_id=key[:120], raw=raw, error=reason))
    return rows, bad


def walk_pages(fetch: Callable[[str], tuple[Any, str]], *, what: str, page_limit: int = PAGE_LIMIT) -> Iterator[Any]:
    """Yield a listing's pages until its cursor ends.

    `fetch` takes a cursor ("" for the first page) and returns (page, next cursor). Raises
    VenueProtocolError when a cursor comes twice or the pages do not end: a listing is complete only
    when this generator ends by itself.
    """
    cursor, seen = "", set()
    for _ in range(page_limit):
        page, cursor = fetch(cursor)
        yield page
        if not cursor:
            return
        if cursor in seen:
            raise VenueProtocolError(f"{what}: the cursor {cursor[:60]!r} came twice; the listing was cut short.")
        seen.add(cursor)
    raise VenueProtocolError(f"{what}: expected the listing to end within {page_limit:,} pages; it did not.")
