"""Every option is used or refused: none is accepted and then does nothing, whatever the data, the loss and the rest."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from bstdg import datasets
from bstdg.datasets import Dataset, EventDataset
from bstdg.errors import InputError
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import from_dict
from bstdg.model import packed
from bstdg.training import checkpoint, options
from bstdg.training.run_folder import CHECKPOINT
from bstdg.training.train import train

TIMES = ("seconds", "samples_per_second")
SECTIONS = {name: kind for name, kind in get_type_hints(Recipe).items() if dataclasses.is_dataclass(kind)}
FIELDS = [f"{name}.{field.name}" for name, kind in SECTIONS.items() for field in dataclasses.fields(kind)]
# A name of data that a caller loads himself is a name; patience acts on some runs alone (`test_train` sees it act).
NAMED = {"data.name", "train.patience"}

SMALL = {"network": {"layers": [14], "num_steps": 6}, "rule": {"width": 5.0}, "train": {"epochs": 3, "batch": 16}}
RICH = {
    **SMALL,
    "train": {**SMALL["train"], "shift": 1, "jitter": 1, "spike_dropout": 0.2, "average": 0.9, "input_dropout": 0.1},
    "rule": {"width": 5.0, "final_width": 3.0, "kernel": "exponential"},
    "distort": {"copies": 1, "rotation": 8.0},
    "teacher": {"weight": 0.5, "structure": ["2c3s2p1", "2c3s2p1", 8], "passes": 1},
}
COUNTED = {
    **SMALL,
    "input": {"duration": 1.0, "pool": 2, "gates": 4, "counts": 3},
    "events": {"channel_shift": 2, "mixup": 0.5},
    "train": {**SMALL["train"], "spike_dropout": 0.2},
}
RELATIVE = {"loss": {"name": "relative_target"}}
CONTEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "images": ("images", SMALL),
    "images, relative target": ("images", {**SMALL, **RELATIVE}),
    "images, much asked": ("images", RICH),
    "edges": ("images", {**SMALL, "input": {"edges": 2}}),
    "one step": ("images", {**SMALL, "network": {"layers": [14], "num_steps": 1}}),
    "no hidden layer": ("images", {"network": {"layers": [], "num_steps": 6}, "train": SMALL["train"]}),
    "fixed thresholds": ("images", {**SMALL, "network": {**SMALL["network"], "threshold_mode": "fixed"}}),
    "recordings": ("recordings", SMALL),
    "recordings, relative target": ("recordings", {**SMALL, **RELATIVE}),
    "counts": ("recordings", COUNTED),
    "pixels of a sensor": ("pixels", {**SMALL, "input": {"duration": 1.0, "pool": 2}, "events": {"channel_shift": 1}}),
    "edges of counts": ("recordings", {**COUNTED, "input": {**COUNTED["input"], "edges": 2}}),
    "speakers": ("recordings", {**SMALL, "data": {"validation_speakers": [1]}}),
    "patients": ("patients", SMALL),
    "patients by name": ("patients", {**SMALL, "data": {"validation_patients": [1]}}),
    "signal": ("images", {**SMALL, "input": {"signal": ["level"]}}),
}


def load(name: str, split: datasets.Split) -> Dataset | EventDataset:
    if name == "images":
        whole = datasets.load("digits", split)
        return dataclasses.replace(whole.subset(slice(120)), name=name)
    if name == "patients":
        whole = datasets.load("digits", split).subset(slice(120))
        return dataclasses.replace(whole, name=name, patients=np.arange(120) // 6)
    rng = np.random.default_rng(split == "test")
    labels = np.arange(90) % 3
    lengths = rng.integers(20, 40, 90)
    times = np.concatenate([np.sort(rng.uniform(0, 1, length)) for length in lengths])
    place = np.repeat(labels * 5, lengths) + rng.integers(0, 6, lengths.sum())
    return EventDataset(
        name, split, np.concatenate([[0], np.cumsum(lengths)]), place.astype(np.uint16), times.astype(np.float32),
        labels, rng.integers(0, 3, 90), ("a", "b", "c"), 16, (1, 4, 4) if name == "pixels" else None,
    )  # fmt: skip


def recipe(context: str, **change: dict[str, Any]) -> Recipe:
    kind, values = CONTEXTS[context]
    named = {**values, "data": {"name": kind, "validation": 0.3, **values.get("data", {})}}
    if "validation_speakers" in named["data"] or "validation_patients" in named["data"]:
        del named["data"]["validation"]
    return from_dict(Recipe, {name: {**named.get(name, {}), **change.get(name, {})} for name in {*named, *change}})


def fingerprint(values: Recipe, folder: Path) -> Any:
    """All that a run leaves, but for how long it took."""
    report = train(values, folder, load=load, device="cpu")
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    logged = [{name: value for name, value in row.items() if name not in TIMES} for row in rows]
    model = folder / "model.bstdg"
    stored = packed.load(model) if model.exists() else None
    bits = None if stored is None else [(layer.signs.tolist(), layer.thresholds.tolist()) for layer in stored.layers]
    code = None if stored is None else (stored.input.kind, stored.input.header())
    saved = checkpoint.load(folder / CHECKPOINT)
    latent = {name: tensor.tolist() for name, tensor in saved.tensors.items() if not name.startswith("best.")}
    ends = saved.state["best"], report["test"], report["widths"], report["training_samples"]
    return logged, ends, bits, code, model.exists(), latent


def others(name: str, value: Any) -> Iterator[Any]:
    """Values of a field that are allowed and are not `value`."""
    section, field = name.split(".")
    hint = get_type_hints(SECTIONS[section])[field]
    if get_origin(hint) is Literal:
        yield from (choice for choice in get_args(hint) if choice != value)
    elif name in SPECIAL:
        yield from (choice for choice in SPECIAL[name] if choice != value)
    elif hint is bool:
        yield not value
    elif hint is float:
        yield 0.37 if value != 0.37 else 0.4
    else:
        assert hint is int, f"say in SPECIAL what else {name} may be"
        yield value + 2


SPECIAL = {
    "data.validation_speakers": [[2]],
    "data.validation_patients": [[2]],
    "data.size": [[4, 4]],
    "data.channels": [3],
    "data.fold": [2],
    "data.limit": [40],
    "input.levels": [[9], [12, 9, 9, 4, 2, 1]],
    "input.signal": [["above"], ["rise", "level"]],
    "input.signal_top": [5],
    "network.layers": [[9], [14, 9]],
    "network.initial_output_margin": [3.0],
    "rule.width": [9.0],
    "rule.final_width": [9.0],
    "rule.tau": [1.5],
    "loss.scale": [5.0],
    "loss.gamma": [2],
    "train.calibration": [20],
    "train.batch": [24],
    "train.class_weight": ["balanced", {"a": 3.0}, {"1": 3.0}],
    "distort.rotation": [12.0],
    "distort.move": [1.0],
    "distort.elastic": [1.0],
    "teacher.structure": [["3c3s2p1", 5]],
    "teacher.temperature": [2.0],
    "input.duration": [0.5],
    "input.edges": [2],
    "input.delays": [[0, 2]],
    "input.windows": [[2]],
    "input.gates": [2],
    "input.counts": [5],
    "input.onset": [5],
    "events.channel_shift": [3],
}


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")  # tiny networks die, and T = 1 tells little apart
@pytest.mark.parametrize("context", CONTEXTS)
def test_every_field_changes_the_run_or_is_refused(context, tmp_path):
    values = recipe(context)
    plain = fingerprint(values, tmp_path / "plain")
    assert fingerprint(values, tmp_path / "again") == plain
    idle = []
    for number, name in enumerate(FIELDS):
        if name in NAMED:
            continue
        section, field = name.split(".")
        for i, value in enumerate(others(name, getattr(getattr(values, section), field))):
            changed = recipe(context, **{section: {field: value}})
            folder = tmp_path / f"{number}-{i}"
            try:
                found = fingerprint(changed, folder)
            except InputError as error:
                assert field in str(error) or section in str(error), f"{name} = {value}: {error}"
                assert not folder.exists(), f"{name} = {value} was refused after work had begun"
                continue
            if found == plain:
                idle.append(f"{name} = {value}")
    assert idle == []


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"input": {"edges": 2}}, "recordings", "input.edges of recordings are those of counts: give input.counts too"),
        ({"input": {"pool": 2}}, "images", "input.pool is for recordings of events; images holds images"),
        ({"events": {"mixup": 0.1}}, "images", "events.mixup is for recordings of events"),
        ({"input": {"silent_below": 0.1}}, "recordings", "input.silent_below is for images"),
        ({"teacher": {"weight": 0.5}, **RELATIVE}, "images", "teacher.weight belongs to the likelihood"),
        (
            {"loss": {"name": "relative_target", "label_smoothing": 0.1}},
            "images",
            "label_smoothing belongs to the likelih",
        ),
        (
            {"loss": {"name": "relative_target", "silent_remainder": True}},
            "images",
            "silent_remainder belongs to the li",
        ),
    ],
)
def test_what_was_once_accepted_and_lost_is_refused_at_once(change, kind, message, tmp_path):
    values = from_dict(Recipe, {"data": {"name": kind}, **change})
    with pytest.raises(InputError, match=message):
        train(values, tmp_path / "run", load=load)
    assert not (tmp_path / "run").exists()


def test_a_data_set_that_is_known_is_not_even_loaded(tmp_path):
    """What its recordings cannot do is said before a file is looked for."""
    values = from_dict(Recipe, {"data": {"name": "shd"}, "train": {"shift": 1}})
    with pytest.raises(InputError, match=r"train.shift is for images; for the events of shd use events.channel_shift"):
        train(values, tmp_path / "run", data_dir=tmp_path)


@pytest.mark.parametrize("name", [path.stem for path in (Path(__file__).parents[2] / "recipes").glob("*.toml")])
def test_recipes_that_come_along_ask_for_nothing_in_vain(name):
    from bstdg.learning.recipe_file import load_recipe
    from bstdg.shipped import shipped_recipes

    values = load_recipe(shipped_recipes()[name])
    options.check(values, "recordings" if datasets.are_events(values.data.name) else "images")
