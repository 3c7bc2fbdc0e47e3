"""What comes with the package beside its code."""

from __future__ import annotations

from pathlib import Path


def shipped_recipes() -> dict[str, Path]:
    """Recipes by name: beside the package when installed, at the root of a source tree."""
    here = Path(__file__).resolve()
    folders = (here.parent / "recipes", here.parents[2] / "recipes")
    return {path.stem: path for folder in reversed(folders) for path in folder.glob("*.toml")}
