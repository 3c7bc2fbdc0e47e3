"""The plain binary network, BPTT and the float network; what all baselines have in common; the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import INPUT_KINDS, make_steps, seeds, step_numbers

from bstdg import datasets
from bstdg.cli import app
from bstdg.engine import oracle
from bstdg.errors import InputError, TrainingError
from bstdg.lab import predecessors
from bstdg.lab.predecessors import base, batches, binary, bptt
from bstdg.lab.predecessors.settings import Settings, settings_of
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.network import Network
from bstdg.learning.recipe import NetworkConfig
from bstdg.model import energy

KEYS = {
    "baseline",
    "recipe",
    "seed",
    "widths",
    "training_samples",
    "validation_samples",
    "epochs",
    "best_epoch",
    "validation",
    "test",
    "model_bytes",
    "seconds",
    "training_engine",
    "machine",
}
OWN_STRUCTURE = [name for name in predecessors.names() if name not in predecessors.COUNTERPARTS]
FIGURES = set(batches.figures_of_scores(np.eye(2), np.arange(2), 1))


def layers_of(network: Network) -> list[BinaryLinear]:
    return [layer for layer in network.layers if isinstance(layer, BinaryLinear)]


@st.composite
def networks(draw, max_hidden=2):
    """A network with drawn thresholds, and steps for it."""
    rng, num_steps = draw(seeds()), draw(step_numbers().filter(lambda t: t <= 20))
    hidden = draw(st.lists(st.integers(1, 7), max_size=max_hidden))
    inputs, classes = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    torch_rng = torch.Generator().manual_seed(int(rng.integers(2**31)))
    network = Network(inputs, classes, NetworkConfig(layers=tuple(hidden), num_steps=num_steps), generator=torch_rng)
    for layer in layers_of(network):
        spread = rng.uniform(-2, 4, layer.out_features).astype(np.float32)
        layer.threshold.data.copy_(torch.from_numpy(spread))
    return network, make_steps(rng, draw(st.sampled_from(INPUT_KINDS)), draw(st.integers(1, 3)), inputs, num_steps)


@given(networks())
def test_bptt_forward_gives_the_oracles_steps(case):
    network, steps = case
    num_steps = network.num_steps
    run = bptt.unroll(layers_of(network), torch.from_numpy(steps), num_steps, 20.0)
    trace = oracle.forward(network.deployed(), steps, num_steps)
    np.testing.assert_array_equal(run.potentials.detach().numpy(), trace.potentials)
    for spikes, wanted in zip(run.hidden, trace.hidden, strict=True):
        found = spikes.detach().numpy()  # (T, B, H)
        assert (found.sum(0) <= 1).all()
        np.testing.assert_array_equal(np.where(found.any(0), found.argmax(0), num_steps), wanted)


def bptt_by_hand(layers, steps, num_steps, width, to_output):
    """dL/dw of both layers and dL/dtheta of the hidden one, the recursion over time written out for one sample."""
    (w1, theta), (w2, _) = layers
    b1, b2 = np.where(w1 >= 0, 1.0, -1.0), np.where(w2 >= 0, 1.0, -1.0)
    x = (steps[None] == np.arange(num_steps)[:, None]).astype(float)  # (T, I)
    margin = np.cumsum(x @ b1.T, axis=0) - theta
    fired, before, spikes = np.zeros(len(theta)), [], []
    for t in range(num_steps):
        before.append(fired)
        spikes.append((margin[t] >= 0) * (1 - fired))
        fired = fired + spikes[-1]
    grad1, grad2, grad_theta = np.zeros_like(w1), np.zeros_like(w2), np.zeros_like(theta)
    potential2 = np.zeros(len(b2))  # dL/dV_k(t) of this step and all later ones
    potential1 = np.zeros(len(theta))
    to_fired = np.zeros(len(theta))
    for t in reversed(range(num_steps)):
        potential2 = potential2 + to_output[t]
        grad2 += np.outer(potential2, spikes[t])
        to_spike = b2.T @ potential2 + to_fired
        above = margin[t] >= 0
        to_margin = to_spike * (1 - before[t]) * np.maximum(0, 1 - np.abs(margin[t]) / width)
        to_fired = to_fired - to_spike * above
        potential1 = potential1 + to_margin
        grad_theta -= to_margin
        grad1 += np.outer(potential1, x[t])
    return grad1, grad2, grad_theta


@given(networks(max_hidden=1).filter(lambda case: len(case[0].layers) == 2), seeds())
def test_bptt_backward_is_the_recursion_over_time(case, rng):
    network, steps = case
    steps, layers = steps[:1], layers_of(network)
    run = bptt.unroll(layers, torch.from_numpy(steps), network.num_steps, 3.0)
    to_output = rng.normal(size=(network.num_steps, layers[1].out_features))
    run.potentials.backward(torch.from_numpy(to_output).float().unsqueeze(0))
    plain = [(w.weight.detach().numpy().astype(float), w.threshold.detach().numpy().astype(float)) for w in layers]
    wanted = bptt_by_hand(plain, steps[0], network.num_steps, 3.0, to_output)
    found = layers[0].weight.grad, layers[1].weight.grad, layers[0].threshold.grad
    for mine, by_hand in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine.numpy(), by_hand, rtol=1e-4, atol=1e-4)


def test_a_sign_passes_the_gradient_within_one():
    x = torch.tensor([-1.5, -1.0, -0.0, 0.3, 1.0, 1.1], requires_grad=True)
    out = binary.sign(x)
    out.backward(torch.arange(1.0, 7.0))
    assert out.tolist() == [-1, -1, 1, 1, 1, 1]
    assert x.grad.tolist() == [0, 2, 3, 4, 5, 0]


def test_normalisation_folds_into_a_threshold_a_neuron():
    """The sign network is deployed as bits and thresholds: batch statistics leave nothing else behind."""
    network = binary.BinaryNetwork((30, 12, 3), "sign", torch.Generator().manual_seed(0))
    pixels = torch.rand(200, 30, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        network.norm.weight.uniform_(-1, 1)
        network.norm.bias.uniform_(-1, 1)
        for _ in range(50):
            network(pixels)
        network.eval()
        norm, bits = network.norm, binary.sign(network.below)
        slope = norm.weight / (norm.running_var + norm.eps).sqrt()
        threshold = norm.running_mean - norm.bias / slope
        turned = slope.sign().unsqueeze(1) * bits  # a negative slope turns the neuron's bits over
        folded = torch.where(pixels @ turned.t() >= slope.sign() * threshold, 1.0, -1.0)
        agree = (folded == network.hidden(pixels)).double().mean()
    assert agree > 0.999  # but for rounding at the threshold


@pytest.mark.parametrize("scores", [np.array([[1.0, 3, 3]]), np.array([[0.0, 0, 0]])])
def test_the_lowest_index_of_the_greatest_decides(scores):
    right = batches.figures_of_scores(scores, np.array([int(scores[0].argmax())]), 5)
    other = batches.figures_of_scores(scores, np.array([2]), 5)
    assert (right["accuracy"], right["tie_rate"]) == (1.0, 1.0)
    assert (other["accuracy"], other["accuracy_ties_correct"]) == (0.0, 1.0)


# --- what all have in common


def half(name, split):
    """The digits, with fewer images."""
    whole = datasets.load(name, split)
    return whole.subset(slice(0, 700 if split == "train" else 150))


@pytest.fixture(scope="module")
def reports():
    positive = {"least_hidden": 0.0, "least_output": 0.0}  # few inputs, whose sums would stay below threshold
    slow = {"epochs": 30, "greatest_output": 20.0}  # hundreds of images instead of 60,000 an epoch
    fast = {"epochs": 4, "batch": 32, "shift": 0, "rate": 0.01}
    more = {"s4nn": slow | positive, "bs4nn": slow | {"threshold": 20.0, "gamma": 12}}
    return {
        name: predecessors.train(
            name, "digits", seed=3, settings={"hidden": [24], "validation": 0.2} | more.get(name, fast), load=half
        )
        for name in OWN_STRUCTURE
    }


@pytest.mark.parametrize("name", OWN_STRUCTURE)
def test_every_baseline_learns_and_reports(reports, name):
    report = reports[name]
    assert set(report) == KEYS
    assert json.loads(json.dumps(report)) == report
    assert set(report["test"]) - {"accuracy_lowest_index"} == FIGURES
    assert (report["training_samples"], report["validation_samples"], report["test"]["samples"]) == (560, 140, 150)
    assert report["widths"] == [64, 24, 10] and report["recipe"]["data"]["name"] == "digits"
    assert 1 <= report["best_epoch"] <= report["epochs"]
    assert report["test"]["accuracy_ties_correct"] > 0.45  # chance is 0.1
    assert report["test"]["accuracy"] <= report["test"]["accuracy_ties_correct"]
    assert energy.of_report(report)["estimate_pj"]["total"] > 0


def test_a_seed_decides_everything():
    given = {"epochs": 1, "hidden": [16], "least_hidden": 0.0, "least_output": 0.0}
    first, again, other = (
        predecessors.train("s4nn", "digits", seed=seed, settings=given, load=half) for seed in (5, 5, 6)
    )
    assert first["test"] == again["test"] != other["test"]


@pytest.mark.parametrize("name", ["binary", "bptt", "mlp"])
def test_torch_seeds_decide_everything(name):
    first, again = (
        predecessors.train(name, "digits", seed=5, settings={"epochs": 1, "hidden": [16]}, load=half) for _ in range(2)
    )
    assert first["test"] == again["test"]


def test_the_test_set_is_read_once_after_training():
    asked = []

    def load(name, split):
        asked.append(split)
        return half(name, split)

    said = []
    predecessors.train(
        "mlp", "digits", settings={"epochs": 2, "hidden": [8]}, load=load, on_epoch=lambda _: said.append(asked[:])
    )
    assert asked == ["train", "test"]
    assert said == [["train"], ["train"]]


def test_the_kept_epoch_is_the_one_that_is_judged(monkeypatch):
    monkeypatch.setattr(base.BestEpoch, "look", lambda self, epoch, figures: epoch == 1)
    one = predecessors.train("mlp", "digits", settings={"epochs": 5, "hidden": [8], "rate": 0.05}, load=half)
    monkeypatch.undo()
    last = predecessors.train("mlp", "digits", settings={"epochs": 5, "hidden": [8], "rate": 0.05}, load=half)
    assert one["test"] != last["test"]


def test_the_best_epoch_is_the_latest_that_cannot_be_told_from_the_highest():
    best = base.BestEpoch()
    kept = [best.look(i, {"accuracy": a, "samples": 1000}) for i, a in enumerate((0.90, 0.95, 0.949, 0.90), 1)]
    assert kept == [True, True, True, False]
    assert best.epoch == 3


def test_parts_hold_every_class_and_nothing_twice():
    whole = datasets.load("digits", "train")
    training, validation = base.split(whole, Settings(validation=0.25, limit=400), 7)
    assert (len(training), len(validation)) == (300, 100)
    assert len(set(validation.labels)) == 10
    same = base.split(whole, Settings(validation=0.25, limit=400), 7)[1]
    np.testing.assert_array_equal(same.images, validation.images)
    with pytest.raises(InputError, match="every class needs an image"):
        base.split(whole, Settings(limit=30), 7)


def test_a_loss_that_is_no_number_ends_training(monkeypatch):
    from bstdg.lab.predecessors.mlp import MlpRun

    monkeypatch.setattr(MlpRun, "loss", lambda self, *_: self.network[0].weight.sum() * float("nan"))
    with pytest.raises(TrainingError, match="lower rate"):
        predecessors.train("mlp", "digits", settings={"epochs": 3, "hidden": [8]}, load=half)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("s4nn", {"gama": 2}, "did you mean 'gamma'"),
        ("s4nn", {"hidden": [9, 9]}, r"one layer of 1 or more neurons, such as \[600\], not \[9, 9\]"),
        ("bptt", {"hidden": [0]}, r"hidden\[0\] must be in 1 …"),
        ("s4nn", {"epochs": 0}, "epochs must be in 1 …"),
        ("s4nn", {"gamma": 0}, "gamma must be in 1 … 256"),
        ("bs4nn", {"rate": 0.0}, "rate must be in 1e-09 …"),
        ("bs4nn", {"rate": "fast"}, "rate must be a number"),
        ("mlp", {"validation": 1.0}, r"validation must be in \(0, 1\)"),
        ("mlp", {"limit": -1}, "limit must be in 0"),
        ("mlp", {"batch": 0}, "batch must be in 1"),
        ("mlp", {"shift": -1}, "shift must be in 0"),
        ("mlp", {"shift_share": 1.5}, "shift_share must be in"),
        ("binary", {"dropout": 1.0}, "dropout must be in"),
        ("binary", {"activation": "tanh"}, "activation must be one of"),
        ("bptt", {"loss": "hinge"}, "loss must be one of"),
    ],
)
def test_settings_are_checked(name, values, said):
    with pytest.raises(InputError, match=said):
        settings_of(predecessors.settings_kind(name), values)


def test_an_unknown_baseline_is_refused():
    with pytest.raises(InputError, match=r"unknown baseline 'S5NN': did you mean 's4nn'\? known are s4nn, bs4nn"):
        predecessors.train("S5NN")


def test_recordings_of_events_are_refused():
    with pytest.raises(InputError, match="read images, and spoken holds recordings"):
        predecessors.train("mlp", "spoken", load=lambda *_: object())
    with pytest.raises(InputError, match="read images"):
        predecessors.run_released("s4nn", ".", "spoken", load=lambda *_: object())


# --- the command


def command(*arguments):
    try:
        return int(app(["baseline", *map(str, arguments)], standalone_mode=False) or 0)
    except SystemExit as exit_:
        return int(exit_.code or 0)


SMALL = ["--data", "digits", "--set", "epochs=1", "--set", "hidden=[12]"]


def test_the_command_prints_and_leaves_a_report(tmp_path, capsys):
    assert command("s4nn", *SMALL, "--set", "least_hidden=0", "--out", tmp_path / "deep" / "seed0.json") == 0
    said = capsys.readouterr()
    assert "accuracy if the lowest index won among the first" in said.out
    assert "an estimate" in said.out and "decision step" in said.out
    assert said.err.startswith("epoch 1/1  accuracy")
    report = json.loads((tmp_path / "deep" / "seed0.json").read_text())
    assert report["baseline"] == "s4nn" and report["recipe"]["baseline"]["hidden"] == [12]


def test_the_command_prints_json(tmp_path, capsys):
    assert command("mlp", *SMALL, "--out", tmp_path / "r.json", "--json") == 0
    assert json.loads(capsys.readouterr().out)["test"]["hidden_spikes"] is None
    assert command("mlp", *SMALL, "--out", tmp_path / "r.json") == 0
    assert "greatest output" in capsys.readouterr().out


def test_the_command_runs_weights(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(20, 64, 1)) * 50)
    np.save(tmp_path / "b.npy", np.random.default_rng(1).normal(size=(10, 20, 1)) * 50)
    assert command("bs4nn", "--data", "digits", "--weights", tmp_path) == 0
    assert "64-20-10, released weights" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["s5nn", "--data", "digits"], "unknown baseline"),
        (["mlp", "--data", "digits", "--set", "epochs"], "--set takes KEY=VALUE"),
        (["mlp", "--data", "digits", "--set", "epochs=two"], "epochs must be an integer"),
        (["mlp", "--data", "none"], "unknown data set"),
        (["s4nn", "--data", "digits", "--weights", "nowhere"], "is no folder"),
        (["s4nn", "--data", "digits", "--weights", ".", "--set", "epochs=1"], "--set has nothing to change"),
    ],
)
def test_the_command_refuses_in_one_line(capsys, arguments, said):
    assert command(*arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]
