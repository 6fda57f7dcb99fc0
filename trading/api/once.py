"""`Idempotency-Key` at the door: the same request is carried out once, however often it is sent."""

import re
from collections.abc import Callable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.people import person_of
from itomarkets.lib.api_errors import BadRequest, Conflict, Unprocessable
from itomarkets.records import idempotency

HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x21-\x7e]{1,64}")


def read_key(request: Request, *, is_needed: bool) -> str:
    """Return the key that a request carries; empty where it carries none and needs none."""
    key = request.headers.get(HEADER, "")
    if not key and is_needed:
        raise BadRequest(
            f"Expected the header {HEADER}: a new random value, such as a UUID, for each order that you mean to place. "
            "Send the same one again when you repeat a request whose answer you did not get.",
            "idempotency_key_missing",
        )
    if key and not KEY.fullmatch(key):
        raise BadRequest(
            f"Expected a {HEADER} of 1 to 64 visible ASCII characters; found {len(key)}.", "idempotency_key_invalid"
        )
    return key


def once(
    request: Request,
    *,
    key: str,
    body: Any,
    work: Callable[[], dict[str, Any]],
    where: Callable[[Any], str] | None = None,
) -> Response:
    """Answer 201 with what `work` makes, or with what it made for the same key and body before.

    A refused request did nothing and frees its key. Raises Conflict while the same request is in flight, and
    Unprocessable when the key stands for another body.
    """

    def answer(made: Any, **headers: str) -> Response:
        place = {} if where is None else {"Location": where(made)}
        return Response(made, status=201, headers={**place, **headers})

    if not key:
        return answer(work())
    try:
        claim = idempotency.begin(
            user=person_of(request),
            operation=f"{request.method} {request.path}",
            key=key,
            digest=idempotency.digest_of(body),
        )
    except idempotency.KeyReused as error:
        raise Unprocessable(
            f"This {HEADER} was sent with another body. Use a new key for a new request.", "idempotency_key_reused"
        ) from error
    except idempotency.InFlight as error:
        raise Conflict(
            "The same request is being carried out at this moment. Ask again for its answer.",
            "idempotency_in_flight",
            wait=idempotency.RETRY_SECONDS,
        ) from error
    if isinstance(claim, idempotency.StoredAnswer):
        return answer(claim.body, **{"Idempotent-Replayed": "true"})
    try:
        made = work()
    except Exception:
        idempotency.give_up(claim)
        raise
    idempotency.finish(claim, status=201, body=made)
    return answer(made)
