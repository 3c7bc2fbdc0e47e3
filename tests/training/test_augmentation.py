"""Moving spike maps is moving images, and moving spikes keeps them in time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import make_steps, seeds
from torch import Tensor

from bstdg.errors import InputError
from bstdg.inputs.edges import EdgeCode
from bstdg.inputs.options import InputOptions
from bstdg.learning.recipe import Recipe, TrainConfig
from bstdg.training.augmentation import jitter, shift
from bstdg.training.loader import StepLoader

T = 8


def rolled(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """One image moved by loops; what comes in is silent."""
    moved = np.full_like(image, T)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            if 0 <= row + down < image.shape[0] and 0 <= column + right < image.shape[1]:
                moved[row + down, column + right] = image[row, column]
    return moved


def moves_between(before: Tensor, after: Tensor, shape: tuple[int, int], pixels: int) -> list[tuple[int, int]]:
    """The move of each image, found by trying all; every image must be one of them."""
    found = []
    for old, new in zip(before.numpy().reshape(-1, *shape), after.numpy().reshape(-1, *shape), strict=True):
        moves = [(d, r) for d in range(-pixels, pixels + 1) for r in range(-pixels, pixels + 1)]
        fitting = [move for move in moves if np.array_equal(rolled(old, *move), new)]
        assert fitting, "an image is no moved copy of its own"
        found.append(fitting[0] if (0, 0) not in fitting else (0, 0))
    return found


def images(batch: int, rows: int, columns: int, seed: int = 0) -> Tensor:
    """Images without symmetry, so that a move can be told."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, T, (batch, rows * columns)).astype(np.uint8))


# --- shift -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(2, 7), st.integers(2, 7), st.integers(0, 2**31), st.data())
def test_each_image_is_moved_by_some_whole_move(batch, rows, columns, seed, data):
    pixels = data.draw(st.integers(1, min(rows, columns) - 1))
    share = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    steps = images(batch, rows, columns, seed)
    before = steps.clone()
    moved = shift(steps, (rows, columns), T, pixels, share, torch.Generator().manual_seed(seed))
    assert torch.equal(steps, before)  # the training set itself stays
    assert (moved.dtype, moved.shape) == (torch.uint8, steps.shape)
    moves = moves_between(steps, moved, (rows, columns), pixels)
    if share == 0.0:
        assert set(moves) == {(0, 0)}


def test_all_moves_are_equally_likely_and_rows_are_not_columns():
    steps = images(4000, 4, 6)
    moved = shift(steps, (4, 6), T, 1, 1.0, torch.Generator().manual_seed(0))
    moves = moves_between(steps, moved, (4, 6), 1)
    counts = {move: moves.count(move) for move in set(moves)}
    assert len(counts) == 9
    assert all(4000 / 9 * 0.8 < count < 4000 / 9 * 1.2 for count in counts.values())


@pytest.mark.parametrize("share", [0.0, 0.25, 0.75, 1.0])
def test_the_share_is_that_of_images_given_a_move(share):
    steps = images(2000, 4, 4)
    moved = shift(steps, (4, 4), T, 1, share, torch.Generator().manual_seed(1))
    moves = moves_between(steps, moved, (4, 4), 1)
    changed = sum(move != (0, 0) for move in moves) / 2000
    assert changed == pytest.approx(share * 8 / 9, abs=0.03)  # one of nine moves is none


def test_moves_come_from_the_generator_alone():
    steps = images(50, 6, 6)
    torch.manual_seed(0)
    state = torch.get_rng_state()

    def moved(seed: int) -> Tensor:
        return shift(steps, (6, 6), T, 2, 0.7, torch.Generator().manual_seed(seed))

    assert torch.equal(moved(3), moved(3))
    assert not torch.equal(moved(3), moved(4))
    assert torch.equal(torch.get_rng_state(), state)


def test_no_shift_is_the_input_and_draws_nothing():
    steps, generator = images(3, 4, 4), torch.Generator()
    before = generator.get_state()
    assert shift(steps, (4, 4), T, 0, 1.0, generator) is steps
    assert shift(steps, (16,), T, 0, 1.0, generator) is steps  # type: ignore[arg-type]
    assert torch.equal(generator.get_state(), before)


def test_the_greatest_shift_leaves_a_line():
    steps = torch.zeros(200, 9, dtype=torch.uint8)
    moved = shift(steps, (3, 3), T, 2, 1.0, torch.Generator().manual_seed(0))
    assert set((moved == 0).sum(1).tolist()) == {1, 2, 3, 4, 6, 9}


def test_a_batch_of_none_stays_none():
    assert shift(images(0, 3, 3), (3, 3), T, 1, 1.0, torch.Generator()).shape == (0, 9)


@pytest.mark.parametrize(("shape", "pixels"), [((5, 5), 5), ((5, 9), 5), ((9, 5), 7), ((1, 9), 9)])
def test_a_shift_out_of_sight_is_refused(shape, pixels):
    with pytest.raises(InputError, match=f"a shift of {pixels} pixels"):
        shift(images(2, *shape), shape, T, pixels, 1.0, torch.Generator())


@pytest.mark.parametrize("shape", [(16,), (1, 1, 4, 4), ()])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(InputError, match="rows and columns"):
        shift(images(2, 4, 4), shape, T, 1, 1.0, torch.Generator())


@pytest.mark.parametrize(("shape", "pixels"), [((4, 5), 1), ((2, 4), 1), ((4, 4), -1)])
def test_a_shift_of_another_shape_or_below_nothing_is_refused(shape, pixels):
    with pytest.raises(InputError, match=f"a shift of {pixels} pixels of {shape[0]} x {shape[1]} images"):
        shift(images(2, 4, 4), shape, T, pixels, 1.0, torch.Generator())


def test_all_channels_of_an_image_move_alike():
    planes = images(5, 3, 4 * 6).view(5, 3, 4 * 6)
    colour = shift(planes.flatten(1), (3, 4, 6), T, 2, 0.7, torch.Generator().manual_seed(1)).view(5, 3, -1)
    for channel in range(3):
        grey = shift(planes[:, channel], (4, 6), T, 2, 0.7, torch.Generator().manual_seed(1))
        assert torch.equal(colour[:, channel], grey)


# --- jitter ----------------------------------------------------------------------------------------------------------


@given(seeds(), st.sampled_from([1, 2, 8, 254]), st.sampled_from([1, 3, 300]), st.integers(0, 99))
def test_spikes_move_by_at_most_the_width_and_stay_in_time(rng, num_steps, width, seed):
    steps = torch.from_numpy(make_steps(rng, "random", 4, 30, num_steps))
    moved = jitter(steps, num_steps, width, torch.Generator().manual_seed(seed))
    assert (moved.dtype, moved.shape) == (torch.uint8, steps.shape)
    silent = steps == num_steps
    assert torch.equal(moved == num_steps, silent)
    assert ((moved.int() - steps.int()).abs() <= width).all()
    assert torch.equal(moved, jitter(steps, num_steps, width, torch.Generator().manual_seed(seed)))


def test_all_moves_in_time_are_equally_likely():
    steps = torch.full((100, 100), 100, dtype=torch.uint8)
    moved = jitter(steps, 200, 2, torch.Generator().manual_seed(0))
    counts = torch.bincount(moved.flatten().int(), minlength=200)
    assert counts.nonzero().flatten().tolist() == [98, 99, 100, 101, 102]
    assert ((counts[98:103] - 2000).abs() < 200).all()


def test_no_jitter_is_the_input_and_draws_nothing():
    steps, generator = images(3, 4, 4), torch.Generator()
    before = generator.get_state()
    assert jitter(steps, T, 0, generator) is steps
    assert torch.equal(generator.get_state(), before)


def test_a_jitter_below_nothing_is_refused():
    with pytest.raises(InputError, match="jitter of -1 steps"):
        jitter(images(3, 4, 4), T, -1, torch.Generator())


def test_maps_of_edges_move_as_pictures_do():
    rng, code = np.random.default_rng(5), EdgeCode((3, 8, 6), 2, pixels=True)
    images = np.zeros((20, 3, 8, 6), np.uint8)
    images[:, :, 2:6, 2:4] = rng.integers(0, 256, (20, 3, 4, 2))  # a border of two cells' width holds them when moved
    recipe = Recipe(input=InputOptions(edges=2, pixels=True), train=TrainConfig(shift=1))
    loader = StepLoader(code.encode(images, 8), code.gives, recipe)
    found = loader.batch(torch.arange(20), torch.Generator().manual_seed(1)).spikes.view(20, *code.gives).numpy()
    moves = [(down, right) for down in (-2, 0, 2) for right in (-2, 0, 2)]
    moved = {move: code.encode(np.roll(images, move, (2, 3)), 8).reshape(20, *code.gives) for move in moves}
    inner = (slice(None), slice(1, 3), slice(1, 2))  # cells that what comes in from outside leaves alone
    chosen = [next((m for m in moves if (moved[m][i][inner] == found[i][inner]).all()), None) for i in range(20)]
    assert None not in chosen and len(set(chosen)) > 4
