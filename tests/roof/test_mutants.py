"""The tool that breaks the code on purpose, on a tree of two files: found, survived, broken, and moved on."""

from pathlib import Path

import pytest

from tools import mutants

SUM = "def add(one, other):\n    return one + other\n"
TEST = """from sums import add

def test_two_and_three():
    assert add(2, 3) == 5

def test_nothing_much():
    assert add(0, 0) == 0
"""
MUTATION = """
[[mutation]]
name = "{name}"
says = "what it breaks"
tests = ["test_sums.py::{test}"]
changes = [{{ path = "sums.py", old = "{old}", new = "{new}" }}]
"""
FOUND = {"name": "minus", "test": "test_two_and_three", "old": "one + other", "new": "one - other"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with its own pytest, so that nothing of this project's is loaded."""
    folder = tmp_path / "tree"
    (folder / "tools").mkdir(parents=True)
    (folder / "sums.py").write_text(SUM)
    (folder / "test_sums.py").write_text(TEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.setattr(mutants, "PYTEST", ("-x", "-q", "--tb=no", "-rfE", "-p", "no:django", "-p", "no:cacheprovider"))
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    return folder


def judged(tree: Path, *rows: dict[str, str], more: tuple[str, ...] = ()) -> int:
    text = "".join(MUTATION.format(**row) for row in rows)
    (tree / "tools" / "mutants.toml").write_text(text)
    return mutants.main(["--root", str(tree), "--jobs", "1", *more])


def test_a_mutant_that_a_test_notices_is_named_with_that_test(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(tree, FOUND) == 0
    said = capsys.readouterr().out
    assert "minus  found" in said
    assert "test_two_and_three: assert -1 == 5" in said
    assert "1 of 1 mutants were found in" in said
    assert (tree / "sums.py").read_text() == SUM


def test_a_mutant_that_survives_or_breaks_the_tests_themselves_fails_the_run(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    survives = {**FOUND, "name": "survives", "test": "test_nothing_much"}
    breaks = {**FOUND, "name": "breaks", "new": "one +* other"}
    # A name that the code does not have fails every test: that proves nothing about them.
    nameless = {**FOUND, "name": "nameless", "new": "one + another"}
    assert judged(tree, survives, FOUND, breaks, nameless) == 1
    said = capsys.readouterr().out
    assert "survives  SURVIVED" in said
    assert "breaks    BROKEN" in said
    assert "minus     found" in said
    assert "nameless  BROKEN" in said
    assert "1 of 4 mutants were found in" in said


def test_a_mutant_that_never_ends_was_not_judged(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutants, "START_SECONDS", 1)
    monkeypatch.setattr(mutants, "TIMES_BASELINE", 0)
    endless = {**FOUND, "name": "endless", "new": "add(one, other) if __import__('time').sleep(600) else 0"}
    assert judged(tree, endless) == 1
    said = capsys.readouterr().out
    assert "endless  BROKEN" in said
    assert "had not ended after" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"old": "one * other"}, "found it 0 times"),
        ({"old": "other"}, "found it 2 times"),
        ({"new": "one + other"}, "changes nothing"),
    ],
)
def test_a_text_that_is_no_longer_there_fails_loudly_before_any_test(
    tree: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], said: str
) -> None:
    assert judged(tree, FOUND | change) == 2
    assert said in capsys.readouterr().err
    assert judged(tree, FOUND | change, more=("--check",)) == 2


def test_tests_that_are_red_without_a_mutation_prove_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "sums.py").write_text(SUM.replace("+ other", "+ other + 1"))
    assert judged(tree, {**FOUND, "old": "other + 1", "new": "other + 2"}) == 2
    assert "not green without any mutation" in capsys.readouterr().err


@pytest.mark.parametrize(("rows", "said"), [((), "expected mutations"), ((FOUND, FOUND), "a name of its own")])
def test_a_file_without_mutations_or_with_two_of_a_name_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str], rows: tuple[dict[str, str], ...], said: str
) -> None:
    assert judged(tree, *rows) == 2
    assert said in capsys.readouterr().err


def test_an_unknown_name_is_refused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(tree, FOUND, more=("--only", "plus")) == 2
    assert "no mutation plus" in capsys.readouterr().err


def test_the_projects_own_mutations_fit_its_code() -> None:
    """Who moves the code moves the mutation with it, in the same commit."""
    assert mutants.main(["--check"]) == 0
    names = {mutation.name for mutation in mutants.read_mutations(mutants.ROOT / "tools" / "mutants.toml")}
    assert {"outbox-commit", "fill-once", "unknown-as-rejected", "second-sweep"} <= names
