"""Every limit, each refused by its name at the quote, the confirmation or the sending; and what staff may lower."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from categorization.models import Classification, RiskFactor, Theme
from itomarkets.records.models import AuditEntry
from markets.models import Market
from tests.factories import make_quote, make_user
from tests.trading.venue import Books, FakeVenue, sandbox_account, two_leg_basket
from trading.accounts import paper_account
from trading.execution import run_trade
from trading.exposure import lost_today, money_at_risk
from trading.limits import LIMITS, MONEY_LIMITS, limit_table, limits_of, send_refusal
from trading.models import Order, PersonalLimit, TicketQuote, Trade, VenueAccount
from trading.placing import TradeRefused, confirm_trade
from trading.quoting import QuoteRefused, quote_basket

D = Decimal


def ask(user: User, basket: Any, books: Books, **values: Any) -> TicketQuote:
    asked: dict[str, Any] = {"side": "yes", "amount": D("100"), "mode": "sandbox", "now": books.now, **values}
    return quote_basket(user=user, basket=basket, read_books=books.read, **asked)


def confirm(quote: TicketQuote, **values: Any) -> Trade:
    asked: dict[str, Any] = {"idempotency_key": str(quote.pk), "policy": "best_effort", "now": quote.created_at}
    return confirm_trade(user=quote.user, quote_id=quote.pk, **{**asked, **values})


@pytest.fixture
def world(user: User, books: Books) -> tuple[Any, Market, Market]:
    for kind in ("kalshi", "polymarket"):
        sandbox_account(user, books.now, kind)
    return two_leg_basket(books)


def lower(settings: Any, **limits: Any) -> None:
    settings.TRADE_LIMITS = {**settings.TRADE_LIMITS, **limits}


def bought(user: User, basket: Any, books: Books, settings: Any) -> Trade:
    """Buy for 100 and have it filled at the limit prices."""
    trade = confirm(ask(user, basket, books))
    run_trade(trade.pk, now_fn=lambda: books.now, connect=FakeVenue(now=lambda: books.now))
    trade.refresh_from_db()
    assert trade.status == Trade.Status.COMPLETE
    return trade


def test_what_is_at_risk_is_held_at_cost_reserved_and_placed_elsewhere(
    user: User, books: Books, world: Any, settings: Any
) -> None:
    basket, kalshi, _ = world
    confirm(ask(user, basket, books))
    reserved = sum(Order.objects.values_list("reserved", flat=True))
    assert money_at_risk(user_id=user.pk, mode="sandbox").total == reserved
    rows = [
        {"status": "held", "count": "10", "price": "0.5", "market_id": kalshi.pk},
        {"status": "resting", "count": "4", "price": "0.25", "market_id": None},
        {"status": "filled", "count": "10", "price": "0.5", "market_id": kalshi.pk},
    ]
    VenueAccount.objects.filter(kind="kalshi").update(external=rows)
    found = money_at_risk(user_id=user.pk, mode="sandbox")
    assert (found.external, found.total) == (D(6), reserved + 6)
    assert money_at_risk(user_id=user.pk, mode="paper").total == 0
    assert money_at_risk(user_id=make_user().pk, mode="sandbox").total == 0


@pytest.mark.parametrize("limit", ["account_exposure", "person_exposure", "theme_notional"])
def test_exposure_is_held_at_the_quote_and_again_at_the_confirmation(
    user: User, books: Books, world: Any, settings: Any, limit: str
) -> None:
    basket, kalshi, polymarket = world
    theme = Theme.objects.create(slug="rates", name="Rates", position=1)
    factor = RiskFactor.objects.create(slug="fed", name="Fed", theme=theme, sign=1, position=1)
    for market in (kalshi, polymarket):
        Classification.objects.create(
            market=market, factor=factor, direction=1, status="assigned", changed_at=books.now
        )
    quote = ask(user, basket, books)
    lower(settings, **{limit: D(30)})
    with pytest.raises(TradeRefused) as caught:
        confirm(quote)
    assert caught.value.code == limit
    with pytest.raises(QuoteRefused, match="at risk"):
        ask(user, basket, books)
    assert not Trade.objects.exists()


def test_what_was_placed_elsewhere_uses_up_the_limit_and_is_named(
    user: User, books: Books, world: Any, settings: Any
) -> None:
    basket, _, _ = world
    lower(settings, person_exposure=D(150))
    ask(user, basket, books)
    row = {"status": "held", "count": "200", "price": "0.5", "market_id": None}
    VenueAccount.objects.filter(kind="kalshi").update(external=[row])
    with pytest.raises(QuoteRefused, match=r"100\.00 of it placed elsewhere"):
        ask(user, basket, books)


def test_a_days_loss_counts_fees_open_loss_at_the_bid_and_what_was_realised(
    user: User, books: Books, world: Any, settings: Any
) -> None:
    basket, kalshi, polymarket = world
    bought(user, basket, books, settings)
    positions = {p.market_id: p for p in VenueAccount.objects.get(kind="kalshi").positions.all()} | {
        p.market_id: p for p in VenueAccount.objects.get(kind="polymarket").positions.all()
    }
    make_quote(kalshi, "0.40", "0.42", books.now)
    make_quote(polymarket, "0.30", "0.34", books.now)
    held = positions[kalshi.pk], positions[polymarket.pk]
    expected = held[0].cost - held[0].count * D("0.40") + held[1].cost - held[1].count * D("0.66")
    assert lost_today(user_id=user.pk, mode="sandbox", now=books.now) == expected > 0
    # The loss of a day is that day's: tomorrow it is an open loss of yesterday's trades.
    assert lost_today(user_id=user.pk, mode="sandbox", now=books.now + timedelta(days=1)) == 0
    make_quote(kalshi, None, "0.42", books.now)
    worthless = lost_today(user_id=user.pk, mode="sandbox", now=books.now)
    assert worthless == expected + held[0].count * D("0.40")


def test_f32_the_legs_after_the_fill_that_crosses_the_days_loss_are_denied_with_the_reason(
    user: User, books: Books, world: Any, settings: Any
) -> None:
    basket, _, _ = world
    # The thinnest leg goes first and alone, so that its fill is known before the other one is claimed.
    trade = confirm(ask(user, basket, books), policy="hold_and_ask")
    first, second = trade.orders.order_by("-depth_share")
    # It is worth nothing at once.
    is_yes = first.side == "yes"
    make_quote(first.market, None if is_yes else "0.40", "0.42" if is_yes else None, books.now)
    lower(settings, daily_loss=first.count * D("0.30"))
    venue = FakeVenue(now=lambda: books.now)
    run_trade(trade.pk, now_fn=lambda: books.now, connect=venue)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("filled", "denied")
    assert "that a day may lose" in second.reason
    assert venue.posts == [str(first.client_id)]
    with pytest.raises(QuoteRefused, match="Nothing more is bought before midnight UTC"):
        ask(user, basket, books)
    assert ask(user, basket, books, action="sell", amount=None).action == "sell"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"price_ranges": [{"start": "0", "end": "1", "step": "0.25"}]}, "takes no price of"),
        ({"min_size": D(5000)}, "5000 contracts or more"),
        ({"status": "resolved"}, "is resolved"),
    ],
)
def test_a_market_whose_grid_or_state_changed_takes_no_order_in_the_moment_of_sending(
    user: User, books: Books, world: Any, change: dict[str, Any], said: str
) -> None:
    basket, kalshi, _ = world
    order = confirm(ask(user, basket, books)).orders.get(market=kalshi)
    assert send_refusal(order=order, now=books.now) == ""
    Market.objects.filter(pk=kalshi.pk).update(**change)
    assert said in send_refusal(order=order, now=books.now)


def test_f24_a_newer_price_past_the_limit_stops_the_confirmation_and_one_past_the_band_the_sending(
    user: User, books: Books, world: Any
) -> None:
    basket, kalshi, _ = world
    quote = ask(user, basket, books)
    later = books.now + timedelta(seconds=3)
    make_quote(kalshi, "0.60", "0.62", later)
    with pytest.raises(TradeRefused, match=r"moved to 0\.62 since this quote") as caught:
        confirm(quote, now=later)
    assert caught.value.code == "moved"
    make_quote(kalshi, "0.20", "0.22", later)
    with pytest.raises(TradeRefused, match="from the middle of the book") as caught:
        confirm(quote, now=later)
    assert caught.value.code == "price_band"
    # Older than the quote's own book, it says nothing new.
    make_quote(kalshi, "0.60", "0.62", books.now)
    order = confirm(quote, now=later).orders.get(market=kalshi)
    latest = later + timedelta(seconds=2)
    make_quote(kalshi, "0.20", "0.22", latest)
    assert "from the middle of the book" in send_refusal(order=order, now=latest)
    # Too old to go by.
    settings_age = latest + timedelta(seconds=50)
    make_quote(kalshi, "0.20", "0.22", latest - timedelta(seconds=60))
    assert send_refusal(order=order, now=settings_age) == ""


def test_the_table_names_each_limit_with_its_value_and_staff_can_only_lower_one(user: User, settings: Any) -> None:
    assert [row.name for row in limit_table(user)] == [limit.name for limit in LIMITS]
    assert {name for name in settings.TRADE_LIMITS if name.endswith(("notional", "exposure", "loss"))} == {
        limit.name for limit in MONEY_LIMITS
    }
    row = PersonalLimit.objects.create(user=user, name="trade_notional", most=D(50), changed_at="2026-08-01T00:00Z")
    own = {each.name: each for each in limit_table(user)}["trade_notional"]
    assert (own.value, own.is_personal) == ("$50.00", True)
    row.most = D(1_000_000)
    row.save()
    assert limits_of(user.pk)["trade_notional"] == settings.TRADE_LIMITS["trade_notional"]


def test_a_limit_that_staff_lowered_holds_for_that_person_alone(user: User, books: Books, client: Client) -> None:
    basket, _, _ = two_leg_basket(books)
    other = make_user()
    client.force_login(make_user(username="root", is_staff=True, is_superuser=True))
    add = reverse("admin:trading_personallimit_add")
    posted = {"user": user.pk, "name": "trade_notional", "most": "999999", "reason": "new here"}
    assert "can only be lower" in client.post(add, posted).content.decode()
    assert client.post(add, {**posted, "most": "50"}).status_code == 302
    assert "has this limit already" in client.post(add, {**posted, "most": "40"}).content.decode()
    with pytest.raises(QuoteRefused, match=r"above the 50\.00 that one trade may take"):
        ask(user, basket, books, mode="paper")
    assert ask(other, basket, books, mode="paper").worst_cost > 50
    limit = PersonalLimit.objects.get()
    assert (
        client.post(reverse("admin:trading_personallimit_delete", args=[limit.pk]), {"post": "yes"}).status_code == 302
    )
    assert ask(user, basket, books, mode="paper").worst_cost > 50
    lines = AuditEntry.objects.filter(action__startswith="limit.").order_by("seq")
    assert [line.action for line in lines] == ["limit.personal", "limit.lifted"]
    assert all(line.actor is not None and line.actor.username == "root" for line in lines)


def test_each_quote_writes_an_audit_line(user: User, books: Books) -> None:
    basket, _, _ = two_leg_basket(books)
    paper_account(user, now=books.now)
    quote = ask(user, basket, books, mode="paper", request_id="req-7")
    line = AuditEntry.objects.get(action="trade.quoted")
    assert (line.subject, line.actor, line.request_id) == (f"quote:{quote.pk}", user, "req-7")
    assert (D(line.after["amount"]), D(line.after["worst_cost"])) == (D(100), quote.worst_cost)


def test_the_profile_prints_the_table_of_limits(client: Client, user: User, now: datetime) -> None:
    client.force_login(user)
    page = client.get("/profile").content.decode()
    for limit in LIMITS:
        assert limit.title in page
