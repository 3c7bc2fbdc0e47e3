"""The native loss and its gradients are the recorded ones, to float32 rounding, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator
from numpy.typing import NDArray
from support.strategies import seeds
from torch import Tensor

from bstdg.engine import native, native_training
from bstdg.errors import InputError
from bstdg.learning.loss import first_to_fire_loss
from bstdg.learning.recipe import LossConfig


@pytest.fixture(params=native.instruction_sets(), scope="module", autouse=True)
def instruction_set(request):
    """Each test runs once on every instruction set that this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BSTDG_ISA", request.param)
        yield request.param


def asked_of(rng: Generator, batch: int, classes: int, *, taught: bool, weighted: bool) -> dict[str, NDArray]:
    """Labels, and a teacher's probabilities and weights where they are wanted."""
    asked = {"labels": rng.integers(0, classes, batch)}
    if taught:
        asked["taught"] = rng.dirichlet(np.ones(classes), batch)
    if weighted:
        asked["weights"] = rng.uniform(0, 3, batch)
    return asked


def both_ways(
    potentials: NDArray, threshold: NDArray, scale: float, config: LossConfig, asked: dict[str, NDArray]
) -> list[list[Tensor]]:
    """Value and gradients of the native pass in float32, and of the recorded operations in float64."""
    results = []
    for dtype in (torch.float32, torch.float64):
        given = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (potentials, threshold, scale)]
        taught, weights = (torch.tensor(asked[k], dtype=dtype) if k in asked else None for k in ("taught", "weights"))
        lesson = None if taught is None else (taught, 0.4)
        value = first_to_fire_loss(*given, torch.from_numpy(asked["labels"]), config, lesson, weights)
        gradients = torch.autograd.grad(3.0 * value, given)
        results.append([tensor.detach() for tensor in (value, *gradients)])
    return results


def close(fast: list[Tensor], slow: list[Tensor]) -> None:
    for a, b in zip(fast, slow, strict=True):
        size = max(1.0, float(b.abs().max()) if b.numel() else 0.0)
        torch.testing.assert_close(a.double(), b, rtol=2e-4, atol=2e-5 * size)


CONFIGS = st.builds(
    LossConfig,
    silent_remainder=st.booleans(),
    label_smoothing=st.sampled_from([0.0, 0.1]),
    latency_weight=st.sampled_from([0.0, 0.3]),
)


@given(
    seeds(),
    st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 8, 17, 254]), st.sampled_from([1, 3, 10, 16, 17, 40])),
    st.sampled_from([0.3, 2.0, 10.0]),
    st.sampled_from([0.0, 1.0, 8.0, 60.0]),
    CONFIGS,
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_the_native_loss_is_the_recorded_one(rng, sizes, scale, spread, config, asked):
    one_threshold, taught, weighted = asked
    potentials = np.rint(spread * rng.normal(size=sizes)).astype(np.float32)
    changes = rng.uniform(size=sizes[1]) < 0.5  # between events potentials stay as they are
    for step in np.flatnonzero(~changes[1:]) + 1:
        potentials[:, step] = potentials[:, step - 1]
    threshold = (spread * rng.normal(size=1 if one_threshold else sizes[2])).astype(np.float32)
    wanted = asked_of(rng, sizes[0], sizes[2], taught=taught, weighted=weighted)
    close(*both_ways(potentials, threshold, scale, config, wanted))


@pytest.mark.parametrize("silent_remainder", [True, False])
@pytest.mark.parametrize("value", [-1e4, -200.0, -16.0, -14.0, 0.0, 14.0, 90.0, 1e4])
def test_the_native_loss_at_extremes(value, silent_remainder):
    potentials = np.full((2, 5, 3), value, np.float32)
    potentials[0, 2, 1] = -value
    config = LossConfig(silent_remainder=silent_remainder, latency_weight=0.1)
    fast, slow = both_ways(potentials, np.zeros(3, np.float32), 2.0, config, {"labels": np.array([0, 1])})
    assert all(torch.isfinite(a).all() for a in fast)
    close(fast, slow)


def test_the_native_loss_gives_the_same_bits_on_any_number_of_threads_and_as_often_as_asked():
    rng = np.random.default_rng(0)
    potentials = rng.normal(size=(70, 9, 10)).astype(np.float32)
    asked = asked_of(rng, 70, 10, taught=True, weighted=True)
    results, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3, 3):
            torch.set_num_threads(threads)
            results.append(both_ways(potentials, np.zeros(10, np.float32), 0.5, LossConfig(), asked)[0])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(*results, strict=True))


def test_a_graph_that_is_kept_gives_the_same_gradient_again():
    potentials = torch.arange(24.0).view(2, 3, 4).requires_grad_()
    value = first_to_fire_loss(potentials, torch.full((4,), 9.0), torch.tensor(2.0), torch.tensor([0, 3]))
    first, second = (torch.autograd.grad(value, potentials, retain_graph=True)[0].clone() for _ in range(2))
    half = torch.autograd.grad(0.5 * value, potentials)[0]
    assert torch.equal(first, second)
    assert torch.equal(first, 2 * half)
    assert first.any()


@pytest.mark.parametrize("broken", ["potentials", "threshold", "scale"])
@pytest.mark.parametrize("silent_remainder", [True, False])
def test_the_native_loss_does_not_hide_what_is_no_number(broken, silent_remainder):
    given = {"potentials": torch.zeros(1, 2, 3), "threshold": torch.zeros(3), "scale": torch.tensor(1.0)}
    given[broken].view(-1)[0] = torch.nan
    config = LossConfig(silent_remainder=silent_remainder)
    for label in range(3):
        assert not torch.isfinite(first_to_fire_loss(*given.values(), torch.tensor([label]), config))


def test_the_mean_over_no_samples_is_no_number():
    none = first_to_fire_loss(torch.zeros(0, 2, 3), torch.zeros(3), torch.tensor(1.0), torch.zeros(0).long())
    assert torch.isnan(none)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_that_is_no_class_is_refused(label):
    given = torch.zeros(2, 2, 3), torch.zeros(3), torch.tensor(1.0)
    with pytest.raises(InputError, match=f"label {label} of sample 1 is none of 3 classes"):
        first_to_fire_loss(*given, torch.tensor([0, label]))


@pytest.mark.parametrize(
    ("dtype", "compiling", "passes"), [(torch.float32, False, 1), (torch.float32, True, 0), (torch.float64, False, 0)]
)
def test_the_native_pass_is_taken_for_float32_unless_a_compiler_looks_on(monkeypatch, dtype, compiling, passes):
    native_pass, taken = native_training.first_to_fire_loss, []

    def counted(*given):
        taken.append(given)
        return native_pass(*given)

    monkeypatch.setattr(native_training, "first_to_fire_loss", counted)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    potentials, threshold = torch.arange(24.0, dtype=dtype).view(2, 3, 4), torch.full((4,), 9.0, dtype=dtype)
    first_to_fire_loss(potentials, threshold, torch.tensor(2.0, dtype=dtype), torch.tensor([0, 3]))
    assert len(taken) == passes
