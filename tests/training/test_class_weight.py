"""`train.class_weight` in recipes: of pictures and of recordings, on both engines, resumed, and refused in time."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch

from bstdg import datasets
from bstdg.datasets import Dataset, EventDataset
from bstdg.errors import InputError
from bstdg.learning.recipe import Recipe, TrainConfig
from bstdg.learning.recipe_file import from_dict, load_recipe, recipe_of
from bstdg.model import packed
from bstdg.model.runtime import Model
from bstdg.progress import Quiet
from bstdg.training import checkpoint
from bstdg.training.run import TrainingRun
from bstdg.training.run_folder import CHECKPOINT
from bstdg.training.train import train

CPU = torch.device("cpu")
SEEDS = {"native": 2, "dense": 1}  # that one is slow
FEW = {"pictures": 12, "recordings": 24}  # of the rare class


def pictures(split: datasets.Split = "train") -> Dataset:
    """Digits 3 and 8, which look alike; of 8 few are learnt from."""
    whole = datasets.load("digits", split)
    threes, eights = (np.flatnonzero(whole.labels == digit) for digit in (3, 8))
    chosen = np.sort(np.concatenate([threes, eights[: FEW["pictures"]] if split == "train" else eights]))
    some = whole.subset(chosen)
    return dataclasses.replace(some, name="pictures", labels=(some.labels == 8).astype(np.int64), classes=("3", "8"))


def recordings(split: datasets.Split = "train") -> EventDataset:
    """Events on 16 channels, of two classes that overlap; of the second few are learnt from."""
    rng = np.random.default_rng(split == "test")
    labels = np.repeat([0, 1], [240, FEW["recordings"]] if split == "train" else [120, 120]).astype(np.int64)
    lengths = rng.integers(8, 16, len(labels))
    times = np.concatenate([np.sort(rng.uniform(0, 1, length)) for length in lengths]).astype(np.float32)
    place = np.clip(np.rint(rng.normal(5 + 6 * np.repeat(labels, lengths), 4)), 0, 15).astype(np.uint16)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return EventDataset("recordings", split, offsets, place, times, labels, None, ("low", "high"), 16)


DATA = {"pictures": pictures, "recordings": recordings}
BASE: dict[str, dict[str, Any]] = {
    "pictures": {"network": {"layers": [32]}, "rule": {"width": 8.0}},
    "recordings": {"network": {"layers": [32], "num_steps": 6}, "rule": {"width": 8.0}, "input": {"duration": 1.0}},
}
kinds = pytest.mark.parametrize("kind", DATA)


def recipe(kind: str, class_weight: Any = "none", **more: dict[str, Any]) -> Recipe:
    values = {**BASE[kind], "data": {"name": kind, "validation": 0.25}, **more}
    learning = {"epochs": 8, "batch": 16, "class_weight": class_weight, **more.get("train", {})}
    return recipe_of({**values, "train": learning})


def recall(run: TrainingRun, kind: str) -> float:
    """Of the rare class, on samples that were not learnt from."""
    test, model = DATA[kind]("test"), Model(run.best_model())
    rare = np.flatnonzero(test.labels == 1)
    if isinstance(test, EventDataset):
        return float((model.run(model.encode_events(*test.rows(rare))).decision.label == 1).mean())
    return float((model.predict(test.images[rare]) == 1).mean())


def trained(values: Recipe, kind: str, engine: str | None = None, seed: int = 0) -> TrainingRun:
    run = TrainingRun(values, DATA[kind]("train"), seed, CPU, engine)
    run.prepare()
    while not run.finished:
        run.run_epoch(Quiet())
    return run


@kinds
@pytest.mark.parametrize("engine", ["native", "dense"])
def test_a_rare_class_is_found(kind, engine):
    plain, balanced = (
        np.mean([recall(trained(recipe(kind, asked), kind, engine, seed), kind) for seed in range(SEEDS[engine])])
        for asked in ("none", "balanced")
    )
    assert balanced > plain + 0.1
    assert balanced > 0.4


@kinds
def test_balanced_is_the_table_of_the_training_part(kind):
    run = TrainingRun(recipe(kind, "balanced"), DATA[kind](), 0, CPU)
    counts = np.bincount(run.labels.numpy())
    names = run.classes
    table = {name: float(counts.sum() / (2 * count)) for name, count in zip(names, counts, strict=True)}
    by_table = TrainingRun(recipe(kind, table), DATA[kind](), 0, CPU)
    assert torch.equal(run.weights, by_table.weights)
    assert float(run.weights.mean()) == pytest.approx(1.0)
    assert run.learn(Quiet()) == by_table.learn(Quiet())
    assert all(map(torch.equal, run.network.parameters(), by_table.network.parameters()))


@kinds
def test_engines_learn_alike(kind):
    first = [TrainingRun(recipe(kind, "balanced"), DATA[kind](), 0, CPU, e).learn(Quiet()) for e in ("native", "dense")]
    assert first[0] == pytest.approx(first[1], rel=1e-2)


@kinds
def test_the_log_says_the_weighted_accuracy_and_the_best_epoch_goes_by_it(kind, tmp_path):
    report = train(
        recipe(kind, "balanced", train={"epochs": 3}), tmp_path, load=lambda _, split: DATA[kind](split), device="cpu"
    )
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert all(0 <= row["weighted_accuracy"] <= 1 for row in rows)
    assert [row["weighted_accuracy"] for row in rows] != [row["accuracy"] for row in rows]
    assert report["recipe"]["train"]["class_weight"] == "balanced"
    train(
        recipe(kind, train={"epochs": 1}),
        tmp_path,
        load=lambda _, split: DATA[kind](split),
        device="cpu",
        overwrite=True,
    )
    assert "weighted_accuracy" not in (tmp_path / "log.jsonl").read_text()


@kinds
def test_weights_that_are_all_alike_are_none(kind):
    data = DATA[kind]()
    plain, alike = (TrainingRun(recipe(kind), data, 0, CPU, weights=own) for own in (None, np.full(len(data), 7.0)))
    assert alike.weights is None
    assert alike.validation_weights is None
    assert plain.learn(Quiet()) == alike.learn(Quiet())
    assert all(map(torch.equal, plain.network.parameters(), alike.network.parameters()))


@pytest.mark.parametrize("class_weight", ["balanced", {"8": 5.0}])
def test_a_resumed_run_ends_like_an_unbroken_one(class_weight, tmp_path):
    def load(_, split):
        return pictures(split)

    more = {"train": {"epochs": 4}, "teacher": {"weight": 0.5, "passes": 1, "neurons": 8, "channels": [2, 2]}}
    values = recipe("pictures", class_weight, **more)
    train(values, tmp_path / "whole", load=load, device="cpu")
    run = TrainingRun(values, pictures(), 0, CPU)
    (tmp_path / "broken").mkdir()
    run.prepare(tmp_path / "broken")
    for _ in range(2):
        run.run_epoch(Quiet())
        checkpoint.save(tmp_path / "broken", run.checkpoint())
    train(values, tmp_path / "broken", load=load, device="cpu", resume=True)
    one, two = (checkpoint.load(tmp_path / name / CHECKPOINT).tensors for name in ("whole", "broken"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = recipe("pictures", "none", **more)
    with pytest.raises(InputError, match=r"no teacher of this recipe|recipe.train.class_weight was .* now 'none'"):
        train(other, tmp_path / "broken", load=load, device="cpu", resume=True)
    stored = packed.load(tmp_path / "whole" / "model.bstdg")
    assert recipe_of(stored.trained["recipe"]).train.class_weight == class_weight


def test_a_teacher_learns_by_the_same_weights(tmp_path):
    more = {"teacher": {"weight": 0.5, "passes": 20, "neurons": 32, "channels": [8, 8], "rate": 0.02}}
    said = []
    for class_weight in ("none", "balanced"):
        run = TrainingRun(recipe("pictures", class_weight, **more), pictures(), 0, CPU)
        run.prepare()
        said.append(run.training.batch(torch.arange(len(run.training)), run.generator).taught[:, 1].mean())
    assert said[1] > 1.1 * said[0]  # the rare class is likelier to a teacher that hears of it


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize(
    ("class_weight", "message"),
    [({"9": 2.0}, "train.class_weight names the class '9'"), ({"3": 1.0, "low": 1.0}, "train.class_weight")],
)
def test_what_does_not_fit_the_data_is_refused_before_anything_is_written(kind, class_weight, message, tmp_path):
    with pytest.raises(InputError, match=message):
        train(recipe(kind, class_weight), tmp_path / "run", load=lambda _, split: DATA[kind](split), device="cpu")
    assert not (tmp_path / "run").exists()


# In a file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[train]\nclass_weight = "balanced"', "balanced"),
        ('[train]\nclass_weight = "none"', "none"),
        ("[train.class_weight]\ncat = 3\ndog = 0.5", {"cat": 3.0, "dog": 0.5}),
        ('[train]\nclass_weight = { "8" = 2.5 }', {"8": 2.5}),
    ],
)
def test_read_from_a_recipe(text, expected, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    loaded = load_recipe(path)
    assert loaded.train.class_weight == expected
    assert from_dict(Recipe, loaded.to_dict()) == loaded
    assert hash(loaded) == hash(load_recipe(path))


def test_overridden_on_the_command_line(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('[train]\nclass_weight = "balanced"')
    assert load_recipe(path, ["class_weight=none"]).train.class_weight == "none"
    assert load_recipe(path, ["train.class_weight={ cat = 2 }"]).train.class_weight == {"cat": 2.0}
    path.write_text("[train.class_weight]\ncat = 3")
    assert load_recipe(path, ["train.class_weight.dog=2"]).train.class_weight == {"cat": 3.0, "dog": 2.0}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"balance"', "train.class_weight must be 'none', 'balanced' or a table of numbers by name, not 'balance'"),
        ("3", "train.class_weight must be 'none', 'balanced' or a table of numbers by name, not 3"),
        ("[1, 2]", "or a table of numbers by name, not [1, 2]"),
        ("{ cat = true }", "train.class_weight.cat must be a number, not True"),
        ('{ cat = "much" }', "train.class_weight.cat must be a number, not 'much'"),
        ("{ cat = -1.0 }", "train.class_weight.cat must be in 0 … 1000000, not -1.0"),
        ("{ cat = nan }", "train.class_weight.cat must be a number in 0 … 1000000, not nan"),
        ("{ cat = inf }", "train.class_weight.cat must be"),
        ("{}", "train.class_weight is a table of no class"),
    ],
)
def test_refused_in_a_recipe(value, message, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(f"[train]\nclass_weight = {value}")
    with pytest.raises(InputError) as raised:
        load_recipe(path)
    assert message in str(raised.value)


def test_refused_in_python():
    with pytest.raises(
        InputError,
        match=r"must be 'none', 'balanced' or a table of numbers by name, not 'balance'; did you mean 'balanced'\?",
    ):
        TrainConfig(class_weight="balance")  # pyright: ignore[reportArgumentType]


def test_a_new_recipe_writes_tables_as_toml(tmp_path):
    from bstdg.cli.new import text

    values = Recipe(train=TrainConfig(class_weight={'say "cat"': 2.0, "größer": 0.5}))
    (tmp_path / "recipe.toml").write_text(text(values), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.toml") == values
