"""What goes wrong: a seeded fault plan for the sandbox, made anew for each event, and the table of kinds.

The mix is that of VOPR: requests and answers lost up to 30 %, listings told again up to 50 %, besides
crashes, which `process` plays. What is rare by itself, a cancel and a way back, meets faults more often:
a seed has few of them.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from itomarkets.sandbox.faults import Fault
from itomarkets.simulation.network import KALSHI_ORDERS, POLYMARKET_ORDER, Arrival

MOST_LOST, MOST_REPLAYED, MOST_UNCANCELED, MOST_CRASHED = 0.30, 0.50, 0.70, 0.40
# How often a call that is not lost meets what only its own exchange does.
MOST_OWN = 0.40
# How often the sale of a way back meets a fault aimed at it.
WAY_BACK_STRUCK = 0.6
CALLS_PLANNED = 6
# F33 is the simulation itself.
NUMBERS = tuple(f"F{number:02d}" for number in range(1, 33))
# What of the specification's faults no seed plays, and why.
NOT_PLAYED = {
    "F09-F13 by SIGKILL": "a seed's worker dies inside one process, at a request, a statement or a commit; "
    "real kills have tests of their own",
    "F12 at the same instant": "a seed is one thread: what happens beside a run happens between two of its requests; "
    "workers that race have tests of their own on PostgreSQL",
    "F14-F16 by stream": "fills are read from listings only, so the second channel is a second look-up; sockets carry "
    "books alone",
    "F27 cancel and replace": "nothing here replaces an order; an unknown cancel is played, and the way back or the "
    "next attempt that would follow it must wait",
}
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
    "status_paused": "F22",
    "status_down": "F22",
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
MODES = ("425", "503_disabled", "503_cancel_only", "503_post_only")
OF_POLYMARKET = ("unsettled", "fails_on_chain", "confirms_late", *MODES)
UNREAD = (
    "drop_before_reply", "500_before_accept", "503", "truncated", "html", "429", "429_seconds", "429_date",
    "401_expired",
)  # fmt: skip
# The answer to a batch may also be in another order, or lack an order.
OF_BATCHES = (*(fault for fault in LOSSES if fault not in ("no_order", "zombie")), "reversed_rows", "missing_row")
REPLAYS = ("duplicate_rows", "reversed_rows", "empty_listing", "repeating_cursor", "truncated")
CANCELS = ("drop_before_accept", "drop_before_reply", "500_after_accept", "429")
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
    """Where faults strike: method and path, what can strike there, what only there, and how often (`Weather`)."""

    method: str
    path: str
    faults: tuple[str, ...]
    own: tuple[str, ...] = ()
    rate: str = "loss"


ENDPOINTS = (
    Endpoint("POST", KALSHI_ORDERS, LOSSES, OF_KALSHI),
    Endpoint("POST", f"{KALSHI_ORDERS}/batched", OF_BATCHES, ("trading_paused",)),
    Endpoint("POST", POLYMARKET_ORDER, LOSSES, OF_POLYMARKET),
    Endpoint("POST", f"{POLYMARKET_ORDER}s", OF_BATCHES, MODES),
    Endpoint("DELETE", f"{KALSHI_ORDERS}/*", CANCELS, ("404",), "cancel"),
    Endpoint("DELETE", POLYMARKET_ORDER, CANCELS, ("404", "not_canceled", "503_disabled"), "cancel"),
    Endpoint("GET", "/trade-api/v2/portfolio/orders*", (*REPLAYS, *UNREAD), rate="replay"),
    Endpoint("GET", "/trade-api/v2/portfolio/fills", (*REPLAYS, "other_price", *UNREAD), rate="replay"),
    Endpoint("GET", "/trade-api/v2/portfolio/positions", ("truncated", "repeating_cursor", *UNREAD)),
    Endpoint("GET", "/trade-api/v2/portfolio/balance", UNREAD),
    Endpoint("GET", "/trade-api/v2/exchange/status", UNREAD, ("status_paused", "status_down")),
    Endpoint("GET", "/clob/data/order/*", UNREAD),
    Endpoint("GET", "/clob/data/trades", (*REPLAYS, "other_price", *UNREAD), rate="replay"),
    Endpoint("GET", "/clob/balance-allowance", UNREAD),
    Endpoint("GET", "/clob/tick-size", UNREAD),
    Endpoint("GET", "/trade-api/v2/markets/orderbooks", UNREAD),
    Endpoint("POST", "/clob/books", UNREAD),
)


@dataclass(frozen=True, slots=True)
class Weather:
    """How rough a seed is. `thin`: how often books have run thin by the time that orders arrive."""

    loss: float
    replay: float
    cancel: float
    own: float
    crash: float
    thin: float

    @classmethod
    def drawn(cls, chance: random.Random) -> "Weather":
        return cls(
            loss=chance.uniform(0, MOST_LOST),
            replay=chance.uniform(0, MOST_REPLAYED),
            cancel=chance.uniform(0, MOST_UNCANCELED),
            own=chance.uniform(0, MOST_OWN),
            crash=chance.uniform(0, MOST_CRASHED),
            thin=chance.uniform(0, 0.6),
        )

    def plan(self, chance: random.Random, *, is_noisy: bool) -> list[Fault]:
        """Draw what the next calls of each endpoint meet; only if `is_noisy` are rows told with another price."""
        lines = []
        for endpoint in ENDPOINTS:
            rate = {"loss": self.loss, "replay": self.replay, "cancel": self.cancel}[endpoint.rate]
            for nth in range(1, CALLS_PLANNED + 1):
                is_lost = chance.random() < rate
                if is_lost or (endpoint.own and chance.random() < self.own):
                    fault = _drawn(endpoint.faults if is_lost else endpoint.own, chance)
                    if fault == "other_price" and not is_noisy:
                        fault = "duplicate_rows"
                    lines.append(_line(endpoint.method, endpoint.path, nth, fault, chance))
        return lines


def aimed_at_way_back(arrival: Arrival, chance: random.Random) -> list[Fault]:
    """Draw what the sale of a way back meets in this very call: mostly nothing, else a loss."""
    if chance.random() >= WAY_BACK_STRUCK:
        return []
    return [_line(arrival.method, arrival.path, 1, _drawn(OF_BATCHES if arrival.is_batch else LOSSES, chance), chance)]


def _drawn(faults: Sequence[str], chance: random.Random) -> str:
    """Draw one of some faults: first its number, as some numbers have many kinds, then its kind."""
    number = chance.choice(sorted({KINDS[fault] for fault in faults}))
    return chance.choice([fault for fault in faults if KINDS[fault] == number])


def _line(method: str, path: str, nth: int, fault: str, chance: random.Random) -> Fault:
    return Fault(method, path, nth, fault, round(chance.uniform(*SECONDS.get(fault, (0, 0))), 1))


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
