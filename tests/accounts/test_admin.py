"""People and what they sign in with, as an administrator sees them."""

from datetime import datetime

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse

from tests.accounts.test_api_keys import make_key
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def office(client: Client) -> Client:
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


def test_what_signs_in_as_somebody_is_not_shown_and_not_made(office: Client, now: datetime) -> None:
    person = make_user()
    factor = Authenticator.objects.create(user=person, type="totp", data={"secret": "a-canary"})
    session = UserSession.objects.create(user=person, ip="127.0.0.1", session_key="a-canary", user_agent="x")
    for model, pk in (("mfa_authenticator", factor.pk), ("usersessions_usersession", session.pk)):
        for url in (reverse(f"admin:{model}_changelist"), reverse(f"admin:{model}_change", args=[pk])):
            answer = office.get(url)
            assert answer.status_code == 200
            assert "a-canary" not in answer.content.decode()
        assert office.get(reverse(f"admin:{model}_add")).status_code == 403
        assert office.post(reverse(f"admin:{model}_delete", args=[pk]), {"post": "yes"}).status_code == 302
    assert not Authenticator.objects.exists()


def test_a_key_is_shown_by_its_prefix_alone(office: Client, now: datetime) -> None:
    created = make_key(make_user(), now)
    page = office.get(reverse("admin:accounts_apikey_change", args=[created.row.pk])).content.decode()
    assert created.row.prefix in page
    shown = page.replace(reverse("admin:accounts_apikey_change", args=[created.row.pk]), "")
    assert created.secret.partition(".")[2] not in shown


def test_a_browser_finds_the_icon(client: Client) -> None:
    assert client.get("/favicon.ico")["Location"].endswith("img/favicon.svg")
