"""What each parameter of the API is, by its name: for the schema and for the pages."""

from collections.abc import Mapping
from typing import Any

from baskets.backfill import LONGEST_DAYS
from baskets.models import Basket
from itomarkets.lib.api_series import STEPS
from itomarkets.lib.pagination import LARGEST_LIMIT
from itomarkets.lib.venues import Venue
from markets.search import STATUS_WORDS
from trading.models import Trade, VenueAccount

Schema = Mapping[str, Any]
TEXT: Schema = {"type": "string"}
SLUG: Schema = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,79}$"}
INSTANT: Schema = {"type": "string", "format": "date-time"}
PRICE: Schema = {"type": "string", "pattern": r"^(0(\.\d{1,6})?|1(\.0{1,6})?)$"}
AMOUNT: Schema = {"type": "string", "pattern": r"^\d{1,12}(\.\d{1,6})?$"}


def choice(values: Any) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


QUERY: dict[str, tuple[str, Schema]] = {
    "cursor": ("A page's place: taken from a `next` or `previous` link, which says the whole address.", TEXT),
    "limit": ("Rows of a page.", {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT}),
    "search": ("Words in a basket's name or description.", {"type": "string", "maxLength": 120}),
    "q": (
        "Words in a market's question, event, series, category, tags or ticker.",
        {"type": "string", "maxLength": 200},
    ),
    "kind": ("System baskets are ours, one a theme; custom ones are people's.", choice(Basket.Kind.values)),
    "theme": ("A theme's slug; `/themes` lists them.", SLUG),
    "factor": ("A risk factor's slug; `/factors` lists them.", SLUG),
    "owner": ("`me`: only the caller's own.", choice(["me"])),
    "slug": ("The name in a page's address.", SLUG),
    "sort": ("The order; a minus turns it round.", TEXT),
    "at": ("An instant; left out, now.", INSTANT),
    "days": ("How many past days.", {"type": "integer", "minimum": 1, "maximum": LONGEST_DAYS}),
    "resolution": ("What one point stands for.", choice(STEPS)),
    "from": ("The first instant of the series.", INSTANT),
    "to": ("The last instant of the series; left out, now.", INSTANT),
    "mode": ("Which accounts: paper, the sandbox, or real money.", choice(VenueAccount.Mode.values)),
    "basket": ("A basket's id.", {"type": "string", "maxLength": 40}),
    "status": ("The state.", TEXT),
    "action": ("Buy or sell.", choice(["buy", "sell"])),
    "direction": ("The side that a trade takes.", choice(["yes", "no"])),
    "created_after": ("Made at this instant or later.", INSTANT),
    "created_before": ("Made earlier than this.", INSTANT),
    "venue": ("One exchange alone.", choice(Venue.values)),
    "category": ("The exchange's own category.", {"type": "string", "maxLength": 80}),
    "tag": ("One of the exchange's tags.", {"type": "string", "maxLength": 80}),
    "min_price": ("At least this chance, in dollars of one.", PRICE),
    "max_price": ("At most this chance, in dollars of one.", PRICE),
    "min_volume": ("At least so much traded.", AMOUNT),
    "min_liquidity": ("At least so much liquidity.", AMOUNT),
    "closes_after": ("Closing later than this.", INSTANT),
    "closes_before": ("Closing earlier than this.", INSTANT),
}
# Where a view reads less, or another thing, by the same name: by operation and name.
NARROWER: dict[tuple[str, str], Schema] = {
    ("listBaskets", "sort"): choice(["created_at", "-created_at", "name", "-name"]),
    ("listTrades", "sort"): choice(["created_at", "-created_at"]),
    ("listTrades", "status"): choice(Trade.Status.values),
    ("searchMarkets", "status"): choice(STATUS_WORDS),
    ("countMarkets", "status"): choice(STATUS_WORDS),
    ("getBasketHistory", "limit"): {"type": "integer", "minimum": 1, "maximum": 1_000},
    ("getMarketHistory", "limit"): {"type": "integer", "minimum": 1, "maximum": 1_000},
}
PATH: dict[str, tuple[str, Schema]] = {
    "basket_id": ("A basket's id, from the list.", {"type": "string", "pattern": "^bas_[0-9A-Za-z]{14}$"}),
    "market_id": (
        "A market's id: its venue and its id there.",
        {"type": "string", "pattern": "^(kalshi|polymarket):[A-Za-z0-9._-]{1,120}$"},
    ),
    "trade_id": ("A trade's id.", {"type": "string", "format": "uuid"}),
    "run_id": ("A backfill's id.", {"type": "string", "format": "uuid"}),
    "kind": ("The exchange, or `paper`.", choice(VenueAccount.Kind.values)),
    "mode": ("Which of its accounts.", choice(VenueAccount.Mode.values)),
}
