"""Options that would do nothing: what data, loss or other fields rule out is refused.

A field counts as asked for where it differs from its default. Everything is looked at before any work begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Literal

from bstdg.datasets import Dataset, EventDataset, StepDataset, StoredDataset
from bstdg.errors import InputError
from bstdg.inputs.options import FOR_IMAGES, FOR_RECORDINGS
from bstdg.layers import written
from bstdg.learning.recipe import Recipe

Kind = Literal["images", "recordings", "steps"]
AMOUNTS = ("rotation", "zoom", "shear", "move", "elastic", "mirror")  # of distortion
Idle = tuple[bool, str, str]  # whether it holds, the fields it makes idle, and why


def kind_of(dataset: Dataset | StoredDataset | EventDataset | StepDataset) -> Kind:
    """What a data set holds."""
    if isinstance(dataset, EventDataset):
        return "recordings"
    return "steps" if isinstance(dataset, StepDataset) else "images"


def check(recipe: Recipe, kind: Kind) -> None:
    """Raise `InputError` if a field of the recipe is set and would do nothing.

    Args:
        recipe: what is to be trained.
        kind: of its data.
    """
    for holds, names, why in (*_by_data(recipe, kind), *_by_fields(recipe)):
        if not holds:
            continue
        section, *listed = names.split()
        for name in listed or [field.name for field in fields(getattr(recipe, section))]:
            if asked(recipe, section, name):
                raise InputError(f"{section}.{name} {why}")
    _check_recordings(recipe, kind)
    levels, num_steps = len(recipe.input.levels), recipe.network.num_steps
    if levels and levels != num_steps:
        raise InputError(f"input.levels are {levels}, one a step are needed: network.num_steps = {num_steps}")


def asked(recipe: Recipe, section: str, name: str) -> bool:
    """Whether a field differs from its default."""
    return getattr(getattr(recipe, section), name) != getattr(getattr(Recipe(), section), name)


def _by_data(recipe: Recipe, kind: Kind) -> Iterator[Idle]:
    """What data of one kind leave idle; what is to be used instead."""
    data = recipe.data.name
    recorded, pictured = kind == "recordings", kind == "images"
    for name, instead in (
        ("shift", "events.channel_shift"),
        ("jitter", "events.time_jitter"),
        ("input_dropout", "events.event_dropout"),
    ):
        yield recorded, f"train {name}", f"is for images; for the events of {data} use {instead}"
    yield recorded, "train shift_share", f"is for images; {data} holds recordings of events"
    of_images = [name for name in FOR_IMAGES if name not in FOR_RECORDINGS]
    yield recorded, f"input {' '.join(of_images)}", f"is for images; {data} holds recordings of events"
    yield recorded, "distort", f"is for images; {data} holds recordings of events"
    yield recorded, "teacher", f"is for images; {data} holds recordings of events"
    only_recordings = [name for name in FOR_RECORDINGS if name not in FOR_IMAGES]
    yield not recorded, f"input {' '.join(only_recordings)}", f"is for recordings of events; {data} holds {kind}"
    yield not recorded, "events", f"is for recordings of events; {data} holds {kind}"
    yield not recorded, "data validation_speakers", f"is for recordings of people who speak; {data} holds {kind}"
    yield not pictured, "data validation_patients", f"is for images of patients; {data} holds {kind}"
    yield not pictured, "data size channels", f"is for pictures; {data} holds {kind}"
    yield kind == "steps", "input", f"is for images and recordings; {data} holds steps already"
    yield kind == "steps", "distort", f"is for images; {data} holds steps"
    yield kind == "steps", "teacher", f"is for images; {data} holds steps"


def _by_fields(recipe: Recipe) -> Iterator[Idle]:
    """What other fields leave idle."""
    data, network, loss, train = recipe.data, recipe.network, recipe.loss, recipe.train
    distort, teacher, rule = recipe.distort, recipe.teacher, recipe.rule
    yield bool(data.validation_speakers), "data validation", "does nothing where data.validation_speakers are held out"
    yield bool(data.validation_patients), "data validation", "does nothing where data.validation_patients are held out"

    likelihood = loss.name == "first_to_fire"
    why = f"belongs to the likelihood; loss.name = {loss.name!r} does not use it"
    yield not likelihood, "loss label_smoothing silent_remainder", why
    yield not likelihood and not loss.latency_weight, "loss scale", why
    yield not likelihood, "train scale_rate", why
    yield not likelihood, "teacher", why
    yield likelihood, "loss gamma", "belongs to loss.name = 'relative_target'"

    kernel = rule.kernel
    yield kernel != "exponential", "rule tau", f"belongs to rule.kernel = 'exponential', not to {kernel!r}"
    fixed = network.threshold_mode == "fixed"
    yield fixed, "train threshold_rate", "does nothing where network.threshold_mode = 'fixed'"
    flat = "does nothing without hidden layers (network.layers is empty)"
    none = not network.layers
    yield none, "network initial_share", flat
    yield none, "train spike_dropout", flat
    yield none, "loss spike_weight", flat
    yield none, "rule width final_width unit", f"{flat}: the loss judges the output layer"
    at_once = network.num_steps == 1
    yield at_once, "rule kernel tau", "does nothing where network.num_steps = 1: there is one step"
    yield at_once, "train jitter", "does nothing where network.num_steps = 1: there is one step"
    yield at_once, "input equalize", "does nothing where network.num_steps = 1: there is one share"
    same = at_once and not recipe.input.silent_below and not recipe.input.levels
    yield same, "input relative", "does nothing where network.num_steps = 1: there is one step"
    yield at_once, "loss latency_weight", "does nothing where network.num_steps = 1: every decision falls at step 0"

    yield not recipe.input.edges, "input pixels", "goes with input.edges: pixels are what is read without them"
    yield not recipe.input.signal, "input signal_top", "does nothing without input.signal"
    yield not train.shift, "train shift_share", "does nothing without train.shift"
    yield not distort.copies, f"distort {' '.join(AMOUNTS)}", "does nothing without distort.copies"
    still = not any(asked(recipe, "distort", name) for name in AMOUNTS)
    yield still, "distort copies", f"makes copies that are all alike: say how they differ ({', '.join(AMOUNTS)})"
    learning = [field.name for field in fields(teacher) if field.name != "weight"]
    yield not teacher.weight, f"teacher {' '.join(learning)}", "does nothing without teacher.weight"
    full = any(isinstance(written.layer(text), written.Full) for text in teacher.structure)
    yield not full, "teacher dropout", "is of full layers, of which teacher.structure has none"


def _check_recordings(recipe: Recipe, kind: Kind) -> None:
    options: Any = recipe.input
    if kind == "recordings" and options.edges and not options.counts:
        raise InputError("input.edges of recordings are those of counts: give input.counts too")
