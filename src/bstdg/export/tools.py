"""Running compilers, simulators and browsers for a proof: what is not here is not run, what goes wrong has failed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from bstdg.export.base import Check

SECONDS = 600  # for one command: far more than any takes
_WRONG = re.compile(r"error|warning|fail", re.IGNORECASE)


class NotRun(Exception):
    """Something is missing on this machine, or took too long; the message says what."""


class Failed(Exception):
    """The export is at fault; the message says how."""


def checked(title: str, work: Callable[[], str]) -> Check:
    """What came of `work`, which returns what was compared, or raises `NotRun` or `Failed`."""
    try:
        return Check(title, "passed", work())
    except NotRun as error:
        return Check(title, "not run", str(error))
    except Failed as error:
        return Check(title, "failed", str(error))


def first(*programs: str) -> str | None:
    """Where the first of these programs is that is on the path; None where none is."""
    return next((path for path in map(shutil.which, programs) if path), None)


def need(install: str, *programs: str) -> None:
    """Raise `NotRun` unless all these programs are there; `install` says how to get them."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise NotRun(f"{' and '.join(missing)} not found; {install}")


def run(
    command: Sequence[str], *, given: bytes = b"", folder: Path | None = None, seconds: int | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a folder, with `given` on its standard input, whatever it ends with.

    It has so many `seconds`, or `SECONDS`.

    Raises:
        NotRun: it cannot be started, or took too long.
    """
    seconds = seconds or SECONDS
    try:
        return subprocess.run(command, input=given, capture_output=True, timeout=seconds, check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        raise NotRun(f"{Path(command[0]).name} took longer than {seconds} s here") from None
    except OSError as error:
        raise NotRun(f"{command[0]} cannot be started: {error.strerror}") from None


def must(
    command: Sequence[str],
    problem: str,
    *,
    given: bytes = b"",
    folder: Path | None = None,
    seconds: int | None = None,
) -> bytes:
    """The output of a command that has to succeed; further arguments as for `run`.

    Raises:
        Failed: it ended with an error; the message begins with `problem`.
        NotRun: it cannot be started, or took too long.
    """
    done = run(command, given=given, folder=folder, seconds=seconds)
    if done.returncode != 0:
        told, printed = (part.decode(errors="replace") for part in (done.stderr, done.stdout))
        both = f"{told}\n{printed}"
        said = complaint(both if _WRONG.search(both) or not told.strip() else told)  # what is printed may be data
        raise Failed(f"{problem} (status {done.returncode}): {said}")
    return done.stdout


def complaint(text: str) -> str:
    """The line of a tool's output that says what is wrong, as far as it can be told.

    >>> complaint("a.c: In function 'main':\\na.c:1:2: error: no such thing\\n1 error generated")
    'a.c:1:2: error: no such thing'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if _WRONG.search(line)]
    return (wrong or lines[-1:] or ["it printed nothing"])[0]


def version(program: str, flag: str = "--version") -> str:
    """A program's version, such as "12.2.0"; empty where it does not say."""
    found = re.search(r"\d+(\.\d+)+", run([program, flag]).stdout.decode(errors="replace"))
    return found[0] if found else ""
