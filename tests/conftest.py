"""What tests share: the command line, and profiles of Hypothesis, none with a deadline on a busy machine.

"bstdg", the default, gives the same examples on every machine. "random" draws others each time, and more of them:
`make test-random`. "mutation" stops at the first example that fails, and does not look for a simpler one.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings
from support import needs
from support.browser import browser, open_page  # noqa: F401  (fixtures of all wings)

from bstdg.cli import app

collect_ignore = ["golden"]  # programs that were run once, with what tests need not have

if "PYTEST_XDIST_WORKER" in os.environ:  # others run beside it, and threads of all would be in each other's way
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("bstdg", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("random", deadline=None, max_examples=500, print_blob=True, database=None)
settings.register_profile(
    "mutation", settings.get_profile("bstdg"), phases=(Phase.explicit, Phase.generate), report_multiple_bugs=False
)
settings.load_profile("bstdg")  # another one by --hypothesis-profile


def pytest_configure(config):
    try:
        needs.required()
    except LookupError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    needs.enforce(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    needs.enforce(report)
    return report


@pytest.fixture
def bstdg(capsys):
    """Run a command in this process; gives status, output and the lines of standard error."""

    def run(*arguments: object) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        try:
            status = app([str(a) for a in arguments], standalone_mode=False)
        except SystemExit as exit_:
            status = exit_.code
        said = capsys.readouterr()
        return int(status or 0), said.out, said.err.splitlines()

    return run
