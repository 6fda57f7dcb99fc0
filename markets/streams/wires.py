"""Which of the venues' sockets the settings let us listen to, and the streams made of them."""

from collections.abc import Sequence
from concurrent.futures import Executor

from django.conf import settings

from itomarkets.lib import clock
from itomarkets.lib.kalshi_signing import load_private_key, signed_headers
from itomarkets.lib.venues import Venue, VenueAuthError
from markets.models import Market
from markets.streams import kalshi, polymarket
from markets.streams.desk import Desk
from markets.streams.running import VenueStream, Wire
from markets.venues.base import OrderBook
from markets.venues.clients import read_client

NO_KALSHI_KEY = "Kalshi streams to keys only, and KALSHI_KEY_ID or KALSHI_PRIVATE_KEY is not set; its books are polled"


def wire_of(venue: Venue) -> tuple[Wire | None, str]:
    """Return how a venue is streamed, or None and why it is not.

    Raises VenueAuthError where a key is set that is none.
    """
    if venue is Venue.POLYMARKET:
        return Wire(settings.POLYMARKET_STREAM_URL, polymarket.PolymarketSession, polymarket.KEYS_A_CONNECTION), ""
    if not (settings.KALSHI_KEY_ID and settings.KALSHI_PRIVATE_KEY):
        return None, NO_KALSHI_KEY
    try:
        private_key = load_private_key(settings.KALSHI_PRIVATE_KEY)
    except VenueAuthError as error:
        raise VenueAuthError(f"KALSHI_PRIVATE_KEY cannot be used: {error}") from error
    path = "/" + settings.KALSHI_STREAM_URL.split("/", 3)[3]

    def headers() -> dict[str, str]:
        stamp = int(clock.now().timestamp() * 1000)
        return signed_headers(settings.KALSHI_KEY_ID, private_key, "GET", path, stamp)

    return Wire(settings.KALSHI_STREAM_URL, kalshi.KalshiSession, kalshi.KEYS_A_CONNECTION, headers), ""


def stream_of(venue: Venue, in_database: Executor) -> VenueStream:
    """Return a venue's stream as the settings name it; it opens nothing before it runs."""
    wire, why_polled = wire_of(venue)

    def fetch_books(markets: Sequence[Market]) -> dict[int, OrderBook]:
        reads = read_client(venue)
        try:
            return reads.fetch_books(markets)
        finally:
            reads.close()

    return VenueStream(
        venue=venue,
        rows=Desk(venue),
        wire=wire,
        why_polled=why_polled,
        fetch_books=fetch_books,
        in_database=in_database,
    )
