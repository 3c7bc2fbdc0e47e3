"""What the environment is made of has a version: packages, those they need, and the tools that build."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

from support.paths import ROOT

EXTRAS = ("cluster", "dev", "docs", "events", "nir", "parquet", "search", "tensorboard")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> set[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {normal(line.partition("==")[0]) for line in lines if not line.startswith("#") and "==" in line}


def named(requirement: str) -> str:
    return normal(re.match(r"[\w.-]+", requirement)[0])


def needed() -> set[str]:
    """The package's own requirements and those of its extras, and whatever of theirs is installed here."""
    found, open_ = set(), ["bstdg"]
    while open_:
        name = open_.pop()
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for line in wanted:
            extra = re.search(r"extra == ['\"]([\w-]+)", line)
            other = named(line)
            if (extra and not (name == "bstdg" and extra[1] in EXTRAS)) or other in (*found, "bstdg"):
                continue
            try:
                metadata.version(other)
            except metadata.PackageNotFoundError:  # for another system, or another Python
                continue
            found.add(other)
            open_.append(other)
    return found


def test_every_package_that_is_needed_has_a_version():
    assert len(needed()) > 30
    assert needed() - pinned() == set()


def test_so_have_the_tools_that_build():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    # The last two scikit-build-core asks for where the system has none.
    assert {*map(named, build), "setuptools", "cmake", "ninja"} - pinned() == set()
