"""What breaks the package on purpose makes the breaks it says it does, and fails where one goes unnoticed."""

from __future__ import annotations

import re
import subprocess
import sys

from support import needs
from support.paths import ROOT

needs.package("cosmic_ray")

SOURCE = '''\
"""Text with 1 + 1."""
from functools import cache


@cache(3)
def half(x: int | None, *, up: bool = False) -> int | None:
    return (x + 1 if up else x) // 2
'''


CONFTEST = """
import sys
from hypothesis import settings

settings.register_profile("mutation")
sys.meta_path[:] = [finder for finder in sys.meta_path if "Redirecting" not in type(finder).__name__]  # to the sources
"""
TEST = """
from bstdg.small import both

def test_both():
    assert both(1, 2) == (3, True)
"""


def test_each_break_is_one_spot_of_the_code_and_never_a_type():
    from mutation.mutants import mutants

    found = {(one.where, one.after) for one in mutants(SOURCE)}
    line = "return (x + 1 if up else x) // 2"
    head = "def half(x: int | None, *, up: bool = False) -> int | None:"
    breaks = {
        line.replace("+", "-"),
        line.replace("//", "*"),
        line.replace("if up", "if not up"),
        *(line.replace("1", str(number)) for number in (0, 2)),
        *(line.replace("// 2", f"// {number}") for number in (1, 3)),
        head.replace("False", "True"),
    }
    assert found == {("half", after) for after in breaks}


def test_an_unnoticed_break_fails_the_run_unless_it_is_accepted(tmp_path):
    """Of a copy of the runner that judges one small module by a test that notices half of it."""
    package, tests = tmp_path / "src" / "bstdg", tmp_path / "tests"
    package.mkdir(parents=True)
    (tests / "mutation").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "small.py").write_text("def both(x, y):\n    return x + y, x < y\n")
    for name in ("__init__.py", "mutants.py", "run.py"):
        (tests / "mutation" / name).write_text((ROOT / "tests" / "mutation" / name).read_text())
    (tests / "conftest.py").write_text(CONFTEST)
    (tests / "test_small.py").write_text(TEST)
    (tests / "mutation" / "modules.toml").write_text('"small.py" = ["tests/test_small.py"]\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = src\n")

    def run(accepted: str) -> tuple[int, str]:
        (tests / "mutation" / "accepted.toml").write_text(accepted)
        command = [sys.executable, "-m", "mutation.run", "small.py"]
        done = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    line, reason = "return x + y, x {} y", "none"
    entry = f'[["small.py"]]\nwhere = "both"\nbefore = "{line.format("<")}"\nafter = "{line}"\nreason = "{reason}"\n'
    status, said = run("")
    assert status == 1
    assert "small.py:2: SURVIVED in both\n  - return x + y, x < y\n  + return x + y, x <= y\n" in said
    assert re.search(r"small\.py: 3 mutants, 2 noticed, 0 accepted, 1 not", said), said
    status, said = run(entry.format("<="))
    assert (status, "1 accepted, 0 not" in said) == (0, True), said
    status, said = run(entry.format("<=") + entry.format(">="))
    assert (status, "ACCEPTED BUT NOT THERE" in said) == (1, True), said
