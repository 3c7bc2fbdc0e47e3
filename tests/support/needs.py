"""What a test needs and a machine may lack: such a test is skipped, unless `BSTDG_REQUIRE` names the thing.

Every skip is made here, so that its reason begins with "needs" and the name of a thing in `THINGS`. Where things were
put on purpose, as in continuous integration, `BSTDG_REQUIRE=chromium,yosys,mnist` makes a skip for want of one of them
a failure: see `enforce`, which `conftest.py` calls for each report.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any, NoReturn

import pytest

VARIABLE = "BSTDG_REQUIRE"
DATA = os.environ.get("BSTDG_DATA")  # read before a fixture hides it
FOLDERS = {  # of data sets, below BSTDG_DATA
    "mnist": "mnist",
    "fashion-mnist": "fashion-mnist",
    "caltech101": "caltech101",
    "hd-spikes": "heidelberg-digits-spikes",
    "mit-bih": "mit-bih-beats",
    "cifar10-jpeg75": "cifar10-jpeg75",
    "nmnist": "nmnist-small",
}
COMPILERS = ("gcc", "clang", "arm-linux-gnueabihf-gcc", "riscv64-linux-gnu-gcc", "arm-none-eabi-gcc")
ARM_TOOLS = ("arm-none-eabi-size", "qemu-arm", "qemu-riscv64", "qemu-system-arm")
AVR_TOOLS = ("avr-gcc", "avr-size", "simavr")
CIRCUITS = ("iverilog", "verilator", "verilator-5", "yosys")
PROGRAMS = (*COMPILERS, *ARM_TOOLS, *AVR_TOOLS, *CIRCUITS, "make", "groff", "node", "chromium", "openssl")
PACKAGES = (
    "atheris", "axe_playwright_python", "cosmic_ray", "dask", "distributed", "fcntl", "h5py", "ipykernel", "lightning",
    "nbclient", "nbformat", "nir", "norse", "optuna", "playwright", "pyarrow", "pyslang", "sinabs", "snntorch",
    "spikingjelly", "spyx", "tensorboard", "tonic",
)  # fmt: skip
ABILITIES = ("cuda", "fork", "gloo", "linux", "docs")
THINGS = frozenset((*FOLDERS, *PROGRAMS, *PACKAGES, *ABILITIES))


def skip(*things: str, more: str = "") -> NoReturn:
    """Leave this test out, for want of these."""
    pytest.skip(reason(*things, more=more), allow_module_level=True)


def reason(*things: str, more: str = "") -> str:
    """Why a test is left out.

    >>> reason("node"), reason("gcc", "make", more="any will do")
    ('needs node', 'needs gcc and make (any will do)')
    """
    unknown = set(things) - THINGS
    if unknown or not things:
        raise LookupError(f"support.needs does not know {', '.join(sorted(unknown)) or 'what is needed'}")
    return f"needs {' and '.join(things)}" + (f" ({more})" if more else "")


def mark(thing: str, there: object, more: str = "") -> pytest.MarkDecorator:
    """Skips the tests that it marks where `thing` is not `there`."""
    return pytest.mark.skipif(not there, reason=reason(thing, more=more))


def program(name: str) -> pytest.MarkDecorator:
    """Skips where there is no such program on the path."""
    return mark(name, shutil.which(name))


def package(module: str) -> Any:
    """Import a module of another package, or skip."""
    return pytest.importorskip(module, reason=reason(module.partition(".")[0]))


def has_data(name: str) -> bool:
    """Whether BSTDG_DATA names a folder that holds the data set."""
    return bool(DATA) and (Path(str(DATA)) / FOLDERS[name]).is_dir()


def data(name: str) -> pytest.MarkDecorator:
    """Skips where there is no such data set."""
    return mark(name, has_data(name), "below BSTDG_DATA")


def required() -> frozenset[str]:
    """The things that may not be missing, of `BSTDG_REQUIRE`.

    Raises:
        LookupError: no test needs such a thing.
    """
    names = frozenset(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())
    unknown = sorted(names - THINGS)
    if unknown:
        raise LookupError(f"{VARIABLE} names {', '.join(unknown)}; tests need {', '.join(sorted(THINGS))}")
    return names


def enforce(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a skip a failure where it is for want of what is required."""
    if report.outcome != "skipped" or hasattr(report, "wasxfail") or not isinstance(report.longrepr, tuple):
        return
    why = report.longrepr[2].removeprefix("Skipped: ")
    found = re.match(r"needs (.+?)(?: \(|$)", why)
    missing = required() & set(found[1].split(" and ")) if found else required() & {why}
    if missing:
        report.outcome = "failed"
        report.longrepr = f"{VARIABLE} names {', '.join(sorted(missing))}, and yet this was left out: {why}"
