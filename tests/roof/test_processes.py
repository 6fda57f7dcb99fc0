import os
import socket
import sys
import time
from pathlib import Path

import pytest

from itomarkets.processes import ProcessProblem, Program, Supervisor, free_port, port_is_free

SLEEP = (sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)")


def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(environment=dict(os.environ), log_folder=tmp_path / "logs")


def test_a_program_that_ends_by_itself_is_named_with_its_last_words(tmp_path: Path) -> None:
    crew = supervisor(tmp_path)
    crew.start(Program("worker", (sys.executable, "-c", "raise SystemExit('the broker is gone')")))
    with pytest.raises(ProcessProblem, match=r"worker ended by itself \(exit code 1\)[\s\S]*the broker is gone"):
        crew.watch()
    crew.stop()


def test_stopping_ends_every_program(tmp_path: Path) -> None:
    crew = supervisor(tmp_path)
    crew.start(Program("one", SLEEP))
    crew.start(Program("two", SLEEP))
    processes = [process for _, process in crew.running]
    crew.check()
    crew.stop()
    assert all(process.poll() is not None for process in processes)
    crew.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are a matter of Unix")
def test_stopping_ends_the_children_of_a_program_too(tmp_path: Path) -> None:
    crew = supervisor(tmp_path)
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    program = Program("parent", (sys.executable, "-c", parent))
    crew.start(program)
    until = time.monotonic() + 10
    while not crew.log_path(program).read_text().strip():
        assert time.monotonic() < until, "the parent never printed its child's id"
        time.sleep(0.05)
    child = int(crew.log_path(program).read_text())
    crew.stop()
    until = time.monotonic() + 10
    while _is_running(child):
        assert time.monotonic() < until, "the child outlived its parent"
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_waiting_for_a_program_that_never_answers_says_where_to_look(tmp_path: Path) -> None:
    crew = supervisor(tmp_path)
    crew.start(Program("silent", SLEEP))
    with pytest.raises(ProcessProblem, match="Nothing answered at"):
        crew.wait_for(f"http://127.0.0.1:{free_port()}/health", seconds=0.5)
    crew.stop()


def test_a_taken_port_is_not_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not port_is_free("127.0.0.1", taken.getsockname()[1])
    assert port_is_free("127.0.0.1", free_port())
