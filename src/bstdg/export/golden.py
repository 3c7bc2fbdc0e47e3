"""The inputs that prove an export, made the same way every time, and the file that keeps them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg import files
from bstdg.errors import BstdgError, FileFormatError, InputError
from bstdg.export.base import Golden, encoded, sampled
from bstdg.inputs import LatencyCode, SignalCode
from bstdg.model import runtime
from bstdg.model.packed import PackedModel

FORMAT = "bstdg-golden"
VERSION = 1
IMAGES = 1000  # taken from the test set unless told otherwise
SHARES = (0.02, 0.1, 0.2, 0.5, 1.0)  # of channels that fire, in the random vectors
PER_SHARE = 12
SEED = 1
_TYPES = {"U8": "u1", "BOOL": "u1", "I64": "<i8", "U16": "<u2"}  # of NumPy, by the names of safetensors


class Inputs(NamedTuple):
    """Input steps uint8 `[vectors, channels]`, and what they are: texts and how many vectors, in their order.

    `samples` are what all of them were encoded from, or of joined inputs the last ones; None where that is not kept.
    """

    steps: NDArray[np.uint8]
    parts: tuple[tuple[str, int], ...]
    samples: NDArray[np.uint16] | None = None


def corners(model: PackedModel) -> Inputs:
    """Inputs that need no data: silence, everything at the first or last step, one spike, random steps.

    The generator is NumPy's `RandomState`, whose stream never changes between versions.
    """
    rng, last, width = np.random.RandomState(SEED), model.num_steps - 1, model.widths[0]
    one = np.full(width, model.num_steps)
    one[width // 2] = 0
    rows = [np.full(width, model.num_steps), np.zeros(width), np.full(width, last), one]
    parts = [("no channel fires", 1), ("every channel at step 0", 1), (f"every channel at step {last}", 1)]
    parts.append(("one channel fires", 1))
    for share in SHARES:
        for _ in range(PER_SHARE):
            steps = rng.randint(0, model.num_steps, width)
            rows.append(np.where(rng.random_sample(width) < share, steps, model.num_steps))
        parts.append((f"random steps, {share:.0%} of channels fire", PER_SHARE))
    return Inputs(np.array(rows, np.uint8), tuple(parts))


def signals(model: PackedModel) -> Inputs:
    """Samples that need no data: flat ones, ramps, single peaks, the least differences, the greatest, noise, walks.

    Of pixels also dim ramps, whose brightest is far from white, and near it.
    """
    rng, code = np.random.RandomState(SEED), model.input
    width, white = int(np.prod(code.reads)), code.white
    place = np.arange(width)
    flat = [np.full(width, value) for value in (0, white, white // 2)]
    ramps = [place * white // max(1, width - 1), (width - 1 - place) * white // max(1, width - 1)]
    peaks = [np.where(place == at, top, base) for at in (0, width // 2, width - 1) for base, top in _rises(white)]
    combs = [np.where(place % 2 == odd, top, base) for odd in (0, 1) for base, top in _rises(white)]
    noise = [rng.randint(0, top + 1, width) for top in sorted({1, min(3, white), white}) for _ in range(PER_SHARE)]
    walks = [np.cumsum(rng.randint(-reach, reach + 1, width)) for reach in (1, 9, 99) for _ in range(PER_SHARE)]
    groups = {
        "flat signals": flat,
        "ramps": ramps,
        "single peaks": peaks,
        "combs": combs,
        "noise": noise,
        "walks": [np.clip(walk + white // 2, 0, white) for walk in walks],
    }
    name = "signals"
    if isinstance(code, LatencyCode):
        name = "images"
        tops = sorted({1, min(2, white), min(3, white), -(-white // 3), -(-white // 2), white - 1} - {0})
        groups |= {"dim ramps": [place * top // max(1, width - 1) for top in tops]}
    samples = np.array([row for rows in groups.values() for row in rows], np.uint16)
    parts = tuple((f"{name}: {what}", len(rows)) for what, rows in groups.items())
    return Inputs(encoded(model, samples), parts, samples)


def _rises(white: int) -> tuple[tuple[int, int], ...]:
    """What a peak rises from, and to: the greatest difference that there is, the least, and downwards."""
    return (0, white), (white // 2, white // 2 + 1), (white, 0)


def images(model: PackedModel, count: int | None, data_dir: str | Path | None = None) -> Inputs:
    """The first `count` images of the test set that the model names, encoded as the model does it.

    With `count` None these are `IMAGES`, or none where the data set is not at hand or does not fit; nothing is
    downloaded then.

    Raises:
        InputError: images were asked for and there are none.
    """
    none = Inputs(np.empty((0, model.widths[0]), np.uint8), ())
    name = model.trained.get("data")
    name = name if isinstance(name, str) else None
    if count == 0 or (count is None and (name is None or not _at_hand(name, data_dir))):
        return none
    try:
        pixels = _test_pixels(model, name, data_dir, IMAGES if count is None else count)
    except (BstdgError, OSError):
        if count is None:
            return none
        raise
    steps = runtime.Model(model, "oracle").encode(pixels)
    samples = pixels.reshape(len(pixels), -1).astype(np.uint16) if sampled(model.input) else None
    return Inputs(steps, ((f"the first test images of {name}", len(steps)),), samples)


def _test_pixels(model: PackedModel, name: str | None, data_dir: str | Path | None, count: int) -> NDArray[np.uint8]:
    if name is None:
        raise InputError("the model does not name the data set it was trained on, so it has no test images")
    if model.input.samples == "recordings":
        raise InputError("the model reads events, and golden vectors hold one step a channel: give --images 0")
    from bstdg import datasets

    reads = model.input.reads
    samples = datasets.load(name, "test", data_dir, **datasets.pictures_of(name, reads))
    if samples.white != model.input.white or samples.shape != reads:
        raise InputError(f"the model does not read the images of {name}: give --images 0")
    return samples.read(slice(0, count))


def _at_hand(name: str, data_dir: str | Path | None) -> bool:
    """Whether the test set can be read without a download."""
    from bstdg import datasets

    return name in datasets.names() and datasets.source(name).present(data_dir, "test").at_hand


def joined(*parts: Inputs) -> Inputs:
    """One after the other."""
    steps = np.concatenate([part.steps for part in parts])
    kept = [part.samples for part in parts if part.samples is not None]
    samples = np.concatenate(kept) if kept else None
    return Inputs(steps, tuple(itertools.chain.from_iterable(part.parts for part in parts)), samples)


def to_bytes(golden: Golden) -> bytes:
    """A sealed safetensors file (see `bstdg.files`); the same vectors always give the same bytes."""
    tensors: list[tuple[str, NDArray, str]] = [
        ("label", golden.label.astype("<i8"), "I64"),
        ("step", golden.step.astype("<i8"), "I64"),
        ("steps", golden.steps, "U8"),
        *([] if golden.samples is None else [("samples", golden.samples.astype("<u2"), "U16")]),
        *((f"hidden{i}", steps, "U8") for i, steps in enumerate(golden.hidden)),
        ("silent", golden.silent.astype(np.uint8), "BOOL"),
    ]
    return files.tensor_file({"format": FORMAT, "version": str(VERSION)}, tensors)


def from_bytes(data: bytes, model: PackedModel, name: str = "the golden vectors") -> Golden:
    """Read what `to_bytes` wrote for this model.

    Raises:
        FileFormatError: the file is truncated, altered, foreign or of another model.
    """
    parsed = files.parse(data, name)
    if (parsed.metadata.get("format"), parsed.metadata.get("version")) != (FORMAT, str(VERSION)):
        raise FileFormatError(f"{name} holds no golden vectors of version {VERSION}")
    shape = parsed.tensors["steps"].shape if "steps" in parsed.tensors else ()
    count = shape[0] if shape else 0
    hidden = {f"hidden{i}": ("U8", (count, width)) for i, width in enumerate(model.widths[1:-1])}
    expected = {
        "label": ("I64", (count,)),
        "step": ("I64", (count,)),
        "steps": ("U8", (count, model.widths[0])),
        **_expected_samples(parsed, model, count),
        "silent": ("BOOL", (count,)),
        **hidden,
    }
    found = {key: (slot.dtype, slot.shape) for key, slot in parsed.tensors.items()}
    if found != expected:
        raise FileFormatError(f"{name} does not fit the model: its tensors are {sorted(found)}")
    arrays = {
        key: np.frombuffer(slot.data, _TYPES[slot.dtype]).reshape(slot.shape) for key, slot in parsed.tensors.items()
    }
    if not count:
        raise FileFormatError(f"{name} holds no vectors, and proves nothing")
    if "samples" in arrays and (arrays["samples"] > model.input.white).any():
        raise FileFormatError(f"{name} holds samples beyond {model.input.white}")
    if (arrays["steps"] > model.num_steps).any():
        raise FileFormatError(f"{name} holds steps beyond T = {model.num_steps}")
    return Golden(
        arrays["steps"],
        tuple(arrays[key] for key in hidden),
        arrays["label"].astype(np.int64),
        arrays["step"].astype(np.int64),
        arrays["silent"].astype(np.bool_),
        arrays["samples"].astype(np.uint16) if "samples" in arrays else None,
    )


def _expected_samples(parsed: files.TensorFile, model: PackedModel, count: int) -> dict[str, tuple[str, Any]]:
    """What a file has to have of samples: some of a signal, of a relative code where the target encodes them."""
    if not sampled(model.input) or ("samples" not in parsed.tensors and not isinstance(model.input, SignalCode)):
        return {}
    shape = parsed.tensors["samples"].shape if "samples" in parsed.tensors else ()
    return {"samples": ("U16", (min(shape[0], count) if shape else 0, int(np.prod(model.input.reads))))}


def difference(found: Golden, expected: Golden) -> str | None:
    """Where two sets of vectors first differ, in words; None where they are the same."""
    pairs = [
        ("steps", found.steps, expected.steps),
        *((f"hidden layer {i}", a, b) for i, (a, b) in enumerate(zip(found.hidden, expected.hidden, strict=True))),
        *((name, getattr(found, name), getattr(expected, name)) for name in ("label", "step", "silent")),
    ]
    for name, a, b in pairs:
        if a.shape != b.shape:
            return f"{name}: {len(a)} vectors came back, {len(b)} were expected"
        wrong = np.flatnonzero((a != b).reshape(len(a), -1).any(axis=1))
        if len(wrong):
            return f"{name} differs in {len(wrong)} of {len(a)} vectors, the first is vector {wrong[0]}"
    return None
