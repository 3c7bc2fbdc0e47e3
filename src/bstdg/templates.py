"""Texts made from templates with Jinja: pages of HTML, and sources of C and Verilog.

A wing's templates lie in its folder `templates`. In a page values stand in `{{ }}` and are escaped; in any other file
they stand in `@{ }` and blocks in `@% %@`, since braces are what C and Verilog are made of, and nothing is escaped. A
value that a template names and nobody gives is an error. A text in a page is fit to be shown, see `bstdg.shown`.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2

from bstdg.shown import lines

# How every template is read: a file keeps its last line's end, and a block leaves no empty line behind.
COMMON: dict[str, Any] = {
    "undefined": jinja2.StrictUndefined,
    "keep_trailing_newline": True,
    "trim_blocks": True,
    "lstrip_blocks": True,
}
# Marks that neither C nor Verilog uses: there "@" stands before "(" or "*" only.
CODE: dict[str, Any] = {
    "variable_start_string": "@{",
    "variable_end_string": "}",
    "block_start_string": "@%",
    "block_end_string": "%@",
    "comment_start_string": "@#",
    "comment_end_string": "#@",
}


def fill(package: str, name: str, values: Mapping[str, Any]) -> str:
    """A template of a package with its values in it.

    Args:
        package: whose folder `templates` holds it, such as "bstdg.export.c".
        name: the file's name; one that ends in .html is a page.
        values: by the names that the template calls them.

    Raises:
        jinja2.UndefinedError: the template names a value that is not given.
    """
    return _environment(package, name.endswith(".html")).get_template(name).render(values)


def source(package: str, name: str) -> str:
    """A file of a package's `templates` as it is: a style, a script."""
    return (resources.files(package) / "templates" / name).read_text(encoding="utf-8")


def allowed(source: str) -> str:
    """What the Content-Security-Policy of a page calls one script or style that is written in it.

    >>> allowed("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _fit(value: Any) -> Any:
    """What comes into a page: markup as it is, any other text without what HTML has no place for."""
    return lines(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@functools.cache
def _environment(package: str, page: bool) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=jinja2.select_autoescape(["html"]),
        **COMMON,
        finalize=_fit if page else None,
        **({} if page else CODE),
    )
