"""Where things are, for tests of any wing."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
RECIPES = ROOT / "recipes"
DOCS = ROOT / "docs"
