"""What classes are called reaches every export, whatever it is, and breaks none."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import needs
from support.strategies import random_model

from bstdg import export
from bstdg.export import names
from bstdg.export.c import proof as c_proof
from bstdg.export.verilog import proof as verilog_proof
from bstdg.model.packed import PackedModel

NAMES = (
    "cat", "", " ", "naïve", "猫", "🐈", "a\nb", "\x00", "\x1b[2J", "*/ int x; /*", "// \\", "??/", "??=", '"', "'",
    "\\", "%s", "`define x", "verilator lint_off WIDTH", "synopsys translate_off", "\u202ereversed", "\udce9", "\udc80",
    "x" * 5000, "0", "12", "\x7f", "$random", "endmodule", "@{NAME}", "@% for %@", "{{ 7 * 7 }}",
)  # fmt: skip


def named(classes: tuple[str, ...]) -> PackedModel:
    return dataclasses.replace(random_model((9, 8, len(classes))), classes=classes)


def as_bytes(name: str) -> bytes:
    """What a program prints of it."""
    name = name if len(name) <= 250 else f"{name[:249]}…"
    return name.encode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("named")
    targets = ("c", "verilog", "web")
    return {target: export.export(target, named(NAMES), place / target, name="net").folder for target in targets}


@pytest.mark.parametrize("target", ["c", "verilog", "web"])
def test_the_manifest_names_the_classes(folders, target):
    manifest = json.loads((folders[target] / "manifest.json").read_bytes())
    assert tuple(manifest["model"]["classes"]) == NAMES
    checks = export.verify(folders[target])
    assert [next(checks).status, next(checks).status] == ["passed", "passed"]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_header_of_c_names_the_classes(folders, tmp_path, compiler):
    if shutil.which(compiler) is None:
        needs.skip(compiler)
    (tmp_path / "main.c").write_text(
        '#define NET_WITH_NAMES\n#include "net.h"\n#include <stdio.h>\n#include <string.h>\nint main(void) {\n'
        "  unsigned i;\n  for (i = 0; i < NET_CLASSES; ++i) {\n"
        "    fwrite(net_class_names[i], 1, strlen(net_class_names[i]), stdout);\n    putchar(255);\n  }\n"
        "  return 0;\n}\n"
    )
    flags = [*c_proof.WARNINGS, f"-I{folders['c']}"]
    subprocess.run([compiler, *flags, str(tmp_path / "main.c"), "-o", str(tmp_path / "main")], check=True)
    printed = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout.split(b"\xff")[:-1]
    assert printed == [as_bytes(name).partition(b"\0")[0] for name in NAMES]  # a string ends where it holds a zero


@needs.program("gcc")
def test_names_that_nobody_asks_for_take_nothing(folders, tmp_path):
    command = ["gcc", "-std=c99", "-c", str(folders["c"] / "net.c"), "-o", str(tmp_path / "net.o")]
    subprocess.run(command, check=True)
    assert b"translate_off" not in (tmp_path / "net.o").read_bytes()


@pytest.mark.parametrize("name", ["_lint", "_slang", "_generic"])
def test_verilog_is_clean_whatever_classes_are_called(folders, tmp_path, name):
    if name == "_slang":
        needs.package("pyslang")
    elif shutil.which(tool := {"_lint": "verilator", "_generic": "yosys"}[name]) is None:
        needs.skip(tool)
    arguments = (tmp_path,) if name == "_generic" else ()
    check = getattr(verilog_proof, name)
    assert check(folders["verilog"], *(("net",) if arguments else (named(NAMES), "net")), *arguments)


@needs.program("iverilog")
def test_icarus_reads_verilog_whatever_classes_are_called(folders, tmp_path):
    sources = verilog_proof._sources(folders["verilog"], test=True)
    command = ["iverilog", "-g2005", "-Wall", "-s", "net_tb", "-o", str(tmp_path / "run.vvp"), *sources]
    done = subprocess.run(command, cwd=folders["verilog"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_verilog_names_the_classes_in_a_comment(folders):
    lines = (folders["verilog"] / "net.v").read_text(encoding="utf-8").splitlines()
    at = lines.index("// What `decision` says:")
    assert lines[at + 1 : at + 7] == [
        '//   0 is "cat"',
        '//   1 is ""',
        '//   2 is " "',
        '//   3 is "naïve"',
        '//   4 is "猫"',
        '//   5 is "🐈"',
    ]
    said = lines[at + 1 : at + 1 + len(NAMES)]
    assert len({line.partition(" is ")[2] for line in said}) == len(NAMES)
    assert all(line.startswith("//   ") and line.isprintable() for line in said)


@given(st.text())
def test_a_quoted_name_is_one_line_of_what_can_be_seen_and_says_it_all(text):
    quoted = names.quoted(text)
    assert quoted.isprintable() and json.loads(quoted if text.isprintable() else "0") == (
        text if text.isprintable() else 0
    )


@given(st.text(st.characters(codec="utf-8")))
def test_a_string_of_c_is_plain_and_says_it_all(text):
    said = names.c_text(text)
    assert said.isascii() and said.isprintable() and "??" not in said
    read = re.sub(r"\\(\d{3}|.)", lambda found: chr(int(found[1], 8)) if len(found[1]) == 3 else found[1], said[1:-1])
    assert read.encode("latin-1") == text.encode()
