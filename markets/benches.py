"""The ratios of this app; each stands in the module that it is about."""

from markets.history_benches import backfill_again
from markets.sync_benches import embedded, ingesting, memory, syncing_again, under_a_limit

__all__ = ["backfill_again", "embedded", "ingesting", "memory", "syncing_again", "under_a_limit"]
