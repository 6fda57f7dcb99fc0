"""Pairs from the matching to the pages: found once, decided by people, used only when approved."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from baskets.drafts import LegDraft, preview
from categorization.models import MarketPair
from categorization.pairs.deciding import PairError, approve, pair_queue, reject, take_back, undo_last
from categorization.pairs.evaluation import wilson
from categorization.pairs.matching import JOB, MatchReport, importance_of, match_markets
from categorization.pairs.partners import pairs_of
from categorization.tasks import match_markets_task
from itomarkets.lib.locks import lease
from itomarkets.records.jobs import run_job
from itomarkets.records.models import AuditEntry, JobRun
from markets.models import Market, SyncRun
from tests.factories import make_market, make_quote, make_user

pytestmark = pytest.mark.django_db
JSON = {"accept": "application/json"}
DESK = "/admin/categorization/marketpair/desk/"


@pytest.fixture
def twins(now: datetime) -> tuple[Market, Market]:
    close = now + timedelta(days=90)
    return (
        make_market(
            title="Will Otto Lind visit Peru before Jan 1, 2027?", rules="Yes if he goes there.", close_at=close
        ),
        make_market(
            title="Will Otto Lind visit Peru in 2026?",
            rules="Yes if he sets foot there.",
            venue="polymarket",
            close_at=close,
        ),
    )


@pytest.fixture
def pair(twins: tuple[Market, Market], now: datetime) -> MarketPair:
    match(now)
    return MarketPair.objects.get()


@pytest.fixture
def desk(client: Client) -> Client:
    user = make_user(is_staff=True, username="ruth")
    user.groups.add(Group.objects.get(name="Reviewers"))
    client.force_login(user)
    return client


def match(now: datetime, **values: Any) -> MatchReport:
    reports: list[MatchReport] = []
    run_job(JOB, lambda: reports.append(match_markets(now=now, **values)) or reports[0])
    return reports[0]


def change(market: Market, now: datetime, **values: Any) -> None:
    Market.objects.filter(pk=market.pk).update(last_changed_at=now, **values)


def test_a_pair_is_found_once_and_the_second_run_writes_nothing(twins: Any, now: datetime) -> None:
    make_market(title="Will it rain in Lima on May 3, 2027?", venue="polymarket")
    first = match(now)
    assert (first.added, first.identical, first.changed) == (1, 1, 3)
    found = MarketPair.objects.get()
    assert (found.kalshi, found.polymarket) == twins
    assert (found.relation, found.status) == ("identical", "pending")
    assert {stage["stage"] for stage in found.evidence} == {"words", "names", "threshold", "time", "source", "void"}
    before = MarketPair.objects.values().get()
    again, whole = match(now + timedelta(days=1)), match(now + timedelta(days=1), full=True)
    assert (again.compared, again.added, again.updated, again.removed) == (0, 0, 0, 0)
    assert (whole.compared, whole.added, whole.updated, whole.removed) == (1, 0, 0, 0)
    assert MarketPair.objects.values().get() == before


def test_only_what_changed_is_compared_again_and_a_pair_that_is_none_any_more_goes(twins: Any, now: datetime) -> None:
    other = make_market(title="Will Ada Berg visit Chile in 2026?")
    match(now)
    later = now + timedelta(days=1)
    fresh = make_market(
        title="Will Ada Berg visit Chile by December 31, 2026?",
        venue="polymarket",
        last_changed_at=later - timedelta(hours=1),
    )
    report = match(later)
    assert (report.changed, report.added) == (1, 1)
    assert MarketPair.objects.get(polymarket=fresh).kalshi == other
    change(twins[0], later + timedelta(days=1), title="Will Otto Lind visit Peru before Jan 1, 2029?")
    report = match(later + timedelta(days=1))
    assert (report.changed, report.updated + report.removed) == (1, 1)
    assert not MarketPair.objects.filter(kalshi=twins[0], relation="identical").exists()


def test_a_waiting_pair_of_a_resolved_market_is_forgotten(pair: MarketPair, now: datetime) -> None:
    change(pair.kalshi, now, status="resolved", payout=Decimal(1))
    assert match(now).removed == 1
    assert not MarketPair.objects.exists()


def test_a_decision_survives_every_run_and_is_audited(pair: MarketPair, now: datetime) -> None:
    ruth = make_user(username="ruth")
    approve(pair=pair, reviewer=ruth, now=now, seen=pair.texts_digest, notes="read both")
    match(now, full=True)
    pair.refresh_from_db()
    assert (pair.status, pair.reviewer, pair.notes) == ("approved", ruth, "read both")
    entry = AuditEntry.objects.get(action="pair.approved")
    assert (entry.subject, entry.actor, entry.after["status"]) == (f"pair:{pair.pk}", ruth, "approved")
    take_back(pair=pair, reviewer=ruth, now=now)
    reject(pair=pair, reviewer=ruth, now=now)
    change(pair.kalshi, now, rules="Other rules.")
    match(now, full=True)
    pair.refresh_from_db()
    assert pair.status == "rejected"


def test_a_changed_rule_opens_an_approved_pair_again_with_the_reason(pair: MarketPair, now: datetime) -> None:
    approve(pair=pair, reviewer=make_user(), now=now)
    later = now + timedelta(days=1)
    change(pair.polymarket, later, rules="Yes if he stays there for a week.")
    assert match(later).reopened == 1
    pair.refresh_from_db()
    assert (pair.status, pair.reviewer) == ("pending", None)
    assert pair.reopened == f"The rules of {pair.polymarket} changed."
    assert AuditEntry.objects.filter(action="pair.reopened", actor=None).exists()
    assert match(later).reopened == 0
    assert not pairs_of([pair.kalshi_id])


def test_what_a_sync_under_way_has_yet_to_commit_is_not_missed(twins: Any, now: datetime) -> None:
    began = now - timedelta(minutes=20)
    run = SyncRun.objects.create(venue="kalshi", started_at=began)
    match(now)
    run.delete()
    make_market(title="Will Otto Lind visit Peru before 2027?", last_changed_at=began)
    assert match(now + timedelta(hours=1)).added == 1


def test_of_two_reviewers_the_second_learns_who_was_first(pair: MarketPair, now: datetime) -> None:
    approve(pair=pair, reviewer=make_user(username="ruth"), now=now)
    with pytest.raises(PairError, match="approved already by ruth"):
        reject(pair=pair, reviewer=make_user(), now=now)
    assert AuditEntry.objects.count() == 1


def test_nobody_decides_on_rules_that_they_did_not_see(pair: MarketPair, now: datetime) -> None:
    change(pair.kalshi, now, rules="Yes if he flies over it.")
    with pytest.raises(PairError, match="reload the page"):
        approve(pair=pair, reviewer=make_user(), now=now, seen=pair.texts_digest)
    assert MarketPair.objects.get().status == "pending"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"relation": "twins"}, "expected one of identical"),
        ({"relation": "subset"}, "needs the venue"),
        ({"relation": "identical", "narrower": "kalshi"}, "needs the venue"),
    ],
)
def test_a_relation_that_cannot_be_is_refused(
    pair: MarketPair, now: datetime, given: dict[str, str], expected: str
) -> None:
    with pytest.raises(PairError, match=expected):
        approve(pair=pair, reviewer=make_user(), now=now, **given)


def test_the_queue_starts_with_the_surest_and_most_liquid(pair: MarketPair, now: datetime) -> None:
    make_market(title="Will Ada Berg visit Chile in 2026?", volume=Decimal(10**8))
    make_market(title="Will Ada Berg visit Chile in 2026?", venue="polymarket", volume=Decimal(10**8))
    match(now, full=True)
    assert next(row.kalshi.title for row in pair_queue()) == "Will Ada Berg visit Chile in 2026?"
    assert importance_of(0.9, Decimal(10**8), Decimal(5)) < importance_of(0.9, Decimal(10**4), Decimal(10**4))
    Market.objects.filter(volume=Decimal(10**8)).update(status="closed")
    assert list(pair_queue()) == [pair]


def test_the_desk_shows_both_rules_with_what_differs_and_decides_by_one_key(desk: Client, pair: MarketPair) -> None:
    page = desk.get(DESK).content.decode()
    assert "<mark>goes</mark>" in page
    assert "<mark>sets foot</mark>" in page
    for key in "arwsbu":
        assert f"<kbd>{key}</kbd>" in page
    assert 'data-key="a"' in page
    assert "style=" not in page.partition('id="desk"')[2]
    address = reverse("admin:categorization_marketpair_decide", args=[pair.pk])
    stale = desk.post(address, {"choice": "approve", "seen": "0"}, headers=JSON)
    assert stale.status_code == 409
    assert "reload" in stale.json()["detail"]
    seen = {"seen": pair.texts_digest}
    answer = desk.post(address, {"choice": "approve", "relation": "subset:kalshi", **seen}, headers=JSON)
    assert answer.json() == {"said": "Approved.", "decided": [pair.pk]}
    pair.refresh_from_db()
    assert (pair.status, pair.relation, pair.narrower) == ("approved", "subset", "kalshi")
    assert desk.post(address, {"choice": "reject", **seen}, headers=JSON).status_code == 409
    assert desk.post(reverse("admin:categorization_marketpair_undo"), headers=JSON).json()["decided"] == [pair.pk]
    assert desk.post(address, {"choice": "maybe", **seen}).status_code == 302
    assert MarketPair.objects.get().status == "pending"
    assert "Nothing waits here" in desk.get(DESK, {"of": "approved"}).content.decode()
    assert f'data-case="{pair.pk}"' not in desk.get(f"{DESK}cases/", {"without": str(pair.pk)}).content.decode()


def test_the_list_decides_many_and_says_what_it_left_alone(desk: Client, pair: MarketPair, now: datetime) -> None:
    address = reverse("admin:categorization_marketpair_changelist")
    chosen = {"action": "approve_pairs", "_selected_action": [pair.pk]}
    assert "Approved 1 pairs." in desk.post(address, chosen, follow=True).content.decode()
    again = desk.post(address, {**chosen, "action": "reject_pairs"}, follow=True).content.decode()
    assert "Rejected 0 pairs." in again
    assert "1 left alone: It is approved already by ruth" in again
    assert "Desk for pairs" in again
    shown = desk.get(reverse("admin:categorization_marketpair_change", args=[pair.pk])).content.decode()
    assert "<mark>sets foot</mark>" in shown
    back = desk.post(address, {**chosen, "action": "take_pairs_back"}, follow=True).content.decode()
    assert "1 pairs wait again." in back


def test_the_desk_is_for_reviewers(client: Client, pair: MarketPair) -> None:
    client.force_login(make_user(is_staff=True))
    address = reverse("admin:categorization_marketpair_decide", args=[pair.pk])
    assert client.get(DESK).status_code == 403
    assert client.post(address, {"choice": "approve"}).status_code == 403
    assert MarketPair.objects.get().status == "pending"


def test_users_see_an_approved_pair_with_both_quotes_and_the_rules(
    client: Client, pair: MarketPair, now: datetime
) -> None:
    make_quote(pair.kalshi, "0.44", "0.46", now)
    make_quote(pair.polymarket, "0.42", "0.43", now)
    address = reverse("market-detail", args=[pair.kalshi_id])
    assert "Also at" not in client.get(address).content.decode()
    approve(pair=pair, reviewer=make_user(), now=now)
    page = client.get(address).content.decode()
    assert "Also at Polymarket, 3.0¢ cheaper." in page
    assert "<mark>sets foot</mark>" in page
    other = client.get(reverse("market-detail", args=[pair.polymarket_id])).content.decode()
    assert "Also at Kalshi, 3.0¢ dearer." in other


def test_a_complement_is_compared_by_its_other_side(pair: MarketPair, now: datetime) -> None:
    make_quote(pair.polymarket, "0.55", "0.57", now)
    approve(pair=pair, reviewer=make_user(), now=now, relation="complement")
    (partner,) = pairs_of([pair.kalshi_id])[pair.kalshi_id]
    assert (partner.same_as_yes, partner.ask, partner.bid) == ("no", Decimal("0.45"), Decimal("0.43"))
    pair.polymarket.quote.delete()
    (listed,) = pairs_of([pair.kalshi_id])[pair.kalshi_id]
    assert (listed.ask, listed.bid) == (Decimal("0.51"), Decimal("0.49"))


def test_a_draft_that_holds_both_markets_of_a_pair_is_told(pair: MarketPair, now: datetime) -> None:
    legs = [LegDraft(pair.kalshi_id, "yes", Decimal(1)), LegDraft(pair.polymarket_id, "yes", Decimal(1))]
    assert "both venues" not in " ".join(preview(legs, now).conflicts)
    approve(pair=pair, reviewer=make_user(), now=now)
    assert "its weight counts twice" in " ".join(preview(legs, now).conflicts)
    against = [legs[0], LegDraft(pair.polymarket_id, "no", Decimal(1))]
    assert "together they always pay one dollar" in " ".join(preview(against, now).conflicts)


def test_the_command_and_the_task_leave_a_run_and_give_way_to_another(twins: Any, now: datetime) -> None:
    out = StringIO()
    call_command("match_markets", "--json", stdout=out)
    assert json.loads(out.getvalue())["added"] == 1
    assert match_markets_task()["added"] == 0
    assert list(JobRun.objects.filter(name=JOB).values_list("status", flat=True)) == ["done", "done"]
    with lease(f"job:{JOB}", seconds=60), pytest.raises(CommandError, match="Another matching is running"):
        call_command("match_markets")


def test_labels_are_measured_and_a_bad_line_is_named(twins: Any, tmp_path: Path) -> None:
    labels = tmp_path / "labels.tsv"
    kalshi, polymarket = (market.native_id for market in twins)
    labels.write_text(
        f"kalshi\tpolymarket\trelation\n{kalshi}\t{polymarket}\tidentical\nKXGONE-26\t{polymarket}\tdifferent\n"
    )
    out = StringIO()
    call_command("evaluate_pairs", "--labels", str(labels), "--json", stdout=out)
    measured = json.loads(out.getvalue())
    assert (measured["precision"]["hits"], measured["recall"]["count"], measured["not_here"]) == (1, 1, 1)
    call_command("evaluate_pairs", "--labels", str(labels), stdout=out)
    assert "precision of identical: 1.0000 (1/1), 0.2065 to 1.0000." in out.getvalue()
    labels.write_text(f"kalshi\tpolymarket\trelation\n{kalshi}\t{polymarket}\ttwins\n")
    with pytest.raises(CommandError, match="line 2: expected two ids and one of"):
        call_command("evaluate_pairs", "--labels", str(labels))


def test_wilsons_interval_is_the_textbook_one() -> None:
    found = wilson(98, 100)
    assert (found.share, found.low, found.high) == (0.98, 0.93, 0.9945)
    assert wilson(0, 0).share is None


def test_undo_takes_back_only_what_is_mine(pair: MarketPair, now: datetime) -> None:
    approve(pair=pair, reviewer=make_user(), now=now)
    with pytest.raises(PairError, match="no decision of yours"):
        undo_last(reviewer=make_user(), now=now)
