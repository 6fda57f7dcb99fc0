"""Where each interface of the venues is served: the real hosts, or the built-in stand-in."""

LIVE_URLS = {
    "KALSHI_URL": "https://external-api.kalshi.com/trade-api/v2",
    "POLYMARKET_GAMMA_URL": "https://gamma-api.polymarket.com",
    "POLYMARKET_CLOB_URL": "https://clob.polymarket.com",
    "POLYMARKET_DATA_URL": "https://data-api.polymarket.com",
}


def sandbox_urls(url: str) -> dict[str, str]:
    """Return the same settings for the stand-in that listens at `url`."""
    return {
        "KALSHI_URL": f"{url}/trade-api/v2",
        "POLYMARKET_GAMMA_URL": f"{url}/gamma",
        "POLYMARKET_CLOB_URL": f"{url}/clob",
        "POLYMARKET_DATA_URL": f"{url}/data",
    }
