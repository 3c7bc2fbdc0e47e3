"""Deployed models at work: images in, decisions out. Needs NumPy alone, never torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg import engine, packed
from bstdg.decide import Decision, Tally, decide
from bstdg.encode import Events, latency
from bstdg.engine.base import Trace
from bstdg.errors import InputError

BATCH = 512  # samples run at once: a compromise of speed and memory


class Run(NamedTuple):
    """One pass over a batch: the encoded `spikes`, the `trace` of every layer, and the `decision`."""

    spikes: NDArray[np.uint8] | Events
    trace: Trace
    decision: Decision


class Model:
    """A deployed network with an engine to run it.

    Args:
        model: what a model file holds.
        engine_name: one of `bstdg.engine.names()`; the default needs NumPy alone.

    Raises:
        InputError: there is no such engine, or it cannot run here.
    """

    def __init__(self, model: packed.PackedModel, engine_name: str | None = None):
        self.packed = model
        self.engine = engine.get(engine_name or engine.default_inference())

    def encode(self, images: ArrayLike) -> NDArray[np.uint8]:
        """Images to steps, uint8 `[batch, pixels]`.

        Args:
            images: one image or a batch `[batch, rows, columns]` of the model's shape (or flattened); integers
                0 … white of the model, or floats 0 … 1.

        Raises:
            InputError: the shape or a pixel is off.
        """
        pixels = np.asarray(images)
        shape = self.packed.image_shape
        if pixels.shape == shape:
            pixels = pixels[None]
        width = math.prod(shape)
        if pixels.ndim < 2 or (pixels.shape[1:] != shape and pixels.shape[1:] != (width,)):
            wanted = " x ".join(map(str, shape))
            raise InputError(f"the model reads images of {wanted}, or batches of them, not {list(pixels.shape)}")
        white = self.packed.white if np.issubdtype(pixels.dtype, np.integer) else 1.0
        return latency(pixels, self.packed.num_steps, white=white, silent_below=self.packed.silent_below)

    def run(self, spikes: NDArray[np.uint8] | Events) -> Run:
        """Run encoded input: steps uint8 `[batch, channels]`, or `Events`.

        Raises:
            InputError: the input does not fit the model.
        """
        width = spikes.num_channels if isinstance(spikes, Events) else spikes.shape[1]
        if width != self.packed.widths[0]:
            raise InputError(f"the model has {self.packed.widths[0]} inputs, the data {width}")
        if isinstance(spikes, Events) and spikes.num_steps != self.packed.num_steps:
            raise InputError(f"the model runs {self.packed.num_steps} steps, the events {spikes.num_steps}")
        trace = self.engine.forward(self.packed.layers, spikes, self.packed.num_steps)
        return Run(spikes, trace, decide(trace.potentials, self.packed.layers[-1].thresholds))

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """The class decided for each image, int64 `[batch]`; arguments and errors as for `encode`."""
        steps = self.encode(images)
        parts = [self.run(steps[i : i + BATCH]).decision.label for i in range(0, len(steps), BATCH)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def evaluate(self, images: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
        """All figures over labelled images (see `bstdg.decide.Tally`), and the engine that computed them.

        Raises:
            InputError: there are no images, or the labels do not fit them or the model.
        """
        steps, truth = self.encode(images), np.asarray(labels)
        if truth.shape != (len(steps),):
            raise InputError(f"{len(steps)} images need as many labels, not {list(truth.shape)}")
        if len(truth) and not 0 <= truth.min() <= truth.max() < len(self.packed.classes):
            raise InputError(
                f"labels must be in 0 … {len(self.packed.classes) - 1}, found {truth.min()} … {truth.max()}"
            )
        tally = Tally(self.packed.num_steps, self.packed.widths[1:])
        for i in range(0, len(steps), BATCH):
            run = self.run(steps[i : i + BATCH])
            tally.add(run.decision, truth[i : i + BATCH], run.spikes, run.trace.hidden)
        return {**tally.figures(), "engine": self.engine.NAME}


def load(path: Path | str, engine_name: str | None = None) -> Model:
    """Read a model file and make it ready to run.

    Raises:
        FileFormatError: the file is truncated, altered or foreign.
        InputError: the engine cannot run here.
        OSError: the file cannot be read.
    """
    return Model(packed.load(path), engine_name)
