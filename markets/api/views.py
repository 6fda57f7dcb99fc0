"""GET /api/v1/markets/search."""

from typing import ClassVar

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from itomarkets.lib.scopes import Scope
from markets.api.pages import PARAMETERS, RankedPage
from markets.api.serializers import FIELDS, show_market
from markets.filters import MarketFilter, first_errors
from markets.models import Market


class MarketSearchView(APIView):
    """Search both venues' markets; the filters are those of MarketFilter, pages come by cursor."""

    required_scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.MARKETS_READ}
    filterset_class: type[MarketFilter] = MarketFilter

    def get(self, request: Request) -> Response:
        filters = self.filterset_class(request.query_params, queryset=Market.objects.none())
        unknown = filters.unknown_parameters(besides=PARAMETERS)
        if unknown:
            known = ", ".join([*filters.filters, *PARAMETERS])
            raise ValidationError({name[:80]: [f"Unknown parameter; expected some of: {known}."] for name in unknown})
        if not filters.is_valid():
            raise ValidationError(first_errors(filters.form))
        page = RankedPage(request)
        rows = page.rows(filters.qs, FIELDS)
        return Response(page.body(rows, [show_market(row) for row in rows]))
