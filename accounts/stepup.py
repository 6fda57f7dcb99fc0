"""Steps that can move money ask again who is there."""

from collections.abc import Iterable

from allauth.account import app_settings
from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

from itomarkets.lib import clock
from itomarkets.lib.scopes import Scope

MONEY_SCOPES = {Scope.TRADES_WRITE.value}


def needs_step_up(request: HttpRequest, *, scopes: Iterable[str]) -> bool:
    """Tell whether these scopes need the person to say again who they are: by password, second factor or sign-in.

    Whichever was last counts, for ACCOUNT_REAUTHENTICATION_TIMEOUT seconds. The session keeps the
    machine's time, as a run's clock may stand still.
    """
    if not MONEY_SCOPES & set(scopes):
        return False
    shown = [record["at"] for record in get_authentication_records(request, request.user)]
    return not shown or clock.machine_now().timestamp() - max(shown) >= app_settings.REAUTHENTICATION_TIMEOUT
