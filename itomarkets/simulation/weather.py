"""What goes wrong: a seeded fault plan for the sandbox, made anew for each event, and the table of kinds.

The mix is that of VOPR: requests and answers lost up to 30 %, listings told again up to 50 %, besides
crashes, which `process` plays.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass

from itomarkets.sandbox.faults import Fault
from itomarkets.simulation.network import KALSHI_ORDERS, POLYMARKET_ORDER, Arrival

MOST_LOST, MOST_REPLAYED = 0.30, 0.50
CALLS_PLANNED = 6
# F33 is the simulation itself.
NUMBERS = tuple(f"F{number:02d}" for number in range(1, 33))
# Each fault of the sandbox, and the number that the specification gives it.
KINDS: dict[str, str] = {
    "drop_before_reply": "F02",
    "delay": "F03",
    "drop_before_accept": "F04",
    "500_before_accept": "F04",
    "502_before_accept": "F04",
    "504_before_accept": "F04",
    "503": "F04",
    "500_after_accept": "F05",
    "502_after_accept": "F05",
    "truncated": "F06",
    "html": "F06",
    "not_json": "F06",
    "no_order": "F07",
    "error_in_success": "F07",
    "zombie": "F08",
    "duplicate_rows": "F14",
    "other_price": "F15",
    "reversed_rows": "F16",
    "missing_row": "F29",
    "unsettled": "F19",
    "empty_listing": "F16",
    "rests": "F17",
    "overfill": "F18",
    "429": "F21",
    "429_seconds": "F21",
    "429_date": "F21",
    "425": "F22",
    "503_disabled": "F22",
    "503_cancel_only": "F22",
    "503_post_only": "F22",
    "trading_paused": "F22",
    "401_expired": "F23",
    "404": "F26",
    "not_canceled": "F26",
    "fails_on_chain": "F28",
    "confirms_late": "F28",
    "repeating_cursor": "F30",
}
LOSSES = (
    "drop_before_reply", "delay", "drop_before_accept", "500_before_accept", "502_before_accept", "504_before_accept",
    "503", "500_after_accept", "502_after_accept", "truncated", "html", "not_json", "no_order", "error_in_success",
    "zombie", "429", "429_seconds", "429_date", "401_expired",
)  # fmt: skip
OF_KALSHI = ("overfill", "rests", "trading_paused")
OF_POLYMARKET = (
    "unsettled",
    "425",
    "503_disabled",
    "503_cancel_only",
    "503_post_only",
    "fails_on_chain",
    "confirms_late",
)
UNREAD = (
    "drop_before_reply", "500_before_accept", "503", "truncated", "html", "429", "429_seconds", "429_date",
    "401_expired",
)  # fmt: skip
# The answer to a batch may also be in another order, or lack an order.
OF_BATCHES = (*(fault for fault in LOSSES if fault not in ("no_order", "zombie")), "reversed_rows", "missing_row")
REPLAYS = ("duplicate_rows", "reversed_rows", "empty_listing", "repeating_cursor", "truncated")
CANCELS = ("drop_before_accept", "drop_before_reply", "500_after_accept", "404", "429")
SECONDS: dict[str, tuple[float, float]] = {
    "delay": (1, 15),
    "zombie": (5, 120),
    "429_seconds": (1, 20),
    "429_date": (1, 20),
    "fails_on_chain": (3, 40),
    "confirms_late": (5, 60),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where faults strike: method and path, what can strike there, and whether as often as a replay may."""

    method: str
    path: str
    faults: tuple[str, ...]
    is_replay: bool = False


ENDPOINTS = (
    Endpoint("POST", KALSHI_ORDERS, (*LOSSES, *OF_KALSHI)),
    Endpoint("POST", f"{KALSHI_ORDERS}/batched", OF_BATCHES),
    Endpoint("POST", POLYMARKET_ORDER, (*LOSSES, *OF_POLYMARKET)),
    Endpoint("POST", f"{POLYMARKET_ORDER}s", OF_BATCHES),
    Endpoint("DELETE", f"{KALSHI_ORDERS}/*", CANCELS),
    Endpoint("DELETE", POLYMARKET_ORDER, (*CANCELS, "not_canceled", "503_disabled")),
    Endpoint("GET", "/trade-api/v2/portfolio/orders*", (*REPLAYS, *UNREAD), is_replay=True),
    Endpoint("GET", "/trade-api/v2/portfolio/fills", (*REPLAYS, "other_price", *UNREAD), is_replay=True),
    Endpoint("GET", "/trade-api/v2/portfolio/positions", ("truncated", "repeating_cursor", *UNREAD)),
    Endpoint("GET", "/trade-api/v2/portfolio/balance", UNREAD),
    Endpoint("GET", "/clob/data/order/*", UNREAD),
    Endpoint("GET", "/clob/data/trades", (*REPLAYS, "other_price", *UNREAD), is_replay=True),
    Endpoint("GET", "/clob/balance-allowance", UNREAD),
    Endpoint("GET", "/clob/tick-size", UNREAD),
    Endpoint("GET", "/trade-api/v2/markets/orderbooks", UNREAD),
    Endpoint("POST", "/clob/books", UNREAD),
)


@dataclass(frozen=True, slots=True)
class Weather:
    """How rough a seed is."""

    loss: float
    replay: float
    crash: float

    @classmethod
    def drawn(cls, chance: random.Random) -> "Weather":
        return cls(
            loss=chance.uniform(0, MOST_LOST), replay=chance.uniform(0, MOST_REPLAYED), crash=chance.uniform(0, 0.3)
        )

    def plan(self, chance: random.Random, *, is_noisy: bool) -> list[Fault]:
        """Draw what the next calls of each endpoint meet; only if `is_noisy` are rows told with another price."""
        lines = []
        for endpoint in ENDPOINTS:
            rate = self.replay if endpoint.is_replay else self.loss
            for nth in range(1, CALLS_PLANNED + 1):
                if chance.random() < rate:
                    fault = chance.choice(endpoint.faults)
                    if fault == "other_price" and not is_noisy:
                        fault = "duplicate_rows"
                    seconds = round(chance.uniform(*SECONDS.get(fault, (0, 0))), 1)
                    lines.append(Fault(endpoint.method, endpoint.path, nth, fault, seconds))
        return lines


def kind_of(arrival: Arrival) -> str:
    """Name a fault that the sandbox played with its number: what it struck counts, where that has one of its own."""
    if arrival.is_batch:
        return f"F29 {arrival.fault} of a batch"
    if arrival.is_cancel and KINDS[arrival.fault] != "F26":
        return f"F27 {arrival.fault} of a cancel"
    return f"{KINDS[arrival.fault]} {arrival.fault}"


def never_drawn(struck: Iterable[str]) -> list[str]:
    """Return the numbers of the specification's faults that none of these kinds belongs to."""
    seen = {kind.partition(" ")[0] for kind in struck}
    return [number for number in NUMBERS if number not in seen]
