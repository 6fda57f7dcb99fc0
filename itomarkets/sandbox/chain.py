"""What becomes of Polymarket's matches on chain: by the clock final, or, as a fault plan wants it, late or failed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from itomarkets.lib import clock

from .ledger import Ledger
from .model import POLYMARKET, YES, ZERO
from .store import Fill, Order, Store

# Seconds after the match at which a trade is in a block, and final.
MINED_AFTER, CONFIRMED_AFTER = 1.0, 3.0


@dataclass(slots=True)
class Fate:
    """How a trade ends and when: failed, or confirmed."""

    ends: str
    at: datetime
    is_undone: bool = False


class Chain:
    """The trades' states, and the undoing of those that failed."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._fates: dict[str, Fate] = {}
        self._seen: dict[str, float] = {}

    def doom(self, trade_ids: Iterable[str], *, ends: str, at: datetime) -> None:
        """Decide how trades end, and when."""
        self._fates |= {trade_id: Fate(ends, at) for trade_id in trade_ids}

    def unsettled(self, market_key: str, now: datetime, *, account_id: str = "", token: str = "") -> Decimal:
        """Return what was bought of a market in matches whose fate is still open: it cannot be sold yet.

        Without an account and a token: of everybody, and of both.
        """
        total = ZERO
        for trade_id, fate in self._fates.items():
            if now >= fate.at and (fate.ends != "FAILED" or fate.is_undone):
                continue
            for fill in self._store.rows(Fill, "trade_id = ? AND market_key = ?", [trade_id, market_key]):
                buys = (fill.side == "buy") == (fill.token == YES)
                if (not account_id and not token) or (buys and (fill.account_id, fill.token) == (account_id, token)):
                    total += fill.size
        return total

    def advance(self, now: datetime) -> None:
        """Give back cash and tokens of what has failed by now, once."""
        for trade_id, fate in self._fates.items():
            if fate.ends != "FAILED" or fate.is_undone or now < fate.at:
                continue
            fate.is_undone = True
            for fill in self._store.rows(Fill, "trade_id = ? AND venue = ?", [trade_id, POLYMARKET]):
                for order in self._store.rows(Order, "id = ?", [fill.order_id]):
                    self._ledger.undo(fill, order, now)

    def state(self, fill: Fill, now: datetime) -> tuple[str, datetime]:
        """Return a trade's state and since when: it settles with the run's time.

        Where that stands still, trades settle with the machine's from the first look, or nothing would ever be final.
        """
        fate = self._fates.get(fill.trade_id)
        if fate is not None:
            return (fate.ends, fate.at) if now >= fate.at else ("MATCHED", fill.at)
        age = (now - fill.at).total_seconds()
        if age < CONFIRMED_AFTER:
            age = max(age, clock.monotonic() - self._seen.setdefault(fill.trade_id, clock.monotonic()))
        if age >= CONFIRMED_AFTER:
            return "CONFIRMED", fill.at + timedelta(seconds=CONFIRMED_AFTER)
        if age >= MINED_AFTER:
            return "MINED", fill.at + timedelta(seconds=MINED_AFTER)
        return "MATCHED", fill.at
