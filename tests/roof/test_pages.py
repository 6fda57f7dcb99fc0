"""Every page, as strangers, people and staff meet it: status, policy, escaping, ownership, cost in queries."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, User
from accounts.notices import notify
from baskets.models import Basket, Composition, Constituent, PriceHistory, Suggestion
from categorization.models import Classification, RiskFactor, Theme
from itomarkets.middleware import CONTENT_SECURITY_POLICY
from markets.models import Market, PricePoint, Quote
from markets.search_index import refresh_index
from tests.factories import make_event, make_market, make_quote, make_user
from trading.models import Order, Position, Trade, VenueAccount

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202egnp.exe\u200b" + "W" * 300
MOST_QUERIES = 12
NEW_KEY = {"name": "bot", "environment": "test", "scopes": ["baskets:read"], "life_days": "90"}
PUBLIC = ["/", "/baskets", "/markets", "/methodology", "/status", "/login", "/register", "/account/password/reset"]
PERSONAL = [
    "/dashboard",
    "/builder",
    "/builder/search",
    "/suggestions",
    "/notices",
    "/portfolio",
    "/portfolio/trades",
    "/developer",
    "/profile",
    "/account/sessions/",
    "/account/2fa/",
    "/account/2fa/totp/activate/",
    "/account/password",
    "/account/email",
]
INLINE = re.compile(r"<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|<script(?![^>]*\bsrc=)|javascript:", re.IGNORECASE)


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


def make_basket(
    now: datetime, *, text: str = "Rates", legs: int = 3, owner: User | None = None, **values: Any
) -> Basket:
    """A priced basket with a history; `text` stands wherever a venue or a person may write."""
    number = Basket.objects.count() + 1
    theme = None
    if owner is None:
        theme = Theme.objects.create(slug=f"theme-{number}", name=f"Theme {number}", position=number)
    basket = Basket.objects.create(
        **{
            "slug": f"basket-{number}",
            "name": text[:120],
            "description": text,
            "kind": "custom" if owner else "system",
            "visibility": "private" if owner else "public",
            "theme": theme,
            "owner": owner,
            "created_at": now - timedelta(days=40),
            **values,
        }
    )
    composition = Composition.objects.create(
        basket=basket,
        version=1,
        effective_at=now - timedelta(days=30),
        reason=text[:200],
        method_version="1",
        inputs_hash="0" * 64,
        divisor=Decimal(1),
        divisor_net=Decimal(1),
        value_after=Decimal(100),
    )
    for leg in range(legs):
        event = make_event(title=text, subtitle=text)
        market = make_market(event=event, title=text, subtitle=f"{leg} {text}", rules=text, category=text[:80])
        make_quote(market, "0.40", "0.42", now - timedelta(seconds=5))
        PricePoint.objects.create(
            market=market, interval=86400, at=now - timedelta(days=2), price=Decimal("0.4"), source="candles"
        )
        PricePoint.objects.create(
            market=market, interval=86400, at=now - timedelta(days=1), price=Decimal("0.5"), source="candles"
        )
        if theme:
            factor, _ = RiskFactor.objects.get_or_create(
                slug=f"factor-{number}", defaults={"theme": theme, "name": "Factor", "sign": 1, "position": number}
            )
            Classification.objects.create(
                market=market,
                factor=factor,
                direction=1,
                status="assigned",
                trail=[{"stage": "normalize", "says": text}],
                changed_at=now,
            )
        Constituent.objects.create(
            composition=composition,
            market=market,
            side="yes" if leg % 2 else "no",
            weight=(Decimal(1) / legs).quantize(Decimal("1e-8")),
            units=Decimal(50),
            mark=Decimal("0.41"),
            mark_reason="mid",
            why=text[:200],
        )
    for day in range(1, 20):
        PriceHistory.objects.create(
            basket=basket,
            composition=composition,
            interval=86400,
            at=(now - timedelta(days=day)).replace(hour=0, minute=0, second=0, microsecond=0),
            value=Decimal(100 + day),
            gauge_sum=Decimal("0.41"),
            divisor=Decimal(1),
            divisor_net=Decimal(1),
            legs=legs,
            legs_priced=legs,
            quality="complete",
            source="backfill",
        )
    return basket


def make_trade(user: User, basket: Basket, now: datetime, *, reason: str = "") -> Trade:
    account, _ = VenueAccount.objects.get_or_create(
        user=user, kind="paper", mode="paper", defaults={"cash": Decimal(9000), "created_at": now}
    )
    number = Trade.objects.count()
    trade = Trade.objects.create(
        user=user,
        basket=basket,
        composition=basket.compositions.get(),
        side="yes",
        mode="paper",
        amount=Decimal(100),
        worst_cost=Decimal(99),
        status="partial",
        idempotency_key=f"key-{number}",
        created_at=now,
    )
    for place, part in enumerate(basket.compositions.get().constituents.all(), 1):
        order = Order.objects.create(
            trade=trade,
            leg_no=place,
            account=account,
            market=part.market,
            side=part.side,
            action="buy",
            count=Decimal(10),
            limit_price=Decimal("0.45"),
            reserved=Decimal(0),
            status=Order.Status.REJECTED,
            reason=reason,
            client_id=f"00000000-0000-4000-8000-{number:06d}{place:06d}",
            created_at=now,
        )
        order.events.create(at=now, old_status="submitting", new_status="rejected", reason=reason)
        Position.objects.create(
            account=account,
            market=part.market,
            basket=basket,
            side=part.side,
            count=Decimal(10),
            cost=Decimal(4),
            updated_at=now,
        )
    return trade


def sign_in(client: Client, **values: Any) -> User:
    user = make_user(**values)
    client.force_login(user)
    return user


@pytest.fixture
def seen(now: datetime, client: Client) -> list[str]:
    """A database with something on every page; the paths of what one person may see."""
    user = sign_in(client)
    basket = make_basket(now)
    own = make_basket(now, owner=user)
    trade = make_trade(user, basket, now)
    market = Market.objects.first()
    assert market is not None
    paths = [reverse("basket-detail", args=[each.slug]) for each in (basket, own)]
    return [
        *PUBLIC[:4],
        *PERSONAL[:-4],
        *paths,
        reverse("trade-detail", args=[trade.pk]),
        reverse("trade-progress", args=[trade.pk]),
        reverse("market-detail", args=[market.pk]),
    ]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_stranger_may_read_the_public_pages_of_an_empty_house(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert not INLINE.search(answer.content.decode())


@pytest.mark.parametrize("path", PERSONAL)
def test_a_stranger_is_sent_to_sign_in_and_back(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login?next=")


@pytest.mark.parametrize("path", PERSONAL)
def test_a_new_person_meets_an_empty_state_and_no_error(client: Client, path: str, now: datetime) -> None:
    sign_in(client)
    answer = client.get(path, follow=True)
    assert answer.status_code == 200
    assert not INLINE.search(answer.content.decode())


def test_every_page_with_something_on_it_keeps_to_the_policy(client: Client, seen: list[str]) -> None:
    for path in seen:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        found = INLINE.search(answer.content.decode())
        assert not found, f"{path}: {found.group(0)}"


def test_what_venues_and_people_write_is_shown_as_text(client: Client, now: datetime) -> None:
    user = sign_in(client, first_name="<b>Ann</b>")
    basket = make_basket(now, text=HOSTILE)
    own = make_basket(now, text=HOSTILE, owner=user)
    trade = make_trade(user, basket, now, reason=HOSTILE[:300])
    Suggestion.objects.create(
        user=user, type="new", name=HOSTILE[:120], reason=HOSTILE, notes=HOSTILE, legs=[], created_at=now
    )
    notify(user=user, kind="trade", key="hostile", text=HOSTILE, url="/portfolio", now=now)
    market = Market.objects.first()
    assert market is not None
    client.post("/builder/preview", {"op": f"add:{market.pk}:yes", "name": HOSTILE})
    refresh_index()
    for path in [
        "/",
        "/baskets",
        "/dashboard",
        "/portfolio",
        "/portfolio/trades",
        "/suggestions",
        "/notices",
        "/builder?q=script",
        "/markets",
        "/markets?q=script",
        f"/baskets/{basket.slug}",
        f"/baskets/{own.slug}",
        f"/markets/{market.pk}",
        f"/trades/{trade.pk}",
    ]:
        page = client.get(path).content.decode()
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path
        assert "<b>Ann" not in page, path
        # What hides or reorders text is taken out of what is shown; a form's own value is the person's.
        shown = re.sub(r"value=\"[^\"]*\"|<textarea.*?</textarea>", "", page, flags=re.DOTALL)
        assert "\u202e" not in shown, path
        assert "\u200b" not in shown, path


def test_the_chart_gives_columns_with_gaps_and_refuses_an_unknown_span(client: Client, now: datetime) -> None:
    basket = make_basket(now)
    PriceHistory.objects.filter(at__range=(now - timedelta(days=12), now - timedelta(days=8))).delete()
    body = client.get(f"/baskets/{basket.slug}/chart.json?span=1m").json()
    assert len(body["at"]) == len(body["gauge"]) == len(body["level"])
    assert None in body["gauge"]
    assert body["gauge"][0] == "41.000"
    assert body["changes"][0]["version"] == 1
    answer = client.get(f"/baskets/{basket.slug}/chart.json?span=2m")
    assert answer.status_code == 400
    assert "1d, 1w" in answer.json()["detail"]


def test_another_persons_basket_and_trade_are_not_there(client: Client, now: datetime) -> None:
    owner = make_user()
    own = make_basket(now, owner=owner)
    trade = make_trade(owner, own, now)
    missing = "/baskets/nothing-of-this-name"
    paths = [f"/baskets/{own.slug}", f"/baskets/{own.slug}/chart.json"]
    for path in (*paths, missing):
        assert client.get(path).status_code == 404
    sign_in(client, is_staff=True, is_superuser=True)
    for path in (*paths, f"/trades/{trade.pk}", f"/trades/{trade.pk}/progress"):
        assert client.get(path).status_code == 404, path
    for path in (f"/baskets/{own.slug}/quote", f"/baskets/{own.slug}/delete", f"/baskets/{own.slug}/close"):
        assert client.post(path, {"side": "yes", "amount": "100"}).status_code == 404, path
    assert own.slug not in client.get("/baskets").content.decode()
    assert Basket.objects.filter(pk=own.pk, is_active=True).exists()


def test_only_reviewers_on_the_staff_see_the_review_queue(client: Client, now: datetime) -> None:
    user = sign_in(client)
    assert ">Review" not in client.get("/dashboard").content.decode()
    user.groups.add(Group.objects.get_or_create(name="Reviewers")[0])
    assert ">Review" not in client.get("/dashboard").content.decode()
    User.objects.filter(pk=user.pk).update(is_staff=True)
    Suggestion.objects.create(user=user, type="new", name="x", reason="y", created_at=now)
    assert re.search(r">Review<b>1</b>", client.get("/dashboard").content.decode())


def count(client: Client, path: str, django_assert_max_num_queries: Callable[[int], Any], most: int) -> None:
    client.get(path)
    with django_assert_max_num_queries(most):
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/baskets", "/portfolio/trades", "/portfolio", "/suggestions", "/developer"])
def test_lists_cost_no_more_queries_when_they_grow(
    client: Client, now: datetime, path: str, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    user = sign_in(client)
    for _ in range(6):
        basket = make_basket(now, legs=4)
        make_trade(user, basket, now)
        Suggestion.objects.create(user=user, type="add", basket=basket, reason="y", created_at=now)
    count(client, path, django_assert_max_num_queries, MOST_QUERIES)


def test_the_bigger_pages_have_a_fixed_cost_too(
    client: Client, now: datetime, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    user = sign_in(client)
    for _ in range(5):
        make_trade(user, make_basket(now, legs=5), now)
    market = Market.objects.first()
    assert market is not None
    for path, most in (
        ("/", 14),
        ("/dashboard", 20),
        ("/baskets/basket-1", 21),
        (f"/markets/{market.pk}", 17),
        ("/builder", 12),
        ("/builder/search?q=rates", 6),
        ("/markets?q=rates", 12),
        ("/status", 9),
        (f"/trades/{Trade.objects.all()[0].pk}", 14),
    ):
        count(client, path, django_assert_max_num_queries, most)


def test_a_basket_and_its_markets_say_how_their_books_came(client: Client, now: datetime) -> None:
    make_basket(now, legs=3)
    first, second, third = Market.objects.order_by("pk")
    Quote.objects.filter(pk=first.pk).update(source=Quote.Source.STREAMED)
    page = client.get("/baskets/basket-1").content.decode()
    assert (page.count(" · streamed"), page.count(" · polled")) == (1, 2)
    Quote.objects.filter(pk=third.pk).delete()
    for market, words in (
        (first, "order book, streamed"),
        (second, "order book, polled"),
        (third, "nobody quotes it"),
    ):
        assert words in client.get(f"/markets/{market.pk}").content.decode()


def test_the_list_sorts_searches_and_says_when_nothing_is_found(client: Client, now: datetime) -> None:
    make_basket(now, text="Rates")
    make_basket(now, text="Oil", legs=4)
    page = client.get("/baskets?sort=name").content.decode()
    assert page.index(">Oil<") < page.index(">Rates<")
    assert 'aria-sort="ascending"' in page
    page = client.get("/baskets?q=oil").content.decode()
    assert ">Oil<" in page
    assert ">Rates<" not in page
    page = client.get("/baskets?q=zzz&sort=nonsense&kind=nonsense").content.decode()
    assert "No basket matches “zzz”" in page


def test_the_key_is_shown_once_and_never_again(client: Client, now: datetime) -> None:
    sign_in(client)
    answer = client.post(
        "/developer", {"name": "bot", "environment": "test", "scopes": ["baskets:read"], "life_days": "90"}
    )
    assert answer.status_code == 201
    found = re.search(r"bkt_test_\w{8}\.\w{49}", answer.content.decode())
    assert found
    assert "no-store" in answer["Cache-Control"]
    row = ApiKey.objects.get()
    for path in ("/developer", "/profile", "/api/internal/api-keys"):
        page = client.get(path).content.decode()
        assert found.group(0) not in page
        assert row.hashed_key not in page
    admin = make_user(is_staff=True, is_superuser=True)
    client.force_login(admin)
    for path in ("/admin/accounts/apikey/", f"/admin/accounts/apikey/{row.pk.replace('$', '_24')}/change/"):
        page = client.get(path, follow=True).content.decode()
        assert row.prefix in page
        assert found.group(0) not in page
        assert f">{row.hashed_key}<" not in page


def test_a_key_that_may_trade_sends_the_person_to_confirm_who_they_are(client: Client, now: datetime) -> None:
    sign_in(client)
    answer = client.post("/developer", NEW_KEY | {"scopes": ["trades:write"]})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/reauthenticate")
    assert not ApiKey.objects.exists()


def test_a_form_without_a_scope_is_shown_again_with_a_reason(client: Client, now: datetime) -> None:
    sign_in(client)
    answer = client.post("/developer", {"name": "bot", "environment": "test"})
    assert answer.status_code == 422
    assert "choose at least one" in answer.content.decode()


def test_one_revokes_ones_own_key_only(client: Client, now: datetime) -> None:
    sign_in(client)
    client.post("/developer", NEW_KEY)
    row = ApiKey.objects.get()
    sign_in(client)
    assert client.post(f"/developer/keys/{row.prefix}/revoke").status_code == 404
    client.force_login(row.user)
    assert client.post(f"/developer/keys/{row.prefix}/revoke", follow=True).status_code == 200
    row.refresh_from_db()
    assert row.revoked


def test_registering_signs_in_and_a_signed_in_visitor_of_login_goes_on(client: Client, now: datetime) -> None:
    password = "a-long-Password-of-mine"
    answer = client.post(
        "/register", {"username": "ann", "email": "ann@example.com", "password1": password, "password2": password}
    )
    assert answer["Location"] == "/dashboard"
    assert client.get("/login")["Location"] == "/dashboard"
    client.post("/logout")
    assert client.get("/dashboard").status_code == 302
    assert client.post("/login", {"login": "ann@example.com", "password": password})["Location"] == "/dashboard"


def test_guessing_passwords_ends_with_429(client: Client) -> None:
    make_user(username="ann")
    statuses = {client.post("/login", {"login": "ann", "password": f"wrong {n}"}).status_code for n in range(12)}
    page = client.post("/login", {"login": "ann", "password": "a-long-test-password"})
    assert "_auth_user_id" not in client.session
    assert 429 in statuses or "Too many" in page.content.decode()
