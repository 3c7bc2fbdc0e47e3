"""Latency relative to the brightest pixel, and by levels: what the formulas say, whichever way it is computed."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import random_model

from bstdg import files
from bstdg.engine import choose
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import EdgeCode, LatencyCode
from bstdg.inputs.contrast import check_levels, equal_shares
from bstdg.inputs.edges import maps, means
from bstdg.inputs.equalize import equalized
from bstdg.inputs.options import InputOptions
from bstdg.model import packed
from bstdg.model.describe import describe
from bstdg.model.runtime import Model
from bstdg.training import options as recipe_options

WHITES, STEPS = (1, 2, 3, 16, 254, 255, 256, 1000, 65_535), (1, 2, 8, 254)


def steps_of(image: list[int], code: LatencyCode, num_steps: int) -> list[int]:
    """The formulas in a plain loop over Python's integers, but for the share that is silent, which is a float."""
    brightest, steps = max(image), []
    for pixel in image:
        step = num_steps
        if pixel and code.levels:
            value = pixel * code.white // brightest if code.relative else pixel
            step = next((t for t in range(num_steps) if value >= code.levels[t]), num_steps)
        elif pixel:
            top = brightest if code.relative else code.white
            if pixel / top > code.silent_below:
                step = num_steps * (top - pixel) // top
        steps.append(step)
    return steps


@st.composite
def codes(draw, whites=WHITES) -> tuple[LatencyCode, int]:
    """A code with contrast, and its T."""
    white, num_steps = draw(st.sampled_from(whites)), draw(st.sampled_from(STEPS))
    relative, by_levels = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    levels, silent = (), 0.0
    if by_levels:
        few = st.lists(st.integers(1, white + 1), min_size=num_steps, max_size=num_steps)
        levels = tuple(sorted(draw(few), reverse=True))
    else:
        silent = draw(st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 0.999]))
    shape = draw(st.sampled_from([(1,), (7,), (1, 2, 3), (3, 2, 2)]))
    return LatencyCode(shape, white, silent, relative, levels), num_steps


@st.composite
def images_of(draw, code: LatencyCode) -> np.ndarray:
    """Images, dark, dim and bright ones, of few values, so that many are equal."""
    most = draw(st.sampled_from(sorted({0, 1, min(2, code.white), code.white // 2, code.white})))
    few = draw(st.lists(st.integers(0, most), min_size=1, max_size=5))
    size = int(np.prod(code.reads))
    rows = draw(st.lists(st.lists(st.sampled_from(few), min_size=size, max_size=size), min_size=1, max_size=4))
    return np.array(rows)


@given(st.data())
def test_steps_are_those_of_the_plain_loop(data):
    code, num_steps = data.draw(codes())
    images = data.draw(images_of(code))
    steps = code.encode(images.reshape(-1, *code.reads), num_steps)
    assert steps.dtype == np.uint8
    assert steps.tolist() == [steps_of(image, code, num_steps) for image in images.tolist()]
    floats = images / code.white  # which come back to the integers that they were
    assert np.array_equal(code.encode(floats.reshape(-1, *code.reads), num_steps), steps)


@pytest.mark.parametrize("white", WHITES)
@pytest.mark.parametrize("num_steps", STEPS)
def test_corners(white, num_steps):
    """No light, the least light, one pixel, all alike, and white."""
    code = LatencyCode((4,), white, relative=True)
    never = num_steps
    assert code.encode(np.zeros((1, 4), int), num_steps).tolist() == [[never] * 4]
    assert code.encode(np.array([[0, 1, 0, 1]]), num_steps).tolist() == [[never, 0, never, 0]]
    assert code.encode(np.full((1, 4), white), num_steps).tolist() == [[0] * 4]
    assert LatencyCode((1,), white, relative=True).encode(np.array([[1]]), num_steps).tolist() == [[0]]
    assert code.encode(np.zeros((0, 4), int), num_steps).shape == (0, 4)


def test_the_brightest_pixel_is_that_of_all_channels_and_of_its_own_image():
    code = LatencyCode((2, 1, 2), relative=True)
    images = np.array([[[[10, 5]], [[1, 0]]], [[[10, 5]], [[40, 0]]]], np.uint8)
    assert code.encode(images, 10).tolist() == [[0, 5, 9, 10], [7, 8, 0, 10]]


@given(st.data())
def test_a_gain_changes_nothing(data):
    code = LatencyCode((6,), 1000, data.draw(st.sampled_from([0.0, 0.25])), relative=True)
    image = np.array([data.draw(st.lists(st.integers(0, 100), min_size=6, max_size=6))])
    assert np.array_equal(code.encode(image, 8), code.encode(image * data.draw(st.integers(1, 10)), 8))


@given(st.data())
def test_a_brighter_pixel_never_fires_later(data):
    code, num_steps = data.draw(codes())
    images = data.draw(images_of(code))
    steps = code.encode(images, num_steps)
    order = np.argsort(images, axis=1)
    assert (np.diff(np.take_along_axis(steps, order, 1).astype(int), axis=1) <= 0).all()


@settings(max_examples=40)
@given(st.data())
def test_every_engine_decides_alike(data):
    """Bytes through a table, steps through every engine, and images a few at a time."""
    code, num_steps = data.draw(codes(whites=(3, 200, 255, 1000)))
    images = data.draw(images_of(code)).astype(np.uint8 if code.white <= 255 else np.uint16)
    images = images.reshape(-1, *code.reads)
    model = random_model((int(np.prod(code.reads)), 40, 10), num_steps, threshold=1, shape=code.reads)
    model = dataclasses.replace(model, input=code)
    wanted = Model(model, "oracle").predict(images)
    for name in ("native", "dense"):
        runner = Model(model, name)
        assert np.array_equal(runner.predict(images), wanted)
        assert [int(runner.predict(image[None])[0]) for image in images] == wanted.tolist()
        assert np.array_equal(runner.run(runner.encode(images)).decision.label, wanted)


@pytest.mark.parametrize("white", [1, 3, 255])
@pytest.mark.parametrize("levels", [(), (256, 120, 120, 3, 1)])
def test_a_table_names_the_step_of_every_byte_beside_every_brightest_one(white, levels):
    levels = tuple(min(level, white + 1) for level in levels)
    code = LatencyCode((256,), white, 0.0 if levels else 0.2, relative=True, levels=levels)
    table = code.step_of_byte(5)
    assert table.shape == (256, 256) and (table[white + 1 :] == 255).all() and (table[:, white + 1 :] == 255).all()
    images = np.minimum(np.arange(256), np.arange(white + 1)[:, None])
    steps = np.array([steps_of(image, code, 5) for image in images.tolist()])
    for most in range(white + 1):
        assert np.array_equal(table[most, : most + 1], steps[most, : most + 1])
    # Each image goes by the row of its own brightest byte.
    model = random_model((256, 40, 10), 5, threshold=1, shape=(256,))
    runner = Model(dataclasses.replace(model, input=code), "native")
    found, wanted = (
        runner._network.decide(given, *more)
        for given, more in ((images.astype(np.uint8), (table.ravel(),)), (runner.encode(images), ()))
    )
    assert np.array_equal(found.step, wanted.step) and np.array_equal(found.candidates, wanted.candidates)
    assert np.array_equal(runner.predict(images.astype(np.uint8)), wanted.label)


def test_levels_alone_are_a_table_of_bytes():
    code = LatencyCode((4,), 200, levels=(150, 3))
    table = code.step_of_byte(2)
    assert table.shape == (256,) and (table[201:] == 255).all()
    assert np.bincount(table[:201]).tolist() == [51, 147, 3]
    assert LatencyCode((4,), 256, levels=(150, 3)).step_of_byte(2) is None


def test_bytes_above_white_are_refused_by_every_engine():
    code = LatencyCode((4,), 100, relative=True)
    model = dataclasses.replace(random_model((4, 3), 8), input=code)
    for name in choose.names():
        with pytest.raises(InputError, match=r"above white \(greatest 101"):
            Model(model, name).predict(np.array([[0, 3, 101, 5]], np.uint8))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.array([[-1, 2]]), "negative"),
        (np.array([[0.5, np.nan]]), "not a number"),
        (np.array([[0.5, 1.5]]), "above white"),
        (np.array([[True, False]]), "numbers, not bool"),
        (np.array([[1, 2, 3]]), "the model reads images of 2"),
    ],
)
def test_what_is_no_image_is_refused(images, message):
    for code in (LatencyCode((2,), relative=True), LatencyCode((2,), levels=(9, 1))):
        with pytest.raises(InputError, match=message):
            code.encode(images, 2)


# --- levels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((9, 10), r"levels\[1\] = 10 is above levels\[0\] = 9: the later the step"),
        ((9, 5, 6), r"levels\[2\] = 6 is above levels\[1\] = 5"),
        ((17,), r"levels\[0\] must be an integer in 1 … 16, not 17"),
        ((3, 0), r"levels\[1\] must be an integer in 1 … 16, not 0"),
        ((3, True), r"levels\[1\] must be an integer in 1 … 16, not True"),
        ((3.0,), r"levels\[0\] must be an integer in 1 … 16, not 3\.0"),
        (("3",), r"levels\[0\] must be an integer"),
        ((1,) * 255, "254 at most, not 255 of them"),
        ("321", "must be a list of the least value of each step, 254 at most, not str"),
        ({"0": 3}, "not dict"),
    ],
)
def test_levels_that_are_none_are_refused(levels, message):
    with pytest.raises(InputError, match=message):
        check_levels(levels, 15)
    with pytest.raises(InputError, match=message):
        LatencyCode((2,), 15, levels=levels)


def test_levels_are_one_a_step_and_say_what_is_silent():
    code = LatencyCode((2,), 15, levels=(9, 1))
    with pytest.raises(InputError, match="one level a step: 2 levels, T is 3"):
        code.encode(np.zeros((1, 2), int), 3)
    with pytest.raises(InputError, match="one level a step: 2 levels, T is 8"):
        dataclasses.replace(random_model((2, 3), 8), input=code)
    with pytest.raises(InputError, match="silent_below and levels both say what is silent"):
        LatencyCode((2,), 15, 0.1, levels=(9, 1))


def shares_of(counts: list[int], num_steps: int, silent_below: float) -> list[int]:
    """The definition in a plain loop."""
    white = len(counts) - 1
    fires = [value for value in range(1, white + 1) if value / white > silent_below]
    total, levels = sum(counts[value] for value in fires), []
    for t in range(num_steps):
        reached = [v for v in fires if sum(counts[u] for u in fires if u >= v) * num_steps >= (t + 1) * total]
        levels.append(max(reached))
    levels[-1] = min(fires)
    return levels


@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=12),
    st.sampled_from([1, 2, 3, 8, 30]),
    st.sampled_from([0.0, 0.2, 0.5]),
)
def test_shares_are_equal_as_far_as_values_allow(counts, num_steps, silent_below):
    counts[-1] += 1
    levels = equal_shares(np.array(counts), num_steps, silent_below)
    assert list(levels) == shares_of(counts, num_steps, silent_below)
    assert check_levels(levels, len(counts) - 1) == levels


def test_shares_of_a_billion_pixels_are_exact():
    counts = np.zeros(65_536, np.int64)
    counts[[65_535, 40_000, 7]] = 10**13, 10**13 - 1, 10**13
    assert equal_shares(counts, 3) == (65_535, 7, 1)
    assert equal_shares(counts + (np.arange(65_536) == 40_000), 3) == (65_535, 40_000, 1)


def test_where_nothing_fires_there_is_nothing_to_choose_from():
    with pytest.raises(InputError, match=r"no value is above silent_below = 0\.5.*lower it"):
        equal_shares(np.array([9, 9, 0]), 4, 0.5)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("edges", [0, 2])
def test_levels_chosen_some_samples_at_a_time(relative, edges):
    rng = np.random.default_rng(3)
    images = (rng.random((40, 1, 4, 6)) ** 3 * rng.integers(1, 201, (40, 1, 1, 1))).astype(np.uint8)
    code = EdgeCode((1, 4, 6), edges, 200, 0.1, True, relative) if edges else LatencyCode((1, 4, 6), 200, 0.1, relative)
    chosen = equalized(code, [images], 5)
    assert equalized(code, [images[:7], images[7:7], images[7:]], 5) == chosen
    assert chosen.silent_below == 0 and len(set(chosen.levels)) == 5
    fires = chosen.encode(images, 5)
    shares = np.bincount(fires.ravel(), minlength=6)[:5]
    assert shares[0] >= shares[:5].sum() / 5
    plain = np.bincount(code.encode(images, 5).ravel(), minlength=6)[:5]
    assert shares.std() < plain.std() / 2
    assert chosen.levels[-1] == 21  # the least value of 200 above a tenth


# --- edges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pixels", [False, True])
def test_edges_are_relative_to_the_greatest_of_all_their_maps(pixels):
    images = np.random.default_rng(0).integers(0, 60, (5, 1, 4, 4)).astype(np.uint8)
    code = EdgeCode((1, 4, 4), 2, pixels=pixels, relative=True)
    made = maps(images, 2)
    made = np.concatenate([made, means(images, 2)], axis=1) if pixels else made
    flat = made.reshape(5, -1)
    assert code.encode(images, 8).tolist() == [steps_of(row, code.latency, 8) for row in flat.tolist()]
    assert np.array_equal(code.encode(images / 255, 8), code.encode(images, 8))
    model = dataclasses.replace(random_model((flat.shape[1], 3), 8), input=code)
    alone = packed.network_alone(model)
    assert np.array_equal(alone.input.encode(flat, 8), code.encode(images, 8))


def test_edges_have_levels_too():
    code = EdgeCode((1, 4, 4), 2, levels=(200, 9))
    assert read_back(code, 2) == code
    with pytest.raises(InputError, match="one level a step"):
        code.encode(np.zeros((1, 4, 4), np.uint8), 3)
    with pytest.raises(InputError, match=r"levels\[1\] = 9 is above"):
        EdgeCode((1, 4, 4), 2, levels=(8, 9))


# --- files -----------------------------------------------------------------------------------------------------------


def read_back(code, num_steps: int = 8):
    model = dataclasses.replace(random_model((int(np.prod(code.gives)), 3), num_steps), input=code)
    data = packed.to_bytes(model)
    again = packed.from_bytes(data)
    assert packed.to_bytes(again) == data
    assert describe(again)["reads"] == code.describe()
    return again.input


@given(codes())
def test_a_file_holds_it_as_numbers(drawn):
    code, num_steps = drawn
    assert read_back(code, num_steps) == code


def test_a_file_of_a_plain_code_says_nothing_of_contrast():
    assert set(LatencyCode((4,)).header()) == {"reads", "white", "silent_below"}
    assert set(EdgeCode((1, 4, 4), 2).header()) == {"reads", "white", "silent_below", "cell"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": [5, 6] + [1] * 6}, r"levels\[1\] = 6 is above levels\[0\] = 5"),
        ({"levels": [5]}, "1 levels, T is 8"),
        ({"levels": [1] * 100_000}, "254 at most, not 100000 of them"),
        ({"levels": [10**30] * 8}, r"levels\[0\] must be an integer in 1 … 256, not 1000"),
        ({"levels": [[1] * 8]}, r"levels\[0\] must be an integer"),
        ({"levels": 8}, "not int"),
        ({"levels": None}, "not NoneType"),
        ({"levels": [8] * 8, "silent_below": 0.5}, "both say what is silent"),
        ({"relative": 1}, "relative must be true or false, not 1"),
        ({"relative": "yes"}, "relative must be true or false"),
    ],
)
def test_hostile_files_are_refused(change, message):
    model = dataclasses.replace(random_model((4, 3), 8), input=LatencyCode((4,)))
    parsed = files.parse(packed.to_bytes(model), "x")
    config = json.loads(parsed.metadata["config"])
    config["input"].update(change)
    tensors = [(name, np.frombuffer(slot.data, np.uint8), slot) for name, slot in parsed.tensors.items()]
    data = files.tensor_file(
        {**parsed.metadata, "config": json.dumps(config)},
        [(name, array.view(_TYPES[slot.dtype]).reshape(slot.shape), slot.dtype) for name, array, slot in tensors],
    )
    with pytest.raises(FileFormatError, match=message):
        packed.from_bytes(data)


_TYPES = {"U8": "u1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}


# --- recipes ---------------------------------------------------------------------------------------------------------


def test_a_recipe_makes_the_code():
    shape = (1, 4, 4)
    assert InputOptions(relative=True).for_images(shape, 9) == LatencyCode(shape, 9, relative=True)
    assert InputOptions(levels=[9, 3]).for_images(shape, 9) == LatencyCode(shape, 9, levels=(9, 3))
    assert InputOptions(edges=2, levels=(9, 3), relative=True).for_images(shape, 9) == EdgeCode(
        shape, 2, 9, relative=True, levels=(9, 3)
    )
    assert InputOptions(equalize=True, silent_below=0.1).for_images(shape, 9) == LatencyCode(shape, 9, 0.1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"levels": [3, 4]}, r"input\.levels\[1\] = 4 is above input\.levels\[0\] = 3"),
        ({"levels": [70_000]}, r"input\.levels\[0\] must be in 1 … 65536"),
        ({"levels": [3, 1], "equalize": True}, r"input\.equalize chooses the levels that input\.levels gives"),
        ({"levels": [3, 1], "silent_below": 0.1}, r"input\.silent_below and input\.levels both say what is silent"),
        ({"signal": ["above"], "relative": True}, r"relative to their sample already: leave out input\.relative"),
        ({"signal": ["above"], "equalize": True}, r"leave out input\.equalize"),
        ({"signal": ["above"], "levels": [3, 1]}, r"leave out input\.levels"),
        ({"levels": [99, 1]}, r"input\.levels\[0\] must be an integer in 1 … 10"),
        ({"relative": 1}, r"input\.relative must be true or false"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        InputOptions(**fields).for_images((1, 1, 4), 9)


@pytest.mark.parametrize(
    ("fields", "num_steps", "kind", "message"),
    [
        ({"relative": True}, 8, "recordings", r"input\.relative is for images"),
        ({"equalize": True}, 8, "recordings", r"input\.equalize is for images"),
        ({"levels": (3,)}, 8, "recordings", r"input\.levels is for images"),
        ({"relative": True}, 8, "steps", r"input\.relative is for images and recordings; .* holds steps"),
        ({"relative": True}, 1, "images", r"input\.relative does nothing where network\.num_steps = 1"),
        ({"equalize": True}, 1, "images", r"input\.equalize does nothing where network\.num_steps = 1"),
        ({"levels": (3, 1)}, 8, "images", r"input\.levels are 2, one a step are needed: network\.num_steps = 8"),
    ],
)
def test_options_that_would_do_nothing_are_refused(fields, num_steps, kind, message):
    from bstdg.learning.recipe import NetworkConfig, Recipe, TrainConfig

    recipe = Recipe(
        input=InputOptions(**fields),
        network=NetworkConfig(num_steps=num_steps),
        train=TrainConfig(shift=0),
    )
    if num_steps == 1:
        recipe = dataclasses.replace(recipe, loss=dataclasses.replace(recipe.loss, latency_weight=0.0))
    with pytest.raises(InputError, match=message):
        recipe_options.check(recipe, kind)


def test_at_one_step_a_relative_share_is_still_told_apart():
    from bstdg.learning.recipe import NetworkConfig, Recipe

    recipe = Recipe(input=InputOptions(relative=True, silent_below=0.5), network=NetworkConfig(num_steps=1))
    recipe_options.check(recipe, "images")
