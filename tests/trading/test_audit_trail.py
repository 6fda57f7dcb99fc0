"""Everything that moves money, or decides about it, leaves its line in one unbroken chain: who, what, before, after."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.api_keys import revoke_key
from accounts.models import User
from baskets import suggestions
from baskets.drafts import LegDraft
from baskets.models import Basket, Override
from categorization.models import Classification, RiskFactor
from categorization.review import confirm, correct
from itomarkets.records import audit
from itomarkets.records.models import AuditEntry
from tests.accounts.test_api_keys import make_key
from tests.baskets.helpers import make_labelled, make_quoted, make_theme, no_refresh
from tests.factories import make_user
from tests.tampering import let_audit_be_changed
from tests.trading.test_connecting import kalshi_secrets, pem
from tests.trading.test_credentials import key
from tests.trading.venue import KEYS, Books, FakeVenue, sandbox_account, two_leg_basket
from trading import tasks
from trading.accounts import connect_account
from trading.connecting import connect_venue, disconnect_account, switch_live
from trading.credentials import rotate_all
from trading.deciding import choose
from trading.doctor import examine_account
from trading.execution import run_trade
from trading.limits import lift_personal_limit, set_personal_limit
from trading.models import PersonalLimit, TicketQuote, Trade, VenueAccount
from trading.placing import confirm_trade
from trading.quoting import quote_basket
from trading.switch import set_own_switch, set_switch

D = Decimal


@dataclass
class World:
    """A person, their venue and its books, and an office that decides."""

    user: User
    staff: User
    books: Books
    now: datetime
    settings: Any
    request_id: str = "req-audit"

    def quote(self, **values: Any) -> TicketQuote:
        for kind in ("kalshi", "polymarket"):
            sandbox_account(self.user, self.now, kind)
        basket, _, _ = two_leg_basket(self.books)
        asked = {"side": "yes", "amount": D(100), "mode": "sandbox", "now": self.now, **values}
        return quote_basket(
            user=self.user, basket=basket, read_books=self.books.read, request_id=self.request_id, **asked
        )

    def trade(self, policy: str = "best_effort") -> Trade:
        return confirm_trade(
            user=self.user, quote_id=self.quote().pk, idempotency_key="k", policy=policy, now=self.now,
            request_id=self.request_id,
        )  # fmt: skip

    def finished(self, **faults: Any) -> Trade:
        trade = self.trade()
        run_trade(trade.pk, now_fn=lambda: self.now, connect=FakeVenue(now=lambda: self.now, **faults))
        return trade

    def held(self) -> Trade:
        """Its first leg is refused, and the others wait for their owner."""
        trade = self.trade(policy="hold_and_ask")
        venue = FakeVenue(now=lambda: self.now, faults={1: "reject", 2: "reject"})
        run_trade(trade.pk, now_fn=lambda: self.now, connect=venue)
        trade.refresh_from_db()
        assert trade.hold == "ask"
        return trade

    def choose(self, choice: str) -> None:
        choose(
            user=self.user, trade_id=self.held().pk, choice=choice, now=self.now, request_id=self.request_id,
            read_books=self.books.read,
        )  # fmt: skip

    def live_account(self) -> VenueAccount:
        self.settings.VENUES, self.settings.LIVE_TRADING = "live", True
        secrets = kalshi_secrets()
        account = connect_venue(user=self.user, kind="kalshi", mode="live", credentials=secrets, now=self.now)
        VenueAccount.objects.update(examined_at=self.now)
        return account

    def label(self) -> Classification:
        market = make_labelled(make_theme().factors.get(), self.now)
        return Classification.objects.get(market=market)

    def suggested(self) -> Any:
        leg = LegDraft(make_quoted(self.now, "0.40", "0.42").pk, "yes", D(1))
        return suggestions.submit(
            user=self.user, type="new", basket=None, legs=[leg], now=self.now, name="New", description="", reason="Why."
        )

    def office(self) -> Client:
        client = Client()
        client.force_login(self.staff)
        return client

    def override(self) -> None:
        make_theme()
        market = make_quoted(self.now, "0.40", "0.42")
        basket = Basket.objects.create(
            slug="s", name="S", kind="system", visibility="public", created_at=self.now,
            theme=RiskFactor.objects.get().theme,
        )  # fmt: skip
        form = {"market": market.pk, "basket": basket.pk, "action": "exclude", "reason": "wrong"}
        answer = self.office().post(reverse("admin:baskets_override_add"), form)
        assert answer.status_code == 302, answer.context["adminform"].form.errors

    def drop_override(self) -> None:
        self.override()
        path = reverse("admin:baskets_override_delete", args=[Override.objects.get().pk])
        self.office().post(path, {"post": "yes"})

    def key_in_the_office(self) -> None:
        row = make_key(self.user, self.now).row
        form = {"revoked": "on", "rate_limit_per_hour": "5"}
        for _ in range(2):
            assert self.office().post(reverse("admin:accounts_apikey_change", args=[row.pk]), form).status_code == 302
        row.refresh_from_db()
        assert (row.revoked, row.rate_limit_per_hour) == (True, 5)

    def limit(self) -> PersonalLimit:
        return set_personal_limit(
            user=self.user, name="day_notional", most=D(5), reason="asked", changed_by=self.staff, now=self.now
        )

    def reseal(self) -> None:
        sandbox_account(self.user, self.now)
        self.settings.CREDENTIAL_KEYS = ["new:" + key("n"), *KEYS]
        rotate_all(now=self.now)

    def examine(self) -> None:
        secrets = {"key_id": "k", "private_key_pem": pem(Ed25519PrivateKey.generate())}
        account = connect_account(user=self.user, kind="kalshi", mode="sandbox", credentials=secrets, now=self.now)
        examine_account(
            account=account,
            now=self.now,
            open_client=lambda account, now: FakeVenue(now=now),  # type: ignore[arg-type]
        )


def disconnect(world: World) -> None:
    disconnect_account(account=sandbox_account(world.user, world.now), now=world.now)


def reconnect(world: World) -> None:
    for _ in range(2):
        sandbox_account(world.user, world.now)


def live(world: World, *states: bool) -> None:
    account = world.live_account()
    for is_on in states:
        switch_live(account=account, is_on=is_on, now=world.now)


def revoke(world: World) -> None:
    row = make_key(world.user, world.now).row
    for _ in range(2):
        revoke_key(user=world.user, prefix=row.prefix, now=world.now)


def switch(world: World, **values: Any) -> None:
    asked = {"user": None, "state": "halted", "reason": "drill", "changed_by": world.staff, "now": world.now}
    set_switch(**{**asked, **values})


def decided(decide: Callable[..., Any], **values: Any) -> Callable[[World], Any]:
    return lambda world: decide(suggestion=world.suggested(), reviewer=world.staff, now=world.now, **values)


# What is done, the line that it leaves, and whose name stands on it.
WRITERS: dict[str, tuple[Callable[[World], Any], str, str]] = {
    "a quote": (lambda world: world.quote(), "trade.quoted", "user"),
    "an order": (lambda world: world.trade(), "trade.confirmed", "user"),
    "the end of a trade": (lambda world: world.finished(), "trade.finished", ""),
    "a hold": (lambda world: world.held(), "trade.held", ""),
    "going on": (lambda world: world.choose("continue"), "trade.continued", "user"),
    "stopping": (lambda world: world.choose("stop"), "trade.stopped", "user"),
    "an account": (lambda world: sandbox_account(world.user, world.now), "account.connected", "user"),
    "its key anew": (reconnect, "account.reconnected", "user"),
    "its check": (lambda world: world.examine(), "account.examined", ""),
    "its end": (disconnect, "account.disconnected", "user"),
    "real money on": (lambda world: live(world, True), "account.live_on", "user"),
    "real money off": (lambda world: live(world, True, False), "account.live_off", "user"),
    "another sealing key": (lambda world: world.reseal(), "account.resealed", ""),
    "an API key": (lambda world: make_key(world.user, world.now), "api_key.created", "user"),
    "its revocation": (revoke, "api_key.revoked", "user"),
    "its change by staff": (lambda world: world.key_in_the_office(), "api_key.changed", "staff"),
    "everybody's switch": (switch, "trading.switch", "staff"),
    "a venue's switch": (lambda world: switch(world, venue="kalshi"), "trading.switch", "staff"),
    "a person's switch": (
        lambda world: set_own_switch(user=world.user, state="halted", now=world.now), "trading.switch", "user",
    ),
    "a lower limit": (lambda world: world.limit(), "limit.personal", "staff"),
    "a lifted limit": (
        lambda world: lift_personal_limit(limit=world.limit(), changed_by=world.staff, now=world.now),
        "limit.lifted", "staff",
    ),
    "an override": (lambda world: world.override(), "override.saved", "staff"),
    "its removal": (lambda world: world.drop_override(), "override.deleted", "staff"),
    "an approval": (decided(suggestions.approve, refresh=no_refresh), "suggestion.approved", "staff"),
    "a rejection": (decided(suggestions.reject), "suggestion.rejected", "staff"),
    "a confirmed label": (
        lambda world: confirm(classification=world.label(), reviewer=world.staff, now=world.now),
        "label.confirmed", "staff",
    ),
    "a corrected label": (
        lambda world: correct(
            classification=world.label(), reviewer=world.staff, factor=None, direction=0, now=world.now
        ),
        "label.corrected", "staff",
    ),
}  # fmt: skip


@pytest.fixture
def world(user: User, books: Books, now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(tasks.run_trade, "delay", lambda trade_id: None)
    return World(user, make_user(is_staff=True, is_superuser=True), books, now, settings)


@pytest.mark.parametrize("what", WRITERS)
def test_what_was_done_has_one_line_with_its_doers_name(world: World, what: str) -> None:
    do, action, who = WRITERS[what]
    do(world)
    entry = AuditEntry.objects.get(action=action)
    assert entry.actor == (getattr(world, who) if who else None)
    assert entry.subject
    assert entry.before or entry.after
    assert audit.verify_chain().broken_at is None


def test_the_line_of_an_order_carries_the_request_and_precedes_what_is_sent(world: World) -> None:
    trade = world.trade()
    entries = list(AuditEntry.objects.filter(action__startswith="trade.").order_by("seq"))
    assert [entry.action for entry in entries] == ["trade.quoted", "trade.confirmed"]
    assert {entry.request_id for entry in entries} == {"req-audit"}
    assert set(entries[1].after["orders"]) == {str(order.client_id) for order in trade.orders.all()}
    assert set(trade.orders.values_list("status", flat=True)) == {"planned"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"action": "z"}, 2),
        ({"actor": None}, 2),
        ({"at": datetime.fromisoformat("2026-01-01T00:00:00+00:00")}, 2),
        ({"subject": "elsewhere"}, 2),
        ({"before": {"z": 1}}, 2),
        ({"after": {}}, 2),
        ({"request_id": "other"}, 2),
        ({"hash": "0" * 64}, 2),
        ({"prev_hash": "0" * 64}, 2),
        (None, 3),
    ],
)
def test_verify_audit_names_the_first_broken_link(
    world: World, change: dict[str, Any] | None, named: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        switch(world, reason=f"drill {number}", now=world.now + timedelta(seconds=number), request_id="r")
    call_command("verify_audit")
    assert "5 audit entries, unbroken" in capsys.readouterr().out
    let_audit_be_changed()
    row = AuditEntry.objects.filter(seq=2)
    if change is None:
        row._raw_delete(row.db)
    else:
        row.update(**change)
    # A later breach is not what is named.
    AuditEntry.objects.filter(seq=4).update(action="later")
    for _ in range(2):
        with pytest.raises(CommandError, match=rf"broken at entry {named}:"):
            call_command("verify_audit")
