"""The profile: who one is, in which mode one trades, and with which accounts."""

from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import ProfileForm
from accounts.models import ApiKey
from accounts.people import person_of
from itomarkets.lib import clock
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import VenueError
from trading.account_views import ask_for_check
from trading.accounts import AccountRefused, connect_sandbox_accounts
from trading.exposure import external_risk
from trading.limits import limit_table, mode_denial
from trading.models import TradingSwitch, VenueAccount
from trading.modes import ModeRefused, choose_mode
from trading.switch import SwitchRefused, set_own_switch
from trading.unexplained import unexplained_cash

MODE_CHOICES = (
    ("paper", "Paper", "Fills against the real order books; nothing is sent."),
    ("sandbox", "Sandbox", "Orders are signed and sent to stand-ins of both exchanges, with play money."),
    ("demo", "Demo", "Kalshi's demo exchange, with play money."),
    ("live", "Live", "Real money at the real exchanges."),
)
OWN_SWITCH_WORDS = {
    "active": "Trading goes on: new orders may go out again.",
    "reducing": "From now on only sales go out. What stands at a venue stays, and cancels pass.",
    "halted": "Your trading is stopped: no new order goes out, not even of a trade that is being sent. Cancels pass.",
}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = person_of(request)
    initial = {"first_name": user.first_name, "last_name": user.last_name}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        user.first_name, user.last_name = form.cleaned_data["first_name"], form.cleaned_data["last_name"]
        user.save(update_fields=["first_name", "last_name"])
        messages.success(request, "Saved.")
        return redirect("profile")
    accounts = list(VenueAccount.objects.filter(user=user, is_enabled=True).order_by("mode", "kind"))
    own_switch = TradingSwitch.objects.filter(user=user).first()
    context = {
        "form": form,
        "accounts": accounts,
        "unexplained": [(account, found) for account in accounts if (found := unexplained_cash(account))],
        "own_switch": own_switch,
        "switched_by_staff": own_switch is not None and own_switch.state != "active" and own_switch.changed_by != user,
        "limits": limit_table(user),
        "external_risk": sum((external_risk(row) for account in accounts for row in account.external), ZERO),
        "talks_to_sandbox": settings.VENUES == "sandbox",
        "live_is_on": settings.LIVE_TRADING,
        "has_sandbox": any(account.mode == VenueAccount.Mode.SANDBOX for account in accounts),
        "modes": _modes(accounts),
        "opening_cash": settings.PAPER_OPENING_CASH,
        "has_second_factor": is_mfa_enabled(user),
        "session_count": UserSession.objects.filter(user=user).count(),
        "key_count": sum(key.state == "active" for key in ApiKey.objects.filter(user=user)),
    }
    return render(request, "trading/profile.html", context, status=422 if form.is_bound else 200)


def _modes(accounts: list[VenueAccount]) -> list[dict[str, Any]]:
    modes = []
    for mode, name, says in MODE_CHOICES:
        is_open = mode == "paper" or any(
            account.mode == mode and (mode != "live" or account.live_enabled) for account in accounts
        )
        if mode == "live" and not settings.LIVE_TRADING:
            is_open, says = False, "Switched off on this installation."
        elif not is_open and (denial := mode_denial(mode)):
            says = str(denial)
        elif not is_open:
            says = f"{says} Connect an account first."
        modes.append({"mode": mode, "name": name, "says": says, "is_open": is_open})
    return modes


@login_required
@require_POST
def mode_switch(request: HttpRequest) -> HttpResponse:
    try:
        mode = choose_mode(request.session, user=person_of(request), mode=request.POST.get("mode", ""))
    except ModeRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"You are in {mode.upper()} now.")
    return redirect("profile")


@login_required
@require_POST
def own_switch(request: HttpRequest) -> HttpResponse:
    """Stop one's own trading, or let it go on again."""
    try:
        switch = set_own_switch(
            user=person_of(request),
            state=request.POST.get("state", ""),
            now=clock.now(),
            request_id=getattr(request, "request_id", ""),
        )
    except SwitchRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, OWN_SWITCH_WORDS[switch.state])
    return redirect("profile")


@login_required
@require_POST
def sandbox_connect(request: HttpRequest) -> HttpResponse:
    if settings.VENUES != "sandbox":
        messages.error(request, "This installation talks to the real exchanges; it has no sandbox to connect to.")
        return redirect("profile")
    try:
        accounts = connect_sandbox_accounts(person_of(request), now=clock.now())
    except (VenueError, AccountRefused) as error:
        messages.error(request, f"The sandbox accounts could not be connected: {error}")
    else:
        for account in accounts.accounts:
            ask_for_check(account)
        messages.success(request, "Both sandbox accounts are connected. Choose SANDBOX to trade with them.")
    return redirect("profile")
