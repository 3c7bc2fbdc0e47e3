"""S4NN and BS4NN against a rendering of their equations step by step; released weights and their refusals."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import temporal_twin as twin

from bstdg import datasets
from bstdg.errors import FileFormatError, InputError, TrainingError
from bstdg.lab import predecessors
from bstdg.lab.predecessors import base, blocks, bs4nn, network, online_training, released, s4nn, temporal
from bstdg.model import runtime

STEP_KINDS = ("random", "few", "all at 0", "late", "silent")


def make_steps(rng, kind, inputs):
    """Steps 0 … 256; "few" distinct ones make many inputs fire together."""
    if kind == "random":
        return rng.integers(0, 257, inputs).astype(np.int16)
    if kind == "few":
        return rng.choice([0, 3, 3, 100, 252, 253, 254, 255, 256], inputs).astype(np.int16)
    if kind == "late":
        return rng.choice([252, 253, 254, 255, 256], inputs).astype(np.int16)
    return np.full(inputs, 0 if kind == "all at 0" else 256, np.int16)


@st.composite
def cases(draw):
    """Steps, weights in quarters (whose sums are exact), thresholds, a label."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, hidden, classes = draw(st.integers(1, 12)), draw(st.integers(1, 8)), draw(st.integers(1, 5))
    steps = make_steps(rng, draw(st.sampled_from(STEP_KINDS)), inputs)
    below = rng.integers(-8, 17, (inputs, hidden)) / 4.0
    above = rng.integers(-8, 17, (hidden, classes)) / 4.0
    if draw(st.booleans()):
        above[:] = above[:, :1]  # all outputs alike: ties
    thresholds = (draw(st.sampled_from([0.5, 1.0, 2.5])), draw(st.sampled_from([0.5, 1.0, 2.5])))
    return steps, below, above, thresholds, int(rng.integers(classes))


def s4nn_of(below, above, **fields):
    return s4nn.S4NN([below.copy(), above.copy()], s4nn.Settings(**fields))


class Between(s4nn.S4NN):
    """S4NN with a threshold of its own for each layer, as BS4NN has."""

    def __init__(self, weights, thresholds, binary=False):
        super().__init__(weights)
        self.own, self.binary = thresholds, binary

    def thresholds(self):
        return self.own

    def effective(self, weights):
        return np.sign(weights) if self.binary else weights


@given(cases(), st.booleans())
@settings(max_examples=150)
def test_inference_is_that_of_the_equations(case, binary):
    steps, below, above, thresholds, _ = case
    response = network.run(Between([below, above], thresholds, binary), steps)
    seen = (twin.signs(below.T), twin.signs(above.T)) if binary else (below.T, above.T)
    hidden, _ = twin.layer(steps, seen[0], thresholds[0])
    output, potentials = twin.layer(hidden, seen[1], thresholds[1])
    assert response.hidden.tolist() == hidden
    assert response.output.tolist() == output
    verdict = network.decide(response.output, response.path)
    label, step, silent, candidates, first = twin.decide(output, potentials)
    assert (verdict.label, verdict.step, verdict.silent, verdict.first) == (label, step, silent, first)
    assert verdict.candidates.tolist() == candidates


@given(cases(), st.integers(1, 4))
def test_s4nn_learns_by_its_equations(case, gamma):
    steps, below, above, _, label = case
    net = s4nn_of(below, above, threshold=1.5, gamma=gamma, rate=0.6, output_rate=0.2, penalty=0.01)
    net.share = 0.5
    net.learn(steps, label)
    rates, keeps = (0.3, 0.1), (0.997, 0.999)
    wanted = twin.learn(
        *(steps, below.T, above.T, label),
        **{"gamma": gamma, "silent_lead": gamma, "rates": rates, "thresholds": (1.5, 1.5), "keeps": keeps},
    )
    np.testing.assert_allclose(net.weights[0].T * net.shrunk, wanted[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net.weights[1].T, wanted[1], rtol=1e-12, atol=1e-12)


@given(cases(), st.integers(1, 3), st.booleans())
def test_bs4nn_learns_by_its_equations(case, gamma, learn_silent):
    steps, below, above, _, label = case
    fields = {"threshold": 3.0, "gamma": gamma, "rate": 0.6, "output_rate": 0.2, "learn_silent": learn_silent}
    net = bs4nn.BS4NN([below.copy(), above.copy()], bs4nn.Settings(**fields, scale_rate=0.1), scales=(2.0, 4.0))
    net.share = 0.5
    net.learn(steps, label)
    lead = gamma if learn_silent else 0
    *wanted, slopes = twin.learn(
        *(steps, below.T, above.T, label),
        **{"gamma": gamma, "silent_lead": lead, "rates": (0.3, 0.1), "thresholds": (1.5, 0.75), "binary": True},
    )
    np.testing.assert_allclose(net.weights[0].T, wanted[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net.weights[1].T, wanted[1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net.scales, [2.0 - 0.05 * slopes[0], 4.0 - 0.05 * slopes[1]], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "fields"),
    [("s4nn", {"penalty": 0.0}), ("s4nn", {"penalty": 1e-4}), ("bs4nn", {}), ("bs4nn", {"learn_silent": False})],
)
@pytest.mark.parametrize("seed", range(4))
def test_the_native_loop_learns_what_numpy_learns(name, fields, seed):
    rng = np.random.default_rng(seed)
    module, kind = (s4nn, s4nn.S4NN) if name == "s4nn" else (bs4nn, bs4nn.BS4NN)
    start = {"least_hidden": 0.0, "least_output": 0.0, "gamma": 3, "rate": 0.2, "output_rate": 0.1}
    chosen = module.Settings(hidden=(70,), **start, **fields)
    steps = np.stack([make_steps(rng, k, 90) for k in itertools.islice(itertools.cycle(STEP_KINDS), 40)])
    labels = rng.integers(0, 5, 40)
    slow = kind.initial((90, 70, 5), chosen, rng)
    slow.weights[0] -= 1.5
    slow.weights[1] -= 14.0
    slow.share = 0.75
    fast, order = copy.deepcopy(slow), rng.integers(0, 40, 60)
    right = 0
    for i in order:
        output = slow.learn(steps[i], int(labels[i])).output
        right += int(output[labels[i]] == output.min() != temporal.NEVER)
    assert online_training.learn_images(fast, steps, labels, order) == right
    np.testing.assert_array_equal(fast.fired, slow.fired)
    assert fast.images == slow.images == 60
    for mine, twins in zip(fast.weights, slow.weights, strict=True):
        np.testing.assert_allclose(mine, twins, rtol=1e-4, atol=1e-4)
    if name == "bs4nn":
        np.testing.assert_allclose(fast.scales, slow.scales, rtol=1e-6)
    else:
        assert fast.shrunk == pytest.approx(slow.shrunk)
        assert not np.array_equal(slow.weights[0], kind.initial((90, 70, 5), chosen, rng).weights[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": 257}, "steps are 0 to 256"),
        ({"steps": -1}, "steps are 0 to 256"),
        ({"labels": 3}, "label is out of range"),
        ({"order": 4}, "order names an image"),
        ({"order": -1}, "order names an image"),
    ],
)
def test_the_native_loop_refuses_what_is_out_of_range(change, said):
    net = s4nn.S4NN.initial((6, 4, 3), s4nn.Settings(hidden=(4,)), np.random.default_rng(0))
    given = {"steps": np.zeros((4, 6), np.int16), "labels": np.zeros(4, np.int64), "order": np.arange(4)}
    for key, value in change.items():
        given[key].flat[-1] = value
    with pytest.raises(TrainingError, match=said):
        online_training.learn_images(net, *given.values())


def test_a_scale_that_is_no_longer_positive_ends_training():
    steps, weights = np.zeros((1, 3), np.int16), [np.ones((3, 2), np.float32), np.ones((2, 2), np.float32)]
    scales, rates = {"scale": 0.001, "output_scale": 0.001, "scale_rate": 1000.0}, {"rate": 0.1, "output_rate": 0.1}
    chosen = bs4nn.Settings(threshold=1e-4, **scales, **rates)
    for learn in (
        lambda net: net.learn(steps[0], 1),
        lambda net: online_training.learn_images(net, steps, LABEL, ORDER),
    ):
        with pytest.raises(TrainingError, match="scale"):
            learn(bs4nn.BS4NN([w.copy() for w in weights], chosen))


LABEL, ORDER = np.ones(1, np.int64), np.zeros(1, np.int64)


def test_codes_of_all_pixels():
    pixels = np.arange(256, dtype=np.uint8)[None]
    assert s4nn.encode(pixels)[0].tolist() == [(255 - p) * 256 // 255 for p in range(256)]
    assert bs4nn.encode(pixels)[0].tolist() == [255 - p for p in range(256)]
    assert s4nn.encode(np.array([[0, 16]], np.uint8), white=16)[0].tolist() == [256, 0]
    assert bs4nn.encode(np.array([[0, 16]], np.uint8), white=16)[0].tolist() == [255, 0]


def test_idle_neurons_get_new_weights_as_they_start():
    chosen = s4nn.Settings(hidden=(3,), reset_below=0.5, least_hidden=-2.0, greatest_hidden=-1.0)
    net = s4nn.S4NN.initial((9, 3, 2), chosen, np.random.default_rng(0))
    before = net.weights[0].copy()
    net.fired[:], net.images = [4, 5, 0], 10
    net.begin_epoch(np.random.default_rng(1))
    changed = (net.weights[0] != before).any(axis=0)
    assert changed.tolist() == [True, False, True]
    assert -2.0 <= net.weights[0].min() < net.weights[0].max() <= -1.0
    assert net.fired.tolist() == [0, 0, 0]


def run_on(small, module, **fields):
    chosen = module.Settings(hidden=(4,), epochs=3, **fields)
    return online_training.OnlineRun(base.RunSetup(chosen, small, 0))


def test_an_epoch_is_judged_before_idle_neurons_get_new_weights(small):
    new = {"least_hidden": 80.0, "greatest_hidden": 90.0}
    run = run_on(small, s4nn, reset_below=1.0, rate=1e-6, output_rate=1e-6, **new)
    run.network.weights[0][:] = np.array([[60], [0], [60], [0], [0], [60]])  # they fire for the first image alone
    before, epochs = run.network.weights[0].copy(), run.epochs()
    next(epochs)
    np.testing.assert_allclose(run.network.weights[0], before, rtol=1e-4, atol=1e-4)
    next(epochs)
    assert not np.allclose(run.network.weights[0], before, atol=1)


@pytest.mark.parametrize("module", [s4nn, bs4nn])
def test_a_hidden_layer_that_never_fires_ends_training(small, module):
    with pytest.raises(TrainingError, match="no hidden neuron fired for any image: raise least_hidden or lower thresh"):
        next(run_on(small, module, threshold=1e5).epochs())


@pytest.mark.parametrize("module", [s4nn, bs4nn])
def test_rates_fall_in_a_line_to_nothing_or_not_at_all(small, module, monkeypatch):
    shares = []
    monkeypatch.setattr(online_training, "learn_images", lambda net, *rest: _note(shares, net, rest[-1]))
    assert len(list(run_on(small, module, schedule="linear").epochs())) == 3
    np.testing.assert_allclose(shares, [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])  # two images an epoch
    shares.clear()
    list(run_on(small, module, schedule="constant").epochs())
    assert shares == [1.0] * 6


def _note(shares, net, order):
    shares.append(net.share)
    net.images += len(order)
    net.fired += 1
    return 0


@pytest.mark.parametrize(("order", "sets"), [("fixed", {(0, 1)}), ("shuffled", {(0, 1), (1, 0)})])
def test_images_come_in_the_order_that_is_set(small, order, sets):
    run = run_on(small, bs4nn, order=order)
    assert {tuple(run._order(2).tolist()) for _ in range(30)} == sets
    drawn = run_on(small, bs4nn, order="drawn")
    assert {tuple(drawn._order(2).tolist()) for _ in range(60)} == set(itertools.product((0, 1), repeat=2))


def test_weights_start_between_the_ends_that_are_set():
    chosen = bs4nn.Settings(least_hidden=-3.0, greatest_hidden=-1.0, least_output=4.0, greatest_output=4.5)
    below, above = chosen.initial_weights((20, 30, 10), np.random.default_rng(0))
    assert -3.0 <= below.min() < -2.9 and -1.1 < below.max() <= -1.0
    assert 4.0 <= above.min() < 4.05 and 4.45 < above.max() <= 4.5
    with pytest.raises(InputError, match=r"least_output must be at most greatest_output \(1\), not 2"):
        s4nn.Settings(least_output=2.0, greatest_output=1.0)


@pytest.mark.parametrize("binary", [False, True])
def test_native_answers_are_those_of_numpy_bit_for_bit(binary):
    rng = np.random.default_rng(5)
    steps = np.stack([make_steps(rng, k, 90) for k in itertools.islice(itertools.cycle(STEP_KINDS), 40)])
    below, above = rng.normal(0.3, 3, (90, 70)).astype(np.float32), rng.normal(0.1, 5, (70, 5)).astype(np.float32)
    below[below < -4], above[0] = 0.0, 0.0  # whose sign is 0
    first, second = (3.5, 2.0) if binary else (11.0, 13.0)
    for threshold, silent in (
        (second, {False, True}),
        (1e4, {True}),
    ):  # late spikes count for nothing where all is silent
        net = Between([below, above], (first, threshold), binary)
        hidden, verdicts = network._answers(net, steps)
        responses = [network.run(net, image) for image in steps]
        np.testing.assert_array_equal(hidden, [r.hidden for r in responses])
        assert {v.silent for v in verdicts} == silent
        assert any(v.candidates.sum() > 1 for v in verdicts) or threshold == 1e4
        for verdict, wanted in zip(verdicts, (network.decide(r.output, r.path) for r in responses), strict=True):
            assert verdict.candidates.tolist() == wanted.candidates.tolist()
            assert verdict._replace(candidates=None) == wanted._replace(candidates=None)


def test_figures_tell_the_metrics_apart():
    # Two outputs fire together on every image: the second with more potential, the first with the lower index.
    net = s4nn_of(np.full((2, 1), 200.0), np.array([[150.0, 180.0]]))
    steps = np.array([[5, 256], [7, 9]], np.int16)
    row = network.figures(net, steps, np.array([0, 1]))
    assert row["accuracy_ties_correct"] == 1.0
    assert row["accuracy"] == row["accuracy_lowest_index"] == 0.5
    both_second = network.figures(net, steps, np.array([1, 1]))
    assert (both_second["accuracy"], both_second["accuracy_lowest_index"]) == (1.0, 0.0)
    assert row["decision_step_mean"] == (7 + 9) / 2  # two layers, each stamped a step after its crossing
    assert row["hidden_spikes_to_decision"] == 1 and row["simultaneous_rate"] == 1 and row["tie_rate"] == 0
    assert row["input_spikes_to_decision"] == (1 + 2) / 2
    assert row["synaptic_operations_to_decision"] == 1.5 * 1 + 1 * 2
    assert row["num_steps"] == 256


def test_potentials_are_compared_at_the_crossing_not_at_the_stamp():
    net = s4nn_of(np.eye(2) * 200, np.array([[150.0, 120.0], [0.0, 100.0]]))
    response = network.run(net, np.array([1, 2], np.int16))  # hidden stamps 2 and 3, both outputs stamped 3
    assert response.output.tolist() == [3, 3]
    assert network.decide(response.output, response.path).label == 0  # at step 3 the other would have more


def test_a_silent_decision_is_made_at_step_253():
    net = s4nn_of(np.array([[1.0, 0.0], [0.0, 1.0]]) * 200, np.array([[50.0, 20.0], [-40.0, 0.0]]))
    # Hidden neurons are stamped 2 and 253 … 255: only up to 253 does the second one count.
    for late, label in ((252, 1), (253, 0)):
        response = network.run(net, np.array([1, late], np.int16))
        verdict = network.decide(response.output, response.path)
        assert (verdict.label, verdict.silent, verdict.step) == (label, True, 255)


# --- released weights


@pytest.fixture
def small():
    """A data set of 2 x 3 pixels and two classes."""
    images = np.array([[[255, 0, 128], [4, 9, 250]], [[0, 255, 0], [200, 1, 0]]], np.uint8)
    return datasets.Dataset("small", "test", images, np.array([0, 1]), 255, ("no", "yes"))


def save(folder, **layers):
    for name, weights in layers.items():
        np.save(folder / f"{name}.npy", weights)
    return folder


@pytest.mark.parametrize("name", ["s4nn", "bs4nn"])
def test_released_weights_run_as_the_equations_say(tmp_path, small, name):
    rng = np.random.default_rng(3)
    below, above = 60 * rng.normal(size=(40, 2, 3)), 60 * rng.normal(size=(2, 40, 1))
    report = predecessors.run_released(name, save(tmp_path, W0=below, W1=above), "small", load=lambda *_: small)
    binary = name == "bs4nn"
    seen = [w.reshape(len(w), -1) for w in (below, above)]
    thresholds = [100.0 / scale for scale in (bs4nn.RELEASED_SCALES if binary else (1.0, 1.0))]
    steps = (bs4nn if binary else s4nn).encode(small.images)
    right = ties = lowest = spikes = 0
    for image, label in zip(steps, small.labels, strict=True):
        hidden, _ = twin.layer(image, twin.signs(seen[0]) if binary else seen[0], thresholds[0])
        decided, _, _, candidates, first = twin.decide(
            *twin.layer(hidden, twin.signs(seen[1]) if binary else seen[1], thresholds[1])
        )
        right, ties, lowest = right + (decided == label), ties + candidates[label], lowest + (first == label)
        spikes += sum(stamp < 256 for stamp in hidden)
    test = report["test"]
    assert test["hidden_spikes"] == spikes / 2
    assert (test["accuracy"], test["accuracy_ties_correct"]) == (right / 2, ties / 2)
    assert test["accuracy_lowest_index"] == lowest / 2
    assert report["widths"] == [6, 40, 2] and report["baseline"] == name


def test_layers_are_told_apart_by_their_shapes(tmp_path):
    save(tmp_path, a=np.ones((2, 5, 1)), b=np.ones((5, 2, 2), np.int8))
    below, above = released.read_layers(tmp_path)
    assert (below.shape, above.shape) == ((5, 4), (2, 5))


def test_the_released_order_of_digits():
    assert released._unit_of(np.array([4, 1, 0, 6]), 10).tolist() == [0, 1, 2, 9]
    assert released._unit_of(np.array([1, 0]), 2).tolist() == [1, 0]


def test_arrays_of_objects_are_refused_and_may_lie_beside_their_parts(tmp_path):
    held = np.empty(2, object)
    held[0], held[1] = np.ones((4, 6)), np.ones((2, 4))
    np.save(tmp_path / "weights.npy", held, allow_pickle=True)
    with pytest.raises(InputError, match=r"weights.npy holds objects, which need pickle.*split it with.*layer\{i\}"):
        released.read_layers(tmp_path)
    save(tmp_path, layer0=held[0], layer1=held[1])
    assert released.read_layers(tmp_path)[0].shape == (4, 6)


def test_weights_that_do_not_fit_are_refused(tmp_path, small):
    with pytest.raises(InputError, match="is no folder"):
        released.read_layers(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"two plain \.npy files.*not 0 \(none\)"):
        released.read_layers(tmp_path)
    save(tmp_path, a=np.ones((4, 6)), b=np.ones((2, 5)))
    with pytest.raises(InputError, match=r"do not fit one another \(a.npy \[4, 6\] and b.npy \[2, 5\]"):
        released.read_layers(tmp_path)
    save(tmp_path, b=np.ones((2, 4)))
    with pytest.raises(InputError, match="only s4nn and bs4nn"):
        released.evaluate("mlp", tmp_path, small)
    save(tmp_path, a=np.ones((4, 7)))
    with pytest.raises(InputError, match="a 7-4-2 network, but small has 6 pixels"):
        released.evaluate("s4nn", tmp_path, small)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.array([[1.0, np.nan]]), "not finite"),
        (np.array([[True, False]]), "must hold numbers"),
        (np.array([["a", "b"]]), "must hold numbers"),
        (np.array([[1j, 2]]), "must hold numbers"),
        (np.ones(4), r"must be \[neurons, inputs\]"),
        (np.ones((0, 4)), r"must be \[neurons, inputs\]"),
    ],
)
def test_arrays_that_are_no_weights_are_refused(tmp_path, weights, said):
    save(tmp_path, a=weights, b=np.ones((2, 1)))
    with pytest.raises(InputError, match=said):
        released.read_layers(tmp_path)


def test_damaged_files_are_refused(tmp_path):
    save(tmp_path, a=np.ones((4, 6)), b=np.ones((2, 4)))
    whole = (tmp_path / "a.npy").read_bytes()
    unclosed = whole.replace(b"}", b"{")
    cases = (
        (whole[:-1], "trunc"),
        (whole + b"x", "trailing"),
        (whole[:40], "no .npy"),
        (unclosed, "no .npy"),
        (b"", "no"),
    )
    for damaged, said in cases:
        (tmp_path / "a.npy").write_bytes(damaged)
        with pytest.raises(FileFormatError, match=said):
            released.read_layers(tmp_path)


def test_a_header_that_promises_too_much_allocates_nothing(tmp_path):
    save(tmp_path, b=np.ones((2, 4)))
    for shape, kind in (((400_000, 600_000), InputError), ((400, 600), FileFormatError)):
        with (tmp_path / "a.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": "<f8"})
            file.write(bytes(80))
        with pytest.raises(kind, match=r"a\.npy"):
            released.read_layers(tmp_path)


# --- the same networks at fewer steps


def in_blocks(steps, below, above, thresholds, number, binary):
    """What a network decides whose clock has `number` steps, by nested loops: label, step, hidden steps, silent."""
    width, heard = 256 // number, [int(s) for s in steps]
    arrive = [s // width if s < 255 else None for s in heard]
    seen = [np.sign(w) if binary else w for w in (below, above)]

    def first(times, weights, threshold):
        fired, potentials = [None] * weights.shape[1], []
        for t in range(number):
            v = [
                sum(weights[i, k] for i, at in enumerate(times) if at is not None and at <= t)
                for k in range(len(fired))
            ]
            potentials.append(v)
            fired = [t if at is None and v[k] > threshold else at for k, at in enumerate(fired)]
        return fired, potentials

    hidden, _ = first(arrive, seen[0], thresholds[0])
    output, potentials = first(hidden, seen[1], thresholds[1])
    spoke = [t for t in output if t is not None]
    step = min(spoke) if spoke else number - 1
    among = [k for k, t in enumerate(output) if t == step] if spoke else range(len(output))
    return max(among, key=lambda k: (potentials[step][k], -k)), step, hidden, not spoke


@given(cases(), st.sampled_from(blocks.KNOWN), st.booleans())
@settings(max_examples=150)
def test_in_blocks_a_network_is_one_of_so_many_steps(case, number, binary):
    steps, below, above, thresholds, label = case
    row = network.figures(Between([below, above], thresholds, binary), steps[None], np.array([label]), number)
    decided, step, hidden, silent = in_blocks(steps, below, above, thresholds, number, binary)
    assert row["accuracy"] == (decided == label)
    assert (row["decision_step_mean"], row["silent_rate"], row["num_steps"]) == (step, silent, number)
    assert row["hidden_spikes"] == sum(t is not None for t in hidden)
    assert row["hidden_spikes_to_decision"] == sum(t is not None and t <= step for t in hidden)
    heard = sum(s < 255 and s // (256 // number) <= step for s in steps)
    assert row["input_spikes_to_decision"] == heard


@pytest.mark.parametrize("number", blocks.KNOWN)
def test_bs4nn_in_blocks_is_a_model_of_this_project(tmp_path, number):
    rng = np.random.default_rng(number)
    images, labels = rng.integers(0, 256, (200, 5, 6), np.uint8), rng.integers(0, 4, 200)
    images[rng.random(images.shape) < 0.3] = 0
    test = datasets.Dataset("small", "test", images, labels, 255, tuple("abcd"))
    net = bs4nn.BS4NN([rng.normal(size=(30, 20)), rng.normal(size=(20, 4))], scales=(40.0, 60.0))
    judged = blocks.judged(net, bs4nn.encode(images), labels, test, (number,), tmp_path / "models")
    model = runtime.load(tmp_path / "models" / f"bs4nn-{number}.bstdg")
    assert model.packed.widths == (30, 20, 4) and model.packed.num_steps == number
    row, own = judged["blocks"][0], model.evaluate(images, labels)
    assert row["blocks"] == number
    shared = set(row) & set(own) - {"engine", "accuracy_ties_correct"}  # of silent decisions the papers count no ties
    assert {"accuracy", "decision_step_mean", "synaptic_operations_to_decision", "tie_rate"} <= shared
    assert {key: row[key] for key in shared} == {key: own[key] for key in shared}


def test_what_cannot_be_put_into_blocks_is_refused(tmp_path, small):
    save(tmp_path, a=np.ones((4, 6)), b=np.zeros((2, 4)))
    given = {"load": lambda *_: small, "data": "small"}
    with pytest.raises(InputError, match=r"into 1, 2, 4, 8, 16, 32 or 64 blocks, not into 128"):
        predecessors.run_released("bs4nn", tmp_path, blocks=(8, 128), **given)
    with pytest.raises(InputError, match=r"only s4nn and bs4nn have 256 steps.*not 'mlp'"):
        predecessors.train("mlp", "small", load=lambda *_: small, blocks=(8,))
    for name, numbers in (("s4nn", (8,)), ("bs4nn", ())):
        with pytest.raises(InputError, match="model files are left of bs4nn alone"):
            predecessors.run_released(name, tmp_path, blocks=numbers, models=tmp_path / "m", **given)
    with pytest.raises(InputError, match="a weight of this network is 0"):
        predecessors.run_released("bs4nn", tmp_path, blocks=(8,), models=tmp_path / "m", **given)
    odd = datasets.Dataset("small", "test", small.images // 4, small.labels, 70, small.classes)
    save(tmp_path, a=np.ones((4, 6)), b=np.ones((2, 4)))
    with pytest.raises(InputError, match="fall into other blocks"):
        predecessors.run_released("bs4nn", tmp_path, "small", load=lambda *_: odd, blocks=(64,), models=tmp_path / "m")


def test_a_training_is_judged_in_blocks_too(small):
    grown = datasets.Dataset(
        "small", "train", np.repeat(small.images, 20, 0), np.repeat(small.labels, 20), 255, ("n", "y")
    )
    settings_ = {"hidden": [5], "epochs": 1, "validation": 0.25, "threshold": 1.0}
    for name in ("s4nn", "bs4nn"):
        given = {"settings": settings_, "load": lambda *_: grown}
        report = predecessors.train(name, "small", blocks=(8, 4, 8), **given)
        assert [(row["blocks"], row["num_steps"]) for row in report["blocks"]] == [(8, 8), (4, 4)]
        assert "blocks" not in predecessors.train(name, "small", **given)
