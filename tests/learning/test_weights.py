"""Weights of samples: what they come to by class, and that the loss counts a sample of weight n as n samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from support.strategies import seeds
from torch import Tensor

from bstdg.engine import choose
from bstdg.errors import InputError
from bstdg.learning.loss import Loss
from bstdg.learning.network import Network
from bstdg.learning.recipe import LossConfig, NetworkConfig
from bstdg.learning.weights import balanced, by_class, of_samples, unless_one

CONFIGS = {
    "likelihood": LossConfig(),
    "much asked": LossConfig(latency_weight=0.3, spike_weight=0.2, label_smoothing=0.1, silent_remainder=True),
    "relative target": LossConfig(name="relative_target", gamma=2, latency_weight=0.1, spike_weight=0.1),
}
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(2, 4))  # batch, T, classes
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def problem(rng, sizes, dtype=torch.float64) -> tuple[Tensor, ...]:
    batch, num_steps, classes = sizes
    potentials = torch.from_numpy(4 * rng.normal(size=(batch, num_steps, classes))).to(dtype)
    threshold, labels = torch.from_numpy(rng.normal(size=classes)).to(dtype), rng.integers(0, classes, batch)
    fired = torch.from_numpy(rng.integers(0, 2, (batch, 7))).to(dtype)
    taught = torch.from_numpy(rng.dirichlet(np.ones(classes), batch)).to(dtype)
    return potentials, threshold, torch.from_numpy(labels), fired, taught


def told(config: LossConfig, problem: tuple[Tensor, ...], weights: Tensor | None) -> list[Tensor]:
    """The loss, and its gradient by potentials, thresholds and scale."""
    potentials, threshold, labels, fired, taught = problem
    loss = Loss(config).to(potentials.dtype)
    loss.log_scale.requires_grad_()
    potentials, threshold = (part.clone().requires_grad_() for part in (potentials, threshold))
    lesson = (taught, 0.4) if config.name == "first_to_fire" else None
    value = loss(potentials, threshold, labels, [fired], lesson, weights)
    return [value.detach(), *torch.autograd.grad(value, [potentials, threshold, loss.log_scale], allow_unused=True)]


@configs
@given(rng=seeds(), sizes=SIZES)
def test_a_sample_of_weight_n_counts_as_n_samples(config, rng, sizes):
    given_ = problem(rng, sizes)
    weights = rng.integers(1, 4, sizes[0])
    copied = [part if i == 1 else part.repeat_interleave(torch.from_numpy(weights), 0) for i, part in enumerate(given_)]
    one = told(config, given_, torch.from_numpy(weights).double())
    many = told(config, tuple(copied), None)
    share = weights.sum() / sizes[0]  # a mean over more samples
    rows = torch.from_numpy(np.repeat(np.arange(sizes[0]), weights))
    by_sample = torch.zeros_like(given_[0]).index_add(0, rows, many[1])
    for weighted, summed in zip(one, (many[0], by_sample, *many[2:]), strict=True):
        if weighted is not None:
            torch.testing.assert_close(weighted, summed * share, rtol=1e-9, atol=1e-12)


@configs
@given(rng=seeds(), sizes=SIZES)
def test_native_and_dense_losses_are_weighted_alike(config, rng, sizes):
    """In float32 by the native kernel, in float64 by torch code alone."""
    weights = rng.uniform(0, 3, sizes[0])
    narrow = problem(rng, sizes, torch.float32)
    assert choose.native_computes(*narrow[:2])
    wide = tuple(part.double() if part.dtype == torch.float32 else part for part in narrow)
    native = told(config, narrow, torch.from_numpy(weights).float())
    dense = told(config, wide, torch.from_numpy(weights).float().double())
    for a, b in zip(native, dense, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            torch.testing.assert_close(a.double(), b, rtol=2e-4, atol=2e-5)


@configs
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_of_1_change_no_bit(config, dtype):
    given_ = problem(np.random.default_rng(0), (5, 6, 4), dtype)
    for a, b in zip(told(config, given_, torch.ones(5, dtype=dtype)), told(config, given_, None), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


@pytest.mark.parametrize("engine", ["native", "dense"])
def test_a_sample_of_weight_0_tells_no_weight_anything(engine):
    generator = torch.Generator().manual_seed(0)
    network = Network(12, 3, NetworkConfig(layers=(8,), num_steps=4), generator=generator, engine=engine)
    steps = torch.randint(0, 5, (6, 12), dtype=torch.uint8, generator=generator)
    network.calibrate(steps)
    loss, labels = Loss(LossConfig(spike_weight=0.1)), torch.arange(6) % 3

    def gradients(keep: Tensor, weights: Tensor) -> list[Tensor]:
        output = network(steps[keep])
        total = loss(output.potentials, output.threshold, labels[keep], output.fired, None, weights)
        return list(torch.autograd.grad(total * len(keep), list(network.parameters())))

    weights = torch.tensor([2.0, 0.0, 1.0, 0.0, 0.5, 1.0])
    kept = weights.nonzero().flatten()
    for a, b in zip(gradients(torch.arange(6), weights), gradients(kept, weights[kept]), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


# By class


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_balanced_is_scikit_learns_where_every_class_is_there(labels):
    labels = np.array([*labels, 0, 1, 2, 3])
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    np.testing.assert_allclose(balanced(labels, 4), expected)
    assert balanced(labels, 4)[labels].mean() == pytest.approx(1.0)


def test_classes_that_are_not_there_take_no_part():
    np.testing.assert_allclose(balanced(np.array([0, 0, 0, 3]), 5), [2 / 3, 1, 1, 2, 1])
    np.testing.assert_allclose(balanced(np.array([0, 1]), 2, np.array([3.0, 1.0])), [2 / 3, 2])


LABELS = np.array([0, 0, 0, 1, 2])


def test_a_table_names_classes_and_leaves_the_others_at_1():
    assert by_class("none", LABELS, ("cat", "dog", "cow")) is None
    np.testing.assert_array_equal(by_class({"dog": 3.0}, LABELS, ("cat", "dog", "cow")), [1, 3, 1])
    np.testing.assert_allclose(by_class("balanced", LABELS, ("cat", "dog", "cow")), [5 / 9, 5 / 3, 5 / 3])


@pytest.mark.parametrize(
    ("asked", "labels", "message"),
    [
        ({"dgo": 3.0}, LABELS, "train.class_weight names the class 'dgo'; did you mean 'dog'?"),
        ({"3": 3.0}, LABELS, "train.class_weight names the class '3'; known here: cat, dog, cow"),
        ({"cat": 0, "dog": 0.0, "cow": 0.0}, LABELS, "is 0 for every class that there are training samples of"),
        ({"cat": 2.0, "dog": 2.0, "cow": 2.0}, LABELS, "the table does nothing for these data"),
        ({"cow": 2.0}, LABELS[:4], "the table does nothing for these data"),
        ("balanced", np.arange(6) % 3, "'balanced' does nothing for these data, whose classes it lets weigh alike"),
    ],
)
def test_what_makes_no_sense_for_the_data(asked, labels, message):
    with pytest.raises(InputError) as raised:
        by_class(asked, labels, ("cat", "dog", "cow"))
    assert message in str(raised.value)


def test_of_samples_and_for_the_loss():
    own, table = np.array([1.0, 2.0, 1.0, 1.0, 4.0]), np.array([1.0, 2.0, 0.5])
    assert of_samples(LABELS, None, None) is None
    assert of_samples(LABELS, None, own) is own
    np.testing.assert_array_equal(of_samples(LABELS, table, None), [1, 1, 1, 2, 0.5])
    np.testing.assert_array_equal(of_samples(LABELS, table, own), [1, 2, 1, 2, 2])
    assert unless_one(None) is None
    assert unless_one(np.ones(3)) is None
    assert unless_one(own).dtype == torch.float32
    with pytest.raises(InputError, match=r"weighs 1e\+60 times as much as the first did"):
        unless_one(np.array([1.0, 1e60]))
