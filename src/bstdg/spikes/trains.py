"""Between the steps of this package and the spike trains of other libraries.

A spike train says of every step whether there is a spike: zeros and ones `[T, batch, …]`, the layout of snnTorch and
SpikingJelly. Here a neuron that fires at most once is one number, its step: uint8 `[batch, features]` with T for
never. NumPy arrays and torch tensors are taken; what is given back is of the same kind, a tensor on the same device.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from bstdg.errors import InputError
from bstdg.spikes.events import Events, never

Repeated = Literal["raise", "first"]


def spikes_to_steps(spikes: Any, *, repeated: Repeated = "raise") -> Any:
    """The step of each neuron's spike, from a train of zeros and ones.

    Args:
        spikes: `[T, batch, …]`, numbers or booleans, each 0 or 1; T is at most 254. A SpikingJelly or snnTorch layer
            gives this as it is; a train `[batch, T, …]` has to be transposed first.
        repeated: what to do where a neuron has several spikes: "raise" an error, or keep the "first".

    Returns:
        uint8 `[batch, features]`, T where a neuron never fires; all dimensions after the batch become features.

    Raises:
        InputError: the shape is another, a value is neither 0 nor 1, T is beyond 254, or a neuron fires again.

    >>> spikes_to_steps(np.array([[[0, 1, 0]], [[1, 0, 0]]]))  # two steps, one sample, three neurons
    array([[1, 0, 2]], dtype=uint8)
    """
    if repeated not in get_args(Repeated):
        raise InputError(f'repeated must be "raise" or "first", not {repeated!r}')
    fired = _as_bytes(spikes)
    if repeated == "raise":
        counts = fired.sum(0)
        if int(counts.max() if math.prod(counts.shape) else 0) > 1:
            many = int((counts > 1).sum())
            raise InputError(
                f"{many} neurons of the batch fire more than once, up to {int(counts.max())} times: take the first "
                'spike of each with repeated="first", or keep all with spikes_to_events'
            )
    silent = fired.max(0) == 0 if isinstance(fired, np.ndarray) else fired.amax(0) == 0
    first = fired.argmax(0)
    first[silent] = len(fired)
    return first.astype(np.uint8) if isinstance(first, np.ndarray) else first.to(fired.dtype)


def spikes_to_events(spikes: Any) -> Events:
    """All spikes of a train, for input channels that spike several times; arguments and errors as above.

    >>> events = spikes_to_events(np.array([[[0, 1]], [[1, 1]]]))
    >>> events.channels.tolist(), events.steps.tolist()
    ([1, 0, 1], [0, 1, 1])
    """
    fired = _as_bytes(spikes)
    rows = fired if isinstance(fired, np.ndarray) else fired.cpu().numpy()
    sample, step, channel = np.nonzero(rows.swapaxes(0, 1))  # sorted in this order
    offsets = np.concatenate([[0], np.cumsum(np.bincount(sample, minlength=rows.shape[1]))]).astype(np.int64)
    return Events(offsets, channel.astype(np.uint16), step.astype(np.uint8), rows.shape[2], len(rows))


def steps_to_spikes(steps: Any, num_steps: int, *, shape: Sequence[int] = ()) -> Any:
    """The train of zeros and ones that steps stand for; it needs T times 4 bytes where they need one.

    Args:
        steps: uint8 `[batch, features]`, T for never.
        num_steps: T, 1 … 254.
        shape: what the features become again, such as `(channels, rows, columns)` for a convolution.

    Returns:
        float32 `[T, batch, features]`, or `[T, batch, *shape]`.

    Raises:
        InputError: the steps have another shape or type, one is beyond T, or `shape` does not hold the features.

    >>> steps_to_spikes(np.array([[1, 0, 2]], np.uint8), num_steps=2).tolist()
    [[[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]]
    """
    num_steps = silent = never(num_steps)
    if not (isinstance(steps, np.ndarray) or is_tensor(steps)):
        raise InputError(f"steps must be a NumPy array or a torch tensor, not {type(steps).__name__}")
    if steps.ndim != 2 or str(steps.dtype).removeprefix("torch.") != "uint8":
        raise InputError(f"steps must be uint8 [batch, features], not {steps.dtype} {list(steps.shape)}")
    latest = int(steps.max()) if math.prod(steps.shape) else 0
    if latest > silent:
        raise InputError(f"a step is {latest}, beyond T = {num_steps}, which means never")
    if shape and math.prod(shape) != steps.shape[1]:
        raise InputError(f"{steps.shape[1]} features do not fill the shape {list(shape)}")
    time = np.arange(num_steps, dtype=np.uint8)[:, None, None]
    if isinstance(steps, np.ndarray):
        train = (steps[None] == time).astype(np.float32)
    else:
        train = (steps[None] == sys.modules["torch"].from_numpy(time).to(steps.device)).float()
    return train.reshape(num_steps, len(steps), *shape) if shape else train


def is_tensor(value: Any) -> bool:
    """Whether `value` is a torch tensor; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _as_bytes(spikes: Any) -> Any:
    """A checked train as uint8 `[T, batch, features]`."""
    if not (isinstance(spikes, np.ndarray) or is_tensor(spikes)):
        raise InputError(f"spikes must be a NumPy array or a torch tensor, not {type(spikes).__name__}")
    if spikes.ndim < 3:
        raise InputError(f"spikes must be [T, batch, features], or with more dimensions, not {list(spikes.shape)}")
    never(spikes.shape[0])
    train = spikes if isinstance(spikes, np.ndarray) else spikes.detach()
    wrong = (train != 0) & (train != 1)
    if bool(wrong.any()):
        raise InputError(
            f"a spike train holds 0 and 1 alone; {int(wrong.sum())} values are others, such as {train[wrong][0].item()}"
        )
    train = train.reshape(*train.shape[:2], math.prod(train.shape[2:]))
    return train.astype(np.uint8) if isinstance(train, np.ndarray) else train.to(sys.modules["torch"].uint8)
