"""What a long-lived worker does with the memory that it starts with."""

import gc


def settle_memory() -> None:
    """Take what is in memory now, modules most of all, out of the garbage collector's walks.

    A full collection otherwise walks all of it, for tens of milliseconds, in the middle of somebody's click. For
    processes that have finished starting.
    """
    gc.collect()
    gc.freeze()
