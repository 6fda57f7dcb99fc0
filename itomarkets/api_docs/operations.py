"""Every operation of `/api/v1`: its name, where it stands in the documents, and an example that works.

Words in braces stand for what the reader has: the ids of a basket, a market, a trade.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ROOT = "/api/v1"


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    group: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    # How often the operation may be carried out: one that moves money names itself by a key.
    is_once: bool = False

    @property
    def words(self) -> dict[str, str]:
        """Return what stands for the parameters in the path of an example."""
        return {
            "basket_id": "{basket}",
            "market_id": "{market}",
            "trade_id": "{trade}",
            "run_id": "{backfill}",
            "kind": "kalshi",
            "mode": "sandbox",
        }


LEGS = [{"market_id": "{market}", "side": "yes", "weight": "1"}]
OPERATIONS = (
    Operation("listBaskets", "GET", "/baskets", "Baskets", {"kind": "system", "limit": "5"}),
    Operation("createBasket", "POST", "/baskets", "Baskets", body={"name": "Rates and oil", "legs": LEGS}),
    Operation("getBasket", "GET", "/baskets/{basket_id}", "Baskets"),
    Operation("changeBasket", "PATCH", "/baskets/{basket_id}", "Baskets", body={"description": "What moves in May."}),
    Operation("deleteBasket", "DELETE", "/baskets/{basket_id}", "Baskets"),
    Operation("getBasketPrice", "GET", "/baskets/{basket_id}/price", "Baskets"),
    Operation(
        "getBasketHistory", "GET", "/baskets/{basket_id}/history", "Baskets", {"resolution": "hour", "limit": "48"}
    ),
    Operation("getBasketComposition", "GET", "/baskets/{basket_id}/composition", "Baskets"),
    Operation("backfillBasket", "POST", "/baskets/{basket_id}/backfill", "Baskets", {"days": "30"}),
    Operation("getBackfill", "GET", "/backfills/{run_id}", "Baskets"),
    Operation("searchMarkets", "GET", "/markets/search", "Markets", {"q": "rates", "limit": "5"}),
    Operation("countMarkets", "GET", "/markets/facets", "Markets", {"q": "rates"}),
    Operation("getMarket", "GET", "/markets/{market_id}", "Markets"),
    Operation("getMarketHistory", "GET", "/markets/{market_id}/history", "Markets", {"resolution": "day"}),
    Operation("getMarketClassification", "GET", "/markets/{market_id}/classification", "Markets"),
    Operation("listThemes", "GET", "/themes", "Markets"),
    Operation("listFactors", "GET", "/factors", "Markets"),
    Operation(
        "quoteBasket", "POST", "/baskets/{basket_id}/quotes", "Trading", body={"direction": "yes", "amount": "25.00"}
    ),
    Operation(
        "tradeBasket", "POST", "/baskets/{basket_id}/trades", "Trading", body={"quote_id": "{quote}"}, is_once=True
    ),
    Operation("listTrades", "GET", "/trades", "Trading", {"mode": "paper", "limit": "5"}),
    Operation("getTrade", "GET", "/trades/{trade_id}", "Trading"),
    Operation("chooseForTrade", "POST", "/trades/{trade_id}/choices", "Trading", body={"choice": "stop"}),
    Operation("listPositions", "GET", "/positions", "Trading", {"mode": "paper"}),
    Operation("getExposure", "GET", "/exposure", "Trading", {"mode": "paper"}),
    Operation("bookCash", "POST", "/accounts/{kind}/{mode}/cash", "Trading", body={"amount": "-12.50", "number": 1}),
    Operation("getStatus", "GET", "/status", "Status"),
)
BY_PLACE = {(operation.method, ROOT + operation.path): operation for operation in OPERATIONS}
