"""What there is to run: experiments, and the variants of recipes that each consists of."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import replace

from bstdg.errors import InputError
from bstdg.lab.experiments.sweeps import ablations, tradeoff
from bstdg.lab.experiments.variants import Experiment, Predecessor, Variant, of_recipes
from bstdg.lab.experiments.variants import quick as made_quick
from bstdg.shipped import shipped_recipes

QUICK_SEEDS = (0,)
FOLDS = 5

# Half of the pixels of clothes are bright; the papers do not say their constants. See docs/baselines.md.
_FOR_CLOTHES: dict[str, dict[str, float | str]] = {
    "bs4nn": {"least_hidden": -3.5, "scale": 1.6, "output_scale": 0.5, "gamma": 12, "rate": 0.7, "output_rate": 0.12},
    "s4nn": {"schedule": "linear", "order": "shuffled", "gamma": 10, "rate": 0.5, "output_rate": 0.15}
    | {"least_hidden": -3.8, "least_output": -45.0, "epochs": 15},
}


def _on_clothes(*methods: str) -> tuple[Predecessor, ...]:
    return tuple(Predecessor(m, "fashion-mnist", 1000, tuple(_FOR_CLOTHES.get(m, {}).items())) for m in methods)


# Networks that do not spike, on exactly what a recipe's network reads; and their epochs.
WITH_COUNTERPARTS = {
    "mnist": ("mnist", 15),
    "mnist-edges": ("mnist", 15),
    "mnist-conv": ("mnist", 12),
    "fashion-mnist": ("fashion-mnist", 15),
    "fashion-mnist-edges": ("fashion-mnist", 15),
    "fashion-mnist-conv": ("fashion-mnist", 14),
    "caltech": ("caltech-face-motorbike", 60),
    "caltech-edges": ("caltech-face-motorbike", 60),
    "caltech-conv": ("caltech-face-motorbike", 60),
    "hd-spikes-edges": ("hd-spikes", 20),
    "mit-bih": ("mit-bih", 10),
    "nmnist-counts": ("nmnist-counts", 40),
    "cifar10-conv": ("cifar10-jpeg75", 15),
}
BLOCKS = "caltech-face-motorbike-blocks"  # the same pictures, split so that no person is on both sides
IN_BLOCKS = ("caltech", "caltech-edges", "caltech-conv")  # recipes that learn from that split too
STEPS = 8  # T of the fully connected recipes
ON_PIXELS = ("logistic", "ann-steps")  # beside the predecessors, which read pixels too
WITH_MAPS = ("ann", "bnn-relu")  # of recipes with shared weights
# Beside the others; "-steps": on the steps that spiking ones read.
FULLY_CONNECTED = ("logistic", "ann", "ann-steps", "bnn")


def _counterparts(recipe: str, methods: tuple[str, ...] = FULLY_CONNECTED, folds: int = 0) -> tuple[Predecessor, ...]:
    """Those of a recipe, if this version comes with it."""
    if recipe not in shipped_recipes():
        return ()
    data, epochs = WITH_COUNTERPARTS[recipe]
    made = []
    for method in methods:
        name, coarse = method.removesuffix("-steps"), method.endswith("-steps")
        settings = () if name == "logistic" else (("epochs", epochs),)
        settings += (("steps", STEPS),) if coarse else ()
        made.append(Predecessor(name, data, settings=settings, recipe=recipe, folds=folds))
    return tuple(made)


def _in_blocks(*made: Predecessor) -> Iterator[Predecessor]:
    """The same, and again on pictures that are split by blocks."""
    yield from made
    for one in made:
        yield replace(one, data=BLOCKS, overrides=(f"data.name={BLOCKS}",), suffix="-blocks")


def _with_blocks(whole: Experiment) -> Experiment:
    """The experiment, and some of its recipes again on pictures that are split by blocks."""
    again = (v for v in whole.variants if v.recipe in IN_BLOCKS)
    also = tuple(replace(v, name=f"{v.name}-blocks", overrides=(f"data.name={BLOCKS}",)) for v in again)
    return replace(whole, variants=(*whole.variants, *also))


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
    variants = of_recipes(*recipes_of(name))
    return Experiment(name, tests, data, variants, made_quick(variants, *quick), minutes, predecessors=predecessors)


def _in_folds(name: str, tests: str, data: str, minutes: tuple[float, float], counted: str) -> Experiment:
    """All recipes of a data set in five-fold cross-validation; the counterparts of `counted` beside them."""
    whole = _on_data(name, tests, data, minutes, _counterparts(counted, WITH_MAPS, FOLDS), ("train.epochs=3",))
    folded = tuple(replace(variant, folds=FOLDS) for variant in whole.variants)
    return replace(whole, variants=folded, seeds=tuple(range(FOLDS)))


def _sweep(name: str, tests: str, made: Callable[[str], tuple[Variant, ...]], minutes: float) -> Iterator[Experiment]:
    """The same on MNIST, whose quick form is on digits, and on digits."""
    short = made_quick(made("digits"), "train.epochs=10")
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
        "accuracy above earlier binary and single-spike networks, fewer operations, half the hidden spikes",
        "mnist",
        (240, 4),
        (
            Predecessor("bs4nn", "mnist", blocks=(64, 32, 16, 8, 4, 2)),
            *(Predecessor(m, "mnist") for m in ("binary", "binary-relu", "bptt", "mlp", "s4nn")),
            Predecessor("s4nn", "mnist", 600),
            *_counterparts("mnist", ON_PIXELS),
            *_counterparts("mnist-edges"),
            *_counterparts("mnist-conv", WITH_MAPS),
        ),
    ),
    _on_data(
        "fashion-mnist",
        "the same on clothes",
        "fashion-mnist",
        (240, 4),
        (
            *_on_clothes("bs4nn", "binary", "bptt", "mlp", "s4nn"),
            *_counterparts("fashion-mnist", ON_PIXELS),
            *_counterparts("fashion-mnist-edges"),
            *_counterparts("fashion-mnist-conv", WITH_MAPS),
        ),
    ),
    _with_blocks(
        _on_data(
            "caltech",
            "faces from motorbikes, 200 training images a class; and with no person on both sides",
            "caltech-face-motorbike",
            (60, 1),
            tuple(
                _in_blocks(
                    *_counterparts("caltech"),
                    *_counterparts("caltech-edges"),
                    *_counterparts("caltech-conv", ("logistic", *WITH_MAPS)),
                )
            ),
        )
    ),
    _on_data("mit-bih", "heartbeats of patients never seen", "mit-bih", (10, 1), _counterparts("mit-bih", WITH_MAPS)),
    _on_data(
        "cifar10",
        "small colour pictures after JPEG",
        "cifar10-jpeg75",
        (180, 8),
        _counterparts("cifar10-conv", WITH_MAPS),
    ),
    _in_folds(
        "nmnist",
        "digits before an event camera, five folds, beside networks that know no time",
        "nmnist",
        (15, 1),
        "nmnist-counts",
    ),
    _on_data(
        "hd-spikes",
        "spoken digits as spikes, two speakers never heard before",
        "hd-spikes",
        (120, 6),
        _counterparts("hd-spikes-edges", ("logistic", "ann", "bnn")),
    ),
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
