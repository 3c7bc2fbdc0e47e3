"""Importing the package is light, and deployed models run without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def loaded_by(program: str) -> set[str]:
    program += "\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert not {"torch", "matplotlib", "numpy", "sklearn", "rich"} & loaded_by("import bstdg; bstdg.__version__")


def test_a_deployed_model_needs_numpy_alone():
    program = f"""
import bstdg, numpy as np
model = bstdg.load({str(GOLDEN / "model-v1.bstdg")!r})
assert len(model.predict(np.zeros((2, 4, 5), np.uint8))) == 2
"""
    heavy = {"torch", "matplotlib", "sklearn", "rich", "safetensors", "typer", "PIL", "scipy", "platformdirs"}
    assert not heavy & loaded_by(program)


def test_every_public_name_is_there():
    import bstdg

    assert all(getattr(bstdg, name) is not None for name in dir(bstdg))
