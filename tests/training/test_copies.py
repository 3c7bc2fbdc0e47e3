"""Distorted copies and what a teacher says of them: each belongs to its image, and other data stay unseen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from bstdg import datasets
from bstdg.datasets import Dataset
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs.latency import latency
from bstdg.learning.recipe import DistortConfig, Recipe, TeacherConfig
from bstdg.learning.recipe_file import from_dict, recipe_of
from bstdg.training import distillation as distill
from bstdg.training.augmentation import distort
from bstdg.training.copies import Copies, make_copies
from bstdg.training.loader import input_code
from bstdg.training.run_folder import TEACHER as KEPT

DISTORT = {"copies": 2, "rotation": 5.0, "zoom": 0.05, "shear": 0.05, "move": 0.2, "elastic": 0.1}
TEACHER = {"weight": 0.5, "passes": 3, "structure": ["8c3s2p1", "8c3s2p1", 32]}


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", "train")


def recipe(**sections) -> Recipe:
    return from_dict(Recipe, sections)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- distort ---------------------------------------------------------------------------------------------------------


def blob(batch: int = 64, rows: int = 20, columns: int = 30, at: tuple[int, int] = (6, 20)) -> torch.Tensor:
    """A bright spot off the centre."""
    images = torch.zeros(batch, rows, columns, dtype=torch.uint8)
    images[:, at[0] - 1 : at[0] + 2, at[1] - 1 : at[1] + 2] = 200
    return images


def centres(images: torch.Tensor) -> torch.Tensor:
    """The centre of mass of each image, row and column."""
    mass = images.double()
    total = mass.sum((1, 2))
    rows = (mass.sum(2) * torch.arange(images.shape[1])).sum(1) / total
    columns = (mass.sum(1) * torch.arange(images.shape[2])).sum(1) / total
    return torch.stack([rows, columns], 1)


def test_no_amount_is_no_distortion():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 7, 9)).astype(np.uint8))
    assert torch.equal(distort(images, DistortConfig(copies=1), seeded()), images)


def test_a_turn_keeps_the_distance_from_the_centre_and_stays_within_its_angle():
    middle = torch.tensor([9.5, 14.5])
    before = centres(blob()) - middle
    after = centres(distort(blob(), DistortConfig(copies=1, rotation=30), seeded())) - middle
    assert torch.allclose(after.norm(dim=1), before.norm(dim=1), atol=0.15)
    angle = torch.rad2deg(torch.atan2(after[:, 0], after[:, 1]) - torch.atan2(before[:, 0], before[:, 1]))
    assert angle.abs().max() <= 30.5
    assert angle.min() < -20
    assert angle.max() > 20


def test_a_move_goes_along_both_sides_by_at_most_that():
    moved = centres(distort(blob(), DistortConfig(copies=1, move=3), seeded())) - centres(blob())
    assert moved.abs().max() <= 3.01
    assert (moved.min(0).values < -2).all()
    assert (moved.max(0).values > 2).all()


def test_zoom_scales_each_side_for_itself():
    middle = torch.tensor([9.5, 14.5])
    before = centres(blob()) - middle
    ratio = (centres(distort(blob(), DistortConfig(copies=1, zoom=0.2), seeded())) - middle) / before
    assert ratio.min() > 1 / 1.2 - 0.03
    assert ratio.max() < 1 / 0.8 + 0.03
    assert (ratio.max(0).values - ratio.min(0).values > 0.2).all()
    assert abs(float(torch.corrcoef(ratio.T)[0, 1])) < 0.5


def test_shear_moves_columns_by_rows():
    moved = centres(distort(blob(), DistortConfig(copies=1, shear=0.5), seeded())) - centres(blob())
    assert moved[:, 0].abs().max() < 0.1
    assert 1.0 < moved[:, 1].abs().max() <= 0.5 * 3.5 + 0.1  # 3.5 rows above the middle


def test_half_are_mirrored():
    images = blob(200)
    mirrored = distort(images, DistortConfig(copies=1, mirror=True), seeded())
    same = (mirrored == images).flatten(1).all(1)
    assert torch.equal(mirrored[~same], images[~same].flip(2))
    assert 70 < same.sum() < 130


def test_an_elastic_field_bends_each_image_another_way_by_about_that_much():
    moved = centres(distort(blob(400), DistortConfig(copies=1, elastic=1.0), seeded())) - centres(blob(400))
    assert moved.std(0).min() > 0.4
    assert moved.std(0).max() < 1.3


def test_distortions_come_from_the_generator_alone_and_leave_the_image():
    images, config = blob(), DistortConfig(copies=1, rotation=10, elastic=1)
    before = images.clone()
    assert torch.equal(distort(images, config, seeded(3)), distort(images, config, seeded(3)))
    assert not torch.equal(distort(images, config, seeded(3)), distort(images, config, seeded(4)))
    assert torch.equal(images, before)


# --- copies ----------------------------------------------------------------------------------------------------------


def copies_of(data: Dataset, chosen, values: Recipe, seed: int, keep=None) -> Copies:
    return make_copies(data, input_code(data, values.input), chosen, seed, values, keep)


def test_the_first_copy_is_the_image_and_the_others_are_like_it(digits):
    chosen = np.arange(40, 140)
    prepared = copies_of(digits, chosen, recipe(distort=DISTORT), 0, None)
    assert prepared.taught is None
    steps = prepared.steps.view(3, 100, -1)
    original = torch.from_numpy(latency(digits.images[chosen], 8, white=digits.white))
    assert torch.equal(steps[0], original)
    for copy in steps[1:]:
        apart = (copy.float()[:, None] - original.float()[None]).abs().mean(2)
        assert (apart.argmin(1) == torch.arange(100)).float().mean() > 0.9  # nearest to its own image
        assert apart.diagonal().min() > 0


def test_a_draw_takes_each_copy_as_often(digits):
    prepared = copies_of(digits, np.arange(10), recipe(distort=DISTORT), 0, None)
    steps, taught = prepared.draw(torch.full((3000,), 4), seeded())
    assert taught is None
    copies = prepared.steps.view(3, 10, -1)[:, 4]
    counts = [(steps == copy).all(1).sum().item() for copy in copies]
    assert sum(counts) == 3000
    assert min(counts) > 900


def test_a_teacher_learns_and_its_words_belong_to_the_copies_they_are_of(digits):
    values = recipe(distort=DISTORT, teacher={**TEACHER, "passes": 40, "rate": 0.01})
    prepared = copies_of(digits, np.arange(600), values, 0, None)
    assert prepared.taught is not None
    torch.testing.assert_close(prepared.taught.sum(1), torch.ones(1800))
    labels = torch.from_numpy(digits.labels[:600]).repeat(3)
    assert (prepared.taught.argmax(1) == labels).float().mean() > 0.9
    index = torch.tensor([5, 9])
    steps, taught = prepared.draw(index, seeded())
    at = [(prepared.steps == row).all(1).nonzero()[0, 0] for row in steps]
    assert taught is not None
    assert torch.equal(taught, prepared.taught[torch.stack(at)])


def test_a_teacher_sees_the_training_part_alone(digits):
    """Other images and labels outside of it change nothing."""
    chosen = np.arange(0, 600, 2)
    images, labels = digits.images.copy(), digits.labels.copy()
    images[1::2], labels[1::2] = 0, 0
    other = dataclasses.replace(digits, images=images, labels=labels)
    values = recipe(distort=DISTORT, teacher=TEACHER)
    one, two = (copies_of(data, chosen, values, 3, None) for data in (digits, other))
    assert torch.equal(one.steps, two.steps)
    assert torch.equal(one.taught, two.taught)


def test_the_global_generator_is_left_alone(digits):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    copies_of(digits, np.arange(100), recipe(distort=DISTORT, teacher=TEACHER), 0, None)
    assert torch.equal(torch.get_rng_state(), before)


# --- keeping the teacher ---------------------------------------------------------------------------------------------


def test_a_kept_teacher_is_used_again_and_only_for_the_same_run(digits, tmp_path):
    chosen, values = np.arange(300), recipe(teacher=TEACHER)
    one = copies_of(digits, chosen, values, 0, tmp_path)
    stamp = (tmp_path / KEPT).stat().st_mtime_ns
    warmer = recipe(teacher={**TEACHER, "weight": 0.9, "temperature": 1.0})
    two = copies_of(digits, chosen, warmer, 0, tmp_path)
    assert (tmp_path / KEPT).stat().st_mtime_ns == stamp
    assert torch.equal(one.taught, two.taught)
    with pytest.raises(InputError, match="no teacher of this recipe and seed"):
        copies_of(digits, chosen, values, 1, tmp_path)
    whole = (tmp_path / KEPT).read_bytes()
    (tmp_path / KEPT).write_bytes(whole[:-9])
    with pytest.raises(FileFormatError, match="truncated"):
        copies_of(digits, chosen, values, 0, tmp_path)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 3), (1, 28, 28), (3, 7, 10)])
def test_a_teacher_reads_images_of_any_shape(shape):
    teacher = distill.Teacher(shape, 4, TeacherConfig(structure=("3c3s2p1", "5c3s2p1", 6))).eval()
    assert teacher(torch.rand(2, *shape)).shape == (2, 4)
    if shape[0] == 1:
        assert teacher(torch.rand(2, *shape[1:])).shape == (2, 4)


def test_temperature_softens():
    teacher = distill.Teacher((1, 4, 4), 3, TeacherConfig(structure=("3c3s2p1", "5c3s2p1", 6))).eval()
    images = torch.randint(0, 256, (9, 4, 4), dtype=torch.uint8)
    cold, warm = (distill.probabilities(teacher, images, 255, heat) for heat in (1.0, 4.0))
    assert (warm.max(1).values < cold.max(1).values).all()
    torch.testing.assert_close((cold.log() / 4).softmax(1), warm)


def test_a_teacher_is_of_any_layers(digits):
    config = TeacherConfig(structure=("3c3p1", "pool2", "6c3p1g3", "pool2x1", 7, 5), dropout=0.0)
    teacher = distill.blank((1, 8, 8), 10, config)
    assert [type(part).__name__ for part in teacher.body] == [
        *("Sequential", "MaxPool2d", "Sequential", "MaxPool2d", "Hidden", "Hidden")
    ]
    assert teacher.out.in_features == 5 and teacher.body[4].in_features == 6 * 2 * 4
    images = torch.from_numpy(digits.images[:300]).unsqueeze(0)
    labels = torch.from_numpy(digits.labels[:300])
    config = TeacherConfig(structure=("8c3p1", "pool2", "16c3p1", "pool2"), passes=60)
    taught = distill.teach(distill.blank((1, 8, 8), 10, config), images, labels, None, digits.white, config, seeded())
    found = distill.probabilities(taught, images[0], digits.white, 1.0).argmax(1)
    assert (found == labels).float().mean() > 0.9


def test_a_teacher_that_does_not_fit_is_refused_before_any_work(digits, monkeypatch):
    monkeypatch.setattr("bstdg.training.augmentation.distort", lambda *_: pytest.fail("copies were made"))
    values = recipe(distort=DISTORT, teacher={**TEACHER, "structure": ["8c3s2p1", "pool5"]})
    with pytest.raises(InputError, match=r"teacher\.structure: layer 1 \(pool5\)"):
        copies_of(digits, np.arange(50), values, 0, None)


def test_teachers_once_were_two_convolutions_and_a_layer():
    former = {"teacher": {"weight": 0.5, "channels": [8, 9], "neurons": 32}}
    assert recipe_of(former).teacher.structure == ("8c3s2p1", "9c3s2p1", 32)
    assert recipe_of({"teacher": {"channels": [32, 64], "neurons": 256}}) == Recipe()


@pytest.mark.parametrize(
    ("layers", "said"),
    [(["pool2n2"], "no spikes"), (["8c"], r"teacher\.structure\[0\]"), ([0], r"teacher\.structure\[0\]")],
)
def test_what_no_teacher_can_be_is_refused(layers, said):
    with pytest.raises(InputError, match=said):
        recipe(teacher={"weight": 0.5, "structure": layers})
