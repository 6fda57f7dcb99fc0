"""`/api/v1/markets`, `/themes`, `/factors`: the mirror of both venues with what each market bears on."""

from django.db.models import Count
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from categorization.api import serializers
from categorization.filters import ClassifiedMarketFilter
from categorization.models import Classification, RiskFactor, Theme
from itomarkets.lib.api_reading import read_slug
from itomarkets.lib.api_views import ApiView
from itomarkets.lib.pagination import PAGE_PARAMETERS, whole_list
from itomarkets.lib.scopes import Scope
from markets.api.pages import RankedPage
from markets.api.views import MarketView
from markets.filters import first_errors
from markets.models import Market


class MarketSearch(ApiView):
    """GET: search both venues' markets, busiest first; the filters are those of the pages."""

    is_list = True
    required_scopes = {"GET": Scope.MARKETS_READ}
    parameters = {"GET": (*ClassifiedMarketFilter.base_filters, *PAGE_PARAMETERS)}
    answers = {"GET": serializers.LabelledMarketShape}

    def get(self, request: Request) -> Response:
        filters = ClassifiedMarketFilter(request.query_params, queryset=Market.objects.none())
        if not filters.is_valid():
            raise ValidationError(first_errors(filters.form))
        page = RankedPage(request)
        rows = page.rows(filters.qs, serializers.LABELLED_FIELDS)
        return Response(page.body(rows, [serializers.show_labelled(row) for row in rows]))


class MarketFacets(ApiView):
    """GET: how many markets each venue, category, status and theme would leave of the same search."""

    required_scopes = {"GET": Scope.MARKETS_READ}
    parameters = {"GET": tuple(ClassifiedMarketFilter.base_filters)}
    answers = {"GET": serializers.FacetsShape}

    def get(self, request: Request) -> Response:
        filters = ClassifiedMarketFilter(request.query_params, queryset=Market.objects.none())
        if not filters.is_valid():
            raise ValidationError(first_errors(filters.form))
        return Response(serializers.show_facets(filters.facets(), filters.reading))


class MarketDetail(MarketView):
    """GET: one market with its rules, its label, its order book's best prices, and its approved pairs."""

    answers = {"GET": serializers.MarketDetailShape}

    def get(self, request: Request, market_id: str) -> Response:
        market = self.market(market_id)
        row = Market.objects.filter(pk=market.pk).values(*serializers.LABELLED_FIELDS).get()
        return Response(serializers.show_detail(market, row))


class MarketClassification(MarketView):
    """GET: how a market was read, stage by stage."""

    answers = {"GET": serializers.ClassificationShape}

    def get(self, request: Request, market_id: str) -> Response:
        row = (
            Classification.objects.filter(market=self.market(market_id))
            .select_related("factor__theme", "runner_up", "model_version")
            .first()
        )
        if row is None:
            raise NotFound("This market was not read yet; it will be after the next sync.")
        return Response(serializers.show_classification(market_id, row))


class ThemeList(ApiView):
    """GET: the themes, in the taxonomy's order."""

    is_list = True
    required_scopes = {"GET": Scope.MARKETS_READ}
    answers = {"GET": serializers.ThemeShape}

    def get(self, request: Request) -> Response:
        rows = Theme.objects.annotate(factor_count=Count("factors")).order_by("position")
        return Response(whole_list(list(rows.values("slug", "name", "about", "up", "factor_count"))))


class FactorList(ApiView):
    """GET: the risk factors, in the taxonomy's order; `theme` narrows them."""

    is_list = True
    required_scopes = {"GET": Scope.MARKETS_READ}
    parameters = {"GET": ("theme",)}
    answers = {"GET": serializers.FactorShape}

    def get(self, request: Request) -> Response:
        rows = RiskFactor.objects.order_by("position", "id")
        if theme := read_slug(request.query_params, "theme"):
            rows = rows.filter(theme__slug=theme)
        shown = [
            {"slug": slug, "name": name, "theme": theme, "up": up, "sign": sign}
            for slug, name, theme, up, sign in rows.values_list("slug", "name", "theme__slug", "up", "sign")
        ]
        return Response(whole_list(shown))
