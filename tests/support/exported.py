"""What an exported folder holds."""

from __future__ import annotations

from pathlib import Path

from bstdg.export import golden
from bstdg.export.base import Golden
from bstdg.model import packed
from bstdg.model.packed import PackedModel


def model_and_vectors(folder: Path) -> tuple[PackedModel, Golden]:
    """The model of the folder, and its golden vectors."""
    model = packed.load(folder / "model.bstdg")
    return model, golden.from_bytes((folder / "golden.safetensors").read_bytes(), model)
