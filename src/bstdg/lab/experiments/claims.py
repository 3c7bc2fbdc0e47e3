"""What is claimed: each claim with its figure, its target, and where the target comes from.

A target's source is always said: "published" (in a paper, by its own metric), "released weights" (a predecessor's
published network, run by its own conventions, as stated in the documentation), "measured" (trained here) or "goal" (set
by this project).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bstdg.lab.experiments.published import RELEASED

Source = Literal["published", "released weights", "measured", "goal"]
Relation = Literal["at least", "at most", "above"]
ENOUGH_SEEDS = 3
BLOCKS = 8  # T of this project's networks: into as many blocks the steps of BS4NN are put at equal T
_BS4NN = RELEASED[0]
UNSEEN_SPEAKERS = "accuracy of speakers 4 and 5"  # of HD-spikes: the two whom no training set holds


@dataclass(frozen=True)
class Claim:
    """One claim about the mean over seeds of one setting.

    Attributes:
        experiment: whose claim it is.
        text: the claim, for people.
        run: the setting that is judged, by its place below the results folder.
        figure: of `Run.test`; or "steps", the decision step counted from 1; or "energy", an estimate in nJ; or
            `UNSEEN_SPEAKERS`.
        relation: how the mean has to lie to the target.
        target: a number, or the place of a measured setting whose mean it is.
        source: where the target comes from.
        basis: what the target is made of, for people.
        fraction_of: judge how many times the figure fits into this number, instead of the figure; or the place of a
            measured setting whose mean the number is.
        blocks: of that setting the figure with its input times put into so many blocks (`Run.extra`); 0: its own.
        less: how far below the target still counts.
    """

    experiment: str
    text: str
    run: str
    figure: str
    relation: Relation
    target: float | str
    source: Source
    basis: str
    fraction_of: float | str | None = None
    less: float = 0.0
    blocks: int = 0


def _goal(data: str, text: str, run: str, figure: str, relation: Relation, target: float, shown: str) -> Claim:
    return Claim(data, text, f"runs/{run}", figure, relation, target, "goal", shown)


def _above_published(data: str, run: str, others: str, accuracy: float) -> Claim:
    text = f"above what is published for {others}, whose metric is more lenient"
    return Claim(data, text, f"runs/{run}", "accuracy", "above", accuracy, "published", f"{100 * accuracy:.2f} %")


def _ahead(data: str, run: str, structure: str, s4nn: str, width: str = "") -> tuple[Claim, ...]:
    """Ahead, by strict accuracy, of each predecessor trained here on the same structure."""
    others = {
        "BS4NN": f"bs4nn{width}",
        "S4NN (real weights)": s4nn,
        "the plain binary network (no spikes)": f"binary{width}",
        "surrogate-gradient BPTT": f"bptt{width}",
    }
    return tuple(
        Claim(
            data,
            f"{structure}: ahead of {name} trained here",
            f"runs/{run}",
            "accuracy",
            "above",
            f"runs/baseline-{method}-{data}",
            "measured",
            f"baseline-{method}-{data}",
        )
        for name, method in others.items()
    )


def _beside_logistic(text: str, run: str) -> Claim:
    other = f"baseline-logistic-{run}"
    said = f"{text}: ahead of logistic regression on the same edges"
    return Claim("caltech", said, f"runs/{run}", "accuracy", "above", f"runs/{other}", "measured", other)


def _best(data: str, structure: str, on_edges: str, on_pixels: str, target: float) -> Iterator[Claim]:
    """The goal for accuracy, held against the network that reads edges and the one that reads pixels."""
    for reads, run in (("edges", on_edges), ("pixels", on_pixels)):
        text = f"{structure} on {reads}: accuracy, best"
        yield _goal(data, text, run, "accuracy", "at least", target, f"{100 * target:.1f} %")


def _first_spike(data: str, structure: str, accuracy: float, step: float, spikes: int) -> Iterator[Claim]:
    """The goals for decisions by the first spike, held against both."""
    for reads, run in (("edges", f"{data}-edges"), ("pixels", data)):
        text = f"{structure} on {reads}, first spike decides: accuracy"
        yield _goal(data, text, run, "accuracy", "at least", accuracy, f"{100 * accuracy:.1f} %")
        yield _goal(data, "and its decision step", run, "decision_step_mean", "at most", step, f"{step} of 8")
        yield _goal(data, "and its hidden spikes", run, "hidden_spikes_to_decision", "at most", spikes, f"{spikes}")


def _cheaper(structure: str, run: str, bs4nn: str) -> Iterator[Claim]:
    """What a decision costs beside BS4NN's: what does not depend on T, then steps at equal T, then as published."""

    def times(text: str, figure: str, relation: Relation, target: float, source: Source, basis: str, of: float | str):
        said = f"{structure}: {text}"
        blocks = BLOCKS if isinstance(of, str) and figure == "steps" else 0
        return Claim("mnist", said, f"runs/{run}", figure, relation, target, source, basis, of, blocks=blocks)

    stated, trained, operations = _BS4NN, f"runs/{bs4nn}", "synaptic_operations_to_decision"
    released, one = "released weights", f"in {BLOCKS} blocks, both counted from 1"
    energy = f"{stated.energy:,.0f} nJ, estimated alike"
    yield times("half the operations of BS4NN", operations, "at least", 2.0, released, "82,344", stated.operations)
    yield times("fewer operations than BS4NN trained here", operations, "above", 1.0, "measured", bs4nn, trained)
    yield times("less energy than BS4NN", "energy", "above", 1.0, released, energy, stated.energy)
    yield times("less energy than BS4NN trained here", "energy", "above", 1.0, "measured", bs4nn, trained)
    spikes, basis = "hidden_spikes_to_decision", "201.1 to the decision"
    yield times("half the hidden spikes of BS4NN", spikes, "at least", 2.0, released, basis, stated.hidden_spikes)
    fewer = f"fewer steps than BS4NN at equal T, {BLOCKS}"
    yield times(fewer, "steps", "above", 1.0, released, f"step 3.5 {one}", stated.steps_in_blocks)
    yield times(f"{fewer}, trained here", "steps", "above", 1.0, "measured", f"{bs4nn} {one}", trained)
    published = "30 times fewer steps than BS4NN as published, at T = 256: most of it is T"
    yield times(published, "steps", "at least", 30.0, released, "112.9 of 256, both counted from 1", stated.steps)


CLAIMS = (
    *_best("mnist", "784-600-10", "mnist-edges", "mnist-best", 0.986),
    *_first_spike("mnist", "784-600-10", 0.983, 1.5, 40),
    *_cheaper("784-600-10", "mnist", "baseline-bs4nn-mnist"),
    Claim(
        "mnist",
        "784-600-10: two points above BS4NN of the same structure",
        "runs/mnist",
        "accuracy",
        "at least",
        _BS4NN.accuracy + 0.02,
        "released weights",
        "95.66 % strict, and 2",
    ),
    _above_published("mnist", "mnist", "BS4NN 784-600-10", 0.970),
    *_ahead("mnist", "mnist", "784-600-10", "s4nn-600"),
    *_best("fashion-mnist", "784-1000-10", "fashion-mnist-edges", "fashion-mnist-best", 0.9),
    *_first_spike("fashion-mnist", "784-1000-10", 0.893, 2.5, 90),
    _above_published("fashion-mnist", "fashion-mnist", "BS4NN", 0.873),
    *_ahead("fashion-mnist", "fashion-mnist", "784-1000-10", "s4nn-1000", "-1000"),
    _goal(
        "mnist",
        "two convolutions, first spike decides: accuracy",
        "mnist-conv",
        "accuracy",
        "at least",
        0.992,
        "99.2 %",
    ),
    _goal(
        "fashion-mnist",
        "two convolutions on edges and pixels, first spike decides: accuracy",
        "fashion-mnist-conv",
        "accuracy",
        "at least",
        0.922,
        "92.2 %",
    ),
    Claim(
        "mit-bih",
        "macro F1 on patients never seen: within 3 points of the float32 network of the same structure",
        "runs/mit-bih",
        "macro_f1",
        "at least",
        "runs/baseline-ann-mit-bih",
        "measured",
        "baseline-ann-mit-bih less 3 %",
        less=0.03,
    ),
    _goal(
        "cifar10", "two convolutions on edges and pixels: accuracy", "cifar10-conv", "accuracy", "above", 0.72, "72 %"
    ),
    Claim(
        "cifar10",
        "within 4 points of the float32 network of the same structure",
        "runs/cifar10-conv",
        "accuracy",
        "at least",
        "runs/baseline-ann-cifar10-conv",
        "measured",
        "baseline-ann-cifar10-conv less 4 %",
        less=0.04,
    ),
    Claim(
        "nmnist",
        "five folds: at most a point below the float32 network of the same structure on event counts",
        "runs/nmnist",
        "accuracy",
        "at least",
        "runs/baseline-ann-nmnist-counts",
        "measured",
        "baseline-ann-nmnist-counts less 1 %",
        less=0.01,
    ),
    _goal(
        "caltech",
        "one hidden layer, on edges: accuracy, best",
        "caltech-edges",
        "accuracy",
        "at least",
        0.995,
        "99.5 %",
    ),
    _goal("caltech", "the same, first spike decides", "caltech-edges", "accuracy", "at least", 0.993, "99.3 %"),
    _goal("caltech", "one hidden layer, on grey pixels: accuracy", "caltech", "accuracy", "at least", 0.995, "99.5 %"),
    _goal(
        "caltech", "two convolutions on grey pixels: accuracy", "caltech-conv", "accuracy", "at least", 0.993, "99.3 %"
    ),
    _above_published("caltech", "caltech-edges", "S4NN", 0.992),
    _beside_logistic("one hidden layer, on edges", "caltech-edges"),
    _beside_logistic("nobody on both sides (split by blocks), one hidden layer, on edges", "caltech-edges-blocks"),
    _goal("hd-spikes", "700-300-20, plain integrate-and-fire", "hd-spikes", "accuracy", "at least", 0.65, "65 %"),
    _goal(
        "hd-spikes",
        "any structure: above logistic regression on 700 channels x 10 time bins",
        "hd-spikes-edges",
        "accuracy",
        "above",
        0.698,
        "69.8 %",
    ),
    _goal(
        "hd-spikes",
        "the same on speakers 4 and 5, never heard",
        "hd-spikes-edges",
        UNSEEN_SPEAKERS,
        "above",
        0.670,
        "67.0 %",
    ),
    _goal("hd-spikes", "any structure: the aim", "hd-spikes-edges", "accuracy", "at least", 0.80, "80 %"),
)
