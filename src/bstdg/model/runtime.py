"""Deployed models at work: images in, decisions out. Needs NumPy alone, never torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bstdg.engine import choose, native
from bstdg.engine.base import Trace
from bstdg.engine.decide import Decision, decide
from bstdg.errors import InputError
from bstdg.inputs.base import batch_of, by, squeezed
from bstdg.layers import size
from bstdg.model import packed
from bstdg.model.metrics import Tally
from bstdg.model.summary import Summary, summarize
from bstdg.spikes.events import Events

if TYPE_CHECKING:
    from bstdg.datasets import Dataset, EventDataset, StoredDataset

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
        table = model.input.step_of_byte(model.num_steps)
        self._step_of_byte = None if table is None else table.ravel()
        # What a sample may look like, worked out once: one image is decided in microseconds.
        self._one = (squeezed(model.input.reads), model.input.reads)
        self._many = (*self._one, (model.widths[0],)) if self._step_of_byte is not None else ()

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[bytes | packed.PackedModel, str]]:
        """A copy, or a pickle: the model file's bytes and the name of the engine, and no code.

        Where it comes to the bytes are checked as those of any file, and laid out anew for the machine.
        """
        if self.engine.NAME == choose.REAL:  # no file holds such weights
            return Model, (self.packed, self.engine.NAME)
        return from_bytes, (packed.to_bytes(self.packed), self.engine.NAME)

    def __repr__(self) -> str:
        code, num_steps = self.packed.input, self.packed.num_steps
        reads = (
            f"events on {by(code.reads)} channels"
            if code.samples == "recordings"
            else f"{code.samples} of {by(code.reads)}"
        )
        return f"Model({self.packed.structure}, T={num_steps}, reads {reads}, engine={self.engine.NAME!r})"

    def summary(self) -> Summary:
        """Layers, bits, thresholds, operations of an inference, and bytes; prints as a table, in a notebook too."""
        model = self.packed
        spikes = model.input.channel_spikes(model.num_steps)
        return summarize(model.layers, model.num_steps, repr(self), channel_spikes=spikes)

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
        return cast("NDArray[np.uint8]", self.packed.input.encode(self._batch(images), self.packed.num_steps))

    def encode_events(self, offsets: ArrayLike, channels: ArrayLike, times: ArrayLike) -> Events:
        """Recordings of timed events as the network reads them; arguments as for `bstdg.inputs.InputCoding.encode`.

        Raises:
            InputError: the model reads images, or an event is off.
        """
        if self.packed.input.samples != "recordings":
            raise InputError(f"the model reads {self.packed.input.samples}, not recordings of events")
        return cast(Events, self.packed.input.encode((offsets, channels, times), self.packed.num_steps))

    def _batch(self, images: ArrayLike) -> NDArray:
        """Images or features as `[batch, …]`, their shape checked."""
        if isinstance(images, np.ndarray):
            if images.shape in self._one and self._many:
                return images[None]
            if images.ndim > 1 and images.shape[1:] in self._many:
                return images
        code = self.packed.input
        if code.samples == "recordings":
            raise InputError("the model reads recordings of events, not images: see encode_events")
        return batch_of(images, code.reads, code.samples)

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
        if isinstance(self._network, native.Compiled) and pixels.dtype == np.uint8 and self._step_of_byte is not None:
            labels = [self._labels_of_bytes(np.ascontiguousarray(part)) for part in parts]
        else:
            labels = [self._network.decide(self.encode(part)).label for part in _parts(pixels)]
        return labels[0] if len(labels) == 1 else np.concatenate(labels)

    def _labels_of_bytes(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        network, table = cast(native.Compiled, self._network), self._step_of_byte
        try:
            return network.labels(pixels.reshape(len(pixels), self.packed.widths[0]), table)
        except InputError:
            self.encode(pixels)  # says which value is out of range
            raise

    def evaluate(self, images: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
        """All figures over labelled images (see `bstdg.model.metrics.Tally`), and the engine that computed them.

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
        if recordings.num_channels != size(reads := self.packed.input.reads):
            raise InputError(f"{recordings.name} has {recordings.num_channels} channels, the model reads {by(reads)}")
        rows = np.arange(len(recordings))[index]
        parts = (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))
        return self._tally((self.encode_events(*recordings.rows(part)) for part in parts), recordings.labels[rows])

    def evaluate_dataset(
        self, samples: Dataset | StoredDataset | EventDataset, advance: Callable[[int], object] = lambda number: None
    ) -> dict[str, Any]:
        """All figures over a split of a data set, in memory or on disk, of which a piece is read at a time.

        Args:
            samples: what `bstdg.datasets.load` gave.
            advance: told how many more samples were judged, where these are on disk.

        Raises:
            InputError: they do not fit the model.
            FileFormatError: a file changed while it was read, or is damaged.
        """
        from bstdg.datasets import EventDataset, StoredDataset

        if isinstance(samples, EventDataset):
            return self.evaluate_events(samples)
        if not isinstance(samples, StoredDataset):
            return self.evaluate(samples.images, samples.labels)
        return self._tally(samples.in_order(self.encode, advance), samples.labels)

    def _tally(self, batches: Iterable[NDArray[np.uint8] | Events], truth: NDArray) -> dict[str, Any]:
        if len(truth) and not 0 <= truth.min() <= truth.max() < len(self.packed.classes):
            raise InputError(
                f"labels must be in 0 … {len(self.packed.classes) - 1}, found {truth.min()} … {truth.max()}"
            )
        tally = Tally.of(self.packed.layers, self.packed.num_steps)
        done = 0
        for spikes in batches:
            run = self.run(spikes)
            tally.add(run.decision, truth[done : done + len(spikes)], run.spikes, run.trace.hidden)
            done += len(spikes)
        return {**tally.figures(), "engine": self.engine.NAME}


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


def from_bytes(data: bytes, engine_name: str | None = None) -> Model:
    """The content of a model file, ready to run: what a model is sent to other machines as.

    Raises:
        FileFormatError: it is truncated, altered or foreign.
        InputError: the engine cannot run here.
    """
    return Model(packed.from_bytes(data), engine_name)
