"""The mode that a session trades in: paper unless the person chose otherwise."""

from collections.abc import MutableMapping
from typing import Any

from django.conf import settings

from trading.models import VenueAccount

SESSION_KEY = "mode"
MODES = (VenueAccount.Mode.PAPER, VenueAccount.Mode.SANDBOX, VenueAccount.Mode.DEMO, VenueAccount.Mode.LIVE)


class ModeRefused(ValueError):
    """The mode cannot be entered; the text says what is missing."""


def mode_of(session: MutableMapping[str, Any]) -> str:
    """Return the session's mode; a live mode that was switched off since falls back to paper."""
    mode = str(session.get(SESSION_KEY, ""))
    if mode not in MODES or (mode == VenueAccount.Mode.LIVE and not settings.LIVE_TRADING):
        return VenueAccount.Mode.PAPER.value
    return mode


def choose_mode(session: MutableMapping[str, Any], *, user: Any, mode: str) -> str:
    """Enter a mode.

    Raises ModeRefused when the person has no enabled account for it, or real money is switched off.
    """
    if mode not in MODES:
        raise ModeRefused(f"Expected paper, sandbox, demo or live, found {mode!r}.")
    if mode == VenueAccount.Mode.LIVE and not settings.LIVE_TRADING:
        raise ModeRefused("Trading with real money is switched off on this installation.")
    if mode != VenueAccount.Mode.PAPER:
        accounts = VenueAccount.objects.filter(user=user, mode=mode, is_enabled=True)
        if mode == VenueAccount.Mode.LIVE:
            accounts = accounts.filter(live_enabled=True)
        if not accounts.exists():
            raise ModeRefused(f"Connect a {mode} account first; then you can switch to it.")
    session[SESSION_KEY] = str(mode)
    return str(mode)
