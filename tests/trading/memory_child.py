"""The program that test_opened_keys.py starts: it trades at both exchanges, and looks for keys in its own memory.

Argument: the sandbox's address. On standard input: what must not be found, one a line and written backwards, so
that the looking itself holds none of it. Prints one line of JSON.
"""

import gc
import json
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from celery import current_app  # noqa: E402
from coincurve import PrivateKey  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: E402
from django.conf import settings  # noqa: E402
from polymarket.models import ApiKeyCreds  # noqa: E402

from itomarkets.lib import clock  # noqa: E402
from markets.models import Market  # noqa: E402
from markets.sync import sync_markets  # noqa: E402
from tests import loopback  # noqa: E402
from tests.factories import make_user  # noqa: E402
from tests.trading.sandbox_world import TICKER, point_settings_at  # noqa: E402
from tests.trading.venue import KEYS, make_basket  # noqa: E402
from trading import execution  # noqa: E402
from trading.accounts import connect_sandbox_accounts  # noqa: E402
from trading.execution import run_trade  # noqa: E402
from trading.fanout import look_up_all  # noqa: E402
from trading.models import Trade  # noqa: E402
from trading.placing import confirm_trade  # noqa: E402
from trading.quoting import quote_basket  # noqa: E402
from trading.reconciliation import reconcile  # noqa: E402
from trading.venues.kept import kept_lines  # noqa: E402
from trading.venues.polymarket_signing import Signer  # noqa: E402

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
# A private key's bytes: nothing that is looked for is shorter.
SHORTEST = 32
OPENED = (RSAPrivateKey, Ed25519PrivateKey, Signer, PrivateKey, ApiKeyCreds)


def held() -> Iterator[Any]:
    """Yield all that anything in this process refers to."""
    gc.collect()
    seen: set[int] = set()
    for holder in gc.get_objects():
        yield from _below(gc.get_referents(holder), seen)


def _below(found: Iterable[Any], seen: set[int]) -> Iterator[Any]:
    for each in found:
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        # A dict or tuple of strings alone is not watched by the collector: nobody else lists what is in it.
        if isinstance(each, dict | tuple) and not gc.is_tracked(each):
            yield from _below(gc.get_referents(each), seen)


def look(backwards: list[str]) -> dict[str, Any]:
    """Count the secrets that are in memory, by their place in the list, and the keys that are open."""
    secrets, opened = set(), set()
    for each in held():
        if isinstance(each, OPENED):
            opened.add(type(each).__name__)
        if not isinstance(each, str | bytes | bytearray) or len(each) < SHORTEST:
            continue
        texts = (each[::-1],) if isinstance(each, str) else (each.hex()[::-1], each.decode("latin-1")[::-1])
        secrets |= {number for number, secret in enumerate(backwards) if any(secret in text for text in texts)}
    return {"secrets": sorted(secrets), "opened": sorted(opened)}


def main(backwards: list[str]) -> None:
    sync_markets(venue=None, full=True, now=NOON)
    user = make_user(username="holder", email="holder@example.com")
    connect_sandbox_accounts(user, now=NOON)
    legs = [(Market.objects.get(native_id=TICKER), "yes", "0.5", "10")]
    legs += [(Market.objects.get(native_id="11"), "no", "0.5", "10")]
    quote = quote_basket(user=user, basket=make_basket(legs), side="yes", amount=Decimal(60), mode="sandbox", now=NOON)
    trade = confirm_trade(user=user, quote_id=quote.pk, idempotency_key="once", policy="best_effort", now=NOON)
    told: dict[str, Any] = {}

    def looking_up(*args: Any, **values: Any) -> Any:
        """Look while both orders are out and no thread works: a tuple that one is building must not be held."""
        if "during" not in told:
            told["during"] = look(backwards)
        return look_up_all(*args, **values)

    setattr(execution, "look_up_all", looking_up)  # noqa: B010
    run_trade(trade.pk, now_fn=lambda: NOON, sleep=lambda seconds: None)
    reconcile(now=NOON)
    told |= {"after": look(backwards), "lines": len(kept_lines._kept), "trade": Trade.objects.get().status}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    current_app.conf.task_always_eager = False
    settings.CREDENTIAL_KEYS = KEYS
    # As a worker has them: threads that send, and lines that stay open.
    settings.SEND_THREADS, settings.LINE_KEPT_SECONDS = 4, 300
    loopback.guard()
    clock.set_clock(clock.Clock(start=NOON, rate=0.0, anchor=0.0))
    point_settings_at(settings, sys.argv[1])
    main([line.strip() for line in sys.stdin if line.strip()])
