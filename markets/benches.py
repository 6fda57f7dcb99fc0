"""The ratios of this app; each stands in the module that it is about."""

from markets.history_benches import backfill_again

__all__ = ["backfill_again"]
