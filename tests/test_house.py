"""The house: arrows go one way, walls stand, rooms are small, and importing the package is light."""

from __future__ import annotations

import ast
import importlib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.imports import circles, foreign, imports, modules, told_to_type_checkers
from support.paths import GOLDEN, ROOT
from support.processes import loaded_by

# From the roof to the ground. A wing imports those below it, never one above; the modules beside the wings are the
# ground, and import nothing but each other.
WINGS = (
    "cli",
    "lab",
    "report",
    "classifier",
    "export",
    "drawing",
    "training",
    "learning",
    "model",
    "datasets",
    "engine",
    "layers",
    "inputs",
    "spikes",
    "distributed",
)
GROUND = (
    "about",
    "commands",
    "disk",
    "errors",
    "fields",
    "files",
    "kinds",
    "locks",
    "progress",
    "shipped",
    "shown",
    "strict_json",
    "templates",
    "whole",
)
TORCH_FREE = ("model", "datasets", "export", "inputs", "drawing", "report", "layers")
TORCH_FREE_MODULES = ("bstdg.engine.native", "bstdg.engine.oracle", "bstdg.engine.oracle_events", "bstdg.engine.base")
TABLES = {  # longer than a room should be, since they are lists
}
LONGEST, MOST_MODULES = 300, 17  # with __init__.py


def wing(module: str) -> str:
    return module.split(".")[1]


def test_every_module_is_in_a_wing_or_on_the_ground():
    rooms = {wing(name) for name in modules() if name != "bstdg"}
    assert rooms == {*WINGS, *GROUND, "__main__"}


def test_arrows_go_down():
    height = {name: -i for i, name in enumerate(WINGS)} | dict.fromkeys(GROUND, -len(WINGS)) | {"__main__": 1}
    up = {
        f"{module} -> {other}"
        for module, named in imports().items()
        for other in named
        if height[wing(module)] < height[wing(other)]
    }
    assert not up


def test_no_module_imports_itself_round_about():
    assert circles(imports()) == []


def test_circles_and_lazy_imports_are_seen(tmp_path):
    room = tmp_path / "bstdg"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "a.py").write_text("def f():\n    from bstdg import b\n")
    (room / "b.py").write_text("if TYPE_CHECKING:\n    from bstdg.c import d\n")
    (room / "c.py").write_text("import bstdg.a\n")
    graph = imports(tmp_path)
    assert graph["bstdg.a"] == {"bstdg.b"}
    assert circles(graph) == [["bstdg.a", "bstdg.b", "bstdg.c"]]


def programs() -> list[Path]:
    """Python beside the package, which nothing of it imports."""
    return [
        path for folder in ("benchmarks", "fuzz", "docs", "native") for path in sorted((ROOT / folder).glob("*.py"))
    ]


@pytest.mark.parametrize("program", programs(), ids=lambda path: path.name)
def test_what_programs_beside_the_package_import_of_it_is_there(program):
    """Most are run by hand alone, and long after a name has moved."""
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "bstdg":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")


def torch_free() -> list[str]:
    return [name for name in modules() if name in TORCH_FREE_MODULES or (name != "bstdg" and wing(name) in TORCH_FREE)]


@pytest.mark.parametrize("module", torch_free())
def test_walls_keep_torch_out(module):
    """Neither the module nor anything that it imports at its top, as Python finds out by importing it."""
    assert "torch" not in foreign(modules()[module])


def test_importing_what_is_deployed_and_exported_loads_no_torch():
    rooms = [name for name in torch_free() if wing(name) in ("model", "engine", "export", "inputs", "layers")]
    assert "torch" not in loaded_by(f"import {', '.join(rooms)}")


def test_rooms_are_small():
    long = {name: lines for name, path in modules().items() if (lines := len(path.read_text().splitlines())) > LONGEST}
    assert set(long) == set(TABLES), long


def test_folders_have_few_rooms():
    folders: dict[str, int] = {}
    for path in modules().values():
        folders[str(path.parent)] = folders.get(str(path.parent), 0) + 1
    assert {folder: number for folder, number in folders.items() if number > MOST_MODULES} == {}


def packages_loaded_by(program: str) -> set[str]:
    """Packages of others that a program imports."""
    loaded = {name.partition(".")[0] for name in loaded_by(program) - loaded_by("")}
    return loaded & set(packages_distributions()) - {"bstdg"}


def test_importing_the_package_loads_nothing_else():
    assert packages_loaded_by("import bstdg; bstdg.__version__") == set()


def test_a_deployed_model_needs_numpy_alone():
    program = f"""
import bstdg, numpy as np
model = bstdg.load({str(GOLDEN / "model-v1.bstdg")!r})
assert len(model.predict(np.zeros((2, 4, 5), np.uint8))) == 2
"""
    assert packages_loaded_by(program) == {"numpy"}


@pytest.mark.parametrize("door", ["bstdg", "bstdg.drawing"])
def test_public_names_lead_where_type_checkers_are_told(door):
    module = importlib.import_module(door)
    assert told_to_type_checkers(modules()[door]) == module._HOME
    assert set(module._HOME) == set(module.__all__) - {"__version__"}
    assert all(getattr(module, name) is not None for name in dir(module))
