"""`/api/v1/baskets`: read them, make, change and delete one's own. Another person's private basket is not found."""

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from kombu.exceptions import OperationalError
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.people import person_of
from baskets.api import serializers, shapes
from baskets.api.inputs import ChangedBasketInput, NewBasketInput, drafts_of
from baskets.backfill import LONGEST_DAYS
from baskets.backfill_runs import BackfillRefused, abandon, ask_for_backfill
from baskets.editing import EditRefused, change_custom_basket, create_custom_basket, delete_custom_basket
from baskets.models import BackfillRun, Basket, PriceHistory
from baskets.reading import NO_FACTS, basket_detail, composition_at, facts_of, filter_baskets, reachable_by, visible_to
from baskets.series import basket_series, series_point, shift_of
from baskets.tasks import run_backfill
from baskets.valuation import value_basket
from itomarkets.lib import clock
from itomarkets.lib.api_errors import Conflict, Unavailable, Unprocessable
from itomarkets.lib.api_reading import read_choice, read_count, read_instant, read_slug, read_text
from itomarkets.lib.api_series import PARAMETERS as SERIES_PARAMETERS
from itomarkets.lib.api_series import read_series_request
from itomarkets.lib.api_views import ApiView
from itomarkets.lib.pagination import PAGE_PARAMETERS, KeysetPage, instant_of
from itomarkets.lib.scopes import Scope

MOST_SEARCH = 120
BACKFILL_DAYS = 365
RETRY_SECONDS = 5


class BasketView(ApiView):
    """What they share: the scope, and the one way to a basket."""

    required_scopes = {"GET": Scope.BASKETS_READ}

    def visible(self, request: Request) -> QuerySet[Basket]:
        return reachable_by(request.user).select_related("theme", "owner")

    def basket(self, request: Request, basket_id: str) -> Basket:
        return get_object_or_404(self.visible(request), public_id=basket_id)

    def own_basket(self, request: Request, basket_id: str) -> Basket:
        """Return a basket to change; one that everybody sees is forbidden, not hidden, to who does not own it."""
        basket = self.basket(request, basket_id)
        if basket.owner_id is None or basket.owner_id != request.user.pk:
            raise PermissionDenied("Only its owner may change a basket.")
        return basket


class BasketList(BasketView):
    """GET: baskets that the caller may see. POST: make an own one; only its owner sees it."""

    is_list = True
    required_scopes = {"GET": Scope.BASKETS_READ, "POST": Scope.BASKETS_WRITE}
    parameters = {"GET": ("search", "kind", "theme", "owner", "slug", "sort", *PAGE_PARAMETERS)}
    answers = {"GET": shapes.BasketShape, "POST": shapes.BasketDetailShape}
    accepts = {"POST": NewBasketInput}

    def get(self, request: Request) -> Response:
        query = request.query_params
        found = filter_baskets(
            visible_to(request.user),
            kind=read_choice(query, "kind", Basket.Kind.values),
            search=read_text(query, "search", longest=MOST_SEARCH),
        )
        if theme := read_slug(query, "theme"):
            found = found.filter(theme__slug=theme)
        if slug := read_slug(query, "slug"):
            found = found.filter(slug=slug)
        if read_choice(query, "owner", ("me",)):
            found = found.filter(owner=person_of(request))
        page = KeysetPage(
            request,
            sorts={"created_at": ("created_at", instant_of), "name": ("name", str)},
            default="created_at",
            unique=("public_id", str),
        )
        rows = page.rows(found, serializers.FIELDS)
        facts = facts_of([row["pk"] for row in rows], now=clock.now())
        shown = [serializers.show_row(row, facts.get(row["pk"], NO_FACTS), request.user.pk) for row in rows]
        return Response(page.body(rows, shown))

    def post(self, request: Request) -> Response:
        wanted = NewBasketInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        values, now = wanted.validated_data, clock.now()
        try:
            basket = create_custom_basket(
                user=person_of(request),
                name=values["name"],
                description=values["description"],
                legs=drafts_of(values["legs"]),
                now=now,
            )
        except EditRefused as error:
            raise Unprocessable(str(error), "basket_refused") from error
        body = serializers.show_detail(basket_detail(self.basket(request, basket.public_id), now=now), request.user.pk)
        where = request.build_absolute_uri(reverse("api-basket-detail", args=[basket.public_id]))
        return Response(body, status=201, headers={"Location": where})


class BasketDetail(BasketView):
    """GET: one basket with its legs and price. PATCH: change an own one. DELETE: delete an own one."""

    required_scopes = {"GET": Scope.BASKETS_READ, "PATCH": Scope.BASKETS_WRITE, "DELETE": Scope.BASKETS_WRITE}
    answers = {"GET": shapes.BasketDetailShape, "PATCH": shapes.BasketDetailShape}
    accepts = {"PATCH": ChangedBasketInput}

    def get(self, request: Request, basket_id: str) -> Response:
        return self._shown(request, basket_id)

    def patch(self, request: Request, basket_id: str) -> Response:
        basket = self.own_basket(request, basket_id)
        wanted = ChangedBasketInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        if "legs" in values:
            values["legs"] = drafts_of(values["legs"])
        try:
            change_custom_basket(user=person_of(request), basket=basket, now=clock.now(), **values)
        except EditRefused as error:
            raise Unprocessable(str(error), "basket_refused") from error
        return self._shown(request, basket_id)

    def delete(self, request: Request, basket_id: str) -> Response:
        basket = self.own_basket(request, basket_id)
        delete_custom_basket(user=person_of(request), basket=basket, now=clock.now())
        return Response(status=204)

    def _shown(self, request: Request, basket_id: str) -> Response:
        detail = basket_detail(self.basket(request, basket_id), now=clock.now())
        return Response(serializers.show_detail(detail, request.user.pk))


class BasketPrice(BasketView):
    """GET: the indicative price of now, and the latest recorded fixing."""

    answers = {"GET": shapes.BasketPriceShape}

    def get(self, request: Request, basket_id: str) -> Response:
        basket = self.basket(request, basket_id)
        newest = (
            PriceHistory.objects.filter(basket=basket, interval=PriceHistory.Interval.MINUTE).order_by("-at").first()
        )
        return Response(serializers.show_price_page(basket, value_basket(basket, now=clock.now()), newest))


class BasketHistory(BasketView):
    """GET: recorded fixings by the minute, the hour or the day, oldest first, with the missing ones named."""

    parameters = {"GET": SERIES_PARAMETERS}
    answers = {"GET": shapes.HistoryShape}

    def get(self, request: Request, basket_id: str) -> Response:
        basket, now = self.basket(request, basket_id), clock.now()
        asked = read_series_request(request, now=now)
        page = basket_series(basket, step=asked.step, window=asked.window, now=now)
        shift = shift_of(asked.step)
        return Response(asked.body(page, shift, lambda row: serializers.show_point(series_point(row, shift))))


class BasketComposition(BasketView):
    """GET: what the basket held at an instant; without one, what it holds now."""

    parameters = {"GET": ("at",)}
    answers = {"GET": shapes.CompositionShape}

    def get(self, request: Request, basket_id: str) -> Response:
        basket, now = self.basket(request, basket_id), clock.now()
        at = read_instant(request.query_params, "at") or now
        if at > now:
            raise ValidationError({"at": ["Expected an instant that has been; what will be held is not known."]})
        held = composition_at(basket, at=at)
        if held is None:
            raise NotFound("The basket held nothing at that instant.")
        return Response(serializers.show_composition(basket, held))


class BasketBackfill(BasketView):
    """POST: have the basket's past days filled in; answers with the run, which can be polled."""

    # Filling in what everybody may read is no change of a basket.
    required_scopes = {"POST": Scope.BASKETS_READ}
    parameters = {"POST": ("days",)}
    answers = {"POST": shapes.BackfillShape}

    def post(self, request: Request, basket_id: str) -> Response:
        basket, now = self.basket(request, basket_id), clock.now()
        days = read_count(request.query_params, "days", default=BACKFILL_DAYS, largest=LONGEST_DAYS)
        if request.data:
            raise ValidationError({"non_field_errors": ["Expected no body; say how many `days` in the address."]})
        try:
            run, is_new = ask_for_backfill(user=person_of(request), basket=basket, days=days, now=now)
        except BackfillRefused as error:
            raise Conflict(str(error), wait=RETRY_SECONDS) from error
        if is_new:
            try:
                run_backfill.delay(str(run.pk))
            except (OperationalError, OSError) as error:
                abandon(run=run, now=now)
                raise Unavailable("No worker can be told now; ask again.", wait=RETRY_SECONDS) from error
        where = request.build_absolute_uri(reverse("api-backfill", args=[run.pk]))
        run = BackfillRun.objects.select_related("basket").get(pk=run.pk)
        return Response(serializers.show_run(run), status=202, headers={"Location": where})


class BackfillDetail(BasketView):
    """GET: a backfill of a basket that the caller may see: its progress and the snapshots that it created."""

    answers = {"GET": shapes.BackfillShape}

    def get(self, request: Request, run_id: UUID) -> Response:
        runs = BackfillRun.objects.select_related("basket").filter(basket__in=reachable_by(request.user))
        return Response(serializers.show_run(get_object_or_404(runs, pk=run_id)))
