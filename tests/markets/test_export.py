"""Markets as CSV: whole or not there, the same twice, and nothing that a spreadsheet would run."""

import csv
import hashlib
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from markets import export
from markets.export import HEADINGS, cell
from markets.models import Market
from markets.search_index import refresh_index
from tests.factories import make_event, make_market


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "markets.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "＝1",
        '=HYPERLINK("http://x","y")',
        "-2+3+cmd|' /C calc'!A0",
    ],
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_cells_are_plain() -> None:
    assert cell(None) == ""
    assert cell(Decimal("1E-6")) == "0.000001"
    assert cell(["a", "=b"]) == "a | =b"
    assert cell(["=a"]) == "'=a"
    assert cell("a\0b") == "ab"
    assert cell(True) == "True"
    assert cell("3 - 1 = 2") == "3 - 1 = 2"


@pytest.mark.django_db
def test_an_export_is_the_same_twice_and_its_manifest_proves_it(tmp_path: Path, now: datetime) -> None:
    event = make_event(title='=cmd|"/C calc"!A0', native_id="KXE")
    make_market(
        title='Will "Ann, Bob"\nwin?', event=event, tags=["Politics", "US"], native_id="KX-2", payout=Decimal("0.5")
    )
    make_market(title="Über 3 %", venue="polymarket", native_id="17", slug="uber-3", status="resolved", yes_bid=None)
    for run in (1, 2):
        call_command("export_markets", out=str(tmp_path / "new" / "folder"))
        content = (tmp_path / "new" / "folder" / "markets.csv").read_bytes()
        manifest = json.loads((tmp_path / "new" / "folder" / "manifest.json").read_text())
        assert manifest["sha256"] == hashlib.sha256(content).hexdigest(), run
        assert manifest["bytes"] == len(content)
        assert (manifest["rows"], manifest["rows_by_venue"]) == (2, {"kalshi": 1, "polymarket": 1})
        assert manifest["columns"] == list(HEADINGS)
        assert manifest["made_at"] == "2026-08-01T12:00:00+00:00"
    rows = read(tmp_path / "new" / "folder")
    assert [row["id"] for row in rows] == ["kalshi:KX-2", "polymarket:17"]
    assert rows[0]["title"] == 'Will "Ann, Bob"\nwin?'
    assert rows[0]["event"] == '\'=cmd|"/C calc"!A0'
    assert (rows[0]["payout"], rows[0]["tags"], rows[0]["open_at"]) == (
        "0.500000",
        "Politics | US",
        "2026-07-01T00:00:00Z",
    )
    assert (rows[1]["yes_bid"], rows[1]["status"]) == ("", "resolved")
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["manifest.json", "markets.csv"]


@pytest.mark.django_db
def test_the_filters_are_those_of_the_search(tmp_path: Path, now: datetime, capsys: Any) -> None:
    make_market(title="Rain in Rome?", volume=Decimal(5))
    make_market(title="Rain in Bonn?", volume=Decimal(50), status="resolved")
    refresh_index()
    call_command("export_markets", "--out", str(tmp_path), "--q", "rian", "--min-volume", "6")
    assert [row["title"] for row in read(tmp_path)] == ["Rain in Bonn?"]
    assert "searched for 'rain' instead" in capsys.readouterr().out
    assert json.loads((tmp_path / "manifest.json").read_text())["filters"] == {"q": "rian", "min_volume": "6"}
    call_command("export_markets", "--out", str(tmp_path), "--status", "open")
    assert [row["title"] for row in read(tmp_path)] == ["Rain in Rome?"]


@pytest.mark.django_db
def test_an_export_that_fails_leaves_the_one_before(tmp_path: Path, now: datetime, monkeypatch: Any) -> None:
    make_market()
    call_command("export_markets", "--out", str(tmp_path))
    before = (tmp_path / "markets.csv").read_bytes()
    make_market()

    def fail(value: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "cell", fail)
    with pytest.raises(CommandError, match=r"cannot be written .No space left on device.; give another folder"):
        call_command("export_markets", "--out", str(tmp_path))
    assert (tmp_path / "markets.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "markets.csv"]


@pytest.mark.django_db
def test_rows_are_streamed(tmp_path: Path, now: datetime, monkeypatch: Any, django_assert_max_num_queries: Any) -> None:
    monkeypatch.setattr(export, "CHUNK", 2)
    monkeypatch.setattr(export, "PROGRESS_EVERY", 2)
    for _ in range(5):
        make_market()
    told: list[str] = []
    with django_assert_max_num_queries(1):
        made = export.export_markets(
            markets=Market.objects.all(), folder=tmp_path, filters={}, now=now, progress=told.append
        )
    assert (made.rows, told) == (5, ["2 markets so far", "4 markets so far"])
