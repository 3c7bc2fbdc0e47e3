"""The figure of a decision shows what the network did, and a file of it is the same whenever it is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from support.processes import loaded_by
from support.strategies import make_events, random_model

from bstdg import drawing
from bstdg.drawing import scene
from bstdg.drawing.films import HOLD, Film
from bstdg.errors import InputError
from bstdg.inputs.base import squeezed
from bstdg.inputs.coding import InputCoding
from bstdg.model.runtime import Model
from bstdg.spikes.events import Events


def model(widths: tuple[int, ...], num_steps: int = 8) -> Model:
    return Model(random_model(widths, num_steps=num_steps))


def image(network: Model) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, squeezed(network.packed.input.reads)).astype(np.uint8)


@pytest.mark.parametrize("widths", [(20, 3), (20, 30, 3), (20, 30, 40, 3), (784, 600, 10), (6, 1)])
@pytest.mark.parametrize("num_steps", [1, 8, 254])
def test_a_panel_a_layer_and_the_decision_in_the_title(widths, num_steps):
    network = model(widths, num_steps)
    pixels = image(network)
    picture, *layers, output = drawing.decision(network, pixels, label="seven").axes
    run = network.run(network.encode(pixels))
    step, label = int(run.decision.step[0]), int(run.decision.label[0])
    assert picture.get_title() == "image of seven"
    assert output.get_title() == f"output: {network.packed.classes[label]} at step {step}"
    spikes = [run.spikes[0], *(h[0] for h in run.trace.hidden)]
    assert len(layers) == len(widths) - 1
    for axis, steps in zip(layers, spikes, strict=True):
        assert f": {(steps <= step).sum()} of {len(steps)} fired" in axis.get_title()
        drawn = [{(int(s), int(j)) for s, j in points.get_offsets()} for points in axis.collections]
        wanted = {(int(s), j) for j, s in enumerate(steps) if s < num_steps}
        assert drawn[0] == {(s, j) for s, j in wanted if s <= step}  # before the decision
        assert drawn[1] == {(s, j) for s, j in wanted if s > step}  # after it, drawn pale
    lead = run.trace.potentials[0] - network.packed.layers[-1].thresholds
    for k, line in enumerate(output.lines[: widths[-1]]):
        np.testing.assert_array_equal(line.get_ydata(), lead[:, k])
    low, high = output.get_ylim()
    assert low < max(lead.min(), -60) < high
    assert low < 0 < high  # the threshold is always in sight


def test_the_same_decision_is_the_same_file(tmp_path):
    network = model((20, 30, 3))
    for name in ("a.svg", "b.svg"):
        drawing.save_decision(network, image(network), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.PDF", b"%PDF"), ("a.svg", b"<?xml")])
def test_the_ending_tells_the_kind(tmp_path, name, start):
    network = model((20, 3))
    drawing.save_decision(network, image(network), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["a.bmp", "a", "svg"])
def test_another_ending_is_refused_and_leaves_nothing(tmp_path, name):
    network = model((20, 3))
    with pytest.raises(InputError, match=r"a figure ends in \.svg, \.png or \.pdf"):
        drawing.save_decision(network, image(network), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    network = model((20, 3))
    with pytest.raises(FileNotFoundError):
        drawing.save_decision(network, image(network), Path(tmp_path, "none", "a.svg"))


def spoken(network: Model) -> Events:
    """A recording of several events a channel."""
    return make_events(np.random.default_rng(2), "random", 1, network.packed.widths[0], network.packed.num_steps)


def test_a_recording_has_no_picture_and_shows_every_event():
    network = Model(random_model((20, 9, 3), threshold=4, shape=(20,), coding=InputCoding()))
    events = spoken(network)
    axes = drawing.raster(network, events).axes
    assert len(axes) == 3
    step = int(network.run(events).decision.step[0])
    drawn = [tuple(map(int, point)) for dots in axes[0].collections for point in dots.get_offsets()]
    assert sorted(drawn) == sorted(zip(events.steps.tolist(), events.channels.tolist(), strict=True))
    heard = np.unique(events.channels[events.steps <= step]).size
    assert axes[0].get_title() == f"input: {heard} of 20 fired"


def test_arrays_of_steps_alone():
    rows = {"retina": np.array([0, 2, 8, 1], np.uint8), "cortex": np.array([8, 8], np.uint8)}
    first, second = drawing.raster(rows, num_steps=8, columns=1).axes
    assert (first.get_title(), second.get_title()) == ("retina: 3 of 4 fired", "cortex: 0 of 2 fired")
    assert [tuple(map(int, point)) for point in first.collections[0].get_offsets()] == [(0, 0), (2, 1), (1, 3)]
    assert len(second.collections[0].get_offsets()) == 0
    (axes,) = drawing.raster(np.array([3], np.uint8), num_steps=4).axes
    assert axes.get_xlim() == (-0.5, 3.5)
    (axes,) = drawing.raster(Events.from_steps(np.array([[1, 8, 0]], np.uint8), 8)).axes
    assert axes.get_title() == "spikes: 2 of 3 fired"


@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_panels_in_columns_fill_their_rows(number):
    figure = drawing.raster({str(i): np.zeros(3, np.uint8) for i in range(number)}, num_steps=2, columns=2)
    assert len(figure.axes) == number
    right = max(axes.get_position().x1 for axes in figure.axes)
    assert figure.axes[-1].get_position().x1 == pytest.approx(right, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((model((20, 3)),), {}, "needs a sample"),
        ((model((20, 3)), np.zeros((2, 1, 20), np.uint8)), {}, "one sample is drawn at a time, not 2"),
        ((model((20, 3)), np.zeros((3, 20), np.uint8)), {}, "one sample is drawn at a time, not 3"),
        ((model((20, 3)), np.zeros((4, 4), np.uint8)), {}, "reads images of 1 x 20"),
        ((np.zeros(4, np.uint8),), {}, "give num_steps"),
        ((np.zeros((2, 4), np.uint8),), {"num_steps": 8}, "integers"),
        ((np.zeros(4),), {"num_steps": 8}, "integers"),
        (({},), {}, "no steps to draw"),
        ((np.zeros(4, np.uint8),), {"num_steps": 8, "columns": 0}, "columns must be 1 or more"),
    ],
)
def test_what_cannot_be_drawn_is_said(arguments, keywords, message):
    with pytest.raises(InputError, match=message):
        drawing.raster(*arguments, **keywords)


def test_a_notebook_shows_a_figure_as_its_picture():
    network = model((20, 30, 3))
    figure = drawing.raster(network, image(network))
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in loaded_by(
        "import bstdg.drawing.rasters, bstdg.report, bstdg.drawing.films, bstdg.drawing.figure"
    )


@pytest.mark.parametrize("kind", ["image", "events"])
@pytest.mark.parametrize("widths", [(20, 3), (20, 9, 8, 3)])
def test_a_film_shows_each_spike_when_it_falls(widths, kind):
    if kind == "image":
        network = model(widths)
        sample = image(network)
    else:
        network = Model(random_model(widths, threshold=4, shape=(20,), coding=InputCoding()))
        sample = spoken(network)
    what = scene.scene(network, sample)
    film = Film(what, "seven")
    turns = len(widths)
    assert film.frames == (what.step + 1) * turns + HOLD
    for frame in range(film.frames):
        film.show(frame)
        step, turn = film.when(frame)
        for i, (layer, drawn) in enumerate(zip(what.layers, film._layers, strict=True)):
            seen = {tuple(map(int, p)) for dots in drawn[1:] for p in np.asarray(dots.get_offsets()).reshape(-1, 2)}
            until = step if i <= turn else step - 1
            points = zip(layer.steps.tolist(), layer.channels.tolist(), strict=True)
            assert seen == {(s, c) for s, c in points if s <= until and s < network.packed.num_steps}
            lit = np.asarray(drawn.firing.get_offsets()).reshape(-1, 2)
            assert set(lit[:, 0]) <= {step}
        shown = step + 1 if turn == turns - 1 else step
        for k, line in enumerate(film._lines):
            assert list(line.get_ydata()) == what.lead[:shown, k].tolist()
        title = film._output.get_title()
        assert title == (f"output: {what.classes[what.label]} at step {what.step}" if shown > what.step else "output")
    assert (step, turn) == (what.step, turns - 1)
    film.show(0)  # a player that starts again
    assert film._output.get_title() == "output"


def test_a_film_is_a_gif_or_a_player(tmp_path):
    network = model((20, 30, 3))
    for name in ("a.gif", "b.GIF"):
        drawing.save_decision(network, image(network), tmp_path / name)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.GIF").read_bytes()
    with Image.open(tmp_path / "a.gif") as film:
        assert film.format == "GIF"
        assert film.n_frames > 1
    with pytest.raises(FileNotFoundError):
        drawing.save_decision(network, image(network), tmp_path / "none" / "a.gif")
    assert drawing.animate(network, image(network)).to_jshtml().count("data:image/png;base64") > HOLD
