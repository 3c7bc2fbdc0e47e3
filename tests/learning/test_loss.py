"""The losses are the probabilities and targets they claim to be, and their gradients are finite and right."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import needs
from support.strategies import seeds
from torch import Tensor

from bstdg.errors import InputError
from bstdg.learning.loss import Loss, first_to_fire, relative_target
from bstdg.learning.recipe import LossConfig

needs_cuda = needs.mark("cuda", torch.cuda.is_available())
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4))  # batch, T, classes


def one(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def softplus(z: NDArray) -> NDArray:
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def brute_force(lead: NDArray, scale: float, silent_remainder: bool) -> tuple[NDArray, NDArray]:
    """P(k first) and E[decision step], summed over every way a sample's run can go."""
    batch, num_steps, classes = lead.shape
    first, expected = np.zeros((batch, classes)), np.zeros(batch)
    for n in range(batch):
        undecided = 1.0
        for t in range(num_steps):
            hazard = softplus(lead[n, t] / scale)
            fires = 1.0 - np.exp(-hazard.sum())
            first[n] += undecided * fires * hazard / hazard.sum()
            expected[n] += t * undecided * fires
            undecided *= 1.0 - fires
        expected[n] += (num_steps - 1) * undecided  # a silent decision falls at the last step
        if silent_remainder:
            z = lead[n, -1] / scale
            first[n] += undecided * np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    return first, expected


# --- first to fire ---------------------------------------------------------------------------------------------------


@given(seeds(), SIZES, st.sampled_from([0.3, 2.0, 10.0]), st.sampled_from([0.0, 1.0, 8.0]), st.booleans())
def test_first_to_fire_is_the_enumeration(rng, sizes, scale, spread, silent_remainder):
    lead = spread * rng.normal(size=sizes) - spread / 2
    log_first, step = first_to_fire(torch.from_numpy(lead), one(scale), silent_remainder=silent_remainder)
    first, expected = brute_force(lead, scale, silent_remainder)
    np.testing.assert_allclose(log_first.exp().numpy(), first, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(step.numpy(), expected, rtol=1e-9, atol=1e-12)


@given(seeds(), SIZES, st.sampled_from([0.1, 1.0, 30.0, 1e4]), st.sampled_from([torch.float32, torch.float64]))
def test_probabilities_sum_to_one_with_the_remainder_and_to_less_without(rng, sizes, spread, dtype):
    lead = torch.from_numpy(spread * rng.normal(size=sizes)).to(dtype)
    scale = torch.tensor(2.0, dtype=dtype)
    slack = 1e-12 if dtype == torch.float64 else 1e-5
    whole = first_to_fire(lead, scale)[0].exp().sum(1)
    torch.testing.assert_close(whole, torch.ones_like(whole), rtol=0, atol=slack)
    part = first_to_fire(lead, scale, silent_remainder=False)[0].exp().sum(1)
    assert (part <= 1 + slack).all()
    undecided = torch.exp(-torch.nn.functional.softplus(lead / scale).sum((1, 2)))
    torch.testing.assert_close(part, 1 - undecided, rtol=0, atol=slack)


def test_a_small_chance_before_a_certainty_is_not_rounded_away():
    """In float32: what is left for a later, certain class is 1 less what an earlier, unlikely one took."""
    lead = torch.tensor([[[-12.0, -40.0], [-40.0, 3e4]]])
    log_first, step = first_to_fire(lead, torch.tensor(2.0))
    early = 1 - np.exp(-softplus(np.array(-6.0)))
    np.testing.assert_allclose(log_first.exp().numpy(), [[early, 1 - early]], rtol=1e-5)
    np.testing.assert_allclose(step.numpy(), [1 - early], rtol=1e-5)


@given(seeds(), SIZES, st.sampled_from([0.01, 1.0]))
def test_as_the_soft_threshold_narrows_the_likelihood_becomes_the_decision(rng, sizes, scale):
    batch, num_steps, classes = sizes
    # one class at a time is far above threshold, the rest far below
    label, when = rng.integers(classes, size=batch), rng.integers(num_steps, size=batch)
    lead = np.full(sizes, -60.0)
    for n in range(batch):
        lead[n, when[n] :, label[n]] = 60.0
    log_first, step = first_to_fire(torch.from_numpy(lead), one(scale))
    assert log_first.argmax(1).tolist() == label.tolist()
    np.testing.assert_allclose(log_first.max(1).values.numpy(), 0.0, atol=1e-9)
    np.testing.assert_allclose(step.numpy(), when, atol=1e-9)


@pytest.mark.parametrize("silent_remainder", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("num_steps", "classes"), [(1, 1), (1, 3), (4, 1), (3, 2), (254, 2)])
def test_values_and_gradients_are_finite_at_extremes(silent_remainder, dtype, num_steps, classes):
    values = [-1e4, -30.0, 0.0, 1e4]
    cells = min(num_steps * classes, 6)
    for chosen in product(values, repeat=cells) if cells < 5 else product((-1e4, 1e4), repeat=cells):
        row = (list(chosen) * (num_steps * classes))[: num_steps * classes]
        lead = torch.tensor(row, dtype=dtype).view(1, num_steps, classes).requires_grad_()
        scale = torch.tensor(2.0, dtype=dtype, requires_grad=True)
        log_first, step = first_to_fire(lead, scale, silent_remainder=silent_remainder)
        assert torch.isfinite(log_first).all()
        assert 0 <= step.item() <= num_steps - 1
        for term in (*log_first[0], step.sum()):
            gradients = torch.autograd.grad(term, [lead, scale], retain_graph=True)
            assert all(torch.isfinite(g).all() for g in gradients), chosen


def test_the_label_far_below_is_still_told_where_to_go():
    """No plateau: at -10 000 the slope of the logarithm is that of the hazard's, 1 / scale at the last chance."""
    lead = torch.full((1, 3, 2), -1e4, requires_grad=True)
    log_first, _ = first_to_fire(lead, torch.tensor(2.0), silent_remainder=False)
    log_first[0, 1].backward()
    torch.testing.assert_close(lead.grad.sum((0, 1)), torch.tensor([0.0, 0.5]))


@pytest.mark.parametrize("silent_remainder", [True, False])
@pytest.mark.parametrize("spread", [0.1, 3.0, 100.0])
@pytest.mark.parametrize(("num_steps", "classes"), [(1, 1), (1, 3), (5, 3)])
def test_gradcheck(silent_remainder, spread, num_steps, classes):
    generator = torch.Generator().manual_seed(num_steps + classes)
    lead = spread * torch.randn(2, num_steps, classes, dtype=torch.float64, generator=generator)
    scale = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)

    def both(lead: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        return first_to_fire(lead, scale, silent_remainder=silent_remainder)

    assert torch.autograd.gradcheck(both, (lead.requires_grad_(), scale))


@pytest.mark.parametrize("hazard", [1e-12, 1e-6, 9.9e-3, 1.01e-2, 0.1, 1.0, 20.0])
def test_no_step_where_the_series_takes_over(hazard):
    """log((1 - exp(-H)) / H) near H = 0.01, through a single class and step: P = 1 - exp(-H)."""
    lead = one(np.log(np.expm1(hazard))).view(1, 1, 1)
    log_first, _ = first_to_fire(lead, one(1.0), silent_remainder=False)
    np.testing.assert_allclose(log_first.item(), np.log(-np.expm1(-hazard)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("hazard", [1e-6, 1e-3, 0.03, 0.0999, 0.1001, 1.0, 20.0])
def test_no_step_where_the_series_of_the_slope_takes_over(hazard):
    """With H = softplus(z) and P = 1 - exp(-H), the slope of log P over z is exp(-H), exactly."""
    lead = one(np.log(np.expm1(hazard))).view(1, 1, 1).requires_grad_()
    log_first, _ = first_to_fire(lead, one(1.0), silent_remainder=False)
    (slope,) = torch.autograd.grad(log_first.sum(), lead)
    np.testing.assert_allclose(slope.item(), np.exp(-hazard), rtol=1e-9)


# --- relative target -------------------------------------------------------------------------------------------------


def lead_of(steps: list[int], num_steps: int) -> Tensor:
    """Outputs that are below threshold until the step at which they fire (T: always)."""
    when = torch.tensor(steps)
    lead = (torch.arange(num_steps)[:, None] >= when).double() * 2 - 1
    return lead[None].clone()


@pytest.mark.parametrize(
    ("steps", "label", "gamma", "targets"),
    [
        ([3, 5, 8], 0, 1, [3, 5, 8]),  # right, and the others trail: nothing to do
        ([3, 4, 8], 0, 3, [3, 6, 8]),  # right, but one trails too closely
        ([5, 3, 4], 0, 2, [3, 5, 5]),  # wrong: the label to the earliest, the others after it
        ([3, 3, 3], 1, 2, [5, 3, 5]),  # a tie with the label
        ([8, 7, 8], 0, 3, [7, 8, 8]),  # targets do not go beyond T
        ([8, 0, 8], 2, 1, [8, 1, 0]),
        ([8, 8, 8], 1, 3, [8, 5, 8]),  # all silent: the label should fire, the others may stay
        ([8, 8, 8], 1, 20, [8, 0, 8]),  # gamma beyond T
        ([0, 8, 8], 0, 1, [0, 8, 8]),
        ([8], 0, 2, [6]),
    ],
)
def test_relative_target_by_hand(steps, label, gamma, targets):
    lead = lead_of(steps, 8).requires_grad_()
    loss = relative_target(lead, torch.tensor([label]), gamma)
    errors = np.array(targets) - np.array(steps)
    np.testing.assert_allclose(loss.detach().numpy(), [0.5 * np.square(errors / 8).sum()], rtol=1e-12)
    loss.sum().backward()
    # One gradient an output, where it fired or at the last step. To fire later (error > 0) the potential must fall,
    # so its gradient is positive.
    expected = np.zeros((1, 8, len(steps)))
    for k, (step, error) in enumerate(zip(steps, errors, strict=True)):
        expected[0, min(step, 7), k] = error / 64
    np.testing.assert_allclose(lead.grad.numpy(), expected, rtol=1e-12)


def test_relative_target_is_of_each_sample_by_itself():
    lead = torch.cat([lead_of([5, 3, 4], 8), lead_of([8, 8, 8], 8), lead_of([0, 0, 2], 8)])
    labels = torch.tensor([0, 2, 1])
    together = relative_target(lead, labels, 2)
    alone = torch.cat([relative_target(lead[n : n + 1], labels[n : n + 1], 2) for n in range(3)])
    assert torch.equal(together, alone)
    assert (together > 0).all()


def test_an_output_at_threshold_has_fired():
    lead = torch.tensor([[[-1.0, -1.0], [0.0, -0.001]]])
    assert relative_target(lead, torch.tensor([0]), 1).item() == 0.0


# --- the loss of a recipe --------------------------------------------------------------------------------------------


def batch_of(classes: int = 3, num_steps: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    potentials = torch.randint(-4, 9, (5, num_steps, classes), generator=generator).double()
    threshold = 3 * torch.randn(classes, generator=generator, dtype=torch.float64)
    return potentials, threshold, torch.randint(0, classes, (5,), generator=generator)


@pytest.mark.parametrize("silent_remainder", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_loss_is_the_mean_over_the_batch_smoothed_over_classes(silent_remainder, smoothing):
    potentials, threshold, labels = batch_of()
    loss = Loss(LossConfig(scale=1.5, silent_remainder=silent_remainder, label_smoothing=smoothing)).double()
    first, _ = brute_force((potentials - threshold).numpy(), 1.5, silent_remainder)
    target = (1 - smoothing) * np.eye(3)[labels] + smoothing / 3
    expected = -(target * np.log(first)).sum(1).mean()
    assert loss(potentials, threshold, labels).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_teacher_is_a_share_of_the_target(share):
    potentials, threshold, labels = batch_of()
    loss = Loss(LossConfig(scale=1.5, label_smoothing=0.3)).double()
    first, _ = brute_force((potentials - threshold).numpy(), 1.5, False)
    taught = torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).softmax(1)
    target = (1 - share) * (0.7 * np.eye(3)[labels] + 0.1) + share * taught.numpy()
    expected = -(target * np.log(first)).sum(1).mean()
    assert loss(potentials, threshold, labels, (), (taught, share)).item() == pytest.approx(expected, rel=1e-6)


def test_latency_is_charged_whatever_the_target():
    potentials, threshold, labels = batch_of()
    taught = (torch.full((5, 3), 1 / 3, dtype=torch.float64), 1.0)
    plain, priced = (
        Loss(LossConfig(latency_weight=w)).double()(potentials, threshold, labels, (), taught).item() for w in (0, 0.7)
    )
    _, step = brute_force((potentials - threshold).numpy(), 2.0, False)
    assert priced - plain == pytest.approx(0.7 * step.mean(), rel=1e-6)


@pytest.mark.parametrize("name", ["first_to_fire", "relative_target"])
def test_latency_and_spikes_have_their_price(name):
    potentials, threshold, labels = batch_of()
    hidden = [torch.ones(5, 7, dtype=torch.float64), torch.eye(5, dtype=torch.float64)]
    _, step = brute_force((potentials - threshold).numpy(), 2.0, False)

    def loss(**fields: float) -> float:
        return Loss(LossConfig(name=name, **fields)).double()(potentials, threshold, labels, hidden).item()

    assert loss(latency_weight=0.7) - loss() == pytest.approx(0.7 * step.mean(), rel=1e-6)
    assert loss(spike_weight=0.7) - loss() == pytest.approx(0.7 * (7 + 1), rel=1e-9)
    assert loss(spike_weight=0.7, latency_weight=2.0) - loss() == pytest.approx(5.6 + 2 * step.mean(), rel=1e-6)


def test_the_price_of_spikes_is_a_gradient_on_each():
    potentials, threshold, labels = batch_of()
    fired = torch.zeros(5, 7, requires_grad=True)
    Loss(LossConfig(spike_weight=0.7)).double()(potentials, threshold, labels, [fired]).backward()
    torch.testing.assert_close(fired.grad, torch.full((5, 7), 0.7 / 5))


def test_a_price_of_spikes_without_hidden_layers_is_nothing():
    potentials, threshold, labels = batch_of()
    plain, priced = Loss(LossConfig()).double(), Loss(LossConfig(spike_weight=1.0)).double()
    assert priced(potentials, threshold, labels).item() == plain(potentials, threshold, labels).item()


def test_threshold_and_potential_have_opposite_gradients():
    potentials, threshold, labels = batch_of()
    potentials.requires_grad_()
    threshold.requires_grad_()
    Loss(LossConfig()).double()(potentials, threshold, labels).backward()
    torch.testing.assert_close(threshold.grad, -potentials.grad.sum((0, 1)))
    shared = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)  # one threshold a layer
    Loss(LossConfig()).double()(potentials, shared, labels).backward()
    assert shared.grad.shape == (1,)


def test_the_scale_is_trained_where_it_is_used_and_stays_positive():
    potentials, threshold, labels = batch_of()
    loss = Loss(LossConfig(scale=0.25)).double()
    assert loss.log_scale.exp().item() == pytest.approx(0.25)
    optimizer = torch.optim.SGD(loss.parameters(), lr=1e3)
    loss(potentials, threshold, labels).backward()
    assert loss.log_scale.grad.item() != 0
    optimizer.step()
    assert loss.log_scale.exp() > 0
    assert not Loss(LossConfig(name="relative_target")).log_scale.requires_grad


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"potentials": torch.zeros(2, 3)}, r"real \[batch, T, classes\], not torch.float32 \[2, 3\]"),
        ({"potentials": torch.zeros(2, 3, 4, dtype=torch.int64)}, "not torch.int64"),
        ({"threshold": torch.zeros(3)}, r"4 classes have as many thresholds, or one for all, not \[3\]"),
        ({"labels": torch.zeros(2, dtype=torch.int32)}, r"labels must be int64 \[2\], not torch.int32"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"labels must be int64 \[2\], not torch.int64 \[3\]"),
    ],
)
def test_what_a_loss_cannot_read_is_refused_in_words(change, says):
    given = {
        "potentials": torch.zeros(2, 3, 4),
        "threshold": torch.zeros(4),
        "labels": torch.zeros(2, dtype=torch.int64),
    }
    with pytest.raises(InputError, match=says):
        Loss(LossConfig())(**{**given, **change})


def test_gamma_reaches_the_relative_target():
    potentials, threshold, labels = batch_of()
    loss = Loss(LossConfig(name="relative_target", gamma=3))
    expected = relative_target(potentials - threshold, labels, 3).mean()
    assert loss(potentials, threshold, labels).item() == pytest.approx(expected.item())
    assert relative_target(potentials - threshold, labels, 1).mean() != expected


@needs_cuda
@pytest.mark.filterwarnings("ignore")
def test_deterministic_algorithms_are_there_on_a_gpu():
    """Torch has no running sum of them there, and refuses its own."""
    lead = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0))
    results = []
    for deterministic, device in ((False, "cpu"), (True, "cuda")):
        torch.use_deterministic_algorithms(deterministic)
        try:
            given = lead.to(device).requires_grad_()
            log_first, step = first_to_fire(given, torch.tensor(2.0, device=device))
            (log_first.sum() + step.sum()).backward()
            results.append([log_first.detach().cpu(), step.detach().cpu(), given.grad.cpu()])
        finally:
            torch.use_deterministic_algorithms(False)
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
