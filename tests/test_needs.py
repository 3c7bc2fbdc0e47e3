"""A test that is left out says what it needs, and where that has to be there it fails instead."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import needs
from support.paths import ROOT

TESTS = ROOT / "tests"
LEFT_OUT = {
    "mark": """
from support import needs

@needs.mark("yosys", False)
def test_it():
    pass
""",
    "run": """
from support import needs

def test_it():
    needs.skip("node", "yosys", more="either would not do")
""",
    "fixture": """
import pytest
from support import needs

@pytest.fixture
def circuit():
    needs.skip("yosys")

def test_it(circuit):
    pass
""",
    "module": """
from support import needs

needs.skip("yosys", more="all of this file")

def test_it():
    pass
""",
    "package": """
import sys
from support import needs

sys.modules["h5py"] = None
needs.package("h5py")

def test_it():
    pass
""",
}


EXPECTED = """
import pytest

@pytest.mark.xfail(reason="needs yosys", strict=True)
def test_it():
    assert False
"""


def run(folder: Path, require: str) -> tuple[int, str]:
    """The exit status of pytest, and all it said, of all these tests with the hooks of this project."""
    for name, text in {**LEFT_OUT, "expected": EXPECTED}.items():
        (folder / f"test_{name}.py").write_text(text)
    options = ["-q", "-ra", "-p", "conftest", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", ROOT / "pyproject.toml", folder],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(TESTS), needs.VARIABLE: require},
    )
    return done.returncode, done.stdout + done.stderr


def test_what_is_required_may_not_be_left_out(tmp_path):
    status, said = run(tmp_path, "chromium, yosys,h5py")
    assert status == 1
    assert "skipped" not in said, said
    for name in LEFT_OUT:
        assert re.search(rf"^(FAILED|ERROR) \S*test_{name}\.py", said, re.M), (name, said)
    assert said.count("BSTDG_REQUIRE names yosys, and yet this was left out: needs yosys") >= 3
    assert "BSTDG_REQUIRE names h5py, and yet this was left out: needs h5py" in said
    assert "BSTDG_REQUIRE names yosys, and yet this was left out: needs node and yosys (either would not do)" in said
    assert "1 xfailed" in said


def test_what_is_not_required_may_be_left_out(tmp_path):
    status, said = run(tmp_path, "chromium,verilator-5")
    assert status == 0
    assert "yet this was left out" not in said
    reasons = {line.partition(": ")[2] for line in said.splitlines() if line.startswith("SKIPPED")}
    either = "needs node and yosys (either would not do)"
    assert reasons == {"needs yosys", "needs h5py", "needs yosys (all of this file)", either}


def test_a_thing_that_no_test_needs_is_refused(tmp_path):
    status, said = run(tmp_path, "yosys,chromum")
    assert status == 4
    assert "BSTDG_REQUIRE names chromum; tests need arm-linux" in said
    with pytest.raises(LookupError, match="does not know chromum"):
        needs.reason("chromum")
    with pytest.raises(LookupError, match="what is needed"):
        needs.reason()


def test_every_skip_is_made_by_needs():
    """Or it could not be required."""
    for path in sorted(TESTS.rglob("*.py")):
        if path.name == "needs.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"skipif", "importorskip", "skipTest"}, f"{path}:{node.lineno}"
                if node.attr == "skip":
                    assert isinstance(node.value, ast.Name) and node.value.id == "needs", f"{path}:{node.lineno}"
