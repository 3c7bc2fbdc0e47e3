"""The tool that looks at many random convolutional networks: some of them here, and that it sees what is broken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine import many_convolutions as tool

from bstdg.engine import choose, native, native_training


@pytest.fixture(autouse=True)
def own_instruction_set(monkeypatch):
    monkeypatch.setenv("BSTDG_ISA", native.instruction_sets()[0])  # the tool sets others, this takes that back


def test_some_networks_are_equal(capsys):
    assert tool.run(7, range(150)) == 0
    said = capsys.readouterr().out
    assert "150 of 150 networks equal" in said
    for fact in (
        "T = 1",
        "padding",
        "groups",
        "a stride",
        "pooling by a later spike",
        "a pooling decides",
        "no events",
    ):
        assert f"with {fact}\n" in said
    for fact in ("thresholds never reached", "thresholds always reached", "events at every channel"):
        assert f"with {fact}\n" in said


def test_a_number_always_draws_the_same_network():
    one, other = (tool.differences(3, 11)[0] for _ in range(2))
    assert tool.structure(one) == tool.structure(other) != tool.structure(tool.differences(3, 12)[0])
    assert [np.array_equal(a.thresholds, b.thresholds) for a, b in zip(one.layers, other.layers, strict=True)]


def _late(found):
    steps, reach, margin = found
    steps[0, 0] ^= 1
    return steps, reach, margin


def _told(found):
    return found + 1e-2


@pytest.mark.parametrize(
    ("place", "name", "change", "said"),
    [
        (native_training, "crossing", _late, "training: steps of layer"),
        (native_training, "impulse_gradient", _told, "training: gradient of layers"),
        (native_training, "pool", lambda found: (found[0], found[1].flip(1)), "training: "),
    ],
)
def test_it_sees_what_is_broken(monkeypatch, capsys, place, name, change, said):
    right = getattr(place, name)
    monkeypatch.setattr(place, name, lambda *given: change(right(*given)))
    assert tool.run(7, range(60)) >= 2
    assert said in capsys.readouterr().out
    assert choose.native_computes(torch.zeros(1))


def test_it_sees_other_decisions(monkeypatch, capsys):
    labels = native.Compiled.labels
    monkeypatch.setattr(native.Compiled, "labels", lambda self, spikes: labels(self, spikes) + 1)
    assert tool.run(7, range(3)) == 3
    assert "native: labels" in capsys.readouterr().out
