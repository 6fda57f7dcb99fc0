"""The market builder: search on the left, the draft on the right. Every step works as a plain form too."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.people import person_of
from baskets import curating, suggestions
from baskets.compositions import current_composition
from baskets.draft_session import (
    Draft,
    apply_step,
    clear_draft,
    copied_draft,
    load_draft,
    posted_draft,
    store_draft,
)
from baskets.drafts import LegDraft, preview
from baskets.editing import EditRefused, create_custom_basket
from baskets.effects import Effect, effect_of
from baskets.forms import CLOSING, VOLUMES, MarketFilters, SuggestionForm
from baskets.models import Basket, Suggestion
from baskets.reading import reachable_by
from baskets.views import market_prices
from categorization.filters import ClassifiedMarketFilter
from categorization.models import Theme
from itomarkets.lib import clock
from itomarkets.lib.templatetags.figures import cents
from itomarkets.lib.venues import Venue
from markets.models import Market

MOST_HITS = 40
MOST_IN_EVENT = 6


@dataclass(slots=True)
class EventGroup:
    """One event's markets among the results, in the order of the search."""

    title: str
    close_at: datetime | None
    volume: Decimal
    markets: list[Market] = field(default_factory=list)
    more: int = 0


@login_required
@require_safe
def builder(request: HttpRequest) -> HttpResponse:
    return render(request, "baskets/builder.html", _page(request, load_draft(request.session)))


@login_required
@require_safe
def builder_search(request: HttpRequest) -> HttpResponse:
    return render(request, "baskets/parts/results.html", _results(MarketFilters.of(request.GET), clock.now()))


@login_required
@never_cache
@require_POST
def builder_preview(request: HttpRequest) -> HttpResponse:
    """Take the form as it stands, apply one button, keep the draft, and show it priced."""
    draft = posted_draft(request.POST, load_draft(request.session))
    draft = _only_known(apply_step(draft, request.POST.get("op", "")))
    store_draft(request.session, draft)
    if request.headers.get("HX-Request"):
        return render(request, "baskets/parts/draft.html", _draft(request, draft, clock.now()))
    return HttpResponseRedirect(f"{reverse('builder')}?{_query(request.POST.get('back', ''))}#draft")


@login_required
@require_POST
def builder_save(request: HttpRequest) -> HttpResponse:
    """Save the draft as a private basket, or show what it would do, suggest it, or have a reviewer save it for all."""
    draft = posted_draft(request.POST, load_draft(request.session))
    store_draft(request.session, draft)
    now = clock.now()
    legs = _legs(draft)
    intent = request.POST.get("intent")
    if intent not in ("suggest", "weigh", "curate"):
        try:
            basket = create_custom_basket(
                user=person_of(request), name=draft.name, description=draft.description, legs=legs, now=now
            )
        except EditRefused as error:
            return render(request, "baskets/builder.html", _page(request, draft, errors=[str(error)]), status=422)
        clear_draft(request.session)
        messages.success(request, f"“{basket.name}” is saved. Only you see it.")
        return redirect("basket-detail", slug=basket.slug)
    wish = SuggestionForm.of(request.POST)
    target = Basket.objects.filter(pk=wish.basket, kind=Basket.Kind.SYSTEM).first() if wish.basket else None
    if intent == "weigh":
        return render(
            request, "baskets/builder.html", _page(request, draft, suggest=wish, **_effect(wish, target, legs, now))
        )
    if intent == "curate":
        return _curate(request, draft, legs, wish, target, now)
    try:
        suggestions.submit(
            user=person_of(request),
            type=wish.type,
            basket=None if wish.type == Suggestion.Type.NEW else target,
            name=draft.name,
            description=draft.description,
            legs=legs,
            reason=wish.reason,
            now=now,
        )
    except suggestions.SuggestionRefused as error:
        page = _page(request, draft, errors=[str(error)], suggest=wish)
        return render(request, "baskets/builder.html", page, status=422)
    clear_draft(request.session)
    messages.success(request, "Sent. A reviewer reads it; the answer will stand here.")
    return redirect("suggestion-list")


def _curate(
    request: HttpRequest,
    draft: Draft,
    legs: list[LegDraft],
    wish: SuggestionForm,
    target: Basket | None,
    now: datetime,
) -> HttpResponse:
    """Save the draft as a reviewer's overrides of the system basket that was chosen."""
    try:
        if target is None:
            raise EditRefused("Choose the system basket that should change.")
        version = curating.save_as_overrides(
            basket=target, legs=legs, reason=wish.reason, reviewer=person_of(request), now=now
        )
    except EditRefused as error:
        page = _page(request, draft, errors=[str(error)], suggest=wish)
        return render(request, "baskets/builder.html", page, status=422)
    clear_draft(request.session)
    messages.success(request, f"“{target.name}” is now at version {version.version}; your words stand on its page.")
    return HttpResponseRedirect(f"{reverse('basket-detail', args=[target.slug])}#overrides")


@login_required
@require_POST
def basket_clone(request: HttpRequest, slug: str) -> HttpResponse:
    """Put what a basket holds into the draft, to be changed and saved as one's own; decided legs stay behind."""
    basket = get_object_or_404(reachable_by(request.user), slug=slug)
    newest = current_composition(basket)
    rows = newest.constituents.select_related("market").order_by("pk") if newest else ()
    legs = [(row.market_id, row.side, row.weight) for row in rows if not row.market.is_resolved]
    store_draft(request.session, copied_draft(name=basket.name, description=basket.description, legs=legs))
    messages.success(request, f"“{basket.name}” is copied into the builder. The original stays as it is.")
    return HttpResponseRedirect(f"{reverse('builder')}#draft")


def _effect(wish: SuggestionForm, target: Basket | None, legs: list[LegDraft], now: datetime) -> dict[str, Any]:
    """Reckon what a wish would do, or say what is missing for that."""
    if not legs:
        return {"errors": ["There is no leg yet; find a question on the left and add its YES or NO."]}
    if wish.type != Suggestion.Type.NEW and target is None:
        return {"errors": ["Choose the system basket that should change."]}
    return {"effect": effect_of(type=wish.type, basket=target, legs=legs, now=now)}


def _page(
    request: HttpRequest,
    draft: Draft,
    *,
    errors: list[str] | None = None,
    suggest: SuggestionForm | None = None,
    effect: Effect | None = None,
) -> dict[str, Any]:
    now = clock.now()
    filters = MarketFilters.of(request.GET)
    return {
        **_results(filters, now),
        **_draft(request, draft, now, errors=errors),
        "suggest": suggest or SuggestionForm(),
        "effect": effect,
        "may_curate": request.user.has_perms(curating.PERMISSIONS),
        "suggestion_types": Suggestion.Type.choices,
        "targets": Basket.objects.filter(kind=Basket.Kind.SYSTEM, is_active=True).order_by("name"),
        "filters": filters,
        "venues": Venue.choices,
        "themes": Theme.objects.all(),
        "closing": CLOSING,
        "volumes": VOLUMES,
        "market_count": Market.objects.filter(status=Market.Status.OPEN).count(),
    }


def _results(filters: MarketFilters, now: datetime) -> dict[str, Any]:
    search = ClassifiedMarketFilter(filters.query(now), queryset=Market.objects.none(), now=now)
    # What a form cannot read was taken as not typed; a theme may still be nobody's.
    found = search.qs if search.is_valid() else Market.objects.none()
    hits = list(found.select_related("event", "quote")[: MOST_HITS + 1])
    groups: dict[tuple[str, int], EventGroup] = {}
    for market in hits[:MOST_HITS]:
        key = ("event", market.event_id) if market.event_id else ("market", market.pk)
        title = (market.event.title if market.event else "") or market.title
        group = groups.setdefault(key, EventGroup(title, market.close_at, Decimal(0)))
        group.volume += market.volume or 0
        if len(group.markets) >= MOST_IN_EVENT:
            group.more += 1
            continue
        prices = market_prices(market)
        market.shown = market.subtitle if market.subtitle and market.event_id else market.title  # type: ignore[attr-defined]
        market.price = prices["yes_ask"] if prices["yes_ask"] is not None else prices["last"]  # type: ignore[attr-defined]
        group.markets.append(market)
    shown = sum(len(group.markets) for group in groups.values())
    return {
        "groups": list(groups.values()),
        "shown_count": shown,
        "is_cut": len(hits) > MOST_HITS,
        "corrected": search.is_valid() and search.reading.corrected,
    }


def _draft(
    request: HttpRequest,
    draft: Draft,
    now: datetime,
    *,
    errors: list[str] | None = None,
) -> dict[str, Any]:
    markets = Market.objects.select_related("event", "quote").in_bulk(draft.market_ids)
    legs = []
    for line in draft.lines:
        market = markets.get(line.market_id)
        if market is None:
            continue
        prices = market_prices(market)
        ask = prices[f"{line.side}_ask"]
        legs.append(
            {
                "id": line.market_id,
                "side": line.side,
                "percent": line.percent,
                "locked": line.locked,
                "question": market.question,
                "venue_name": Venue(market.venue).label,
                "price": ask,
            }
        )
    shown = preview(_legs(draft), now) if legs else None
    return {
        "draft": draft,
        "legs": legs,
        "venue_count": len({leg["venue_name"] for leg in legs}),
        "preview": shown,
        "preview_lines": _preview_lines(shown),
        "conflicts": list(shown.conflicts) if shown else [],
        "errors": errors or [],
        "back": _query(request.POST.get("back", "") if request.method == "POST" else request.GET.urlencode()),
    }


def _preview_lines(shown: Any) -> list[dict[str, str]]:
    if shown is None:
        return []
    lines = []
    if shown.bid is not None and shown.ask is not None:
        lines.append({"label": "Sells at / buys at", "value": f"{cents(shown.bid)} / {cents(shown.ask)}"})
    if shown.worst_price is not None:
        lines.append({"label": "Depth at 1,000, worst price", "value": cents(shown.worst_price)})
    return lines


def _legs(draft: Draft) -> list[LegDraft]:
    return [LegDraft(market_id=line.market_id, side=line.side, weight=line.share) for line in draft.lines]


def _only_known(draft: Draft) -> Draft:
    """Take out what is no market of ours; a hand-made form may name anything."""
    known = set(Market.objects.filter(pk__in=draft.market_ids).values_list("pk", flat=True))
    for market_id in draft.market_ids:
        if market_id not in known:
            draft = apply_step(draft, f"remove:{market_id}")
    return draft


def _query(text: str) -> str:
    """Keep of a query string what the search reads; the rest could be anybody's."""
    given = QueryDict(text[:500])
    kept = QueryDict(mutable=True)
    for name in ("q", "venue", "theme", "days", "volume"):
        if given.get(name):
            kept[name] = given[name]
    return kept.urlencode()
