"""Which positions decide: the spikes up to a decision, credited back from the output that won to the pixels.

A path is a row of spikes, one a layer, each in time for the next: from an input channel through a neuron of every
hidden layer to the output that won. It counts with the product of the signs of the synapses that it passes. The credit
of a spike is the sum of the paths that begin with it. With R = 1 at the output that won, at the step of the decision,

    R_i = sum over the neurons j that channel i reaches of R_j b_ij, for each spike of i with s_i <= s_j

so what is told of the last hidden layer sums to the potential of the output that won, and nothing after the decision is
counted. All numbers are whole, and exact up to 2^53.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bstdg.drawing.scene import Scene
from bstdg.drawing.style import LATE, LIT, show_picture
from bstdg.errors import InputError
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer
from bstdg.layers.convolution import Convolution
from bstdg.model.packed import PackedModel
from bstdg.report.looks import BLUE, WIDTH, panels, styled
from bstdg.report.sliding import tall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LAYERS = 3  # of maps that are drawn, those nearest to the input


def credits_of(model: PackedModel, scene: Scene) -> list[NDArray[np.float64]]:
    """What each spike up to a decision did for the output that won: `[channels]` of the input and of each hidden layer.

    Raises:
        InputError: a layer is of a kind whose synapses are not known here.
    """
    told = np.zeros(len(model.classes))
    told[scene.label] = 1.0
    steps, found = np.full(len(told), scene.step), []
    for i in reversed(range(len(model.layers))):
        arrived = _arrived(scene, i, model.num_steps)
        below = np.zeros(arrived.shape[1])
        for step in np.unique(steps[told != 0]):
            below += arrived[step] * _back(model.layers[i], np.where(steps == step, told, 0.0))
        found.append(below)
        told, steps = below, _steps(scene, i, model.num_steps)
    return found[::-1]


def can_be_credited(model: PackedModel) -> bool:
    """Whether the input has positions, and the synapses of every layer are known here."""
    return len(model.input.gives) == 3 and all(
        isinstance(layer, (FullLayer, Conv2dLayer, Pool2dLayer)) for layer in model.layers
    )


def by_position(credit: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
    """Credits of a layer of maps summed over its maps, `[rows, columns]`."""
    return credit.reshape(shape).sum(axis=0)


@styled
def positions(model: PackedModel, scenes: Mapping[int, Scene]) -> Figure:
    """Which positions decided, a row a sample: its picture, the pixels, and the first layers of maps.

    Red spoke for the class that won, blue against it, the stronger the more paths; each panel has its own scale.

    Args:
        model: the network.
        scenes: what is drawn of each sample, by its number.

    Raises:
        InputError: there is no sample, the input has no positions, or a layer is of another kind.
    """
    if not scenes or not can_be_credited(model):
        raise InputError("positions are of an input with rows and columns, and of layers whose synapses are known")
    shapes = [model.input.gives, *(layer.gives for layer in model.layers[:-1])]
    layers = [i for i, shape in enumerate(shapes) if len(shape) == 3][: LAYERS + 1]
    pictured = all(scene.picture is not None for scene in scenes.values())
    columns = pictured + len(layers)
    figure, axes = panels(len(scenes), 0.3 + 1.02 * WIDTH / max(columns, 3) * len(scenes), columns=columns)
    for row, (index, scene) in enumerate(scenes.items()):
        panel = axes[row * columns : (row + 1) * columns]
        told = credits_of(model, scene)
        if scene.picture is not None and pictured:
            flat = scene.picture.ndim == 2
            show_picture(panel[0], tall(scene.picture) if flat else scene.picture)
        for axis, i in zip(panel[pictured:], layers, strict=True):
            _show(axis, by_position(told[i], shapes[i]))
        panel[0].set_ylabel(f"{index}")
        if row == 0:
            names = ["picture"] * pictured + ["input" if i == 0 else f"hidden {i}" for i in layers]
            for axis, name in zip(panel, names, strict=True):
                axis.set_title(name)
    return figure


def _show(axis: Axes, credit: NDArray[np.float64]) -> None:
    from matplotlib.colors import to_rgb

    shown = tall(credit)
    rgba = np.empty((*shown.shape, 4))
    rgba[..., :3] = np.where(shown[..., None] > 0, to_rgb(LIT), to_rgb(BLUE))
    rgba[..., 3] = np.abs(shown) / max(np.abs(shown).max(), 1e-9)
    axis.imshow(rgba, interpolation="none")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color=LATE)


def _arrived(scene: Scene, layer: int, num_steps: int) -> NDArray[np.float64]:
    """How many spikes each channel that a layer reads has sent by each step, `[T, channels]`."""
    spikes = scene.layers[layer]
    train, alive = np.zeros((num_steps, spikes.width)), spikes.steps < num_steps
    np.add.at(train, (spikes.steps[alive], spikes.channels[alive]), 1.0)
    return train.cumsum(axis=0)


def _steps(scene: Scene, layer: int, num_steps: int) -> NDArray[np.int64]:
    """The step of each neuron that a layer reads; of an input, whose channels may spike often, it is not asked."""
    spikes, steps = scene.layers[layer], np.full(scene.layers[layer].width, num_steps, np.int64)
    steps[spikes.channels] = spikes.steps
    return steps


def _back(layer: Layer, told: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is told to neurons, told to the channels that they read, `[channels]`."""
    if isinstance(layer, FullLayer):
        return told @ layer.signs
    if isinstance(layer, Conv2dLayer):
        return _slid_back(layer.convolution, layer.signs, told)
    if isinstance(layer, Pool2dLayer):
        return _slid_back(layer.convolution, np.ones(layer.convolution.weights, np.int8), told)
    raise InputError(f"layers of kind {layer.kind!r} do not say which synapses they have")


def _slid_back(convolution: Convolution, signs: NDArray[np.int8], told: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same through windows, one place of the window after the other."""
    (channels, rows, columns), (_, high, wide) = convolution.reads, convolution.gives
    groups, own = convolution.groups, channels // convolution.groups
    (down, across), (above, left) = convolution.stride, convolution.padding
    below = np.zeros((groups, own, rows + 2 * above, columns + 2 * left))
    by_group = told.reshape(groups, -1, high, wide)
    weights = signs.reshape(groups, -1, own, *convolution.kernel).astype(np.float64)
    for i, j in np.ndindex(*convolution.kernel):
        reached = below[:, :, i : i + high * down : down, j : j + wide * across : across]
        reached += np.einsum("gkyx,gkc->gcyx", by_group, weights[..., i, j])
    return below[:, :, above : above + rows, left : left + columns].reshape(-1)
