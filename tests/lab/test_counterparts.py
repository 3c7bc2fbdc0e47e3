"""Networks that do not spike of the structure of a recipe: what they are, what they read, how they are trained."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from test_predecessors import FIGURES, KEYS, command

from bstdg import datasets
from bstdg.datasets import EventDataset
from bstdg.errors import FileFormatError, InputError, TrainingError
from bstdg.lab import predecessors
from bstdg.lab.experiments import results
from bstdg.lab.experiments import run as running
from bstdg.lab.experiments.variants import Experiment, Predecessor
from bstdg.lab.predecessors.base import forget
from bstdg.lab.predecessors.counterpart import network as networks
from bstdg.lab.predecessors.counterpart.run import CounterpartRun
from bstdg.lab.predecessors.counterpart.samples import Samples, numbers
from bstdg.lab.predecessors.counterpart.settings import KINDS
from bstdg.layers import FullLayer
from bstdg.learning.network import Network
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import recipe_of
from bstdg.model import energy
from bstdg.spikes.events import Events
from bstdg.training.run import TrainingRun
from bstdg.training.run_folder import CHECKPOINT

RECIPE = {
    "data": {"name": "digits", "validation": 0.2},
    "network": {"layers": ["8c3p1", "pool2", "16c3g2", 32], "num_steps": 4},
    "train": {"shift": 1},
}
FAST = {"ann": {"epochs": 12}, "bnn": {"epochs": 12}, "bnn-relu": {"epochs": 8}}


def recipe(**sections) -> Recipe:
    return recipe_of({name: RECIPE.get(name, {}) | sections.get(name, {}) for name in {**RECIPE, **sections}})


def train(name="ann", of=None, **given):
    settings = {"epochs": 2, "batch": 32} | given.pop("settings", {})
    return predecessors.train_counterpart(name, of or recipe(), settings=settings, **given)


def layers_of(*written, reads=(2, 9, 8)):
    config = recipe(network={"layers": list(written)}).network
    return Network(reads, 3, config).deployed()


def made(layers, **given):
    rest = {"binary": False, "activation": "relu", "dropout": 0.0, "seed": 1, "generator": torch.Generator()}
    return networks.Counterpart(layers, **(rest | given))


def by_loops(x, weight, convolution):
    """One picture, a window at a time."""
    _, _, kernel, stride, padding, groups = convolution
    padded = np.pad(x, ((0, 0), *((side, side) for side in padding)))
    out = np.zeros(convolution.gives)
    inside = len(x) // groups
    for k, y, u in itertools.product(*map(range, convolution.gives)):
        first = k // (convolution.maps // groups) * inside
        window = padded[
            first : first + inside,
            y * stride[0] : y * stride[0] + kernel[0],
            u * stride[1] : u * stride[1] + kernel[1],
        ]
        out[k, y, u] = (window * weight[k]).sum()
    return out


@pytest.mark.parametrize(("binary", "activation"), [(False, "relu"), (True, "relu"), (True, "sign")])
def test_it_is_the_structure_written_out(binary, activation):
    layers = layers_of("4c3x2s2x1p1x0g2", "pool2s1", 5)
    network = made(layers, binary=binary, activation=activation)
    rng = torch.Generator().manual_seed(0)
    for norm in (m for m in network.modules() if isinstance(m, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)):
        for values in (norm.weight.data, norm.bias.data, norm.running_mean):
            values.uniform_(-1, 1, generator=rng)
        norm.running_var.uniform_(0.5, 2, generator=rng)
    pixels = torch.rand(3, 144, generator=rng)
    state = {name.removeprefix("body."): value.double().numpy() for name, value in network.state_dict().items()}
    weights = [state[name] for name in state if name.endswith(".latent") or ("weight" in name and state[name].ndim > 1)]
    if binary:
        weights = [np.where(weight >= 0, 1.0, -1.0) for weight in weights]
    norms = [name.removesuffix("running_mean") for name in state if name.endswith("running_mean")]

    def normal(x, at, shape):
        mean, spread, slope, offset = (
            state[norms[at] + part].reshape(shape) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(spread + 1e-5) * slope + offset

    def active(x):
        return np.maximum(x, 0) if activation == "relu" else np.where(x >= 0, 1.0, -1.0)

    found = network.eval()(pixels).detach().numpy()
    for picture, scores in zip(pixels.double().numpy().reshape(3, 2, 9, 8), found, strict=True):
        maps = normal(by_loops(picture, weights[0], layers[0].convolution), 0, (4, 1, 1))
        _, rows, columns = layers[1].gives
        pooled = np.array(
            [[[m[y : y + 2, u : u + 2].max() for u in range(columns)] for y in range(rows)] for m in maps]
        )
        hidden = active(normal(weights[1] @ active(pooled).ravel(), 1, (5,)))
        if binary:
            wanted = weights[2] @ hidden * math.exp(state[next(n for n in state if "log_scale" in n)])
            wanted = wanted + state[next(n for n in state if "offset" in n)]
        else:
            wanted = weights[2] @ hidden + state[list(state)[-1]]
        np.testing.assert_allclose(scores, wanted, rtol=1e-3, atol=1e-4)


def test_binary_weights_learn_by_their_signs_and_stay_within_one():
    network = made(layers_of("2c3", 4), binary=True, activation="relu")
    latent = [p for name, p in network.named_parameters() if name.endswith("latent")]
    before = network(torch.rand(6, 144)).detach()
    assert len(latent) == 3 and before.shape == (6, 3)
    optimizer = torch.optim.SGD(latent, 5.0)
    network(torch.rand(6, 144)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in latent)
    optimizer.step()
    assert max(float(p.detach().abs().max()) for p in latent) > 1
    network.clip_()
    assert max(float(p.detach().abs().max()) for p in latent) == 1


def test_what_it_takes_when_deployed():
    layers = layers_of("4c3p1", "pool2", 5)  # 72 weights, 4 x 4 x 4 neurons after pooling
    floats = made(layers).deployed_bytes()
    assert floats == 4 * (4 * 2 * 9 + 4 * 4 * 4 * 5 + 5 * 3 + 4 + 5 + 3)
    bits = -(-(72 + 320 + 15) // 8)
    assert made(layers, binary=True, activation="sign").deployed_bytes() == bits + 4 * (4 + 5 + 3 + 1)
    assert made(layers, binary=True, activation="relu").deployed_bytes() == bits + 4 * (2 * 9 + 3 + 1)


def test_settling_measures_the_weights_of_now():
    network = made(layers_of("2c3", 4), binary=True, activation="relu", dropout=0.9)
    pixels = torch.rand(50, 144)
    network.train()
    network(pixels)
    network.body[0].latent.data.neg_()
    network.settle_([pixels[:25], pixels[25:]])
    sums = network.body[0](pixels.view(50, 2, 9, 8))
    torch.testing.assert_close(network.body[1].running_mean, sums.mean((0, 2, 3)))
    assert not network.training or not any(m.training for m in network.body)


# --- what it reads


def test_it_reads_pixels_as_shares_of_white():
    whole = datasets.load("digits", "train")
    samples = Samples(recipe(train={"shift": 0}), whole, 3)
    index = torch.arange(20)
    rows = [int(np.flatnonzero((whole.images.reshape(-1, 64) == r).all(1))[0]) for r in _pixels(samples, index)]
    assert whole.labels[rows].tolist() == samples.labels[index].tolist()
    held = torch.cat(list(samples.held_out())).numpy()
    assert held.shape == (len(samples.validation_labels), 64)
    test = datasets.load("digits", "test")
    read = torch.cat(list(samples.of(test))).numpy()
    np.testing.assert_allclose(read, test.images.reshape(-1, 64) / 16, atol=1e-6)


def _pixels(samples, index):
    return np.rint(samples.batch(index, torch.Generator()).numpy() * 16).astype(np.uint8)


def test_its_parts_are_those_of_the_recipes_own_run():
    whole, of = datasets.load("digits", "train"), recipe()
    samples, run = Samples(of, whole, 5), TrainingRun(of, whole, 5, torch.device("cpu"))
    assert torch.equal(samples.labels, run.labels)
    assert np.array_equal(samples.validation_labels, run.validation_labels)
    bright = torch.cat(list(samples.held_out())).numpy() == 1.0
    assert np.array_equal(bright, run.validation == 0 if of.network.num_steps >= 16 else bright)
    assert ((run.validation == 4) == (torch.cat(list(samples.held_out())).numpy() == 0)).all()


def test_it_is_augmented_as_in_the_recipe():
    whole = datasets.load("digits", "train")
    still = Samples(recipe(train={"shift": 0}), whole, 3)
    moved = Samples(recipe(train={"shift": 2, "jitter": 1}), whole, 3)
    index = torch.arange(200)
    a, b = (samples.batch(index, torch.Generator().manual_seed(1)).view(200, 8, 8) for samples in (still, moved))
    where = [
        {
            (y, x)
            for y in range(-2, 3)
            for x in range(-2, 3)
            if torch.equal(torch.roll(torch.nn.functional.pad(one, (2,) * 4), (y, x), (0, 1))[2:10, 2:10], other)
        }
        for one, other in zip(a, b, strict=True)
    ]
    assert all(where) and len(set.union(*where)) == 25  # moved, and jitter, which is of spikes, left aside


def test_distorted_copies_are_those_of_the_recipe():
    whole = datasets.load("digits", "train")
    of = recipe(train={"shift": 0}, distort={"copies": 2, "rotation": 20.0}, network={"num_steps": 16})
    samples, run = Samples(of, whole, 4), TrainingRun(of, whole, 4, torch.device("cpu"))
    for each in (samples, run):
        each.training.prepare(None)
    index, drawn = torch.arange(60), [torch.Generator().manual_seed(2) for _ in range(2)]
    steps = run.training.batch(index, drawn[0]).spikes
    assert torch.equal(samples.batch(index, drawn[1]), numbers(steps, 16))


def test_edges_are_read_where_the_recipe_reads_them():
    of = recipe(input={"edges": 2}, train={"shift": 0}, network={"layers": ["4c3p1", 8]})
    samples = Samples(of, datasets.load("digits", "train"), 0)
    assert samples.input.gives == (4, 4, 4)
    assert samples.batch(torch.arange(5), torch.Generator()).shape == (5, 64)


def test_recordings_are_read_as_counts():
    events = Events(np.array([0, 3, 3, 4]), np.array([1, 2, 1, 0], np.uint16), np.array([0, 0, 1, 3], np.uint8), 3, 4)
    assert numbers(events, 4).tolist() == [[0, 2, 1], [0, 0, 0], [1, 0, 0]]


def recordings():
    """Two classes told apart by which half of eight channels speaks more."""
    rng, labels = np.random.default_rng(0), np.arange(120) % 2
    counts = np.full(120, 12)
    channels = np.repeat(labels * 4, counts) + rng.integers(0, 5, counts.sum())
    times = np.sort(rng.random((120, 12)), axis=1).ravel().astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return EventDataset("two", "train", offsets, channels.astype(np.uint16), times, labels, None, ("a", "b"), 9)


def test_recordings_are_learnt_from_as_the_recipe_encodes_them():
    of = recipe(data={"name": "hd-spikes"}, network={"layers": [8]}, train={"shift": 0}, input={"duration": 0.5})
    samples = Samples(of, recordings(), 0)
    read = samples.batch(torch.arange(10), torch.Generator())
    assert read.shape == (10, 9) and 3 < read.sum(1).mean() < 9  # half of the time, half of the events
    report = train("ann", of, load=lambda *_: recordings(), settings={"epochs": 8, "batch": 16})
    assert report["test"]["accuracy"] > 0.9
    with pytest.raises(InputError, match="steps = 8 does nothing for hd-spikes, of which events are counted"):
        Samples(of, recordings(), 0, 8)
    with pytest.raises(InputError, match="take spikes back"):
        Samples(recipe(network={"layers": [8]}, train={"shift": 0}, input={"windows": [2]}), recordings(), 0)


# --- training


@pytest.fixture(scope="module")
def reports():
    return {name: train(name, seed=3, settings=FAST[name]) for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_each_learns_and_reports(reports, name):
    report = reports[name]
    assert set(report) == KEYS | {"structure", "sizes"}
    assert json.loads(json.dumps(report)) == report
    assert set(report["test"]) == set(report["validation"]) == FIGURES
    assert report["structure"] == "1x8x8-8c3p1-pool2-16c3g2-32-10"
    assert report["widths"] == [64, 512, 128, 64, 32, 10]
    assert report["recipe"]["baseline"]["name"] == name and report["recipe"]["network"]["layers"][0] == "8c3p1"
    assert report["test"]["accuracy"] > {"ann": 0.85, "bnn": 0.5, "bnn-relu": 0.6}[name]  # chance is 0.1
    operations = 8 * 22 * 22 + 128 * 4 + 64 * 4 * 9 + 64 * 32 + 32 * 10  # a 3 x 3 window reaches 22 of 8 x 3 places
    assert report["test"]["synaptic_operations_to_decision"] == operations
    costs = energy.of_report(report)
    multiplied = operations - 512 if name == "ann" else 0
    assert costs["counts"]["multiplications"] == multiplied + (512 + 64 + 32 if name == "bnn-relu" else 0)


def test_logistic_regression_is_that_of_scikit_learn_with_the_strength_that_validation_chooses():
    of, told = recipe(train={"shift": 0}), []
    report = predecessors.train_counterpart(
        "logistic", of, seed=3, settings={"strengths": [10.0, 1e-5, 0.3]}, on_epoch=told.append
    )
    assert set(report) == KEYS | {"structure"}
    assert json.loads(json.dumps(report)) == report
    assert (report["structure"], report["widths"]) == ("64-10", [64, 10])
    samples = Samples(of, datasets.load("digits", "train"), 3)
    learnt, held = (torch.cat(list(part)).numpy() for part in (samples.first(10**6), samples.held_out()))
    assert [row["strength"] for row in told] == [1e-5, 0.3, 10.0]
    rights = []
    for row in told:
        model = LogisticRegression(C=row["strength"], max_iter=3000).fit(learnt, samples.labels.numpy())
        rights.append(model.score(held, samples.validation_labels))
        assert row["accuracy"] == pytest.approx(rights[-1], abs=0.008)  # solvers stop near the same place
    assert rights[0] < 0.9 < max(rights)
    chosen = told[report["best_epoch"] - 1]
    assert chosen["accuracy"] == max(row["accuracy"] for row in told) == report["validation"]["accuracy"]
    assert report["recipe"]["title"].endswith(f"C = {chosen['strength']:g}")
    assert report["test"]["accuracy"] > 0.93
    assert energy.of_report(report)["counts"]["multiplications"] == 640


def test_among_equal_strengths_the_likelier_one_is_taken():
    """Two blobs far apart: every strength decides all, and the strongest penalty is the least sure."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    images = (rng.integers(0, 20, (200, 2, 2)) + 200 * labels[:, None, None]).astype(np.uint8)
    two = datasets.Dataset("two", "train", images, labels, 255, ("dark", "bright"))
    of = recipe(network={"layers": [4]}, train={"shift": 0})
    report = predecessors.train_counterpart("logistic", of, load=lambda *_: two)
    assert report["validation"]["accuracy"] == 1 and report["best_epoch"] == 5


def test_samples_weigh_in_a_logistic_regression_as_in_the_recipe():
    whole = datasets.load("digits", "train")
    few = whole.subset(np.flatnonzero((whole.labels == 0) | (np.arange(len(whole)) % 25 == 0)))
    settings = {"strengths": [1e-3]}
    shares = []
    for of in (recipe(train={"shift": 0}), recipe(train={"shift": 0, "class_weight": "balanced"})):
        given = predecessors.train_counterpart("logistic", of, load=lambda *_: few, settings=settings)
        shares.append(given["test"]["macro_f1"])
    assert shares[1] > shares[0] + 0.1  # zeros are most of all samples


@pytest.mark.parametrize("name", ["ann", "logistic"])
def test_it_can_read_the_steps_that_a_spiking_network_reads(name):
    of, whole = recipe(train={"shift": 0}), datasets.load("digits", "train")
    fine, coarse = Samples(of, whole, 0), Samples(of, whole, 0, 4)
    assert (fine.num_steps, coarse.num_steps) == (16, 4)
    read = torch.cat(list(coarse.held_out()))
    assert set(read.unique().tolist()) == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert len(torch.cat(list(fine.held_out())).unique()) == 17
    rest = {} if name == "logistic" else {"epochs": 1, "batch": 32}
    tests = [predecessors.train_counterpart(name, of, settings={"steps": n, **rest})["test"] for n in (0, 16, 1)]
    assert tests[0] == tests[1] != tests[2]


def test_float_weights_do_best(reports):
    assert reports["ann"]["test"]["accuracy"] > reports["bnn-relu"]["test"]["accuracy"]


@pytest.mark.parametrize("name", ["ann", "bnn-relu"])
def test_a_resumed_training_ends_as_an_unbroken_one(tmp_path, name):
    class Stopped(Exception):
        pass

    def stop(row):
        if row["epoch"] == 2:
            raise Stopped

    of, settings = recipe(data={"limit": 300}), {"epochs": 4}
    whole = train(name, of, seed=7, settings=settings)
    with pytest.raises(Stopped):
        train(name, of, seed=7, settings=settings, folder=tmp_path / "t", on_epoch=stop)
    with pytest.raises(InputError, match="holds a training that did not end"):
        train(name, of, seed=7, settings=settings, folder=tmp_path / "t")
    with pytest.raises(InputError, match=r"another run \(seed was 7, now 8\)"):
        train(name, of, seed=8, settings=settings, folder=tmp_path / "t", resume=True)
    with pytest.raises(InputError, match=r"recipe.baseline.rate was .*, now 0.5"):
        train(name, of, seed=7, settings=settings | {"rate": 0.5}, folder=tmp_path / "t", resume=True)
    seen = []
    ended = train(name, of, seed=7, settings=settings, folder=tmp_path / "t", resume=True, on_epoch=seen.append)
    assert [row["epoch"] for row in seen] == [3, 4]
    for key in ("test", "validation", "best_epoch"):
        assert ended[key] == whole[key]
    forget(tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_an_experiment_trains_it_once(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "recipe_of", lambda variant, seed: recipe(data={"limit": 200}))
    one, said = Predecessor("bnn", "digits", settings=(("epochs", 1),), recipe="digits-conv"), []
    assert one.name == "runs/baseline-bnn-digits-conv"
    experiment = Experiment("one", "of the test", "digits", (), (), (1, 1), predecessors=(one,))

    def runs():
        return running.reproduce(experiment, tmp_path, [4], log=said.append)

    [run] = runs()
    assert (run.method, run.data, run.seed, run.epochs) == ("bnn", "digits", 4, 1)
    assert run.structure == "1x8x8-8c3p1-pool2-16c3g2-32-10"
    assert results.load_all(tmp_path) == {one.name: [run]}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["seed4.json"]
    assert runs() == [run]
    assert "there already" in said[-1]


def test_a_damaged_checkpoint_is_refused(tmp_path):
    of = recipe(data={"limit": 200})
    train("ann", of, folder=tmp_path, settings={"epochs": 1})
    kept = tmp_path / CHECKPOINT
    kept.write_bytes(kept.read_bytes()[:-9])
    with pytest.raises(FileFormatError):
        train("ann", of, folder=tmp_path, settings={"epochs": 1}, resume=True)


def test_the_test_set_is_read_once_after_training():
    asked, said = [], []

    def load(name, split):
        asked.append(split)
        return datasets.load(name, split)

    train("ann", recipe(data={"limit": 200}), load=load, on_epoch=lambda _: said.append(asked[:]))
    assert asked == ["train", "test"] and said == [["train"], ["train"]]


def test_the_kept_epoch_is_the_one_that_is_judged(monkeypatch):
    of = recipe(data={"limit": 200})
    last = train("ann", of, settings={"epochs": 4})
    monkeypatch.setattr("bstdg.training.best_epoch.BestEpoch.look", lambda self, epoch, *_: epoch == 1)
    assert train("ann", of, settings={"epochs": 4})["test"] != last["test"]


def test_class_weights_are_the_recipes():
    whole = datasets.load("digits", "train")
    few = whole.subset(np.flatnonzero((whole.labels < 2) | (np.arange(len(whole)) % 10 == 0)))
    of = recipe(train={"class_weight": "balanced"})
    run = CounterpartRun("ann", of, KINDS["ann"][0](batch=32), few, 0)
    own = TrainingRun(of, few, 0, torch.device("cpu"))
    torch.testing.assert_close(run.samples.weights, own.weights)
    row = run.run_epoch()
    scores = run.scores(run.samples.held_out())
    wanted = own.validation_weights
    right = scores.argmax(1) == own.validation_labels
    assert run._weighted(scores)[0] == pytest.approx(wanted[right].sum() / wanted.sum())
    assert run.best.highest == pytest.approx(run._weighted(scores)[0]) != row["accuracy"]


def test_a_loss_that_is_no_number_ends_training(monkeypatch):
    monkeypatch.setattr(CounterpartRun, "_loss", lambda self, _: self.network.body[0].weight.sum() * float("nan"))
    with pytest.raises(TrainingError, match="lower rate"):
        train("ann", recipe(data={"limit": 200}))


def test_a_kind_of_layer_without_a_counterpart_is_refused():
    @dataclasses.dataclass(frozen=True, eq=False)
    class Odd(FullLayer):
        kind = "odd"

    class Other:
        kind, reads, gives = "other", (2,), (2,)

    signs = np.ones((2, 2), np.int8)
    assert made([Odd(signs, np.ones(2, np.int64))])
    with pytest.raises(InputError, match="of kind 'other' has no counterpart"):
        made([Other(), FullLayer(signs, np.ones(2, np.int64))])


# --- the command


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text('[data]\nname = "digits"\nlimit = 200\n[network]\nlayers = ["4c3", "pool2"]\nnum_steps = 4\n')
    return path


def test_the_command_takes_a_recipe(tmp_path, written, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("ann", "--recipe", written, "--set", "epochs=1", "--set", "network.layers=['4c5']") == 0
    said = capsys.readouterr()
    assert "ann on digits test set, 1x8x8-4c5-10" in " ".join(said.out.split())
    report = json.loads((tmp_path / "runs" / "baseline-ann-small" / "seed0.json").read_text())
    assert report["epochs"] == 1 and report["structure"] == "1x8x8-4c5-10"
    assert [path.name for path in (tmp_path / "runs" / "baseline-ann-small").iterdir()] == ["seed0.json"]


def test_the_command_goes_on_where_it_was_stopped(tmp_path, written, capsys, monkeypatch):
    run = ("bnn", "--recipe", written, "--set", "epochs=3", "--out", tmp_path / "r.json")
    learn, calls = CounterpartRun.run_epoch, itertools.count(1)

    def stopping(self):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return learn(self)

    monkeypatch.setattr(CounterpartRun, "run_epoch", stopping)
    assert command(*run) == 130
    assert "to go on, repeat the command with --resume" in capsys.readouterr().err
    monkeypatch.undo()
    assert command(*run) == 2
    assert "did not end" in capsys.readouterr().err
    assert command(*run, "--resume") == 0
    said = capsys.readouterr().err
    assert "epoch 1/3" not in said and "epoch 3/3" in said
    assert not (tmp_path / "r-training").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ann"], "ann takes structure and data of a recipe: give --recipe"),
        (["mlp", "--recipe", "digits"], "mlp takes no --recipe, only ann, bnn, bnn-relu, logistic do"),
        (["mlp", "--resume"], "--resume is for trainings with --recipe"),
        (["ann", "--recipe", "digits", "--data", "digits"], "--data does nothing with --recipe"),
        (["bnn", "--recipe", "digits", "--weights", "."], "--weights does nothing with --recipe"),
        (["ann", "--recipe", "digit"], "there is no recipe 'digit'"),
        (["ann", "--recipe", "digits", "--set", "epoch=3"], "did you mean 'epochs'"),
        (["ann", "--recipe", "digits", "--set", "network.layers=['4d3']"], "'4d3' is no layer known here"),
        (["ann", "--recipe", "digits", "--set", "network.layers=['4c9']"], "layer 0 (4c9) has a kernel of 9 x 9"),
        (["ann", "--recipe", "digits", "--set", "dropout=1.0"], "dropout must be in"),
        (["ann", "--recipe", "digits", "--set", "batch=1"], "batch must be in 2"),
        (["ann", "--recipe", "digits", "--set", "rule.tau=2.0"], "rule.tau belongs to"),
        (["annn", "--recipe", "digits"], "did you mean 'ann'"),
        (["logistic", "--recipe", "digits", "--resume"], "--resume does nothing for logistic"),
        (["logistic", "--recipe", "digits", "--set", "strengths=[]"], "at least one number"),
        (["logistic", "--recipe", "digits", "--blocks", "8"], "--blocks and --models are for s4nn and bs4nn"),
        (["bs4nn", "--data", "digits", "--blocks", "7"], "64 blocks, not into 7"),
        (["bs4nn", "--data", "digits", "--blocks", "x"], "--blocks takes whole numbers"),
        (["mlp", "--data", "digits", "--models", "m"], "model files are left of bs4nn alone"),
    ],
)
def test_the_command_refuses_in_one_line(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert command(*arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]


def test_the_wrong_function_says_so():
    with pytest.raises(InputError, match="bnn takes structure and data of a recipe"):
        predecessors.train("bnn")
    with pytest.raises(InputError, match="mlp has its own structure and settings"):
        predecessors.train_counterpart("mlp", recipe())
