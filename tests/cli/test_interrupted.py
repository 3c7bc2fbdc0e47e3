"""Ctrl-C at whatever moment ends the command in one line, from the first, when it is still being loaded."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

INTERRUPTED_AT = """
import os, runpy, signal, sys

at = sys.argv.pop(1)

class Finder:
    def find_spec(self, name, *_):
        if name == at:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
signal.signal(signal.SIGINT, signal.default_int_handler)  # as from a terminal
runpy.run_module("bstdg", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "module",
    ["bstdg.cli", "typer", "rich", "bstdg.cli.console", "bstdg.cli.train", "bstdg.cli.new", "bstdg.learning.recipe",
     "numpy", "torch", "sklearn", "bstdg.training.train"],
)  # fmt: skip
def test_while_a_module_is_loaded(module, tmp_path):
    command = ["train", "digits", "--out", tmp_path / "run", "--set", "epochs=1"]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT, module, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (130, "bstdg: stopped\n", "")
    assert not (tmp_path / "run").exists()


def test_after_the_last_word_nothing_is_said(tmp_path):
    """The interpreter is about to end: a traceback would be of no use to anybody."""
    late = "import atexit, os, signal, sys; atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))"
    late += "; signal.signal(signal.SIGINT, signal.default_int_handler); from bstdg.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", late, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    assert done.stdout.startswith("bstdg ")


def test_who_was_told_to_ignore_it_does(tmp_path):
    """As nohup and shells tell what they start in the background."""
    deaf = "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN); os.kill(os.getpid(), signal.SIGINT)"
    deaf += "; from bstdg.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", deaf, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_while_a_library_is_loaded_nothing_is_raised_in_it(tmp_path):
    """A library in C++ that calls Python aborts of an exception there: the program ends before one is raised."""
    (tmp_path / "library.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n    print('went on')\n"
        "except KeyboardInterrupt:\n    print('raised')\n"
    )
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import bstdg.cli"
    program += "; bstdg.cli.app = lambda: __import__('library'); from bstdg.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "bstdg: stopped\n")
