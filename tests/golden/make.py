"""How the golden models of format version 1 were made: run once; later versions must go on reading what it wrote.

python tests/golden/make.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bstdg.inputs.features import FeatureScaling
from bstdg.layers import FullLayer
from bstdg.model import packed, runtime


def main(out: Path) -> None:
    rng = np.random.default_rng(4)
    widths = (20, 13, 9, 3)  # no multiple of 8: every row has padding
    thresholds = ((1, 5), (-2, 40_000), (2, 5))  # the second layer needs 32-bit thresholds
    layers = tuple(
        FullLayer(rng.choice([-1, 1], (above, below)).astype(np.int8), rng.integers(low, high, above))
        for below, above, (low, high) in zip(widths, widths[1:], thresholds, strict=False)
    )
    layers[1].thresholds[:6] = rng.integers(1, 5, 6)  # most of its neurons can fire all the same
    layers[1].thresholds[8] = 40_000
    model = packed.PackedModel(layers, 6, (4, 5), 255, 0.1, ("left", "middle", "right"), {"data": "golden"})
    (out / "model-v1.bstdg").write_bytes(packed.to_bytes(model))
    images = rng.integers(0, 256, (40, 4, 5)).astype(np.uint8)
    images[0] = 0
    images[1] = 255
    save_run(out / "model-v1.npz", runtime.Model(model), images)


def scaled(out: Path) -> None:
    """A model of features, which came later to the same version."""
    rng = np.random.default_rng(5)
    features = rng.normal([0.0, 1e6, -3.0], [1.0, 1e3, 0.0], (30, 3))  # the last never varies
    scaling = FeatureScaling.fit(features, 6)
    layers = tuple(
        FullLayer(rng.choice([-1, 1], (above, below)).astype(np.int8), rng.integers(1, 3, above))
        for below, above in ((6, 9), (9, 2))
    )
    trained = {"data": "golden"}
    model = packed.PackedModel(layers, 6, (3,), 255, 0.0, ("no", "yes"), trained, scaling=scaling)
    (out / "model-scaled-v1.bstdg").write_bytes(packed.to_bytes(model))
    beyond = np.array([[9.0, -1e9, -3.0], [-9.0, 1e9, 5.0]])
    save_run(out / "model-scaled-v1.npz", runtime.Model(model), np.concatenate([features, beyond]))


def save_run(path: Path, loaded: runtime.Model, images: np.ndarray) -> None:
    run = loaded.run(loaded.encode(images))
    np.savez_compressed(
        path,
        images=images,
        potentials=run.trace.potentials,
        label=run.decision.label,
        step=run.decision.step,
        **{f"hidden{i}": steps for i, steps in enumerate(run.trace.hidden)},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    scaled(Path(sys.argv[1]))
