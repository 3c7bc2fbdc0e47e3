"""The reference has a page for every wing of the package, and on it every module that says what it is."""

from __future__ import annotations

import importlib
import sys

import pytest
from support.imports import modules
from support.paths import DOCS

WITHOUT_PAGE = {"cli", "lab"}  # the command line has one of another kind; what was measured is no library
WINGS = sorted({name.split(".")[1] for name in modules() if name.count(".") > 1} - WITHOUT_PAGE)


@pytest.fixture
def generated(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    yield importlib.import_module("generated")
    sys.modules.pop("generated", None)


@pytest.mark.parametrize("wing", WINGS)
def test_every_module_of_a_wing_is_on_its_page(wing, generated):
    page = (DOCS / "reference" / f"{wing}.md").read_text(encoding="utf-8")
    assert f"<!-- generated: modules {wing} -->" in page
    assert f"\n{wing}\n" in (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    text = "".join(generated.modules(wing))
    listed = {line.split()[-1] for line in text.splitlines() if "automodule" in line}
    mine = {name for name in modules() if name == f"bstdg.{wing}" or name.startswith(f"bstdg.{wing}.")}
    assert {name for name in mine if modules()[name].read_text(encoding="utf-8").strip()} == listed
