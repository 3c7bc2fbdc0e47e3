"""The same networks in other libraries: weights the signs of latent ones, integrate-and-fire, T steps.

Each is written as its library's users would: dense products step by step, surrogate gradients through time, a leak
of none. Their neurons may fire more than once, which changes the spikes and not the cost. A library that is not
installed is left out (`pip install 'bstdg[bench]'`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bstdg.layers import Shape, size, written
from bstdg.layers.convolution import Convolution

WIDTHS = (784, 600, 10)
THRESHOLD = 12.0

Forward = Callable[[Tensor], Tensor]  # spikes [T, batch, 784] -> potentials of the outputs [T, batch, 10]


class BinaryWeights(nn.Module):
    """A linear layer of the signs of its weights, with the gradient passed straight through."""

    def __init__(self, channels: int, neurons: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(neurons, channels).uniform_(-0.3, 0.3))

    def signs(self) -> Tensor:
        """What is multiplied with."""
        if not self.weight.requires_grad:  # deployed: they are signs
            return self.weight
        sign = torch.where(self.weight >= 0, 1.0, -1.0)
        return self.weight + (sign - self.weight).detach()

    def forward(self, spikes: Tensor) -> Tensor:
        return F.linear(spikes, self.signs())

    def deploy(self) -> None:
        """Turn the weights into signs once."""
        self.weight = nn.Parameter(torch.where(self.weight >= 0, 1.0, -1.0), requires_grad=False)


class BinaryWindows(BinaryWeights):
    """The same of a convolution; all steps of all samples go through it at once, as libraries recommend."""

    def __init__(self, convolution: Convolution):
        super().__init__(1, 1)
        self.weight = nn.Parameter(torch.empty(convolution.weights).uniform_(-0.3, 0.3))
        self.convolution = convolution

    def forward(self, spikes: Tensor) -> Tensor:
        _, _, _, stride, padding, groups = self.convolution
        maps = F.conv2d(spikes.flatten(0, 1), self.signs(), None, stride, padding, 1, groups)
        return maps.view(*spikes.shape[:2], *maps.shape[1:])


class Peer(nn.Module):
    """Two binary layers with a library's neurons between them."""

    def __init__(self, name: str):
        super().__init__()
        self.below, self.above = BinaryWeights(*WIDTHS[:2]), BinaryWeights(*WIDTHS[1:])
        self.hidden = _HIDDEN[name]()

    def deployed(self) -> Peer:
        """The same with its weights turned into signs once."""
        for layer in (self.below, self.above):
            layer.deploy()
        return self

    def forward(self, spikes: Tensor) -> Tensor:
        """Potentials of the outputs at every step."""
        return self.above(self.hidden(self.below(spikes))).cumsum(0)


def _snntorch() -> Forward:
    import snntorch

    neuron = snntorch.Leaky(beta=1.0, threshold=THRESHOLD, reset_mechanism="zero")

    def run(current: Tensor) -> Tensor:
        potential, fired = torch.zeros_like(current[0]), []
        for now in current:
            spikes, potential = neuron(now, potential)
            fired.append(spikes)
        return torch.stack(fired)

    return run


def _spikingjelly() -> Forward:
    from spikingjelly.activation_based import functional, neuron

    node = neuron.IFNode(v_threshold=THRESHOLD, step_mode="m")

    def run(current: Tensor) -> Tensor:
        functional.reset_net(node)
        return node(current)

    return run


def _norse() -> Forward:
    from norse.torch import IAFCell, IAFParameters

    cell = IAFCell(IAFParameters(v_th=torch.tensor(THRESHOLD)))

    def run(current: Tensor) -> Tensor:
        state, fired = None, []
        for now in current:
            spikes, state = cell(now, state)
            fired.append(spikes)
        return torch.stack(fired)

    return run


_HIDDEN = {"snntorch": _snntorch, "spikingjelly": _spikingjelly, "norse": _norse}


class ConvPeer(nn.Module):
    """Layers as recipes write them, with a library's neurons behind each that has weights; windows take the maximum."""

    def __init__(self, name: str, layers: Sequence[int | str], shape: Shape, classes: int):
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList()
        self.neurons: list[Forward | None] = []
        for layer, reads in _shapes(layers, shape):
            if isinstance(layer, written.Pool):
                self.layers.append(nn.MaxPool2d(layer.window, layer.stride))
            elif isinstance(layer, written.Conv):
                self.layers.append(BinaryWindows(layer.over(reads)))
            else:
                self.layers.append(BinaryWeights(size(reads), layer.neurons))
            self.neurons.append(None if isinstance(layer, written.Pool) else _HIDDEN[name]())
            last = layer.neurons if isinstance(layer, written.Full) else size(layer.over(reads).gives)
        self.above = BinaryWeights(last, classes)

    def deployed(self) -> ConvPeer:
        """The same with its weights turned into signs once."""
        for layer in self.modules():
            if isinstance(layer, BinaryWeights):
                layer.deploy()
        return self

    def forward(self, spikes: Tensor) -> Tensor:
        """Potentials of the outputs at every step, from spikes `[T, batch, channels]`."""
        spikes = spikes.view(*spikes.shape[:2], *self.shape)
        for layer, neurons in zip(self.layers, self.neurons, strict=True):
            if neurons is None:
                spikes = layer(spikes.flatten(0, 1)).unflatten(0, spikes.shape[:2])
            else:
                flat = not isinstance(layer, BinaryWindows) and spikes.ndim > 3
                spikes = neurons(layer(spikes.flatten(2) if flat else spikes))
        return self.above(spikes.flatten(2)).cumsum(0)


def _shapes(layers: Sequence[int | str], shape: Shape) -> Iterator[tuple[Any, Shape]]:
    """Each layer, and the shape that it reads."""
    for text in layers:
        layer = written.layer(text)
        yield layer, shape
        shape = (layer.neurons,) if isinstance(layer, written.Full) else layer.over(shape).gives


def conv_peer(name: str, layers: Sequence[int | str], shape: Shape, classes: int) -> ConvPeer:
    """The network in a library."""
    torch.manual_seed(0)
    return ConvPeer(name, layers, shape, classes)


def conv_float_network(layers: Sequence[int | str], shape: Shape, classes: int) -> nn.Sequential:
    """A plain float32 network of the same structure: rectified, windows take the maximum."""
    modules: list[nn.Module] = []
    width = size(shape)
    for layer, reads in _shapes(layers, shape):
        if isinstance(layer, written.Pool):
            modules.append(nn.MaxPool2d(layer.window, layer.stride))
            width = size(layer.over(reads).gives)
            continue
        if isinstance(layer, written.Conv):
            (channels, *_), maps, kernel, stride, padding, groups = layer.over(reads)
            modules += [nn.Conv2d(channels, maps, kernel, stride, padding, groups=groups), nn.ReLU()]
            width = size(layer.over(reads).gives)
        else:
            modules += [nn.Flatten(), nn.Linear(size(reads), layer.neurons), nn.ReLU()]
            width = layer.neurons
    return nn.Sequential(*modules, nn.Flatten(), nn.Linear(width, classes))


def installed() -> list[str]:
    """The libraries that are there; says of the others that they are left out."""
    found = []
    for name in _HIDDEN:
        try:
            importlib.import_module(name)
        except ImportError:
            print(f"({name} is not installed and left out)", file=sys.stderr)
            continue
        found.append(name)
    return found


def peers() -> Iterator[tuple[str, Peer]]:
    """Every library that is installed, with its network."""
    for name in installed():
        yield name, Peer(name)


def spike_train(steps: Tensor, num_steps: int) -> Tensor:
    """Spikes as those libraries read them: float32 `[T, batch, channels]`, 1 where a channel fires."""
    return (steps.unsqueeze(0) == torch.arange(num_steps, dtype=torch.int16).view(-1, 1, 1)).float()


def float_network() -> nn.Sequential:
    """A plain float32 network of the same shape."""
    return nn.Sequential(nn.Linear(*WIDTHS[:2]), nn.ReLU(), nn.Linear(*WIDTHS[1:]))


def time_stepped(steps: np.ndarray, signs: list[np.ndarray], thresholds: list[float], num_steps: int) -> np.ndarray:
    """The predecessor's forward pass in NumPy: every layer at every step by a dense product, one image at a time.

    Each neuron fires at most once; the first output to fire decides. Returns a class an image.

    Source: Kheradpisheh, Mirsadeghi and Masquelier, "BS4NN: Binarized Spiking Neural Networks with Temporal Coding
    and Learning", Neural Processing Letters 2022, written from the paper's equations.
    """
    weights = [s.astype(np.float32) for s in signs]
    labels = np.empty(len(steps), np.int64)
    for n, image in enumerate(steps):
        potentials = [np.zeros(len(w), np.float32) for w in weights]
        fired = [np.full(len(w), num_steps) for w in weights]
        for t in range(num_steps):
            spikes = (image == t).astype(np.float32)
            for potential, weight, threshold, when in zip(potentials, weights, thresholds, fired, strict=True):
                np.add(potential, weight @ spikes, out=potential)
                now = (potential >= threshold) & (when == num_steps)
                when[now] = t
                spikes = now.astype(np.float32)
        labels[n] = np.lexsort((-potentials[-1], fired[-1]))[0]
    return labels
