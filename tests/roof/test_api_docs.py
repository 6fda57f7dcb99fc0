"""The API's documents: public, whole, and nothing on them from elsewhere."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from itomarkets.api_docs.operations import OPERATIONS
from itomarkets.lib.scopes import Scope
from tests.roof.test_pages import INLINE

pytestmark = pytest.mark.django_db


def test_a_stranger_reads_every_operation_with_its_examples(client: Client) -> None:
    answer = client.get("/api-docs")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert not INLINE.search(page)
    assert [word for word in (*Scope.values, "Idempotent-Replayed", "RateLimit-Policy") if word not in page] == []
    for operation in OPERATIONS:
        assert f'id="{operation.id}"' in page
        for language in ("Python", "JavaScript", "cURL"):
            assert f'aria-label="{operation.id} in {language}"' in page
    # What stands in backticks in our sentences is code on the page.
    assert "`" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.S)


def test_the_page_to_try_it_on_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api-docs/try").content.decode()
    assert not INLINE.search(page)
    for address in re.findall(r'(?:src|href)="([^"#]+)', page):
        assert address.startswith("/"), address
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert finders.find(f"drf_spectacular_sidecar/swagger-ui-dist/{name}")
    assert client.get("/api-docs/openapi.json").json()["openapi"] == "3.1.0"
