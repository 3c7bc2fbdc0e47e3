"""The native engine in training: layers of torch tensors on the CPU, computed in C++ from events.

It uses as many threads as torch does (`torch.set_num_threads`), unless `own_threads` says otherwise; results are the
same bits with any number of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bstdg import _native
from bstdg.engine.native import shape_of
from bstdg.errors import InputError
from bstdg.layers.convolution import Convolution
from bstdg.spikes.source import EventSource, Source, StepSource

NAME = "native"

_own: list[int] = []  # threads, of each `own_threads` that lasts


@contextmanager
def own_threads() -> Iterator[None]:
    """All of torch's threads for this engine, and one for torch itself, while the context lasts.

    What torch does in a step is small beside what this engine does, and its threads, which spin while they wait for
    more, would take the cores away from it.
    """
    before = torch.get_num_threads()
    _own.append(_threads())
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _own.pop()
        torch.set_num_threads(before)


def crossing(
    source: Source, latent: Tensor, threshold: Tensor, convolution: Convolution | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Spike steps, judged steps and margins; see `bstdg.engine.dense.crossing`."""
    shape = (source.batch, len(latent) if convolution is None else math.prod(convolution.gives))
    steps, reach, margin = _bytes(*shape), _bytes(*shape), _floats(*shape)
    out = (steps.numpy(), reach.numpy(), margin.numpy(), _threads())
    if convolution is None:
        _native.crossing(_rows(source), _array(latent), _array(threshold), *out)
    else:
        _native.conv_crossing(_rows(source), shape_of(convolution), _array(latent), _array(threshold), *out)
    return steps, reach, margin


def potentials(source: Source, latent: Tensor, convolution: Convolution | None = None) -> Tensor:
    """V_k(t) at every step; see `bstdg.engine.dense.potentials`."""
    if convolution is None:
        out = _floats(source.batch, source.num_steps, len(latent))
        _native.potentials(_rows(source), _array(latent), out.numpy(), _threads())
    else:
        out = _floats(source.batch, source.num_steps, math.prod(convolution.gives))
        _native.conv_potentials(_rows(source), shape_of(convolution), _array(latent), out.numpy(), _threads())
    return out


def impulse_gradient(
    source: Source, latent: Tensor, reach: Tensor, local: Tensor, decay: float, convolution: Convolution | None = None
) -> Tensor:
    """dL/dw of a spiking layer; see `bstdg.engine.dense.impulse_gradient`."""
    out = _floats(*latent.shape)
    told = (_array(latent), _array(reach), _array(local), decay, out.numpy(), _threads())
    if convolution is None:
        _native.impulse_gradient(_rows(source), *told)
    else:
        _native.conv_impulse_gradient(_rows(source), shape_of(convolution), *told)
    return out


def impulse_credit(
    below: Tensor,
    latent: Tensor,
    reach: Tensor,
    local: Tensor,
    num_steps: int,
    convolution: Convolution | None = None,
) -> Tensor:
    """What a spiking layer tells the one below; see `bstdg.engine.dense.impulse_credit`."""
    out = _floats(*below.shape)
    told = (_array(latent), _array(reach), _array(local), num_steps, out.numpy(), _threads())
    if convolution is None:
        _native.impulse_credit(_array(below), *told)
    else:
        _native.conv_impulse_credit(_array(below), shape_of(convolution), *told)
    return out


def potential_gradient(
    source: Source, latent: Tensor, gradient: Tensor, decay: float, convolution: Convolution | None = None
) -> Tensor:
    """dL/dw of the output layer; see `bstdg.engine.dense.potential_gradient`."""
    out = _floats(*latent.shape)
    told = (_array(latent), _array(gradient), decay, out.numpy(), _threads())
    if convolution is None:
        _native.potential_gradient(_rows(source), *told)
    else:
        _native.conv_potential_gradient(_rows(source), shape_of(convolution), *told)
    return out


def potential_credit(below: Tensor, latent: Tensor, gradient: Tensor, convolution: Convolution | None = None) -> Tensor:
    """What the output layer tells the one below; see `bstdg.engine.dense.potential_credit`."""
    out = _floats(*below.shape)
    told = (_array(latent), _array(gradient), out.numpy(), _threads())
    if convolution is None:
        _native.potential_credit(_array(below), *told)
    else:
        _native.conv_potential_credit(_array(below), shape_of(convolution), *told)
    return out


def fired(steps: Tensor, num_steps: int) -> Tensor:
    """1 where a neuron fired, else 0, float32 in the shape of `steps` `[batch, neurons]`."""
    out = _floats(*steps.shape)
    _native.fired(_array(steps), num_steps, out.numpy(), _threads())
    return out


def sensitive(margin: Tensor, told: Tensor, width: float) -> Tensor:
    """d_j of what neurons are told; see `bstdg.learning.rule.psi`."""
    out = _floats(*margin.shape)
    _native.sensitive(_array(margin), _array(told), width, out.numpy(), _threads())
    return out


def spread(margin: Tensor) -> float:
    """Standard deviation of margins `[batch, neurons]`, summed in double precision."""
    return _native.spread(_array(margin), _threads())


def mean_spikes(source: Source) -> Tensor:
    """How many spikes each channel sends a sample, `[channels]`."""
    out = _floats(source.width)
    _native.count_events(_rows(source), out.numpy())
    return out.div_(source.batch)


def first_to_fire_loss(
    potentials: Tensor,
    threshold: Tensor,
    scale: Tensor,
    labels: Tensor,
    smoothing: float,
    taught: Tensor | None,
    share: float,
    weights: Tensor | None,
    latency_weight: float,
    silent_remainder: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The mean loss, and its gradients by potentials, threshold and scale: `bstdg.learning.loss.first_to_fire_loss`.

    Raises:
        InputError: a label is no class.
    """
    by_potentials, by_threshold, by_scale = (_floats(*t.shape) for t in (potentials, threshold, scale))
    probabilities, each = (None if given is None else _array(given) for given in (taught, weights))
    target = (_array(labels), smoothing, probabilities, share, each, latency_weight, silent_remainder)
    out = (by_potentials.numpy(), by_threshold.numpy(), by_scale.view(1).numpy())
    try:
        loss = _native.first_to_fire_loss(
            _array(potentials), _array(threshold), float(scale), *target, *out, _threads()
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    return torch.tensor(loss, dtype=torch.float32, device="cpu"), by_potentials, by_threshold, by_scale


def shift(pictures: Tensor, down: Tensor, right: Tensor, outside: int) -> Tensor:
    """Pictures, uint8 `[batch, channels, rows, columns]`, each moved by its own int64 numbers of pixels; the byte
    `outside` comes in."""
    out = _bytes(*pictures.shape)
    _native.shift(_array(pictures), _array(down), _array(right), outside, out.numpy(), _threads())
    return out


Flat = NDArray[np.float32]


def flat(tensor: Tensor) -> Flat:
    """The numbers of a contiguous tensor, in its own memory."""
    return tensor.detach().view(-1).numpy()


def adam(
    weight: Flat,
    gradient: Flat,
    mean: Flat,
    square: Flat,
    average: Flat | None,
    *,
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    steps: float,
    bound: float,
    share: float,
) -> None:
    """Adam's step number `steps` in place; then weights within the bound, then `share` of them in their average.

    All have the same length; `mean` and `square` are running means of the gradient and of its square.
    """
    numbers = (rate, *betas, epsilon, steps, bound, share)
    _native.adam(weight, gradient, mean, square, average, *numbers, _threads())  # pyright: ignore[reportCallIssue]


def pool(
    steps: Tensor, margin: Tensor | None, window: Convolution, count: int, num_steps: int
) -> tuple[Tensor, Tensor]:
    """The step of the n-th spike in each window, and the channel that it stands for (int32), `[batch, neurons]`.

    See `bstdg.learning.pooling.chosen`.
    """
    shape = (len(steps), math.prod(window.gives))
    out, winner = _bytes(*shape), torch.empty(shape, dtype=torch.int32, device="cpu")
    near = None if margin is None else _array(margin)
    _native.pool(_array(steps), near, shape_of(window), count, num_steps, out.numpy(), winner.numpy(), _threads())
    return out, winner


def take(values: Tensor, winner: Tensor) -> Tensor:
    """What the `winner`s of a pooling have, of `values` `[batch, channels]`."""
    out = torch.empty(winner.shape, dtype=values.dtype, device="cpu")
    _native.take(_array(values), _array(winner), out.numpy(), _threads())
    return out


def give(values: Tensor, winner: Tensor, channels: int) -> Tensor:
    """What channels are told by those that stand for them, `[batch, channels]`: the way back of `take`."""
    out = _floats(len(values), channels)
    _native.give(_array(values), _array(winner), out.numpy(), _threads())
    return out


def _threads() -> int:
    return _own[-1] if _own else torch.get_num_threads()


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _floats(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.float32, device="cpu")


def _bytes(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.uint8, device="cpu")


def _rows(source: Source) -> Any:
    """The source's events by sample, made once and kept with it: forward and backward pass need the same."""
    rows = source.native
    if rows is not None:
        return rows
    try:
        if isinstance(source, EventSource):
            events = source.events
            rows = _native.SpikeRows.of_events(
                events.offsets, events.channels, events.steps, events.num_channels, events.num_steps
            )
        elif isinstance(source, StepSource):
            rows = _native.SpikeRows(_array(source.read), source.num_steps, _threads())
    except ValueError as error:
        raise InputError(str(error)) from None
    source.native = rows
    return rows
