"""Start several programs, watch them, and stop them all together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

STOP_SECONDS = 10


class ProcessProblem(Exception):
    """A program could not be started or has ended by itself; the text says what to do."""


@dataclass(frozen=True)
class Program:
    """A program to keep running: a name for people, and its command line."""

    name: str
    arguments: Sequence[str]


class Supervisor:
    """Keeps a set of programs running, their output in files; if one ends, all end."""

    def __init__(self, *, environment: Mapping[str, str], log_folder: Path) -> None:
        self.environment = dict(environment)
        self.log_folder = log_folder
        self.running: list[tuple[Program, subprocess.Popen[bytes]]] = []
        log_folder.mkdir(parents=True, exist_ok=True)

    def log_path(self, program: Program) -> Path:
        return self.log_folder / f"{program.name}.log"

    def start(self, program: Program) -> None:
        """Start a program in a group of its own, so that Ctrl-C reaches it through us and in order."""
        with self.log_path(program).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603
                list(program.arguments),
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Windows ignores it
            )
        self.running.append((program, process))

    def check(self) -> None:
        """Raise ProcessProblem, with the end of its log, if a program has ended."""
        for program, process in self.running:
            code = process.poll()
            if code is not None:
                tail = self.log_path(program).read_text(errors="replace").strip().splitlines()[-12:]
                raise ProcessProblem(
                    f"{program.name} ended by itself (exit code {code}). Its last lines, from "
                    f"{self.log_path(program)}:\n" + "\n".join(f"    {line}" for line in tail)
                )

    def wait_for(self, url: str, *, seconds: float) -> None:
        """Wait until a started program answers at `url`; raises ProcessProblem when it ends or is too slow."""
        until = time.monotonic() + seconds
        while True:
            self.check()
            try:
                with urlopen(url, timeout=2):  # noqa: S310
                    return
            except (URLError, OSError):
                if time.monotonic() > until:
                    raise ProcessProblem(
                        f"Nothing answered at {url} within {seconds:.0f} s; see {self.log_folder}."
                    ) from None
                time.sleep(0.2)

    def watch(self) -> None:
        """Stay until a program ends (ProcessProblem) or we are told to stop (KeyboardInterrupt)."""
        while True:
            self.check()
            time.sleep(0.5)

    def stop(self) -> None:
        """Ask every program to end, the last started first; end by force what does not."""
        for _, process in reversed(self.running):
            if process.poll() is None:
                _signal_group(process, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for _, process in self.running:
            try:
                process.wait(timeout=max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(process, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
                process.wait()
        self.running.clear()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal a program and its children: gunicorn and celery have some."""
    try:
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def port_is_free(host: str, port: int) -> bool:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on just now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
