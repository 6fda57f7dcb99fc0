"""`/api-docs`: guides and every operation with examples that work, the OpenAPI document, and a place to try it."""

from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_safe

from itomarkets.api_docs.codes import CODES
from itomarkets.api_docs.examples import LANGUAGES
from itomarkets.api_docs.operations import OPERATIONS, ROOT, Operation
from itomarkets.api_docs.schema import document
from itomarkets.lib.scopes import Scope

SHARED_SECONDS = 300


@dataclass(frozen=True)
class Shown:
    """An operation as the page shows it."""

    operation: Operation
    summary: str
    about: str
    parameters: list[dict[str, Any]]
    accepts: list[tuple[str, str, bool]]
    answers: list[tuple[str, str, bool]]
    status: str
    examples: list[tuple[str, str]]

    @property
    def path(self) -> str:
        return ROOT + self.operation.path


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show the guides and every operation, in our own words and frame, without script."""
    base_url = request.build_absolute_uri("/").rstrip("/")
    groups: dict[str, list[Shown]] = {}
    for operation in OPERATIONS:
        groups.setdefault(operation.group, []).append(_shown(operation, base_url))
    context = {
        "groups": groups,
        "codes": [(status, code, coded(means)) for status, code, means in CODES],
        "scopes": Scope.choices,
        "base_url": base_url,
        "key_rate": settings.API_KEY_RATE_PER_HOUR,
        "user_rate": settings.API_USER_RATE_PER_HOUR,
        "address_rate": settings.API_ADDRESS_RATE_PER_HOUR,
    }
    return render(request, "roof/api_docs.html", context)


@require_safe
def api_try(request: HttpRequest) -> HttpResponse:
    """Show the document in Swagger UI, served from here; a key typed there stays in the page."""
    return render(request, "roof/api_try.html")


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Send the OpenAPI document; it is public and the same for everybody."""
    answer = HttpResponse(orjson.dumps(document()), content_type="application/json")
    answer["Cache-Control"] = f"public, max-age={SHARED_SECONDS}"
    return answer


def _shown(operation: Operation, base_url: str) -> Shown:
    told = document()["paths"][ROOT + operation.path][operation.method.lower()]
    status = next(code for code in told["responses"] if code.startswith("2"))
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    answer = told["responses"][status].get("content", {}).get("application/json", {}).get("schema")
    return Shown(
        operation=operation,
        summary=coded(told["summary"]),
        about=coded(told["description"]),
        parameters=[
            {**one, "kind": _kind(one["schema"]), "description": coded(one["description"])}
            for one in told.get("parameters", [])
        ],
        accepts=_fields(body),
        answers=_fields(answer),
        status=status,
        examples=[(language, write(operation, base_url)) for language, write in LANGUAGES.items()],
    )


def coded(text: str) -> str:
    """Return a text of ours as HTML: what stands in backticks is code."""
    parts = text.split("`")
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if place % 2 else part,) for place, part in enumerate(parts))
    )


def _fields(schema: dict[str, Any] | None) -> list[tuple[str, str, bool]]:
    """Return the fields of a shape with their kinds and whether they must be there; of a list, those of a row."""
    if not schema:
        return []
    shape = _shape(schema)
    if "results" in shape.get("properties", {}) and "items" in shape["properties"]["results"]:
        rows = shape["properties"]["results"]["items"]
        return [(f"results[].{name}", kind, needed) for name, kind, needed in _fields(rows)] + [
            (name, _kind(one), True) for name, one in shape["properties"].items() if name != "results"
        ]
    needed = shape.get("required", [])
    return [(name, _kind(one), name in needed) for name, one in shape.get("properties", {}).items()]


def _shape(schema: dict[str, Any]) -> dict[str, Any]:
    for part in (schema, *schema.get("allOf", []), *schema.get("oneOf", [])):
        if "$ref" in part:
            found: dict[str, Any] = document()["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]]
            return found
    return schema


def _kind(schema: dict[str, Any]) -> str:
    """Say in a few words what a value is."""
    if "enum" in schema:
        return " or ".join(str(value) for value in schema["enum"] if value not in (None, ""))
    if schema.get("type") == "array" or "items" in schema:
        return f"list of {_kind(schema.get('items', {}))}"
    shape = _shape(schema)
    if shape is not schema:
        return ", ".join(shape.get("properties", {})) or "object"
    types = schema.get("type", "value")
    word = " or ".join(types) if isinstance(types, list) else str(types)
    known = {"date-time": "instant", "date": "day", "uuid": "UUID"}
    if str(schema.get("format", "")) in known:
        return word.replace("string", known[schema["format"]])
    return word.replace("string", "decimal") if r"\d+" in schema.get("pattern", "") else word
