"""Break the package on purpose and see that tests notice: `python -m mutation.run [MODULE ...]`, in `tests`.

Of each module in `modules.toml` every mutant is run against the tests that are meant to cover it, in a process forked
from one that has the large libraries loaded. The mutated module lives in the memory of that process; no file is
changed. Tests that start programs of their own run these on the code as it is.

A mutant that no test notices has to be in `accepted.toml` with a reason; the status is 1 where one is not, or where
one that is there is noticed by now or is no longer made.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGE = ROOT / "src" / "bstdg"
# Loaded once; nothing of the package is.
LARGE = (
    "hypothesis",
    "matplotlib.backends.backend_svg",
    "numpy",
    "pandas",
    "PIL.Image",
    "pytest",
    "scipy.stats",
    "torch",
)
ANY = "*"  # in the list of what is accepted: whatever becomes of this line
MEMORY = 8 << 30  # bytes: a mutant may ask for any amount
PROCESSES = 50  # times the tests' own seconds: how long a mutant may take on a busy machine


class Case(NamedTuple):
    """A module and the tests that are meant to cover it."""

    name: str
    path: Path
    tests: tuple[str, ...]


class Spent(NamedTuple):
    """How a run of tests ended, and the seconds of computing it took."""

    status: int
    seconds: float
    said: str


class Broken(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Gives one module other code than its file has."""

    def __init__(self, name: str, path: Path, code: str):
        super().__init__(name, str(path))
        self._code = code

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_code(self, fullname):
        return compile(self._code, self.path, "exec", dont_inherit=True)


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="as modules.toml names them; all of them by default")
    parser.add_argument("--show", action="store_true", help="show what tests said of each mutant")
    given = parser.parse_args(arguments)
    cases = {name: Case(name, PACKAGE / name, tuple(tests)) for name, tests in _toml("modules.toml").items()}
    unknown = [name for name in given.modules if name not in cases]
    if unknown:
        parser.error(f"{', '.join(unknown)}: modules.toml has {', '.join(cases)}")
    for name in LARGE:
        importlib.import_module(name)
    failed = False
    for name in given.modules or cases:
        failed |= not _judge(cases[name], show=given.show)
    return int(failed)


def _judge(case: Case, *, show: bool) -> bool:
    """Run all mutants of a module; whether all that survive are accepted, and all that are accepted survive."""
    from mutation.mutants import mutants

    start = time.monotonic()
    whole = _tests(case, None, 600)
    if whole.status:
        print(whole.said, f"{case.name}: its tests fail without any mutant", sep="\n")
        return False
    limit = round(4 * whole.seconds) + 10
    accepted = {(one["where"], one["before"], one["after"]) for one in _toml("accepted.toml").get(case.name, [])}
    survived, number, used, new = 0, 0, set(), 0
    for mutant in mutants(case.path.read_text(encoding="utf-8")):
        number += 1
        done = _tests(case, mutant.code, limit)
        if show:
            print(f"{case.name}:{mutant.line}: {mutant.before} -> {mutant.after}", done.said[-400:], sep="\n")
        if done.status:
            continue
        survived += 1
        names = {(mutant.where, mutant.before, after) for after in (mutant.after, ANY)} & accepted
        used |= names
        if not names:
            new += 1
            print(f"{case.name}:{mutant.line}: SURVIVED in {mutant.where or 'the module'}")
            print(f"  - {mutant.before}\n  + {mutant.after}", flush=True)
    for where, before, after in sorted(accepted - used):
        print(f"{case.name}: ACCEPTED BUT NOT THERE, or noticed by now, in {where}\n  - {before}\n  + {after}")
    print(
        f"{case.name}: {number} mutants, {number - survived} noticed, {survived - new} accepted, {new} not, "
        f"{time.monotonic() - start:.0f} s",
        flush=True,
    )
    return not new and accepted == used


def _tests(case: Case, code: str | None, limit: int) -> Spent:
    """Run the tests of a module with other code in its place, in a process of their own."""
    with tempfile.TemporaryFile() as said:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        child = os.fork()
        if child == 0:
            _in_child(case, code, limit, said.fileno())
        status = _wait(child, PROCESSES * limit)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        said.seek(0)
        words = said.read().decode(errors="replace")
    return Spent(status, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, words)


def _in_child(case: Case, code: str | None, limit: int, said: int) -> None:
    status = 1
    try:
        os.setpgid(0, 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        os.chdir(ROOT)
        if code is not None:
            parts = case.path.relative_to(PACKAGE.parent).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            sys.meta_path.insert(0, Broken(name, case.path, code))
        import pytest

        options = ["-x", "-q", "--tb=line", "-p", "no:cacheprovider", "--hypothesis-profile=mutation"]
        options += ["-W", "ignore:Module already imported"]  # large ones, before pytest could rewrite them
        status = int(pytest.main([*options, *case.tests]))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        os.write(2, repr(error).encode())
    os._exit(status)


def _wait(child: int, patience: float) -> int:
    """The status with which a process ends; it and what it started are gone afterwards."""
    end = time.monotonic() + patience
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            break
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)


def _toml(name: str) -> dict:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
