"""How the golden models of format version 2 were made: run once; later versions must go on reading what it wrote.

Those of version 1 were written by version 0.1. Four of version 2 are these again, so both say the same; the others have
what version 1 could not say: colour, windows that slide, the maps of signals, contrast, a sensor with pixels.

python tests/golden/make.py
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bstdg.inputs import EdgeCode, InputCoding, LatencyCode, RecordingCode, SignalCode
from bstdg.layers import Conv2dLayer, FullLayer, Pool2dLayer
from bstdg.layers.convolution import Convolution
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
    keep("colour", packed.PackedModel(code, layers, 7, ("no", "yes"), {"data": "golden"}), rng, (3, 4, 6))


def convolution() -> None:
    """Windows that slide: strides, padding and groups of both sides, pooling by the first and by the second spike."""
    rng = np.random.default_rng(8)
    first = Convolution((2, 9, 8), 6, (3, 2), (2, 1), (1, 0), 2)
    pool = Pool2dLayer(first.gives, (2, 2), (1, 2), 2)
    second = Convolution(pool.gives, 4, (2, 2))
    last = Pool2dLayer(second.gives, (3, 1), (3, 1), 1)
    layers = (
        Conv2dLayer(signs(rng, first.weights), rng.integers(1, 4, first.maps), first),
        pool,
        Conv2dLayer(signs(rng, second.weights), np.array([0, 1, 2, 40_000]), second),
        last,
        FullLayer(signs(rng, (3, int(np.prod(last.gives)))), np.array([1, 2, 1]), last.gives),
    )
    model = packed.PackedModel(LatencyCode((2, 9, 8), 200), layers, 6, ("a", "b", "c"), {"data": "golden"})
    keep("convolution", model, rng, (2, 9, 8))


def signal() -> None:
    """Maps of a signal, each a plane that windows slide over: relative to each sample's top, and to one of all."""
    for kind, top in (("signal", 0), ("signal-top", 150)):
        rng = np.random.default_rng(9)
        code = SignalCode((2, 1, 17), ("above", "below", "rise", "fall", "level", "depth"), 200, 0.1, top)
        first = Convolution(code.gives, 6, (1, 5), (1, 2), (0, 2), 2)
        pool = Pool2dLayer(first.gives, (1, 2), (1, 2), 1)
        layers = (
            Conv2dLayer(signs(rng, first.weights), rng.integers(1, 6, first.maps), first),
            pool,
            FullLayer(signs(rng, (3, int(np.prod(pool.gives)))), np.array([1, 2, 1]), pool.gives),
        )
        keep(kind, packed.PackedModel(code, layers, 8, ("n", "s", "v"), {"data": "golden"}), rng, (2, 1, 17))


def contrast() -> None:
    """Pixels relative to the brightest of their image, evenly and by levels: two are equal, one is out of reach."""
    for kind, silent, levels in (("relative", 0.1, ()), ("levels", 0.0, (201, 120, 90, 90, 31, 2))):
        rng = np.random.default_rng(11)
        code = LatencyCode((2, 4, 5), 200, silent, relative=True, levels=levels)
        layers = tuple(
            FullLayer(signs(rng, (above, below)), rng.integers(1, 5, above))
            for below, above in itertools.pairwise((40, 9, 3))
        )
        keep(kind, packed.PackedModel(code, layers, 6, ("a", "b", "c"), {"data": "golden"}), rng, (2, 4, 5), dim=True)


def pixels() -> None:
    """Events of a sensor with pixels: squares are joined, gates, delays and windows make planes of their own."""
    rng = np.random.default_rng(10)
    coding = InputCoding(duration=0.5, onset=2, pool=2, keep="one_per_step", gates=2, delays=(0, 1), windows=(0, 2))
    code = RecordingCode((2, 7, 6), coding)
    first = Convolution(code.gives, 4, (2, 2), (2, 1), (1, 0))
    layers = (
        Conv2dLayer(signs(rng, first.weights), rng.integers(1, 4, first.maps), first),
        FullLayer(signs(rng, (3, int(np.prod(first.gives)))), np.array([1, 2, 1]), first.gives),
    )
    model = packed.PackedModel(code, layers, 6, ("0", "1", "2"), {"data": "golden"})
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 60, 12))])  # the first of no event, perhaps
    offsets[1] = 0
    times = np.concatenate([np.sort(rng.uniform(0, 0.7, n)) for n in np.diff(offsets)])
    recordings = (offsets, rng.integers(0, 2 * 7 * 6, len(times)).astype(np.uint16), times.astype(np.float32))
    packed.save(model, HERE / "model-pixels-v2.bstdg")
    loaded = runtime.Model(model, "oracle")
    run = loaded.run(loaded.encode_events(*recordings))
    keep_run("pixels", run, dict(zip(("offsets", "channels", "times"), recordings, strict=True)))


def signs(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """Random bits."""
    return rng.choice([-1, 1], shape).astype(np.int8)


def keep(
    kind: str, model: packed.PackedModel, rng: np.random.Generator, shape: tuple[int, ...], *, dim: bool = False
) -> None:
    """Save a model that reads images of `shape` up to 200, and what the reference makes of some; with `dim`, of images
    each in another light.
    """
    packed.save(model, HERE / f"model-{kind}-v2.bstdg")
    images = rng.integers(0, 201, (20, *shape)).astype(np.uint8)
    images[0] = 0
    if dim:
        images = (images * np.linspace(0.05, 1, 20)[:, None, None, None]).astype(np.uint8)
    loaded = runtime.Model(model, "oracle")
    keep_run(kind, loaded.run(loaded.encode(images)), {"images": images})


def keep_run(kind: str, run: runtime.Run, samples: dict[str, NDArray]) -> None:
    """Save samples and what became of them."""
    np.savez_compressed(
        HERE / f"model-{kind}-v2.npz",
        **samples,
        potentials=run.trace.potentials,
        label=run.decision.label,
        step=run.decision.step,
        **{f"hidden{i}": steps for i, steps in enumerate(run.trace.hidden)},
    )


if __name__ == "__main__":
    again()
    colour()
    convolution()
    signal()
    contrast()
    pixels()
