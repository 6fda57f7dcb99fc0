"""What a person did and holds: dashboard, portfolio, trades."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.people import person_of
from baskets.reading import basket_rows
from itomarkets.lib import clock
from itomarkets.lib.rounding import ZERO
from itomarkets.lib.venues import Venue
from trading.attempts import offered
from trading.breakdown import exposure_in
from trading.models import Order, OrderEvent, Position, Trade
from trading.modes import mode_of
from trading.portfolio import portfolio_of
from trading.progress import LegProgress, trade_progress
from trading.states import FINAL
from trading.venue_state import closed_for

MOVERS = 6
TRADES_SHOWN = 5
CLOSINGS = 5
PAGE_SIZE = 25


@login_required
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    user, now, mode = person_of(request), clock.now(), mode_of(request.session)
    rows = list(basket_rows(user=user, now=now))
    moved = sorted((row for row in rows if row.change_day is not None), key=lambda row: -abs(row.change_day or ZERO))
    portfolio = portfolio_of(user, mode=mode, now=now)
    closings = (
        Position.objects.filter(account__user=user, account__mode=mode, count__gt=0, market__close_at__gt=now)
        .select_related("market__event")
        .order_by("market__close_at")[:CLOSINGS]
    )
    name = user.first_name or user.username
    context = {
        "greeting": f"Hello, {name}",
        "portfolio": portfolio,
        "movers": (moved or rows)[:MOVERS],
        "mine": [row for row in rows if row.is_own],
        "trades": Trade.objects.filter(user=user, mode=mode).select_related("basket")[:TRADES_SHOWN],
        "closings": closings,
    }
    return render(request, "trading/dashboard.html", context)


@login_required
@require_safe
def portfolio(request: HttpRequest) -> HttpResponse:
    found = portfolio_of(person_of(request), mode=mode_of(request.session), now=clock.now())
    return render(request, "trading/portfolio.html", {"portfolio": found, "exposure": exposure_in(found)})


@login_required
@require_safe
def trade_list(request: HttpRequest) -> HttpResponse:
    trades = Trade.objects.filter(user=person_of(request), mode=mode_of(request.session)).select_related("basket")
    page = Paginator(trades, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "trading/trades.html", {"page": page})


@login_required
@never_cache
@require_safe
def trade_detail(request: HttpRequest, pk: UUID) -> HttpResponse:
    trade = _trade(request, pk)
    context = progress_context(trade)
    context["events"] = OrderEvent.objects.filter(order__trade=trade).select_related("order").order_by("at", "id")
    return render(request, "trading/trade.html", context)


@login_required
@never_cache
@require_safe
def trade_progress_part(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Render the progress again; the fragment asks for itself until the trade is final."""
    return render(request, "trading/parts/progress.html", progress_context(_trade(request, pk)))


def _trade(request: HttpRequest, pk: UUID) -> Trade:
    return get_object_or_404(Trade.objects.select_related("basket"), pk=pk, user=person_of(request))


def progress_context(trade: Trade) -> dict[str, Any]:
    progress, now = trade_progress(trade), clock.now()
    resend = offered(trade, now=now) if progress.is_final else []
    again = [leg.last.pk for leg in resend]
    waiting = Order.objects.filter(trade=trade).exclude(status__in=FINAL) | Order.objects.filter(pk__in=again)
    return {
        "trade": trade,
        "progress": progress,
        "resend": resend,
        "closed": closed_for(waiting.select_related("account", "market"), now=now),
        "has_unknown": any(leg.is_unknown for leg in progress.legs),
        "hold_minutes": settings.TRADE_LIMITS["hold_seconds"] // 60,
        "way_back": _way_back(trade),
        "ended": sum(leg.is_final for leg in progress.legs),
        "legs": [(_mark(leg), Venue(leg.venue).label, leg) for leg in progress.legs],
    }


def _way_back(trade: Trade) -> dict[str, Any]:
    """Return the stored price of a way back with its money as decimals."""
    stored = trade.way_back
    return {
        "notes": stored.get("notes", []),
        **{name: Decimal(stored[name]) for name in ("paid", "brings", "loss", "cap", "missing") if name in stored},
    }


def _mark(leg: LegProgress) -> str:
    """Name a leg's sign: done, fail, ask, or busy while it is under way."""
    if leg.filled and leg.is_final:
        return "done"
    if leg.is_final:
        return "fail"
    return "ask" if leg.is_unknown else "busy"
