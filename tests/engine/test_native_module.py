"""The native module itself: its committed types are those of its bindings, and layers are named by their kind."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from support.paths import ROOT

from bstdg import _native


def test_the_stub_is_made_from_the_bindings():
    made = subprocess.run([sys.executable, ROOT / "native" / "stubs.py"], capture_output=True, text=True, check=True)
    committed = (ROOT / "src" / "bstdg" / "_native.pyi").read_text(encoding="utf-8")
    assert made.stdout == committed, "make stubs writes it anew"


def test_layers_are_named_by_their_kind():
    signs, thresholds = np.ones((2, 3), np.int8), np.ones(2, np.int64)
    _native.Network([("full", signs, thresholds)], 8)
    with pytest.raises(ValueError, match="no layers of kind 'half' here, only full"):
        _native.Network([("full", signs, thresholds), ("half", signs)], 8)
    for wrong in (
        (),
        (3,),
        ("full", signs),
        ("full", signs, thresholds.astype(np.int32)),
        ("full", signs[0], thresholds),
    ):
        with pytest.raises(TypeError, match="a layer is described by"):
            _native.Network([wrong], 8)
