"""What baskets' pages say of reviewers' words and of whose a basket is; what the build says when there is nothing."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.test import Client

from baskets.models import Basket, Override
from tests.baskets.helpers import make_basket, make_held_basket, make_quoted, make_theme
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def make_system(slug):
    theme = make_theme(slug)
    return make_basket(kind="system", theme=theme, slug=slug, name=theme.name)


def page_of(basket, user=None):
    client = Client()
    if user is not None:
        client.force_login(user)
    return client.get(f"/baskets/{basket.slug}").content.decode()


def test_a_moved_market_is_named_on_both_baskets_with_reason_person_weight_and_end(now):
    here, there = make_system("energy"), make_system("weather")
    reviewer = make_user(username="ada")
    market = make_quoted(now, "0.40", "0.42", title="Will <b>it</b> snow?")
    Override.objects.create(
        market=market, basket=here, target=there, action="move", weight=Decimal("0.10"), reason="About the sky.",
        created_by=reviewer, created_at=now, until=now + timedelta(days=30),
    )  # fmt: skip
    page = page_of(here)
    for words in ("moved away", "to Weather", "weight 10.0%", "About the sky.", "ada", "until 31 Aug 2026"):
        assert words in page, words
    assert "Will &lt;b&gt;it&lt;/b&gt; snow?" in page
    assert "moved here" in page_of(there)
    assert "from Energy" in page_of(there)


def test_a_word_that_has_run_out_and_a_basket_without_words_show_none(now):
    basket, other = make_system("energy"), make_system("weather")
    Override.objects.create(
        market=make_quoted(now, "0.40", "0.42"), basket=basket, action="exclude", reason="Was wrong.",
        created_by=make_user(), created_at=now - timedelta(days=9), until=now - timedelta(days=1),
    )  # fmt: skip
    assert "Was wrong." not in page_of(basket)
    assert "Reviewers' words" not in page_of(other)


def test_a_public_basket_is_not_called_private_nor_built_by_its_keeper(now):
    user = make_user()
    basket = make_held_basket(now, owner=user, name="From a suggestion")
    client = Client()
    client.force_login(user)
    assert "This basket is public: everybody sees it." in page_of(basket, user)
    assert "public, kept by you" in client.get("/dashboard").content.decode()
    Basket.objects.filter(pk=basket.pk).update(visibility="private")
    assert "This basket is private: only you see it." in page_of(basket, user)
    assert "built by you" in client.get("/dashboard").content.decode()


def test_building_without_a_market_says_what_to_run_first(now, capsys):
    make_theme()
    call_command("build_system_baskets")
    assert "no market to hold yet: run sync_markets and categorize_markets" in capsys.readouterr().out
    make_quoted(now, "0.40", "0.42")
    call_command("build_system_baskets")
    assert "no market to hold yet" not in capsys.readouterr().out
