"""Training in a process that was forked after training: torch's threads are gone there; it must not wait for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from support import needs

PROGRAM = """
import os, sys, json, tempfile
import numpy as np, torch
torch.set_num_threads(2)
from bstdg import BSTDGClassifier, datasets
from bstdg.lab import predecessors
from bstdg.learning.recipe import NetworkConfig, Recipe, TrainConfig
from bstdg.training.train import train

rng = np.random.default_rng(0)
X, y = rng.normal(size=(1500, 64)), rng.integers(0, 2, 1500)

def shapes(*_):
    images = (X[:1000].reshape(-1, 8, 8) > 0).astype(np.uint8)
    return datasets.Dataset("shapes", "train", images, y[:1000], 1, ("a", "b"))

def classifier(engine):
    made = BSTDGClassifier(layers=(200,), epochs=1, random_state=0, engine=engine, n_jobs=-1).fit(X, y)
    return made.partial_fit(X, y).loss_curve_

def recipe():
    with tempfile.TemporaryDirectory() as out:
        chosen = Recipe(network=NetworkConfig(layers=(100,)), train=TrainConfig(epochs=1))
        return train(chosen, out, load=shapes, engine=sys.argv[1] or None)["test"]["accuracy"]

def baseline():
    return predecessors.train("mlp", "shapes", settings={"epochs": 1, "hidden": [100]}, load=shapes)["test"]["accuracy"]

def everything():
    return [classifier(sys.argv[1] or None), recipe(), baseline()]

here = everything()
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, json.dumps([everything(), torch.get_num_threads()]).encode())
    os._exit(0)
os.wait()
print(json.dumps([[here, 2], json.loads(os.read(read, 100_000))]))
"""


@needs.mark("fork", hasattr(os, "fork"))
@pytest.mark.parametrize("engine", ["", "dense"])
def test_a_forked_process_learns_the_same(engine):
    surroundings = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, engine]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=surroundings)
    assert done.returncode == 0, done.stderr
    parent, child = json.loads(done.stdout)
    assert parent[1] == child[1]
    if engine == "dense":  # whose sums are torch's, which differ between numbers of threads in the last digit
        assert child[0][0] == pytest.approx(parent[0][0], rel=1e-3)
    else:
        assert child[0] == parent[0]
