"""What a network learns from when its recipe asks for more than images and labels: distorted copies, and a teacher."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bstdg.datasets import Dataset, EventDataset, StepDataset
from bstdg.errors import InputError
from bstdg.inputs import edges
from bstdg.inputs.latency import latency
from bstdg.learning.recipe import Recipe
from bstdg.training import augmentation as augment
from bstdg.training import distillation as distill

TEACHER = "teacher.safetensors"


@dataclass(frozen=True, eq=False)
class Lessons:
    """Every training image in several copies, the first of which is the image itself.

    Attributes:
        steps: uint8 `[copies * N, features]`, copy by copy.
        taught: the teacher's probabilities, `[copies * N, classes]`, or None.
        count: N.
    """

    steps: Tensor
    taught: Tensor | None
    count: int

    def draw(self, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Steps and probabilities of one copy of each sample in `index`."""
        copies = len(self.steps) // self.count
        if copies > 1:
            index = index + self.count * torch.randint(copies, index.shape, generator=generator)
        return self.steps.index_select(0, index), None if self.taught is None else self.taught.index_select(0, index)


def prepare(
    dataset: Dataset | EventDataset | StepDataset, chosen: np.ndarray, recipe: Recipe, seed: int, keep: Path | None
) -> Lessons | None:
    """Copies of the images `chosen` for training, and what a teacher trained on them says; None if not asked for.

    The teacher sees pictures, also where the network reads their edges.

    Args:
        dataset: the training split.
        chosen: positions of the training part; a teacher must not see the rest.
        recipe: its sections `distort` and `teacher`.
        seed: of the run.
        keep: folder in which the teacher is kept for a resumed run, and looked for.

    Raises:
        InputError: the data are events; or `keep` holds another teacher.
    """
    if not recipe.distort.copies and not recipe.teacher.weight:
        return None
    if not isinstance(dataset, Dataset):
        kind = "events" if isinstance(dataset, EventDataset) else "steps"
        raise InputError(f"recipe sections distort and teacher are for images; {dataset.name} are {kind}")
    distorting, teaching = (
        torch.Generator().manual_seed(int(s)) for s in np.random.SeedSequence(seed).generate_state(5)[3:]
    )
    original = torch.from_numpy(dataset.images[chosen])
    images = [original, *(augment.distort(original, recipe.distort, distorting) for _ in range(recipe.distort.copies))]
    taught = None
    if recipe.teacher.weight:
        labels = torch.from_numpy(dataset.labels[chosen])
        teacher = _teacher(images, labels, dataset, recipe, seed, teaching, keep)
        heat = recipe.teacher.temperature
        taught = torch.cat([distill.probabilities(teacher, copy, dataset.white, heat) for copy in images])
    network, cell = recipe.network, recipe.data.edges
    shape = edges.maps_shape(dataset.image_shape, cell) if cell else dataset.image_shape
    steps = torch.empty(len(images), len(chosen), math.prod(shape), dtype=torch.uint8)
    for copy in steps:
        pixels = images.pop(0).numpy()  # given up as they are read: both together may not fit into memory
        pixels = edges.maps(pixels, cell, dataset.white) if cell else pixels
        coded = latency(pixels, network.num_steps, white=dataset.white, silent_below=network.silent_below)
        copy.copy_(torch.from_numpy(coded))
    return Lessons(steps.flatten(0, 1), taught, len(chosen))


def _teacher(
    images: list[Tensor],
    labels: Tensor,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    generator: torch.Generator,
    keep: Path | None,
) -> distill.Teacher:
    told = recipe.to_dict()
    learning = {k: v for k, v in told["teacher"].items() if k not in ("weight", "temperature")}
    origin = {"data": told["data"], "distort": told["distort"], "teacher": learning, "seed": seed}
    classes = len(dataset.classes)
    teacher = distill.blank(dataset.image_shape, classes, recipe.teacher)
    if keep is not None and distill.load(keep / TEACHER, teacher, origin):
        return teacher
    teacher = distill.teach(torch.stack(images), labels, dataset.white, classes, recipe.teacher, generator)
    if keep is not None:
        distill.save(keep / TEACHER, teacher, origin)
    return teacher
