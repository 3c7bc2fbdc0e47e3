"""The manual page is what the commands say of themselves; shells offer what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import typer
from support import needs
from support.paths import ROOT

from bstdg import datasets, export
from bstdg.cli import app, manual
from bstdg.lab import predecessors
from bstdg.shipped import shipped_recipes

PAGE = ROOT / "docs" / "bstdg.1"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == manual.page(), "python -m bstdg.cli.manual > docs/bstdg.1"


def test_every_command_and_option_is_in_it():
    text = manual.page()
    for name, command in typer.main.get_command(app).commands.items():
        part = text.partition(f".SS bstdg {name} ")[2].partition(".SS ")[0]
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert option.replace("-", "\\-") in part, (name, option)


@needs.program("groff")
def test_man_reads_it_without_complaint():
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-K", "utf8", str(PAGE)], capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    shown = re.sub(rb"\x1b\[\d+m|.\x08", b"", done.stdout)  # without its bold
    assert b"bstdg train [OPTIONS] [RECIPE]" in shown


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("bstdg do", ["doctor"]),
        ("bstdg train mnist-", sorted(n for n in shipped_recipes() if n.startswith("mnist-"))),
        ("bstdg new x.toml --like cal", ["caltech", "caltech-all", "caltech-conv", "caltech-edges"]),
        ("bstdg eval m --data ", sorted(datasets.names())),
        ("bstdg eval m --engine na", ["native"]),
        ("bstdg export ", sorted(export.targets())),
        ("bstdg baseline b", sorted(n for n in predecessors.names() if n.startswith("b"))),
        ("bstdg reproduce trade", ["tradeoff", "tradeoff-digits"]),
    ],
)
def test_a_shell_is_offered(line, offered):
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_BSTDG_COMPLETE": "complete_bash"}
    program = "import sys; sys.argv = ['bstdg']; from bstdg.cli import app; app(prog_name='bstdg')"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **asked}, capture_output=True, check=False, timeout=60
    )
    assert done.stdout.decode().split() == offered
