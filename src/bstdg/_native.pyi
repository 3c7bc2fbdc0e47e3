# Made from the bindings by `make stubs`.
# ruff: noqa: C408
"""
Native parts of bstdg; call them through the package, which checks what it is given.
"""

from collections.abc import Sequence
from typing import Annotated, Any, overload

import numpy
from numpy.typing import NDArray

def bin_events(
    offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    channels: Annotated[NDArray[numpy.uint16], dict(shape=(None,), order="C", device="cpu", writable=False)],
    times: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    num_channels: int,
    num_steps: int,
    duration: float,
    start: float,
    keep: str,
) -> tuple[
    Annotated[NDArray[numpy.int64], dict(shape=(None,))],
    Annotated[NDArray[numpy.uint16], dict(shape=(None,))],
    Annotated[NDArray[numpy.uint8], dict(shape=(None,))],
]:
    """
    Timed events become steps, sorted by step, then channel: (offsets, channels, steps).

    Raises ValueError if anything given is out of range, TypeError if an array is of another type.
    """

class Network:
    """
    A deployed network, ready to run: layers, input side first, each a tuple.

        ("full", signs int8 -1/+1 [neurons, channels], thresholds int64 [neurons])

    Raises ValueError if there is no such kind of layer, or the layers do not fit each other.
    """

    def __init__(self, layers: Sequence[tuple], num_steps: int) -> None: ...
    def run_bytes(
        self,
        bytes: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
        step_of: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order="C", device="cpu", writable=False)],
        results: dict[str, Any],
        early_exit: bool,
        threads: int,
    ) -> None:
        """
        Run `[batch, channels]` bytes into `results`: `step_of` names each byte's step, or so for each greatest byte.
        """

    def run_events(
        self,
        offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        channels: Annotated[NDArray[numpy.uint16], dict(shape=(None,), order="C", device="cpu", writable=False)],
        steps: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order="C", device="cpu", writable=False)],
        results: dict[str, Any],
        early_exit: bool,
        threads: int,
    ) -> None:
        """
        Run event streams, sorted by step within each sample, into the arrays of `results`.
        """

def instruction_sets() -> list[str]:
    """Instruction sets that this build and this CPU have, the fastest first."""

def conv_crossing(
    spikes: SpikeRows,
    convolution: tuple,
    weights: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None, None), order="C", device="cpu", writable=False)
    ],
    thresholds: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    steps: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu")],
    reach: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu")],
    margin: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """`crossing` of a convolution, with one threshold a map or one for all."""

def conv_potentials(
    spikes: SpikeRows,
    convolution: tuple,
    weights: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None, None), order="C", device="cpu", writable=False)
    ],
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """`potentials` of a convolution."""

def conv_impulse_gradient(
    spikes: SpikeRows,
    convolution: tuple,
    weights: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None, None), order="C", device="cpu", writable=False)
    ],
    reach: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    local: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    decay: float,
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """`impulse_gradient` of a convolution."""

def conv_impulse_credit(
    below: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    convolution: tuple,
    weights: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None, None), order="C", device="cpu", writable=False)
    ],
    reach: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    local: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    num_steps: int,
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """`impulse_credit` of a convolution."""

def conv_potential_gradient(
    spikes: SpikeRows,
    convolution: tuple,
    weights: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None, None), order="C", device="cpu", writable=False)
    ],
    gradient: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None), order="C", device="cpu", writable=False)
    ],
    decay: float,
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """`potential_gradient` of a convolution."""

def conv_potential_credit(
    below: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    convolution: tuple,
    weights: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None, None), order="C", device="cpu", writable=False)
    ],
    gradient: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None), order="C", device="cpu", writable=False)
    ],
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """`potential_credit` of a convolution."""

def pool(
    steps: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    margin: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)] | None,
    window: tuple,
    count: int,
    num_steps: int,
    out: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu")],
    winner: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """
    The step of the n-th spike in each window, and the channel that it stands for.
    """

@overload
def take(
    values: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    winner: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """What the winners have, `[batch, neurons]`."""

@overload
def take(
    values: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    winner: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    out: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None: ...
def give(
    values: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    winner: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """What the winners are told, `[batch, channels]`."""

class SpikeRows:
    """
    The presynaptic events of a batch, for training.

    Raises ValueError if a step or channel is out of range.
    """

    def __init__(
        self,
        steps: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
        num_steps: int,
        threads: int,
    ) -> None: ...
    @staticmethod
    def of_events(
        offsets: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        channels: Annotated[NDArray[numpy.uint16], dict(shape=(None,), order="C", device="cpu", writable=False)],
        steps: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order="C", device="cpu", writable=False)],
        num_channels: int,
        num_steps: int,
    ) -> SpikeRows:
        """The same of event streams, sorted by step within each sample."""

def crossing(
    spikes: SpikeRows,
    weights: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    thresholds: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    steps: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu")],
    reach: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu")],
    margin: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """
    Spike steps, judged steps and margins `[batch, neurons]`, written into the arrays given.
    """

def potentials(
    spikes: SpikeRows,
    weights: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """V_k(t), written into `out` `[batch, steps, neurons]`."""

def impulse_gradient(
    spikes: SpikeRows,
    weights: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    reach: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    local: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    decay: float,
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """dL/dw of a spiking layer, written into `out` `[neurons, channels]`."""

def impulse_credit(
    below: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    weights: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    reach: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    local: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    num_steps: int,
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """
    What a spiking layer tells the one below, written into `out` `[batch, channels]`.
    """

def potential_gradient(
    spikes: SpikeRows,
    weights: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    gradient: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None), order="C", device="cpu", writable=False)
    ],
    decay: float,
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """dL/dw of the output layer, written into `out` `[neurons, channels]`."""

def potential_credit(
    below: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    weights: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    gradient: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None), order="C", device="cpu", writable=False)
    ],
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """
    What the output layer tells the one below, written into `out` `[batch, channels]`.
    """

def fired(
    steps: Annotated[NDArray[numpy.uint8], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    num_steps: int,
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """1 where a neuron fired, else 0, written into `out` `[batch, neurons]`."""

def sensitive(
    margin: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    told: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    width: float,
    out: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """
    What neurons answer for, told * max(0, 1 - |margin| / width), written into `out`.
    """

def spread(
    margin: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    threads: int,
) -> float:
    """Standard deviation of margins `[batch, neurons]`."""

def shift(
    steps: Annotated[
        NDArray[numpy.uint8], dict(shape=(None, None, None, None), order="C", device="cpu", writable=False)
    ],
    down: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    right: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    never: int,
    out: Annotated[NDArray[numpy.uint8], dict(shape=(None, None, None, None), order="C", device="cpu")],
    threads: int,
) -> None:
    """
    Pictures of steps `[batch, channels, rows, columns]` moved, written into `out`.

    Raises ValueError if one is moved by its side or more.
    """

def adam(
    weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu")],
    gradient: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    mean: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu")],
    square: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu")],
    average: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu")] | None,
    rate: float,
    beta: float,
    square_beta: float,
    epsilon: float,
    steps: float,
    bound: float,
    share: float,
    threads: int,
) -> None:
    """
    Adam's step number `steps`, then weights within the bound, then `share` of them in their average.
    """

def count_events(
    spikes: SpikeRows, out: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu")]
) -> None:
    """How many events each channel has, written into `out` `[channels]`."""

def first_to_fire_loss(
    potentials: Annotated[
        NDArray[numpy.float32], dict(shape=(None, None, None), order="C", device="cpu", writable=False)
    ],
    thresholds: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu", writable=False)],
    scale: float,
    labels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    smoothing: float,
    taught: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)] | None,
    share: float,
    weights: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu", writable=False)] | None,
    latency_weight: float,
    silent_remainder: bool,
    to_potentials: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), order="C", device="cpu")],
    to_thresholds: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu")],
    to_scale: Annotated[NDArray[numpy.float32], dict(shape=(None,), order="C", device="cpu")],
    threads: int,
) -> float:
    """
    The mean loss of what fires first, of z = (V - theta) / scale; its gradients into the arrays given.
    """

def learn_temporal(
    below: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    above: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
    fired: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu")],
    steps: Annotated[NDArray[numpy.int16], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    labels: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    order: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
    threshold: float,
    binary: bool,
    gamma: int,
    silent_lead: int,
    rates: tuple[float, float],
    keeps: tuple[float, float],
    scale_rate: float,
    scales: tuple[float, float],
    shrunk: float,
) -> tuple[int, float, float, float]:
    """
    S4NN's and BS4NN's learning of some images: (right, scale, scale, shrunk) after it; weights change in place.
    """

def run_temporal(
    below: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    above: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    steps: Annotated[NDArray[numpy.int16], dict(shape=(None, None), order="C", device="cpu", writable=False)],
    binary: bool,
    thresholds: tuple[float, float],
    silent_step: int,
    hidden: Annotated[NDArray[numpy.int16], dict(shape=(None, None), order="C", device="cpu")],
    output: Annotated[NDArray[numpy.int16], dict(shape=(None, None), order="C", device="cpu")],
    potential: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order="C", device="cpu")],
) -> None:
    """
    S4NN's and BS4NN's stamps of both layers and their output's potentials when it decides, into the arrays given.
    """
