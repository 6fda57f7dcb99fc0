"""Keys: minted once, matched in constant time, limited, revoked at once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.test import Client, override_settings
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts import api_keys
from accounts.api.throttling import BucketThrottle
from accounts.api_keys import KeyRefused, create_key, find_key, note_uses, revoke_key, rotate_key, usage_of
from accounts.keys import prefix_of
from accounts.models import ApiKey, User
from accounts.tasks import store_key_uses
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
        {"rate_limit_per_hour": 0},
        {"rate_limit_per_hour": 1_001},
        {"allowed_networks": ["here"]},
        {"allowed_networks": ["10.0.0.1/8"]},
        {"allowed_networks": ["10.0.0.1"] * 21},
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


def test_use_is_counted_by_the_day_and_dated_to_the_minute(now: datetime) -> None:
    row = make_key(make_user(), now).row
    for seconds in (0, 5, 59):
        note_uses(row.prefix, day=now.date(), count=1, now=now + timedelta(seconds=seconds))
    row.refresh_from_db()
    assert (row.use_count, row.last_used_at) == (3, now)
    note_uses(row.prefix, day=now.date() + timedelta(days=1), count=4, now=now + timedelta(seconds=60))
    row.refresh_from_db()
    assert (row.use_count, row.last_used_at) == (7, now + timedelta(seconds=60))
    assert usage_of(row) == [(now.date() + timedelta(days=1), 4), (now.date(), 3)]


def test_a_rotated_key_goes_on_beside_the_one_that_follows_it_until_the_overlap_is_over(now: datetime) -> None:
    user = make_user()
    old = make_key(user, now, scopes=["markets:read"], allowed_networks=["10.0.0.0/8"], rate_limit_per_hour=7)
    new = rotate_key(user=user, prefix=old.row.prefix, now=now, overlap=timedelta(hours=2))
    for name in ("name", "environment", "scopes", "allowed_networks", "rate_limit_per_hour"):
        assert getattr(new.row, name) == getattr(old.row, name)
    soon, later = now + timedelta(hours=1), now + timedelta(hours=2)
    assert find_key(old.secret, now=soon) is not None
    assert find_key(old.secret, now=later) is None
    assert find_key(new.secret, now=later) is not None
    assert AuditEntry.objects.get(action="api_key.rotated").after["followed_by"] == new.row.prefix
    with pytest.raises(KeyRefused, match="rotated before"):
        rotate_key(user=user, prefix=old.row.prefix, now=soon)
    with pytest.raises(KeyRefused, match="expired"):
        rotate_key(user=user, prefix=old.row.prefix, now=later)
    with pytest.raises(KeyRefused, match="overlap"):
        rotate_key(user=user, prefix=new.row.prefix, now=now, overlap=timedelta(days=31))
    with pytest.raises(ApiKey.DoesNotExist):
        rotate_key(user=make_user(), prefix=new.row.prefix, now=now)


def test_rotating_never_lengthens_a_life_and_the_next_key_lives_as_long(now: datetime) -> None:
    user = make_user()
    old = make_key(user, now, expires_at=now + timedelta(hours=3)).row
    ApiKey.objects.filter(pk=old.pk).update(created=now - timedelta(hours=21))
    new = rotate_key(user=user, prefix=old.prefix, now=now).row
    old.refresh_from_db()
    assert old.expiry_date == now + timedelta(hours=3)
    assert new.expiry_date == now + timedelta(hours=24)


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
    store_key_uses()
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


def test_a_revoked_key_is_refused_at_once(now: datetime, django_capture_on_commit_callbacks: Any) -> None:
    created = make_key(make_user(), now)
    assert ask(f"Bearer {created.secret}").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        revoke_key(user=created.row.user, prefix=created.row.prefix, now=now)
    assert ask(f"Bearer {created.secret}").status_code == 401


def test_a_caller_over_the_limit_gets_429_with_retry_after(now: datetime) -> None:
    created = make_key(make_user(), now)
    ApiKey.objects.update(rate_limit_per_hour=1)
    assert ask(f"Bearer {created.secret}").status_code == 200
    answer = ask(f"Bearer {created.secret}")
    assert answer.status_code == 429
    assert answer["Retry-After"] == "3600"


def throttled(user: object, auth: object = None) -> tuple[bool, float | None]:
    request = Request(APIRequestFactory().get("/"))
    request.user, request.auth = user, auth  # type: ignore[assignment]
    throttle = BucketThrottle()
    return throttle.allow_request(request, None), throttle.wait()


def test_people_and_addresses_have_limits_of_their_own(settings: object) -> None:
    settings.API_USER_RATE_PER_HOUR, settings.API_ADDRESS_RATE_PER_HOUR = 2, 1  # type: ignore[attr-defined]
    one, other = make_user(), make_user()
    assert [throttled(one)[0] for _ in range(3)] == [True, True, False]
    assert throttled(one)[1] == 1800
    assert throttled(other)[0]
    assert [throttled(AnonymousUser())[0] for _ in range(2)] == [True, False]


def test_all_keys_of_a_person_share_what_a_person_has(now: datetime, settings: object) -> None:
    settings.API_USER_RATE_PER_HOUR = 3  # type: ignore[attr-defined]
    user = make_user()
    one, other = (make_key(user, now, rate_limit_per_hour=2).secret for _ in range(2))
    assert [ask(f"Bearer {key}").status_code for key in (one, one, one, other, other)] == [200, 200, 429, 200, 429]


def test_a_key_works_from_its_networks_alone_and_a_stranger_cannot_tell(now: datetime) -> None:
    created = make_key(make_user(), now, allowed_networks=["127.0.0.1"])
    elsewhere = make_key(make_user(), now, allowed_networks=["203.0.113.0/24", "2001:db8::/32"])
    assert created.row.allowed_networks == ["127.0.0.1/32"]
    assert ask(f"Bearer {created.secret}").status_code == 200
    refused = ask(f"Bearer {elsewhere.secret}")
    assert refused.status_code == 401
    assert refused.data["detail"] == ask("Bearer bkt_test_AAAABBBB.nope").data["detail"]
    assert elsewhere.row.works_from("203.0.113.9")
    assert elsewhere.row.works_from("2001:db8::7")
    assert not elsewhere.row.works_from("not an address")


def test_who_guesses_keys_is_counted_by_address(settings: object) -> None:
    settings.API_ADDRESS_RATE_PER_HOUR = 2  # type: ignore[attr-defined]
    client = Client()
    header = {"Authorization": "Bearer bkt_test_AAAABBBB.nope"}
    found = [client.get("/api/v1/baskets", headers=header) for _ in range(3)]
    assert [answer.status_code for answer in found] == [401, 401, 429]
    assert int(found[2]["Retry-After"]) == 1800


def test_what_a_caller_writes_into_its_own_forwarding_header_is_not_its_address(now: datetime) -> None:
    created = make_key(make_user(), now, allowed_networks=["203.0.113.9"])
    header = {"Authorization": f"Bearer {created.secret}", "X-Forwarded-For": "203.0.113.9"}
    assert Client().get("/api/v1/status", headers=header).status_code == 401
    with override_settings(REST_FRAMEWORK={**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}):
        assert Client().get("/api/v1/status", headers=header).status_code == 200
        spoofed = header | {"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}
        assert Client().get("/api/v1/status", headers=spoofed).status_code == 401


def test_every_answer_says_what_is_left(now: datetime) -> None:
    created = make_key(make_user(), now, rate_limit_per_hour=10)
    header = {"Authorization": f"Bearer {created.secret}"}
    answer = Client().get("/api/v1/status", headers=header)
    assert answer["RateLimit-Policy"] == '"key";q=10;w=3600, "user";q=5000;w=3600'
    assert answer["RateLimit"] == '"key";r=9;t=360, "user";r=4999;t=1'
    refused = Client().get("/api/v1/trades", headers=header)
    assert (refused.status_code, refused["RateLimit"][:9]) == (403, '"key";r=8')
