"""Deployed models at work: images in, decisions out. Needs NumPy alone, never torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.engine import choose, native
from bstdg.engine.base import Trace
from bstdg.engine.decide import Decision, decide
from bstdg.errors import InputError
from bstdg.inputs import edges
from bstdg.inputs.latency import latency
from bstdg.model import packed
from bstdg.model.summary import Summary, summarize
from bstdg.model.tally import Tally
from bstdg.spikes.events import Events

if TYPE_CHECKING:
    from bstdg.datasets.events import EventDataset

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
        engine_name: one of `bstdg.engine.names()`; the default is the fast one that needs NumPy alone.

    Raises:
        InputError: there is no such engine, or it cannot run here.
    """

    def __init__(self, model: packed.PackedModel, engine_name: str | None = None):
        self.packed = model
        self.engine, self._network = choose.inference(engine_name, model.layers, model.num_steps)
        plain = model.input is None and model.scaling is None and not model.edges
        self._step_of_pixel = _step_of_pixel(model) if plain else None

    def __reduce__(self) -> tuple[type[Model], tuple[packed.PackedModel, str]]:
        """A copy, or a pickle, lays the bits out anew for the machine that it comes to."""
        return Model, (self.packed, self.engine.NAME)

    def __repr__(self) -> str:
        widths, shape = "-".join(map(str, self.packed.widths)), " x ".join(map(str, self.packed.image_shape))
        reads = f"images of {shape}" if self.packed.input is None else f"events on {shape} channels"
        return f"Model({widths}, T={self.packed.num_steps}, reads {reads}, engine={self.engine.NAME!r})"

    def summary(self) -> Summary:
        """Layers, bits, thresholds, operations of an inference, and bytes; prints as a table, in a notebook too."""
        coding = self.packed.input
        spikes = 1
        if coding is not None and not coding.counts:
            spikes = {"all": None, "one_per_step": self.packed.num_steps, "first": 1}[coding.keep]
        return summarize(self.packed.layers, self.packed.num_steps, repr(self), channel_spikes=spikes)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def encode(self, images: ArrayLike) -> NDArray[np.uint8]:
        """Images or features to steps, uint8 `[batch, channels]`.

        Args:
            images: one image or a batch `[batch, rows, columns]` of the model's shape (or flattened); integers
                0 … white of the model, or floats 0 … 1. A model of features reads finite numbers of any range,
                `[batch, features]`, and scales them itself.

        Raises:
            InputError: the shape or a pixel is off.
        """
        pixels = self._batch(images)
        if self.packed.scaling is not None:
            return self.packed.scaling.encode(pixels.reshape(len(pixels), math.prod(self.packed.image_shape)))
        if self.packed.edges:
            pixels = self._edges(pixels)
        white = self.packed.white if np.issubdtype(pixels.dtype, np.integer) else 1.0
        return latency(pixels, self.packed.num_steps, white=white, silent_below=self.packed.silent_below)

    def _edges(self, pixels: NDArray) -> NDArray[np.uint8]:
        white, whole = self.packed.white, np.issubdtype(pixels.dtype, np.integer)
        latency(pixels, 1, white=white if whole else 1.0)  # refuses what is out of range
        levels = pixels if whole else np.rint(pixels.astype(np.float64) * white)
        images = levels.astype(np.uint8).reshape(len(levels), *self.packed.image_shape)
        return edges.maps(images, self.packed.edges, white)

    def encode_events(self, offsets: ArrayLike, channels: ArrayLike, times: ArrayLike) -> Events:
        """Recordings of timed events as the network reads them; arguments as for `bstdg.inputs.recordings.InputCoding.encode`.

        Raises:
            InputError: the model reads images, or an event is off.
        """
        if self.packed.input is None:
            raise InputError("the model reads images, not recordings of events")
        num_channels, num_steps = math.prod(self.packed.image_shape), self.packed.num_steps
        return self.packed.input.encode(offsets, channels, times, num_channels=num_channels, num_steps=num_steps)

    def _batch(self, images: ArrayLike) -> NDArray:
        """Images as `[batch, …]`, their shape checked."""
        if self.packed.input is not None:
            raise InputError("the model reads recordings of events, not images: see encode_events")
        pixels = np.asarray(images)
        shape = self.packed.image_shape
        if pixels.shape == shape:
            pixels = pixels[None]
        width = math.prod(shape)
        if pixels.ndim < 2 or (pixels.shape[1:] != shape and pixels.shape[1:] != (width,)):
            wanted, what = " x ".join(map(str, shape)), "images" if self.packed.scaling is None else "features"
            raise InputError(f"the model reads {what} of {wanted}, or batches of them, not {list(pixels.shape)}")
        return pixels

    def run(self, spikes: NDArray[np.uint8] | Events) -> Run:
        """Run encoded input: steps uint8 `[batch, channels]` (copied if they are not C-contiguous), or `Events`.

        Raises:
            InputError: the input does not fit the model.
        """
        width = spikes.num_channels if isinstance(spikes, Events) else spikes.shape[1]
        if width != self.packed.widths[0]:
            raise InputError(f"the model has {self.packed.widths[0]} inputs, the data {width}")
        if isinstance(spikes, Events) and spikes.num_steps != self.packed.num_steps:
            raise InputError(f"the model runs {self.packed.num_steps} steps, the events {spikes.num_steps}")
        trace = self._network.trace(spikes if isinstance(spikes, Events) else np.ascontiguousarray(spikes))
        return Run(spikes, trace, decide(trace.potentials, self.packed.layers[-1].thresholds))

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """The class decided for each image, int64 `[batch]`, each computed no further than to its decision.

        Arguments and errors as for `encode`. `uint8` images are read as they lie in memory; others, and those that
        are no C-contiguous array, are encoded or copied some at a time.
        """
        pixels = self._batch(images)
        parts = [pixels] if pixels.flags.c_contiguous else _parts(pixels)
        if isinstance(self._network, native.Compiled) and pixels.dtype == np.uint8 and self._step_of_pixel is not None:
            labels = [self._labels_of_bytes(np.ascontiguousarray(part)) for part in parts]
        else:
            labels = [self._network.decide(self.encode(part)).label for part in _parts(pixels)]
        return labels[0] if len(labels) == 1 else np.concatenate(labels)

    def _labels_of_bytes(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        network, table = cast(native.Compiled, self._network), self._step_of_pixel
        try:
            return network.labels(pixels.reshape(len(pixels), self.packed.widths[0]), table)
        except InputError:
            self.encode(pixels)  # says which value is out of range
            raise

    def evaluate(self, images: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
        """All figures over labelled images (see `bstdg.model.tally.Tally`), and the engine that computed them.

        Raises:
            InputError: there are no images, or the labels do not fit them or the model.
        """
        steps, truth = self.encode(images), np.asarray(labels)
        if truth.shape != (len(steps),):
            raise InputError(f"{len(steps)} images need as many labels, not {list(truth.shape)}")
        return self._tally((steps[i : i + BATCH] for i in range(0, len(steps), BATCH)), truth)

    def evaluate_events(self, recordings: EventDataset, index: Any = slice(None)) -> dict[str, Any]:
        """All figures over the recordings that `index` (positions, mask or slice) selects, and the engine used.

        Raises:
            InputError: there are none, or they do not fit the model.
        """
        if recordings.image_shape != self.packed.image_shape:
            raise InputError(
                f"{recordings.name} has {recordings.num_channels} channels, the model reads {self.packed.image_shape}"
            )
        rows = np.arange(len(recordings))[index]
        parts = (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))
        return self._tally((self.encode_events(*recordings.rows(part)) for part in parts), recordings.labels[rows])

    def _tally(self, batches: Iterable[NDArray[np.uint8] | Events], truth: NDArray) -> dict[str, Any]:
        if len(truth) and not 0 <= truth.min() <= truth.max() < len(self.packed.classes):
            raise InputError(
                f"labels must be in 0 … {len(self.packed.classes) - 1}, found {truth.min()} … {truth.max()}"
            )
        tally = Tally(self.packed.num_steps, self.packed.widths[1:])
        done = 0
        for spikes in batches:
            run = self.run(spikes)
            tally.add(run.decision, truth[done : done + len(spikes)], run.spikes, run.trace.hidden)
            done += len(spikes)
        return {**tally.figures(), "engine": self.engine.NAME}


def _step_of_pixel(model: packed.PackedModel) -> NDArray[np.uint8] | None:
    """The step of each of 256 pixel values; None where pixels are wider than a byte."""
    if model.white > 255:
        return None
    table = np.full(256, native.NOT_ALLOWED, np.uint8)
    levels = np.arange(model.white + 1, dtype=np.uint8)
    table[: len(levels)] = latency(levels[None], model.num_steps, white=model.white, silent_below=model.silent_below)
    return table


def _parts(pixels: NDArray) -> Iterator[NDArray]:
    """At most `BATCH` samples at a time; one part of none where there are none."""
    return (pixels[i : i + BATCH] for i in range(0, max(1, len(pixels)), BATCH))


def load(path: Path | str, engine_name: str | None = None) -> Model:
    """Read a model file and make it ready to run.

    Raises:
        FileFormatError: the file is truncated, altered or foreign.
        InputError: the engine cannot run here.
        OSError: the file cannot be read.
    """
    return Model(packed.load(path), engine_name)
