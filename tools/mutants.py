"""Break the money path on purpose, one named mutation at a time, and demand that a test turns red.

tools/mutants.toml names each mutation: exact texts to replace, and the tests that must notice. The tree is
copied first; nothing here is changed. A mutation whose text is no longer there exactly once fails loudly: the
code has moved on and the mutation must follow. Exit status 0: every mutant was found; 1: one survived, or
could not be judged; 2: the mutations do not fit the tree.
"""

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv*", "var", "staticfiles", "node_modules", "__pycache__", ".*_cache", "*.sqlite3*"
)
# Tables from the models, not from migrations: quicker, and a mutation of a constraint needs one place only.
# (That the two agree is what `makemigrations --check` is for.)
PYTEST = ("-x", "-q", "--no-header", "--tb=no", "-rfE", "--no-migrations", "-p", "no:cacheprovider")
LONGEST_SECONDS = 300
GREEN, RED = 0, 1
FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class Misfit(Exception):
    """The mutations do not fit the tree; the text says which and what to do."""


@dataclass(frozen=True)
class Change:
    """One exact replacement in one file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutation:
    """A fault in the code that some of the named tests must notice."""

    name: str
    says: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What the named tests said to a mutant."""

    mutation: Mutation
    word: str
    found_by: str
    seconds: float
    output: str = ""

    @property
    def is_found(self) -> bool:
        return self.word == "found"


def read_mutations(path: Path) -> list[Mutation]:
    """Read the file of mutations; Misfit says what is wrong with it."""
    rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8")).get("mutation", [])
    mutations = []
    for row in rows:
        try:
            changes = tuple(Change(each["path"], each["old"], each["new"]) for each in row["changes"])
            mutation = Mutation(row["name"], row["says"], changes, tuple(row["tests"]))
        except KeyError as error:
            raise Misfit(f"{path.name}: {row.get('name', 'a mutation')} has no {error}.") from error
        if not mutation.changes or not mutation.tests:
            raise Misfit(f"{path.name}: {mutation.name} needs at least one change and one test.")
        mutations.append(mutation)
    names = [mutation.name for mutation in mutations]
    if not names or len(names) != len(set(names)):
        raise Misfit(f"{path.name}: expected mutations, each with a name of its own; found {sorted(names)}.")
    return mutations


def mutated(tree: Path, mutation: Mutation) -> dict[Path, tuple[str, str]]:
    """Return each file that a mutation changes with its text before and after."""
    texts: dict[Path, tuple[str, str]] = {}
    for change in mutation.changes:
        path = tree / change.path
        if not path.is_file():
            raise Misfit(f"{mutation.name}: there is no {change.path}; say where its code is now.")
        before, now = texts.get(path) or (path.read_text(encoding="utf-8"),) * 2
        if now.count(change.old) != 1:
            raise Misfit(
                f"{mutation.name}: expected its text once in {change.path}, found it {now.count(change.old)} times; "
                f"write the mutation anew for the code as it is. The text: {change.old.strip()[:120]!r}"
            )
        after = now.replace(change.old, change.new)
        if after == now:
            raise Misfit(f"{mutation.name}: its change in {change.path} changes nothing.")
        texts[path] = (before, after)
    return texts


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests in a tree on SQLite; returns pytest's exit status and what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment.update(PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(tree))
    command = [sys.executable, "-m", "pytest", *PYTEST, *tests]
    try:
        ended = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"the tests had not ended after {LONGEST_SECONDS} s"
    return ended.returncode, ended.stdout + ended.stderr


def judge(tree: Path, mutation: Mutation) -> Verdict:
    """Apply a mutation in a tree, run its tests, and put the tree back."""
    texts = mutated(tree, mutation)
    started = time.monotonic()
    try:
        for path, (_, after) in texts.items():
            path.write_text(after, encoding="utf-8")
        status, output = run_tests(tree, mutation.tests)
    finally:
        for path, (before, _) in texts.items():
            path.write_text(before, encoding="utf-8")
    seconds = time.monotonic() - started
    if status == RED:
        failure = FIRST_FAILURE.search(output)
        return Verdict(mutation, "found", failure[1] if failure else "?", seconds)
    return Verdict(mutation, "SURVIVED" if status == GREEN else "BROKEN", "", seconds, output)


def judge_all(mutations: Sequence[Mutation], *, root: Path, jobs: int) -> list[Verdict]:
    """Judge mutations in copies of the tree, `jobs` at a time; the tests must be green without them."""
    for mutation in mutations:
        mutated(root, mutation)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(jobs):
            tree = Path(folder) / f"tree{number}"
            shutil.copytree(root, tree, ignore=LEFT_BEHIND)
            trees.put(tree)

        def work(mutation: Mutation) -> Verdict:
            tree = trees.get()
            try:
                return judge(tree, mutation)
            finally:
                trees.put(tree)

        tree = trees.get()
        status, output = run_tests(tree, sorted({test for mutation in mutations for test in mutation.tests}))
        if status != GREEN:
            raise Misfit(f"The tests are not green without any mutation (pytest: {status}):\n{output[-4000:]}")
        trees.put(tree)
        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(work, mutations))


def table(verdicts: Sequence[Verdict]) -> str:
    """Return one line a mutant: its name, whether it was found, how quickly and by which test."""
    width = max(len(verdict.mutation.name) for verdict in verdicts)
    lines = [
        f"{verdict.mutation.name:<{width}}  {verdict.word:<8}  {verdict.seconds:5.1f} s  "
        f"{verdict.found_by or verdict.mutation.says}"
        for verdict in verdicts
    ]
    found = sum(verdict.is_found for verdict in verdicts)
    return "\n".join([*lines, f"{found} of {len(verdicts)} mutants were found."])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Break the code by name and demand that a test turns red.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to copy")
    parser.add_argument("--mutations", type=Path, default=None, help="default: tools/mutants.toml of the tree")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="judge these only")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    parser.add_argument("--check", action="store_true", help="only see that every text is where it should be")
    options = parser.parse_args(arguments)
    try:
        mutations = read_mutations(options.mutations or options.root / "tools" / "mutants.toml")
        if options.only:
            unknown = set(options.only) - {mutation.name for mutation in mutations}
            if unknown:
                raise Misfit(f"There is no mutation {', '.join(sorted(unknown))}.")
            mutations = [mutation for mutation in mutations if mutation.name in options.only]
        if options.check:
            for mutation in mutations:
                mutated(options.root, mutation)
            say(f"{len(mutations)} mutations fit the tree.")
            return 0
        started = time.monotonic()
        verdicts = judge_all(mutations, root=options.root, jobs=max(1, options.jobs))
    except Misfit as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for verdict in verdicts:
        if verdict.word == "BROKEN":
            say(f"--- {verdict.mutation.name}: the tests could not run\n{verdict.output[-2000:]}")
    say(table(verdicts))
    say(f"{time.monotonic() - started:.0f} s")
    return 0 if all(verdict.is_found for verdict in verdicts) else 1


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
