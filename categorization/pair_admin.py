"""The desk for pairs: the same question on both venues, side by side, to approve or reject key by key."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from categorization.models import MarketPair
from categorization.pairs.deciding import (
    PairError,
    PairStroke,
    approve,
    decide_each,
    pair_queue,
    reject,
    take_back,
    texts_digest,
    texts_of,
    undo_last,
)
from categorization.pairs.wording import Run, side_by_side
from itomarkets.lib import clock
from itomarkets.lib.templatetags.figures import clean
from markets.models import Market

DESK = "admin:categorization_marketpair_desk"
BATCH = 20
MOST_SHOWN = 200
SHOWN = (
    "side_by_side", "relation", "narrower", "confidence", "status", "reviewer", "reviewed_at", "notes", "reopened",
    "found_at", "changed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PairCase:
    """One pair on the desk: the words of both rules that differ are marked; so are those changed since approval."""

    pair: MarketPair
    seen: str
    kalshi: list[Run]
    polymarket: list[Run]
    changes: list[tuple[str, list[Run], list[Run]]]

    @property
    def columns(self) -> list[tuple[Market, list[Run]]]:
        return [(self.pair.kalshi, self.kalshi), (self.pair.polymarket, self.polymarket)]


def pair_case(pair: MarketPair) -> PairCase:
    """Lay out one pair."""
    texts = {market.venue: texts_of(market) for market in (pair.kalshi, pair.polymarket)}
    ours, theirs = side_by_side(clean(pair.kalshi.rules), clean(pair.polymarket.rules))
    changes = [
        (venue, *side_by_side(clean(approved.get("rules", "")), clean(texts[venue]["rules"])))
        for venue, approved in sorted(pair.approved_texts.items())
        if pair.status == MarketPair.Status.PENDING and venue in texts and approved != texts[venue]
    ]
    seen = texts_digest(texts[pair.kalshi.venue], texts[pair.polymarket.venue])
    return PairCase(pair, seen, ours, theirs, changes)


@admin.register(MarketPair)
class MarketPairAdmin(admin.ModelAdmin):
    """All pairs as a list, and the desk: the surest and most liquid first. Only approved pairs are used."""

    change_list_template = "admin/categorization/pair_list.html"
    list_display = [
        "kalshi_question",
        "polymarket_question",
        "relation",
        "confidence",
        "importance",
        "status",
        "reviewer",
    ]
    list_filter = ["status", "relation"]
    list_select_related = ["kalshi__event", "polymarket__event", "reviewer"]
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["kalshi__title", "polymarket__title", "kalshi__native_id", "polymarket__native_id"]
    ordering = ["-importance", "id"]
    fields = SHOWN
    readonly_fields = SHOWN
    actions = ["approve_pairs", "reject_pairs", "take_pairs_back"]

    class Media:
        css = {"all": ["css/desk.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[MarketPair]:
        rows = super().get_queryset(request)
        match = request.resolver_match
        if match and match.url_name and match.url_name.endswith("_changelist"):
            return rows.defer("evidence", "approved_texts")
        return rows

    def get_urls(self) -> list[URLPattern]:
        own: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("desk/", require_safe(self.desk_page), "desk"),
            ("desk/cases/", require_safe(self.desk_cases), "cases"),
            ("desk/undo/", require_POST(self.desk_undo), "undo"),
            ("<int:pk>/decide/", require_POST(self.desk_decide), "decide"),
        ]
        named = [
            path(route, self.admin_site.admin_view(view), name=f"categorization_marketpair_{name}")
            for route, view, name in own
        ]
        return [*named, *super().get_urls()]

    @admin.display(description="At Kalshi", ordering="kalshi__title")
    def kalshi_question(self, row: MarketPair) -> str:
        return clean(row.kalshi.question)[:140]

    @admin.display(description="At Polymarket", ordering="polymarket__title")
    def polymarket_question(self, row: MarketPair) -> str:
        return clean(row.polymarket.question)[:140]

    @admin.display(description="Side by side")
    def side_by_side(self, row: MarketPair) -> SafeString:
        return render_to_string("admin/categorization/pair_sides.html", {"case": pair_case(row)})

    @admin.action(description="Approve the selected pairs as what they were found to be", permissions=["change"])
    def approve_pairs(self, request: HttpRequest, queryset: QuerySet[MarketPair]) -> None:
        now = clock.now()
        # The texts of the list's moment: what changed since the matching read it is refused.
        self._decide_each(
            request,
            queryset,
            lambda row: approve(pair=row, reviewer=request.user, now=now, seen=row.texts_digest),
            "Approved {} pairs.",
        )

    @admin.action(description="Reject the selected pairs", permissions=["change"])
    def reject_pairs(self, request: HttpRequest, queryset: QuerySet[MarketPair]) -> None:
        now = clock.now()
        self._decide_each(
            request, queryset, lambda row: reject(pair=row, reviewer=request.user, now=now), "Rejected {} pairs."
        )

    @admin.action(description="Let the selected pairs wait for review again", permissions=["change"])
    def take_pairs_back(self, request: HttpRequest, queryset: QuerySet[MarketPair]) -> None:
        now = clock.now()
        self._decide_each(
            request, queryset, lambda row: take_back(pair=row, reviewer=request.user, now=now), "{} pairs wait again."
        )

    def _decide_each(
        self, request: HttpRequest, rows: QuerySet[MarketPair], decide: Callable[[MarketPair], None], said: str
    ) -> None:
        stroke = decide_each(pairs=rows, decide=decide)
        self.message_user(request, said.format(len(stroke.decided)), messages.SUCCESS)
        for reason in sorted(set(stroke.refused)):
            self.message_user(request, f"{stroke.refused.count(reason)} left alone: {reason}", messages.WARNING)

    def desk_page(self, request: HttpRequest) -> HttpResponse:
        """Show the queue's first pairs; the script shows one at a time, without it they stand below each other."""
        context = self._queue(request)
        context |= {
            **self.admin_site.each_context(request),
            "title": "Pairs of markets",
            "waiting": pair_queue(status=context["status"]).count(),
            "status_says": MarketPair.Status(context["status"]).label.lower(),
            "statuses": MarketPair.Status.choices,
        }
        return TemplateResponse(request, "admin/categorization/pair_desk.html", context)

    def desk_cases(self, request: HttpRequest) -> HttpResponse:
        """Give the next pairs, those that the page shows already left out."""
        return TemplateResponse(request, "admin/categorization/pair_cases.html", self._queue(request))

    def _queue(self, request: HttpRequest) -> dict[str, Any]:
        if not self.has_change_permission(request):
            raise PermissionDenied
        status = request.GET.get("of", "")
        status = status if status in MarketPair.Status.values else MarketPair.Status.PENDING.value
        without = [int(pk) for pk in request.GET.get("without", "").split(",") if pk.isdecimal() and len(pk) < 19]
        rows = pair_queue(status=status).exclude(pk__in=without[:MOST_SHOWN])
        rows = rows.select_related("kalshi__event", "polymarket__event", "reviewer")[:BATCH]
        return {
            "status": status,
            "cases": [pair_case(row) for row in rows],
            "relations": MarketPair.Relation.choices,
        }

    def desk_decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Carry out one keystroke."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        pair = get_object_or_404(MarketPair.objects.select_related("kalshi__event", "polymarket__event"), pk=pk)
        given = request.POST
        # "subset:kalshi" says which venue's YES is the narrower.
        relation, _, narrower = given.get("relation", "")[:30].partition(":")
        notes, seen, choice, now = (
            given.get("notes", "")[:2000],
            given.get("seen", ""),
            given.get("choice"),
            clock.now(),
        )

        def decide() -> PairStroke:
            if choice == "approve":
                approve(
                    pair=pair,
                    reviewer=request.user,
                    now=now,
                    seen=seen,
                    relation=relation,
                    narrower=narrower,
                    notes=notes,
                )
            elif choice == "reject":
                reject(pair=pair, reviewer=request.user, now=now, seen=seen, notes=notes)
            elif choice == "back":
                take_back(pair=pair, reviewer=request.user, now=now)
            else:
                raise PairError(f"The choice is {str(choice)[:20]!r}; expected approve, reject or back.")
            return PairStroke((pair.pk,))

        said = {"approve": "Approved.", "reject": "Rejected.", "back": "It waits again."}.get(str(choice), "")
        return self._answer(request, decide, said)

    def desk_undo(self, request: HttpRequest) -> HttpResponse:
        """Take back the reviewer's last decision."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        return self._answer(
            request, lambda: undo_last(reviewer=request.user, now=clock.now()), "Undone; it waits again."
        )

    def _answer(self, request: HttpRequest, decide: Callable[[], PairStroke], said: str) -> HttpResponse:
        """Answer the script in JSON, a form without script by going back to the desk."""
        wants_json = "application/json" in request.headers.get("Accept", "")
        try:
            stroke = decide()
        except PairError as error:
            if wants_json:
                return JsonResponse({"code": "refused", "detail": str(error)}, status=409)
            self.message_user(request, str(error), messages.ERROR)
        else:
            if wants_json:
                return JsonResponse({"said": said, "decided": list(stroke.decided)})
            self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(f"{reverse(DESK)}?{urlencode({'of': request.POST.get('of', '')[:12]})}")
