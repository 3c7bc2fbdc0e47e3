"""What tests share: the command line, and one Hypothesis profile.

The profile gives the same examples on every machine, and no deadline on a busy one.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from support.browser import browser, open_page  # noqa: F401  (fixtures of all wings)

from bstdg.cli import app

settings.register_profile("bstdg", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("bstdg")


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
