"""What must survive a restart, in one small SQLite file: accounts, cash, orders, fills, positions, settlements."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import orjson

from .model import YES, ZERO


@dataclass(slots=True, eq=False)
class Account:
    """One name's keys on both venues. `polymarket` holds what the Polymarket side keeps (api credentials)."""

    id: str
    name: str
    created_at: datetime
    kalshi_key_id: str
    kalshi_private_key_pem: str
    kalshi_public_key_pem: str
    polymarket_private_key: str
    polymarket_address: str
    polymarket: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Order:
    """One order. `side` and `price` are in YES-space; `token` is net (Kalshi) or the token traded (yes or no)."""

    id: str
    seq: int
    account_id: str
    venue: str
    market_key: str
    event_key: str
    token: str
    side: str
    price: Decimal
    size: Decimal
    tif: str
    post_only: bool
    client_id: str
    exchange_index: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    status: str = "resting"
    reason: str = ""
    filled: Decimal = ZERO
    taker_cost: Decimal = ZERO
    maker_cost: Decimal = ZERO
    taker_fees: Decimal = ZERO
    maker_fees: Decimal = ZERO
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def remaining(self) -> Decimal:
        return self.size - self.filled

    @property
    def spends_cash(self) -> bool:
        """Say whether an order for one token buys it (cash out) rather than sells it (tokens out)."""
        return (self.side == "buy") == (self.token == YES)

    @property
    def live(self) -> Decimal:
        """Contracts that can still be filled."""
        return self.remaining if self.status == "resting" else ZERO


@dataclass(slots=True, eq=False)
class Fill:
    """One execution of one order. `price` is of YES; both sides of a match share `trade_id`."""

    id: str
    seq: int
    trade_id: str
    order_id: str
    account_id: str
    venue: str
    market_key: str
    event_key: str
    token: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    is_taker: bool
    exchange_index: int
    at: datetime
    counter_order_id: str = ""


@dataclass(slots=True, eq=False)
class Position:
    """What an account holds of a market: signed YES contracts (token net) or units of one token.

    `cost` is what the open quantity cost; `traded` the dollars of all its fills. `settles_at` and `pays` (what YES
    will pay) are kept here so that a sandbox that slept past the market's listing still settles it.
    """

    account_id: str
    venue: str
    market_key: str
    event_key: str
    token: str
    exchange_index: int
    quantity: Decimal
    cost: Decimal
    realized: Decimal
    fees: Decimal
    traded: Decimal
    updated_at: datetime
    settles_at: datetime
    pays: Decimal
    settled_at: datetime | None = None


@dataclass(slots=True, eq=False)
class Settlement:
    """What a settled market paid to one account's position."""

    account_id: str
    venue: str
    market_key: str
    event_key: str
    token: str
    exchange_index: int
    quantity: Decimal
    cost: Decimal
    payout: Decimal
    value: Decimal
    fees: Decimal
    at: datetime


@dataclass(slots=True, eq=False)
class Transfer:
    """Cash moved between two shards of one account."""

    id: str
    account_id: str
    source: int
    destination: int
    amount: Decimal
    client_id: str
    at: datetime


@dataclass(slots=True, eq=False)
class Forced:
    """A market that was settled by hand."""

    venue: str
    market_key: str
    outcome: Decimal
    at: datetime


Row = TypeVar("Row", Account, Order, Fill, Position, Settlement, Transfer, Forced)

TABLES: dict[type[Any], tuple[str, str]] = {
    Account: ("accounts", "id"),
    Order: ("orders", "id"),
    Fill: ("fills", "id"),
    Position: ("positions", "account_id, venue, market_key, token"),
    Settlement: ("settlements", "account_id, venue, market_key, token"),
    Transfer: ("transfers", "id"),
    Forced: ("forced", "venue, market_key"),
}
INDEXES = (
    # listings of one account, newest first
    "CREATE INDEX IF NOT EXISTS orders_of_account ON orders (account_id, venue, seq)",
    "CREATE INDEX IF NOT EXISTS fills_of_account ON fills (account_id, venue, seq)",
    # one order's fills, and a market's public trades
    "CREATE INDEX IF NOT EXISTS fills_of_order ON fills (order_id)",
    "CREATE INDEX IF NOT EXISTS fills_of_market ON fills (venue, market_key, seq)",
    # the duplicate check of client ids; start-up loads what rests
    "CREATE INDEX IF NOT EXISTS orders_by_client ON orders (account_id, venue, client_id)",
    "CREATE INDEX IF NOT EXISTS orders_resting ON orders (status) WHERE status = 'resting'",
    "CREATE UNIQUE INDEX IF NOT EXISTS transfers_by_client ON transfers (account_id, client_id) WHERE client_id != ''",
)


def _pack(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return value


def _unpacker(kind: Any) -> Any:
    if kind is Decimal:
        return Decimal
    if kind is datetime:
        return datetime.fromisoformat
    if kind == (datetime | None):
        return lambda text: datetime.fromisoformat(text) if text else None
    if kind is bool:
        return bool
    if kind is str or kind is int:
        return None
    return orjson.loads


class Store:
    """The SQLite file. Every write of one request is one transaction, so that a crash loses all of it or none."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            ":memory:" if folder is None else str(folder / "exchange.sqlite3"),
            isolation_level=None,
            check_same_thread=False,  # tests drive the app from a thread of their own, one at a time
        )
        self._db.row_factory = sqlite3.Row
        self._depth = 0
        self._columns: dict[type[Any], list[str]] = {}
        self._unpackers: dict[type[Any], list[tuple[str, Any]]] = {}
        if folder is not None:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
        for kind, (table, key) in TABLES.items():
            hints = get_type_hints(kind)
            self._columns[kind] = [column.name for column in fields(kind)]
            self._unpackers[kind] = [(name, _unpacker(hints[name])) for name in self._columns[kind]]
            columns = ", ".join(self._columns[kind])
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS cash (account_id, venue, shard, amount, PRIMARY KEY (account_id, venue, shard))"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS facts (name PRIMARY KEY, value)")
        for statement in INDEXES:
            self._db.execute(statement)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside one transaction; an inner one joins the outer."""
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._db.execute("COMMIT")

    def save(self, row: Row) -> None:
        """Insert a row or replace the one with its key."""
        kind = type(row)
        columns = self._columns[kind]
        marks = ", ".join("?" * len(columns))
        self._db.execute(
            f"INSERT OR REPLACE INTO {TABLES[kind][0]} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
            [_pack(getattr(row, name)) for name in columns],
        )

    def rows(
        self,
        kind: type[Row],
        where: str = "1",
        values: Sequence[Any] = (),
        *,
        order_by: str = "",
        limit: int | None = None,
    ) -> list[Row]:
        """Return the rows for a condition that this package wrote; values never go into the text."""
        text = f"SELECT * FROM {TABLES[kind][0]} WHERE {where}"  # noqa: S608
        if order_by:
            text += f" ORDER BY {order_by}"
        if limit is not None:
            text += f" LIMIT {int(limit)}"
        unpackers = self._unpackers[kind]
        return [
            kind(**{name: unpack(row[name]) if unpack else row[name] for name, unpack in unpackers})
            for row in self._db.execute(text, [_pack(value) for value in values])
        ]

    def cash(self) -> Iterable[tuple[str, str, int, Decimal]]:
        """Return every account's cash: account id, venue, shard, dollars."""
        return [
            (row["account_id"], row["venue"], row["shard"], Decimal(row["amount"]))
            for row in self._db.execute("SELECT * FROM cash")
        ]

    def save_cash(self, account_id: str, venue: str, shard: int, amount: Decimal) -> None:
        self._db.execute("INSERT OR REPLACE INTO cash VALUES (?, ?, ?, ?)", (account_id, venue, shard, str(amount)))

    def fact(self, name: str) -> str | None:
        """Return a remembered setting of the sandbox."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row["value"])

    def save_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def last_seq(self) -> int:
        """Return the highest sequence number given to an order or fill."""
        row = self._db.execute(
            "SELECT max(coalesce((SELECT max(seq) FROM orders), 0), coalesce((SELECT max(seq) FROM fills), 0))"
        ).fetchone()
        return int(row[0])
