"""The steps from two exchanges to priced baskets, in order; `up`, the beat and the cron endpoint run the same ones."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from baskets.expansion import expand_baskets
from baskets.rebuild import build_system_baskets
from baskets.rolls import roll_baskets
from categorization.pipeline import categorize_markets
from categorization.taxonomy import load_taxonomy
from itomarkets.records.jobs import run_job
from itomarkets.records.models import JobRun
from markets.sync import sync_markets

Progress = Callable[[str], None]


def sync_pipeline(*, full: bool, now: datetime, progress: Progress | None = None, run_id: int | None = None) -> JobRun:
    """Run sync, categorization, and the mapping, overrides and expansion of baskets; one run at a time."""

    def steps() -> dict[str, Any]:
        load_taxonomy()
        synced = sync_markets(venue=None, full=full, now=now, progress=progress)
        categorized = categorize_markets(markets=None, now=now, progress=progress)
        rolled = roll_baskets(now=now)
        if full:
            mapped = build_system_baskets(now=now, progress=progress)
        else:
            mapped = expand_baskets(now=now, progress=progress)
        return {
            "sync": asdict(synced),
            "categorization": asdict(categorized),
            "rolls": asdict(rolled),
            "baskets": asdict(mapped),
        }

    return run_job("sync_pipeline", steps, lease_seconds=3600, run_id=run_id)
