"""Each fault of the execution design has a test that proves its required outcome: find it here.

`pytest tests/trading/test_fault_table.py -v` names the faults, `-k f19` runs the tests of one. A test says which
fault it is for by its name (`test_f19_…`) or by the marker `fault`.
"""

import importlib
import inspect
import pkgutil
import re
from collections import defaultdict
from types import ModuleType

import pytest

from tests import simulation, trading

# What each fault is, in a few words; the outcome is the test's own name.
FAULTS = {
    "F1": "connection refused before any byte",
    "F2": "accepted, and the socket drops before the reply",
    "F3": "accepted, and the reply comes after the timeout",
    "F4": "not accepted, and a 5xx says nothing",
    "F5": "accepted and filled, and a 500 says otherwise",
    "F6": "a body that cannot be read",
    "F7": "a success that names no order",
    "F8": "an order that turns up late",
    "F9": "killed between the intention and the send",
    "F10": "killed between the send and the storing",
    "F11": "killed between two legs",
    "F12": "redelivery, racing workers, double clicks",
    "F13": "the commit fails after the acceptance",
    "F14": "fills told twice and in any order",
    "F15": "a known fill told differently",
    "F16": "fills, acknowledgements and statuses out of order",
    "F17": "a part filled, the rest canceled",
    "F18": "more filled than was asked for",
    "F19": "a leg in the middle is rejected",
    "F20": "the way back itself fails",
    "F21": "too many requests",
    "F22": "restarts, post-only, cancel-only, paused trading",
    "F23": "clocks apart and old signatures",
    "F24": "books that run away, stand crossed or empty; ticks that change",
    "F25": "a market that ends between two legs",
    "F26": "cancels that race, fail or go unanswered",
    "F27": "a new order while a cancel is unknown",
    "F28": "matched, and settled late or never",
    "F29": "batches with mixed, missing or permuted answers",
    "F30": "listings that fail, break off or never end",
    "F31": "orders placed elsewhere",
    "F32": "stopped, capped or revoked in the middle",
    "F33": "all of it at random",
}
NAMED = re.compile(r"^test_f(\d+)_")


def _modules() -> list[ModuleType]:
    return [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for package in (trading, simulation)
        for found in pkgutil.iter_modules(package.__path__)
        if found.name.startswith("test_")
    ]


def _faults_of(name: str, test: object, module: ModuleType) -> set[str]:
    by_name = NAMED.match(name)
    of_module = getattr(module, "pytestmark", [])
    given = [*getattr(test, "pytestmark", ()), *(of_module if isinstance(of_module, list) else [of_module])]
    marks = [mark for mark in given if getattr(mark, "name", "") == "fault"]
    numbers = {str(number) for mark in marks for number in mark.args}
    return numbers | ({f"F{int(by_name[1])}"} if by_name else set())


def proofs() -> dict[str, set[str]]:
    """Return the tests of each fault as `module::test`, from the test modules themselves."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in _modules():
        for name, test in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and test.__module__ == module.__name__:
                for number in _faults_of(name, test, module):
                    found[number].add(f"{module.__name__.rpartition('.')[2]}::{name}")
    return found


PROOFS = proofs()


@pytest.mark.parametrize("number", FAULTS)
def test_a_fault_has_a_test_of_its_own(number: str) -> None:
    assert PROOFS.get(number), f"no test proves {number}: {FAULTS[number]}"


def test_no_test_names_a_fault_that_there_is_not() -> None:
    assert set(PROOFS) <= set(FAULTS), set(PROOFS) - set(FAULTS)


def test_two_tests_of_one_module_do_not_share_a_name() -> None:
    """The later one would hide the first, and nobody would see it."""
    for module in _modules():
        names = re.findall(r"^def (test_\w+)", inspect.getsource(module), re.MULTILINE)
        assert len(names) == len(set(names)), f"{module.__name__}: {sorted(names)}"
