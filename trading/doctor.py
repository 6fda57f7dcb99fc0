"""What is well and what is not with a connected account, each with what to do about it.

Runs in workers, where secrets may be opened. Findings are sentences of our own: what a venue answered
is never repeated, so nothing that was sent can come back in one.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from django.db import transaction

from itomarkets.lib import clock
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import VenueAuthError, VenueError, VenueUnavailable
from itomarkets.records import audit
from trading.accounts import open_ledger
from trading.credentials import open_sealed
from trading.limits import dollars
from trading.models import VenueAccount
from trading.venues.base import OrderClient
from trading.venues.clients import order_client
from trading.venues.kalshi import KalshiOrders, KeyRights

if TYPE_CHECKING:
    from trading.venues.polymarket import PolymarketOrders

Kind, Mode = VenueAccount.Kind, VenueAccount.Mode
# Kalshi's REST tolerance is not documented; its FIX side takes 30 seconds.
OFFSET_WARNS = timedelta(seconds=5)
OFFSET_FAILS = timedelta(seconds=25)
REGION_ENDS_SOON = timedelta(days=7)
# What lets a key move money off an exchange, or do more than trade.
MOVES_MONEY = frozenset({"write", "write::transfer"})
MAY_TRADE = frozenset({"write", "write::trade"})


class Health(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, how it stands, and what to do."""

    check: str
    status: str
    says: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an examination found, and the cash where the venue told it."""

    findings: tuple[Finding, ...]
    cash: Decimal | None = None
    cash_by_shard: dict[str, str] | None = None


Open = Callable[..., OrderClient]
Read = TypeVar("Read")


def examine_account(
    *,
    account: VenueAccount,
    now: datetime,
    now_fn: Callable[[], datetime] = clock.now,
    open_client: Open = order_client,
) -> Diagnosis:
    """Look at an account through its own client, and store what was found. Sends no order; never raises VenueError."""
    diagnosis = _examine(account, now_fn=now_fn, open_client=open_client)
    with transaction.atomic():
        row = VenueAccount.objects.select_for_update().get(pk=account.pk)
        if bytes(row.sealed_credentials or b"") != bytes(account.sealed_credentials or b""):
            # It was connected anew or disconnected meanwhile: this is about another key.
            return diagnosis
        before = row.health
        row.findings, row.examined_at = [asdict(finding) for finding in diagnosis.findings], now
        if diagnosis.cash is not None:
            row.cash, row.checked_at = diagnosis.cash, now
            open_ledger(account=row, cash=diagnosis.cash, now=now)
        if diagnosis.cash_by_shard is not None:
            row.cash_by_shard = diagnosis.cash_by_shard
        row.save()
        audit.record(
            action="account.examined",
            subject=f"account:{row.pk}",
            before={"health": before},
            after={"health": row.health},
            at=now,
        )
    return diagnosis


def _examine(account: VenueAccount, *, now_fn: Callable[[], datetime], open_client: Open) -> Diagnosis:
    if account.is_paper:
        return Diagnosis((Finding("key", Health.OK, "Paper needs no key: fills come from the real order books."),))
    try:
        client = open_client(account, now=now_fn)
    except VenueError as error:
        return Diagnosis((_key_trouble(account, error),))
    with closing(client):
        try:
            cash = client.cash()
        except VenueError as error:
            return Diagnosis((_key_trouble(account, error),))
        works = Finding("key", Health.OK, f"The key works: {account} answers to it.")
        if isinstance(client, KalshiOrders):
            shards = _try(client.cash_by_shard)
            found = (works, *_kalshi(account, client, cash, shards, now_fn))
            told = None if shards is None else {str(shard): str(free) for shard, free in sorted(shards.items())}
            return Diagnosis(found, cash=cash, cash_by_shard=told)
        from trading.venues.polymarket import PolymarketOrders

        if isinstance(client, PolymarketOrders):
            return Diagnosis((works, *_polymarket(account, client, cash, now_fn)), cash=cash)
    return Diagnosis((works,), cash=cash)


def _try(read: Callable[[], Read]) -> Read | None:
    """Return what a read brings, or None where the venue does not tell."""
    try:
        return read()
    except (VenueError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _key_trouble(account: VenueAccount, error: VenueError) -> Finding:
    if isinstance(error, VenueUnavailable):
        return Finding("key", Health.FAIL, f"{account} did not answer, so nothing could be checked. Check again later.")
    if error.code == "foreign_wallet":
        return Finding(
            "wallet",
            Health.FAIL,
            "The funder wallet is none of this key's wallets, so its orders would be refused. "
            "Copy the address from Polymarket's deposit page and connect again.",
        )
    if isinstance(error, VenueAuthError):
        where = {
            Mode.DEMO: " A demo key works on the demo exchange only.",
            Mode.LIVE: " A key made on the demo exchange does not work here." if account.kind == Kind.KALSHI else "",
        }.get(Mode(account.mode), "")
        return Finding(
            "key",
            Health.FAIL,
            f"{account} refuses this key: it is wrong, revoked, or of another account.{where} Make a new one at the "
            "venue and connect again.",
        )
    return Finding("key", Health.FAIL, f"{account} gave an answer that we do not know. Check again; then tell us.")


def _clock(offset: timedelta | None) -> Finding:
    if offset is None:
        return Finding(
            "clock", Health.WARN, "The venue told no time, so the clocks could not be compared. Check again."
        )
    seconds = abs(offset.total_seconds())
    way = "behind" if offset > timedelta(0) else "ahead of"
    says = f"This server's clock is {seconds:.0f} seconds {way} the venue's."
    if abs(offset) >= OFFSET_FAILS:
        return Finding("clock", Health.FAIL, f"{says} Signatures will be refused: set the clock by NTP.")
    if abs(offset) >= OFFSET_WARNS:
        return Finding("clock", Health.WARN, f"{says} Set the clock by NTP before signatures are refused.")
    return Finding("clock", Health.OK, "This server's clock agrees with the venue's.")


def _kalshi(
    account: VenueAccount,
    client: KalshiOrders,
    cash: Decimal,
    shards: dict[int, Decimal] | None,
    now_fn: Callable[[], datetime],
) -> Iterator[Finding]:
    rights = _try(client.key_rights)
    if rights is None:
        yield Finding(
            "scopes",
            Health.WARN,
            "Kalshi did not tell what this key may do. Look at it in Kalshi's settings: read and write::trade suffice.",
        )
    else:
        yield from _scopes(rights)
        yield _region(rights, now_fn())
    if account.mode == Mode.SANDBOX:
        yield Finding("clock", Health.OK, "The sandbox runs by this server's clock.")
    else:
        yield _clock(_try(client.clock_offset))
    open_shards = _try(client.trading_by_shard)
    if open_shards is None:
        yield Finding("exchange", Health.WARN, "Kalshi did not tell whether it trades now. Check again later.")
    elif closed := [str(shard) for shard, is_open in sorted(open_shards.items()) if not is_open]:
        yield Finding(
            "exchange", Health.WARN, f"Kalshi takes no orders now on shard {', '.join(closed)}. Trade there later."
        )
    else:
        yield Finding("exchange", Health.OK, "Kalshi takes orders now.")
    yield _shards(cash, shards)


def _scopes(rights: KeyRights) -> Iterator[Finding]:
    named = ", ".join(sorted(rights.scopes)) or "nothing"
    if not rights.scopes & MAY_TRADE or not any(scope == "read" for scope in rights.scopes):
        yield Finding(
            "scopes",
            Health.FAIL,
            f"This key may {named}; trading needs read and write::trade. Make a key with both and connect it.",
        )
    elif rights.scopes & MOVES_MONEY:
        yield Finding(
            "scopes",
            Health.WARN,
            f"This key may {named}: it can also transfer money. Make one with read and write::trade only, and "
            "connect that instead.",
        )
    else:
        yield Finding("scopes", Health.OK, "This key may read and trade, and cannot transfer money.")
    if rights.subaccount is not None:
        yield Finding(
            "subaccount",
            Health.WARN,
            f"This key is held to subaccount {rights.subaccount}, where Kalshi does not tell the cash of each shard. "
            "An order may be refused for cash on another shard: connect a key of the whole account if you can.",
        )


def _region(rights: KeyRights, now: datetime) -> Finding:
    if rights.region_until is None:
        return Finding("region", Health.OK, "Kalshi asks for no attestation of where you are.")
    until = f"{rights.region_until:%d %B %Y}"
    if rights.region_until <= now:
        return Finding(
            "region",
            Health.FAIL,
            f"Your attested location ended on {until}: this key cannot trade sports, elections and entertainment. "
            "Sign in at Kalshi and confirm where you are.",
        )
    if rights.region_until - now < REGION_ENDS_SOON:
        return Finding("region", Health.WARN, f"Your attested location ends on {until}. Sign in at Kalshi before.")
    return Finding("region", Health.OK, f"Your location is attested until {until}.")


def _shards(cash: Decimal, shards: dict[int, Decimal] | None) -> Finding:
    if cash <= ZERO:
        return Finding("balance", Health.WARN, "There is no free cash. Deposit some at Kalshi before you trade.")
    if not shards:
        return Finding(
            "balance", Health.WARN, f"{dollars(cash)} is free; Kalshi did not tell on which shard. Check again."
        )
    listed = "; ".join(f"shard {shard}: {dollars(free)}" for shard, free in sorted(shards.items()))
    empty = [str(shard) for shard, free in sorted(shards.items()) if free <= ZERO]
    if empty:
        return Finding(
            "balance",
            Health.WARN,
            f"{dollars(cash)} is free ({listed}). Markets on shard {', '.join(empty)} cannot be bought until you "
            "transfer cash there at Kalshi.",
        )
    return Finding("balance", Health.OK, f"{dollars(cash)} is free ({listed}).")


def _polymarket(
    account: VenueAccount, client: "PolymarketOrders", cash: Decimal, now_fn: Callable[[], datetime]
) -> Iterator[Finding]:
    yield Finding(
        "scopes",
        Health.WARN,
        "This key can also move the wallet's money: Polymarket has no keys that only trade. "
        "Keep no more in this wallet than you trade with.",
    )
    yield _wallet(account, client)
    yield _clock(_try(lambda: client.clock_offset(now_fn)))
    close_only = _try(client.is_close_only)
    if close_only is None:
        yield Finding("region", Health.WARN, "Polymarket did not tell whether you may open positions. Check again.")
    elif close_only:
        yield Finding(
            "region",
            Health.FAIL,
            "Polymarket lets this account close positions only, for where it is or where this server stands. "
            "Buying will be refused; selling works.",
        )
    else:
        yield Finding("region", Health.OK, "Polymarket lets this account open positions.")
    if cash > ZERO:
        yield Finding("balance", Health.OK, f"{dollars(cash)} is free.")
    else:
        yield Finding("balance", Health.WARN, "The wallet holds no dollars that Polymarket sees. Deposit some first.")
    yield _allowance(_try(client.allowances))


def _wallet(account: VenueAccount, client: "PolymarketOrders") -> Finding:
    told = client.signature_type()
    typed = open_sealed(account).get("signature_type", "")
    if typed and typed != str(told):
        return Finding(
            "wallet",
            Health.FAIL,
            f"You chose signature type {typed}, but the funder wallet is this key's wallet of type {told}. "
            f"Connect again with type {told}, or with the other wallet.",
        )
    return Finding("wallet", Health.OK, f"The funder wallet belongs to this key: signature type {told}.")


def _allowance(allowances: dict[str, Decimal] | None) -> Finding:
    if not allowances:
        return Finding("allowance", Health.WARN, "Polymarket did not tell what its contracts may take. Check again.")
    short = [f"…{spender[-4:]}" for spender, amount in sorted(allowances.items()) if amount <= ZERO]
    if short:
        return Finding(
            "allowance",
            Health.FAIL,
            f"The wallet lets the exchange contracts {', '.join(short)} take nothing, so buying there fails. "
            "Approve trading once on Polymarket's site; a first trade there does it.",
        )
    return Finding("allowance", Health.OK, "The exchange contracts may take what a purchase costs.")
