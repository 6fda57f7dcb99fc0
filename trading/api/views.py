"""`/api/v1`: quote a basket, trade it, follow the trade, choose, and see what is held."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.people import person_of
from accounts.stepup import MONEY_SCOPES, needs_step_up
from baskets.models import Basket
from itomarkets.lib import clock
from itomarkets.lib.api_errors import BadRequest, Conflict, Refusal, Unavailable, Unprocessable
from itomarkets.lib.api_reading import read_choice, read_instant, read_text
from itomarkets.lib.api_views import ApiView
from itomarkets.lib.pagination import (
    PAGE_PARAMETERS,
    KeysetPage,
    instant_of,
    link,
    read_cursor,
    read_limit,
    uuid_of,
    write_cursor,
)
from itomarkets.lib.scopes import Scope
from itomarkets.lib.venues import Side, VenueError
from markets.api.ids import ids_of
from trading.api import serializers, shapes
from trading.api.exposure import show_exposure
from trading.api.inputs import ChoiceInput, ExternalCashInput, QuoteInput, TradeInput
from trading.api.once import once, read_key
from trading.api.reach import accounts_of, baskets_of, modes_of, quotes_of, trades_of
from trading.attempts import offered
from trading.breakdown import exposure_in
from trading.deciding import ANSWERS, ChoiceRefused, choose
from trading.models import Trade, TradeAction, VenueAccount
from trading.placing import TradeRefused, confirm_trade
from trading.portfolio import portfolio_of
from trading.quoting import QuoteRefused, quote_basket
from trading.ticket_views import SENDING_CHOICES
from trading.unexplained import BookingRefused, book_external

RETRY_SECONDS = 5
LONGEST_ID = 40
# What a refused confirmation is for a program; every other reason is a limit that the request breaks.
REFUSALS: dict[str, type[Refusal]] = {
    "key": BadRequest,
    "policy": Unprocessable,
    "key_reused": Unprocessable,
    "quote_expired": Conflict,
    "conflict": Conflict,
    "contracts": Conflict,
    "switch": Conflict,
}


class StepUpNeeded(PermissionDenied):
    default_code = "step_up_needed"
    default_detail = (
        "A trade with real money needs a fresh sign-in: confirm it is you at /account/reauthenticate, then ask again."
    )


class TradingView(ApiView):
    """What they share: the mode that is asked for is one within reach."""

    def mode(self, request: Request, mode: str) -> str:
        if mode not in modes_of(request):
            raise PermissionDenied(
                f"This key is a test key: it reaches {' and '.join(modes_of(request))}, not {mode}. Use a live key."
            )
        return mode

    def check_person(self, request: Request, mode: str) -> None:
        """Ask a session that moves real money who is there; a live key was asked when it was made."""
        is_live = mode == VenueAccount.Mode.LIVE
        if is_live and request.auth is None and needs_step_up(request._request, scopes=MONEY_SCOPES):
            raise StepUpNeeded()


class QuoteList(TradingView):
    """POST: what a basket costs, or brings, now. The quote lives for seconds and is confirmed by its id."""

    required_scopes = {"POST": Scope.TRADES_WRITE}
    moves_money = ("POST",)
    answers = {"POST": shapes.QuoteShape}
    accepts = {"POST": QuoteInput}

    def post(self, request: Request, basket_id: str) -> Response:
        key = read_key(request, is_needed=False)
        wanted = QuoteInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        self.mode(request, values["mode"])
        basket = get_object_or_404(baskets_of(request, action=values["action"]), public_id=basket_id)

        def work() -> dict[str, Any]:
            try:
                quote = quote_basket(
                    user=person_of(request),
                    basket=basket,
                    side=values["direction"],
                    amount=values["amount"],
                    mode=values["mode"],
                    allocation=values["allocation"],
                    action=values["action"],
                    now=clock.now(),
                    request_id=getattr(request, "request_id", ""),
                )
            except QuoteRefused as error:
                raise Unprocessable(str(error), "quote_refused") from error
            except VenueError as error:
                raise Unavailable(f"{error} Try again.", "venue_unavailable", wait=RETRY_SECONDS) from error
            return serializers.show_quote(quote)

        return once(request, key=key, body=request.data, work=work)


class BasketTrades(TradingView):
    """POST: confirm a quote of this basket, once. Needs an `Idempotency-Key`."""

    required_scopes = {"POST": Scope.TRADES_WRITE}
    moves_money = ("POST",)
    answers = {"POST": shapes.TradeDetailShape}
    accepts = {"POST": TradeInput}

    def post(self, request: Request, basket_id: str) -> Response:
        key = read_key(request, is_needed=True)
        wanted = TradeInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        quote = quotes_of(request).filter(pk=values["quote_id"], basket__public_id=basket_id).first()
        if quote is None:
            raise NotFound("There is no such quote of this basket. Quote it, and confirm that quote.", "quote_unknown")
        self.check_person(request, quote.mode)

        def work() -> dict[str, Any]:
            try:
                trade = confirm_trade(
                    user=person_of(request),
                    quote_id=quote.pk,
                    idempotency_key=key,
                    policy=values["policy"],
                    now=clock.now(),
                    request_id=getattr(request, "request_id", ""),
                )
            except TradeRefused as error:
                raise REFUSALS.get(error.code, Unprocessable)(str(error), error.code) from error
            return show(trade)

        def where(made: Any) -> str:
            return request.build_absolute_uri(reverse("api-trade-detail", args=[made["id"]]))

        return once(request, key=key, body=request.data, work=work, where=where)


class TradeList(TradingView):
    """GET: the caller's trades, newest first."""

    is_list = True
    required_scopes = {"GET": Scope.TRADES_READ}
    parameters = {
        "GET": (
            "basket", "action", "direction", "status", "mode", "created_after", "created_before", "sort",
            *PAGE_PARAMETERS,
        )
    }  # fmt: skip
    answers = {"GET": shapes.TradeShape}

    def get(self, request: Request) -> Response:
        query, found = request.query_params, trades_of(request)
        if basket := read_text(query, "basket", longest=LONGEST_ID):
            found = found.filter(basket__public_id=basket)
        for name, column, choices in (
            ("action", "action", TradeAction.values),
            ("direction", "side", Side.values),
            ("status", "status", Trade.Status.values),
            ("mode", "mode", modes_of(request)),
        ):
            if choice := read_choice(query, name, choices):
                found = found.filter(**{column: choice})
        if after := read_instant(query, "created_after"):
            found = found.filter(created_at__gte=after)
        if before := read_instant(query, "created_before"):
            found = found.filter(created_at__lt=before)
        page = KeysetPage(
            request,
            sorts={"created_at": ("created_at", instant_of)},
            default="-created_at",
            unique=("id", uuid_of),
        )
        rows = page.rows(found, serializers.FIELDS)
        return Response(page.body(rows, [serializers.show_trade_row(row) for row in rows]))


class TradeDetail(TradingView):
    """GET: one trade: its legs, their orders and fills, how it stands, and what may be chosen."""

    required_scopes = {"GET": Scope.TRADES_READ}
    answers = {"GET": shapes.TradeDetailShape}

    def get(self, request: Request, trade_id: UUID) -> Response:
        return Response(show(get_object_or_404(trades_of(request).select_related("basket"), pk=trade_id)))


class TradeChoices(TradingView):
    """POST: choose what becomes of a trade that waits for its owner. Each choice is taken once."""

    required_scopes = {"POST": Scope.TRADES_WRITE}
    moves_money = ("POST",)
    answers = {"POST": shapes.ChoiceShape}
    accepts = {"POST": ChoiceInput}

    def post(self, request: Request, trade_id: UUID) -> Response:
        trades = trades_of(request).select_related("basket")
        trade = get_object_or_404(trades, pk=trade_id)
        wanted = ChoiceInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        if wanted.validated_data["choice"] in SENDING_CHOICES:
            self.check_person(request, trade.mode)
        try:
            said = choose(
                user=person_of(request),
                trade_id=trade.pk,
                choice=wanted.validated_data["choice"],
                now=clock.now(),
                request_id=getattr(request, "request_id", ""),
            )
        except ChoiceRefused as error:
            raise Conflict(str(error), "choice_refused") from error
        return Response({"says": said, "trade": show(trades.get(pk=trade_id))})


class PositionList(TradingView):
    """GET: what the caller holds in one mode, valued at what the bids pay now."""

    is_list = True
    required_scopes = {"GET": Scope.TRADES_READ}
    parameters = {"GET": ("mode", "basket", *PAGE_PARAMETERS)}
    answers = {"GET": shapes.PositionShape}

    def get(self, request: Request) -> Response:
        query = request.query_params
        mode = read_choice(query, "mode", modes_of(request), default=VenueAccount.Mode.PAPER.value)
        wanted = read_text(query, "basket", longest=LONGEST_ID)
        limit = read_limit(query.get("limit", ""))
        cursor = query.get("cursor", "")
        after = read_cursor(cursor, 3) if cursor else None
        held = portfolio_of(person_of(request), mode=mode, now=clock.now())
        baskets = dict(
            Basket.objects.filter(pk__in=[group.basket_id for group in held.baskets]).values_list("pk", "public_id")
        )
        markets = ids_of({line.market_id for group in held.baskets for line in group.lines})
        keyed = sorted(
            (
                ([baskets[group.basket_id], markets[line.market_id], line.side], group, line)
                for group in held.baskets
                for line in group.lines
                if not wanted or baskets[group.basket_id] == wanted
            ),
            key=lambda row: row[0],
        )
        # What was sold since is simply not there: the next page begins behind where it stood.
        left = [row for row in keyed if after is None or row[0] > after]
        shown = [serializers.show_position(line, group, key[0], key[1]) for key, group, line in left[:limit]]
        following = link(request, write_cursor(left[limit - 1][0])) if len(left) > limit else None
        return Response({"results": shown, "next": following, "previous": None})


class AccountCash(TradingView):
    """POST: book a difference in an account's cash, as `exposure` shows it, as moved outside. Each is booked once."""

    required_scopes = {"POST": Scope.TRADES_WRITE}
    moves_money = ("POST",)
    answers = {"POST": shapes.BookedCashShape}
    accepts = {"POST": ExternalCashInput}

    def post(self, request: Request, kind: str, mode: str) -> Response:
        account = get_object_or_404(accounts_of(request), kind=kind, mode=mode)
        wanted = ExternalCashInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        self.check_person(request, account.mode)
        number = wanted.validated_data["number"]
        try:
            entry = book_external(
                account=account,
                amount=wanted.validated_data["amount"],
                number=number,
                now=clock.now(),
                request_id=getattr(request, "request_id", ""),
            )
        except BookingRefused as error:
            raise Conflict(str(error), "booking_refused") from error
        return Response({"kind": kind, "mode": mode, "amount": entry.amount, "number": number, "at": entry.at})


class ExposureView(TradingView):
    """GET: what the caller's portfolio in one mode is exposed to, and the cash of its accounts."""

    required_scopes = {"GET": Scope.TRADES_READ}
    parameters = {"GET": ("mode",)}
    answers = {"GET": shapes.ExposureShape}

    def get(self, request: Request) -> Response:
        mode = read_choice(request.query_params, "mode", modes_of(request), default=VenueAccount.Mode.PAPER.value)
        portfolio = portfolio_of(person_of(request), mode=mode, now=clock.now())
        return Response(show_exposure(portfolio, exposure_in(portfolio)))


def show(trade: Trade) -> dict[str, Any]:
    return serializers.show_trade(trade, choices_of(trade))


def choices_of(trade: Trade) -> list[str]:
    """Return what the owner of a trade may choose now."""
    asked = [choice for choice, hold in ANSWERS.items() if trade.is_held and hold == trade.hold]
    return [*asked, "resend"] if offered(trade, now=clock.now()) else asked
