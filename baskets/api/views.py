"""`/api/v1/baskets`: the list, one basket, its price. Another person's private basket is not found."""

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from baskets.api import serializers
from baskets.models import Basket, PriceHistory
from baskets.reading import basket_detail, filter_baskets, rows_of, visible_to
from baskets.valuation import value_basket
from itomarkets.lib import clock
from itomarkets.lib.pagination import CursorPages, read_limit
from itomarkets.lib.scopes import Scope

MOST_SEARCH = 120


class BasketPages(CursorPages):
    ordering = "id"


class BasketView(APIView):
    """What the three share: the scope, and a refusal of parameters that nothing would read."""

    required_scopes = {"GET": Scope.BASKETS_READ}
    parameters: frozenset[str] = frozenset()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        unknown = sorted(set(request.query_params) - self.parameters)
        if unknown:
            known = ", ".join(sorted(self.parameters)) or "none"
            raise ValidationError({name: [f"Unknown parameter; expected {known}."] for name in unknown})

    def basket(self, request: Request, pk: int) -> Basket:
        return get_object_or_404(visible_to(request.user).select_related("theme"), pk=pk)


class BasketList(BasketView):
    """GET: baskets that the caller may see. Parameters: search, kind (system or custom), limit, cursor."""

    parameters = frozenset({"search", "kind", "limit", "cursor"})

    def get(self, request: Request) -> Response:
        kind = request.query_params.get("kind", "")
        if kind and kind not in Basket.Kind.values:
            raise ValidationError({"kind": [f"Expected {' or '.join(Basket.Kind.values)}, found {kind[:40]!r}."]})
        read_limit(request.query_params.get("limit", ""))
        search = request.query_params.get("search", "")
        if len(search) > MOST_SEARCH:
            raise ValidationError({"search": [f"Expected at most {MOST_SEARCH} characters, found {len(search)}."]})
        if "\0" in search:
            raise ValidationError({"search": ["Expected a text, found a zero byte in it."]})
        found = filter_baskets(visible_to(request.user), kind=kind, search=search).select_related("theme")
        pages = BasketPages()
        page = pages.paginate_queryset(found, request, view=self) or []
        rows = rows_of(page, user=request.user, now=clock.now())
        return pages.get_paginated_response([serializers.basket_row(row) for row in rows])


class BasketDetail(BasketView):
    """GET: one basket with its legs and price."""

    def get(self, request: Request, pk: int) -> Response:
        detail = basket_detail(self.basket(request, pk), now=clock.now())
        return Response(serializers.basket_detail(detail))


class BasketPrice(BasketView):
    """GET: the indicative price of now, and the latest recorded fixing."""

    def get(self, request: Request, pk: int) -> Response:
        basket = self.basket(request, pk)
        newest = (
            PriceHistory.objects.filter(basket=basket, interval=PriceHistory.Interval.MINUTE).order_by("-at").first()
        )
        now = clock.now()
        price = serializers.price_of(value_basket(basket, now=now))
        return Response(
            {"id": basket.pk, "slug": basket.slug, "price": price, "latest": serializers.snapshot_of(newest)}
        )
