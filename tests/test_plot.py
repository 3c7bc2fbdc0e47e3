"""The figure of a decision shows what the network did, and a file of it is the same whenever it is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from strategies import random_model

from bstdg import plot
from bstdg.errors import InputError
from bstdg.runtime import Model


def model(widths: tuple[int, ...], num_steps: int = 8) -> Model:
    return Model(random_model(widths, num_steps=num_steps))


def image(network: Model) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, network.packed.image_shape).astype(np.uint8)


@pytest.mark.parametrize("widths", [(20, 3), (20, 30, 3), (20, 30, 40, 3), (784, 600, 10), (6, 1)])
@pytest.mark.parametrize("num_steps", [1, 8, 254])
def test_a_panel_a_layer_and_the_decision_in_the_title(widths, num_steps):
    network = model(widths, num_steps)
    pixels = image(network)
    picture, *layers, output = plot.decision(network, pixels, label="seven").axes
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
        plot.save_decision(network, image(network), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.PDF", b"%PDF"), ("a.svg", b"<?xml")])
def test_the_ending_tells_the_kind(tmp_path, name, start):
    network = model((20, 3))
    plot.save_decision(network, image(network), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["a.bmp", "a", "svg"])
def test_another_ending_is_refused_and_leaves_nothing(tmp_path, name):
    network = model((20, 3))
    with pytest.raises(InputError, match=r"a figure ends in \.svg, \.png or \.pdf"):
        plot.save_decision(network, image(network), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    network = model((20, 3))
    with pytest.raises(FileNotFoundError):
        plot.save_decision(network, image(network), Path(tmp_path, "none", "a.svg"))
