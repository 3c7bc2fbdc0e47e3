"""Mutants of a source file: one small break each, made by the operators of Cosmic Ray."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

BINARY = {
    "Add": ("Sub",),
    "Sub": ("Add",),
    "Mul": ("Div",),
    "Div": ("Mul",),
    "FloorDiv": ("Mul",),
    "Mod": ("FloorDiv",),
    "Pow": ("Mul",),
    "LShift": ("RShift",),
    "RShift": ("LShift",),
    "BitAnd": ("BitOr",),
    "BitOr": ("BitAnd",),
    "BitXor": ("BitOr",),
}
COMPARISON = {
    "Lt": ("LtE", "GtE"),
    "LtE": ("Lt", "Gt"),
    "Gt": ("GtE", "LtE"),
    "GtE": ("Gt", "Lt"),
    "Eq": ("NotEq",),
    "NotEq": ("Eq",),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
}
OTHERS = (
    "AddNot",
    "ExceptionReplacer",
    "NumberReplacer",
    "ReplaceAndWithOr",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Invert",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_USub_UAdd",
    "ZeroIterationForLoop",
)
OPERATORS = (
    *(f"ReplaceBinaryOperator_{old}_{new}" for old, news in BINARY.items() for new in news),
    *(f"ReplaceComparisonOperator_{old}_{new}" for old, news in COMPARISON.items() for new in news),
    *OTHERS,
)


class Mutant(NamedTuple):
    """One break.

    Attributes:
        where: the function it is in, or the class, or "" for the module.
        line: its number in the file.
        before: the line as it is, without the space around it.
        after: and broken.
        code: the whole file, broken.
    """

    where: str
    line: int
    before: str
    after: str
    code: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a file, in the order of its operators, but for those of `_left_alone`."""
    from cosmic_ray.ast import ast_nodes, get_ast  # an extra of its own
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    nothing = _left_alone(source)
    names = _names(source)
    known = set(operator_names())
    for name in OPERATORS:
        if f"core/{name}" not in known:
            raise LookupError(f"Cosmic Ray has no operator {name}")
        operator = get_operator(f"core/{name}")()
        places = [place for node in ast_nodes(get_ast(source)) for place in operator.mutation_positions(node)]
        for i, (start, _) in enumerate(places):
            if any(first <= start < last for first, last in nothing) or _is_marker(source, start):
                continue
            try:
                code = mutate_code(source, operator, i)
            except AttributeError:  # of exceptions it can replace a plain name, but not `zlib.error`
                continue
            if code is None or code == source:
                continue
            old, new = _first_difference(source, code)
            yield Mutant(names.get(start[0], ""), start[0], old, new, code)


def _first_difference(old: str, new: str) -> tuple[str, str]:
    lines = zip(old.splitlines(), new.splitlines(), strict=False)
    return next((a.strip(), b.strip()) for a, b in lines if a != b)


def _left_alone(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """What is broken to no use: annotations and decorators, what only type checkers import, and `strict=True` of zips.

    Given from and to, as (line, column).
    """
    found: list[ast.AST | None] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.AnnAssign, ast.arg)):
            found.append(node.annotation)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found += [node.returns, *node.decorator_list]
        elif isinstance(node, ast.keyword) and node.arg == "strict":
            found.append(node.value)
        elif isinstance(node, ast.ClassDef):
            found += node.decorator_list
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            found.append(node)
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0))
        for node in found
        if isinstance(node, (ast.expr, ast.stmt))
    ]


def _is_marker(source: str, place: tuple[int, int]) -> bool:
    """Whether this is the star alone after which arguments have names, which is no product."""
    line, column = place
    return source.splitlines()[line - 1][column : column + 2] == "*,"


def _names(source: str) -> dict[int, str]:
    """The innermost function or class of each line that is in one."""
    names: dict[int, str] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{prefix}{child.name}"
                names.update(dict.fromkeys(range(child.lineno, (child.end_lineno or child.lineno) + 1), name))
                visit(child, f"{name}.")
            else:
                visit(child, prefix)

    visit(ast.parse(source), "")
    return names
