"""Pages about accounts at the venues: connect one, have it checked, switch it live, disconnect it."""

import logging

from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from kombu.exceptions import OperationalError

from accounts.people import person_of
from accounts.stepup import MONEY_SCOPES, needs_step_up
from itomarkets.lib import clock
from trading.account_forms import FORMS, ExternalCashForm
from trading.accounts import AccountRefused
from trading.connecting import connect_venue, disconnect_account, modes_to_connect, switch_live
from trading.models import VenueAccount
from trading.tasks import examine_account
from trading.unexplained import BookingRefused, book_external, exact

logger = logging.getLogger(__name__)


def ask_for_check(account: VenueAccount) -> bool:
    """Have a worker examine an account: pages open no secrets. Returns False where no worker could be told."""
    try:
        examine_account.delay(account.pk)
    except (OperationalError, OSError) as error:
        logger.error("account %s: no worker was told to check it (%s)", account.pk, error)
        return False
    return True


@sensitive_post_parameters()
@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account_connect(request: HttpRequest, kind: str) -> HttpResponse:
    """Ask for an account's key. Who has not just signed in confirms it before the form is shown."""
    if kind not in FORMS:
        raise Http404
    if needs_step_up(request, scopes=MONEY_SCOPES):
        if request.method == "POST":
            # A POST that waits for the password would be kept in the session, key and all.
            messages.error(request, "Confirm who you are first; then enter the key again. Nothing was stored.")
            return redirect("account-connect", kind=kind)
        raise ReauthenticationRequired()
    modes = modes_to_connect(kind)
    form = FORMS[kind](request.POST if request.method == "POST" else None, modes=modes)
    if request.method == "POST" and form.is_valid():
        try:
            account = connect_venue(
                user=person_of(request),
                kind=kind,
                mode=form.cleaned_data["mode"],
                credentials=form.credentials(),
                now=clock.now(),
                request_id=getattr(request, "request_id", ""),
            )
        except AccountRefused as error:
            form.add_error(None, str(error))
        else:
            is_asked = ask_for_check(account)
            then = "It is being checked: look at what is found below." if is_asked else "Check it when a worker runs."
            messages.success(request, f"{account} is connected. {then}")
            return redirect("profile")
    context = {
        "form": form,
        "kind": kind,
        "kind_name": VenueAccount.Kind(kind).label,
        "modes": modes,
        "talks_to_sandbox": settings.VENUES != "live",
    }
    return render(request, "trading/connect.html", context, status=422 if form.is_bound else 200)


def _own(request: HttpRequest, pk: int) -> VenueAccount:
    return get_object_or_404(VenueAccount, pk=pk, user=person_of(request), is_enabled=True)


@login_required
@require_POST
def account_check(request: HttpRequest, pk: int) -> HttpResponse:
    account = _own(request, pk)
    if ask_for_check(account):
        messages.success(request, f"{account} is being checked. Load this page again in some seconds.")
    else:
        messages.error(request, f"{account} cannot be checked now: no worker can be told. Try again in a moment.")
    return redirect("profile")


@login_required
@require_POST
def account_disconnect(request: HttpRequest, pk: int) -> HttpResponse:
    account = _own(request, pk)
    try:
        disconnect_account(account=account, now=clock.now(), request_id=getattr(request, "request_id", ""))
    except AccountRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{account} is disconnected and its key is forgotten here. Revoke it there as well.")
    return redirect("profile")


@login_required
@require_POST
def account_cash(request: HttpRequest, pk: int) -> HttpResponse:
    """Book a difference in cash as moved outside Itô; for real money after a fresh sign-in."""
    account = _own(request, pk)
    if account.mode == VenueAccount.Mode.LIVE and needs_step_up(request, scopes=MONEY_SCOPES):
        raise ReauthenticationRequired()
    form = ExternalCashForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Expected the amount and the number that the page shows. Look at the difference again.")
        return redirect("profile")
    try:
        entry = book_external(
            account=account,
            amount=form.cleaned_data["amount"],
            number=form.cleaned_data["number"],
            now=clock.now(),
            request_id=getattr(request, "request_id", ""),
        )
    except BookingRefused as error:
        messages.error(request, str(error))
    else:
        way = "deposit" if entry.amount > 0 else "withdrawal"
        messages.success(
            request, f"Booked: a {way} of {exact(abs(entry.amount))} outside Itô. It is neither profit nor loss."
        )
    return redirect("profile")


@login_required
@require_POST
def account_live(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch an account to real money, after a fresh sign-in; or off, at once."""
    account = _own(request, pk)
    is_on = request.POST.get("live") == "on"
    if is_on and needs_step_up(request, scopes=MONEY_SCOPES):
        raise ReauthenticationRequired()
    try:
        switch_live(account=account, is_on=is_on, now=clock.now(), request_id=getattr(request, "request_id", ""))
    except AccountRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{account} {'may' if is_on else 'does not'} trade with real money now.")
    return redirect("profile")
