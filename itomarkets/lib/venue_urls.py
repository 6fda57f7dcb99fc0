"""Where each interface of the venues is served: the real hosts, or the built-in stand-in."""

LIVE_URLS = {
    "KALSHI_URL": "https://external-api.kalshi.com/trade-api/v2",
    "KALSHI_STREAM_URL": "wss://external-api-ws.kalshi.com/trade-api/ws/v2",
    "POLYMARKET_GAMMA_URL": "https://gamma-api.polymarket.com",
    "POLYMARKET_CLOB_URL": "https://clob.polymarket.com",
    "POLYMARKET_DATA_URL": "https://data-api.polymarket.com",
    "POLYMARKET_STREAM_URL": "wss://ws-subscriptions-clob.polymarket.com/ws/market",
}


def sandbox_urls(url: str) -> dict[str, str]:
    """Return the same settings for the stand-in that listens at `url`."""
    sockets = url.replace("http", "ws", 1)
    return {
        "KALSHI_URL": f"{url}/trade-api/v2",
        "KALSHI_STREAM_URL": f"{sockets}/trade-api/ws/v2",
        "POLYMARKET_GAMMA_URL": f"{url}/gamma",
        "POLYMARKET_CLOB_URL": f"{url}/clob",
        "POLYMARKET_DATA_URL": f"{url}/data",
        "POLYMARKET_STREAM_URL": f"{sockets}/ws/market",
    }
