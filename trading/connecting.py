"""Connecting and disconnecting a person's own accounts at the venues: checked, sealed, and written down."""

import re
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts.models import User
from itomarkets.lib.kalshi_signing import load_private_key
from itomarkets.lib.venues import VenueAuthError
from itomarkets.records import audit
from trading.accounts import AccountRefused, connect_account
from trading.models import VenueAccount
from trading.states import LIVE

Kind, Mode = VenueAccount.Kind, VenueAccount.Mode
PRIVATE_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
WALLET = re.compile(r"0x[0-9a-fA-F]{40}")
API_SECRETS = ("api_key", "api_secret", "api_passphrase")
SIGNATURE_TYPES = (
    ("3", "3: deposit wallet (new accounts)"),
    ("2", "2: Safe (signed up with a browser wallet)"),
    ("1", "1: proxy (signed up by email)"),
    ("0", "0: the key's own address"),
)


def modes_to_connect(kind: str) -> tuple[str, ...]:
    """Name the modes that an account of a kind can be connected in, as this server is set up."""
    if settings.VENUES != "live":
        return (Mode.SANDBOX.value,)
    return (Mode.DEMO.value, Mode.LIVE.value) if kind == Kind.KALSHI else (Mode.LIVE.value,)


def connect_venue(
    *, user: User, kind: str, mode: str, credentials: dict[str, str], now: datetime, request_id: str = ""
) -> VenueAccount:
    """Check what a person typed, then store it sealed. Raises AccountRefused, whose text repeats no secret."""
    if mode not in modes_to_connect(kind):
        raise AccountRefused(
            f"Expected the mode {' or '.join(modes_to_connect(kind))} on this server; found {mode!r}. "
            "The server's VENUES setting decides which exchanges it talks to."
        )
    given = {name: value.strip() for name, value in credentials.items()}
    if kind == Kind.KALSHI:
        _check_kalshi(given)
    else:
        _check_polymarket(given)
    return connect_account(user=user, kind=kind, mode=mode, credentials=given, now=now, request_id=request_id)


def _check_kalshi(given: dict[str, str]) -> None:
    if "BEGIN OPENSSH" in given.get("private_key_pem", ""):
        raise AccountRefused(
            "This key is in OpenSSH's format; Kalshi's keys are PEM files. Paste the file that Kalshi let you download."
        )
    try:
        load_private_key(given.get("private_key_pem", ""))
    except VenueAuthError as error:
        raise AccountRefused(str(error)) from error


def _check_polymarket(given: dict[str, str]) -> None:
    if not PRIVATE_KEY.fullmatch(given.get("private_key", "")):
        raise AccountRefused(
            "Expected the private key as 64 hexadecimal digits, with or without 0x; found something else. "
            "Polymarket's settings export it."
        )
    if not WALLET.fullmatch(given.get("wallet", "")):
        raise AccountRefused(
            "Expected the funder wallet as 0x and 40 hexadecimal digits; found something else. "
            "It is the address that Polymarket's deposit page shows."
        )
    if given.get("signature_type", "") not in dict(SIGNATURE_TYPES):
        raise AccountRefused("Expected a signature type of 0, 1, 2 or 3.")
    named = [name for name in API_SECRETS if given.get(name)]
    if named and len(named) < len(API_SECRETS):
        raise AccountRefused(
            "Expected the API key, its secret and its passphrase together, or none of them: "
            "without them they are derived from the private key."
        )


def disconnect_account(*, account: VenueAccount, now: datetime, request_id: str = "") -> None:
    """Forget an account's secrets and switch it off; what it traded stays on record.

    Raises AccountRefused while an order has not ended: without the key nobody could ask what became of it.
    """
    with transaction.atomic():
        row = VenueAccount.objects.select_for_update().get(pk=account.pk)
        if row.is_paper:
            raise AccountRefused("The paper account holds no key; there is nothing to disconnect.")
        if row.orders.filter(status__in=LIVE).exists():
            raise AccountRefused(f"{row} has orders that have not ended. Disconnect it when they have.")
        if not row.is_enabled and not row.sealed_credentials:
            return
        hint = row.key_hint
        row.sealed_credentials, row.key_version, row.key_hint = None, "", ""
        row.is_enabled = row.live_enabled = False
        row.findings, row.examined_at = [], None
        row.save()
        audit.record(
            action="account.disconnected",
            subject=f"account:{row.pk}",
            actor=row.user,
            before={"kind": row.kind, "mode": row.mode, "key_hint": hint},
            request_id=request_id,
            at=now,
        )


def switch_live(*, account: VenueAccount, is_on: bool, now: datetime, request_id: str = "") -> None:
    """Let an account trade with real money, or stop it. Raises AccountRefused where that cannot be switched on."""
    with transaction.atomic():
        row = VenueAccount.objects.select_for_update().get(pk=account.pk)
        if row.live_enabled == is_on:
            return
        if is_on:
            _require_fit_for_money(row)
        row.live_enabled = is_on
        row.save(update_fields=["live_enabled"])
        audit.record(
            action="account.live_on" if is_on else "account.live_off",
            subject=f"account:{row.pk}",
            actor=row.user,
            before={"live_enabled": not is_on},
            after={"live_enabled": is_on},
            request_id=request_id,
            at=now,
        )


def _require_fit_for_money(account: VenueAccount) -> None:
    if account.mode != Mode.LIVE or not account.is_enabled:
        raise AccountRefused(f"{account} is not a connected live account.")
    if not settings.LIVE_TRADING:
        raise AccountRefused("Trading with real money is switched off on this installation.")
    if account.examined_at is None:
        raise AccountRefused(f"{account} was not checked yet. Check it first.")
    if any(finding["status"] == "fail" for finding in account.findings):
        raise AccountRefused(f"{account} has failed a check. Do what it says, check again, then switch it on.")
