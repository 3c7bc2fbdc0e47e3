"""Running the tools of a proof: missing, slow, failing and talkative ones."""

from __future__ import annotations

import sys

import pytest

from bstdg.export import tools
from bstdg.export.base import fnv1a
from bstdg.export.tools import Failed, NotRun, checked


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def raising(error: Exception):
    def work() -> str:
        raise error

    return work


@pytest.mark.parametrize(
    ("work", "status", "detail"),
    [
        (lambda: "5 vectors", "passed", "5 vectors"),
        (raising(NotRun("no gcc")), "not run", "no gcc"),
        (raising(Failed("wrong")), "failed", "wrong"),
    ],
)
def test_what_came_of_a_check(work, status, detail):
    assert checked("a check", work) == ("a check", status, detail)


def test_other_errors_are_not_hidden():
    with pytest.raises(KeyError):
        checked("a check", raising(KeyError("typo")))


def test_missing_programs_are_all_named():
    tools.need("install it", sys.executable)
    with pytest.raises(NotRun, match=r"^no-such and nor-this not found; install it$"):
        tools.need("install it", "no-such", sys.executable, "nor-this")
    assert tools.first("no-such", sys.executable, "sh") == sys.executable
    assert tools.first("no-such") is None


def test_a_program_gets_its_input_and_folder(tmp_path):
    program = "import os, sys; print(os.getcwd(), sys.stdin.read())"
    done = tools.must(python(program), "goes wrong", given=b"given", folder=tmp_path)
    assert done.decode().split() == [str(tmp_path.resolve()), "given"]


def test_a_program_that_takes_too_long_or_cannot_start_is_not_run(monkeypatch):
    monkeypatch.setattr(tools, "SECONDS", 0.2)
    with pytest.raises(NotRun, match=r"took longer than 0\.2 s here$"):
        tools.run(python("import time; time.sleep(9)"))
    with pytest.raises(NotRun, match=r"took longer than 2 s here$"):
        tools.must(python("import time; time.sleep(9)"), "", seconds=2)
    with pytest.raises(NotRun, match=r"no-such cannot be started: No such file"):
        tools.run(["/nowhere/no-such"])


def test_a_program_that_fails_is_told_with_its_complaint():
    said = "import sys; print('x.c:1: note'); print('x.c:2: error: bad', file=sys.stderr); sys.exit(3)"
    with pytest.raises(Failed, match=r"^does not compile \(status 3\): x\.c:2: error: bad$"):
        tools.must(python(said), "does not compile")
    with pytest.raises(Failed, match=r"it printed nothing$"):
        tools.must(python("raise SystemExit(1)"), "does not compile")


def test_versions_are_read_where_a_program_says_one():
    assert tools.version(sys.executable) == sys.version.split()[0]
    assert tools.version(sys.executable, "-c0") == ""


def test_fnv1a_is_that_of_its_authors():
    assert [fnv1a(data) for data in (b"", b"a", b"foobar")] == [0x811C9DC5, 0xE40C292C, 0xBF9CF968]
