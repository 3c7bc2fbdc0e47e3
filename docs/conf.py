"""How Sphinx builds these pages. Nothing is fetched, at build time or by a reader's browser."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "mathml", "generated"]

project = "bstdg"
author = "The bstdg developers"
release = importlib.metadata.version("bstdg")
exclude_patterns = ["benchmarks"]
html_theme = "furo"
html_title = "bstdg"
html_copy_source = False
html_show_copyright = False

myst_enable_extensions = ["dollarmath", "deflist", "attrs_block"]
myst_heading_anchors = 3

nitpicky = True
# Types of other packages are not looked up: that would need their inventories, from the network.
# Nor are our own private ones, and those of modules that have no place in the reference.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!bstdg\.).*"),
    (r"py:.*", r"bstdg\.(.*\.)?_\w+.*"),
    (r"py:.*", r"bstdg\.(.*\.)?[A-Z]"),  # type variables
    (r"py:.*", r"bstdg\.(files|about|shipped|lab|cli)\..*"),
]
suppress_warnings = ["ref.python"]  # two classes of one name, as Spikes in bstdg.learning.rule and bstdg.drawing.films

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_inherit_docstrings = False  # torch's are written for torch's pages
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields|Example|Examples|Note|Source|Shapes|Forward)s?:.*")


_JOINED = re.compile(r"(?<!`)`([^`]+)`(?=[A-Za-z])")  # `Module`s
_MARKUP = re.compile(r"\||(?<=\w)_(?=[,.\s)])")


def _teach_rst(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings are written to be read as they are; what they indent is a block to be shown as it is."""
    out: list[str] = []
    literal = False
    for i, line in enumerate(lines):
        opens = line.startswith("    ") and i > 1 and not lines[i - 1].strip()
        before = next((text for text in reversed(lines[:i]) if text.strip()), "")
        if opens and not literal and before == before.lstrip() and not _SECTION.match(before):
            out += ["::", ""]
            literal = True
        if line.strip() and not line.startswith(" "):
            literal = False
        out.append(line if literal else _escaped(line))
    # A first line that is empty keeps napoleon from taking what stands before a colon for a property's type.
    lines[:] = ["", *out] if what == "property" else out


def _escaped(line: str) -> str:
    """What RST would take for markup but is none: a plural after code, |m|, and names that end in an underscore."""
    code = _JOINED.sub(r"`\1`\\ ", line).split("`")
    return "`".join(part if n % 2 else _MARKUP.sub(r"\\\g<0>", part) for n, part in enumerate(code))


def _skip_made(app, what, name, obj, skip, options) -> bool | None:
    """What nobody here wrote: fields of a NamedTuple, which its docstring explains, scikit-learn's set_..._request, and
    what matplotlib puts into its subclasses.
    """
    made = type(obj).__name__ == "_tuplegetter" or re.fullmatch(r"set_\w+_request", name)
    return True if made or getattr(obj, "__module__", "").startswith("matplotlib") else None


def setup(app) -> None:
    # Before napoleon, which listens to the same event.
    app.connect("autodoc-process-docstring", _teach_rst, priority=400)
    app.connect("autodoc-skip-member", _skip_made)
