"""How the golden models of format version 2 were made: run once; later versions must go on reading what it wrote.

Those of version 1 were written by version 0.1. Four of version 2 are these again, so both say the same; the fifth reads
colour, which version 1 could not say.

python tests/golden/make.py
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np

from bstdg.inputs import EdgeCode
from bstdg.layers import FullLayer
from bstdg.model import packed, runtime

HERE = Path(__file__).parent


def again() -> None:
    """The models of version 1 in the form of version 2."""
    for kind in ("", "scaled-", "edges-", "recordings-"):
        packed.save(packed.load(HERE / f"model-{kind}v1.bstdg"), HERE / f"model-{kind}v2.bstdg")
        shutil.copy(HERE / f"model-{kind}v1.npz", HERE / f"model-{kind}v2.npz")


def colour() -> None:
    """Edge maps of three colours."""
    rng = np.random.default_rng(7)
    code = EdgeCode((3, 4, 6), 2, white=200, silent_below=0.05)
    widths = (12 * 2 * 3, 9, 2)
    layers = tuple(
        FullLayer(rng.choice([-1, 1], (above, below)).astype(np.int8), rng.integers(1, 5, above))
        for below, above in itertools.pairwise(widths)
    )
    model = packed.PackedModel(code, layers, 7, ("no", "yes"), {"data": "golden"})
    packed.save(model, HERE / "model-colour-v2.bstdg")
    images = rng.integers(0, 201, (20, 3, 4, 6)).astype(np.uint8)
    images[0] = 0
    loaded = runtime.Model(model, "oracle")
    run = loaded.run(loaded.encode(images))
    np.savez_compressed(
        HERE / "model-colour-v2.npz",
        images=images,
        potentials=run.trace.potentials,
        label=run.decision.label,
        step=run.decision.step,
        **{f"hidden{i}": steps for i, steps in enumerate(run.trace.hidden)},
    )


if __name__ == "__main__":
    again()
    colour()
