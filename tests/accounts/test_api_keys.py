"""Keys: minted once, matched in constant time, limited, revoked at once."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts import api_keys
from accounts.api.throttling import KeyRateThrottle
from accounts.api_keys import KeyRefused, create_key, find_key, note_use, revoke_key
from accounts.keys import prefix_of
from accounts.models import ApiKey, User
from itomarkets.lib import clock
from itomarkets.records.models import AuditEntry
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


def make_key(user: User, now: datetime, **values: object) -> api_keys.CreatedKey:
    defaults: dict[str, object] = {"name": "bot", "scopes": ["baskets:read"], "environment": "test"}
    return create_key(user=user, now=now, **{**defaults, **values})  # type: ignore[arg-type]


def test_a_new_key_is_found_by_its_secret_and_kept_only_as_a_hash(now: datetime) -> None:
    user = make_user()
    created = make_key(user, now)
    assert created.secret.startswith("bkt_test_")
    assert prefix_of(created.secret) == created.row.prefix
    found = find_key(created.secret, now=now)
    assert found is not None
    assert found.user == user
    stored = ApiKey.objects.values().get()
    assert created.secret.partition(".")[2] not in str(stored)
    assert AuditEntry.objects.get(action="api_key.created").subject == f"api_key:{created.row.prefix}"
    assert created.secret not in str(AuditEntry.objects.values().get())


@pytest.mark.parametrize(
    "change",
    [
        {"name": " "},
        {"name": "x" * 51},
        {"scopes": []},
        {"scopes": ["baskets:read", "everything"]},
        {"environment": "production"},
        {"expires_at": datetime.fromisoformat("2026-07-31T00:00:00Z")},
    ],
)
def test_a_key_that_could_not_work_is_refused_and_nothing_is_stored(now: datetime, change: dict[str, object]) -> None:
    with pytest.raises(KeyRefused):
        make_key(make_user(), now, **change)
    assert not ApiKey.objects.exists()
    assert not AuditEntry.objects.exists()


def test_there_is_a_most_of_active_keys_and_revoking_makes_room(now: datetime) -> None:
    user = make_user()
    rows = [make_key(user, now).row for _ in range(api_keys.KEYS_PER_USER)]
    with pytest.raises(KeyRefused, match="revoke one"):
        make_key(user, now)
    revoke_key(user=user, prefix=rows[0].prefix, now=now)
    make_key(user, now)


def test_a_revoked_expired_or_inactive_key_is_not_found(now: datetime) -> None:
    user = make_user()
    revoked, ending, sleeper = (
        make_key(user, now),
        make_key(user, now, expires_at=now + timedelta(days=1)),
        make_key(make_user(), now),
    )
    revoke_key(user=user, prefix=revoked.row.prefix, now=now)
    assert find_key(revoked.secret, now=now) is None
    assert find_key(ending.secret, now=now) is not None
    assert find_key(ending.secret, now=now + timedelta(days=1)) is None
    User.objects.filter(pk=sleeper.row.user_id).update(is_active=False)
    assert find_key(sleeper.secret, now=now) is None


def test_revoking_twice_is_one_event_and_a_foreign_key_is_not_there(now: datetime) -> None:
    user = make_user()
    row = make_key(user, now).row
    revoke_key(user=user, prefix=row.prefix, now=now)
    revoke_key(user=user, prefix=row.prefix, now=now)
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1
    with pytest.raises(ApiKey.DoesNotExist):
        revoke_key(user=make_user(), prefix=row.prefix, now=now)


def test_an_unknown_id_is_compared_all_the_same(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    verify = api_keys._generator.verify
    monkeypatch.setattr(api_keys._generator, "verify", lambda key, kept: compared.append(kept) or verify(key, kept))
    created = make_key(make_user(), now)
    created.row.delete()
    assert find_key(created.secret, now=now) is None
    assert compared == [api_keys._NO_SUCH_KEY]


@given(st.text(max_size=140))
def test_no_text_but_a_key_is_a_key(text: str) -> None:
    assert find_key(text, now=clock.now()) is None


def test_use_is_counted_each_time_and_dated_to_the_minute(now: datetime) -> None:
    row = make_key(make_user(), now).row
    for seconds in (0, 5, 59):
        row.refresh_from_db()
        note_use(row, now=now + timedelta(seconds=seconds))
    row.refresh_from_db()
    assert (row.use_count, row.last_used_at) == (3, now)
    note_use(row, now=now + timedelta(seconds=60))
    row.refresh_from_db()
    assert row.last_used_at == now + timedelta(seconds=60)


class Probe(APIView):
    """An endpoint as every app writes it."""

    required_scopes = {"GET": "baskets:read"}

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.pk})


def ask(header: str = "", query: str = "", user: User | None = None) -> Response:
    request = APIRequestFactory().get(f"/api/v1/probe{query}", **({"HTTP_AUTHORIZATION": header} if header else {}))
    if user is not None:
        # As the session middleware leaves it.
        request.user = user
    return Probe.as_view()(request)  # type: ignore[return-value]


def test_a_key_with_the_scope_is_let_in_and_counted(now: datetime) -> None:
    created = make_key(make_user(), now)
    assert ask(f"Bearer {created.secret}").data == {"user": created.row.user_id}
    created.row.refresh_from_db()
    assert created.row.use_count == 1


def test_a_stranger_is_told_how_to_come_in(now: datetime) -> None:
    created = make_key(make_user(), now)
    for answer in (ask(), ask(query=f"?key={created.secret}"), ask("Basic abc")):
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_key_without_the_scope_is_403(now: datetime) -> None:
    created = make_key(make_user(), now, scopes=["markets:read"])
    assert ask(f"Bearer {created.secret}").status_code == 403


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer a b", "Bearer " + "x" * 500, "Bearer bkt_test_nope.nope", "Bearer \xfc"]
)
def test_a_bad_header_is_401_even_beside_a_good_session(header: str) -> None:
    user = make_user()
    assert ask(user=user).status_code == 200
    answer = ask(header, user=user)
    assert answer.status_code == 401
    assert answer.data["code"] == "authentication_failed"


def test_a_revoked_key_is_refused_at_once(now: datetime) -> None:
    created = make_key(make_user(), now)
    assert ask(f"Bearer {created.secret}").status_code == 200
    revoke_key(user=created.row.user, prefix=created.row.prefix, now=now)
    assert ask(f"Bearer {created.secret}").status_code == 401


def test_a_caller_over_the_limit_gets_429_with_retry_after(now: datetime) -> None:
    created = make_key(make_user(), now)
    ApiKey.objects.update(rate_limit_per_hour=1)
    assert ask(f"Bearer {created.secret}").status_code == 200
    answer = ask(f"Bearer {created.secret}")
    assert answer.status_code == 429
    assert answer["Retry-After"] == "3600"


def throttled(user: object, auth: object) -> tuple[bool, float | None]:
    request = Request(APIRequestFactory().get("/"))
    request.user, request.auth = user, auth  # type: ignore[assignment]
    throttle = KeyRateThrottle()
    return throttle.allow_request(request, None), throttle.wait()


def test_a_key_has_its_hourly_limit_and_is_told_when_it_renews(now: datetime, at: object) -> None:
    row = make_key(make_user(), now).row
    row.rate_limit_per_hour = 3
    assert [throttled(row.user, row)[0] for _ in range(4)] == [True, True, True, False]
    allowed, wait = throttled(row.user, row)
    assert (allowed, wait) == (False, 3600)
    other = make_key(make_user(), now).row
    assert throttled(other.user, other)[0]
    at(now + timedelta(hours=1))  # type: ignore[operator]
    assert throttled(row.user, row)[0]
    assert throttled(AnonymousUser(), None)[0]
