"""What `up` says before it starts anything, and when the disk gives out on the way."""

import errno
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from itomarkets.management.commands import up
from itomarkets.processes import free_port


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def _free_ports(settings: Any) -> None:
    settings.SANDBOX_URL = f"http://127.0.0.1:{free_port()}"


def test_a_disk_that_is_nearly_full_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 3 * 10**8))
    with pytest.raises(CommandError, match=r"Only 0\.3 GB are free at .* set ITO_VAR"):
        call_command("up", port=free_port())


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OperationalError("database or disk is full")]
)
def test_a_disk_that_fills_up_on_the_way_gets_a_sentence(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up.Command, "_prepare", raising(error))
    with pytest.raises(CommandError, match=r"is full\. Make room, or set ITO_VAR"):
        call_command("up", port=free_port())


def test_other_trouble_is_not_called_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up.Command, "_prepare", raising(OSError(errno.EACCES, "Permission denied")))
    with pytest.raises(OSError, match="Permission denied"):
        call_command("up", port=free_port())


def raising(error: Exception) -> Callable[[Any], None]:
    def fail(command: Any) -> None:
        raise error

    return fail
