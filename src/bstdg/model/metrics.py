"""Every figure that follows from the decisions of a network: accuracy, ties, silence, spikes and operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg.engine.decide import Decision
from bstdg.errors import InputError
from bstdg.layers import Layer, size
from bstdg.model import classes
from bstdg.spikes.events import Events

# Figures of networks whose events pass different numbers of synapses: hidden spikes and operations, a number a layer.
UNEVEN = ("hidden_spikes_to_decision_by_layer", "synaptic_operations_to_decision_by_layer")


class Tally:
    """Counts figures over batches of one data set, for one network.

    Args:
        num_steps: T.
        widths: neurons of every layer above the input, the output layer last.
        fan_outs: of each layer, how many synapses an event passes: one number, or int64 `[channels]` where that
            differs from channel to channel; unless given, every event reaches every neuron.
    """

    def __init__(
        self, num_steps: int, widths: Sequence[int], fan_outs: Sequence[int | NDArray[np.int64]] | None = None
    ):
        self.num_steps, self.widths = num_steps, tuple(widths)
        self.fan_outs = tuple(widths) if fan_outs is None else tuple(fan_outs)
        self.decision_steps = np.zeros(num_steps, np.int64)
        self.counts: dict[str, int] = dict.fromkeys(
            ("samples", "correct", "candidate", "tie", "simultaneous", "silent", "input"), 0
        )
        self.spikes = np.zeros(len(self.widths) - 1, np.int64)
        self.spikes_to_decision = np.zeros(len(self.widths) - 1, np.int64)
        self.operations = np.zeros(len(self.widths), np.int64)  # to the decision, into each layer
        # How often each hidden neuron fired at all, and at step 0: what tells a dead layer from a saturated one.
        self.fired = [np.zeros(width, np.int64) for width in self.widths[:-1]]
        self.fired_at_start = [np.zeros(width, np.int64) for width in self.widths[:-1]]
        self.by_class = np.zeros((3, self.widths[-1]), np.int64)  # samples, decisions and right ones of each class
        self._weights = np.zeros(3)  # of those decided right, of all, and of all squared

    @classmethod
    def of(cls, layers: Sequence[Layer], num_steps: int) -> Tally:
        """A tally for deployed layers, input side first."""
        return cls(num_steps, [size(layer.gives) for layer in layers], [fan_out(layer) for layer in layers])

    def add(
        self,
        decision: Decision,
        labels: NDArray[np.integer],
        spikes: NDArray[np.uint8] | Events,
        hidden: Sequence[NDArray[np.uint8]],
    ) -> None:
        """Count one batch: its decisions, labels, input spikes and the steps of every hidden layer."""
        rows = np.arange(len(labels))
        self.decision_steps += np.bincount(decision.step, minlength=self.num_steps)
        heard = input_to_decision(spikes, decision.step)
        for row, part in enumerate((labels, decision.label, labels[decision.label == labels])):
            self.by_class[row] += np.bincount(part, minlength=self.widths[-1])
        self._count("samples", len(labels))
        self._count("correct", (decision.label == labels).sum())
        self._count("candidate", decision.candidates[rows, labels].sum())
        self._count("tie", decision.tie.sum())
        self._count("simultaneous", (~decision.silent & (decision.candidates.sum(axis=1) > 1)).sum())
        self._count("silent", decision.silent.sum())
        self._count("input", heard)
        self.operations[0] += operations(spikes, decision.step, self.fan_outs[0], heard)
        for i, steps in enumerate(hidden):
            fired = steps < self.num_steps
            sent = int((steps <= decision.step[:, None]).sum())  # T is later than any decision
            self.spikes[i] += fired.sum()
            self.spikes_to_decision[i] += sent
            self.operations[i + 1] += operations(steps, decision.step, self.fan_outs[i + 1], sent)
            self.fired[i] += fired.sum(axis=0)
            self.fired_at_start[i] += (steps == 0).sum(axis=0)

    def weigh(self, decision: Decision, labels: NDArray[np.integer], weights: NDArray[np.float64]) -> None:
        """Take in how much each sample of a batch counts, `[batch]`, besides what `add` counts."""
        self._weights += weights[decision.label == labels].sum(), weights.sum(), (weights**2).sum()

    def weighted_accuracy(self) -> tuple[float, float] | None:
        """The share of the weight that was decided right, and how many equal samples tell as much; None without any."""
        right, whole, squares = map(float, self._weights)
        return (right / whole, whole**2 / squares) if whole else None

    def _count(self, name: str, number: Any) -> None:
        self.counts[name] += int(number)

    def numbers(self) -> NDArray[np.float64]:
        """All that was counted, in a row: the sum of two such is what both counted together."""
        return np.concatenate(
            [list(self.counts.values()), *(np.ravel(part) for part in self._parts())], dtype=np.float64
        )

    def become(self, numbers: NDArray[np.float64]) -> None:
        """Have counted what `numbers` gave."""
        counts, *parts = np.split(numbers, np.cumsum([len(self.counts), *(part.size for part in self._parts()[:-1])]))
        self.counts = {name: int(count) for name, count in zip(self.counts, counts, strict=True)}
        for mine, part in zip(self._parts(), parts, strict=True):
            mine[...] = part.reshape(mine.shape)

    def _parts(self) -> list[NDArray[Any]]:
        sums = (
            self.decision_steps,
            self.spikes,
            self.spikes_to_decision,
            self.operations,
            self.by_class,
            self._weights,
        )
        return [*sums, *self.fired, *self.fired_at_start]

    def figures(self) -> dict[str, Any]:
        """All figures, plain numbers; shares are in 0 … 1 and counts are means an image.

        Raises:
            InputError: nothing was counted.
        """
        samples = self.counts["samples"]
        if samples == 0:
            raise InputError("there are no samples to count figures over")
        mean = {name: count / samples for name, count in self.counts.items()}
        reached = np.repeat(np.arange(self.num_steps), self.decision_steps)
        return {
            "samples": samples,
            "accuracy": mean["correct"],
            "accuracy_ties_correct": mean["candidate"],
            "tie_rate": mean["tie"],
            "simultaneous_rate": mean["simultaneous"],
            "silent_rate": mean["silent"],
            "decision_step_mean": float(reached.mean()),
            "decision_step_median": float(np.median(reached)),
            "num_steps": self.num_steps,
            "hidden_spikes": float(self.spikes.sum() / samples),
            "hidden_spikes_to_decision": float(self.spikes_to_decision.sum() / samples),
            "hidden_spikes_by_layer": [float(s / samples) for s in self.spikes],
            "input_spikes_to_decision": mean["input"],
            "synaptic_operations_to_decision": int(self.operations.sum()) / samples,
            **self._uneven(samples),
            **classes.figures(*self.by_class),
        }

    def _uneven(self, samples: int) -> dict[str, Any]:
        """What else tells operations where events pass more synapses here and fewer there, as at borders; elsewhere
        these follow from the widths."""
        if all(isinstance(fan_out, int) for fan_out in self.fan_outs):
            return {}
        sent, passed = self.spikes_to_decision, self.operations
        return dict(zip(UNEVEN, ([float(n / samples) for n in each] for each in (sent, passed)), strict=True))

    def silent_share(self) -> list[float]:
        """Share of each hidden layer's neurons that fired for no sample at all."""
        return [float((fired == 0).mean()) for fired in self.fired]

    def firing_share(self) -> list[float]:
        """Share of each hidden layer's neurons that fire, on average over samples."""
        return [float(fired.mean() / max(1, self.counts["samples"])) for fired in self.fired]

    def start_share(self) -> list[float]:
        """Share of each hidden layer's neurons that fire at step 0, on average over samples."""
        return [float(fired.mean() / max(1, self.counts["samples"])) for fired in self.fired_at_start]


def fan_out(layer: Layer) -> int | NDArray[np.int64]:
    """Synapses that an event passes in a layer: one number where that is the same for all channels."""
    each = layer.fan_out()
    return int(each[0]) if (each == each[0]).all() else each


def operations(
    spikes: NDArray[np.uint8] | Events,
    step: NDArray[np.int64],
    fan_out: int | NDArray[np.int64],
    number: int | None = None,
) -> int:
    """Synapses that the spikes of a batch pass up to the steps `[batch]` at which its samples were decided.

    `number` is how many spikes these are, where they have been counted; it suffices where all channels reach as many.
    """
    if isinstance(fan_out, int):
        return (input_to_decision(spikes, step) if number is None else number) * fan_out
    if isinstance(spikes, Events):
        heard = spikes.steps <= np.repeat(step, np.diff(spikes.offsets))
        return int(fan_out[spikes.channels[heard]].sum())
    return int((spikes <= step[:, None]).sum(axis=0) @ fan_out)


def input_to_decision(spikes: NDArray[np.uint8] | Events, step: NDArray[np.int64]) -> int:
    """Input spikes of a batch up to the steps `[batch]` at which its samples were decided."""
    if isinstance(spikes, Events):
        return int((spikes.steps <= np.repeat(step, np.diff(spikes.offsets))).sum())
    return int((spikes <= step[:, None]).sum())


def each_input_to_decision(spikes: NDArray[np.uint8] | Events, step: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same of each sample, `[batch]`."""
    if isinstance(spikes, Events):
        heard = spikes.steps <= np.repeat(step, np.diff(spikes.offsets))
        return np.bincount(spikes.samples()[heard], minlength=len(spikes))
    return (spikes <= step[:, None]).sum(axis=1)
