"""The whole journey on recorded data, at full size."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.conftest import ROOT

pytestmark = [pytest.mark.deep, pytest.mark.recorded]
STEP = re.compile(r"^(sync|categorize|build|backfill|record)\s+([\d,]+)\s+([\d.]+)\s+(\d+)$", re.MULTILINE)
THEME = re.compile(r"^(.{26})\s*([\d,]+)\s+([\d,]+)\s+(\d+)\s+([\d.]+)\s+([\d.]+)$", re.MULTILINE)
PEAK_MB = 700


def test_every_recorded_market_is_mirrored_labelled_and_all_18_baskets_have_a_price(
    recorded: Path, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    answer = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "recorded", "--data", str(recorded)],
        env={**environment, "ITO_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=1_200,
    )
    assert answer.returncode == 0, answer.stderr
    steps = {name: (int(rows.replace(",", "")), int(peak)) for name, rows, _, peak in STEP.findall(answer.stdout)}
    assert steps["sync"][0] == steps["categorize"][0] == 105_708
    assert all(peak < PEAK_MB for _, peak in steps.values()), steps
    themes = THEME.findall(answer.stdout)
    assert len(themes) == 18
    assert all(int(legs) >= 5 for _, _, _, legs, _, _ in themes), themes
    assert steps["record"][0] == 18


@pytest.mark.parametrize("arguments", [("--data", "nowhere"), ("--data", "{data}", "--days", "0")])
def test_bad_input_gets_a_sentence(arguments: tuple[str, ...], recorded: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [argument.format(data=recorded) for argument in arguments]
    answer = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "recorded", *command],
        env={**environment, "ITO_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 1
    assert "xpected" in answer.stderr
    assert "Traceback" not in answer.stderr
