"""Who may do what: every route below /api/ × every caller × every method, and the shape of every answer.

The routes come from the URLconf; a route without a row, or a row without a route, fails.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import ApiKey, User
from baskets.models import BackfillRun, Basket, Suggestion
from baskets.snapshots import record_prices
from itomarkets.lib import clock
from itomarkets.lib.scopes import Scope
from tests.accounts.test_api_keys import make_key
from tests.baskets.helpers import compose, day_price, make_basket, make_labelled, make_theme
from tests.factories import make_user
from tests.roof.api_shapes import misfits
from trading.accounts import paper_account
from trading.models import Order, Position, TicketQuote, Trade, VenueAccount

pytestmark = pytest.mark.django_db
D = Decimal
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ANY_KEY, SESSION, SECRET, REVIEWERS = "any key", "session alone", "cron secret", "reviewers' sessions"


@dataclass(frozen=True)
class Row:
    """One route: the scope that each method needs, and whether its object is the owner's alone."""

    path: str
    methods: dict[str, str]
    is_own: bool = False
    body: dict[str, Any] = field(default_factory=dict)


BASKET, MARKET = "/api/v1/baskets/{basket}", "/api/v1/markets/{market}"
B, M = "api/v1/baskets/<basket:basket_id>", "api/v1/markets/<market:market_id>"
READ, WRITE, MARKETS = Scope.BASKETS_READ.value, Scope.BASKETS_WRITE.value, Scope.MARKETS_READ.value
TRADES, TRADE = Scope.TRADES_READ.value, Scope.TRADES_WRITE.value
KEY, ONE_KEY = "api/internal/api-keys/<slug:prefix>", "/api/internal/api-keys/{prefix}"
SUGGESTION, ONE_SUGGESTION = "/api/suggestions/baskets/{suggestion}", "api/suggestions/baskets/<uuid:suggestion_id>"
ROWS = {
    "api/internal/api-keys": Row("/api/internal/api-keys", {"GET": SESSION, "POST": SESSION}),
    KEY: Row(ONE_KEY, {"DELETE": SESSION}, True),
    f"{KEY}/rotate": Row(f"{ONE_KEY}/rotate", {"POST": SESSION}, True),
    f"{KEY}/usage": Row(f"{ONE_KEY}/usage", {"GET": SESSION}, True),
    "api/suggestions/baskets": Row("/api/suggestions/baskets", {"GET": SESSION, "POST": SESSION}),
    ONE_SUGGESTION: Row(SUGGESTION, {"GET": SESSION, "DELETE": SESSION}, True),
    f"{ONE_SUGGESTION}/approve": Row(f"{SUGGESTION}/approve", {"POST": REVIEWERS}),
    f"{ONE_SUGGESTION}/reject": Row(f"{SUGGESTION}/reject", {"POST": REVIEWERS}),
    "api/cron/sync-markets": Row("/api/cron/sync-markets", {"POST": SECRET}),
    "api/cron/record-prices": Row("/api/cron/record-prices", {"POST": SECRET}),
    "api/cron/runs/<int:run_id>": Row("/api/cron/runs/1", {"GET": SECRET}),
    "api/v1/status": Row("/api/v1/status", {"GET": ANY_KEY}),
    "api/v1/themes": Row("/api/v1/themes", {"GET": MARKETS}),
    "api/v1/factors": Row("/api/v1/factors", {"GET": MARKETS}),
    "api/v1/markets/search": Row("/api/v1/markets/search", {"GET": MARKETS}),
    "api/v1/markets/facets": Row("/api/v1/markets/facets", {"GET": MARKETS}),
    M: Row(MARKET, {"GET": MARKETS}),
    f"{M}/history": Row(f"{MARKET}/history", {"GET": MARKETS}),
    f"{M}/classification": Row(f"{MARKET}/classification", {"GET": MARKETS}),
    "api/v1/baskets": Row("/api/v1/baskets", {"GET": READ, "POST": WRITE}),
    B: Row(BASKET, {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}, True),
    f"{B}/price": Row(f"{BASKET}/price", {"GET": READ}, True),
    f"{B}/history": Row(f"{BASKET}/history", {"GET": READ}, True),
    f"{B}/composition": Row(f"{BASKET}/composition", {"GET": READ}, True),
    f"{B}/backfill": Row(f"{BASKET}/backfill", {"POST": READ}, True),
    "api/v1/backfills/<uuid:run_id>": Row("/api/v1/backfills/{run}", {"GET": READ}, True),
    f"{B}/quotes": Row(f"{BASKET}/quotes", {"POST": TRADE}, True, {"direction": "yes", "amount": "5"}),
    f"{B}/trades": Row(f"{BASKET}/trades", {"POST": TRADE}, True, {"quote_id": "{quote}"}),
    "api/v1/trades": Row("/api/v1/trades", {"GET": TRADES}),
    "api/v1/trades/<uuid:trade_id>": Row("/api/v1/trades/{trade}", {"GET": TRADES}, True),
    "api/v1/trades/<uuid:trade_id>/choices": Row(
        "/api/v1/trades/{trade}/choices", {"POST": TRADE}, True, {"choice": "stop"}
    ),
    "api/v1/accounts/<str:kind>/<str:mode>/cash": Row(
        "/api/v1/accounts/kalshi/sandbox/cash", {"POST": TRADE}, True, {"amount": "5.00", "number": 1}
    ),
    "api/v1/positions": Row("/api/v1/positions", {"GET": TRADES}),
    "api/v1/exposure": Row("/api/v1/exposure", {"GET": TRADES}),
}


def routes() -> dict[str, Any]:
    """Return every route below /api/ with its view class."""

    def below(resolver: URLResolver, before: str) -> Iterator[tuple[str, Any]]:
        for pattern in resolver.url_patterns:
            here = before + str(pattern.pattern)
            if isinstance(pattern, URLPattern):
                yield here, getattr(pattern.callback, "view_class", getattr(pattern.callback, "cls", None))
            else:
                yield from below(pattern, here)

    return {path: view for path, view in below(get_resolver(), "") if path.startswith("api/")}


@dataclass
class World:
    """An owner with one of everything, and the words that stand in paths and bodies for it."""

    owner: User
    words: dict[str, str]

    def fill(self, text: str) -> str:
        for name, word in self.words.items():
            text = text.replace("{" + name + "}", word)
        return text


@pytest.fixture
def world(now: datetime, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("baskets.tasks.run_backfill.delay", lambda run_id: None)
    monkeypatch.setattr("trading.quoting.book_reader", lambda mode: lambda markets: {})
    monkeypatch.setattr("baskets.demand.refresh_quotes", lambda now, market_ids: SimpleNamespace(sentence=""))
    owner = make_user()
    factor = make_theme().factors.get()
    market = make_labelled(factor, now)
    day_price(market, now.replace(hour=0) - timedelta(days=2), "0.40")
    day_price(market, now.replace(hour=0) - timedelta(days=1), "0.41")
    basket = make_basket(owner=owner, visibility="private")
    composition = compose(basket, now, (market, "yes", "1"))
    record_prices(now=now)
    run = BackfillRun.objects.create(
        basket=basket, user=owner, days=3, status="done", created_at=now, alive_at=clock.machine_now()
    )
    account = paper_account(owner, now=now)
    VenueAccount.objects.create(user=owner, kind="kalshi", mode="sandbox", created_at=now)
    common: dict[str, Any] = {"user": owner, "basket": basket, "composition": composition, "side": "yes"}
    common |= {"mode": "paper", "amount": D(10), "worst_cost": D(10), "created_at": now}
    quote = TicketQuote.objects.create(
        **common, allocation="units", cost=D(9), fees=D(0), best_payout=D(20), expires_at=now - timedelta(seconds=1)
    )
    way_back = dict.fromkeys(("paid", "brings", "loss", "cap", "missing"), "1.00")
    way_back |= {"at": now.isoformat(), "sells": 1, "notes": ["Thin."]}
    trade = Trade.objects.create(**common, idempotency_key="k", way_back=way_back)
    order = Order.objects.create(
        trade=trade, leg_no=1, account=account, market=market, side="yes", action="buy", count=D(10),
        limit_price=D("0.5"), reserved=D(0), status="filled", client_id=trade.pk, created_at=now,
    )  # fmt: skip
    order.fills.create(account=account, venue_trade_id="t", count=D(10), price=D("0.5"), at=now)
    Position.objects.create(
        account=account, market=market, basket=basket, side="yes", count=D(10), cost=D(5), updated_at=now
    )
    suggestion = Suggestion.objects.create(
        user=owner, type="new", name="A new one", reason="It is missing.", created_at=now,
        legs=[{"market": market.pk, "side": "yes", "weight": "1"}],
    )  # fmt: skip
    words = {
        "basket": basket.public_id,
        "market": f"kalshi:{market.native_id}",
        "run": str(run.pk),
        "quote": str(quote.pk),
        "trade": str(trade.pk),
        "suggestion": str(suggestion.public_id),
        "prefix": make_key(owner, now, name="victim").row.prefix,
    }
    return World(owner, words)


def send(row: Row, world: World, method: str, client: Client, key: str = "", **extra: Any) -> Any:
    """Send a request whose effects are undone again."""
    headers = {"Idempotency-Key": "once"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    body = "" if method == "GET" else world.fill(json.dumps({**row.body, **extra})) if row.body or extra else ""
    with transaction.atomic():
        answer = client.generic(method, world.fill(row.path), body, content_type="application/json", headers=headers)
        transaction.set_rollback(True)
    return answer


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def judge(answer: Any) -> str:
    """Say in a word what became of a request: it was let in, or why not."""
    return {401: "stranger", 403: "forbidden", 404: "not there", 405: "no method"}.get(answer.status_code, "let in")


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert set(routes()) == set(ROWS)


def test_every_method_of_a_view_is_in_its_row() -> None:
    for path, view in routes().items():
        served = {method.upper() for method in ("get", "post", "put", "patch", "delete") if hasattr(view, method)}
        assert served == set(ROWS[path].methods), path


@pytest.mark.parametrize("path", sorted(ROWS))
def test_each_caller_is_let_in_where_its_row_says_and_nowhere_else(path: str, world: World, now: datetime) -> None:
    row = ROWS[path]
    other, staff = make_user(), make_user(is_staff=True, is_superuser=True)
    keys = {scope: make_key(world.owner, now, scopes=[scope]).secret for scope in Scope.values}
    everything = make_key(other, now, scopes=list(Scope.values)).secret
    for method in METHODS:
        needed = row.methods.get(method)
        found: dict[str, str] = {
            "nobody": judge(send(row, world, method, Client())),
            "owner": judge(send(row, world, method, signed_in(world.owner))),
            "other": judge(send(row, world, method, signed_in(other))),
            "staff": judge(send(row, world, method, signed_in(staff))),
            "other's key": judge(send(row, world, method, Client(), everything)),
            **{scope: judge(send(row, world, method, Client(), key)) for scope, key in keys.items()},
        }
        assert found == expected(row, needed), f"{method} {path}"


def expected(row: Row, needed: str | None) -> dict[str, str]:
    """Say what each caller must find."""
    foreign = "not there" if row.is_own else "let in"
    people = {"nobody": "stranger", "owner": "let in", "other": foreign, "staff": foreign}
    if needed == REVIEWERS:
        people |= {"owner": "forbidden", "other": "forbidden", "staff": "let in"}
    if SECRET in row.methods.values():
        return dict.fromkeys([*people, "other's key", *Scope.values], "stranger")
    if SESSION in row.methods.values() or REVIEWERS in row.methods.values():
        # A key is nobody here, whatever it may do elsewhere.
        keys = dict.fromkeys(["other's key", *Scope.values], "stranger")
    elif needed == ANY_KEY:
        keys = dict.fromkeys(["other's key", *Scope.values], "let in")
    else:
        keys = {scope: "let in" if scope == needed else "forbidden" for scope in Scope.values}
        keys["other's key"] = foreign
    if needed is None:
        people = {name: "stranger" if name == "nobody" else "no method" for name in people}
        keys = {name: keys[name] if keys[name] == "stranger" else "no method" for name in keys}
    return people | keys


@pytest.mark.parametrize("path", sorted(path for path, row in ROWS.items() if "GET" in row.methods and not row.is_own))
def test_no_list_shows_what_is_anothers(path: str, world: World) -> None:
    if SECRET in ROWS[path].methods.values():
        return
    for client in (signed_in(make_user()), signed_in(make_user(is_staff=True, is_superuser=True))):
        text = send(ROWS[path], world, "GET", client).content.decode()
        secret = {name: word for name, word in world.words.items() if name != "market"}
        assert not [name for name, word in secret.items() if word in text]
        assert world.owner.username not in text


READABLE = sorted(
    path for path, view in routes().items() if "GET" in getattr(view, "answers", {}) and "cron" not in path
)


@pytest.mark.parametrize("path", READABLE)
def test_an_answer_has_the_shape_that_its_view_declares(path: str, world: World) -> None:
    view = routes()[path]
    answer = send(ROWS[path], world, "GET", signed_in(world.owner))
    body, shape = answer.json(), view.answers["GET"]()
    assert answer.status_code == 200, body
    if "results" in body and "results" not in shape.fields:
        assert set(body) == {"results", "next", "previous"}
        assert body["results"], "a list without rows proves nothing"
        for one in body["results"]:
            assert not list(misfits(shape, one))
    else:
        assert not list(misfits(shape, body))


def test_every_v1_view_declares_its_answers() -> None:
    for path, view in routes().items():
        if path.startswith("api/v1"):
            served = {method.upper() for method in ("get", "post", "patch") if hasattr(view, method)}
            assert served == set(view.answers), path
            assert set(view.accepts) <= served - {"GET"}, path


WRITABLE = sorted((path, method) for path, view in routes().items() for method in view.accepts)
FUZZ = {
    "owner": 1,
    "user": 1,
    "is_staff": True,
    "is_superuser": True,
    "scopes": ["trades:write"],
    "status": "done",
    "state": "active",
    "id": 1,
    "pk": 1,
    "public_id": "bas_00000000000000",
    "kind": "system",
    "visibility": "public",
    "created_at": "2020-01-01T00:00:00Z",
    "filled_qty": "100",
    "environment": "live",
    "use_count": 0,
    "revoked": False,
    "hold": "",
    "__proto__": {},
    "": "",
}


@pytest.mark.parametrize(("path", "method"), WRITABLE)
def test_no_body_assigns_what_is_not_its_to_assign(path: str, method: str, world: World) -> None:
    row, view = ROWS[path], routes()[path]
    accepted = set(view.accepts[method]().fields)
    is_decided = REVIEWERS in row.methods.values()
    caller = signed_in(make_user(is_staff=True, is_superuser=True) if is_decided else world.owner)
    before = counts()
    for name, value in FUZZ.items():
        if name in accepted:
            continue
        answer = send(row, world, method, caller, **{name: value})
        assert answer.status_code == 400, (name, answer.content)
        assert name in answer.json()["errors"]
    for text in ("[]", "null", "17", '"text"', "{", "[[" * 5_000, '{"a": NaN}', "\ufeff{}"):
        answer = caller.generic(
            method, world.fill(row.path), text, content_type="application/json", headers={"Idempotency-Key": "once"}
        )
        assert answer.status_code == 400, (text[:20], answer.content)
    assert counts() == before


def counts() -> dict[str, int]:
    rows: tuple[Any, ...] = (User, ApiKey, Basket, TicketQuote, Trade, Order, Position, Suggestion)
    return {model.__name__: model.objects.count() for model in rows}
