"""Python can be left at any moment: threads that are in native code then end with it, in silence."""

from __future__ import annotations

import subprocess
import sys

import pytest

THREADS = """
import sys, threading, time
import numpy as np

def forever(work):
    started = threading.Event()
    def loop():
        while True:
            work()
            started.set()
    threading.Thread(target=loop, daemon=True).start()
    started.wait()

rng = np.random.default_rng(0)
"""

INFERENCE = """
from bstdg.engine import native
from bstdg.layers import FullLayer
layers = [FullLayer(np.ones((n, m), np.int8), np.full(n, 5)) for m, n in ((400, 300), (300, 10))]
network = native.Compiled(layers, 8, threads=2)
steps = rng.integers(0, 9, (2000, 400)).astype(np.uint8)
for _ in range(3):
    forever(lambda: network.labels(steps))
"""

CLASSIFIER = """
from bstdg import BSTDGClassifier
X, y = rng.normal(size=(400, 64)), rng.integers(0, 2, 400)
for _ in range(2):
    forever(lambda: BSTDGClassifier(layers=(100,), epochs=2, random_state=0).fit(X, y))
"""

EVENTS = """
from bstdg.spikes.events import bin_events
times, channels = rng.random(200_000), rng.integers(0, 50, 200_000)
for _ in range(3):
    forever(lambda: bin_events([0, 200_000], channels, times, num_channels=50, num_steps=8, duration=1.0))
"""

TRAINING = """
from bstdg import _native
steps = rng.integers(0, 9, (500, 400)).astype(np.uint8)
weights = rng.normal(size=(300, 400)).astype(np.float32)
rows = _native.SpikeRows(steps, 8, 1)
def forward():
    out = np.empty((500, 8, 300), np.float32)
    _native.potentials(rows, weights, out, 2)
for _ in range(3):
    forever(forward)
"""

FORGETTING = """
import copy
from bstdg import BSTDGClassifier
X, y = rng.normal(size=(40, 64)), rng.integers(0, 2, 40)
fitted = BSTDGClassifier(layers=(100,), epochs=1, random_state=0).fit(X, y)
for _ in range(3):
    copies = [copy.deepcopy(fitted) for _ in range(60)]
    forever(lambda copies=copies: copies and copies.pop())
"""


@pytest.mark.parametrize(
    "work",
    [INFERENCE, EVENTS, TRAINING, CLASSIFIER, FORGETTING],
    ids=["inference", "events", "training", "classifier", "forgetting"],
)
@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise SystemExit('away')"], ids=["end", "exit", "raise"])
def test_daemon_threads_in_native_code_end_with_python(work, end):
    program = THREADS + work + f"time.sleep(0.05)\n{end}\n"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        assert done.stderr in ("", "away\n")
        assert done.returncode == (3 if "3" in end else 1 if end else 0)
