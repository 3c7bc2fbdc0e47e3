"""The package's own imports, read from its sources: at the top, in functions, and for type checkers alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from support.paths import ROOT

SOURCES = ROOT / "src"
DOOR = "bstdg"  # its public names lead everywhere, and from inside only the version is asked of it


def modules(sources: Path = SOURCES) -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for path in sorted((sources / "bstdg").rglob("*.py")):
        parts = path.relative_to(sources).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(sources: Path = SOURCES) -> dict[str, set[str]]:
    """Which modules of the package each module names in an import, wherever in it that stands."""
    known = modules(sources)
    return {name: set(_named(path, name, known)) - {name, DOOR} for name, path in known.items() if name != DOOR}


def foreign(path: Path) -> set[str]:
    """Packages outside this one that a module imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def told_to_type_checkers(path: Path) -> dict[str, str]:
    """What a module imports for type checkers alone under the same name, and from where."""
    return {
        alias.name: node.module or ""
        for guard in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(guard, ast.If) and ast.unparse(guard.test) == "TYPE_CHECKING"
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }


def _named(path: Path, name: str, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: an import says where it leads, not 'from .'"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known:
                    yield inner
                elif node.module in known:
                    yield node.module or ""


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Modules that import each other, directly or round about (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            part = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return found
