"""How the golden model of format version 1 was made: run once; later versions must go on reading what it wrote.

python tests/golden/make.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bstdg import packed, runtime
from bstdg.engine.base import LayerBits


def main(out: Path) -> None:
    rng = np.random.default_rng(4)
    widths = (20, 13, 9, 3)  # no multiple of 8: every row has padding
    thresholds = ((1, 5), (-2, 40_000), (2, 5))  # the second layer needs 32-bit thresholds
    layers = tuple(
        LayerBits(rng.choice([-1, 1], (above, below)).astype(np.int8), rng.integers(low, high, above))
        for below, above, (low, high) in zip(widths, widths[1:], thresholds, strict=False)
    )
    layers[1].thresholds[:6] = rng.integers(1, 5, 6)  # most of its neurons can fire all the same
    layers[1].thresholds[8] = 40_000
    model = packed.PackedModel(layers, 6, (4, 5), 255, 0.1, ("left", "middle", "right"), {"data": "golden"})
    (out / "model-v1.bstdg").write_bytes(packed.to_bytes(model))
    images = rng.integers(0, 256, (40, 4, 5)).astype(np.uint8)
    images[0] = 0
    images[1] = 255
    loaded = runtime.Model(model)
    run = loaded.run(loaded.encode(images))
    np.savez_compressed(
        out / "model-v1.npz",
        images=images,
        potentials=run.trace.potentials,
        label=run.decision.label,
        step=run.decision.step,
        **{f"hidden{i}": steps for i, steps in enumerate(run.trace.hidden)},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
