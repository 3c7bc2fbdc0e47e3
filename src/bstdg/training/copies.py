"""Distorted copies of the training images, and what a teacher says of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bstdg.datasets import Dataset, StepDataset
from bstdg.distributed.share import Share
from bstdg.errors import InputError
from bstdg.inputs import InputCode
from bstdg.layers import size
from bstdg.learning import weights
from bstdg.learning.recipe import Recipe
from bstdg.progress import bar
from bstdg.training import augmentation, distillation
from bstdg.training.run_folder import TEACHER


@dataclass(frozen=True, eq=False)
class Copies:
    """Every training image in several copies, the first of which is the image itself.

    Attributes:
        steps: uint8 `[copies * N, channels]`, copy by copy.
        taught: the teacher's probabilities, `[copies * N, classes]`, or None.
        count: N.
    """

    steps: Tensor
    taught: Tensor | None
    count: int

    def tensors(self) -> dict[str, Tensor]:
        """What there is, by name."""
        return {"steps": self.steps} if self.taught is None else {"steps": self.steps, "taught": self.taught}

    def draw(
        self, index: Tensor, generator: torch.Generator, share: Share | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Steps and probabilities of one copy of each sample in `index`; of those of a share alone, if there is one."""
        copies = len(self.steps) // self.count
        if copies > 1:
            copy = torch.randint(copies, index.shape, generator=generator, device="cpu")
            index = index + self.count * copy
        index = index if share is None else index[share.rows]
        return self.steps.index_select(0, index), None if self.taught is None else self.taught.index_select(0, index)


def make_copies(
    dataset: Dataset | StepDataset,
    code: InputCode,
    chosen: NDArray[np.integer],
    seed: int,
    recipe: Recipe,
    keep: Path | None,
    *,
    show: bool = False,
) -> Copies:
    """Copies of the images `chosen` for training, and what a teacher trained on them says.

    The teacher sees pictures, also where the network reads their edges.

    Args:
        dataset: the training split.
        code: how images become steps.
        chosen: positions of the training part; a teacher must not see the rest.
        seed: of the run.
        recipe: its sections `distort` and `teacher`.
        keep: folder in which the teacher is kept for a resumed run, and looked for.
        show: bars while the teacher learns, and while it says what it thinks of each copy.

    Raises:
        InputError: the data are no images; or `keep` holds another teacher.
    """
    if not isinstance(dataset, Dataset):
        raise InputError(f"recipe sections distort and teacher are for images; {dataset.name} are steps")
    distorting, teaching = (
        torch.Generator("cpu").manual_seed(int(s)) for s in np.random.SeedSequence(seed).generate_state(5)[3:]
    )
    teacher = None
    if recipe.teacher.weight:  # one that does not fit is refused before any work
        teacher = distillation.blank(dataset.shape, len(dataset.classes), recipe.teacher)
    original = torch.from_numpy(dataset.images[chosen])
    number = recipe.distort.copies
    images = [original, *(augmentation.distort(original, recipe.distort, distorting) for _ in range(number))]
    taught = None
    if teacher is not None:
        teacher = _teacher(teacher, images, dataset.labels[chosen], dataset, recipe, seed, teaching, keep, show)
        heat = recipe.teacher.temperature
        with bar("teacher judges", len(images) * len(chosen), show=show) as judged:
            asked = (distillation.probabilities(teacher, copy, dataset.white, heat, judged) for copy in images)
            taught = torch.cat(list(asked))
    steps = torch.empty(len(images), len(chosen), size(code.gives), dtype=torch.uint8, device="cpu")
    for copy in steps:
        pixels = images.pop(0).numpy()  # given up as they are read: both together may not fit into memory
        copy.copy_(torch.from_numpy(code.encode(pixels, recipe.network.num_steps)))
    return Copies(steps.flatten(0, 1), taught, len(chosen))


def origin_of_teacher(recipe: Recipe, seed: int) -> dict[str, Any]:
    """All that a teacher depends on, JSON-able: runs that have it in common can have the teacher in common too."""
    values = recipe.to_dict()
    learning = {k: v for k, v in values["teacher"].items() if k not in ("weight", "temperature")}
    origin = {"data": values["data"], "distort": values["distort"], "teacher": learning, "seed": seed}
    if (by_class := recipe.train.class_weight) != "none":
        origin["class_weight"] = by_class
    return origin


def _teacher(
    blank: distillation.Teacher,
    images: list[Tensor],
    labels: NDArray[np.int64],
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    generator: torch.Generator,
    keep: Path | None,
    show: bool,
) -> distillation.Teacher:
    origin, by_class = origin_of_teacher(recipe, seed), recipe.train.class_weight
    if keep is not None and distillation.load(keep / TEACHER, blank, origin):
        return blank
    each = weights.of_samples(labels, weights.by_class(by_class, labels, dataset.classes), None)
    taught = torch.from_numpy(labels), None if each is None else weights.unless_one(each / each.mean())
    about = dataset.white, recipe.teacher, generator
    with bar("teacher learns", recipe.teacher.passes * len(labels), show=show) as learnt:
        teacher = distillation.teach(blank, torch.stack(images), *taught, *about, learnt)
    if keep is not None:
        distillation.save(keep / TEACHER, teacher, origin)
    return teacher
