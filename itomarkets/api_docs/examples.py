"""An operation as somebody would write it in Python, JavaScript and cURL. A test runs what stands here."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from itomarkets.api_docs.operations import ROOT, Operation

SAMPLES = {
    "basket": "bas_0Qm7tVb2XcR9dK",
    "market": "kalshi:KXFED-26SEP-T4.00",
    "trade": "0b7ad5a2-3b0e-4c2b-9c56-0f4a3a1c7d10",
    "backfill": "5f3b1c6e-8a55-4d0e-b1de-0c7f6f1f2a33",
    "quote": "9d1f4d0a-6a0c-4f0b-8a53-2f9f0f7e5b21",
}


def address(operation: Operation, base_url: str, words: Mapping[str, str]) -> str:
    path = operation.path
    for name, word in operation.words.items():
        path = path.replace("{" + name + "}", quote(filled(word, words), safe=":"))
    query = f"?{urlencode(operation.query)}" if operation.query else ""
    return f"{base_url}{ROOT}{path}{query}"


def filled(value: Any, words: Mapping[str, str]) -> Any:
    """Return a value of an example with the reader's own words in the places of those in braces."""
    if isinstance(value, str):
        return words.get(value[1:-1], value) if value.startswith("{") else value
    if isinstance(value, list):
        return [filled(item, words) for item in value]
    if isinstance(value, dict):
        return {name: filled(item, words) for name, item in value.items()}
    return value


def in_curl(operation: Operation, base_url: str, words: Mapping[str, str] = SAMPLES) -> str:
    lines = [f"curl --fail-with-body -sS '{address(operation, base_url, words)}'"]
    if operation.method != "GET":
        lines[0] = lines[0].replace("-sS", f"-sS -X {operation.method}")
    lines.append('-H "Authorization: Bearer $BKT_KEY"')
    if operation.is_once:
        lines.append('-H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)"')
    if operation.body is not None:
        lines.append("-H 'Content-Type: application/json'")
        lines.append(f"-d '{json.dumps(filled(operation.body, words))}'")
    return " \\\n  ".join(lines)


def in_python(operation: Operation, base_url: str, words: Mapping[str, str] = SAMPLES) -> str:
    imports = ["import os", *(["import uuid"] if operation.is_once else []), "", "import requests", ""]
    headers = ['"Authorization": f"Bearer {os.environ[\'BKT_KEY\']}"']
    if operation.is_once:
        headers.append('"Idempotency-Key": str(uuid.uuid4())')
    lines = [
        f"answer = requests.{operation.method.lower()}(",
        f'    "{address(operation, base_url, words)}",',
        "    headers={",
        *(f"        {header}," for header in headers),
        "    },",
    ]
    if operation.body is not None:
        lines.append(f"    json={filled(operation.body, words)!r},".replace("'", '"'))
    lines += ["    timeout=30,", ")", "answer.raise_for_status()"]
    lines.append("print(answer.status_code)" if operation.method == "DELETE" else "print(answer.json())")
    return "\n".join([*imports, *lines])


def in_javascript(operation: Operation, base_url: str, words: Mapping[str, str] = SAMPLES) -> str:
    headers = ["Authorization: `Bearer ${process.env.BKT_KEY}`"]
    if operation.is_once:
        headers.append('"Idempotency-Key": crypto.randomUUID()')
    if operation.body is not None:
        headers.append('"Content-Type": "application/json"')
    lines = [f'const answer = await fetch("{address(operation, base_url, words)}", {{']
    if operation.method != "GET":
        lines.append(f'  method: "{operation.method}",')
    lines.append(f"  headers: {{ {', '.join(headers)} }},")
    if operation.body is not None:
        lines.append(f"  body: JSON.stringify({json.dumps(filled(operation.body, words))}),")
    lines += ["});", "if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);"]
    lines.append("console.log(answer.status);" if operation.method == "DELETE" else "console.log(await answer.json());")
    return "\n".join(lines)


LANGUAGES = {"Python": in_python, "JavaScript": in_javascript, "cURL": in_curl}
