"""What is drawn of one decision, before any of it is drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bstdg.errors import InputError
from bstdg.layers import FullLayer, Shape
from bstdg.model.runtime import Model, Run
from bstdg.spikes.events import Events

Sample = NDArray | Events
Steps = NDArray[np.uint8] | Events


class Layer(NamedTuple):
    """Spikes of one layer, the input too: `steps` and `channels` of each, of a layer of `width` channels.

    Attributes:
        maps: (maps, rows, columns), where it is drawn as pictures; None: over steps.
        written: how a recipe writes it, where it has maps.
    """

    name: str
    steps: NDArray[np.integer]
    channels: NDArray[np.integer]
    width: int
    maps: Shape | None = None
    written: str = ""

    @property
    def rows(self) -> str:
        """What the rows of its raster are called."""
        return "channel" if self.name == "input" else "neuron"

    def fired(self, step: int) -> int:
        """How many channels have fired by `step`, that step too."""
        return np.unique(self.channels[self.steps <= step]).size

    @property
    def shape(self) -> Shape:
        """(maps, rows, columns); one row where it has no maps."""
        return self.maps or (1, 1, self.width)

    def first(self, num_steps: int) -> NDArray[np.integer]:
        """The step at which each channel fires first, int64 `[width]`, T where it never does."""
        steps = np.full(self.width, num_steps, np.int64)
        np.minimum.at(steps, self.channels, self.steps)
        return steps


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

    @property
    def has_maps(self) -> bool:
        """Whether a layer is drawn as pictures."""
        return any(layer.maps for layer in self.layers)

    @property
    def signal(self) -> NDArray | None:
        """Values `[columns]` of an input of one channel and one row, in a network of maps; None: it is another."""
        return (
            None
            if self.picture is None or self.layers[0].maps is None or self.layers[0].maps[:2] != (1, 1)
            else self.picture[0]
        )


def scene(model: Model, sample: Sample) -> Scene:
    """Run a model on one sample and keep what is drawn of it; arguments and errors as for `bstdg.drawing.raster`."""
    run, picture = _run(model, sample)
    if len(run.spikes) != 1:
        raise InputError(f"one sample is drawn at a time, not {len(run.spikes)}")
    names = ("input", *(f"hidden {i + 1}" for i in range(len(run.trace.hidden))))
    spikes = (run.spikes if isinstance(run.spikes, Events) else run.spikes[0], *(h[0] for h in run.trace.hidden))
    layers = tuple(
        layer_of(name, steps)._replace(maps=maps, written=written)
        for name, steps, (maps, written) in zip(names, spikes, _maps(model), strict=True)
    )
    lead = run.trace.potentials[0] - model.packed.layers[-1].thresholds
    return Scene(
        picture, layers, lead, int(run.decision.label[0]), int(run.decision.step[0]), tuple(model.packed.classes)
    )


def _maps(model: Model) -> list[tuple[Shape | None, str]]:
    """The maps of the input and of every hidden layer, if these are maps, and how such a layer is written."""
    layers = model.packed.layers
    read = None if isinstance(layers[0], FullLayer) or len(layers[0].reads) != 3 else layers[0].reads
    return [(read, ""), *((layer.gives, str(layer)) if len(layer.gives) == 3 else (None, "") for layer in layers[:-1])]


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
