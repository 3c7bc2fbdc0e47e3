"""The defaults of torch, and modes that a caller is in, change nothing: neither what is drawn nor what is computed."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from support.imports import modules

from bstdg import BSTDGClassifier, datasets
from bstdg.lab import predecessors
from bstdg.learning.loss import Loss
from bstdg.learning.network import Average, Network
from bstdg.learning.recipe import (
    DataConfig,
    DistortConfig,
    LossConfig,
    NetworkConfig,
    Recipe,
    TeacherConfig,
    TrainConfig,
)
from bstdg.spikes.events import Events
from bstdg.training import augmentation, checkpoint, distillation
from bstdg.training.run import TrainingRun


@contextlib.contextmanager
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def half() -> Iterator[None]:
    torch.set_default_dtype(torch.bfloat16)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


DEFAULTS = {
    "float64": double,
    "bfloat16": half,
    "default device": elsewhere,
    "device context": lambda: torch.device("meta"),
    "deterministic": deterministic,
}
MODES = {
    "no grad": torch.no_grad,
    "inference mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}
every_default = pytest.mark.parametrize("disturbed", DEFAULTS.values(), ids=DEFAULTS)
every_mode = pytest.mark.parametrize("disturbed", {**DEFAULTS, **MODES}.values(), ids={**DEFAULTS, **MODES})


def same(found, expected) -> None:
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype and found.device == expected.device and torch.equal(found, expected)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            if key not in ("seconds", "samples_per_second", "machine"):
                same(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    else:
        assert found == expected


STEPS = np.random.default_rng(0).integers(0, 9, (30, 20)).astype(np.uint8)
LABELS = torch.from_numpy(np.random.default_rng(1).integers(0, 3, 30))


def a_step(engine: str | None, given: torch.Tensor | Events, weights: str, loss: LossConfig) -> list:
    generator = torch.Generator("cpu").manual_seed(0)
    config = NetworkConfig(layers=(16, 12), weights=weights)
    network = Network(20, 3, config, generator=generator, engine=engine)
    network.calibrate(given)
    criterion, average = Loss(loss), Average(network, 0.9)
    parameters = [*network.parameters(), *(p for p in criterion.parameters() if p.requires_grad)]
    adam = torch.optim.Adam(parameters, 0.05, fused=True)
    results: list = []
    for _ in range(2):
        output = network(given)
        value = criterion(output.potentials, output.threshold, LABELS, output.fired)
        adam.zero_grad()
        value.backward()
        adam.step()
        network.clip_latent_()
        average.update()
        results += [output.potentials.detach(), value.detach(), *(h.steps for h in output.hidden)]
    results += [p.detach() for p in (*parameters, *average.network.parameters())]
    results += [value for state in adam.state.values() for value in state.values()]
    results += [network.deployed()[0].signs, network.deployed()[0].thresholds, str(network.summary())]
    return results


@every_default
@pytest.mark.parametrize("as_events", [False, True], ids=["steps", "events"])
@pytest.mark.parametrize("loss", ["first_to_fire", "relative_target"])
@pytest.mark.parametrize(("engine", "weights"), [(None, "binary"), ("dense", "binary"), (None, "real")])
def test_a_network_learns_the_same(disturbed, engine, weights, as_events, loss):
    given = Events.from_steps(STEPS, 8) if as_events else torch.from_numpy(STEPS)
    config = LossConfig(loss, spike_weight=0.01, latency_weight=0.01)
    expected = a_step(engine, given, weights, config)
    with disturbed():
        found = a_step(engine, given, weights, config)
    same(found, expected)


@every_mode
@pytest.mark.parametrize("engine", [None, "dense"])
def test_a_classifier_is_the_same(disturbed, engine):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 6)), rng.integers(0, 3, 120)

    def learnt() -> list:
        made = BSTDGClassifier(layers=(20,), epochs=3, random_state=0, engine=engine).fit(X, y)
        made.partial_fit(X, y)
        first = BSTDGClassifier(layers=(20,), random_state=0, engine=engine).partial_fit(X, y, classes=[0, 1, 2])
        layers = [layer for one in (made, first) for layer in one.model_.packed.layers]
        return [*((layer.signs, layer.thresholds) for layer in layers), made.predict_proba(X), made.loss_curve_]

    expected = learnt()
    with disturbed():
        found = learnt()
    same(found, expected)


def shapes() -> datasets.Dataset:
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 2
    images = rng.integers(0, 60, (160, 1, 8, 9)).astype(np.uint8)
    images[labels == 1, :, 2:6, 3:7] += 150
    return datasets.Dataset("shapes", "train", images[:, 0], labels.astype(np.int64), 255, ("no", "yes"))


RECIPES = {
    "augmented": Recipe(
        network=NetworkConfig(layers=(12,)),
        train=TrainConfig(epochs=2, shift=1, jitter=1, spike_dropout=0.2, input_dropout=0.1, average=0.9, batch=32),
    ),
    "taught": Recipe(
        network=NetworkConfig(layers=(12,)),
        train=TrainConfig(epochs=1, batch=64),
        distort=DistortConfig(copies=1, rotation=10.0, zoom=0.1, shear=0.1, move=1.0, elastic=0.5, mirror=True),
        teacher=TeacherConfig(weight=0.5, structure=("3c3s2p1", "4c3s2p1", 8), passes=1),
    ),
}


@every_default
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_training_run_is_the_same(disturbed, recipe):
    def trained() -> list:
        run = TrainingRun(recipe, shapes(), 0, torch.device("cpu"))
        run.prepare()
        from bstdg.progress import Quiet

        rows = [run.run_epoch(Quiet()) for _ in range(recipe.train.epochs)]
        saved = run.checkpoint()
        run.restore(saved)
        return [rows, saved.tensors, checkpoint.pack_optimizer(run.optimizer, run._names())]

    expected = trained()
    with disturbed():
        found = trained()
    same(found, expected)


@every_mode
@pytest.mark.parametrize("name", predecessors.names())
def test_a_predecessor_is_the_same(disturbed, name):
    settings = {"epochs": 1, "hidden": [8], "validation": 0.2}
    if name in ("binary", "binary-relu", "mlp"):
        settings["dropout"] = 0.2

    def trained() -> dict:
        if name in predecessors.COUNTERPARTS:
            of = Recipe(data=DataConfig("shapes", 0.2), network=NetworkConfig(("3c3p1", "pool2", 8)))
            own = {"strengths": [0.1, 1.0]} if name == "logistic" else {"epochs": 1, "dropout": 0.2}
            return predecessors.train_counterpart(name, of, settings=own, load=lambda *_: shapes())
        return predecessors.train(name, "shapes", settings=settings, load=lambda *_: shapes())

    expected = trained()
    with disturbed():
        found = trained()
    same(found, expected)


@every_default
def test_a_teacher_is_the_same(disturbed):
    images = torch.from_numpy(shapes().images[None].copy())
    labels = torch.from_numpy(shapes().labels)
    config = TeacherConfig(weight=0.5, structure=("3c3s2p1", "4c3s2p1", 8), passes=1)

    def taught() -> list:
        generator = torch.Generator("cpu").manual_seed(0)
        teacher = distillation.teach(
            distillation.blank((1, *images.shape[2:]), 2, config), images, labels, None, 255, config, generator
        )
        moved = augmentation.distort(images[0], DistortConfig(elastic=1.0, mirror=True), generator)
        return [*teacher.state_dict().values(), distillation.probabilities(teacher, moved, 255, 1.5), moved]

    expected = taught()
    with disturbed():
        found = taught()
    same(found, expected)


FACTORIES = {"tensor", "zeros", "ones", "empty", "full", "rand", "randn", "linspace", "eye", "as_tensor"}
WHOLE = {"arange", "randint", "randperm"}  # of integers, unless asked for others
LAYERS = {"Linear", "Conv2d", "BatchNorm1d", "BatchNorm2d"}


def unsaid(source: str) -> list[str]:
    """Calls that make tensors and do not say of which type, and where."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        of, name = ast.unparse(node.func.value), node.func.attr
        said = {word.arg for word in node.keywords} | ({"dtype", "device"} if "**PLAIN" in ast.unparse(node) else set())
        needed = set()
        if (of == "torch" and name in FACTORIES) or (of == "nn" and name in LAYERS):
            needed = {"dtype", "device"}
        elif of == "torch" and name in WHOLE:
            needed = {"device"}
        elif of == "torch" and name == "Generator":
            needed = set() if node.args else {"device"}
        if needed - said:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def test_whoever_makes_a_tensor_says_of_which_type_and_where():
    assert unsaid("torch.zeros(3)") and unsaid("nn.Linear(2, 3)") and unsaid("torch.Generator()")
    assert not unsaid("torch.zeros(3, dtype=torch.int8, device='cpu')") and not unsaid("nn.Linear(2, 3, **PLAIN)")
    rooms = {name: unsaid(path.read_text(encoding="utf-8")) for name, path in modules().items()}
    assert {name: calls for name, calls in rooms.items() if calls} == {}
