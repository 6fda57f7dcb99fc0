"""The workflows for GitHub: each is read, and what it calls is held against the commands as they are."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
CALLS = {
    "daily-market-sync.yml": ["sync_markets", "categorize_markets"],
    "db-migration.yml": ["migrate --plan", "migrate --noinput", "migrate --check"],
    "delete-market-data.yml": ["delete_markets --confirm", "delete_markets --venue --confirm"],
    "generate-system-baskets.yml": ["categorize_markets", "build_system_baskets"],
    "backfill_all_baskets.yml": ["backfill_history --all --days"],
    "backfill_history.yml": ["backfill_history --basket --days"],
    "export_markets.yml": ["export_markets --status --out"],
}
TRIGGERS = {"daily-market-sync.yml": "0 2 * * *", "export_markets.yml": "0 5 * * 1"}
PINNED = re.compile(r"[\w-]+/[\w-]+@(v\d+\.\d+\.\d+|[0-9a-f]{40})")


def load(name: str) -> dict[str, Any]:
    text = (FOLDER / name).read_text()
    # YAML 1.1 reads the key `on` as a truth.
    read = {("on" if key is True else key): value for key, value in yaml.safe_load(text).items()}
    return {**read, "text": text}


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def commands(workflow: dict[str, Any]) -> list[list[str]]:
    """Return what is handed to manage.py, in order."""
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    words = [shlex.split(line) for line in lines]
    return [line[2:] for line in words if line[:2] == ["python", "manage.py"]]


def test_every_workflow_is_known() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_it_calls_commands_and_options_that_there_are(name: str) -> None:
    called = []
    for command, *options in commands(load(name)):
        app = get_commands().get(command)
        assert isinstance(app, str), f"there is no command {command}"
        parser = load_command_class(app, command).create_parser("manage.py", command)
        known = {option for action in parser._actions for option in action.option_strings}
        names = [option.partition("=")[0] for option in options]
        assert set(names) <= known, f"{command} knows no {set(names) - known}"
        called.append(" ".join([command, *names]))
    assert called == CALLS[name]


@pytest.mark.parametrize("name", CALLS)
def test_it_runs_when_it_is_said_to(name: str) -> None:
    on = load(name)["on"]
    assert "workflow_dispatch" in on
    assert set(on) <= {"workflow_dispatch", "schedule"}
    assert [entry["cron"] for entry in on.get("schedule", [])] == ([TRIGGERS[name]] if name in TRIGGERS else [])


@pytest.mark.parametrize("name", CALLS)
def test_its_secrets_are_listed_go_in_by_environment_and_are_never_shown(name: str) -> None:
    workflow = load(name)
    text = workflow["text"]
    used = set(re.findall(r"secrets\.(\w+)", text))
    header = text[: text.index("name:")]
    assert used == set(re.findall(r"^#   ([A-Z_]+) ", header, re.MULTILINE))
    readme = (ROOT / "README.md").read_text()
    assert name in readme
    assert all(f"`{secret}`" in readme for secret in used)
    environments = [job["env"] for job in workflow["jobs"].values()]
    assert {value for env in environments for value in env.values() if "secrets." in value} == {
        f"${{{{ secrets.{secret} }}}}" for secret in used
    }
    for step in steps(workflow):
        run = step.get("run", "")
        assert not any(secret in run for secret in used)
        assert not re.search(r"\b(echo|printenv|env|set -x|cat)\b", run)


@pytest.mark.parametrize("name", CALLS)
def test_no_input_becomes_shell_text(name: str) -> None:
    workflow = load(name)
    for step in steps(workflow):
        run = step.get("run", "")
        assert "${{" not in run, "an expression in a script is filled in before the shell reads it"
        for word in re.findall(r".?\$\w+.?", run):
            assert (word[0], word[-1]) == ('"', '"'), f"{word} is not quoted"
        # With an equals sign, a value cannot be taken for another option.
        assert not re.search(r'--[\w-]+ "\$', run)
    inputs = set((workflow["on"]["workflow_dispatch"] or {}).get("inputs", {}))
    told = {
        name
        for step in steps(workflow)
        for value in step.get("env", {}).values()
        for name in re.findall(r"inputs\.(\w+)", value)
    }
    assert told == inputs


@pytest.mark.parametrize("name", CALLS)
def test_it_may_do_no_more_than_it_must(name: str) -> None:
    workflow = load(name)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    assert all(0 < job["timeout-minutes"] <= 360 for job in workflow["jobs"].values())
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert all(PINNED.fullmatch(action) for action in used), used


def test_only_one_workflow_deletes_and_the_exports_keep_their_files() -> None:
    assert [name for name in CALLS if "delete_markets" in load(name)["text"]] == ["delete-market-data.yml"]
    artifact = next(step for step in steps(load("export_markets.yml")) if "upload-artifact" in step.get("uses", ""))
    assert artifact["with"]["path"] == "export/"
    assert artifact["with"]["if-no-files-found"] == "error"
