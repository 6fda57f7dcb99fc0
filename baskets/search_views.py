"""The market search: one list over both venues, its filters in the address, its choices with how many they hold."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from categorization.filters import ClassifiedMarketFilter
from categorization.models import Theme
from itomarkets.lib import clock
from itomarkets.lib.venues import Venue
from markets.api.pages import RankedPage
from markets.filters import first_errors
from markets.models import Market
from markets.search import MOST_COUNTED, STATUS_WORDS, fewer_words

MOST_CHOICES = 12
COLUMNS = (
    "id", "venue", "title", "subtitle", "event__title", "category", "status", "result", "close_at", "yes_bid",
    "yes_ask", "last_price", "volume", "classification__factor__theme__name",
)  # fmt: skip
PLAIN = tuple(ClassifiedMarketFilter.base_filters)


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of a facet: where it leads, how many it holds, and whether it is taken."""

    label: str
    count: int
    query: str
    is_on: bool


@require_safe
def market_list(request: HttpRequest) -> HttpResponse:
    """Search both venues' markets; what cannot be read of the address is named and nothing is guessed."""
    asked = _asked(request)
    filters = ClassifiedMarketFilter(asked, queryset=Market.objects.none(), now=clock.now())
    themes = dict(Theme.objects.values_list("slug", "name"))
    page: dict[str, Any] = {
        "filters": filters,
        "asked": asked,
        "narrowed": [name for name in asked if name not in ("q", "status")],
        "venues": Venue.choices,
        "themes": themes.items(),
        "statuses": STATUS_WORDS,
    }
    if not filters.is_valid():
        page["errors"] = [f"{name}: {texts[0]}" for name, texts in first_errors(filters.form).items()]
        return render(request, "baskets/markets.html", page, status=400)
    try:
        found = RankedPage(Request(request))
        rows = found.rows(filters.qs, COLUMNS)
    except ValidationError as error:
        details: Any = error.detail
        page["errors"] = [f"{name}: {texts[0]}" for name, texts in details.items()]
        return render(request, "baskets/markets.html", page, status=400)
    page |= {"rows": rows, "reading": filters.reading, **found.body(rows, rows)}
    if rows:
        facets = filters.facets()
        page["facets"] = [
            (name, [_choice(asked, name, value, count, themes) for value, count in choices[:MOST_CHOICES]])
            for name, choices in facets.counts.items()
            if choices
        ]
        page["most_counted"] = MOST_COUNTED if facets.is_cut else None
    else:
        page["is_empty"] = not Market.objects.exists()
        page["fewer"] = [(words, _query({**asked, "q": words})) for words in fewer_words(filters.reading)]
        page["wider"] = _query({"q": asked.get("q", ""), "status": "all"})
    return render(request, "baskets/markets.html", page)


def _asked(request: HttpRequest) -> dict[str, str]:
    """Return the filters that are set; a form sends the empty ones too."""
    return {name: request.GET[name] for name in PLAIN if request.GET.get(name)}


def _choice(asked: dict[str, str], name: str, value: str, count: int, themes: dict[str, str]) -> Choice:
    is_on = asked.get(name, "open" if name == "status" else "").casefold() == value.casefold()
    kept = {key: text for key, text in asked.items() if key != name}
    labels = {"venue": dict(Venue.choices), "theme": themes}.get(name, {})
    return Choice(
        label=str(labels.get(value, value)),
        count=count,
        # Taken once more, a choice is let go.
        query=_query(kept if is_on else {**kept, name: value}),
        is_on=is_on,
    )


def _query(asked: dict[str, str]) -> str:
    query = QueryDict(mutable=True)
    query.update({name: text for name, text in asked.items() if text})
    return query.urlencode()
