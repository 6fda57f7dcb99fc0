"""The first thing that a newcomer's machine runs: each lack gets a sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "make_venv.py"


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script's main after `code` changed what it finds."""
    program = f"import runpy, sys\nsys.argv = ['make_venv.py', *{list(arguments)!r}]\n{code}\n"
    program += f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_an_old_python_is_told_which_one_is_needed(tmp_path: Path) -> None:
    answer = run("sys.version_info = (3, 9, 2)", str(tmp_path / "v"), "requirements.txt")
    assert answer.returncode == 2
    assert "Python 3.11 or later is needed" in answer.stderr
    assert "PYTHON=python3.11" in answer.stderr


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_venv_module_is_named_with_the_package_that_has_it(module: str, tmp_path: Path) -> None:
    answer = run(f"sys.modules[{module!r}] = None", str(tmp_path / "v"), "requirements.txt")
    assert answer.returncode == 2
    assert "apt install python3-venv" in answer.stderr


def test_a_folder_that_cannot_be_made_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file stands where the folder should be made")
    answer = run("", str(tmp_path / "taken"), "requirements.txt")
    assert answer.returncode == 2
    assert "could not be made" in answer.stderr


def test_wrong_arguments_get_the_usage() -> None:
    assert "usage" in run("").stderr
