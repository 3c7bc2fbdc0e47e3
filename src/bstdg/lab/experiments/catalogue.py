"""What there is to run: experiments, and the variants of recipes that each consists of."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bstdg.errors import InputError
from bstdg.lab.experiments.results import QUICK
from bstdg.shipped import shipped_recipes

SEEDS, QUICK_SEEDS = (0, 1, 2), (0,)
FOLDS = 5


@dataclass(frozen=True)
class Variant:
    """One setting, trained once a seed.

    Attributes:
        name: its place below the results folder.
        recipe: a recipe that comes with the package.
        overrides: fields set otherwise, as `--set` takes them.
        group, label: how an ablation table or a trade-off curve calls it.
        exits: also judge the trained network with other thresholds at the output.
        folds: of cross-validation: the run of seed s is judged on fold 1 + s % folds; 0: the recipe's own split.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...] = ()
    group: str = ""
    label: str = ""
    exits: bool = False
    folds: int = 0


@dataclass(frozen=True)
class Predecessor:
    """A predecessor trained here: `method` of `bstdg.lab.predecessors`, on a data set; `hidden` 0 is its own width.

    `settings` are those of its fields that are not as they are for MNIST. A counterpart has a `recipe`,
    from which it takes all but its settings, and `folds` as a variant has them.
    """

    method: str
    data: str
    hidden: int = 0
    settings: tuple[tuple[str, float | str], ...] = ()
    recipe: str = ""
    folds: int = 0

    @property
    def name(self) -> str:
        """Its place below the results folder."""
        if self.recipe:
            return f"runs/baseline-{self.method}-{self.recipe}"
        width = f"-{self.hidden}" if self.hidden else ""
        return f"runs/baseline-{self.method}{width}-{self.data}"


@dataclass(frozen=True)
class Experiment:
    """Something `bstdg reproduce` runs.

    Attributes:
        name: what is typed.
        tests: what of the paper or of this project it tests, in a line.
        data: the data set of its full run, and `quick_data` of the quick one.
        variants: what is trained; `quick` stands in with fewer epochs.
        predecessors: what it is compared with.
        minutes: rough time of the full run (all seeds, one core) and of the quick one.
        seeds: of the full run, unless told otherwise.
    """

    name: str
    tests: str
    data: str
    variants: tuple[Variant, ...]
    quick: tuple[Variant, ...]
    minutes: tuple[float, float]
    quick_data: str = ""
    predecessors: tuple[Predecessor, ...] = ()
    seeds: tuple[int, ...] = SEEDS


def _quick(variants: tuple[Variant, ...], *overrides: str) -> tuple[Variant, ...]:
    return tuple(
        replace(v, name=f"{QUICK}/{v.name}", overrides=(*v.overrides, *overrides), exits=v.exits) for v in variants
    )


def _of_recipes(*recipes: str) -> tuple[Variant, ...]:
    return tuple(Variant(f"runs/{recipe}", recipe) for recipe in recipes)


WIDTHS = {"mnist": (5, 10, 40), "digits": (2, 4, 16)}  # below, below and above the recipe's own


def base(data: str) -> Variant:
    """The setting that every ablation and every point of a trade-off changes in one respect."""
    return Variant(f"ablations/{data}/base", f"short-{data}", (), "base", "as it is", exits=True)


def ablations(data: str) -> tuple[Variant, ...]:
    """The base, and each respect in which it is changed."""
    changes = [
        ("thresholds", "shared by a layer", "thresholds-layer", ("network.threshold_mode=layer",)),
        ("thresholds", "fixed after calibration", "thresholds-fixed", ("network.threshold_mode=fixed",)),
        ("timing kernel", "exponential, tau 4", "kernel-exponential", ("rule.kernel=exponential",)),
        ("timing kernel", "none: blind to timing", "kernel-none", ("rule.kernel=none",)),
        *(("steps", f"T = {steps}", f"steps-{steps}", (f"network.num_steps={steps}",)) for steps in (4, 16, 32)),
        (
            "loss",
            "relative target, gamma 2",
            "loss-relative-target",
            ("loss.name=relative_target", "loss.gamma=2", "loss.label_smoothing=0.0"),
        ),
        ("loss", "first to fire, no smoothing", "loss-unsmoothed", ("loss.label_smoothing=0.0",)),
        *(("sensitivity", f"width {w}", f"width-{w}", (f"rule.width={w}",)) for w in WIDTHS[data]),
        ("weights", "real in the forward pass", "weights-real", ("network.weights=real",)),
        (
            "weights",
            "real, half the width, loss scale 0.5: their sums are smaller",
            "weights-real-narrow",
            ("network.weights=real", f"rule.width={WIDTHS[data][1]}", "loss.scale=0.5"),
        ),
    ]
    start = base(data)
    return (
        start,
        *(
            Variant(f"ablations/{data}/{name}", start.recipe, set_, group, label)
            for group, label, name, set_ in changes
        ),
    )


LATENCY_WEIGHTS = (0.01, 0.03, 0.1, 0.3)
SPIKE_WEIGHTS = (0.0003, 0.001, 0.003, 0.01)


def tradeoff(data: str) -> tuple[Variant, ...]:
    """The base, then a sweep of the weight on latency, one of the weight on spikes, and of both."""
    start = base(data)

    def point(group: str, latency: float, spikes: float) -> Variant:
        set_ = (f"loss.latency_weight={latency}", f"loss.spike_weight={spikes}")
        label = ", ".join(f"{what} {w:g}" for what, w in (("latency", latency), ("spikes", spikes)) if w)
        name = f"tradeoff/{data}/latency-{latency:g}-spikes-{spikes:g}"
        return Variant(name, start.recipe, set_, group, label)

    return (
        start,
        *(point("latency weight", weight, 0.0) for weight in LATENCY_WEIGHTS),
        *(point("spike weight", 0.0, weight) for weight in SPIKE_WEIGHTS),
        *(point("both weights", a, b) for a, b in zip(LATENCY_WEIGHTS[1:], SPIKE_WEIGHTS[:-1], strict=True)),
    )


# Half of the pixels of clothes are bright; the papers do not say their constants. See docs/baselines.md.
_FOR_CLOTHES: dict[str, dict[str, float | str]] = {
    "bs4nn": {"least_hidden": -3.5, "scale": 1.6, "output_scale": 0.5, "gamma": 12, "output_rate": 0.5},
    "s4nn": {"schedule": "linear", "order": "shuffled", "gamma": 10, "rate": 1.0, "output_rate": 0.3}
    | {"least_hidden": -3.8, "least_output": -45.0, "epochs": 15},
}


def _on_clothes(*methods: str) -> tuple[Predecessor, ...]:
    return tuple(Predecessor(m, "fashion-mnist", 1000, tuple(_FOR_CLOTHES.get(m, {}).items())) for m in methods)


# Float32 and binary networks that do not spike, of the structure of recipes with shared weights, and their epochs.
_WITH_COUNTERPARTS = {
    "mnist-conv": ("mnist", 12),
    "fashion-mnist-conv": ("fashion-mnist", 14),
    "caltech-conv": ("caltech-face-motorbike", 60),
    "mit-bih": ("mit-bih", 10),
    "nmnist-counts": ("nmnist-counts", 40),
    "cifar10-conv": ("cifar10-jpeg75", 15),
}


def _counterparts(recipe: str, folds: int = 0) -> tuple[Predecessor, ...]:
    """Those of a recipe, if this version comes with it."""
    if recipe not in shipped_recipes():
        return ()
    data, epochs = _WITH_COUNTERPARTS[recipe]
    return tuple(
        Predecessor(method, data, settings=(("epochs", epochs),), recipe=recipe, folds=folds)
        for method in ("ann", "bnn-relu")
    )


def recipes_of(data: str) -> tuple[str, ...]:
    """Recipes that come with the package and belong to a data set: by its name, or beginning with it and a dash."""
    return tuple(sorted(name for name in shipped_recipes() if name == data or name.startswith(f"{data}-")))


def _on_data(
    name: str,
    tests: str,
    data: str,
    minutes: tuple[float, float],
    predecessors: tuple[Predecessor, ...] = (),
    quick: tuple[str, ...] = ("train.epochs=3",),
) -> Experiment:
    """All recipes of a data set, and the predecessors on it."""
    variants = _of_recipes(*recipes_of(name))
    return Experiment(name, tests, data, variants, _quick(variants, *quick), minutes, predecessors=predecessors)


def _in_folds(name: str, tests: str, data: str, minutes: tuple[float, float], counted: str) -> Experiment:
    """All recipes of a data set in five-fold cross-validation; the counterparts of `counted` beside them."""
    whole = _on_data(name, tests, data, minutes, _counterparts(counted, FOLDS), ("train.epochs=3",))
    folded = tuple(replace(variant, folds=FOLDS) for variant in whole.variants)
    return replace(whole, variants=folded, seeds=tuple(range(FOLDS)))


def _sweep(name: str, tests: str, made: Callable[[str], tuple[Variant, ...]], minutes: float) -> Iterator[Experiment]:
    """The same on MNIST, whose quick form is on digits, and on digits."""
    short = _quick(made("digits"), "train.epochs=10")
    said = f"{tests} (quick: on digits)"
    yield Experiment(name, said, "mnist", made("mnist"), short, (minutes, 1), quick_data="digits")
    yield Experiment(f"{name}-digits", "the same on digits", "digits", made("digits"), short, (minutes / 4, 1))


_EVERY = (
    _on_data(
        "digits",
        "the whole chain in a minute, no data needed: scikit-learn's 8x8 digits",
        "digits",
        (1, 0.1),
        quick=("train.epochs=10", "network.layers=[256]"),
    ),
    _on_data(
        "mnist",
        "accuracy above earlier binary and single-spike networks, 30 times sooner, half the hidden spikes",
        "mnist",
        (240, 4),
        (
            *(Predecessor(m, "mnist") for m in ("bs4nn", "binary", "binary-relu", "bptt", "mlp", "s4nn")),
            Predecessor("s4nn", "mnist", 600),
            *_counterparts("mnist-conv"),
        ),
    ),
    _on_data(
        "fashion-mnist",
        "the same on clothes",
        "fashion-mnist",
        (240, 4),
        (*_on_clothes("bs4nn", "binary", "bptt", "mlp", "s4nn"), *_counterparts("fashion-mnist-conv")),
    ),
    _on_data(
        "caltech",
        "faces from motorbikes, 200 training images a class",
        "caltech-face-motorbike",
        (30, 1),
        _counterparts("caltech-conv"),
    ),
    _on_data("mit-bih", "heartbeats of patients never seen", "mit-bih", (10, 1), _counterparts("mit-bih")),
    _on_data("cifar10", "small colour pictures after JPEG", "cifar10-jpeg75", (180, 8), _counterparts("cifar10-conv")),
    _in_folds(
        "nmnist",
        "digits before an event camera, five folds, beside networks that know no time",
        "nmnist",
        (15, 1),
        "nmnist-counts",
    ),
    _on_data("hd-spikes", "spoken digits as spikes, two speakers never heard before", "hd-spikes", (120, 6)),
    *_sweep(
        "ablations",
        "what thresholds, kernel, binary weights, T, loss, early exit and sensitivity each do",
        ablations,
        40,
    ),
    *_sweep(
        "tradeoff",
        "accuracy against decision step and synaptic operations, by the loss's weights",
        tradeoff,
        25,
    ),
)
EXPERIMENTS = tuple(experiment for experiment in _EVERY if experiment.variants)


def find(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        InputError: there is none.
    """
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"there is no experiment {name!r}: {hint}known are {', '.join(known)}")
    return known[name]
