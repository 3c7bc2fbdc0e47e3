"""The native likelihood of firing first is the recorded one, to float32 rounding, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.strategies import seeds
from torch import Tensor

from bstdg.engine import native, native_training
from bstdg.learning.loss import first_to_fire, first_to_fire_of


@pytest.fixture(params=native.instruction_sets(), scope="module", autouse=True)
def instruction_set(request):
    """Each test runs once on every instruction set that this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BSTDG_ISA", request.param)
        yield request.param


def both_ways(potentials: NDArray, threshold: NDArray, scale: float, silent_remainder: bool) -> list[list[Tensor]]:
    """Values and gradients of the native kernel in float32, and of the recorded operations in float64."""
    weights = torch.Generator().manual_seed(0)
    results = []
    for dtype, compute in ((torch.float32, first_to_fire_of), (torch.float64, None)):
        given = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (potentials, threshold, scale)]
        if compute is None:
            values = first_to_fire(given[0] - given[1], given[2], silent_remainder=silent_remainder)
        else:
            values = compute(*given, silent_remainder=silent_remainder)
        weights.manual_seed(0)
        asked = [torch.rand(v.shape, dtype=torch.float64, generator=weights).to(dtype) for v in values]
        gradients = torch.autograd.grad(values, given, asked)
        results.append([tensor.detach() for tensor in (*values, *gradients)])
    return results


@given(
    seeds(),
    st.tuples(st.integers(0, 3), st.sampled_from([1, 2, 8, 17, 254]), st.sampled_from([1, 3, 10, 16, 17, 40])),
    st.sampled_from([0.3, 2.0, 10.0]),
    st.sampled_from([0.0, 1.0, 8.0, 60.0]),
    st.booleans(),
    st.booleans(),
)
def test_the_native_kernel_is_the_reference(rng, sizes, scale, spread, silent_remainder, one_threshold):
    potentials = np.rint(spread * rng.normal(size=sizes)).astype(np.float32)
    threshold = (spread * rng.normal(size=1 if one_threshold else sizes[2])).astype(np.float32)
    fast, slow = both_ways(potentials, threshold, scale, silent_remainder)
    for a, b in zip(fast, slow, strict=True):
        size = max(1.0, float(b.abs().max()) if b.numel() else 0.0)
        torch.testing.assert_close(a.double(), b, rtol=2e-4, atol=2e-5 * size)


@pytest.mark.parametrize("value", [-1e4, -200.0, -16.0, -14.0, 0.0, 14.0, 90.0, 1e4])
def test_the_native_kernel_at_extremes(value):
    potentials = np.full((2, 5, 3), value, np.float32)
    potentials[0, 2, 1] = -value
    fast, slow = both_ways(potentials, np.zeros(3, np.float32), 2.0, False)
    for a, b in zip(fast, slow, strict=True):
        assert torch.isfinite(a).all()
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-5)


def test_the_native_kernel_gives_the_same_bits_on_any_number_of_threads():
    rng = np.random.default_rng(0)
    potentials = rng.normal(size=(70, 9, 10)).astype(np.float32)
    results, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(both_ways(potentials, np.zeros(10, np.float32), 0.5, True)[0])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("broken", ["potentials", "threshold", "scale"])
def test_the_native_kernel_does_not_hide_what_is_no_number(broken):
    given = {"potentials": torch.zeros(1, 2, 3), "threshold": torch.zeros(3), "scale": torch.tensor(1.0)}
    given[broken].view(-1)[0] = torch.nan
    log_first, step = first_to_fire_of(*given.values(), silent_remainder=False)
    assert not torch.isfinite(log_first).all()
    assert not torch.isfinite(step).all()


@pytest.mark.parametrize(
    ("dtype", "compiling", "passes"), [(torch.float32, False, 1), (torch.float32, True, 0), (torch.float64, False, 0)]
)
def test_the_native_kernel_is_taken_for_float32_unless_a_compiler_looks_on(monkeypatch, dtype, compiling, passes):
    native_pass, taken = native_training.first_to_fire, []

    def counted(*given):
        taken.append(given)
        return native_pass(*given)

    monkeypatch.setattr(native_training, "first_to_fire", counted)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    potentials, threshold = torch.arange(24.0, dtype=dtype).view(2, 3, 4), torch.full((4,), 9.0, dtype=dtype)
    scale = torch.tensor(2.0, dtype=dtype)
    found = first_to_fire_of(potentials, threshold, scale)
    assert len(taken) == passes
    torch.testing.assert_close(found, first_to_fire(potentials - threshold, scale))
