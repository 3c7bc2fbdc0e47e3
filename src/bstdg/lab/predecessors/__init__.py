"""The predecessors and the plain networks beside which this project's are judged, each in its own file.

They are written from their equations, trained on the same split and judged by the same figures. See docs/baselines.md.
"""

from __future__ import annotations

import difflib
import functools
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bstdg.errors import InputError
from bstdg.whole import seed_of

if TYPE_CHECKING:
    from bstdg.lab.predecessors.base import Loader, OnEpoch
    from bstdg.learning.recipe import Recipe

__all__ = ["COUNTERPARTS", "names", "run_released", "settings_kind", "train", "train_counterpart"]

# Where the settings and the run of each are found; loaded when asked for, as most need torch.
_HOME = {
    "s4nn": ("s4nn.Settings", "online_training.OnlineRun"),
    "bs4nn": ("bs4nn.Settings", "online_training.OnlineRun"),
    "binary": ("binary.SignSettings", "binary.BinaryRun"),
    "binary-relu": ("binary.ReluSettings", "binary.BinaryRun"),
    "bptt": ("bptt.Settings", "bptt.BpttRun"),
    "mlp": ("mlp.Settings", "mlp.MlpRun"),
    "ann": ("counterpart.settings.Settings", "counterpart.train"),
    "bnn": ("counterpart.settings.SignSettings", "counterpart.train"),
    "bnn-relu": ("counterpart.settings.ReluSettings", "counterpart.train"),
    "logistic": ("counterpart.settings.LogisticSettings", "counterpart.logistic.train"),
}
WITHOUT_TORCH = ("s4nn", "bs4nn")
COUNTERPARTS = ("ann", "bnn", "bnn-relu", "logistic")  # of a recipe, whose structure, data and augmentation they take


def names() -> tuple[str, ...]:
    """Every name; those in `COUNTERPARTS` are for `train_counterpart`, the others for `train`.

    >>> names()
    ('s4nn', 'bs4nn', 'binary', 'binary-relu', 'bptt', 'mlp', 'ann', 'bnn', 'bnn-relu', 'logistic')
    """
    return tuple(_HOME)


def _find(name: str, which: int) -> Any:
    if name not in _HOME:
        near = difflib.get_close_matches(str(name).lower(), _HOME, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"unknown baseline {name!r}: {hint}known are {', '.join(_HOME)}")
    module, _, attribute = _HOME[name][which].rpartition(".")
    return getattr(importlib.import_module(f"bstdg.lab.predecessors.{module}"), attribute)


def settings_kind(name: str) -> Any:
    """The frozen dataclass that holds the settings of a baseline.

    Raises:
        InputError: there is no such baseline.
    """
    return _find(name, 0)


def train(
    name: str,
    data: str = "mnist",
    *,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    data_dir: Path | str | None = None,
    load: Loader | None = None,
    on_epoch: OnEpoch | None = None,
    blocks: Sequence[int] = (),
    models: Path | None = None,
) -> dict[str, Any]:
    """Train a baseline, choose its epoch on a validation part, and judge it once on the test set.

    Args:
        name: one of `names()`, and none of `COUNTERPARTS`.
        data: a data set's name.
        seed: decides the validation split, the initial weights and every draw.
        settings: fields of `settings_kind(name)` in place of their defaults.
        data_dir: where the data set's files are (see `bstdg.datasets.load`).
        load: gives a split of the data set, for data of one's own; called for "test" only after training.
        on_epoch: called after every epoch with its figures.
        blocks: s4nn, bs4nn: also judge the network with its input times put into so many blocks, see
            `bstdg.lab.predecessors.blocks`.
        models: bs4nn: a folder where the network is left as a model file for each number of blocks.

    Returns:
        The report: the keys of a run's `report.json`, and `baseline`; and `blocks`, figures at each number of them.

    Raises:
        InputError: the name, a setting or the data do not fit.
        TrainingError: the training went astray.
    """
    from bstdg.lab.predecessors.base import train_and_judge
    from bstdg.lab.predecessors.settings import settings_of

    if name in COUNTERPARTS:
        raise InputError(f"{name} takes structure and data of a recipe: give one")
    chosen, seed = settings_of(settings_kind(name), settings), seed_of(seed)
    loader: Loader = load or (lambda which, split: _looked_at(which, split, data_dir, fold=chosen.fold))
    if name in WITHOUT_TORCH:
        judged = _in_blocks(name, blocks, models)

        def also(run: Any, test: Any) -> dict[str, Any]:
            return judged(run.network, run.encode(test.images, run.white), test.labels, test)

        return train_and_judge(name, chosen, _find(name, 1), data, loader, seed, on_epoch, also)
    _in_blocks(name, blocks, models)
    from bstdg.learning.surroundings import undisturbed

    with undisturbed():
        return train_and_judge(name, chosen, _find(name, 1), data, loader, seed, on_epoch)


def train_counterpart(
    name: str,
    recipe: Recipe,
    *,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    data_dir: Path | str | None = None,
    load: Loader | None = None,
    folder: Path | None = None,
    resume: bool = False,
    on_epoch: OnEpoch | None = None,
) -> dict[str, Any]:
    """Train a network that does not spike, of a recipe's structure and on what its network learns from.

    Args:
        name: one of `COUNTERPARTS`.
        recipe: what is taken of it, see `bstdg.lab.predecessors.counterpart`.
        seed: decides every draw; the parts for training and validation are those of the recipe's own run.
        settings: fields of `settings_kind(name)` in place of their defaults.
        data_dir, load, on_epoch: as for `train`.
        folder: where a checkpoint is kept from epoch to epoch, until the report is there; None keeps none.
        resume: go on from the checkpoint in `folder`, if there is one; the end is bit for bit that of an unbroken run.

    Returns:
        The report, as from `train`.

    Raises:
        InputError: the name, recipe, settings or data do not fit, or `folder` holds a checkpoint and is not resumed.
        FileFormatError: the checkpoint is damaged.
        TrainingError: the loss is no longer a number.
    """
    from bstdg.lab.predecessors.settings import settings_of
    from bstdg.learning.surroundings import undisturbed

    if name not in COUNTERPARTS:
        _find(name, 0)
        raise InputError(f"{name} has its own structure and settings, and takes no recipe; {_LISTED} do")
    chosen, seed, pictures = settings_of(settings_kind(name), settings), seed_of(seed), recipe.data
    size, part = pictures.size, {"fold": pictures.fold, "channels": pictures.channels}
    loader: Loader = load or (lambda which, split: _looked_at(which, split, data_dir, size=size, **part))
    with undisturbed():
        return _find(name, 1)(name, recipe, chosen, seed, loader, folder, resume, on_epoch)


_LISTED = ", ".join(COUNTERPARTS)


def _in_blocks(name: str, blocks: Sequence[int], models: Path | None) -> Any:
    """What judges a network in blocks, given it, its steps, labels and the test set.

    Raises:
        InputError: this baseline has no steps to be put into blocks, or is none that a model file holds.
    """
    if blocks and name not in WITHOUT_TORCH:
        raise InputError(f"only s4nn and bs4nn have 256 steps that are put into blocks, not {name!r}: leave them out")
    if models is not None and (name != "bs4nn" or not blocks):
        raise InputError("model files are left of bs4nn alone, one for each number of blocks: give both, or neither")
    from bstdg.lab.predecessors import blocks as in_blocks

    return functools.partial(in_blocks.judged, blocks=in_blocks.check(blocks), models=models)


def _looked_at(data: str, split: Any, data_dir: Path | str | None, *, size: Sequence[int] = (), **part: Any) -> Any:
    """A split; with the training part, the test part is looked at, so that no training ends without being judged."""
    from bstdg import datasets

    loaded = datasets.load(data, split, data_dir, size=size, **part)
    if split == "train":
        datasets.look(loaded, "test", data_dir, size=size)
    return loaded


def run_released(
    name: str,
    folder: Path | str,
    data: str = "mnist",
    *,
    data_dir: Path | str | None = None,
    load: Loader | None = None,
    blocks: Sequence[int] = (),
    models: Path | None = None,
) -> dict[str, Any]:
    """Run the released weights of S4NN or BS4NN on a test set, with their published conventions.

    Args:
        name: "s4nn" or "bs4nn".
        folder: plain numeric .npy files, one a layer (see `bstdg.lab.predecessors.released`).
        data: a data set's name; the released networks are of MNIST.
        data_dir: where the data set's files are.
        load, blocks, models: as for `train`.

    Raises:
        InputError: the folder, a file or an array is not what it has to be.
    """
    from bstdg import datasets
    from bstdg.lab.predecessors import released
    from bstdg.lab.predecessors.base import images

    loader: Loader = load or (lambda which, split: datasets.load(which, split, data_dir))
    judged = _in_blocks(name, blocks, models)
    return released.evaluate(name, Path(folder), images(loader, data, "test"), judged)
