"""NIR graphs back into deployed models, where they fit: binary weights, neurons that only add and fire once."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bstdg.errors import InputError
from bstdg.export.nir import file as nir_file
from bstdg.export.nir.graph import FORMAT, VERSION
from bstdg.export.nir.interpreter import Stage, stages
from bstdg.inputs import InputCode, InputCoding, LatencyCode, RecordingCode
from bstdg.layers import FullLayer
from bstdg.model.packed import PackedModel
from bstdg.spikes.events import MAX_CHANNELS

if TYPE_CHECKING:
    from nir import NIRGraph


def read(path: Path | str, num_steps: int | None = None, *, dt: float = 1.0, first_spikes: bool = False) -> PackedModel:
    """The deployed model in a NIR file.

    Args:
        path: the file.
        num_steps: T, where the graph does not say it (ours do).
        dt: seconds a step; a unit of current adds dt * r to a potential.
        first_spikes: take neurons as firing once although the graph would let them fire again.

    Raises:
        FileFormatError: the file is no NIR graph.
        InputError: the graph does not fit; the message says why.
        OSError: it cannot be read.
    """
    return from_graph(nir_file.read(path), num_steps, dt=dt, first_spikes=first_spikes)


def from_graph(
    graph: NIRGraph, num_steps: int | None = None, *, dt: float = 1.0, first_spikes: bool = False
) -> PackedModel:
    """The deployed model that computes what `graph` does; arguments and errors as for `read`."""
    config = _config(graph)
    if config.get("variant", "model") != "model":
        raise InputError(f"this is the {config['variant']} graph of a bstdg export: import model.nir beside it")
    if not (math.isfinite(dt) and dt > 0):
        raise InputError(f"dt must be a positive number of seconds, not {dt}")
    layers = [_layer(stage, i) for i, stage in enumerate(stages(graph, dt=dt))]
    if not layers:
        raise InputError("the graph holds no neurons")
    if not (first_spikes or config):
        for i, stage in enumerate(stages(graph, dt=dt)):
            _check_once(stage, i)
    if num_steps is None:
        num_steps = config.get("num_steps")
    if num_steps is None:
        raise InputError("the graph does not say over how many steps it runs: give T (--steps)")
    classes = [str(k) for k in range(len(layers[-1].signs))]
    try:
        names = tuple(map(str, config.get("classes", classes)))
        return PackedModel(_input(config, layers[0]), tuple(layers), num_steps, names, config.get("trained", {}))
    except (TypeError, KeyError) as error:
        raise InputError(f"what the graph's metadata says of its input makes no sense: {error}") from None


def _input(config: dict[str, Any], first: FullLayer) -> InputCode:
    """What a graph of ours says of its input; a foreign one reads a row of bytes."""
    shape = tuple(config.get("image_shape", first.reads))
    if "input" in config:
        return RecordingCode(shape, InputCoding.of(config["input"]))
    image = (1, *shape) if len(shape) == 2 else shape
    return LatencyCode(image, config.get("white", 255), config.get("silent_below", 0.0))


def _config(graph: NIRGraph) -> dict[str, Any]:
    """What a graph of ours says of itself; nothing for a foreign one."""
    if graph.metadata.get("format") != FORMAT:
        return {}
    if graph.metadata.get("version") != VERSION:
        found = graph.metadata.get("version")
        raise InputError(f"the graph's metadata has version {found}; this program reads version {VERSION}: upgrade it")
    try:
        config = json.loads(graph.metadata["config"])
        return {**config, "variant": str(graph.metadata["variant"])}
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError("the graph's metadata is damaged: its config is no JSON table") from None


def _layer(stage: Stage, i: int) -> FullLayer:
    """Signs and integer thresholds of a layer, in exact arithmetic; NIR fires where v > v_threshold."""
    weights, scale = stage.weights, np.abs(stage.weights[:, :1])
    if not 1 <= min(weights.shape) <= max(weights.shape) <= MAX_CHANNELS:
        raise InputError(
            f"layer {i} has {weights.shape[0]} neurons of {weights.shape[1]} channels; 1 … {MAX_CHANNELS} fit"
        )
    if np.any(stage.bias):
        raise InputError(f"layer {i} has a bias; neurons here add nothing but their spikes")
    odd = np.flatnonzero((np.abs(weights) != scale).any(axis=1) | (scale[:, 0] == 0) | ~np.isfinite(scale[:, 0]))
    if odd.size:
        row = weights[odd[0]]
        values = ", ".join(f"{w:g}" for w in np.unique(row)[:4])
        more = ", …" if len(np.unique(row)) > 4 else ""
        raise InputError(
            f"layer {i} is not binary: neuron {odd[0]} has weights {values}{more}; a row must be -c or +c throughout"
        )
    if not ((stage.gain > 0) & np.isfinite(stage.gain)).all():
        raise InputError(f"layer {i} has a resistance that is no positive number")
    if not np.isfinite(stage.threshold).all():
        raise InputError(f"layer {i} has a threshold that is no finite number")
    units = [Fraction(float(c)) * Fraction(float(gain)) for c, gain in zip(scale[:, 0], stage.gain, strict=True)]
    least = [math.floor(Fraction(float(v)) / unit) + 1 for v, unit in zip(stage.threshold, units, strict=True)]
    far = next((k for k, theta in enumerate(least) if not -(2**31) < theta < 2**31), None)
    if far is not None:
        raise InputError(f"layer {i}, neuron {far}: its threshold is {float(least[far]):g} weights, beyond 32 bits")
    return FullLayer(np.where(weights > 0, 1, -1).astype(np.int8), np.array(least, np.int64))


def _check_once(stage: Stage, i: int) -> None:
    """Refuse neurons that could fire again: the reset has to lie deeper than one spike of every channel can lift it."""
    reach = stage.reset + np.abs(stage.weights).sum(axis=1) * stage.gain
    again = np.flatnonzero(~(reach <= stage.threshold))
    if again.size:
        k = again[0]
        raise InputError(
            f"layer {i}, neuron {k} may fire again after its first spike (v_reset {stage.reset[k]:g}, v_threshold "
            f"{stage.threshold[k]:g}); neurons here fire once: take their first spikes alone with --first-spikes"
        )
