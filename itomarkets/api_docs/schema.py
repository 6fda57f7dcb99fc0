"""The OpenAPI document of `/api/v1`, made of what the views declare: what they read, answer, and ask for."""

import re
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse, inline_serializer
from rest_framework import serializers

from itomarkets.api_docs.operations import BY_PLACE, ROOT, Operation
from itomarkets.api_docs.parameters import NARROWER, PATH, QUERY

MADE = {"backfillBasket": 202, "createBasket": 201, "quoteBasket": 201, "tradeBasket": 201}
ANSWERS = {
    400: "What cannot be read or is unknown, by name in `errors`.",
    401: "No key, or one that does not work.",
    403: "The key lacks the scope, or this is not the caller's to do.",
    404: "There is no such thing, or it is another person's.",
    406: "Only JSON is to be had.",
    409: "The request does not fit the state that things are in.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "Understood, but it cannot be carried out.",
    429: "Over the limit; `Retry-After` says for how long.",
    503: "Cannot be served for the moment; `Retry-After` says when to ask again.",
}
DOORS = re.compile(r"\b(GET|POST|PATCH|DELETE): ")


class ErrorShape(serializers.Serializer[Any]):
    """Every error: a code for programs, a sentence for people, and where fields are wrong, what is wrong with each."""

    code = serializers.CharField()
    detail = serializers.CharField()
    errors = serializers.DictField(required=False)  # type: ignore[assignment]
    request_id = serializers.CharField()


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A key of yours: `bkt_test_…` or `bkt_live_…`."}


class DecimalTextField(OpenApiSerializerFieldExtension):
    target_class = "itomarkets.lib.api_fields.DecimalText"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}


class Schema(AutoSchema):
    """One operation, as its view, an ApiView, declares it."""

    view: Any

    @property
    def operation(self) -> Operation:
        return BY_PLACE[self.method, self.path]

    def is_excluded(self) -> bool:
        return not self.path.startswith(f"{ROOT}/")

    def get_operation_id(self) -> str:
        return self.operation.id

    def get_tags(self) -> list[str]:
        return [self.operation.group]

    def get_summary(self) -> str:
        words = DOORS.split(" ".join((self.view.__doc__ or "").split()))
        said = dict(zip(words[1::2], words[2::2], strict=True))[self.method].strip()
        return said[0].upper() + said[1:]

    def get_description(self) -> str:  # type: ignore[override]
        scope = self.view.required_scopes.get(self.method)
        return f"Scope: `{scope}`." if scope else "Any working key."

    def get_auth(self) -> list[dict[str, Any]]:
        # A session of our pages opens the same doors; the document is for programs.
        return [{"key": []}] if super().get_auth() else []

    def _get_parameters(self) -> list[dict[str, Any]]:
        found = []
        for name in re.findall(r"{(\w+)}", self.path):
            about, schema = PATH[name]
            found.append({"name": name, "in": "path", "required": True, "description": about, "schema": dict(schema)})
        for name in self.view.parameters.get(self.method, ()):
            about, schema = QUERY[name]
            schema = NARROWER.get((self.operation.id, name), schema)
            found.append({"name": name, "in": "query", "description": about, "schema": dict(schema)})
        if self.operation.is_once:
            found.append(
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": True,
                    "description": "A new random value for each order that you mean to place.",
                    "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
                }
            )
        return found

    def get_request_serializer(self) -> Any:
        return self.view.accepts.get(self.method)

    def get_response_serializers(self) -> Any:
        shape = self.view.answers.get(self.method)
        if self.view.is_list and self.method == "GET":
            name = shape.__name__.removesuffix("Shape")
            shape = inline_serializer(
                f"{name}Page",
                {
                    "results": shape(many=True),
                    "next": serializers.CharField(allow_null=True),
                    "previous": serializers.CharField(allow_null=True),
                },
            )
        code = 204 if self.method == "DELETE" else MADE.get(self.operation.id, 200)
        answers: dict[int, Any] = {code: OpenApiResponse(shape, description="Done.")}
        for status in self._refusals():
            answers[status] = OpenApiResponse(ErrorShape, description=ANSWERS[status])
        return answers

    def _refusals(self) -> list[int]:
        found = [400, 401, 403, 406, 429, 503]
        if "{" in self.path:
            found.append(404)
        if self.method != "GET":
            found += [409, 413, 415, 422]
        return sorted(found)

    def map_renderers(self, attribute: str) -> list[str]:
        return ["application/json"]


@cache
def document() -> dict[str, Any]:
    """Return the whole document; it stays the same while the process lives."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made
