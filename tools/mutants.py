"""Break the money path on purpose, one named mutation at a time, and demand that a test turns red.

tools/mutants.toml names each mutation: exact texts to replace, and the tests that must notice. The tree is
copied first; nothing here is changed. A mutation whose text is no longer there exactly once fails loudly: the
code has moved on and the mutation must follow. First the named tests run without any mutation: they must be
green, and how long they take says how long a mutant may. A mutant is found when a test fails by what it asserts
or by what the code raises; one that cannot even be imported, or whose tests never end, was not judged.
Exit status 0: every mutant was found; 1: one survived, or was not judged; 2: the mutations do not fit the tree.
"""

import argparse
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
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
# The tests without a mutation may take this long, on whatever machine; a mutant's few tests take less than all
# of them together, so thrice as long, and a start of a process, is more than any needs that will end.
BASELINE_SECONDS = 1800
START_SECONDS, TIMES_BASELINE = 60, 3
GREEN, RED = 0, 1
FAILURE = re.compile(r"^FAILED (\S+)(?: - (.*))?", re.MULTILINE)
# The mutation itself is no program: no test has judged anything.
NO_PROGRAM = re.compile(r"\b(?:SyntaxError|IndentationError|ImportError|ModuleNotFoundError|NameError)\b")
SHOWN = 110


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
    seconds: float
    found_by: str = ""
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


def run_tests(tree: Path, tests: Sequence[str], *, longest: float, keep_bytecode: bool = False) -> tuple[int, str]:
    """Run tests in a tree on SQLite; returns pytest's exit status and what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    # Wide enough for what an assertion said behind the name of its test.
    environment.update(PYTHONPATH=str(tree), COLUMNS="400", PYTHONDONTWRITEBYTECODE="" if keep_bytecode else "1")
    command = [sys.executable, "-m", "pytest", *PYTEST, *tests]
    try:
        ended = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=longest, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"the tests had not ended after {longest:.0f} s"
    return ended.returncode, ended.stdout + ended.stderr


def judge(tree: Path, mutation: Mutation, *, longest: float) -> Verdict:
    """Apply a mutation in a tree, run its tests, and put the tree back."""
    texts = mutated(tree, mutation)
    started = time.monotonic()
    try:
        for path, (_, after) in texts.items():
            # Python compares size and whole seconds: bytecode of the old text must not stand for the new one.
            Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
            path.write_text(after, encoding="utf-8")
        status, output = run_tests(tree, mutation.tests, longest=longest)
    finally:
        for path, (before, _) in texts.items():
            path.write_text(before, encoding="utf-8")
    seconds = time.monotonic() - started
    failure = FAILURE.search(output)
    if status == RED and failure and not NO_PROGRAM.search(failure[2] or ""):
        return Verdict(mutation, "found", seconds, f"{failure[1].rpartition('::')[2]}: {failure[2] or ''}")
    return Verdict(mutation, "SURVIVED" if status == GREEN else "BROKEN", seconds, output=output)


def judge_all(mutations: Sequence[Mutation], *, root: Path, jobs: int) -> Iterator[Verdict]:
    """Judge mutations in copies of the tree, `jobs` at a time; the tests must be green without them."""
    for mutation in mutations:
        mutated(root, mutation)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        first = Path(folder) / "tree0"
        shutil.copytree(root, first, ignore=LEFT_BEHIND)
        tests = sorted({test for mutation in mutations for test in mutation.tests})
        started = time.monotonic()
        # The bytecode of this run is what the others start from.
        status, output = run_tests(first, tests, longest=BASELINE_SECONDS, keep_bytecode=True)
        taken = time.monotonic() - started
        if status != GREEN:
            raise Misfit(f"The tests are not green without any mutation (pytest: {status}):\n{output[-4000:]}")
        longest = START_SECONDS + TIMES_BASELINE * taken
        say(f"Without a mutation: green in {taken:.0f} s; a mutant may take {longest:.0f} s.")
        trees: queue.Queue[Path] = queue.Queue()
        trees.put(first)
        for number in range(1, jobs):
            trees.put(shutil.copytree(first, Path(folder) / f"tree{number}"))

        def work(mutation: Mutation) -> Verdict:
            tree = trees.get()
            try:
                return judge(tree, mutation, longest=longest)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(work, mutations)


def line(verdict: Verdict, *, width: int) -> str:
    """Return a mutant's line: its name, whether it was found, how quickly, by which test and what that said."""
    said = verdict.found_by[:SHOWN] or verdict.mutation.says
    return f"{verdict.mutation.name:<{width}}  {verdict.word:<8}  {verdict.seconds:5.1f} s  {said}"


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
        width = max(len(mutation.name) for mutation in mutations)
        verdicts = []
        for verdict in judge_all(mutations, root=options.root, jobs=max(1, options.jobs)):
            say(line(verdict, width=width))
            verdicts.append(verdict)
    except Misfit as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for verdict in verdicts:
        if verdict.word == "BROKEN":
            say(f"--- {verdict.mutation.name}: the tests could not run\n{verdict.output[-2000:]}")
    found = sum(verdict.is_found for verdict in verdicts)
    say(f"{found} of {len(verdicts)} mutants were found in {time.monotonic() - started:.0f} s.")
    return 0 if found == len(verdicts) else 1


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
