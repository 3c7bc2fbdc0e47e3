"""A predecessor's two-layer network: inference, one learning step, and figures under both metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from bstdg import _native
from bstdg.engine.decide import Decision
from bstdg.lab.predecessors import temporal
from bstdg.lab.predecessors.temporal import NEVER, NUM_STEPS, Trajectory
from bstdg.model.metrics import Tally


class Response(NamedTuple):
    """One image through the network: hidden stamps, output stamps, and the output's potentials."""

    hidden: NDArray[np.int16]
    output: NDArray[np.int16]
    path: Trajectory


class TemporalNetwork(Protocol):
    """What `run`, `decide` and training ask of S4NN and BS4NN.

    Attributes:
        weights: `[inputs, hidden]` and `[hidden, classes]`, real.
        binary: whether potentials are sums of their signs.
    """

    weights: list[NDArray[np.floating]]
    binary: bool

    def thresholds(self) -> tuple[float, float]:
        """Of the hidden and of the output layer, in units of the potential."""
        ...

    def effective(self, weights: NDArray[np.floating]) -> NDArray[np.floating]:
        """The weights that potentials are summed from."""
        ...


def run(network: TemporalNetwork, steps: NDArray[np.int16]) -> Response:
    """Run one image, given the steps of its pixels `[inputs]`, 256 where one never fires."""
    first, second = network.thresholds()
    order, times = temporal.arrivals(steps, NEVER - 1)
    hidden = temporal.stamps(temporal.integrate(times, network.effective(network.weights[0][order])), first)
    order, times = temporal.arrivals(hidden)
    path = temporal.integrate(times, network.effective(network.weights[1][order]))
    return Response(hidden, temporal.stamps(path, second), path)


class Verdict(NamedTuple):
    """One image's decision, as in `bstdg.engine.decide.Decision`; `first` is the lowest index of smallest stamps."""

    label: int
    step: int
    silent: bool
    tie: bool
    candidates: NDArray[np.bool_]
    first: int


def decide(output: NDArray[np.int16], path: Trajectory) -> Verdict:
    """Who decides, by this project's rule and by the predecessors'.

    The outputs with the smallest stamp are the candidates, which the predecessors all count as right. Among them the
    greatest potential at the step of their crossing wins, then the lowest index. If none fired, the greatest
    potential at step 253 decides, at the last step.
    """
    earliest = int(output.min())
    return _verdict(output, temporal.potential_at(path, temporal.SILENT_STEP if earliest == NEVER else earliest - 1))


def _verdict(output: NDArray[np.int16], potential: NDArray[np.floating]) -> Verdict:
    """From the potentials at the step that decides."""
    earliest = int(output.min())
    silent, label = earliest == NEVER, int(potential.argmax())
    best = potential == potential[label]
    if silent:
        return Verdict(label, NUM_STEPS - 1, True, int(best.sum()) > 1, np.arange(len(output)) == label, label)
    return Verdict(label, earliest, False, int(best.sum()) > 1, output == earliest, int(output.argmin()))


def figures(
    network: TemporalNetwork, steps: NDArray[np.int16], labels: NDArray[np.integer], blocks: int = NUM_STEPS
) -> dict[str, Any]:
    """All figures of `bstdg.model.metrics.Tally` over images `[batch, inputs]`, under the predecessors' clock.

    The decision step is the smallest output stamp (255 for a silent decision), and spikes stamped up to it are
    counted. `accuracy_ties_correct` is the predecessors' own metric, `accuracy` this project's, and
    `accuracy_lowest_index` lets the lowest index win among the smallest stamps.

    With fewer `blocks` than steps the input is put into them, and time is counted in them (see
    `bstdg.lab.predecessors.blocks`).
    """
    widths = [network.weights[0].shape[1], network.weights[1].shape[1]]
    tally, lowest, width = Tally(blocks, widths), 0, NUM_STEPS // blocks
    if blocks < NUM_STEPS:
        steps = temporal.in_blocks(steps, blocks)
    for part in np.array_split(np.arange(len(labels)), max(1, len(labels) // 500)):
        hidden, verdicts = _answers(network, steps[part])
        lowest += sum(int(v.first == labels[i]) for v, i in zip(verdicts, part, strict=True))
        # The tally's counts hold for steps of any integer type; 256 does not fit the one byte of this project's own.
        decision, spikes = _decision(verdicts, width), (steps[part] // width, hidden // width)
        tally.add(decision, labels[part], cast(Any, spikes[0]), [cast(Any, spikes[1])])
    return {**tally.figures(), "accuracy_lowest_index": lowest / max(1, len(labels))}


def _answers(network: TemporalNetwork, steps: NDArray[np.int16]) -> tuple[NDArray[np.int16], list[Verdict]]:
    """Hidden stamps and verdicts of images; by the native module where the weights are float32, with the same bits."""
    below, above = network.weights
    if below.dtype != np.float32 or above.dtype != np.float32:
        responses = [run(network, image) for image in steps]
        return np.array([r.hidden for r in responses]), [decide(r.output, r.path) for r in responses]
    hidden = np.empty((len(steps), below.shape[1]), np.int16)
    output = np.empty((len(steps), above.shape[1]), np.int16)
    potential = np.empty((len(steps), above.shape[1]), np.float32)
    given = below, above, np.ascontiguousarray(steps)
    _native.run_temporal(*given, network.binary, network.thresholds(), temporal.SILENT_STEP, hidden, output, potential)
    return hidden, [_verdict(*pair) for pair in zip(output, potential, strict=True)]


def _decision(verdicts: Sequence[Verdict], width: int) -> Decision:
    label, step, silent, tie, candidates, _ = (np.array(column) for column in zip(*verdicts, strict=True))
    return Decision(label, step // width, silent, tie, candidates)
