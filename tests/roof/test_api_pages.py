"""The API in a browser: the same answers on one of our pages, for people; programs never meet it."""

from datetime import datetime

import pytest
from django.test import Client

from tests.accounts.test_api_keys import make_key
from tests.baskets.helpers import make_held_basket
from tests.factories import make_user
from tests.roof.test_pages import INLINE

pytestmark = pytest.mark.django_db
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HOSTILE = '</code><script>alert(1)</script>"onload="x'


def look(path: str, client: Client) -> tuple[int, str]:
    answer = client.get(path, headers={"Accept": BROWSER})
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    return answer.status_code, answer.content.decode()


def test_a_signed_in_person_reads_answers_on_a_page_without_inline_code(now: datetime, client: Client) -> None:
    user = make_user()
    client.force_login(user)
    for _ in range(2):
        make_held_basket(now, name=HOSTILE[:120], description=HOSTILE)
    status, page = look("/api/v1/baskets?limit=1", client)
    assert status == 200
    assert "GET /api/v1/baskets" in page
    assert "baskets:read" in page
    assert "Next page" in page
    assert HOSTILE not in page
    assert "<script>" not in page
    assert not INLINE.search(page), INLINE.search(page)
    assert "ETag" not in client.get("/api/v1/baskets", headers={"Accept": BROWSER})


@pytest.mark.parametrize("path", ["/api/v1/baskets?colour=red", "/api/v1/status", "/api/v1/trades", "/api/v1/exposure"])
def test_every_answer_has_a_page_errors_too(path: str, now: datetime, client: Client) -> None:
    client.force_login(make_user())
    status, page = look(path, client)
    assert status == (400 if "red" in path else 200)
    assert not INLINE.search(page)


def test_a_stranger_with_a_browser_is_told_to_come_in(client: Client) -> None:
    status, page = look("/api/v1/baskets", client)
    assert status == 401
    assert "not_authenticated" in page


def test_a_key_gets_json_whatever_it_accepts_beside_it(now: datetime) -> None:
    key = make_key(make_user(), now).secret
    for accept, status in ((BROWSER, 200), ("*/*", 200), ("text/html", 406)):
        answer = Client().get("/api/v1/baskets", headers={"Authorization": f"Bearer {key}", "Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")


def test_without_a_wish_everybody_gets_json(client: Client) -> None:
    client.force_login(make_user())
    assert client.get("/api/v1/baskets")["Content-Type"] == "application/json"
