"""Pages for when something is wrong, and the files that every page stands on."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client

from itomarkets.middleware import CONTENT_SECURITY_POLICY
from tests.factories import make_user
from tests.roof.test_pages import INLINE

pytestmark = pytest.mark.django_db
STATIC = Path(settings.BASE_DIR) / "static"


def test_a_missing_page_says_so_and_offers_ways_on(client: Client) -> None:
    answer = client.get("/no-such-page")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "There is nothing here" in page
    assert answer["X-Request-ID"] in page
    assert answer["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


def test_an_unreadable_request_gets_a_page(client: Client) -> None:
    answer = client.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "could not be read" in answer.content.decode()


def test_an_old_form_is_explained(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_user())
    answer = strict.post("/profile/mode", {"mode": "paper"})
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()


def test_a_fault_of_ours_gets_a_page_that_needs_nothing(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    def broken(**kwargs: Any) -> None:
        raise RuntimeError("a canary that no page may show")

    monkeypatch.setattr("baskets.views.basket_rows", broken)
    quiet = Client(raise_request_exception=False)
    with django_assert_num_queries(0):
        answer = quiet.get("/baskets")
    page = answer.content.decode()
    assert answer.status_code == 500
    assert answer["X-Request-ID"] in page
    assert "canary" not in page
    assert not INLINE.search(page)


def test_programs_get_errors_in_one_shape(client: Client) -> None:
    answer = client.get("/api/v1/no-such-thing")
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "detail", "request_id"}


@pytest.mark.parametrize("name", ["maintenance.html", "500.html"])
def test_pages_of_last_resort_render_without_a_request(name: str) -> None:
    page = render_to_string(name)
    assert "<h1>" in page
    assert not INLINE.search(page)


@pytest.mark.parametrize("name", ["400.html", "403.html", "403_csrf.html", "429.html"])
def test_error_pages_render(name: str, client: Client) -> None:
    request = client.get("/").wsgi_request
    page = render_to_string(name, {}, request=request)
    assert "Nothing was changed" in page
    assert not INLINE.search(page)


def test_vendored_files_are_as_published() -> None:
    lines = (STATIC / "vendor" / "CHECKSUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest, name
    there = {
        path.relative_to(STATIC / "vendor").as_posix()
        for path in (STATIC / "vendor").rglob("*")
        if path.is_file() and path.name not in ("CHECKSUMS", "README.md")
    }
    assert there == set(listed)
    assert all((folder / "LICENSE").exists() for folder in (STATIC / "vendor").iterdir() if folder.is_dir())


def test_nothing_is_fetched_from_elsewhere() -> None:
    places = [
        *Path(settings.BASE_DIR, "templates").rglob("*.html"),
        STATIC / "css" / "ito.css",
        *STATIC.glob("js/*.js"),
    ]
    for path in places:
        text = path.read_text()
        found = re.search(r"(?:src|href|url\(|import|fetch\()\s*=?\s*[\"'(]*(?:https?:)?//", text)
        assert not found, f"{path.name}: {found.group(0)}"


def test_htmx_is_told_to_evaluate_nothing(client: Client) -> None:
    page = client.get("/").content.decode()
    found = re.search(r"name=\"htmx-config\" content='([^']+)'", page)
    assert found
    config = json.loads(found.group(1))
    assert config["allowEval"] is False
    assert config["allowScriptTags"] is False
    assert config["includeIndicatorStyles"] is False
    assert config["selfRequestsOnly"] is True
