"""What one decision costs: operations and memory accesses as counts, and from them an estimate in picojoules.

The counts follow from the sizes of a network's layers and from the figures measured on a test set. Picojoules are an
estimate by a table of a 45 nm process, for arithmetic and memory alone: no control, no clock, no leakage, no input
coding, no queue of events. They tell orders of magnitude between networks counted alike, never the consumption of a
chip.

One rule of counting holds for all networks, so that none is helped by it. An input of a layer (a spike, or a number
of a network that does not spike) makes the layer read that input's row of weights, and read, add to and write back
the running sums of all its neurons, 64 bits at a time. A spiking layer also compares the potential of each neuron with
its threshold at every step up to the decision; a layer that does not spike compares once. Numbers of a network that
does not spike are not skipped where they are 0. Of a convolution an input touches the windows that it lies in, fewer at
borders: as many as were counted where figures tell, else on average. A pooling has no weights to read.

Source of the table: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, figure 1.1.9.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from bstdg.errors import InputError
from bstdg.model.figures import is_number
from bstdg.model.metrics import UNEVEN
from bstdg.model.sizes import Size, fully_connected

TABLE = "M. Horowitz, ISSCC 2014, 45 nm, 0.9 V"
WORD = 64  # bits of a memory access

# pJ an operation.
INTEGER_ADD, FLOAT_ADD, FLOAT_MULTIPLY = 0.1, 0.9, 3.7  # 32 bits
# pJ a 64-bit access, by what the memory holds. Larger arrays are spread over memories of 1 MB.
SRAM = ((8 * 1024, 10.0), (32 * 1024, 20.0), (1024 * 1024, 100.0))

Number = Literal["integer", "float"]


@dataclass(frozen=True)
class Kind:
    """How a network is stored and computed.

    Attributes:
        weight_bits: of a weight.
        sum_bits: of a potential or running sum, as stored.
        numbers: what is added, in the hidden layers and in the output layer.
        multiplies: a product goes with every addition.
        spikes: inputs of a layer are spikes; else all numbers of the layer below.
        own_thresholds: every neuron has a threshold of its own, which comparing reads.
        late: steps by which a spike is stamped after its crossing, which the decision step counts in.
        rescales: hidden sums are multiplied by a scale and given an offset once, a neuron each.
    """

    weight_bits: int
    sum_bits: int
    numbers: tuple[Number, Number] = ("integer", "integer")
    multiplies: bool = False
    spikes: bool = True
    own_thresholds: bool = True
    late: int = 0
    rescales: bool = False


KINDS = {
    "bstdg": Kind(1, 16),
    "bptt": Kind(1, 16),
    "bs4nn": Kind(1, 16, own_thresholds=False, late=1),
    "s4nn": Kind(32, 32, ("float", "float"), own_thresholds=False, late=1),
    "binary": Kind(1, 32, spikes=False),  # sums of 8-bit pixels
    "binary-relu": Kind(1, 32, ("integer", "float"), spikes=False, rescales=True),
    "mlp": Kind(32, 32, ("float", "float"), multiplies=True, spikes=False),
}
KINDS |= {
    "logistic": KINDS["mlp"],
    "ann": KINDS["mlp"],
    "bnn": KINDS["binary"],
    "bnn-relu": KINDS["binary-relu"],
}  # of any structure


@dataclass(frozen=True)
class LayerCounts:
    """One layer's share of a decision, means an image.

    Attributes:
        number: "integer" or "float", what is added and compared.
        additions: synaptic operations.
        multiplications: of 32-bit floats.
        comparisons: with a threshold or with zero.
        weight_bits_read: bits of weights that were needed …
        weight_reads: … and the accesses that brought them.
        state_reads: accesses to potentials, running sums and thresholds.
        state_writes: the same, written.
        weight_bytes: what the layer's weights take, which decides the memory they are in.
        state_bytes: the same of its sums.
    """

    number: Number
    additions: float
    multiplications: float
    comparisons: float
    weight_bits_read: float
    weight_reads: float
    state_reads: float
    state_writes: float
    weight_bytes: int
    state_bytes: int


@dataclass(frozen=True)
class Estimate:
    """Picojoules a decision, an estimate; additions and memory apart."""

    additions: float
    multiplications: float
    comparisons: float
    sram_weights: float
    sram_state: float

    @property
    def arithmetic(self) -> float:
        """Additions, multiplications and comparisons."""
        return self.additions + self.multiplications + self.comparisons

    @property
    def sram(self) -> float:
        """All memory accesses."""
        return self.sram_weights + self.sram_state


def count(kind: str, sizes: Sequence[int] | Sequence[Size], figures: Mapping[str, Any]) -> tuple[LayerCounts, ...]:
    """Count what one decision takes, layer by layer.

    Args:
        kind: one of `KINDS`; "bstdg" is this project's network.
        sizes: of its layers; or neurons of every layer, input first, of a fully connected network.
        figures: of the test set, as `bstdg.model.metrics.Tally.figures` gives them. Of a network that does not spike
            nothing is read from them.

    Raises:
        InputError: the kind is unknown, or the widths or figures are not of such a network.

    >>> first, last = count("mlp", (4, 3, 2), {})
    >>> first.additions, first.multiplications, first.weight_reads
    (12, 12, 8)
    """
    if kind not in KINDS:
        raise InputError(f"energy is counted for {', '.join(KINDS)}, not {kind!r}")
    layers = [each for each in sizes if isinstance(each, Size)]
    if len(layers) < len(sizes) or not layers:
        layers = list(fully_connected(cast("Sequence[int]", sizes)))
    how = KINDS[kind]
    if how.spikes:
        inputs, compared = _events(len(layers), figures), figures["decision_step_mean"] + 1.0 - how.late
    else:
        inputs, compared = [layer.channels for layer in layers], 1.0
    last = len(layers) - 1
    rows = zip(layers, inputs, _reached(how, layers, inputs, figures), strict=True)
    return tuple(_layer(how, *row, i == last, compared) for i, row in enumerate(rows))


def _reached(how: Kind, layers: Sequence[Size], inputs: Sequence[float], figures: Mapping[str, Any]) -> list[float]:
    """Synapses that an event passes in each layer: as they were counted, where figures tell; else on average."""
    passed = figures.get(UNEVEN[1]) if how.spikes else None
    if passed is None:
        return [layer.fan_out for layer in layers]
    _check(passed, len(layers), UNEVEN[1])
    rows = zip(layers, inputs, passed, strict=True)
    return [operations / events if events else layer.fan_out for layer, events, operations in rows]


def _check(figure: Any, layers: int, name: str) -> None:
    if not isinstance(figure, list) or len(figure) != layers or not all(map(is_number, figure)):
        raise InputError(f"{name} must be {layers} numbers, one a layer")


def _events(layers: int, figures: Mapping[str, Any]) -> list[float]:
    """Spikes into each layer up to the decision.

    Where figures give hidden spikes up to the decision for all layers together, each of several gets its share of all
    that are ever sent.
    """
    needed = ("input_spikes_to_decision", "hidden_spikes_to_decision", "hidden_spikes_by_layer", "decision_step_mean")
    missing = [name for name in needed if figures.get(name) is None]
    if missing:
        raise InputError(f"the figures of a spiking network must hold {', '.join(missing)}")
    by_layer, sent = figures["hidden_spikes_by_layer"], figures["hidden_spikes_to_decision"]
    if len(by_layer) != layers - 1:
        raise InputError(f"the figures are of {len(by_layer)} hidden layers, the widths of {layers - 1}")
    if UNEVEN[0] in figures:
        _check(figures[UNEVEN[0]], layers - 1, UNEVEN[0])
        return [figures["input_spikes_to_decision"], *figures[UNEVEN[0]]]
    every = sum(by_layer)
    return [figures["input_spikes_to_decision"], *(sent * layer / every if every else 0.0 for layer in by_layer)]


def _layer(how: Kind, layer: Size, events: float, reached: float, last: bool, compared: float) -> LayerCounts:
    neurons = layer.neurons
    touched = _words(math.ceil(reached * how.sum_bits))  # of the sums, by an event
    sums = _words(neurons * how.sum_bits)
    rescaled = neurons if how.rescales and not last and layer.weights else 0
    thresholds = sums if how.own_thresholds else 0
    weighted = layer.weights > 0  # a pooling has none: it only adds
    return LayerCounts(
        number=how.numbers[last],
        additions=events * reached,
        multiplications=events * reached * (how.multiplies and weighted) + rescaled,
        comparisons=compared * neurons,
        weight_bits_read=events * reached * how.weight_bits * weighted,
        weight_reads=events * _words(math.ceil(reached * how.weight_bits)) * weighted,
        state_reads=events * touched + compared * (sums + thresholds),
        state_writes=events * touched,
        weight_bytes=-(-layer.weights * how.weight_bits // 8),
        state_bytes=-(-neurons * how.sum_bits // 8),
    )


def _words(bits: int) -> int:
    """64-bit accesses for so many bits that lie together.

    >>> _words(600), _words(64), _words(1)
    (10, 1, 1)
    """
    return -(-bits // WORD)


def access(size: int) -> float:
    """Picojoules of a 64-bit access to the smallest memory of the table that holds `size` bytes.

    >>> access(750), access(58_800), access(2_000_000)
    (10.0, 100.0, 100.0)
    """
    return next((cost for holds, cost in SRAM if size <= holds), SRAM[-1][1])


def estimate(layers: Sequence[LayerCounts]) -> Estimate:
    """Picojoules for these counts, an estimate: a comparison costs what an addition does, a write what a read does."""
    add = {"integer": INTEGER_ADD, "float": FLOAT_ADD}
    return Estimate(
        additions=sum(layer.additions * add[layer.number] for layer in layers),
        multiplications=sum(layer.multiplications * FLOAT_MULTIPLY for layer in layers),
        comparisons=sum(layer.comparisons * add[layer.number] for layer in layers),
        sram_weights=sum(layer.weight_reads * access(layer.weight_bytes) for layer in layers),
        sram_state=sum((layer.state_reads + layer.state_writes) * access(layer.state_bytes) for layer in layers),
    )


COUNTED = (
    "additions",
    "multiplications",
    "comparisons",
    "weight_bits_read",
    "weight_reads",
    "state_reads",
    "state_writes",
)


def of_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """Counts and estimate for the test figures of a run's or a baseline's report.

    Returns:
        `counts` (sums over layers, means an image), `estimate_pj` (with `arithmetic`, `sram` and `total`), `table`
        and `assumptions`, all of them plain values.

    Raises:
        InputError: the report lacks what is counted from.
    """
    if "widths" not in report or "test" not in report:
        raise InputError("energy is counted from a report with widths and test figures")
    kind = report.get("baseline", "bstdg")
    sizes = [Size(**size) for size in report["sizes"]] if "sizes" in report else report["widths"]
    layers = count(kind, sizes, report["test"])
    cost = estimate(layers)
    return {
        "counts": {name: float(sum(getattr(layer, name) for layer in layers)) for name in COUNTED},
        "estimate_pj": {
            **asdict(cost),
            "arithmetic": cost.arithmetic,
            "sram": cost.sram,
            "total": cost.arithmetic + cost.sram,
        },
        "table": f"{TABLE} (an estimate)",
        "assumptions": {**asdict(KINDS[kind]), "word_bits": WORD},
    }
