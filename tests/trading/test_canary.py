"""A secret planted in a credential is looked for in every place that could have kept it, and found in none.

Connected, examined, quoted, traded, reconciled and sealed anew, with every logger wide open; each search
is shown to find what is there by a word that is not secret.
"""

import json
import logging
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from logging import Logger
from pathlib import Path
from typing import Any

import hpack
import pytest
from django.apps import apps
from django.conf import settings as configured
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter
from kombu import Connection
from polymarket.clients._transport import SyncTransport
from redis import Redis

from accounts.models import User
from itomarkets.records.models import AuditEntry, JobRun
from tests.factories import make_user
from tests.trading.sandbox_world import Exchange
from tests.trading.test_credentials import key
from tests.trading.test_sandbox_trading import buy, held_basket, look, run
from tests.trading.venue import KEYS
from trading import tasks
from trading.credentials import open_sealed
from trading.models import Trade, VenueAccount
from trading.venues.clients import open_line, order_client
from trading.venues.polymarket import PolymarketLine

# Not a secret, and in the same sealed rows' neighbourhood: whoever cannot find this finds nothing.
CONTROL = "control-canary-is-found"


class Everything(logging.Handler):
    """Keeps each record as a log file would have it, and its arguments as an error tracker would."""

    def __init__(self) -> None:
        super().__init__(level=logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()} {record.args!r} {self.format(record)}")


# Whose loggers could see a request, whether they have been loaded yet or not.
ON_THE_WAY = ("httpx", "httpcore", "hpack", "h2", "websockets", "polymarket", "urllib3", "asyncio")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Everything]:
    """Every logger there is at its widest, and the SDK's own switched on, which the product leaves off."""
    init = SyncTransport.__init__

    def talkative(self: SyncTransport, **values: Any) -> None:
        init(self, **{**values, "logger": logging.getLogger("polymarket.sdk")})

    monkeypatch.setattr(SyncTransport, "__init__", talkative)
    # As with DEBUG: each statement and its values.
    monkeypatch.setattr(connections["default"], "force_debug_cursor", True)
    handler, root = Everything(), logging.getLogger()
    names = [None, *ON_THE_WAY, *(name for name, kind in root.manager.loggerDict.items() if isinstance(kind, Logger))]
    before = {logger: (logger.level, logger.propagate, logger.disabled) for logger in map(logging.getLogger, names)}
    root.addHandler(handler)
    for logger in before:
        logger.setLevel(logging.DEBUG)
        logger.propagate, logger.disabled = True, False
    yield handler
    root.removeHandler(handler)
    for logger, (level, propagate, disabled) in before.items():
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled


def secrets_of(accounts: list[VenueAccount]) -> list[str]:
    """Return what must be found nowhere: each secret, and the middle of it, where a line break could hide it."""
    found = []
    for account in accounts:
        for name, value in open_sealed(account).items():
            if name in ("private_key_pem", "private_key", "api_secret", "api_passphrase"):
                body = "".join(line for line in value.splitlines() if "-----" not in line)
                found += [body.removeprefix("0x")[8:40], body.removeprefix("0x")[-24:]]
    return [secret for secret in found if len(secret) >= 12]


def dumped() -> str:
    """Return every column of every row as the database stores it, blobs in hex and as text."""
    parts = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            for row in cursor.fetchall():
                for value in row:
                    raw = bytes(value) if isinstance(value, bytes | memoryview) else None
                    parts.append(str(value) if raw is None else f"{raw!r} {raw.hex()} {raw.decode('latin-1')}")
    return "\n".join(parts)


def assert_nowhere(text: str, secrets: list[str], *, control: str, where: str) -> None:
    assert control in text, f"the search of {where} finds nothing at all"
    # Which secret it is stays out of the message.
    assert not [number for number, secret in enumerate(secrets) if secret in text], f"a secret is in {where}"


def test_a_secret_is_found_nowhere_after_all_that_is_done_with_it(
    exchange: Exchange, user: User, now: datetime, settings: Any, client: Client, log: Everything
) -> None:
    accounts = list(VenueAccount.objects.order_by("kind"))
    VenueAccount.objects.update(label=CONTROL)
    secrets = secrets_of(accounts)
    assert len(secrets) >= 4

    for account in accounts:
        tasks.examine_account(account.pk)
    trade = buy(user, held_basket(), now)
    run(trade, now)
    assert trade.status == Trade.Status.COMPLETE
    look(now + timedelta(seconds=5))
    tasks.reconcile()
    settings.CREDENTIAL_KEYS = ["new:" + key("n"), *KEYS]
    call_command("rotate_credential_keys")
    # Refused keys and broken seals have texts of their own.
    VenueAccount.objects.filter(kind="kalshi").update(sealed_credentials=b"\x01broken")
    tasks.examine_account(accounts[0].pk)
    logging.getLogger("trading").info("%s", CONTROL)

    for name in ("httpx: HTTP Request", "httpcore.http11: ", "polymarket.sdk: ", "django.db.backends: "):
        assert any(line.startswith(name) for line in log.lines), f"{name} was not heard"
    assert_nowhere("\n".join(log.lines), secrets, control=CONTROL, where="the logs")
    assert_nowhere(dumped(), secrets, control=CONTROL, where="the database")
    kept = [*AuditEntry.objects.values("before", "after", "subject"), *JobRun.objects.values()]
    assert_nowhere(json.dumps(kept, default=str), secrets, control="trade.confirmed"[:5], where="audit and job runs")

    client.force_login(user)
    pages = client.get("/profile").content.decode() + client.get("/portfolio").content.decode()
    assert_nowhere(pages, secrets, control="Trading accounts", where="the pages")
    client.force_login(make_user(username="root", is_staff=True, is_superuser=True))
    for name in ("venueaccount", "order", "trade"):
        listing = client.get(reverse(f"admin:trading_{name}_changelist"))
        row = listing.context["cl"].queryset.first()
        page = client.get(reverse(f"admin:trading_{name}_change", args=[row.pk])).content.decode()
        assert_nowhere(page, secrets, control=str(row.pk), where=f"the admin's {name}")


def test_what_is_sent_to_the_exchanges_goes_by_http_1_whose_loggers_do_not_name_headers(
    exchange: Exchange, log: Everything
) -> None:
    hpack.Encoder().encode([("poly_passphrase", CONTROL)])
    # HTTP/2 would write down each header that it sends, and keep it in its table as long as the line is open.
    assert any(line.startswith("hpack") and CONTROL in line for line in log.lines)
    for account in VenueAccount.objects.all():
        with closing(open_line(account)) as line:
            clients = line.clients.values() if isinstance(line, PolymarketLine) else [line._client]  # type: ignore[attr-defined]
            assert not any(client._transport._pool._http2 for client in clients)


def fails_while_it_holds(account: VenueAccount, now: datetime) -> None:
    """Fail as a signing worker would: its frame holds the opened secrets and the client."""
    opened = open_sealed(account)
    with closing(order_client(account, now=lambda: now)) as connected:
        logging.getLogger("trading").debug("%r %s %r %r", opened, opened, connected, account)
        raise RuntimeError(CONTROL)


@pytest.mark.parametrize("debug", [True, False])
def test_an_error_page_and_a_repr_show_no_secret(
    exchange: Exchange, now: datetime, settings: Any, log: Everything, debug: bool
) -> None:
    settings.DEBUG = debug
    accounts = list(VenueAccount.objects.order_by("kind"))
    secrets = secrets_of(accounts)
    for account in accounts:
        with pytest.raises(RuntimeError) as caught:
            fails_while_it_holds(account, now)
        # This test's own frame holds what it looks for; the failing one comes after it.
        assert caught.value.__traceback__ is not None
        failed = caught.value.__traceback__.tb_next
        request = RequestFactory().post("/", {"posted": CONTROL})
        page = ExceptionReporter(request, RuntimeError, caught.value, failed).get_traceback_html()
        assert_nowhere(page, secrets, control=CONTROL, where="the error page")
        assert "opened" in page
        logging.getLogger("trading").error("failed", exc_info=(RuntimeError, caught.value, failed))
    assert_nowhere("\n".join(log.lines), secrets, control="<Secrets>", where="the logs of a failure")


@pytest.fixture
def _not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are sent, not done in place as elsewhere in tests."""
    monkeypatch.setitem(tasks.run_trade.app.conf, "task_always_eager", False)


def tell_workers(user: User, now: datetime, broker: Connection, queue: str) -> Trade:
    """Send the messages that the product sends, by its own tasks, over another broker."""
    trade = buy(user, held_basket(), now)
    tasks.run_trade.apply_async(args=[str(trade.pk)], connection=broker, queue=queue)
    for account in VenueAccount.objects.all():
        tasks.examine_account.apply_async(args=[account.pk], connection=broker, queue=queue)
    return trade


@pytest.mark.usefixtures("_not_at_once")
def test_a_message_in_the_brokers_files_carries_an_id_and_no_secret(
    exchange: Exchange, user: User, now: datetime, tmp_path: Path
) -> None:
    secrets = secrets_of(list(VenueAccount.objects.all()))
    folders = {name: str(tmp_path) for name in ("data_folder_in", "data_folder_out", "control_folder")}
    with Connection("filesystem://", transport_options=folders) as broker:
        trade = tell_workers(user, now, broker, "canary")
    files = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert len([text for text in files if '"task": "trading.' in text]) == 3
    # A message's body is in base64: what is looked for is looked for inside it too.
    bodies = [b64decode(json.loads(text)["body"]).decode() for text in files if '"body"' in text]
    assert str(trade.pk) in "\n".join(bodies)
    assert_nowhere("\n".join(files + bodies), secrets, control="trading.run_trade", where="the broker's files")


@pytest.mark.usefixtures("_not_at_once")
@pytest.mark.skipif(not configured.REDIS_URL, reason="runs where Redis does")
def test_a_message_in_redis_carries_an_id_and_no_secret(exchange: Exchange, user: User, now: datetime) -> None:
    secrets = secrets_of(list(VenueAccount.objects.all()))
    queue = f"canary-{user.pk}-{exchange.url.rpartition(':')[2]}"
    store = Redis.from_url(configured.REDIS_URL)
    try:
        with Connection(configured.REDIS_URL) as broker:
            trade = tell_workers(user, now, broker, queue)
        texts = [raw.decode() for raw in store.lrange(queue, 0, -1)]
        bodies = [b64decode(json.loads(text)["body"]).decode() for text in texts]
        assert str(trade.pk) in "\n".join(bodies)
        assert len(texts) == 3
        # And in all else that the cache and the broker keep there.
        kept = [store.dump(name) or b"" for name in store.scan_iter(count=1000)]
        found = "\n".join([*texts, *bodies, *(raw.decode("latin-1") for raw in kept)])
        assert_nowhere(found, secrets, control="trading.run_trade", where="Redis")
    finally:
        store.delete(queue, f"_kombu.binding.{queue}")
        store.close()
