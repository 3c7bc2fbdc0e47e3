"""A model as one self-contained web page: draw a digit, and watch the spikes race to the decision.

The page is put together from the sources in `templates`: its style, its scripts, and the model as data. It loads
nothing and sends nothing: its Content-Security-Policy allows only the scripts and the style written in it, by hash.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bstdg import templates
from bstdg.engine.base import knows_own_kinds
from bstdg.errors import InputError
from bstdg.export.base import Check, Golden, Target, Written, fnv1a, pixel_code
from bstdg.export.golden import signals
from bstdg.export.web.outside import policy_holes, references
from bstdg.export.web.proof import in_chromium, in_node
from bstdg.export.web.told import encoded, shape_of, told, weight_bytes
from bstdg.inputs import LatencyCode
from bstdg.layers import FullLayer
from bstdg.model.packed import PackedModel

PAGE = "index.html"
WEIGHT_LIMIT = 20_000_000  # bytes of packed weights: what a phone's browser still opens at once
SAMPLES = 40
CORNERS = 64  # so many golden vectors come before those made from data
SAMPLE_BYTES = 400_000  # of all samples together, a byte a step
PACKAGE = "bstdg.export.web"  # whose templates
SCRIPTS = (
    *("engine", "layers", "ink", "curve", "proof", "theme", "pad", "pictures", "scene", "cells", "stage"),
    *("timeline", "transport", "samples", "page"),
)


def write(model: PackedModel, golden: Golden, name: str) -> Written:
    """The page, with up to 40 of the golden vectors as samples to pick.

    Raises:
        InputError: the weights are beyond what a page should hold.
    """
    weights = weight_bytes(model.layers)
    if weights > WEIGHT_LIMIT:
        raise InputError(
            f"a web page holds at most {WEIGHT_LIMIT:,} bytes of weights, this model has {weights:,}: "
            f"{weights - WEIGHT_LIMIT:,} too many"
        )
    most = min(SAMPLES, max(1, SAMPLE_BYTES // model.widths[0]))
    chosen = choose(golden, most, from_data(model, golden))
    page = _page(_data(model, golden, chosen), name).encode()
    return Written({PAGE: page}, {"page_bytes": len(page), "weight_bytes": weights, "samples": len(chosen)})


def from_data(model: PackedModel, golden: Golden) -> slice:
    """Which golden vectors were made from data: what is before, or after, are corners and made-up samples."""
    if golden.samples is None:
        return slice(CORNERS, None)
    made, kept, count = len(signals(model).steps), len(golden.samples), len(golden.steps)
    return slice(CORNERS, count - kept) if kept == made else slice(count - kept + made, None)


def choose(golden: Golden, most: int, data: slice = slice(CORNERS, None)) -> list[int]:
    """Which golden vectors a page shows: as many of each decided class as of every other, in their own order.

    Where some were made from data only these are taken, else all but those with every channel at one step: they are
    corners to test, not pictures to look at.
    """
    rows = np.arange(len(golden.steps))
    lively = rows[np.any(golden.steps != golden.steps[:, :1], axis=1)]
    rows = next((some for some in (rows[data], lively) if len(some)), rows)
    turn: dict[int, int] = {}
    ranked = []
    for row in rows:
        label = int(golden.label[row])
        turn[label] = turn.get(label, -1) + 1
        ranked.append((turn[label], int(row)))
    return sorted(row for _, row in sorted(ranked)[:most])


def _data(model: PackedModel, golden: Golden, chosen: Sequence[int]) -> dict[str, Any]:
    """Everything that the page's scripts read, as JSON."""
    figures, code = model.trained.get("test") or {}, pixel_code(model)
    return {
        "numSteps": model.num_steps,
        "shape": list(shape_of(model)),
        "white": code.white,
        "silentBelow": code.silent_below,
        "relative": code.relative,
        "levels": list(code.levels),
        "classes": list(model.classes),
        "structure": model.structure,
        "weightBits": model.weight_bits,
        "trainedOn": model.trained.get("data"),
        "accuracy": figures.get("accuracy") if isinstance(figures, dict) else None,
        "samples": _samples(model, golden, chosen),
        "layers": [told(layer) for layer in model.layers],
    }


def _samples(model: PackedModel, golden: Golden, chosen: Sequence[int]) -> dict[str, Any]:
    rows = list(chosen)
    steps = golden.steps[rows]
    bits = 4 if model.num_steps < 16 else 8
    flat = steps.ravel()
    if bits == 4:
        flat = np.append(flat, np.zeros(flat.size % 2, np.uint8))
        flat = flat[0::2] | flat[1::2] << 4
    return {
        "bits": bits,
        "count": len(rows),
        "steps": encoded(flat),
        "label": golden.label[rows].tolist(),
        "step": golden.step[rows].tolist(),
        "silent": golden.silent[rows].tolist(),
        "hash": [fnv1a(b"".join(layer[row].tobytes() for layer in golden.hidden)) for row in rows],
    }


def _page(data: dict[str, Any], name: str) -> str:
    style = templates.source(PACKAGE, "style.css")
    scripts = {script: templates.source(PACKAGE, f"{script}.js") for script in SCRIPTS}
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(templates.allowed, scripts.values()))}",
            f"style-src {templates.allowed(style)}",
            "img-src data:",  # the icon, which is written in the page
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    # "<" never appears in the data, so nothing in a class name can end the script that holds it.
    model = json.dumps(data, separators=(",", ":"), sort_keys=True, allow_nan=False).replace("<", "\\u003c")
    parts = {
        "policy": policy,
        "name": name.replace("_", " "),
        "style": style,
        "model": model,
        "signal": len(data["shape"]) == 3 and data["shape"][:2] == [1, 1],
        "maps": any(layer["kind"] != FullLayer.kind for layer in data["layers"]),
        "scripts": scripts,
    }
    return templates.fill(PACKAGE, "page.html", parts)


def _self_contained(text: str) -> Check:
    """Nothing in the page leads elsewhere, and its policy would not let it."""
    outside, holes = references(text), policy_holes(text)
    if not outside and not holes:
        return Check("self-contained", "passed", "names no address, and its policy allows none")
    said = [f"the page reaches outside: {', '.join(outside[:3])}"] * bool(outside)
    said += [f"its policy leaves open: {', '.join(holes[:3])}"] * bool(holes)
    return Check("self-contained", "failed", "; ".join(said))


def verify(folder: Path, model: PackedModel, golden: Golden) -> Iterator[Check]:
    """Runs the engine of the page itself on every golden vector: under Node, and in a headless Chromium."""
    page = folder / PAGE
    if not page.is_file():
        yield Check("self-contained", "failed", f"{page} is not there")
        return
    yield _self_contained(page.read_text(encoding="utf-8"))
    yield in_node(page, model, golden)
    yield in_chromium(page, model, golden)


TARGET = Target(
    name="web",
    gives="index.html: draw a digit and watch the spikes race to the decision; one file, opens anywhere, loads nothing",
    needs="node; chromium (either is enough for a proof)",
    write=write,
    verify=verify,
    refuses=knows_own_kinds,
    encodes=(LatencyCode.kind,),
)
