"""Read clients with the hosts and limits that the settings name."""

import httpx
from django.conf import settings

from itomarkets.lib.http import HttpClient
from itomarkets.lib.kalshi_signing import load_private_key
from itomarkets.lib.venues import Venue, VenueAuthError
from markets.venues.kalshi import KalshiReads
from markets.venues.polymarket import PolymarketReads


def read_client(venue: Venue | str, *, transport: httpx.BaseTransport | None = None) -> KalshiReads | PolymarketReads:
    """Return a new read client of a venue; close it when done. `transport` replaces the network in tests."""
    return kalshi_reads(transport=transport) if Venue(venue) is Venue.KALSHI else polymarket_reads(transport=transport)


def kalshi_reads(*, transport: httpx.BaseTransport | None = None, base_url: str = "") -> KalshiReads:
    """Return a Kalshi client; it signs what needs a signature when the settings hold a key.

    Another `base_url`, the demo exchange's, is read without that key, which is not of it.
    """
    if base_url and base_url != settings.KALSHI_URL:
        return KalshiReads(_http(base_url, Venue.KALSHI, transport))
    pem = settings.KALSHI_PRIVATE_KEY
    try:
        private_key = load_private_key(pem) if pem and settings.KALSHI_KEY_ID else None
    except VenueAuthError as error:
        raise VenueAuthError(f"KALSHI_PRIVATE_KEY cannot be used: {error}") from error
    return KalshiReads(
        _http(settings.KALSHI_URL, Venue.KALSHI, transport),
        key_id=settings.KALSHI_KEY_ID,
        private_key=private_key,
    )


def polymarket_reads(*, transport: httpx.BaseTransport | None = None) -> PolymarketReads:
    return PolymarketReads(
        gamma=_http(settings.POLYMARKET_GAMMA_URL, Venue.POLYMARKET, transport),
        clob=_http(settings.POLYMARKET_CLOB_URL, Venue.POLYMARKET, transport),
        data=_http(settings.POLYMARKET_DATA_URL, Venue.POLYMARKET, transport),
    )


def _http(url: str, venue: Venue, transport: httpx.BaseTransport | None) -> HttpClient:
    return HttpClient(
        url,
        venue=venue,
        requests_per_second=settings.VENUE_REQUESTS_PER_SECOND[venue],
        timeout_seconds=settings.VENUE_TIMEOUT_SECONDS,
        transport=transport,
    )
