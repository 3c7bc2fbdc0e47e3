"""The report's figures are those of `bstdg eval`, its drawings hold the data, and it is refused what it must be."""

from __future__ import annotations

import html.parser
import importlib
import json
import re
import shutil
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from support.paths import GOLDEN
from support.processes import on_a_terminal
from support.strategies import LEAST, Case, cases, events_of, random_model, reading

from bstdg import datasets, report
from bstdg.cli import app
from bstdg.datasets import Dataset, EventDataset
from bstdg.drawing.rasters import raster
from bstdg.drawing.style import INK, LIT
from bstdg.engine import oracle
from bstdg.engine.decide import decide
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs.coding import InputCoding
from bstdg.model import energy, packed, runtime
from bstdg.model.packed import PackedModel
from bstdg.model.runtime import Model, Run
from bstdg.report import costs, neurons
from bstdg.report.looks import BLUE, wilson
from bstdg.report.measure import _Counts, check_samples, telling
from bstdg.report.svg import inline

DIGITS = GOLDEN / "digits.bstdg"
SMALL = ["--set", "epochs=3", "--set", "hidden=[24]", "--set", "limit=300"]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return datasets.load("digits", "test")


@pytest.fixture(scope="module")
def measured(digits) -> report.Measured:
    return report.measure(Model(packed.load(DIGITS)), digits, name="golden")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A small training, in the folder it left."""
    out = tmp_path_factory.mktemp("report") / "small"
    assert app(["train", "--out", str(out), *SMALL], standalone_mode=False) == 0
    return out


@pytest.fixture(scope="module")
def history(run) -> report.History:
    return report.beside(run / "model.bstdg", packed.load(run / "model.bstdg"))


class Reader(html.parser.HTMLParser):
    """Exact values, headings, ids and table rows of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.labels: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        assert "style" not in given, "a style attribute, which the page's policy forbids"
        if tag == "data":
            self.values.append(given["value"])
        if "id" in given:
            self.ids.append(given["id"])
        if given.get("role") == "img":
            self.labels.append(given["aria-label"])


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


# --- figures are those of eval ---------------------------------------------------------------------------------------


def test_figures_equal_eval_to_the_last_bit(bstdg, tmp_path):
    out = tmp_path / "r.html"
    status, printed, _ = bstdg("report", DIGITS, "--out", out, "--samples", "3", "--json")
    assert status == 0
    (told,) = json.loads(printed)["models"]
    row = json.loads(bstdg("eval", DIGITS, "--json")[1])
    assert {key: told[key] for key in row} == row
    shown = [json.loads(value) for value in read(out).values]
    keys = ("accuracy", "tie_rate", "silent_rate", "decision_step_mean", "input_spikes_to_decision",
            "hidden_spikes_to_decision", "synaptic_operations_to_decision")  # fmt: skip
    assert shown == [row[key] for key in keys]


@settings(max_examples=150)
@given(cases(), st.data())
def test_counts_of_any_network_agree_with_the_oracle(case: Case, data):
    layers = tuple(replace(layer, thresholds=np.maximum(layer.thresholds, LEAST + 1)) for layer in case.layers)
    names = tuple("abcdefghijkl")[: case.widths[-1]]
    model = PackedModel(reading((case.widths[0],), 1), layers, case.num_steps, names)
    trace = oracle.forward(layers, case.spikes, case.num_steps)
    decision = decide(trace.potentials, layers[-1].thresholds)
    right_at = data.draw(st.integers(0, case.num_steps - 1))  # stopped there, the network is right of every sample
    truth = decide(trace.potentials[:, : right_at + 1], layers[-1].thresholds).label
    counts = _Counts(model)
    for part in (slice(0, 1), slice(1, None)):
        if len(truth[part]):
            piece = type(trace)(tuple(h[part] for h in trace.hidden), trace.potentials[part])
            cut = type(decision)(*(column[part] for column in decision))
            counts.add(Run(case.spikes[part], piece, cut), truth[part])
    told = counts.measured("m", SimpleNamespace(name="d", split="test"), len(truth), "oracle")
    assert told.confusion.sum() == len(truth)
    assert np.trace(told.confusion) / len(truth) == told.figures["accuracy"]
    assert sum(told.operations) == pytest.approx(told.figures["synaptic_operations_to_decision"])
    sent = [len(events_of(case.spikes, i, case.num_steps)) for i in range(len(truth))]
    every = [sum(sent), *(int((steps < case.num_steps).sum()) for steps in trace.hidden)]
    assert told.all_operations == pytest.approx(np.array(every) * case.widths[1:] / len(truth))
    assert all(some <= all_ for some, all_ in zip(told.operations, told.all_operations, strict=True))
    assert told.dense_operations == tuple(a * b for a, b in pairwise(case.widths))
    assert told.stopped[right_at] == len(truth)
    for t in range(case.num_steps):  # stopped at t: the network with T = t + 1
        short = decide(trace.potentials[:, : t + 1], layers[-1].thresholds)
        assert told.stopped[t] == (short.label == truth).sum()
    for fired, steps in zip(told.fired, trace.hidden, strict=True):
        for neuron in range(len(fired)):
            alive = steps[:, neuron][steps[:, neuron] < case.num_steps]
            assert fired[neuron].tolist() == np.bincount(alive, minlength=case.num_steps).tolist()
    assert told.decided.sum() == len(truth)
    assert told.right.sum() == np.trace(told.confusion)


def test_limit_judges_the_first_samples_only(digits):
    model = Model(packed.load(DIGITS))
    told = report.measure(model, digits, limit=30)
    assert told.figures == model.evaluate(digits.images[:30], digits.labels[:30])


def test_samples_are_judged_in_batches_and_each_is_told_of():
    model = Model(random_model((20, 5, 3), shape=(4, 5)))
    rng, told = np.random.default_rng(0), []
    noise = Dataset("noise", "test", rng.integers(0, 256, (2300, 4, 5)).astype(np.uint8), rng.integers(0, 3, 2300), 255,
                    tuple(model.packed.classes))  # fmt: skip
    all_of_it = report.measure(model, noise, advance=told.append)
    assert (sum(told), len(told) > 1) == (2300, True)
    assert all_of_it.figures == model.evaluate(noise.images, noise.labels)
    assert report.measure(model, noise, limit=1).samples == 1
    for limit in (0, -1):
        with pytest.raises(InputError, match=f"at least 1 sample is judged, not {limit}"):
            report.measure(model, noise, limit=limit)


def decided(measured: report.Measured, *samples: tuple[int, int, int, bool]) -> report.Measured:
    """As if these had been the samples: label, what was decided, when, and whether silently."""
    truth, label, step, silent = (np.array(column) for column in zip(*samples, strict=True))
    return replace(measured, truth=truth, label=label, step=step, silent=silent)


def test_telling_samples_by_hand(measured):
    told = decided(measured, (1, 1, 4, False), (2, 2, 0, False), (3, 4, 5, False), (3, 3, 7, False), (5, 6, 2, False),
                   (5, 7, 6, True), (1, 2, 7, True), (1, 2, 7, True), (6, 6, 5, True))  # fmt: skip
    # The first right one, the first wrong one, the first wrong and silent one; the earliest and latest of either kind.
    assert telling(told, 10) == [0, 1, 2, 3, 4, 5, 6]
    assert telling(told) == [0, 1, 2, 3, 4, 5]
    assert telling(told, 2) == [0, 1]
    assert telling(decided(measured, (1, 1, 3, True))) == [0]
    # A right decision that was silent is nothing special.
    told = decided(measured, (1, 1, 0, False), (2, 2, 3, True), (3, 3, 7, False), (4, 5, 2, False))
    assert telling(told) == [0, 2, 3]
    assert telling(decided(measured, (1, 2, 3, False), (1, 2, 3, False), (1, 2, 5, True))) == [0, 2]


def test_a_neuron_is_saturated_that_fires_at_once_for_nine_of_ten_samples(measured):
    told = replace(decided(measured, *[(1, 1, 0, False)] * 20), fired=(np.array([[18, 2], [17, 3], [0, 20], [20, 0]]),))
    assert [layer.tolist() for layer in told.saturated()] == [[0, 3]]
    assert [layer.tolist() for layer in told.dead()] == [[]]


def test_telling_samples_are_of_several_kinds(measured):
    chosen = telling(measured)
    assert chosen == sorted(set(chosen))
    right = measured.label == measured.truth
    assert np.flatnonzero(right)[0] in chosen
    assert np.flatnonzero(~right)[0] in chosen
    assert measured.step[right].max() in measured.step[chosen]
    assert check_samples([3, 1, 3, 0, 4], 5) == [3, 1, 0, 4]
    for absent in (5, -1):
        with pytest.raises(InputError, match=f"--samples: {absent} is not there: 5 samples"):
            check_samples([0, absent], 5)


def test_dead_and_saturated_neurons(digits):
    model = random_model((64, 6, 10), threshold=0, shape=(8, 8), white=16)
    layer = model.layers[0]
    layer.thresholds[:] = [65, 65, -65, 0, 0, 0]
    told = report.measure(Model(model), digits)
    assert told.dead()[0][:2].tolist() == [0, 1]
    assert 2 in told.saturated()[0]
    assert 2 not in told.dead()[0]


# --- drawings hold the data ------------------------------------------------------------------------------------------


def test_confusion_shows_every_count(measured):
    (axes,) = report.confusion(measured).axes
    counts = measured.confusion
    shown = {(int(text.get_position()[1]), int(text.get_position()[0])): int(text.get_text()) for text in axes.texts}
    assert shown == {(i, j): int(counts[i, j]) for i, j in zip(*np.nonzero(counts), strict=True)}
    for patch in axes.patches:
        column, row = (round(edge + 0.5) for edge in patch.get_xy())
        assert to_hex(patch.get_facecolor()) == (neurons.BLUE if row == column else LIT)


def test_anytime_and_decision_steps(measured):
    (axes,) = report.anytime(measured).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 100 * measured.stopped / measured.samples)
    assert axes.lines[0].get_ydata()[-1] == pytest.approx(100 * measured.figures["accuracy"])
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, 100 * np.cumsum(measured.decided) / measured.samples)
    above, below = report.decision_steps(measured).axes
    some = measured.decided > 0
    np.testing.assert_allclose(above.lines[0].get_ydata(), 100 * measured.right[some] / measured.decided[some])
    bars = np.array([bar.get_height() for bar in below.patches]).reshape(2, -1)
    np.testing.assert_allclose(bars.sum(axis=0), 100 * measured.decided / measured.samples)
    assert bars[1].sum() == pytest.approx(100 * measured.figures["silent_rate"])
    np.testing.assert_allclose([bar.get_y() for bar in below.patches], [*np.zeros(len(bars[0])), *bars[0]])
    bounds = 100 * np.array(wilson(measured.right[some], measured.decided[some])).T
    drawn = [[end[1] for end in bar] for bar in above.collections[0].get_segments()]
    np.testing.assert_allclose(drawn, bounds)
    assert measured.silent.any() == (below.get_legend() is not None)
    least, _ = wilson(measured.right[some], measured.decided[some])
    assert above.get_ylim()[0] <= 100 * least.min()


def test_steps_at_which_a_single_sample_is_decided_have_their_accuracy(measured):
    step = np.where(np.arange(measured.samples) == 0, 1, 3)
    above, _ = report.decision_steps(replace(measured, step=step)).axes
    assert above.lines[0].get_xdata().tolist() == [1, 3]
    least, _ = wilson(np.array([int(measured.label[0] == measured.truth[0])]), np.array([1]))
    assert above.get_ylim()[0] == max(0, 10 * np.floor(10 * least[0] - 0.3))  # room for the bar's lower end


def many_classes(number: int) -> report.Measured:
    """What a random network of so many classes, with names of two letters, makes of noise that is mostly of class 0."""
    model = random_model((20, number), 8, threshold=3)
    model = Model(replace(model, classes=tuple(f"c{chr(97 + k)}" for k in range(number))))
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (400, 1, 20)).astype(np.uint8), rng.integers(0, number, 400) // 3
    return report.measure(model, Dataset("noise", "test", pixels, labels, 255, model.packed.classes))


@pytest.mark.parametrize(("classes", "numbered"), [(12, True), (13, False)])
def test_confusion_is_redder_the_larger_the_share(classes, numbered):
    told = many_classes(classes)
    (axes,) = report.confusion(told).axes
    share = told.confusion / np.maximum(told.confusion.sum(axis=1, keepdims=True), 1)
    cells = {(round(cell.get_y() + 0.5), round(cell.get_x() + 0.5)): cell for cell in axes.patches}
    wrong = [(share[place], cell.get_alpha()) for place, cell in cells.items() if place[0] != place[1]]
    right = [(share[place], cell.get_alpha()) for place, cell in cells.items() if place[0] == place[1]]
    assert len({s for s, _ in wrong}) > 2 and len({s for s, _ in right}) > 1
    for some in (wrong, right):
        assert all((a < b) == (alpha < beta) for (a, alpha), (b, beta) in pairwise(sorted(some)) if a != b)
    for s, alpha in wrong:
        assert alpha == pytest.approx(0.08 + 0.55 * s**0.5)
    assert all(to_hex(cell.get_facecolor()) == (BLUE if a == b else LIT) for (a, b), cell in cells.items())
    assert {(cell.get_width(), cell.get_height()) for cell in cells.values()} == {(1, 1)}
    words = {(round(word.get_position()[1]), round(word.get_position()[0])): word for word in axes.texts}
    assert words.keys() == (cells.keys() if numbered else set())
    for (a, b), word in words.items():
        assert (word.get_text(), word.get_weight()) == (str(told.confusion[a, b]), "bold" if a == b else "normal")
    assert axes.get_xlim() == (-0.5, classes - 0.5) and axes.get_ylim() == (classes - 0.5, -0.5)
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {0}


def test_the_only_sample_of_a_class_is_all_of_it(measured):
    counts = np.zeros_like(measured.confusion)
    counts[3, 5] = 1
    (axes,) = report.confusion(replace(measured, confusion=counts)).axes
    assert [cell.get_alpha() for cell in axes.patches] == [pytest.approx(0.08 + 0.55)]


def test_long_names_are_turned(measured):
    named = replace(measured, model=replace(measured.model, classes=tuple(f"c{k:02}" for k in range(10))))
    (axes,) = report.confusion(named).axes
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {90}


def test_neurons(measured):
    (axes,) = report.firing(measured).axes
    share = axes.lines[0].get_ydata()
    assert np.all(np.diff(share) <= 0)
    assert share.sum() / 100 == pytest.approx(measured.figures["hidden_spikes"])
    (axes,) = report.firing_steps(measured).axes
    assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(measured.figures["hidden_spikes"])


def test_receptive_fields_are_the_weights(measured):
    (axes,) = report.fields(measured).axes
    ink = axes.images[0].get_array()[..., 3]
    rows = neurons.chosen_fields(measured)
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"step {step}" for step, _ in rows]
    usual = neurons.usual_steps(measured.fired[0])
    for i, (step, chosen) in enumerate(rows):
        for j, neuron in enumerate(chosen):
            assert usual[neuron] == step
            field = ink[10 * i : 10 * i + 8, 10 * j : 10 * j + 8]
            np.testing.assert_array_equal(field, measured.model.layers[0].signs[neuron].reshape(8, 8) > 0)


def test_thresholds_before_and_after(run, history, digits):
    model = runtime.load(run / "model.bstdg")
    told = report.measure(model, digits, limit=20)
    start = json.loads((run / "start.json").read_text())["thresholds"]
    assert history.start == tuple(map(tuple, start))
    for i, axes in enumerate(report.thresholds(told, history).axes):
        bars = axes.patches[:-1]
        assert sum(bar.get_height() for bar in bars) == len(start[i])
        low, high = bars[0].get_x(), bars[-1].get_x() + bars[-1].get_width()
        assert low < min(start[i]) <= max(start[i]) < high
        outline = axes.patches[-1].get_xy()
        assert outline[:, 1].max() == np.histogram(start[i], [bar.get_x() for bar in bars] + [high])[0].max()
    alone = report.thresholds(told).axes
    assert [axes.get_title(loc="left") for axes in alone] == ["hidden 1", "output"]


def test_training_is_its_log(run, history):
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    above, middle, below = report.training(history).axes
    assert list(above.lines[0].get_ydata()) == [100 * row["accuracy"] for row in rows]
    assert list(middle.lines[0].get_ydata()) == [100 * row["flip_ratio"] for row in rows]
    np.testing.assert_allclose(below.lines[0].get_ydata(), [100 * row["silent_share"][0] for row in rows])
    assert above.lines[1].get_xdata()[0] == json.loads((run / "report.json").read_text())["best_epoch"]
    with pytest.raises(InputError, match="no log"):
        report.training(report.History())


def test_cost(measured):
    (axes,) = report.operations(measured).axes
    assert_in_sight(axes)
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(
        sum(measured.operations) + sum(measured.all_operations) + sum(measured.dense_operations)
    )
    assert axes.texts[0].get_text() == f"{measured.figures['synaptic_operations_to_decision']:,.0f}"
    (axes,) = report.energy(measured).axes
    guess = energy.of_report({"widths": measured.model.widths, "test": measured.figures})
    assert axes.lines[0].get_xdata()[0] == pytest.approx(guess["estimate_pj"]["total"] / 1000)
    assert "estimate" in axes.get_xlabel()


def assert_in_sight(axes) -> None:
    """All that is drawn lies within the limits of its axes, rows from the top, and fills half of them at least."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    boxes = [bar.get_bbox() for bar in axes.patches]
    across = [x for line in axes.lines for x in line.get_xdata()] + [x for box in boxes for x in (box.x0, box.x1)]
    down = [y for line in axes.lines for y in line.get_ydata()] + [y for box in boxes for y in (box.y0, box.y1)]
    assert left <= min(across) < max(across) <= right
    assert top <= min(down) < max(down) <= bottom
    if axes.get_xscale() == "log":
        left, right, across = np.log10(left), np.log10(right), np.log10(across)
    assert max(across) - min(across) > (right - left) / 2
    assert max(down) - min(down) > (bottom - top) / 2


def total_energy(kind: str, told: report.Measured) -> float:
    """Nanojoules of a decision, as `bstdg energy` would count them for a network of these widths."""
    row = {"widths": told.model.widths, "test": told.figures, "baseline": kind}
    return energy.of_report(row)["estimate_pj"]["total"] / 1000


def test_energy_is_drawn_beside_that_of_ordinary_networks(measured):
    (axes,) = report.energy(measured).axes
    names = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert names == ["this network, to its decision", "one-bit weights, no spikes", "float32, no spikes"]
    expected = [total_energy(kind, measured) for kind in ("bstdg", "binary", "mlp")]
    assert expected[0] < expected[1] < expected[2]
    assert [float(line.get_xdata()[0]) for line in axes.lines] == pytest.approx(expected)
    assert [line.get_ydata()[0] for line in axes.lines] == [0, 1, 2]
    shown = [float(text.get_text().removesuffix(" nJ").replace(",", "")) for text in axes.texts]
    assert shown == pytest.approx(expected, rel=0.005)
    assert [(line.get_color(), line.get_marker()) for line in axes.lines] == [(LIT, "o"), (INK, "s"), (INK, "s")]
    assert_in_sight(axes)


def test_three_digits_of_an_energy_are_told():
    told = [costs.nanojoules(value) for value in (0.12345, 12.345, 99.94, 100.0, 1234.5)]
    assert told == ["0.123", "12.3", "99.9", "100", "1,234"]


def test_costs_are_the_parts_of_the_estimate(measured):
    for cost, kind in zip(costs.costs(measured), ("bstdg", "binary", "mlp"), strict=True):
        row = {"widths": measured.model.widths, "test": measured.figures, "baseline": kind}
        parts = energy.of_report(row)["estimate_pj"]
        assert cost.arithmetic == pytest.approx(parts["arithmetic"] / 1000)
        assert cost.weights == pytest.approx(parts["sram_weights"] / 1000)
        assert cost.sums == pytest.approx(parts["sram_state"] / 1000)
        assert cost.total == pytest.approx(parts["total"] / 1000)


def test_models_side_by_side(measured):
    panels = report.comparison([measured, measured]).axes
    assert list(panels[0].lines[0].get_xdata()) == [100 * measured.figures["accuracy"]] * 2
    for axes, key in zip(panels[1:], ("decision_step_mean", "hidden_spikes_to_decision",
                                      "synaptic_operations_to_decision"), strict=True):  # fmt: skip
        assert [bar.get_width() for bar in axes.patches] == [measured.figures[key]] * 2
    hits = np.array([measured.right.sum()])
    bounds = [100 * float(bound[0]) for bound in wilson(hits, np.array([measured.samples]))]
    for bar, row in zip(panels[0].collections[0].get_segments(), (0, 1), strict=True):
        np.testing.assert_allclose(bar, [[bounds[0], row], [bounds[1], row]])
    assert [panels[3].xaxis.get_major_formatter()(value) for value in (0, 2500)] == ["0", "2.5k"]
    assert panels[0].get_ylim() == (1.5, -0.5)
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles[0] == "accuracy, %" and all(titles)


@pytest.mark.parametrize(("widths", "num_steps"), [((20, 3), 1), ((20, 5, 4, 3), 254), ((20, 1, 30), 8)])
def test_every_size_can_be_drawn(widths, num_steps):
    model = Model(random_model(widths, num_steps, threshold=3))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (12, 1, 20)).astype(np.uint8)
    noise = Dataset("noise", "test", pixels, rng.integers(0, widths[-1], 12), 255, tuple(model.packed.classes))
    told = report.measure(model, noise)
    for draw in (report.confusion, report.anytime, report.decision_steps, report.thresholds, report.operations):
        assert inline(draw(told), "x").startswith("<svg ")
    if len(widths) > 2:
        assert len(report.firing(told).axes[0].lines) == len(widths) - 2
    else:
        with pytest.raises(InputError, match="no hidden neurons"):
            report.firing(told)
    with pytest.raises(InputError, match=r"no hidden neurons|no image"):
        report.fields(told)


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(run, tmp_path_factory) -> Path:
    """A report, with its figures in a folder beside it."""
    out = tmp_path_factory.mktemp("page") / "r.html"
    told = report.write([run / "model.bstdg"], out, samples=[0, 3], figures=out.parent / "figures")
    assert told["bytes"] == out.stat().st_size
    return out


def test_the_page_holds_all_parts_and_reaches_nowhere(page):
    text, reader = page.read_text(encoding="utf-8"), read(page)
    assert page.stat().st_size < 1_000_000
    for part in ("figures", "decisions", "time", "neurons", "training", "cost", "model"):
        assert part in reader.ids
    drawn = {"sample-0", "sample-3", "positions", "decision-steps", "anytime", "confusion", "firing",
             "firing-steps", "margins", "fields", "training", "thresholds", "operations", "energy"}  # fmt: skip
    assert {f"fig-{name}" for name in drawn} <= set(reader.ids)
    assert len(reader.labels) == len(drawn)
    assert len(reader.ids) == len(set(reader.ids))
    assert "script" not in reader.tags
    assert "default-src 'none'; style-src 'sha256-" in text
    assert re.findall(r"""(?:src|href)=["'](?!#|data:)""", text) == []
    assert re.findall(r"url\((?!#)", text) == []
    assert "an estimate of the energy" in text.lower()
    assert energy.TABLE in text
    assert "<dt>Ties</dt>" in text


@pytest.mark.parametrize("threshold", [-5, 40])  # hidden neurons that all fire at once, and that never do
def test_operations_are_told_as_a_share_of_a_dense_pass(tmp_path, threshold):
    model = random_model((64, 30, 10), shape=(8, 8), white=16, trained={"data": "digits"})
    model.layers[0].thresholds[:] = threshold
    packed.save(model, tmp_path / "model.bstdg")
    (told,) = report.write([tmp_path / "model.bstdg"], tmp_path / "r.html", samples=[0], limit=50)["models"]
    share = told["synaptic_operations_to_decision"] / (64 * 30 + 30 * 10)
    assert f"Up to the decision they are {share:.1%} of the multiply-accumulates of one dense pass" in (
        tmp_path / "r.html"
    ).read_text(encoding="utf-8")
    assert told["dense_operations_by_layer"] == [64 * 30, 30 * 10]


def test_a_network_whose_hidden_neurons_never_fire_has_a_report(tmp_path):
    model = random_model((64, 7, 10), shape=(8, 8), white=16, trained={"data": "digits"})
    model.layers[0].thresholds[:] = 65
    packed.save(model, tmp_path / "model.bstdg")
    (told,) = report.write([tmp_path / "model.bstdg"], tmp_path / "r.html", samples=[0], limit=50)["models"]
    assert told["dead_neurons"] == [7]
    assert "fig-fields" not in read(tmp_path / "r.html").ids
    assert "No neuron of the first layer fired" in (tmp_path / "r.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="no neuron of the first layer fired"):
        report.fields(report.measure(runtime.load(tmp_path / "model.bstdg"), datasets.load("digits", "test")))


def test_the_bar_of_the_figures_ends_when_all_are_drawn(run, tmp_path):
    """On a terminal: the bar's number of figures, and how far it came, are those that the page has."""
    program = "import sys; from bstdg import report; report.write([sys.argv[1]], sys.argv[2], show_progress=True)"
    shown = on_a_terminal([sys.executable, "-c", program, run / "model.bstdg", tmp_path / "r.html"])
    counted = re.findall(r"drawing: .*?(\d+) of (\d+) figures", shown)
    number = str(len(read(tmp_path / "r.html").labels))
    assert {total for _, total in counted} == {number}
    assert counted[-1] == (number, number)


def test_the_same_inputs_give_the_same_bytes_and_figures(run, page, tmp_path):
    report.write([run / "model.bstdg"], tmp_path / "r.html", samples=[0, 3], figures=tmp_path / "figures")
    first, second = (sorted(path for path in folder.rglob("*.*")) for folder in (page.parent, tmp_path))
    assert len(first) == 1 + 2 * 14
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "figures" / "sample-3.png").read_bytes().startswith(b"\x89PNG")


def test_several_models_are_laid_side_by_side(run, tmp_path, bstdg):
    out = tmp_path / "r.html"
    status, printed, err = bstdg("report", run / "model.bstdg", DIGITS, "--out", out, "--samples", 0, "--limit", 40,
                                 "--json")  # fmt: skip
    assert (status, err) == (0, [])
    told = json.loads(printed)
    assert [one["name"] for one in told["models"]] == ["small", "digits"]
    ids = read(out).ids
    assert {"fig-comparison", "model-1", "model-2", "fig-model-1-sample-0", "fig-model-2-sample-0"} <= set(ids)
    assert len(ids) == len(set(ids))
    text = out.read_text(encoding="utf-8")
    assert "There is no log of the training beside the model file." in text  # of the golden one
    assert "there is no start.json beside the model" in text
    for one in told["models"]:
        assert f"<td>{one['accuracy']:.2%}</td>" in text


def test_a_lone_file_takes_no_log_of_another_network(run, tmp_path):
    shutil.copy(run / "log.jsonl", tmp_path)
    shutil.copy(run / "report.json", tmp_path)
    shutil.copy(DIGITS, tmp_path / "model.bstdg")
    assert report.beside(tmp_path / "model.bstdg", packed.load(DIGITS)) == report.History()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("log.jsonl", '{"epoch": 1}\n', "line 1 is no row of an epoch"),
        ("log.jsonl", "{", "line 1 is no row of an epoch"),
        ("report.json", "[1]", "is no JSON object"),
        ("report.json", "{", "is no JSON"),
        ("start.json", '{"thresholds": 3}', "holds no thresholds"),
        ("start.json", '{"thresholds": [[1, 2], [3]]}', "of another network"),
        ("start.json", '{"thresholds": [["x", 1]]}', "of another network"),
    ],
)
def test_damaged_neighbours_are_named(run, tmp_path, file, content, message):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / file).write_text(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        report.beside(tmp_path / "run" / "model.bstdg", packed.load(run / "model.bstdg"))
    assert str(tmp_path / "run" / file) in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("report", "missing argument 'MODEL"),
        ("report {tmp}/none.bstdg", "none.bstdg: No such file"),
        ("report {golden} --data mnits", "unknown data set 'mnits'"),
        ("report {golden} --split valid", "--split is test or train"),
        ("report {golden} --samples 0,x", "--samples takes numbers such as 0,3,7, not '0,x'"),
        ("report {golden} --samples 0,,1", "--samples takes numbers"),
        ("report {golden} --samples 360", "--samples: 360 is not there: 360 samples are judged"),
        ("report {golden} --samples 5 --limit 5", "--samples: 5 is not there: 5 samples are judged"),
        ("report {golden} --limit 0", "--limit"),
        ("report {golden} --out {tmp}", "is a folder; --out names a file"),
        ("report {golden} --out {tmp}/none/r.html", "none is no folder; make it first"),
        ("report {golden} --out {tmp}/mine.txt", "is no report of bstdg; name another file, or add --force"),
        ("report {golden} --figures {tmp}/mine.txt --limit 5 --samples 0", "is a file; --figures names a folder"),
        ("report {golden} --figures {tmp}/kept --limit 5 --samples 0", "anytime.svg is there and was not drawn by"),
        ("report {golden} {golden}", "a model is named twice"),
        ("report {tmp}/other.bstdg", "does not say what it was trained on: name a data set with --data"),
        ("report {golden} {tmp}/other.bstdg", "was trained on digits, "),
        ("report {tmp}/other.bstdg --data digits", "reads images of 1 x 20, but digits has images of 8 x 8"),
        ("report {tmp}/few.bstdg --data digits", "has 3 classes, but digits has a label 9"),
        ("report {tmp}/white.bstdg --data digits", "digits has white 16, the model reads 0 … 255"),
    ],
)
def test_refused_in_one_line(bstdg, tmp_path, monkeypatch, line, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("my thesis")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "anytime.svg").write_text("<svg/>")
    packed.save(random_model((20, 3)), tmp_path / "other.bstdg")
    packed.save(random_model((64, 3), shape=(8, 8), white=16), tmp_path / "few.bstdg")
    packed.save(random_model((64, 10), shape=(8, 8)), tmp_path / "white.bstdg")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    status, out, err = bstdg(*line.format(tmp=tmp_path, golden=DIGITS).split())
    assert (status, out, len(err)) == (2, "", 1), err
    assert message in err[0]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_report_is_replaced_and_anything_else_only_when_forced(page):
    check = importlib.import_module("bstdg.report.write")._check_out  # what `write` asks before it does anything
    check(page, False)
    check(page.with_name("new.html"), False)
    other = page.with_name("other.html")
    other.write_text("my thesis")
    check(other, True)
    with pytest.raises(InputError, match="is no report of bstdg; name another file, or add --force"):
        check(other, False)


def test_a_folder_that_is_not_writable(tmp_path, monkeypatch):
    def refuse(path, data):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("bstdg.files.write_atomic", refuse)
    with pytest.raises(PermissionError):
        report.write([DIGITS], tmp_path / "r.html", limit=5, samples=[0])
    assert not list(tmp_path.iterdir())


def test_names_are_escaped(tmp_path):
    model = random_model((64, 5, 10), shape=(8, 8), white=16)
    hostile = tuple(f'<b>{i}</b> & "q"' for i in range(10))
    file = tmp_path / "<i>net.bstdg"
    packed.save(
        PackedModel(model.input, model.layers, 8, hostile, {"data": "digits", "recipe": {"title": "<u>"}}), file
    )
    report.write([file], tmp_path / "r.html", limit=20, samples=[0])
    reader, text = read(tmp_path / "r.html"), (tmp_path / "r.html").read_text(encoding="utf-8")
    assert not {"i", "u"} & set(reader.tags)
    assert "<b>0" not in text
    assert "&lt;b&gt;0&lt;/b&gt; &amp;" in text


# --- recordings of events --------------------------------------------------------------------------------------------


def test_recordings_of_events(tmp_path):
    coding = InputCoding(duration=1.0, gates=2)
    model = random_model((24, 9, 3), threshold=4, shape=(12,), coding=coding, trained={"data": "spoken"})
    packed.save(model, tmp_path / "model.bstdg")
    rng = np.random.default_rng(5)
    lengths = rng.integers(1, 40, 30)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(offsets[-1])
    spoken = EventDataset("spoken", "test", offsets, rng.integers(0, 12, total).astype(np.uint16),
                          rng.random(total).astype(np.float32), rng.integers(0, 3, 30), None,
                          tuple(model.classes), 12)  # fmt: skip
    out = tmp_path / "r.html"
    told = report.write([tmp_path / "model.bstdg"], out, samples=[2], load=lambda *_, **__: spoken)
    row = Model(model).evaluate_events(spoken)
    assert {key: told["models"][0][key] for key in row} == row
    text = out.read_text(encoding="utf-8")
    assert "The input is no image, so there are no pictures of receptive fields." in text
    assert "fig-fields" not in read(out).ids
    assert {"fig-sample-2", "fig-confusion", "fig-anytime", "fig-operations"} <= set(read(out).ids)
    with pytest.raises(InputError, match="reads recordings of events, but digits holds images"):
        report.write([tmp_path / "model.bstdg"], tmp_path / "x.html", data="digits")


# --- figures in the page ---------------------------------------------------------------------------------------------


def test_inline_figures_follow_the_page(measured, digits):
    model = Model(measured.model)
    text = inline(raster(model, digits.images[0], columns=2), "one")
    assert "style=" not in text
    assert "<style" not in text
    assert INK not in text
    assert "var(--ink)" in text
    assert "var(--lit)" in text
    assert re.findall(r'mask="url\(#([\w-]+)\)"', text) == re.findall(r'<mask [^>]*id="([\w-]+)"', text)
    ids = re.findall(r' id="([\w-]+)"', text)
    assert ids
    assert all(key.startswith("one-") for key in ids)
    assert set(re.findall(r'href="#([\w-]+)"', text)) <= set(ids)
    assert text == inline(raster(model, digits.images[0], columns=2), "one")


def test_bounds_of_shares():
    low, high = wilson(np.array([0, 5, 10]), np.array([10, 10, 10]))
    assert low[0] == pytest.approx(0, abs=1e-12)
    assert high[2] == pytest.approx(1)
    np.testing.assert_allclose((low[1], high[1]), (0.236593, 0.763407), atol=1e-6)  # Wilson's formula with z = 1.959964
    assert [len(bounds) for bounds in wilson(np.array([], int), np.array([], int))] == [0, 0]
