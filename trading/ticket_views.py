"""The basket's page and its ticket: look, quote, confirm, and sell again."""

import logging
from datetime import datetime
from math import ceil
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.people import person_of
from accounts.stepup import MONEY_SCOPES, needs_step_up
from baskets.models import Basket
from baskets.reading import basket_detail as read_basket
from baskets.reading import chart_series, reachable_by, waiting_change
from baskets.views import SPANS
from itomarkets.lib import clock
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import VenueError
from trading.deciding import ChoiceRefused, choose
from trading.forms import ALLOCATIONS, POLICIES, POLICY_WORDS, SALE_WORDS, Ticket, TicketError, quote_id_of
from trading.models import Position, TicketQuote, Trade, VenueAccount
from trading.modes import mode_of
from trading.placing import TradeRefused, confirm_trade
from trading.planning import QuotedLeg
from trading.quoting import QuoteRefused, quote_basket
from trading.schedule import time_to_send

log = logging.getLogger(__name__)
QUICK_AMOUNTS = ("50", "100", "250", "1000")
TABLE_ROWS = 60
FIRST_SPAN = "1m"
# Choices on a held trade after which orders go out.
SENDING_CHOICES = ("continue", "resend", "unwind")


@require_safe
def basket_detail(request: HttpRequest, slug: str) -> HttpResponse:
    basket = get_object_or_404(reachable_by(request.user), slug=slug)
    ticket = Ticket.of(request.GET, basket)
    return render(request, "trading/basket.html", _basket_page(request, basket, ticket, clock.now()))


def _basket_page(request: HttpRequest, basket: Basket, ticket: Ticket, now: datetime) -> dict[str, Any]:
    detail = read_basket(basket, now=now)
    series = chart_series(basket, span=FIRST_SPAN, now=now)
    value = detail.value
    return {
        "basket": basket,
        "is_mine": basket.owner_id is not None and basket.owner_id == request.user.pk,
        "value": value,
        "legs": detail.legs,
        "venue_count": detail.venue_count,
        "widest": max((leg.weight for leg in detail.legs), default=1),
        "next_close": detail.next_close_at,
        "old_seconds": settings.TRADE_LIMITS["quote_age_seconds"],
        "compositions": detail.compositions,
        "corrections": detail.corrections,
        "overrides": detail.overrides,
        "backfill": basket.backfill_runs.order_by("-created_at").first(),
        "official": detail.official,
        "proposal": waiting_change(basket),
        "official_level": detail.official_level,
        "spans": SPANS,
        "first_span": FIRST_SPAN,
        "has_history": bool(series.points),
        "table": [point for point in series.points if point.gauge is not None][: -TABLE_ROWS - 1 : -1],
        "ticket": ticket,
        "no_ask": None if value is None or value.bid is None else 1 - value.bid,
        "quick_amounts": QUICK_AMOUNTS,
        "allocations": ALLOCATIONS,
        "policies": POLICIES,
    }


@login_required
@never_cache
@require_POST
def ticket_quote(request: HttpRequest, slug: str) -> HttpResponse:
    """Quote the ticket: a fragment for htmx, the whole page without script."""
    basket = get_object_or_404(reachable_by(request.user), slug=slug)
    ticket, now = Ticket.of(request.POST, basket), clock.now()
    context = _quote(request, basket, ticket, now, action="buy")
    status = 422 if context.get("refused") else 200
    if request.headers.get("HX-Request"):
        return render(request, "trading/parts/quote.html", context, status=status)
    page = {**_basket_page(request, basket, ticket, now), **context}
    return render(request, "trading/basket.html", page, status=status)


@login_required
@never_cache
@require_POST
def position_close(request: HttpRequest, slug: str) -> HttpResponse:
    """Quote the sale of all that a person holds of one side of a basket."""
    held = Position.objects.filter(account__user=person_of(request), count__gt=0).values("basket")
    basket = get_object_or_404(Basket, slug=slug, pk__in=held)
    ticket = Ticket.of(request.POST, basket)
    context = _quote(request, basket, ticket, clock.now(), action="sell")
    context["basket"] = basket
    return render(request, "trading/quote_page.html", context, status=422 if context.get("refused") else 200)


def _quote(request: HttpRequest, basket: Basket, ticket: Ticket, now: datetime, *, action: str) -> dict[str, Any]:
    try:
        quote = quote_basket(
            user=person_of(request),
            basket=basket,
            side=ticket.side,
            amount=ticket.dollars() if action == "buy" else None,
            mode=mode_of(request.session),
            allocation=ticket.allocation,
            action=action,
            now=now,
            request_id=getattr(request, "request_id", ""),
        )
    except (TicketError, QuoteRefused) as error:
        return {"refused": str(error), "ticket": ticket}
    except VenueError as error:
        log.warning("quote of %s failed: %s", basket.slug, error)
        return {"refused": f"{error} Try again in a moment.", "ticket": ticket}
    context = quote_context(quote, ticket, now)
    if _asks_who(request, quote.mode):
        context["who_url"] = _who_url(_way_back(quote))
    return context


def _asks_who(request: HttpRequest, mode: str) -> bool:
    """Tell whether real money waits for a fresh sign-in, password or second factor."""
    return mode == VenueAccount.Mode.LIVE and needs_step_up(request, scopes=MONEY_SCOPES)


def _who_url(then: str) -> str:
    return f"{reverse('account_reauthenticate')}?{urlencode({'next': then})}"


def quote_context(quote: TicketQuote, ticket: Ticket, now: datetime) -> dict[str, Any]:
    return {
        "quote": quote,
        "ticket": ticket,
        "quoted_legs": [QuotedLeg.from_json(row) for row in quote.legs],
        "is_sale": quote.action == "sell",
        "seconds_left": max(int((quote.expires_at - now).total_seconds()), 0),
        "idempotency_key": uuid4().hex,
        "send_seconds": ceil(time_to_send(_account_kinds(quote)).total_seconds()),
        "most_lost": max(quote.worst_cost - quote.worst_payout, ZERO),
        "policy_says": SALE_WORDS if quote.action == "sell" else POLICY_WORDS[ticket.policy],
    }


def _account_kinds(quote: TicketQuote) -> list[str]:
    """Return the kind of account that sends each leg: a paper account sends to no venue."""
    return [VenueAccount.Kind.PAPER if quote.mode == "paper" else leg["venue"] for leg in quote.legs]


@login_required
@require_POST
def trade_decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take the owner's choice on a trade that waits for one."""
    trade = get_object_or_404(Trade, pk=pk, user=person_of(request))
    if request.POST.get("choice") in SENDING_CHOICES and _asks_who(request, trade.mode):
        messages.error(request, "This sends orders with real money: confirm who you are, then choose again.")
        return redirect(_who_url(reverse("trade-detail", args=[trade.pk])))
    try:
        said = choose(
            user=person_of(request),
            trade_id=trade.pk,
            choice=request.POST.get("choice", ""),
            now=clock.now(),
            request_id=getattr(request, "request_id", ""),
        )
        messages.success(request, said)
    except ChoiceRefused as error:
        messages.error(request, str(error))
    return redirect("trade-detail", trade.pk)


@login_required
@require_POST
def trade_confirm(request: HttpRequest) -> HttpResponse:
    """Confirm a quote, once, however often the button is pressed."""
    try:
        quote_id = quote_id_of(request.POST.get("quote_id", ""))
    except TicketError as error:
        messages.error(request, str(error))
        return redirect("basket-list")
    quote = TicketQuote.objects.filter(pk=quote_id, user=person_of(request)).select_related("basket").first()
    if quote is None:
        raise Http404
    if _asks_who(request, quote.mode):
        messages.error(
            request, "Nothing was bought or sold. This is real money: confirm who you are, then ask for a fresh quote."
        )
        return redirect(_who_url(_way_back(quote)))
    try:
        trade = confirm_trade(
            user=person_of(request),
            quote_id=quote_id,
            idempotency_key=request.POST.get("idempotency_key", ""),
            policy=Ticket.of(request.POST, quote.basket).policy,
            now=clock.now(),
            request_id=getattr(request, "request_id", ""),
        )
    except TradeRefused as error:
        messages.error(request, f"Nothing was bought or sold. {error}")
        return redirect(_way_back(quote))
    return redirect("trade-detail", trade.pk)


def _way_back(quote: TicketQuote) -> str:
    """Return the page where a quote that was not confirmed is asked for anew."""
    if quote.action == "sell":
        return reverse("portfolio")
    return f"{reverse('basket-detail', args=[quote.basket.slug])}?side={quote.side}&amount={quote.amount:.2f}"
