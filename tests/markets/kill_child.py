"""The program that test_killed_sync.py starts: `die` is killed at its third write, `again` syncs whole."""

import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from itomarkets.lib import clock  # noqa: E402
from itomarkets.records.models import Lease  # noqa: E402
from markets import sync  # noqa: E402
from markets.mirror import Mirror  # noqa: E402
from markets.models import Market, SyncRun  # noqa: E402
from tests.markets.payloads import FakeVenues, kalshi_market  # noqa: E402

MARKETS = 300


def main(what: str) -> None:
    venues = FakeVenues()
    venues.live = [kalshi_market(f"KXRATE-26SEP-T{number}") for number in range(MARKETS)]
    venues.page_size = sync.MARKETS_A_WRITE = 50
    if what == "die":
        write, written = Mirror._store_markets, []

        def dying(self: Mirror, *args: Any) -> None:
            write(self, *args)
            written.append(1)
            if len(written) == 3:
                # Written, not committed.
                os.kill(os.getpid(), signal.SIGKILL)

        Mirror._store_markets = dying  # type: ignore[method-assign]
    else:
        # The dead one's lease has run out.
        Lease.objects.update(until=clock.machine_now())
    now = datetime(2026, 8, 1, 12, tzinfo=UTC)
    report = sync.sync_markets(venue="kalshi", full=True, now=now, client=venues.client)
    runs = list(SyncRun.objects.order_by("id").values_list("status", "error", "seen"))
    told = {"status": report.venues[0].status, "added": report.added, "markets": Market.objects.count(), "runs": runs}
    print(json.dumps(told))  # noqa: T201


main(sys.argv[1])
