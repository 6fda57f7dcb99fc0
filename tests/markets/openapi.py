"""Requests of the read clients against the venues' OpenAPI files."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import orjson
import yaml

TYPES = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": "true|false"}


@lru_cache
def document(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        found: dict[str, Any] = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


def complaints(spec: dict[str, Any], request: httpx.Request, path: str) -> list[str]:
    """Say what of a request its document does not describe: path, method, parameter, value, body."""
    template = (
        path
        if path in spec["paths"]
        else next((known for known in spec["paths"] if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", known), path)), None)
    )
    if template is None:
        return [f"{path} is not described"]
    operation = spec["paths"][template].get(request.method.lower())
    if operation is None:
        return [f"{request.method} {path} is not described"]
    listed = [*spec["paths"][template].get("parameters", []), *operation.get("parameters", [])]
    known = {one["name"]: one for one in (_resolved(spec, part) for part in listed) if one["in"] == "query"}
    found = [
        f"{path}: {name} is required"
        for name, one in known.items()
        if one.get("required") and name not in request.url.params
    ]
    for name in request.url.params:
        if name not in known:
            found.append(f"{path}: {name} is not described")
            continue
        for value in request.url.params.get_list(name):
            found += _wrong(spec, f"{path}: {name}", _resolved(spec, known[name]["schema"]), value)
    if request.method == "POST":
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        found += _wrong_body(spec, path, _resolved(spec, schema), orjson.loads(request.content))
    return found


def _wrong(spec: dict[str, Any], where: str, schema: dict[str, Any], value: str) -> list[str]:
    if schema.get("type") == "array":
        schema = _resolved(spec, schema["items"])
    pattern = TYPES.get(schema.get("type", ""))
    if pattern and not re.fullmatch(pattern, value):
        return [f"{where} is {value!r}, no {schema['type']}"]
    if schema.get("enum") and value not in map(str, schema["enum"]):
        return [f"{where} is {value!r}, not one of {schema['enum']}"]
    if pattern and "maximum" in schema and float(value) > schema["maximum"]:
        return [f"{where} is {value}, above {schema['maximum']}"]
    return []


def _wrong_body(spec: dict[str, Any], where: str, schema: dict[str, Any], body: Any) -> list[str]:
    if schema.get("type") == "array":
        if not isinstance(body, list):
            return [f"{where}: the body is no list"]
        return [text for part in body[:3] for text in _wrong_body(spec, where, _resolved(spec, schema["items"]), part)]
    missing = [name for name in schema.get("required", []) if name not in body]
    unknown = [name for name in body if name not in schema.get("properties", {})]
    return [f"{where}: the body lacks {name}" for name in missing] + [
        f"{where}: {name} in the body" for name in unknown
    ]


def _resolved(spec: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = spec
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node
