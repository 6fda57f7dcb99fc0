"""The life of an order as a table: what may follow what. Filled quantity is never a state."""

ALLOWED: dict[str, frozenset[str]] = {
    "planned": frozenset({"denied", "submitting"}),
    "submitting": frozenset({"open", "filled", "rejected", "canceled", "unknown"}),
    # Out of the unknown only the venue's own evidence leads.
    "unknown": frozenset({"open", "filled", "canceled", "expired", "rejected", "not_placed"}),
    "open": frozenset({"pending_cancel", "filled", "canceled", "expired"}),
    "pending_cancel": frozenset({"open", "filled", "canceled", "expired"}),
    "denied": frozenset(),
    "filled": frozenset(),
    "rejected": frozenset(),
    "canceled": frozenset(),
    "expired": frozenset(),
    "not_placed": frozenset(),
}

FINAL = frozenset(status for status, following in ALLOWED.items() if not following)
LIVE = frozenset(ALLOWED) - FINAL
# Something may stand at the venue: only its word ends these.
AT_VENUE = LIVE - {"planned"}


class ForbiddenTransition(Exception):
    """A step that the table does not have; the order stays as it is."""

    def __init__(self, old: str, new: str) -> None:
        following = ", ".join(sorted(ALLOWED.get(old, frozenset()))) or "nothing"
        super().__init__(f"An order that is {old} cannot become {new}; expected {following}.")
        self.old = old
        self.new = new


def is_allowed(old: str, new: str) -> bool:
    """Tell whether an order may go from one status to another."""
    return new in ALLOWED[old]
