"""The figures of a network's inside with their words: hidden neurons, training, cost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bstdg.model import energy as model_of_energy
from bstdg.model.summary import layer_name
from bstdg.report import costs, neurons, sliding
from bstdg.report.history import History
from bstdg.report.measure import Measured
from bstdg.report.plates import Plate, Subject, Table, hidden_names
from bstdg.report.spread import width_of


def _times(share: float) -> str:
    return f"{share:.1%} of" if share < 1 else f"{share:.1f} times"


def hidden(subject: Subject) -> Iterator[Plate]:
    """What hidden neurons do, and what they look for."""
    measured = subject.measured
    if measured.fired:
        yield from _activity(measured)
        if neurons.has_fields(measured):
            steps = ", ".join(str(step) for step, _ in neurons.chosen_fields(measured))
            yield Plate(
                "fields",
                neurons.fields(measured),
                "Receptive fields: the weights of first-layer neurons as images, ink where a weight is +1, in rows by "
                "the median step at which a neuron fires; in each row those that fire for the most samples.",
                f"Signs of the weights of hidden neurons as images, for neurons that mostly fire at steps {steps}.",
            )
        yield from _of_maps(measured)


def _of_maps(measured: Measured) -> Iterator[Plate]:
    """What convolutions look for, and where maps fire."""
    if shown := sliding.with_kernels(measured):
        layers = "; ".join(_counted(measured, i) for i in shown)
        yield Plate(
            "kernels",
            sliding.kernels(measured),
            "Windows of the convolutions, ink where a weight is +1: a tile is a map, the busiest first, and in it "
            f"stands a window for each channel that it reads. {layers}.",
            f"Signs of the weights of convolutions, window by window. {layers}.",
        )
    if shown := sliding.with_maps(measured):
        rows = []
        for i in shown:
            share, order = sliding.shares(measured, i), sliding.busiest(measured, i)
            by_map = share.mean(axis=(1, 2))
            spread = (f"{by_map[order[0]]:.2%}", f"{np.median(by_map):.2%}", f"{by_map[order[-1]]:.2%}")
            silent = int((by_map == 0).sum())
            rows.append(
                (f"hidden {i + 1}, {measured.model.layers[i]}", len(share), *spread, f"{share.max():.2%}", silent)
            )
        yield Plate(
            "maps",
            sliding.maps(measured),
            "Where maps fire, were the network not stopped by its decision: each picture is a map, the busiest first, "
            "with the more ink at a position the more samples it fires for; most is the greatest share of a layer. "
            f"At most {sliding.MAPS} maps a layer are shown.",
            "Share of samples for which each position of a map fires, a picture a map.",
            Table(
                ("layer", "maps", "busiest map", "median map", "quietest map", "busiest position", "silent"),
                tuple(rows),
            ),
        )


def _counted(measured: Measured, layer: int) -> str:
    """How many windows of a convolution are shown."""
    found = sliding.convolution(measured, layer)
    (maps, own, *_), shown = found.convolution.weights, sliding.in_kernels(found)
    some = f"{shown} of {maps} maps" if shown < maps else f"{maps} map{'s' * (maps > 1)}"
    read = f"{sliding.READ} of {own} channels" if own > sliding.READ else f"{own} channel{'s' * (own > 1)}"
    return f"Of hidden {layer + 1}, {some} and {read} of each"


def _activity(measured: Measured) -> Iterator[Plate]:
    dead, saturated = measured.dead(), measured.saturated()
    rows = []
    for i, fired in enumerate(measured.fired):
        share = fired.sum(axis=1) / measured.samples
        middle = (f"{np.median(share):.2%}", f"{share.max():.2%}")
        rows.append(
            (f"hidden {i + 1}", f"{len(fired):,}", f"{share.mean():.2%}", *middle, len(dead[i]), len(saturated[i]))
        )
    said = "; ".join(
        f"hidden {i + 1}: {len(d)} of {len(f)} dead, {len(s)} saturated"
        for i, (d, s, f) in enumerate(zip(dead, saturated, measured.fired, strict=True))
    )
    yield Plate(
        "firing",
        neurons.firing(measured),
        "How busy hidden neurons are, were the network not stopped by its decision. A dead neuron fires for no sample, "
        f"a saturated one at step 0 for 9 samples of 10 or more: neither tells anything. In {said}.",
        f"Share of samples for which each hidden neuron fires, sorted. {said}.",
        Table(("layer", "neurons", "mean", "median", "busiest", "dead", "saturated"), tuple(rows)),
    )
    yield _margins(measured)
    rows = tuple(
        (step, *(f"{fired[:, step].sum() / measured.samples:.2f}" for fired in measured.fired))
        for step in range(measured.num_steps)
    )
    yield Plate(
        "firing-steps",
        neurons.firing_steps(measured),
        "When hidden neurons fire: spikes a sample at each step, were the network not stopped by its decision.",
        "Hidden spikes a sample at each step.",
        Table(("step", *hidden_names(measured)), rows),
    )


def _margins(measured: Measured) -> Plate:
    rows, width = [], width_of(measured.model.trained)
    for i, (fired, sent, found) in enumerate(zip(measured.fired, measured.sent, measured.margins, strict=True)):
        spikes = fired.sum() / measured.samples
        lie = ("", "", "") if found is None else (
            f"{found.mean:.1f}", f"{found.deviation:.1f}", "" if found.within is None else f"{found.within:.1%}"
        )  # fmt: skip
        share = (f"{spikes / len(fired):.2%}", f"{sent:,.1f}", f"{sent / len(fired):.2%}")
        rows.append((f"hidden {i + 1}, {measured.model.layers[i]}", f"{len(fired):,}", f"{spikes:,.1f}", *share, *lie))
    looked = max((found.samples for found in measured.margins if found is not None), default=0)
    band = (
        "Its recipe does not say the width of the rule."
        if width is None
        else f"The band is the width of the rule, {width:g}: neurons within it answer for their spike."
    )
    return Plate(
        "margins",
        neurons.margins(measured),
        "Each hidden layer. Left, the share of its neurons that fire for a sample: blue up to the decision, pale to "
        "the end. Right, their margins, mean and standard deviation: potential minus threshold at the step of the "
        f"spike, or where the potential came closest; of the first {looked} samples. {band}",
        "Share of neurons that fire, and mean and standard deviation of margins, by layer.",
        Table(("layer", "neurons", "spikes", "of its neurons", "spikes to the decision", "of its neurons",
               "margin, mean", "deviation", "within the width"), tuple(rows)),
    )  # fmt: skip


def _thresholds(subject: Subject) -> Plate:
    layers, start = subject.measured.model.layers, subject.history.start
    rows = []
    for i, layer in enumerate(layers):
        for when, values in (("before", None if start is None else start[i]), ("after", layer.thresholds)):
            if values is not None:
                spread = (f"{min(values):g}", f"{np.mean(values):.1f}", f"{max(values):g}")
                rows.append((f"{layer_name(i, len(layers))}, {when}", *spread))
    known = (
        "The outline is before training, set from data; the filled bars are what training made of them."
        if start is not None
        else "Thresholds before training are not shown: there is no start.json beside the model."
    )
    return Plate(
        "thresholds",
        neurons.thresholds(subject.measured, subject.history),
        f"Thresholds of every layer, as deployed. {known}",
        "Histograms of thresholds, a panel a layer.",
        Table(("layer", "least", "mean", "greatest"), tuple(rows)),
    )


def training(subject: Subject) -> Iterator[Plate]:
    """How training went, as far as its folder tells."""
    if subject.history.epochs:
        yield _log(subject.history)
    yield _thresholds(subject)


def _log(history: History) -> Plate:
    first, last = history.epochs[0], history.epochs[-1]
    rows = tuple(
        (row["epoch"], f"{row['accuracy']:.2%}", f"{row['flip_ratio']:.2%}", *(f"{s:.2%}" for s in row["silent_share"]))
        for row in history.epochs
    )
    best = f" The line marks epoch {history.best_epoch}, which was deployed." if history.best_epoch else ""
    return Plate(
        "training",
        neurons.training(history),
        "Training, from its log: validation accuracy, the share of weights whose bit flipped within an epoch, and the "
        f"share of hidden neurons that fired for no validation sample.{best}",
        f"From epoch {first['epoch']} to {last['epoch']} accuracy goes from {first['accuracy']:.2%} to "
        f"{last['accuracy']:.2%}, the flip ratio from {first['flip_ratio']:.2%} to {last['flip_ratio']:.2%}.",
        Table(
            ("epoch", "accuracy", "flipped", *(f"silent, hidden {i + 1}" for i in range(len(first["silent_share"])))),
            rows,
        ),
    )


def cost(subject: Subject) -> Iterator[Plate]:
    """What a decision costs."""
    measured = subject.measured
    layers = len(measured.model.layers)
    parts = (measured.operations, measured.all_operations, measured.dense_operations)
    each = ((layer_name(i, layers), *(f"{part[i]:,.0f}" for part in parts)) for i in range(layers))
    rows = (*each, ("all", *(f"{sum(part):,.0f}" for part in parts)))
    share = sum(measured.operations) / sum(measured.dense_operations)
    yield Plate(
        "operations",
        costs.operations(measured),
        f"Synaptic operations a sample: one addition for each synapse that a spike passes. Up to the decision they are "
        f"{_times(share)} the multiply-accumulates of one dense pass through a network of the same structure.",
        f"Synaptic operations: {sum(measured.operations):,.0f} to the decision, {sum(measured.all_operations):,.0f} to "
        f"the end, {sum(measured.dense_operations):,} of a dense pass.",
        Table(("into layer", "to the decision", "run to the end", "dense pass"), rows),
    )
    guesses = costs.costs(measured)
    rows = tuple(
        (g.name, *(costs.nanojoules(value) for value in (g.arithmetic, g.weights, g.sums, g.total))) for g in guesses
    )
    yield Plate(
        "energy",
        costs.energy(measured),
        f"An estimate of the energy of a decision, not a measurement: arithmetic and memory alone, by the table of "
        f"{model_of_energy.TABLE}. Beside it ordinary networks of the same structure, counted by the same rule.",
        "Estimated energy of a decision: " + "; ".join(f"{g.name} {costs.nanojoules(g.total)} nJ" for g in guesses),
        Table(("nJ, an estimate", "arithmetic", "weight memory", "sum memory", "total"), rows),
    )
