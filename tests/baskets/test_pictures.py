"""Histories are drawn into files: gauge and level, gaps left open, and never a basket that has no past."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from baskets.models import PriceHistory
from baskets.pictures import GAUGE, LEVEL
from tests.baskets.helpers import make_held_basket

pytestmark = pytest.mark.django_db


def day(basket, at, gauge, value):
    PriceHistory.objects.create(
        basket=basket, composition=basket.compositions.get(), interval=86400, at=at, value=Decimal(value),
        gauge_sum=Decimal(gauge), divisor=1, divisor_net=1, legs=1, legs_priced=1, quality="complete",
        source="backfill",
    )  # fmt: skip


def inked(path, colour):
    """Return how wide the drawn line of a colour reaches, and in how many columns it is missing."""
    wanted = tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
    picture = Image.open(path).convert("RGB")
    slices = ((x, picture.crop((x, 0, x + 1, picture.height)).getcolors() or []) for x in range(picture.width))
    columns = [x for x, colours in slices if wanted in {colour for _, colour in colours}]
    return min(columns), max(columns), max(columns) - min(columns) + 1 - len(columns)


def test_a_basket_is_drawn_with_its_gap_and_its_numbers_said(now, tmp_path, capsys):
    basket = make_held_basket(now)
    for number, gauge in ((1, "0.4"), (2, "0.5"), (3, "0.45"), (8, "0.6"), (9, "0.7")):
        day(basket, now.replace(hour=0) - timedelta(days=12 - number), gauge, 100 + number)
    call_command("draw_baskets", basket.slug, "--folder", str(tmp_path))
    said = capsys.readouterr().out
    assert f"{basket.slug}: 5 prices, 1 gaps, 1 compositions; gauge 0.4000 to 0.7000, level 101.00 to 109.00" in said
    for colour in (GAUGE, LEVEL):
        first, last, missing = inked(tmp_path / f"{basket.slug}.png", colour)
        assert (first, last) == (pytest.approx(60, abs=3), pytest.approx(980, abs=3))
        assert missing > 400


def test_what_has_no_past_or_no_name_is_refused(now, tmp_path):
    basket = make_held_basket(now)
    with pytest.raises(CommandError, match="run backfill_history"):
        call_command("draw_baskets", basket.slug, "--folder", str(tmp_path))
    with pytest.raises(CommandError, match="There is no basket nothing"):
        call_command("draw_baskets", "nothing")
    with pytest.raises(CommandError, match="There is no basket yet"):
        call_command("draw_baskets")
    assert not list(tmp_path.iterdir())
