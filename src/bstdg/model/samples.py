"""A data set as a model reads it: the right one by default, brought to the model's size, and checked to fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from bstdg import datasets, shown
from bstdg.datasets import Dataset, EventDataset, Split, StoredDataset
from bstdg.errors import InputError
from bstdg.inputs.base import by
from bstdg.layers import size
from bstdg.model.packed import PackedModel

if TYPE_CHECKING:
    from bstdg.model.runtime import Model

KINDS = {1: "grey", 3: "colour"}  # of pictures, by their channels


def load(
    model: PackedModel,
    name: str | None = None,
    split: str = "test",
    data_dir: Path | str | None = None,
    *,
    called: str = "the model",
    progress: bool = False,
) -> Dataset | StoredDataset | EventDataset:
    """One split of a data set, for a model to read.

    Args:
        model: who reads it.
        name: a data set; by default the one that the model was trained on.
        split: "test" or "train".
        data_dir: see `bstdg.datasets.load`.
        called: what errors call the model.
        progress: show a bar while files are downloaded.

    Raises:
        InputError: there is no such data set, or the model reads other shapes or kinds of data.
    """
    name = name or model.trained.get("data")
    if name is None:
        raise InputError(f"{called} does not say what it was trained on: name a data set with --data")
    if split not in get_args(Split):
        raise InputError(f"--split is test or train, not {split!r}")
    pictures = datasets.pictures_of(name, model.input.reads)
    samples = datasets.load(name, split, data_dir, progress=progress, fold=fold_of(model, name), **pictures)  # pyright: ignore[reportArgumentType]
    check(model, samples, called)
    return samples


def fold_of(model: PackedModel, name: str) -> int:
    """Which fold of a data set a model was not trained on; 0 for the published split."""
    recipe = model.trained.get("recipe") if model.trained.get("data") == name else None
    data = recipe.get("data") if isinstance(recipe, dict) else None
    fold = data.get("fold") if isinstance(data, dict) else 0
    return fold if type(fold) is int else 0


def check(model: PackedModel, samples: Dataset | StoredDataset | EventDataset, called: str = "the model") -> None:
    """Raise `InputError` unless the model reads such samples and has an output for each of their labels."""
    name = samples.name
    code, events = model.input, isinstance(samples, EventDataset)
    if events != (code.samples == "recordings"):
        reads, holds = ("images", "recordings of events") if events else ("recordings of events", "images")
        raise InputError(f"{called} reads {reads}, but {name} holds {holds}")
    if size(samples.shape) != size(code.reads) or (len(code.reads) == 3 and samples.shape != code.reads):
        what = "channels" if events else "images"
        kinds = [KINDS.get(shape[0], "") if len(shape) == 3 else "" for shape in (code.reads, samples.shape)]
        reads, has = (f"{kind} " if all(kinds) and len({*kinds}) > 1 else "" for kind in kinds)
        raise InputError(
            f"{called} reads {reads}{what} of {by(code.reads)}, but {name} has {has}{what} of {by(samples.shape)}"
        )
    if code.samples == "images" and not isinstance(samples, EventDataset) and samples.white != code.white:
        raise InputError(f"{name} has white {samples.white}, the model reads 0 … {code.white}")
    if datasets.is_own(name) and samples.classes != model.classes:  # the same folder may have changed
        held, known = (", ".join(map(shown.name, classes)) for classes in (samples.classes, model.classes))
        raise InputError(f"the classes of the pictures are {held}, those of the model {known}")
    if (most := int(samples.labels.max())) >= len(model.classes):
        raise InputError(f"{called} has {len(model.classes)} classes, but {name} has a label {most}")


def one(model: Model, samples: Dataset | StoredDataset | EventDataset, index: int) -> Any:
    """Sample number `index` as `bstdg.drawing.rasters.raster` takes it: an image, or `Events`."""
    if isinstance(samples, EventDataset):
        return model.encode_events(*samples.rows([index]))
    return samples.read(np.array([index]))[0]


def encoded(model: Model, samples: Dataset | StoredDataset | EventDataset, part: slice) -> Any:
    """A part of the samples as `bstdg.model.runtime.Model.run` takes it."""
    if isinstance(samples, EventDataset):
        return model.encode_events(*samples.rows(part))
    return model.encode(samples.read(part))
