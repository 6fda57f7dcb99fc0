"""What the frame of every page needs: the mode's band, the venues' ages, the cash, news, and who may review."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, QuerySet, Subquery, Sum
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from accounts.models import Notification, User
from baskets.models import Suggestion
from itomarkets.lib import clock
from itomarkets.lib.templatetags.figures import ago_words
from itomarkets.lib.venues import Venue
from markets.models import Quote
from trading.models import Trade, VenueAccount
from trading.modes import mode_of

LIVE_SECONDS = 90
STALE_SECONDS = 900
MODE_WORDS = {
    "paper": ("PAPER", "no money moves"),
    "sandbox": ("SANDBOX", "the stand-in exchanges, play money"),
    "demo": ("DEMO", "Kalshi's demo exchange, play money"),
    "live": ("LIVE", "real money"),
}


@dataclass(frozen=True)
class VenueHealth:
    """How old a venue's newest price is, in a word, a dot and a sentence."""

    name: str
    state: str
    age: str
    says: str


@dataclass(frozen=True)
class Frame:
    mode: str
    mode_name: str
    mode_says: str
    venues: list[VenueHealth]
    cash: Decimal | None
    open_trades: int
    review_url: str
    review_count: int
    unread: int


def frame(request: HttpRequest) -> dict[str, Any]:
    """Offer `frame` to templates; nothing is asked of the database until a template reads it."""
    return {
        "VENUES": settings.VENUES,
        "request_id": getattr(request, "request_id", ""),
        "frame": SimpleLazyObject(lambda: build_frame(request)),
    }


def build_frame(request: HttpRequest) -> Frame:
    mode = mode_of(request.session) if hasattr(request, "session") else "paper"
    name, says = MODE_WORDS[mode]
    cash, running, review_url, waiting, unread = None, 0, "", 0, 0
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        cash = VenueAccount.objects.filter(user=user, mode=mode, is_enabled=True).aggregate(sum=Sum("cash"))["sum"]
        if cash is None and mode == "paper":
            # The paper account is opened by the first quote; what it will hold is known before.
            cash = settings.PAPER_OPENING_CASH
        running, unread = _counts_of(user)
        if user.is_staff and user.is_reviewer:
            review_url = _review_url()
            waiting = Suggestion.objects.filter(status=Suggestion.Status.PENDING).count()
    return Frame(mode, name, says, venue_health(clock.now()), cash, running, review_url, waiting, unread)


def _counts_of(user: User) -> tuple[int, int]:
    """Count a person's unfinished trades and unread notices, in one statement: every page asks."""
    unfinished = (Trade.Status.CONFIRMED, Trade.Status.EXECUTING, Trade.Status.NEEDS_ATTENTION)
    trades = _number(Trade.objects.filter(user=user, status__in=unfinished))
    notices = _number(Notification.objects.filter(user=user, read_at=None))
    running, unread = User.objects.filter(pk=user.pk).values_list(trades, notices).get()
    return running or 0, unread or 0


def _number(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.order_by().values("user").annotate(number=Count("pk")).values("number"))


def venue_health(now: datetime) -> list[VenueHealth]:
    """Say for both venues how old their newest price is: live to 90 s, stale to 15 min, then dead."""
    newest = dict(
        Quote.objects.values_list("market__venue").annotate(at=Max("received_at")).values_list("market__venue", "at")
    )
    return [_health(venue, newest.get(venue.value), now) for venue in Venue]


def _health(venue: Venue, at: datetime | None, now: datetime) -> VenueHealth:
    if at is None:
        return VenueHealth(venue.label, "dead", "no prices yet", f"no price from {venue.label} so far")
    seconds = max((now - at).total_seconds(), 0)
    words = ago_words(seconds)
    if seconds <= LIVE_SECONDS:
        return VenueHealth(venue.label, "live", words, f"live: newest price {words} old")
    if seconds <= STALE_SECONDS:
        return VenueHealth(venue.label, "stale", words, f"stale: newest price {words} old")
    return VenueHealth(venue.label, "dead", words, f"not answering: newest price {words} old")


def _review_url() -> str:
    try:
        return reverse("admin:baskets_suggestion_changelist") + "?status__exact=pending"
    except NoReverseMatch:
        return reverse("admin:index")
