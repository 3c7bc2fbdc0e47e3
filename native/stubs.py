"""The native module's types, as its bindings give them. `make stubs` writes them into src/bstdg/_native.pyi."""

import subprocess
import sys

from nanobind.stubgen import StubGen

from bstdg import _native

HEADER = "# Made from the bindings by `make stubs`.\n# ruff: noqa: C408\n"


def stub() -> str:
    """The stub, formatted like everything else."""
    generator = StubGen(_native, quiet=True)
    generator.put(_native)
    formatter = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "_native.pyi", "-"]
    return subprocess.run(formatter, input=HEADER + generator.get(), capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.stdout.write(stub())
