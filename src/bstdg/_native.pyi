"""Native parts of bstdg; call them through the package, which checks what it is given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def bin_events(
    offsets: NDArray[np.int64],
    channels: NDArray[np.uint16],
    times: NDArray[np.float64],
    num_channels: int,
    num_steps: int,
    duration: float,
    start: float,
    keep: str,
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint8]]:
    """Timed events become steps, sorted by step, then channel: (offsets, channels, steps).

    Raises ValueError if anything given is out of range, TypeError if an array is of another type.
    """

class Network:
    """A deployed network, ready to run: signs int8 and thresholds int64 of each layer, input side first.

    Raises ValueError if the layers do not fit each other.
    """

    def __init__(self, layers: list[tuple[NDArray[np.int8], NDArray[np.int64]]], num_steps: int) -> None: ...
    def run_bytes(
        self,
        bytes: NDArray[np.uint8],
        step_of: NDArray[np.uint8],
        results: dict[str, Any],
        early_exit: bool,
        threads: int,
    ) -> None:
        """Run `[batch, channels]` bytes, `step_of` naming the step of each of 256, into the arrays of `results`."""

    def run_events(
        self,
        offsets: NDArray[np.int64],
        channels: NDArray[np.uint16],
        steps: NDArray[np.uint8],
        results: dict[str, Any],
        early_exit: bool,
        threads: int,
    ) -> None:
        """Run event streams, sorted by step within each sample, into the arrays of `results`."""

def instruction_sets() -> list[str]:
    """Instruction sets that this build and this CPU have, the fastest first."""

class SpikeRows:
    """The presynaptic events of a batch, for training. Raises ValueError if a step or channel is out of range."""

    def __init__(self, steps: NDArray[np.uint8], num_steps: int, threads: int) -> None: ...
    @staticmethod
    def of_events(
        offsets: NDArray[np.int64],
        channels: NDArray[np.uint16],
        steps: NDArray[np.uint8],
        num_channels: int,
        num_steps: int,
    ) -> SpikeRows: ...

def crossing(
    spikes: SpikeRows,
    weights: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    steps: NDArray[np.uint8],
    reach: NDArray[np.uint8],
    margin: NDArray[np.float32],
    threads: int,
) -> None:
    """Spike steps, judged steps and margins, written into the arrays given."""

def potentials(spikes: SpikeRows, weights: NDArray[np.float32], out: NDArray[np.float32], threads: int) -> None: ...
def impulse_gradient(
    spikes: SpikeRows,
    weights: NDArray[np.float32],
    reach: NDArray[np.uint8],
    local: NDArray[np.float32],
    decay: float,
    out: NDArray[np.float32],
    threads: int,
) -> None: ...
def impulse_credit(
    below: NDArray[np.uint8],
    weights: NDArray[np.float32],
    reach: NDArray[np.uint8],
    local: NDArray[np.float32],
    num_steps: int,
    out: NDArray[np.float32],
    threads: int,
) -> None: ...
def potential_gradient(
    spikes: SpikeRows,
    weights: NDArray[np.float32],
    gradient: NDArray[np.float32],
    decay: float,
    out: NDArray[np.float32],
    threads: int,
) -> None: ...
def potential_credit(
    below: NDArray[np.uint8],
    weights: NDArray[np.float32],
    gradient: NDArray[np.float32],
    out: NDArray[np.float32],
    threads: int,
) -> None: ...
def first_to_fire(
    potentials: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    scale: float,
    log_first: NDArray[np.float32],
    log_after: NDArray[np.float32],
    last: NDArray[np.float32],
    threads: int,
) -> None:
    """log P(k first), log P(undecided after t) and the last z of z = (V - theta) / scale, into the arrays given."""

def first_to_fire_back(
    potentials: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    scale: float,
    log_first: NDArray[np.float32],
    to_first: NDArray[np.float32],
    to_after: NDArray[np.float32],
    to_last: NDArray[np.float32],
    to_potentials: NDArray[np.float32],
    to_thresholds: NDArray[np.float32],
    to_scale: NDArray[np.float32],
    threads: int,
) -> None: ...
def learn_temporal(
    below: NDArray[np.float32],
    above: NDArray[np.float32],
    fired: NDArray[np.int64],
    steps: NDArray[np.int16],
    labels: NDArray[np.int64],
    order: NDArray[np.int64],
    threshold: float,
    rate: float,
    binary: bool,
    gamma: int,
    silent_lead: int,
    keep: float,
    scale_rate: float,
    scales: tuple[float, float],
    shrunk: float,
) -> tuple[int, float, float, float]:
    """S4NN's and BS4NN's learning of some images: (right, scale, scale, shrunk) after it; weights change in place."""
