"""Figures of others that were not measured here, each with its source.

"published" is a paper's figure by the paper's own metric; "released weights" is a predecessor's published network, run
by its own conventions on the MNIST test set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bstdg.model import energy


@dataclass(frozen=True)
class Stated:
    """A figure that was not measured here.

    Attributes:
        what: network, structure and data.
        figure: what it is.
        value: as it is given.
        source: "published" or "released weights".
        note: metric, or what else tells it from ours.
    """

    what: str
    data: str
    figure: str
    value: str
    source: Literal["published", "released weights"]
    note: str = ""


STATED = (
    Stated("BS4NN 784-600-10, binary, T = 256", "mnist", "accuracy", "97.0 %", "published", "a tie counts as correct"),
    Stated("BS4NN 784-600-10", "mnist", "accuracy", "95.66 %", "released weights", "strict, lowest index"),
    Stated("BS4NN 784-600-10", "mnist", "accuracy", "96.06 %", "released weights", "strict, greatest potential"),
    Stated("BS4NN 784-600-10", "mnist", "accuracy", "96.92 %", "released weights", "a tie counts as correct"),
    Stated("BS4NN 784-600-10", "mnist", "hidden spikes to the decision", "201.1", "released weights"),
    Stated("BS4NN 784-600-10", "mnist", "decision step, mean", "112.9 of 256", "released weights"),
    Stated("BS4NN 784-600-10", "mnist", "synaptic operations to the decision", "82,344", "released weights"),
    Stated("BS4NN 784-600-10", "mnist", "decision step, mean", "3.5 of 8", "released weights", "inputs in 8 blocks"),
    Stated("BS4NN 784-600-10", "mnist", "accuracy", "96.1 %", "released weights", "strict, inputs in 8 blocks"),
    Stated("BS4NN 784-600-10", "mnist", "decision step, mean", "1.6 of 4", "released weights", "inputs in 4 blocks"),
    Stated("BS4NN 784-600-10", "mnist", "accuracy", "96.0 %", "released weights", "strict, inputs in 4 blocks"),
    Stated(
        "S4NN 784-400-10, real weights, T = 256", "mnist", "accuracy", "97.4 %", "published", "a tie counts as correct"
    ),
    Stated("S4NN 784-400-10", "mnist", "accuracy", "96.11 %", "released weights", "strict, lowest index"),
    Stated("S4NN 784-400-10", "mnist", "hidden spikes to the decision", "83.4", "released weights"),
    Stated("S4NN 784-400-10", "mnist", "decision step, mean", "83.2 of 256", "released weights"),
    Stated("single-spike, real weights, 784-400-10", "mnist", "accuracy", "98.09 %", "published"),
    Stated("BS4NN", "fashion-mnist", "accuracy", "87.3 %", "published", "a tie counts as correct"),
    Stated("single-spike, real weights, 784-1000-10", "fashion-mnist", "accuracy", "89.05 to 89.93 %", "published"),
    Stated("S4NN", "caltech-face-motorbike", "accuracy", "99.2 %", "published", "a tie counts as correct"),
    Stated("PC-SNN", "caltech-face-motorbike", "accuracy", "99.25 %", "published"),
)


@dataclass(frozen=True)
class Released:
    """Where a predecessor's released network stands; steps count from 1, accuracy is strict, lowest index.

    Attributes:
        hidden_spikes: to the decision.
        operations: to the decision, 0 where they are not stated.
        energy: nJ, estimated from its steps, hidden spikes and operations (see `bstdg.model.energy`), or 0.
        steps_in_blocks: the decision step, from 1, with its input times put into 8 blocks, or 0.
    """

    what: str
    data: str
    accuracy: float
    steps: float
    hidden_spikes: float
    operations: float = 0.0
    energy: float = 0.0
    steps_in_blocks: float = 0.0


def _energy(kind: str, widths: tuple[int, int, int], steps: float, hidden: float, operations: float) -> float:
    """nJ, by the estimate of all tables; what a network's operations leave after its hidden spikes are its inputs'."""
    figures = {
        "input_spikes_to_decision": (operations - hidden * widths[2]) / widths[1],
        "hidden_spikes_to_decision": hidden,
        "hidden_spikes_by_layer": [hidden],
        "decision_step_mean": steps - 1.0,
    }
    cost = energy.estimate(energy.count(kind, widths, figures))
    return (cost.arithmetic + cost.sram) / 1000


RELEASED = (
    Released(
        "BS4NN 784-600-10",
        "mnist",
        0.9566,
        112.9 + 1,
        201.1,
        82_344,
        _energy("bs4nn", (784, 600, 10), 112.9 + 1, 201.1, 82_344),
        3.5 + 1,
    ),
    Released("S4NN 784-400-10", "mnist", 0.9611, 83.2 + 1, 83.4),
)
