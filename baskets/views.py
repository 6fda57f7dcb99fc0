"""Pages that read baskets and what is below them: landing, list, chart, market, suggestions."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.people import person_of
from baskets import suggestions
from baskets.editing import EditRefused, delete_custom_basket, share_basket
from baskets.forms import KINDS, SORTS, ListFilters, sort_rows
from baskets.models import Basket, Constituent, Suggestion
from baskets.reading import basket_rows, chart_series, reachable_by, visible_to
from categorization.pairs.partners import Partner, pairs_of
from categorization.pairs.wording import side_by_side
from categorization.trail import explain_market, would_change
from itomarkets.lib import clock
from itomarkets.lib.templatetags.figures import clean
from markets.gaps import daily_troubles
from markets.models import Market, PricePoint, Quote
from markets.quotes import freshness

SPANS = (("1d", "1D"), ("1w", "1W"), ("1m", "1M"), ("6m", "6M"), ("1y", "1Y"), ("all", "All"))
LANDING_LEGS = 4
SIBLINGS = 12
CHANGES_SHOWN = 20
CHART_DAYS = 365
RULES_LENGTH = 6000


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Say what a basket is, with one that exists: the one that moved most in a month."""
    now = clock.now()
    rows = [row for row in basket_rows(user=request.user, now=now, kind="system") if len(row.sparkline) > 1]
    shown = max(rows, key=lambda row: (row.gauge is not None, abs(row.change_month or 0)), default=None)
    context: dict[str, Any] = {"shown": shown, "market_count": Market.objects.filter(status="open").count()}
    if shown is not None:
        basket = visible_to(request.user).get(slug=shown.slug)
        heaviest = sorted(shown.value.legs, key=lambda leg: -leg.weight)[:LANDING_LEGS] if shown.value else []
        markets = Market.objects.select_related("event").in_bulk([leg.market_id for leg in heaviest])
        context["legs"] = [(leg, markets[leg.market_id]) for leg in heaviest]
        context["more_legs"] = max(shown.legs - LANDING_LEGS, 0)
        series = chart_series(basket, span="6m", now=now)
        known = [point.gauge for point in series.points if point.gauge is not None]
        context["gauge"] = shown.gauge if shown.gauge is not None else known[-1] if known else None
        context["chart_times"] = [point.at for point in series.points]
        context["chart_values"] = [point.gauge for point in series.points]
        context["chart_says"] = f"Gauge of {basket.name} over six months"
    return render(request, "baskets/landing.html", context)


@require_safe
def basket_list(request: HttpRequest) -> HttpResponse:
    filters = ListFilters.of(request.GET)
    kind = None if filters.kind == "all" else filters.kind
    rows = sort_rows(list(basket_rows(user=request.user, now=clock.now(), kind=kind, search=filters.search)), filters)
    context = {
        "rows": rows,
        "search": filters.search,
        "kind": filters.kind,
        "sort": filters.sort_text,
        "kinds": KINDS,
        "columns": _columns(filters),
    }
    return render(request, "baskets/list.html", context)


def _columns(filters: ListFilters) -> list[dict[str, str]]:
    columns = []
    for key, label, css in (
        ("name", "Basket", ""),
        ("gauge", "Gauge", "n"),
        ("level", "Level", "n opt"),
        ("change_day", "Day", "n"),
        ("change_month", "Month", "n opt"),
        ("", "30 days", "opt"),
        ("age", "Age", "n opt"),
    ):
        order = ""
        following = f"-{key}" if SORTS.get(key) else key
        if key and filters.sort == key:
            order = "descending" if filters.is_descending else "ascending"
            following = key if filters.is_descending else f"-{key}"
        columns.append({"key": key, "label": label, "css": css, "order": order, "next": following})
    return columns


@require_safe
def basket_chart(request: HttpRequest, slug: str) -> HttpResponse:
    """Give a basket's chart as columns; null where a fixing is missing, so that a gap stays a gap."""
    basket = get_object_or_404(reachable_by(request.user), slug=slug)
    span = request.GET.get("span", "1m")
    if span not in dict(SPANS):
        return JsonResponse(
            {"code": "invalid", "detail": f"Expected a span of {', '.join(dict(SPANS))}; found {span[:20]!r}."},
            status=400,
        )
    series = chart_series(basket, span=span, now=clock.now())
    body = {
        "span": span,
        "at": [int(point.at.timestamp()) for point in series.points],
        "gauge": [None if point.gauge is None else str(round(point.gauge * 100, 3)) for point in series.points],
        "level": [None if point.level is None else str(round(point.level, 4)) for point in series.points],
        "changes": [
            {"at": int(change.at.timestamp()), "version": change.version, "reason": change.reason}
            for change in series.changes
        ],
    }
    return JsonResponse(body)


@require_safe
def market_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one question: prices, chart, how it was read, its siblings, and the baskets that hold it."""
    market = get_object_or_404(Market.objects.select_related("event", "quote"), pk=pk)
    points = list(
        PricePoint.objects.filter(market=market, interval=PricePoint.Interval.DAY).order_by("-at")[:CHART_DAYS]
    )[::-1]
    siblings: list[Market] = []
    if market.event_id:
        siblings = list(
            Market.objects.filter(event=market.event_id).exclude(pk=market.pk).order_by("-volume")[:SIBLINGS]
        )
    classification = getattr(market, "classification", None)
    prices = market_prices(market)
    context = {
        "market": market,
        "prices": prices,
        "partners": [_beside(market, prices, partner) for partner in pairs_of([market.pk]).get(market.pk, [])],
        "chart_times": [point.at for point in points],
        "chart_values": [point.price for point in points],
        "chart_says": f"Price of YES over {len(points)} days",
        "troubles": daily_troubles(market),
        "rules": [line for line in market.rules[:RULES_LENGTH].splitlines() if line.strip()],
        "stages": explain_market(market),
        "changes": would_change(classification) if classification is not None else [],
        "classification": classification,
        "siblings": siblings,
        "holders": _holders(market, request.user),
        "told_otherwise": list(market.changes.all()[:CHANGES_SHOWN]),
    }
    return render(request, "baskets/market.html", context)


def _beside(market: Market, prices: dict[str, Any], partner: Partner) -> dict[str, Any]:
    """Lay a market's partner at the other venue beside it: both asks, their difference, and both rules."""
    here, there = side_by_side(clean(market.rules[:RULES_LENGTH]), clean(partner.market.rules[:RULES_LENGTH]))
    ask = prices["yes_ask"]
    apart = None if ask is None or partner.ask is None else partner.ask - ask
    return {
        "partner": partner,
        "market": partner.market,
        "here": here,
        "there": there,
        "apart": None if apart is None else abs(apart),
        "is_cheaper": apart is not None and apart < 0,
    }


def market_prices(market: Market) -> dict[str, Any]:
    """Return the prices to show of a market: its book where one is quoted, else what the venue's list said."""
    quote = getattr(market, "quote", None)
    if quote is not None:
        return {
            "yes_bid": quote.yes_bid,
            "yes_ask": quote.yes_ask,
            "no_bid": quote.no_bid,
            "no_ask": quote.no_ask,
            "last": quote.last_price if quote.last_price is not None else market.last_price,
            "at": quote.received_at,
            "source": f"order book, {quote.get_source_display().lower()}",
            "freshness": freshness(quote, clock.now()),
            "condition": Quote.Condition(quote.condition).label if quote.reason else "",
            "reason": quote.reason,
        }
    return {
        "yes_bid": market.yes_bid,
        "yes_ask": market.yes_ask,
        "no_bid": None if market.yes_ask is None else 1 - market.yes_ask,
        "no_ask": None if market.yes_bid is None else 1 - market.yes_bid,
        "last": market.last_price,
        "at": market.listed_at,
        "source": "venue's list",
    }


def _holders(market: Market, user: Any) -> list[dict[str, Any]]:
    """List the baskets that a person may see and that hold the market in their newest composition."""
    rows = (
        Constituent.objects.filter(market=market, composition__basket__in=visible_to(user))
        .select_related("composition__basket")
        .order_by("composition__basket_id", "-composition__version")
    )
    newest: dict[int, Constituent] = {}
    for row in rows:
        newest.setdefault(row.composition.basket_id, row)
    current = dict(
        Basket.objects.filter(pk__in=newest)
        .values_list("pk", "compositions__version")
        .order_by("compositions__version")
    )
    return [
        {
            "slug": row.composition.basket.slug,
            "name": row.composition.basket.name,
            "side": row.side,
            "weight": row.weight,
        }
        for pk, row in newest.items()
        if row.composition.version == current.get(pk)
    ]


@login_required
@require_POST
def basket_delete(request: HttpRequest, slug: str) -> HttpResponse:
    basket = get_object_or_404(Basket, slug=slug, owner=person_of(request))
    name = basket.name
    delete_custom_basket(user=person_of(request), basket=basket, now=clock.now())
    messages.success(request, f"“{name}” is deleted. Positions that you bought with it stay in your portfolio.")
    return redirect("basket-list")


@login_required
@require_POST
def basket_share(request: HttpRequest, slug: str) -> HttpResponse:
    """Share one's own basket by its link, or have it to oneself again."""
    basket = get_object_or_404(Basket, slug=slug, owner=person_of(request), is_active=True)
    try:
        basket = share_basket(
            user=person_of(request), basket=basket, visibility=request.POST.get("visibility", ""), now=clock.now()
        )
    except EditRefused as error:
        messages.error(request, str(error))
    else:
        shared = basket.visibility == Basket.Visibility.LINK
        said = "Whoever has this page's address sees the basket now." if shared else "Only you see the basket now."
        messages.success(request, said)
    return redirect("basket-detail", slug=basket.slug)


@login_required
@require_safe
def suggestion_list(request: HttpRequest) -> HttpResponse:
    rows = Suggestion.objects.filter(user=person_of(request)).select_related("basket", "result")[:100]
    return render(request, "baskets/suggestions.html", {"suggestions": rows})


@login_required
@require_POST
def suggestion_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    suggestion = Suggestion.objects.filter(user=person_of(request), pk=pk).first()
    if suggestion is None:
        raise Http404
    try:
        suggestions.withdraw(suggestion=suggestion, user=person_of(request), now=clock.now())
    except suggestions.SuggestionRefused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The suggestion is withdrawn; no reviewer will see it any more.")
    return redirect("suggestion-list")
