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
from trading.credentials import CredentialUnreadable, open_sealed
from trading.models import VenueAccount
from trading.venues.base import OrderClient
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


def order_client(account: VenueAccount, *, now: Callable[[], datetime]) -> OrderClient:
    """Open the client of one account; close it after use. Raises VenueAuthError where the secrets do not open."""
    if account.is_paper:
        return PaperOrders(account=account, fetch_books=fetch_books, now=now)
    try:
        secrets = open_sealed(account)
    except CredentialUnreadable as error:
        raise VenueAuthError(str(error), venue=account.kind) from error
    urls = urls_of(account.mode)
    if account.kind == VenueAccount.Kind.KALSHI:
        http = HttpClient(
            urls["KALSHI_URL"],
            venue=Venue.KALSHI,
            requests_per_second=settings.VENUE_REQUESTS_PER_SECOND[Venue.KALSHI],
            timeout_seconds=settings.VENUE_TIMEOUT_SECONDS,
        )
        return KalshiOrders(http=http, key_id=secrets["key_id"], private_key_pem=secrets["private_key_pem"], now=now)
    # The SDK takes a second to import; only workers that trade there pay for it.
    from trading.venues.polymarket import Hosts, PolymarketOrders

    hosts = Hosts(
        clob=urls["POLYMARKET_CLOB_URL"], gamma=urls["POLYMARKET_GAMMA_URL"], data=urls["POLYMARKET_DATA_URL"]
    )
    return PolymarketOrders(secrets=secrets, hosts=hosts, now=now)
