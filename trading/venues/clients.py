"""Open an account's client. The only place where sealed secrets are opened: workers call it, pages never do."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime

from django.conf import settings

from itomarkets.lib.http import HttpClient
from itomarkets.lib.venue_urls import LIVE_URLS, sandbox_urls
from itomarkets.lib.venues import Venue, VenueAuthError
from markets.models import Market
from markets.venues.base import OrderBook
from markets.venues.clients import kalshi_reads, read_client
from trading.credentials import CredentialUnreadable, open_sealed, seal_more
from trading.models import VenueAccount
from trading.venues.base import Line, OrderClient
from trading.venues.kalshi import KalshiOrders
from trading.venues.paper import PaperOrders

Mode = VenueAccount.Mode
Connect = Callable[[VenueAccount], OrderClient]
BookReader = Callable[[Sequence[Market]], Mapping[int, OrderBook]]


def fetch_books(markets: Sequence[Market]) -> dict[int, OrderBook]:
    """Read the books of markets of either venue now, by Market.pk. Raises VenueError where a venue cannot be read."""
    books: dict[int, OrderBook] = {}
    for venue in Venue:
        own = [market for market in markets if market.venue == venue]
        if own:
            with closing(read_client(venue)) as client:
                books |= client.fetch_books(own)
    return books


def book_reader(mode: str) -> BookReader:
    """Return what reads the books of the exchanges that a mode trades on: the demo has books of its own."""
    return _fetch_demo_books if mode == Mode.DEMO else fetch_books


def _fetch_demo_books(markets: Sequence[Market]) -> dict[int, OrderBook]:
    """Read Kalshi's books at its demo exchange; a market that it does not list has none."""
    own = [market for market in markets if market.venue == Venue.KALSHI]
    with closing(kalshi_reads(base_url=settings.KALSHI_DEMO_URL)) as client:
        return client.fetch_books(own) if own else {}


def urls_of(mode: str) -> dict[str, str]:
    """Return where an account of a mode trades; the mode alone decides, never what the read side is set to."""
    if mode == Mode.SANDBOX:
        return sandbox_urls(settings.SANDBOX_URL)
    if mode == Mode.DEMO:
        return {"KALSHI_URL": settings.KALSHI_DEMO_URL}
    if settings.VENUES == "live":
        return {name: getattr(settings, name) for name in LIVE_URLS}
    return LIVE_URLS


def open_line(account: VenueAccount) -> Line:
    """Open connections to an account's venue; no key is needed for it."""
    urls = urls_of(account.mode)
    if account.kind == VenueAccount.Kind.KALSHI:
        return HttpClient(
            urls["KALSHI_URL"],
            venue=Venue.KALSHI,
            requests_per_second=settings.VENUE_REQUESTS_PER_SECOND[Venue.KALSHI],
            timeout_seconds=settings.VENUE_TIMEOUT_SECONDS,
        )
    # The SDK takes a second to import; only workers that trade there pay for it.
    from trading.venues.polymarket import Hosts, PolymarketLine

    return PolymarketLine(
        Hosts(clob=urls["POLYMARKET_CLOB_URL"], gamma=urls["POLYMARKET_GAMMA_URL"], data=urls["POLYMARKET_DATA_URL"])
    )


def order_client(
    account: VenueAccount,
    *,
    now: Callable[[], datetime],
    line: Line | None = None,
    give_back: Callable[[], None] | None = None,
) -> OrderClient:
    """Open an account's secrets and the client that signs with them, until it is closed.

    Over `line` where one is open already: `give_back` is called when the client is closed. Raises
    VenueAuthError where the secrets do not open.
    """
    if account.is_paper:
        return PaperOrders(account=account, fetch_books=fetch_books, now=now)
    line = line or open_line(account)
    give_back = give_back or line.close
    try:
        return _opened(account, now=now, line=line, give_back=give_back)
    except CredentialUnreadable as error:
        give_back()
        raise VenueAuthError(str(error), venue=account.kind) from error
    except Exception:
        give_back()
        raise


def _opened(
    account: VenueAccount, *, now: Callable[[], datetime], line: Line, give_back: Callable[[], None]
) -> OrderClient:
    secrets = open_sealed(account)
    if isinstance(line, HttpClient):
        key_id, pem = secrets["key_id"], secrets["private_key_pem"]
        return KalshiOrders(http=line, key_id=key_id, private_key_pem=pem, now=now, give_back=give_back)
    from trading.venues.polymarket import PolymarketLine, PolymarketOrders

    assert isinstance(line, PolymarketLine)
    client = PolymarketOrders(secrets=secrets, line=line, now=now, give_back=give_back)
    if client.derived:
        # Deriving it asks the venue: done once, and sealed like what was typed.
        seal_more(account, client.derived, now=now())
        client.derived = None
    return client
