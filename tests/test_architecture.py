"""Holds what import-linter cannot see: relations between apps, packages with one room, floats in money code."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parents[1]
APPS = ("accounts", "markets", "categorization", "baskets", "trading")
# What a model of each app may point at, besides its own app and Django's content types and groups.
RELATIONS = {
    "records": {"accounts"},
    "accounts": {"auth"},
    "markets": set(),
    "categorization": {"accounts", "markets"},
    "baskets": {"accounts", "markets", "categorization"},
    "trading": {"accounts", "markets", "baskets"},
}
ONE_ROOM = {
    "polymarket": ("trading/venues/polymarket.py",),
    "sklearn": ("categorization/",),
    "websockets": ("markets/streams/running.py",),
    "httpx": (
        "itomarkets/lib/http.py",
        "itomarkets/sandbox/",
        "markets/venues/",
        "trading/venues/",
        # The simulation is the network itself; the bench's yardstick is a bare request.
        "itomarkets/simulation/",
        "trading/benches.py",
    ),
}
MONEY_ROOMS = ("markets", "baskets", "trading", "itomarkets/lib")
# A float that is no money: model scores, seconds, page ages, tokens of a bucket.
FLOAT_MAY_STAND_IN = {
    "itomarkets/lib/buckets.py",
    "itomarkets/lib/clock.py",
    "itomarkets/lib/http.py",
    "markets/fake_venue.py",
}


def source_files(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "migrations" not in path.parts and "__pycache__" not in path.parts
    ]


@pytest.mark.parametrize("label", sorted(RELATIONS))
def test_models_point_only_at_the_floors_below(label: str) -> None:
    allowed = RELATIONS[label] | {label}
    for model in apps.get_app_config(label).get_models():
        for field in model._meta.get_fields():
            if isinstance(field, (models.ForeignKey, models.OneToOneField, models.ManyToManyField)):
                target = field.related_model._meta.app_label
                assert target in allowed, f"{model.__name__}.{field.name} points at {target}"


@pytest.mark.parametrize("package", sorted(ONE_ROOM))
def test_a_package_is_imported_only_in_its_room(package: str) -> None:
    for path in source_files("itomarkets", *APPS):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(ONE_ROOM[package]):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            imported: list[str] = []
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                imported = [node.module or ""]
            assert not any(entry.split(".")[0] == package for entry in imported), f"{name} imports {package}"


def test_money_code_makes_no_floats() -> None:
    for path in source_files(*MONEY_ROOMS):
        name = path.relative_to(ROOT).as_posix()
        if name in FLOAT_MAY_STAND_IN:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "float", f"{name}:{node.lineno} calls float()"
            if isinstance(node, ast.Attribute):
                assert node.attr != "FloatField", f"{name}:{node.lineno} uses a FloatField"


def test_apps_read_the_time_from_the_one_clock() -> None:
    banned = re.compile(r"\b(datetime\.now|datetime\.utcnow|timezone\.now|time\.time)\(")
    for path in source_files("itomarkets", *APPS):
        name = path.relative_to(ROOT).as_posix()
        if name in ("itomarkets/lib/clock.py", "itomarkets/management/commands/recorded.py"):
            continue
        found = banned.search(path.read_text())
        assert not found, f"{name} reads {found.group(0)}…); use itomarkets.lib.clock.now()"


def test_templates_and_scripts_trust_no_text() -> None:
    banned = re.compile(r"\|\s*safe\b|mark_safe|innerHTML|autoescape off")
    files = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("static/js/**/*.js"), *source_files("itomarkets", *APPS)]
    assert files
    for path in files:
        found = banned.search(path.read_text())
        assert not found, f"{path.relative_to(ROOT)} has {found.group(0)}"


def test_the_project_speaks_of_itself_alone() -> None:
    # Spelled apart, so that this file does not find itself.
    words = (("/wo", "rk/"), ("/tm", "p/team"), ("../sha", "red"), ("TO", "DO"), ("FIX", "ME"))
    banned = re.compile("|".join(re.escape("".join(word)) for word in words))
    suffixes = {".py", ".md", ".html", ".js", ".css", ".toml", ".txt", ".tsv"}
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if parts[0] in (".venv", ".git", "var", "staticfiles") or "vendor" in parts or path.suffix not in suffixes:
            continue
        found = banned.search(path.read_text(errors="replace"))
        assert not found, f"{path.relative_to(ROOT)} has {found.group(0)}"
