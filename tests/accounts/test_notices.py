"""Notices: told once, to their person alone, counted in the frame until they are read."""

import threading

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import Notification
from accounts.notices import notify, read_all, read_one
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def tell(user, now, *, key="suggestion:1", text="It was approved.", url="/suggestions", kind="suggestion"):
    notify(user=user, kind=kind, key=key, text=text, url=url, now=now)


def count_unread(user):
    return user.notifications.filter(read_at=None).count()


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def test_a_thing_is_told_once_to_a_person_and_again_to_another(now):
    first, second = make_user(), make_user()
    tell(first, now)
    tell(first, now, text="The same, told by a job that ran twice.")
    tell(second, now)
    assert Notification.objects.get(user=first).text == "It was approved."
    assert (count_unread(first), count_unread(second)) == (1, 1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "https://example.com/"}, "path of this site"),
        ({"url": "//example.com/"}, "path of this site"),
        ({"url": "/" + "x" * 200}, "path of this site"),
        ({"kind": "advert"}, "Expected one of suggestion, trade"),
    ],
)
def test_a_notice_points_nowhere_else_and_has_a_kind(now, values, words):
    with pytest.raises(ValueError, match=words):
        tell(make_user(), now, **values)
    assert not Notification.objects.exists()


def test_long_words_are_cut_to_what_the_row_holds(now):
    user = make_user()
    tell(user, now, text="word " * 200)
    text = Notification.objects.get().text
    assert len(text) <= 400
    assert text.endswith("word…")


def test_reading_is_done_once_and_only_by_its_person(now):
    user = make_user()
    tell(user, now)
    row = Notification.objects.get()
    with pytest.raises(Notification.DoesNotExist):
        read_one(user=make_user(), pk=row.pk, now=now)
    assert count_unread(user) == 1
    read_one(user=user, pk=row.pk, now=now)
    assert read_all(user=user, now=now) == 0
    assert count_unread(user) == 0


def test_the_frame_counts_what_is_unread_and_the_page_lists_it(now):
    user = make_user()
    client = signed_in(user)
    page = client.get("/notices").content.decode()
    assert "Nothing yet" in page
    assert "new notice" not in page
    tell(user, now)
    tell(user, now, key="suggestion:2", text="It was rejected.")
    page = client.get("/notices").content.decode()
    assert "2 new notices" in page
    assert page.index("It was rejected.") < page.index("It was approved.")
    # Looking reads nothing: another tab still shows the count.
    assert "2 new notices" in client.get("/baskets").content.decode()


def test_opening_reads_one_and_goes_where_it_points(now):
    user = make_user()
    tell(user, now)
    tell(user, now, key="suggestion:2")
    row = Notification.objects.first()
    answer = signed_in(user).post(f"/notices/{row.pk}/open")
    assert (answer.status_code, answer["Location"]) == (302, "/suggestions")
    assert count_unread(user) == 1
    assert signed_in(user).post("/notices/read")["Location"] == "/notices"
    assert count_unread(user) == 0


def test_strangers_and_other_people_reach_no_notice(now):
    tell(make_user(), now)
    row = Notification.objects.get()
    assert signed_in(make_user()).post(f"/notices/{row.pk}/open").status_code == 404
    assert "It was approved." not in signed_in(make_user()).get("/notices").content.decode()
    for method, path in (("get", "/notices"), ("post", "/notices/read"), ("post", f"/notices/{row.pk}/open")):
        answer = getattr(Client(), method)(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login")
    assert signed_in(row.user).get(f"/notices/{row.pk}/open").status_code == 405
    row.refresh_from_db()
    assert row.read_at is None


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_that_tell_the_same_at_once_break_nobodys_transaction(now):
    user = make_user()
    barrier, failed = threading.Barrier(2), []

    def work():
        try:
            with transaction.atomic():
                barrier.wait()
                tell(user, now)
                # The transaction goes on after the refused row.
                count_unread(user)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert count_unread(user) == 1
