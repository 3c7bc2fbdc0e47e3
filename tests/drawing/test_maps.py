"""Maps are drawn as pictures: every neuron in the colour of its step, in figures and in films."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from support.sliding import sliding
from support.strategies import make_events, make_steps, reading

from bstdg import drawing
from bstdg.drawing import scene
from bstdg.drawing.films import HOLD, Film
from bstdg.drawing.maps import GAP, Curve, Maps, across, legend, mosaic, palette
from bstdg.drawing.style import LIT, NEVER, PALE, RAMP
from bstdg.errors import InputError
from bstdg.layers import size
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import Model

SEEDS = {"grey": 2, "colour": 13, "signal": 3, "maps": 3, "signals": 2}  # with which they decide in the middle
NETWORKS = {
    "grey": ((1, 12, 10), ["5c3p1", "pool2", "9c2s2", 20]),
    "colour": ((3, 9, 9), ["20c3s2", "pool2n2"]),
    "signal": ((1, 1, 40), ["6c1x5s1x2p0x2", "pool1x2", 7]),
    "maps": ((5, 4, 6), ["3c2g1"]),
    "signals": ((2, 1, 30), ["4c1x3"]),
}


def model(reads, written, num_steps: int = 8, seed: int = 0) -> Model:
    layers = sliding(reads, written, seed=seed, threshold=4)
    return Model(PackedModel(reading(shape=reads), layers, num_steps, tuple(f"class {k}" for k in range(4))))


def image(reads) -> np.ndarray:
    """Not bright, so that there are steps before the decision, and after it."""
    return np.random.default_rng(3).integers(0, 220, reads).astype(np.uint8)


@pytest.fixture(params=NETWORKS)
def network(request) -> tuple[str, Model, np.ndarray]:
    reads, written = NETWORKS[request.param]
    return request.param, model(reads, written, seed=SEEDS[request.param]), image(reads)


def cells(shown: Maps | Curve) -> np.ndarray:
    """Colours as they are drawn, `[…, 4]`."""
    return np.asarray(shown.image.get_array() if isinstance(shown, Maps) else shown.dots.get_facecolor())


def count(shown: Maps | Curve, colour) -> int:
    return int(np.isclose(cells(shown), to_rgba(colour), atol=1e-6).all(axis=-1).sum())


@pytest.mark.parametrize("most", [1, 2, 3, 16])
@pytest.mark.parametrize("maps", [(1, 3, 2), (5, 2, 4), (7, 1, 5), (16, 3, 3)])
def test_a_mosaic_holds_each_neuron_once_in_its_place(maps, most):
    steps = np.arange(size(maps))
    laid = mosaic(steps, maps, across(maps[0], most))
    assert sorted(laid[laid != GAP].tolist()) == steps.tolist()
    for tile in steps.reshape(maps):
        y, x = (int(at[0]) for at in np.nonzero(laid == tile[0, 0]))
        np.testing.assert_array_equal(laid[y : y + maps[1], x : x + maps[2]], tile)


def test_colours_tell_the_steps_apart():
    colours = palette(8, 3)
    assert len({tuple(row) for row in colours[:4].round(3).tolist()}) == 4
    assert (np.diff(colours[:4, :3].sum(axis=1)) > 0.2).all()  # the sooner the darker
    assert {tuple(row) for row in colours[4:8].tolist()} == {to_rgba(PALE)}
    assert [tuple(colours[step]) for step in (0, 3)] == [to_rgba(RAMP[0]), to_rgba(RAMP[-1])]
    assert tuple(colours[8]) == to_rgba(NEVER) and colours[GAP, 3] == 0
    assert tuple(palette(8, 3, now=2)[2]) == to_rgba(LIT)
    assert len(palette(1, 0)) == 3
    said = [handle.get_label() for handle in legend(8, 3, film=False)]
    assert said == ["step 0", "1", "2", "3", "after the decision", "never"]
    assert [handle.get_label() for handle in legend(254, 253, film=False)][-2:] == ["253", "never"]
    assert [handle.get_label() for handle in legend(8, 0, film=True)] == ["step 0", "now", "not yet"]


def test_every_neuron_has_the_colour_of_its_step(network):
    kind, runs, pixels = network
    what = scene.scene(runs, pixels)
    run = runs.run(runs.encode(pixels))
    spikes = [run.spikes[0], *(h[0] for h in run.trace.hidden)]
    assert 0 < what.step < 7 and (spikes[0] > what.step).any() and (spikes[0] == what.step).any()
    figure = drawing.raster(what, label="seven")
    parts = {axis.get_title().split(":")[0].split(",")[0]: axis for axis in figure.axes}
    colours = palette(8, what.step)
    for layer, steps in zip(what.layers, spikes, strict=True):
        axis = parts[layer.name]
        assert axis.get_title().endswith(f": {(steps <= what.step).sum()} of {len(steps)} fired")
        if layer.maps is None:
            drawn = sum(len(dots.get_offsets()) for dots in axis.collections)
            assert drawn == (steps < 8).sum()
            continue
        found = axis.images[0].get_array() if axis.images else axis.collections[0].get_facecolor()
        for step in range(8):
            wanted = int((steps == step).sum()) if step <= what.step else int(((steps > what.step) & (steps < 8)).sum())
            assert int(np.isclose(found, colours[step], atol=1e-6).all(axis=-1).sum()) == wanted
    assert ("image of seven" in parts) == (kind in ("grey", "colour"))
    beside = {"signal": "signal of seven", "signals": "sample of seven", "maps": "sample of seven"}.get(kind, "")
    assert parts["input"].get_title(loc="left") == beside


def test_the_written_layer_stands_above_its_maps():
    reads, written = NETWORKS["grey"]
    titles = [axis.get_title() for axis in drawing.raster(model(reads, written), image(reads)).axes]
    assert [title.split(":")[0] for title in titles] == [
        "image", "input", "hidden 1, 5c3p1", "hidden 2, pool2", "hidden 3, 9c2s2", "hidden 4", "output",
    ]  # fmt: skip


def test_a_film_fills_maps_step_by_step(network):
    _, runs, pixels = network
    what = scene.scene(runs, pixels)
    film = Film(what, "seven")
    turns = len(what.layers) + 1
    assert film.frames == (what.step + 1) * turns + HOLD
    colours = palette(8, what.step)
    for frame in range(film.frames):
        film.show(frame)
        step, turn = film.when(frame)
        for i, (layer, shown) in enumerate(zip(what.layers, film._layers, strict=True)):
            if layer.maps is None:
                continue
            steps, until = layer.first(8), step if i <= turn else step - 1
            assert count(shown, LIT) == (int((steps == step).sum()) if until == step else 0)
            for t in range(step):
                assert count(shown, colours[t]) == int((steps == t).sum())
            assert not any(count(shown, colours[t]) for t in range(step + 1, 8))
            if isinstance(shown, Maps):
                assert count(shown, NEVER) == int((steps > until).sum())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("num_steps", "columns"), [(1, None), (254, 1), (8, 2)])
def test_maps_of_any_number_of_steps(name, num_steps, columns):
    reads, written = NETWORKS[name]
    figure = drawing.raster(model(reads, written, num_steps), image(reads), columns=columns)
    for axis in figure.axes:
        box = axis.get_position()
        assert 0 <= box.x0 < box.x1 <= 1.001 and 0 <= box.y0 < box.y1 <= 1.001


def test_columns_must_be_some():
    with pytest.raises(InputError, match="columns must be 1 or more"):
        drawing.raster(model(*NETWORKS["grey"]), image((1, 12, 10)), columns=0)


def test_of_several_events_the_first_colours_a_neuron():
    rng = np.random.default_rng(0)
    events = make_events(rng, "random", 1, 12, 8)
    steps = scene.layer_of("input", events).first(8)
    for channel in range(12):
        there = events.steps[events.channels == channel]
        assert steps[channel] == (there.min() if len(there) else 8)
    row = make_steps(rng, "random", 1, 12, 8)[0]
    np.testing.assert_array_equal(scene.layer_of("input", row).first(8), row)


@pytest.mark.parametrize("kind", ["svg", "png", "gif"])
def test_the_same_maps_are_the_same_file(tmp_path, kind):
    runs, pixels = model(*NETWORKS["grey"]), image((1, 12, 10))
    for name in ("a", "b"):
        drawing.save_decision(runs, pixels, tmp_path / f"{name}.{kind}", "seven")
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
