"""NIR graphs back into deployed models, where they fit: binary weights, neurons that only add and fire once."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bstdg.errors import BstdgWarning, InputError
from bstdg.export.nir import file as nir_file
from bstdg.export.nir.binary import Rows, in_weights, layer, rows_of, whole_ones
from bstdg.export.nir.graph import FORMAT, VERSION
from bstdg.export.nir.nodes import picture, said
from bstdg.export.nir.stages import Stage, stages
from bstdg.inputs import InputCode, InputCoding, LatencyCode, RecordingCode
from bstdg.layers import Layer, Shape, size
from bstdg.model.packed import PackedModel

if TYPE_CHECKING:
    from nir import NIRGraph


def read(
    path: Path | str,
    num_steps: int | None = None,
    *,
    dt: float | None = None,
    first_spikes: bool = False,
    at_threshold: bool = False,
    apart: bool = True,
) -> PackedModel:
    """The deployed model in a NIR file.

    Args:
        path: the file.
        num_steps: T, where the graph does not say it (ours do).
        dt: seconds a step; a unit of current adds dt * r to a potential. None takes 1 / r, where r is the same for all.
        first_spikes: take neurons as firing once although the graph would let them fire again.
        at_threshold: neurons fire at v >= v_threshold, as those of SpikingJelly and Sinabs do, and not above it.
        apart: read the file in a process of its own, see `bstdg.export.nir.file.read`.

    Raises:
        FileFormatError: the file is no NIR graph.
        InputError: the graph does not fit; the message says why.
        OSError: it cannot be read.
    """
    graph = nir_file.read(path, apart=apart)
    return from_graph(graph, num_steps, dt=dt, first_spikes=first_spikes, at_threshold=at_threshold)


def from_graph(
    graph: NIRGraph,
    num_steps: int | None = None,
    *,
    dt: float | None = None,
    first_spikes: bool = False,
    at_threshold: bool = False,
) -> PackedModel:
    """The deployed model that computes what `graph` does; arguments and errors as for `read`.

    Warns where a threshold is a whole number of weights, since simulators do not agree on what happens there, and where
    `dt` is given and is not the step in which a unit of current adds 1.
    """
    config = _config(graph)
    if config.get("variant", "model") != "model":
        raise InputError(f"this is the {config['variant']} graph of a bstdg export: import model.nir beside it")
    if dt is not None and not (math.isfinite(dt) and dt > 0):
        raise InputError(f"dt must be a positive number of seconds, not {dt}")
    found = stages(graph, dt=dt)
    if not found:
        raise InputError("the graph holds no neurons")
    if dt is not None:
        _speak_of_gains(found, dt)
    rows = [rows_of(stage, i) for i, stage in enumerate(found)]
    layers = [layer(row, at_threshold) for row in rows]
    if not (first_spikes or config):
        for row in rows:
            _check_once(row)
    if num_steps is None:
        num_steps = config.get("num_steps")
    if num_steps is None:
        raise InputError("the graph does not say over how many steps it runs: give T (--steps)")
    classes = [str(k) for k in range(size(layers[-1].gives))]
    code = _input(config, picture(graph), layers[0])
    model = PackedModel(
        code, tuple(layers), num_steps, tuple(config.get("classes", classes)), config.get("trained", {})
    )
    _speak_of_ties(rows, at_threshold)
    return model


def _input(config: dict[str, Any], picture: Shape | None, first: Layer) -> InputCode:
    """What a graph of ours says of its input; a foreign one reads a picture, or a row of bytes."""
    if picture is not None and math.prod(picture) != size(first.reads):
        raise InputError(f"Flatten reads a shape of {picture}, the first weights {size(first.reads)} channels")
    shape = tuple(config.get("image_shape", picture or first.reads))
    if "input" in config:
        return RecordingCode(shape, InputCoding.of(config["input"]))
    shape = (1, *shape) if len(shape) == 2 else shape
    image = shape if len(shape) == 3 else (math.prod(shape),)
    contrast = config.get("relative", False), config.get("levels", ())
    return LatencyCode(image, config.get("white", 255), config.get("silent_below", 0.0), *contrast)


_FIELDS = {  # of what a graph of ours says of itself: types, and what they are called
    "num_steps": (lambda value: type(value) is int, "a whole number"),
    "image_shape": (lambda value: _list_of(value, int), "a list of whole numbers"),
    "white": (lambda value: type(value) is int, "a whole number"),
    "silent_below": (lambda value: type(value) in (int, float), "a number"),
    "relative": (lambda value: type(value) is bool, "a truth value"),
    "levels": (lambda value: _list_of(value, int), "a list of whole numbers"),
    "classes": (lambda value: _list_of(value, str), "a list of texts"),
    "trained": (lambda value: isinstance(value, dict), "a table"),
    "input": (lambda value: isinstance(value, dict), "a table"),
}


def _list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)


def _config(graph: NIRGraph) -> dict[str, Any]:
    """What a graph of ours says of itself; nothing for a foreign one."""
    metadata = graph.metadata if isinstance(graph.metadata, dict) else {}
    if not _is(metadata.get("format"), FORMAT):
        return {}
    if not _is(metadata.get("version"), VERSION):
        found = str(metadata.get("version"))[:20]
        raise InputError(f"the graph's metadata has version {found}; this program reads version {VERSION}: upgrade it")
    try:
        config = json.loads(metadata["config"], parse_constant=_no_number)
        config["variant"] = str(metadata["variant"])[:20]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError("the graph's metadata is damaged: its config is no JSON table") from None
    for field, (fits, kind) in _FIELDS.items():
        if field in config and not fits(config[field]):
            raise InputError(f"the graph's metadata is damaged: its {field} is no {kind.removeprefix('a ')}")
    return config


def _is(value: object, text: str) -> bool:
    return isinstance(value, str) and value == text


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _speak_of_gains(found: list[Stage], dt: float) -> None:
    """Warn where a step of another length would let every weight count as it is written."""
    gains = np.concatenate([stage.gain for stage in found])
    if (gains == gains[0]).all() and gains[0] != 1.0:
        warnings.warn(
            f"in steps of {dt:g} s a unit of current adds {gains[0]:g} to a potential, in steps of {dt / gains[0]:g} s "
            "it would add 1: leave --dt out for those",
            BstdgWarning,
            stacklevel=3,
        )


def _speak_of_ties(found: list[Rows], at_threshold: bool) -> None:
    """Warn where simulators that fire at the threshold, and those that fire above it, do not agree.

    Raises:
        InputError: `at_threshold` was asked for, and they agree everywhere.
    """
    ties = [(rows, k, value) for rows in found for k, value in whole_ones(in_weights(rows)).items()]
    if at_threshold and not ties:
        raise InputError("no threshold is a whole number of weights: --at-threshold changes nothing, leave it out")
    if at_threshold or not ties:
        return
    rows, k, value = ties[0]
    what = " and ".join(dict.fromkeys(f"{rows.each}s" for rows in found))
    warnings.warn(
        f"{len(ties)} of {sum(len(rows.weights) for rows in found)} {what} have a threshold that is a whole number of "
        f"weights (layer {rows.i}, node {said(rows.stage.name)}, {rows.each} {k}: {value}); they are read to fire "
        "above it, as NIR has it; if the graph is of a simulator whose neurons fire at it, as those of SpikingJelly "
        "and Sinabs do, give --at-threshold",
        BstdgWarning,
        stacklevel=3,
    )


def _check_once(rows: Rows) -> None:
    """Refuse neurons that could fire again: the reset has to lie deeper than one spike of every channel can lift it."""
    reach = rows.reset + np.abs(rows.weights).sum(axis=1) * rows.gain
    again = np.flatnonzero(~(reach <= rows.threshold))
    if again.size:
        k = again[0]
        raise InputError(
            f"{rows.called}, {rows.each} {k} may fire again after its first spike (v_reset {rows.reset[k]:g}, "
            f"v_threshold {rows.threshold[k]:g}); neurons here fire once: take their first spikes alone with "
            "--first-spikes"
        )
