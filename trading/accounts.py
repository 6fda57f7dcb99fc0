"""Venue accounts: made for paper, connected for a sandbox, a demo or real money."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from itomarkets.lib.http import HttpClient
from itomarkets.lib.rounding import quantize
from itomarkets.lib.venues import Venue, VenueAuthError, VenueProtocolError
from itomarkets.records import audit
from markets.models import Market
from trading.credentials import seal
from trading.ledger import open_ledger
from trading.models import VenueAccount

Kind, Mode = VenueAccount.Kind, VenueAccount.Mode
NEEDED_SECRETS = {
    Kind.KALSHI: ("key_id", "private_key_pem"),
    Kind.POLYMARKET: ("private_key", "wallet"),
}
KEPT_SECRETS = {
    Kind.KALSHI: ("key_id", "private_key_pem"),
    Kind.POLYMARKET: ("private_key", "wallet", "signature_type", "api_key", "api_secret", "api_passphrase"),
}
# The id whose last four characters a page may show.
SHOWN_ID = {Kind.KALSHI: "key_id", Kind.POLYMARKET: "wallet"}


class AccountRefused(Exception):
    """An account cannot be connected as asked; the text says what to do."""


@dataclass(frozen=True, slots=True)
class AccountSet:
    """The accounts that a person can trade with in one mode."""

    mode: str
    accounts: tuple[VenueAccount, ...]

    def for_market(self, market: Market) -> VenueAccount | None:
        """Return the account that pays for a market's contracts: the paper account, or its venue's."""
        for account in self.accounts:
            if account.is_paper or account.kind == market.venue:
                return account
        return None

    def __bool__(self) -> bool:
        return bool(self.accounts)


def allowed_modes(environment: str) -> frozenset[str]:
    """Name the modes that an API key's environment reaches: a test key sees no real money, whatever else is set."""
    if environment == "live":
        return frozenset(Mode.values)
    return frozenset({Mode.PAPER.value, Mode.SANDBOX.value})


def paper_account(user: User, *, now: datetime) -> VenueAccount:
    """Return a person's paper account; makes it, with its opening cash, the first time."""
    account = VenueAccount.objects.filter(user=user, kind=Kind.PAPER, mode=Mode.PAPER).first()
    if account is not None:
        return account
    with transaction.atomic():
        account, made = VenueAccount.objects.get_or_create(
            user=user,
            kind=Kind.PAPER,
            mode=Mode.PAPER,
            defaults={"label": "Paper", "cash": settings.PAPER_OPENING_CASH, "created_at": now, "checked_at": now},
        )
        if made:
            open_ledger(account=account, cash=settings.PAPER_OPENING_CASH, now=now)
    return account


def accounts_for(user: User, mode: str) -> AccountSet:
    """Return the enabled accounts of a person in one mode."""
    rows = VenueAccount.objects.filter(user=user, mode=mode, is_enabled=True).order_by("kind")
    return AccountSet(mode=mode, accounts=tuple(rows))


def connect_account(
    *,
    user: User,
    kind: str,
    mode: str,
    credentials: dict[str, str],
    now: datetime,
    cash: Decimal | None = None,
    cash_by_shard: dict[str, str] | None = None,
    request_id: str = "",
) -> VenueAccount:
    """Store an account at a venue with its secrets sealed; connecting again replaces the secrets.

    `cash` is what the venue says is there; the first connection opens the ledger with it. Raises
    AccountRefused, naming what is missing, for a kind, mode or set of secrets that cannot be.
    """
    if kind not in NEEDED_SECRETS:
        raise AccountRefused(f"Expected an account at {' or '.join(NEEDED_SECRETS)}; found {kind!r}.")
    if mode not in (Mode.SANDBOX, Mode.DEMO, Mode.LIVE):
        raise AccountRefused(f"Expected the mode sandbox, demo or live; found {mode!r}.")
    if kind == Kind.POLYMARKET and mode == Mode.DEMO:
        raise AccountRefused("Polymarket has no demo exchange. Use paper or the sandbox to try things.")
    kind = Kind(kind)
    missing = [name for name in NEEDED_SECRETS[kind] if not credentials.get(name, "").strip()]
    if missing:
        raise AccountRefused(f"{kind.label} needs {' and '.join(missing)}; add what is missing and connect again.")
    secrets = {name: credentials[name].strip() for name in KEPT_SECRETS[kind] if credentials.get(name)}
    with transaction.atomic():
        account, made = VenueAccount.objects.select_for_update().get_or_create(
            user=user, kind=kind, mode=mode, defaults={"label": kind.label, "created_at": now}
        )
        seal(account, secrets)
        account.key_hint = secrets[SHOWN_ID[kind]][-4:]
        account.is_enabled = True
        # Whatever was switched on for the old key is not switched on for the new one.
        account.live_enabled = False
        account.findings, account.examined_at = [], None
        if cash_by_shard is not None:
            account.cash_by_shard = cash_by_shard
        if made and cash is not None:
            account.cash, account.checked_at = cash, now
            open_ledger(account=account, cash=cash, now=now)
        account.save()
        audit.record(
            action="account.connected" if made else "account.reconnected",
            subject=f"account:{account.pk}",
            actor=user,
            after={"kind": kind.value, "mode": mode, "key_hint": account.key_hint},
            request_id=request_id,
            at=now,
        )
    return account


def connect_sandbox_accounts(user: User, *, now: datetime, client: HttpClient | None = None) -> AccountSet:
    """Ask the sandbox for accounts at both exchanges, and connect them. Running it again changes nothing there."""
    http = client or HttpClient(
        settings.SANDBOX_URL, venue="sandbox", requests_per_second=100, timeout_seconds=settings.VENUE_TIMEOUT_SECONDS
    )
    try:
        answer = http.post_json("/control/accounts", {"name": f"user-{user.pk}"})
    finally:
        if client is None:
            http.close()
    shards = {Kind.KALSHI.value: answer.get("kalshi_shards") or {}} if isinstance(answer, dict) else {}
    for kind, secrets, cash in _parse_sandbox_accounts(answer):
        connect_account(
            user=user,
            kind=kind,
            mode=Mode.SANDBOX,
            credentials=secrets,
            cash=cash,
            cash_by_shard=shards.get(kind),
            now=now,
        )
    return accounts_for(user, Mode.SANDBOX)


def _parse_sandbox_accounts(answer: Any) -> list[tuple[str, dict[str, str], Decimal]]:
    try:
        kalshi, polymarket, balances = answer["kalshi"], answer["polymarket"], answer["balances"]
        api = polymarket.get("api") or polymarket.get("credentials") or {}
        rows = [
            (Venue.KALSHI.value, {"key_id": kalshi["key_id"], "private_key_pem": kalshi["private_key_pem"]}),
            (
                Venue.POLYMARKET.value,
                {
                    "private_key": polymarket["private_key"],
                    "wallet": polymarket["wallet"],
                    "api_key": api.get("apiKey", ""),
                    "api_secret": api.get("secret", ""),
                    "api_passphrase": api.get("passphrase", ""),
                },
            ),
        ]
        return [(venue, secrets, quantize(Decimal(str(balances[venue])), 6)) for venue, secrets in rows]
    except (KeyError, TypeError, AttributeError) as error:
        raise VenueProtocolError(
            f"The sandbox was expected to answer kalshi, polymarket and balances; {error} is missing.", venue="sandbox"
        ) from error


def require_ready(account: VenueAccount) -> None:
    """Raise VenueAuthError when an account has no secrets to sign with."""
    if not account.is_paper and not account.sealed_credentials:
        raise VenueAuthError(f"{account} has no key. Connect it again.", venue=account.kind)
