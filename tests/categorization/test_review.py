"""Whole events, undo and the order of the queue: what a reviewer's word does, and what it leaves alone."""

from datetime import datetime, timedelta

import pytest

from accounts.models import User
from categorization import review
from categorization.models import Classification, Review, RiskFactor
from categorization.pipeline import categorize_markets
from categorization.review import ReviewError, confirm, correct, decide_event, direction_under, queue, undo, undo_last
from itomarkets.records.models import AuditEntry
from tests.factories import make_event, make_market, make_user

pytestmark = pytest.mark.django_db
Status = Classification.Status


@pytest.fixture
def reviewer() -> User:
    return make_user()


@pytest.fixture
def ladder(now: datetime) -> list[Classification]:
    """Three rungs of one event, and a market of another."""
    event = make_event(title="Bitcoin price on Friday", native_id="KXBTCD-27JAN01", series_key="KXBTCD")
    for rung in (90, 95):
        make_market(event=event, native_id=f"KXBTCD-27JAN01-T{rung}", title=f"Will Bitcoin be above ${rung},000?")
    make_market(event=event, native_id="KXBTCD-27JAN01-T80", title="Will Bitcoin be below $80,000?")
    make_market(title="Will Ethereum be above $9,000?", native_id="KXETHD-27JAN01-T9")
    categorize_markets(markets=None, now=now)
    return list(Classification.objects.select_related("market", "factor").order_by("id"))


def factor(slug: str) -> RiskFactor:
    return RiskFactor.objects.get(slug=slug)


def stands(row: Classification) -> tuple[str | None, int, str]:
    row.refresh_from_db()
    return row.factor.slug if row.factor else None, row.direction, row.status


def test_an_event_is_decided_at_once_and_each_direction_is_read_from_its_own_question(
    ladder: list[Classification], reviewer: User, now: datetime
) -> None:
    first, second, below, other = ladder
    before = stands(other)
    stroke = decide_event(classification=first, reviewer=reviewer, factor=factor("ether-price"), direction=1, now=now)
    assert (len(stroke.reviews), stroke.left) == (3, 0)
    assert stands(second) == ("ether-price", 1, Status.CORRECTED)
    assert stands(below) == ("ether-price", -1, Status.CORRECTED)
    assert stands(other) == before
    again = decide_event(classification=first, reviewer=reviewer, factor=factor("ether-price"), direction=1, now=now)
    assert (again.reviews, again.left) == ((), 2)


def test_an_event_leaves_alone_what_a_reviewer_decided(
    ladder: list[Classification], reviewer: User, now: datetime
) -> None:
    first, second, below, _other = ladder
    correct(classification=second, reviewer=reviewer, factor=factor("gold"), direction=0, now=now)
    stroke = decide_event(classification=first, reviewer=make_user(), factor=first.factor, direction=1, now=now)
    assert (len(stroke.reviews), stroke.left) == (2, 1)
    assert stands(second) == ("gold", 0, Status.CORRECTED)
    assert stands(below) == ("bitcoin-price", -1, Status.CONFIRMED)


def test_a_direction_without_what_was_read_is_neither(ladder: list[Classification]) -> None:
    below = ladder[2]
    assert direction_under(below, factor("gold")) == -1
    assert direction_under(below, None) == 0
    below.trail = []
    assert direction_under(below, factor("gold")) == 0


def test_undo_takes_back_all_of_a_stroke_and_keeps_the_history(
    ladder: list[Classification], reviewer: User, now: datetime
) -> None:
    before = [stands(row) for row in ladder]
    decide_event(classification=ladder[0], reviewer=reviewer, factor=factor("gold"), direction=0, now=now)
    stroke = undo_last(reviewer=reviewer, now=now + timedelta(seconds=1))
    assert len(stroke.reviews) == 3
    assert [stands(row) for row in ladder] == before
    assert Review.objects.count() == 6
    assert AuditEntry.objects.filter(action="label.undone").count() == 3
    with pytest.raises(ReviewError, match="no decision"):
        undo_last(reviewer=reviewer, now=now + timedelta(seconds=2))


def test_undo_goes_back_stroke_by_stroke(ladder: list[Classification], reviewer: User, now: datetime) -> None:
    row = ladder[0]
    before = stands(row)
    confirm(classification=row, reviewer=reviewer, now=now)
    correct(classification=row, reviewer=reviewer, factor=None, direction=0, now=now + timedelta(seconds=1))
    undo_last(reviewer=reviewer, now=now + timedelta(seconds=2))
    assert stands(row) == (before[0], before[1], Status.CONFIRMED)
    undo_last(reviewer=reviewer, now=now + timedelta(seconds=3))
    assert stands(row) == before


def test_what_somebody_decided_since_is_not_undone(ladder: list[Classification], reviewer: User, now: datetime) -> None:
    mine = confirm(classification=ladder[0], reviewer=reviewer, now=now)
    theirs = correct(classification=ladder[0], reviewer=make_user(), factor=factor("gold"), direction=0, now=now)
    assert mine is not None
    assert theirs is not None
    with pytest.raises(ReviewError, match="again since"):
        undo(review=mine, reviewer=reviewer, now=now)
    with pytest.raises(ReviewError, match="somebody else"):
        undo_last(reviewer=reviewer, now=now)
    back = undo(review=theirs, reviewer=reviewer, now=now)
    with pytest.raises(ReviewError, match="undo itself"):
        undo(review=back, reviewer=reviewer, now=now)
    with pytest.raises(ReviewError, match="taken back already"):
        undo(review=theirs, reviewer=reviewer, now=now)


def test_a_label_given_back_is_read_again(ladder: list[Classification], reviewer: User, now: datetime) -> None:
    row = ladder[0]
    confirm(classification=row, reviewer=reviewer, now=now)
    assert categorize_markets(markets=None, now=now).written == 0
    undo_last(reviewer=reviewer, now=now + timedelta(seconds=1))
    assert categorize_markets(markets=None, now=now).written == 1
    assert categorize_markets(markets=None, now=now).written == 0


def test_the_queue_puts_disagreement_first_then_importance_then_doubt(
    ladder: list[Classification], now: datetime
) -> None:
    values = [(False, 0.9, 0.5), (True, 0.1, 0.9), (False, 0.9, 0.2), (True, 0.2, 0.9)]
    for row, (is_disputed, importance, confidence) in zip(ladder, values, strict=True):
        Classification.objects.filter(pk=row.pk).update(
            status=Status.WAITING, is_disputed=is_disputed, importance=importance, confidence=confidence
        )
    order = [ladder[3].pk, ladder[1].pk, ladder[2].pk, ladder[0].pk]
    assert list(queue().values_list("pk", flat=True)) == order
    ladder[3].market.status = "closed"
    ladder[3].market.save()
    assert list(review.queue().values_list("pk", flat=True)) == order[1:]
