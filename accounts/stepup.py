"""Steps that can move money ask again who is there."""

from collections.abc import Iterable

from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from django.http import HttpRequest

from itomarkets.lib.scopes import Scope

MONEY_SCOPES = {Scope.TRADES_WRITE.value}


def needs_step_up(request: HttpRequest, *, scopes: Iterable[str]) -> bool:
    """Tell whether these scopes need the person to confirm, within five minutes, who they are."""
    return bool(MONEY_SCOPES & set(scopes)) and not did_recently_reauthenticate(request)
