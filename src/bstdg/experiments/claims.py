"""What is claimed: each claim with its figure, its target, and where the figures of others come from.

A target's source is always said: "published" (in a paper, by its own metric), "released weights" (a predecessor's
published network, run by its own conventions, as stated in the documentation), "measured" (trained here) or "goal" (set
by this project).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bstdg.experiments.results import Run
from bstdg.experiments.run import spread

Source = Literal["published", "released weights", "measured", "goal"]
ENOUGH_SEEDS = 3


@dataclass(frozen=True)
class Known:
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
    source: Source
    note: str = ""


KNOWN = (
    Known("BS4NN 784-600-10, binary, T = 256", "mnist", "accuracy", "97.0 %", "published", "a tie counts as correct"),
    Known("BS4NN 784-600-10", "mnist", "accuracy", "95.66 %", "released weights", "strict, lowest index"),
    Known("BS4NN 784-600-10", "mnist", "accuracy", "96.06 %", "released weights", "strict, greatest potential"),
    Known("BS4NN 784-600-10", "mnist", "accuracy", "96.92 %", "released weights", "a tie counts as correct"),
    Known("BS4NN 784-600-10", "mnist", "hidden spikes to the decision", "201.1", "released weights"),
    Known("BS4NN 784-600-10", "mnist", "decision step, mean", "112.9 of 256", "released weights"),
    Known(
        "S4NN 784-400-10, real weights, T = 256", "mnist", "accuracy", "97.4 %", "published", "a tie counts as correct"
    ),
    Known("S4NN 784-400-10", "mnist", "accuracy", "96.11 %", "released weights", "strict, lowest index"),
    Known("S4NN 784-400-10", "mnist", "hidden spikes to the decision", "83.4", "released weights"),
    Known("S4NN 784-400-10", "mnist", "decision step, mean", "83.2 of 256", "released weights"),
    Known("single-spike, real weights, 784-400-10", "mnist", "accuracy", "98.09 %", "published"),
    Known("BS4NN", "fashion-mnist", "accuracy", "87.3 %", "published", "a tie counts as correct"),
    Known("single-spike, real weights, 784-1000-10", "fashion-mnist", "accuracy", "89.05 to 89.93 %", "published"),
    Known("S4NN", "caltech", "accuracy", "99.2 %", "published", "a tie counts as correct"),
    Known("PC-SNN", "caltech", "accuracy", "99.25 %", "published"),
)


@dataclass(frozen=True)
class Released:
    """Where a predecessor's released network stands; steps count from 1, accuracy is strict, lowest index."""

    what: str
    data: str
    accuracy: float
    steps: float
    hidden_spikes: float


RELEASED = (
    Released("BS4NN 784-600-10", "mnist", 0.9566, 112.9 + 1, 201.1),
    Released("S4NN 784-400-10", "mnist", 0.9611, 83.2 + 1, 83.4),
)
_BS4NN = RELEASED[0]


@dataclass(frozen=True)
class Claim:
    """One claim about the mean over seeds of one setting.

    Attributes:
        experiment: whose claim it is.
        text: the claim, for people.
        run: the setting that is judged, by its place below the results folder.
        figure: of `Run.test`; "steps" is the decision step counted from 1.
        relation: how the mean has to lie to the target.
        target: a number, or the place of a measured setting whose mean it is.
        source: where the target comes from.
        basis: what the target is made of, for people.
        fraction_of: judge how many times the figure fits into this number, instead of the figure.
    """

    experiment: str
    text: str
    run: str
    figure: str
    relation: Literal["at least", "at most", "above"]
    target: float | str
    source: Source
    basis: str
    fraction_of: float | None = None


CLAIMS = (
    Claim(
        "mnist",
        "MNIST 784-600-10: accuracy, best",
        "runs/mnist",
        "accuracy",
        "at least",
        0.986,
        "goal",
        "98.6 %",
    ),
    Claim(
        "mnist",
        "MNIST 784-600-10: two points above BS4NN of the same structure",
        "runs/mnist",
        "accuracy",
        "at least",
        _BS4NN.accuracy + 0.02,
        "released weights",
        "95.66 % strict + 2",
    ),
    Claim(
        "mnist",
        "MNIST 784-600-10: above the accuracy published for BS4NN, by the stricter metric",
        "runs/mnist",
        "accuracy",
        "above",
        0.970,
        "published",
        "97.0 %",
    ),
    Claim(
        "mnist",
        "MNIST 784-600-10: 30 times fewer steps to the decision than BS4NN",
        "runs/mnist",
        "steps",
        "at least",
        30.0,
        "released weights",
        "112.9 of 256, both counted from 1",
        _BS4NN.steps,
    ),
    Claim(
        "mnist",
        "MNIST 784-600-10: half the hidden spikes of BS4NN",
        "runs/mnist",
        "hidden_spikes_to_decision",
        "at least",
        2.0,
        "released weights",
        "201.1 to the decision",
        _BS4NN.hidden_spikes,
    ),
)


@dataclass(frozen=True)
class Verdict:
    """A claim beside what was measured."""

    claim: Claim
    target: float | None
    values: tuple[float, ...]

    @property
    def outcome(self) -> Literal["PASS", "NOT MET", "NOT MEASURED"]:
        """NOT MEASURED where a run is missing on either side."""
        if self.target is None or not self.values:
            return "NOT MEASURED"
        mean, _ = spread(self.values)
        met = {
            "at least": mean >= self.target,
            "at most": mean <= self.target,
            "above": mean > self.target,
        }[self.claim.relation]
        return "PASS" if met else "NOT MET"

    @property
    def is_share(self) -> bool:
        """The figure is a share, so shown in percent."""
        return self.claim.fraction_of is None and self.claim.figure in ("accuracy", "accuracy_ties_correct")


def judge(claim: Claim, runs: Mapping[str, Sequence[Run]]) -> Verdict:
    """Hold a claim against the runs there are."""
    values = tuple(_value(claim, run) for run in runs.get(claim.run, ()))
    target = claim.target
    if isinstance(target, str):
        measured = [figure_of(run, claim.figure) for run in runs.get(target, ())]
        target = spread(measured)[0] if measured else None
    return Verdict(claim, target, values)


def _value(claim: Claim, run: Run) -> float:
    figure = figure_of(run, claim.figure)
    if claim.fraction_of is None:
        return figure
    return claim.fraction_of / figure if figure else float("inf")


def figure_of(run: Run, figure: str) -> float:
    """A figure of the test set; "steps" counts the decision step from 1."""
    if figure == "steps":
        return run.test["decision_step_mean"] + 1
    return run.test[figure]
