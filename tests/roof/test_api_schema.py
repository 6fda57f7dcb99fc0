"""The OpenAPI document against the server: drawn requests with every scope and without, known ids and unknown ones."""

import ast
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import schemathesis
from django.conf import settings as django_settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from itomarkets.api_docs.codes import CODES
from itomarkets.api_docs.examples import filled
from itomarkets.api_docs.operations import BY_PLACE, OPERATIONS
from itomarkets.api_docs.schema import document
from itomarkets.lib.scopes import Scope
from tests.accounts.test_api_keys import make_key
from tests.roof.test_api_access import ROWS, World, routes, world

__all__ = ["world"]
pytestmark = pytest.mark.django_db
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
WORDS = {"basket_id": "basket", "market_id": "market", "trade_id": "trade", "run_id": "run"}
ACCOUNT = {"kind": "kalshi", "mode": "sandbox"}


@pytest.fixture(autouse=True)
def _inside_one_transaction() -> Iterator[None]:
    """Keep the connection open from request to request, as Django's own client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(autouse=True)
def _many_requests(settings: Any) -> None:
    settings.API_USER_RATE_PER_HOUR = settings.API_KEY_RATE_PER_HOUR = 10**6


def drawn(operation_id: str, world: World, key: str, examples: int) -> set[int]:
    """Send requests that the document allows, and some that it does not; returns the states that came back."""
    schema = schemathesis.openapi.from_dict(document())
    schema.app = get_wsgi_application()
    operation = schema.find_operation_by_id(operation_id)
    known = {name: world.words[word] for name, word in WORDS.items()} | ACCOUNT
    example = filled(next(one.body for one in OPERATIONS if one.id == operation_id), world.words)
    seen: set[int] = set()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), own=st.sampled_from(["nothing", "path", "path and body"]))
    def send(case: Any, own: str) -> None:
        if own != "nothing":
            case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
        if own == "path and body" and example is not None:
            case.body = example
        # The transport does not undo gzip.
        headers = {"Accept-Encoding": "identity", **({"Authorization": f"Bearer {key}"} if key else {})}
        with transaction.atomic():
            answer = case.call(headers=headers)
            transaction.set_rollback(True)
        case.validate_response(answer, checks=CHECKS)
        seen.add(answer.status_code)

    send()
    return seen


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_drawn_requests_are_answered_as_the_document_says(operation: Any, world: World, now: datetime) -> None:
    key = make_key(world.owner, now, scopes=list(Scope.values)).secret
    assert drawn(operation.id, world, key, 10) - {400, 404, 429}
    assert drawn(operation.id, world, "", 2) == {401}


@pytest.mark.deep
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_hundreds_of_drawn_requests_are_answered_as_the_document_says(
    operation: Any, world: World, now: datetime
) -> None:
    for scope in Scope.values:
        drawn(operation.id, world, make_key(world.owner, now, scopes=[scope]).secret, 20)
    drawn(operation.id, world, make_key(world.owner, now, scopes=list(Scope.values)).secret, 400)


def test_every_method_of_every_route_is_an_operation() -> None:
    served = {
        (method, re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{path}"))
        for path in routes()
        if path.startswith("api/v1/")
        for method in ROWS[path].methods
    }
    assert served == set(BY_PLACE)


def test_the_document_is_openapi_3_1_and_its_shapes_are_json_schemas() -> None:
    made = document()
    assert made["openapi"] == "3.1.0"
    ids = [one["operationId"] for path in made["paths"].values() for one in path.values()]
    assert sorted(ids) == sorted(operation.id for operation in OPERATIONS)
    for shape in made["components"]["schemas"].values():
        Draft202012Validator.check_schema(shape)


GIVES_CODES = ("*/api/*.py", "trading/*.py", "itomarkets/lib/api*.py")
# Where the code stands among what an error is made of.
CODED = {"Conflict": 1, "Unprocessable": 1, "Unavailable": 1, "BadRequest": 1, "NotFound": 1} | {
    "TradeRefused": 0,
    "Denial": 0,
}


def test_every_code_that_the_source_gives_is_listed_once() -> None:
    names = [code for _, code, _ in CODES]
    assert len(names) == len(set(names))
    given: set[str] = set()
    for path in [path for glob in GIVES_CODES for path in django_settings.BASE_DIR.glob(glob)]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODED:
                code = node.args[CODED[node.func.id] :][:1]
                given |= {part.value for part in code if isinstance(part, ast.Constant)}
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_code":
                given.add(ast.literal_eval(node.value))
    assert len(given) > 30
    assert given - set(names) == set()
