"""The native engine in training: layers of torch tensors on the CPU, computed in C++ from events.

It uses as many threads as torch does (`torch.set_num_threads`), unless `own_threads` says otherwise; results are the
same bits with any number of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bstdg import _native
from bstdg.errors import InputError
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


def crossing(source: Source, latent: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Spike steps, judged steps and margins; see `bstdg.engine.dense.crossing`."""
    shape = (source.batch, len(latent))
    steps, reach, margin = _bytes(*shape), _bytes(*shape), _floats(*shape)
    _native.crossing(
        _rows(source), _array(latent), _array(threshold), steps.numpy(), reach.numpy(), margin.numpy(), _threads()
    )
    return steps, reach, margin


def potentials(source: Source, latent: Tensor) -> Tensor:
    """V_k(t) at every step; see `bstdg.engine.dense.potentials`."""
    out = _floats(source.batch, source.num_steps, len(latent))
    _native.potentials(_rows(source), _array(latent), out.numpy(), _threads())
    return out


def impulse_gradient(source: Source, latent: Tensor, reach: Tensor, local: Tensor, decay: float) -> Tensor:
    """dL/dw of a spiking layer; see `bstdg.engine.dense.impulse_gradient`."""
    out = _floats(*latent.shape)
    _native.impulse_gradient(
        _rows(source), _array(latent), _array(reach), _array(local), decay, out.numpy(), _threads()
    )
    return out


def impulse_credit(below: Tensor, latent: Tensor, reach: Tensor, local: Tensor, num_steps: int) -> Tensor:
    """What a spiking layer tells the one below; see `bstdg.engine.dense.impulse_credit`."""
    out = _floats(*below.shape)
    _native.impulse_credit(
        _array(below), _array(latent), _array(reach), _array(local), num_steps, out.numpy(), _threads()
    )
    return out


def potential_gradient(source: Source, latent: Tensor, gradient: Tensor, decay: float) -> Tensor:
    """dL/dw of the output layer; see `bstdg.engine.dense.potential_gradient`."""
    out = _floats(*latent.shape)
    _native.potential_gradient(_rows(source), _array(latent), _array(gradient), decay, out.numpy(), _threads())
    return out


def potential_credit(below: Tensor, latent: Tensor, gradient: Tensor) -> Tensor:
    """What the output layer tells the one below; see `bstdg.engine.dense.potential_credit`."""
    out = _floats(*below.shape)
    _native.potential_credit(_array(below), _array(latent), _array(gradient), out.numpy(), _threads())
    return out


def first_to_fire(potentials: Tensor, threshold: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """log P(k first), log P(undecided after t) and the last z, of z = (potentials - threshold) / scale."""
    batch, num_steps, classes = potentials.shape
    log_first, last = _floats(batch, classes), _floats(batch, classes)
    log_after = _floats(batch, num_steps)
    _native.first_to_fire(
        _array(potentials),
        _array(threshold),
        scale,
        log_first.numpy(),
        log_after.numpy(),
        last.numpy(),
        _threads(),
    )
    return log_first, log_after, last


def first_to_fire_back(
    potentials: Tensor,
    threshold: Tensor,
    scale: float,
    log_first: Tensor,
    to_first: Tensor,
    to_after: Tensor,
    to_last: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by the potentials, by the thresholds and scale of each sample, from those by the three results."""
    to_potentials, to_thresholds = _floats(*potentials.shape), _floats(*log_first.shape)
    to_scale = _floats(len(potentials))
    _native.first_to_fire_back(
        _array(potentials),
        _array(threshold),
        scale,
        _array(log_first),
        _array(to_first),
        _array(to_after),
        _array(to_last),
        to_potentials.numpy(),
        to_thresholds.numpy(),
        to_scale.numpy(),
        _threads(),
    )
    return to_potentials, to_thresholds, to_scale


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
