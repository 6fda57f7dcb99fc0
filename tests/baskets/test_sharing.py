"""A person's own basket is private, or seen by whoever has its link: at an address that nobody can guess."""

import pytest
from django.test import Client

from baskets.editing import EditRefused, share_basket
from baskets.models import Basket
from baskets.reading import reachable_by, visible_to
from itomarkets.records.models import AuditEntry
from tests.baskets.helpers import make_held_basket
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def basket(now):
    return make_held_basket(now, visibility="private", name="Oil goes up", slug="oil-goes-up")


def test_whoever_has_the_link_opens_the_basket_and_no_list_shows_it(basket, now):
    owner, stranger, nobody = Client(), Client(), Client()
    owner.force_login(basket.owner)
    stranger.force_login(make_user())
    assert stranger.get("/baskets/oil-goes-up").status_code == 404
    answer = owner.post("/baskets/oil-goes-up/share", {"visibility": "link"})
    link = answer["Location"]
    assert link.startswith("/baskets/oil-goes-up-")
    assert len(link) > len("/baskets/oil-goes-up-") + 19
    for client in (owner, stranger, nobody):
        page = client.get(link)
        assert page.status_code == 200
        assert '<meta name="robots" content="noindex">' in page.content.decode()
        assert client.get(f"{link}/chart.json").status_code == 200
    assert "Oil goes up" not in stranger.get("/baskets").content.decode()
    assert stranger.get("/baskets/oil-goes-up").status_code == 404
    assert stranger.post(f"{link}/share", {"visibility": "private"}).status_code == 404
    assert AuditEntry.objects.filter(action="basket.shared", actor=basket.owner).count() == 1


def test_what_is_taken_back_is_gone_and_sharing_again_gives_another_link(basket, now):
    shared = share_basket(user=basket.owner, basket=basket, visibility="link", now=now)
    again = share_basket(user=basket.owner, basket=shared, visibility="link", now=now)
    assert again.slug == shared.slug
    back = share_basket(user=basket.owner, basket=shared, visibility="private", now=now)
    assert not reachable_by(make_user()).filter(pk=back.pk).exists()
    assert visible_to(basket.owner).filter(pk=back.pk).exists()
    assert share_basket(user=basket.owner, basket=back, visibility="link", now=now).slug != shared.slug


@pytest.mark.parametrize(
    ("values", "change", "words"),
    [
        ({"visibility": "public"}, {}, "Choose whether"),
        ({"visibility": ""}, {}, "Choose whether"),
        ({}, {"visibility": "public"}, "is public"),
        ({}, {"is_active": False}, "was deleted"),
    ],
)
def test_nobody_makes_a_basket_public_or_shares_what_is_not_theirs(basket, now, values, change, words):
    Basket.objects.filter(pk=basket.pk).update(**change)
    given = {"user": basket.owner, "visibility": "link", **values}
    with pytest.raises(EditRefused, match=words):
        share_basket(basket=basket, now=now, **given)
    with pytest.raises(EditRefused, match="Only its owner"):
        share_basket(basket=basket, now=now, user=make_user(), visibility="link")
    assert Basket.objects.get(pk=basket.pk).slug == "oil-goes-up"
