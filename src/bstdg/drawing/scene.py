"""What is drawn of one decision, before any of it is drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.model.runtime import Model, Run
from bstdg.spikes.events import Events

Sample = NDArray | Events
Steps = NDArray[np.uint8] | Events


class Layer(NamedTuple):
    """Spikes of one layer, the input too: `steps` and `channels` of each, of a layer of `width` channels."""

    name: str
    steps: NDArray[np.integer]
    channels: NDArray[np.integer]
    width: int

    @property
    def rows(self) -> str:
        """What the rows of its raster are called."""
        return "channel" if self.name == "input" else "neuron"

    def fired(self, step: int) -> int:
        """How many channels have fired by `step`, that step too."""
        return np.unique(self.channels[self.steps <= step]).size


class Scene(NamedTuple):
    """What is drawn of one decision.

    Attributes:
        picture: `[rows, columns]` of a grey image, else `[channels, rows, columns]`; None: the input is none.
        layers: the input and every hidden layer.
        lead: potential - threshold of the outputs, `[T, classes]`.
        label: the class decided, and `step`, when.
        classes: names of the outputs.
    """

    picture: NDArray | None
    layers: tuple[Layer, ...]
    lead: NDArray[np.integer]
    label: int
    step: int
    classes: tuple[str, ...]


def scene(model: Model, sample: Sample) -> Scene:
    """Run a model on one sample and keep what is drawn of it; arguments and errors as for `bstdg.drawing.raster`."""
    run, picture = _run(model, sample)
    if len(run.spikes) != 1:
        raise InputError(f"one sample is drawn at a time, not {len(run.spikes)}")
    names = ("input", *(f"hidden {i + 1}" for i in range(len(run.trace.hidden))))
    spikes = (run.spikes if isinstance(run.spikes, Events) else run.spikes[0], *(h[0] for h in run.trace.hidden))
    layers = tuple(layer_of(name, steps) for name, steps in zip(names, spikes, strict=True))
    lead = run.trace.potentials[0] - model.packed.layers[-1].thresholds
    return Scene(
        picture, layers, lead, int(run.decision.label[0]), int(run.decision.step[0]), tuple(model.packed.classes)
    )


def _run(model: Model, sample: Sample) -> tuple[Run, NDArray | None]:
    if isinstance(sample, Events):
        return model.run(sample), None
    run, shape = model.run(model.encode(sample)), model.packed.input.reads
    if len(run.spikes) != 1 or len(shape) != 3:
        return run, None
    pixels = np.asarray(sample).reshape(shape)
    return run, pixels[0] if len(pixels) == 1 else pixels


def layer_of(name: str, steps: Steps) -> Layer:
    """The spikes of one sample on the channels of a layer; raises `InputError` where they are something else."""
    if isinstance(steps, Events):
        if len(steps) != 1:
            raise InputError(f"one sample is drawn at a time, not {len(steps)}")
        return Layer(name, steps.steps, steps.channels, steps.num_channels)
    row = np.asarray(steps)
    if row.ndim != 1 or not np.issubdtype(row.dtype, np.integer):
        raise InputError(f"steps of one sample are integers [channels], not {row.dtype} {list(row.shape)}")
    return Layer(name, row, np.arange(len(row)), len(row))
