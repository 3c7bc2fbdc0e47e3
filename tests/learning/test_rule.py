"""The gradient that autograd gives is the rule as the oracle writes it, wherever a network can be asked for it."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support import needs
from support.strategies import make_events, make_steps, seeds, step_numbers, widths
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from bstdg.engine import choose, oracle
from bstdg.errors import InputError
from bstdg.learning.loss import Loss
from bstdg.learning.modules import BinaryLinear, SpikeDropout
from bstdg.learning.network import Network, Output
from bstdg.learning.recipe import LossConfig, NetworkConfig, RuleConfig
from bstdg.learning.rule import Spikes, psi
from bstdg.spikes.events import Events

needs_cuda = needs.mark("cuda", torch.cuda.is_available())


@pytest.fixture(params=["dense", "native"], autouse=True, scope="module")
def engine(request):
    """Each test runs once on either engine; the native one where it can, which is float32 on a CPU."""

    usual = choose.training

    def chosen(name, latent):
        fits = latent.device.type == "cpu" and latent.dtype == torch.float32
        return usual(name or (request.param if fits else "dense"), latent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "training", chosen)
        yield request.param


@dataclass
class Gradients:
    """By layer: of the latent weights, and of the thresholds of hidden layers."""

    weights: list[NDArray]
    thresholds: list[NDArray]


def array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()


def oracle_gradients(
    network: Network,
    spikes: NDArray[np.uint8] | Events,
    by_potential: NDArray[np.float64],
    by_fired: Sequence[NDArray[np.float64]],
) -> Gradients:
    """The whole network's gradient in float64 NumPy, from dL/dV_k(t) and dL/dfired of every hidden layer."""
    rule, num_steps = network.rule, network.num_steps
    latent = [array(layer.weight) for layer in network.layers]
    heard, judged = [spikes], []
    for layer, weight in zip(network.layers[:-1], latent, strict=False):
        potential = oracle.potentials(heard[-1], oracle.signs(weight), num_steps)
        judged.append(oracle.crossing(potential, array(layer.threshold)))
        heard.append(judged[-1].steps)
    gradients = Gradients([], [])
    gradient = by_potential
    for i in reversed(range(len(latent))):
        trace = oracle.trace(heard[i], num_steps, rule.kernel, rule.tau)
        reach = judged[i - 1].reach if i else np.zeros((len(by_potential), latent[0].shape[1]), np.uint8)
        weight, credit = oracle.backward(trace, reach, latent[i], gradient)
        gradients.weights.insert(0, weight)
        if i:
            local = oracle.local_error(judged[i - 1].margin, credit + by_fired[i - 1], rule.width)
            by_threshold = -local.sum(0)
            if network.layers[i - 1].threshold_mode == "layer":
                by_threshold = by_threshold.sum(keepdims=True)
            gradients.thresholds.insert(0, by_threshold)
            gradient = oracle.impulse(local, judged[i - 1].reach, num_steps)
    return gradients


def make_network(
    rng: np.random.Generator, sizes: Sequence[int], num_steps: int, mode: str = "neuron", rule: RuleConfig | None = None
) -> Network:
    """Latent weights in and beyond [-1, 1], at its ends and at 0; real thresholds near the potentials."""
    config = NetworkConfig(layers=tuple(sizes[1:-1]), num_steps=num_steps, threshold_mode=mode)
    network = Network(sizes[0], sizes[-1], config, rule)
    with torch.no_grad():
        for layer in network.layers:
            latent = rng.uniform(-1.5, 1.5, layer.weight.shape).astype(np.float32)
            special = rng.random(latent.shape) < 0.3
            latent[special] = rng.choice(np.float32([-1, 1, 0, 1.0000001, -1.0000001]), special.sum())
            layer.weight.copy_(torch.from_numpy(latent))
            layer.threshold.copy_(torch.from_numpy(rng.normal(0.5, 2.0, layer.threshold.shape).astype(np.float32)))
    return network


def run(network: Network, spikes: NDArray[np.uint8] | Events, drop=None) -> Output:
    device = network.layers[0].weight.device
    return network(spikes if isinstance(spikes, Events) else torch.from_numpy(spikes).to(device), drop)


def torch_gradients(
    network: Network,
    spikes: NDArray[np.uint8] | Events,
    by_potential: NDArray[np.float64],
    by_fired: Sequence[NDArray[np.float64]],
) -> Gradients:
    output = run(network, spikes)
    network.zero_grad()
    tensors = [output.potentials, *(f for f, g in zip(output.fired, by_fired, strict=True) if g.any())]
    upstream = [by_potential, *(g for g in by_fired if g.any())]
    torch.autograd.backward(tensors, [torch.from_numpy(g).to(t) for t, g in zip(tensors, upstream, strict=True)])
    hidden = [layer for layer in network.layers[:-1] if layer.threshold.requires_grad]
    return Gradients(
        [array(layer.weight.grad) for layer in network.layers], [array(layer.threshold.grad) for layer in hidden]
    )


def assert_close(found: Gradients, expected: Gradients, relative: float) -> None:
    assert len(found.weights) == len(expected.weights)
    assert len(found.thresholds) == len(expected.thresholds)
    for a, b in zip([*found.weights, *found.thresholds], [*expected.weights, *expected.thresholds], strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=relative, atol=relative * max(1.0, np.abs(b).max(initial=0.0)))


@st.composite
def problems(draw: st.DrawFn):
    """A network in training, a batch, and what a loss might send back."""
    rng, sizes, num_steps = draw(seeds()), draw(widths(1, 4, 10)), draw(step_numbers())
    rule = RuleConfig(
        width=draw(st.sampled_from([0.5, 3.0, 20.0, float("inf")])),
        kernel=draw(st.sampled_from(["step", "exponential", "none"])),
        tau=draw(st.sampled_from([0.3, 1.0, 4.0, 100.0])),
    )
    network = make_network(rng, sizes, num_steps, draw(st.sampled_from(["neuron", "layer", "fixed"])), rule)
    batch = draw(st.integers(1, 4))
    make, kind = draw(st.sampled_from([make_steps, make_events])), draw(st.sampled_from(["random", "sparse", "silent"]))
    spikes = make(rng, kind, batch, sizes[0], num_steps)
    scale = draw(st.sampled_from([1.0, 1e-3, 1e3]))
    by_potential = scale * rng.normal(size=(batch, num_steps, sizes[-1]))
    on_fired = draw(st.booleans())
    by_fired = [scale * on_fired * rng.normal(size=(batch, width)) for width in sizes[1:-1]]
    return network, spikes, by_potential, by_fired


def without_fixed(network: Network, gradients: Gradients) -> Gradients:
    return gradients if network.config.threshold_mode != "fixed" else Gradients(gradients.weights, [])


@given(problems())
@settings(max_examples=200)
def test_gradient_is_the_oracles_in_float64(problem):
    network, *given_to_it = problem
    expected = without_fixed(network, oracle_gradients(network, *given_to_it))
    assert_close(torch_gradients(network.double(), *given_to_it), expected, 1e-12)


@given(problems())
@settings(max_examples=100)
def test_gradient_is_the_oracles_in_float32(problem):
    network, *given_to_it = problem
    expected = without_fixed(network, oracle_gradients(network, *given_to_it))
    assert_close(torch_gradients(network, *given_to_it), expected, 1e-4)


@needs_cuda
@given(problems())
def test_gradient_is_the_oracles_on_cuda(problem):
    network, *given_to_it = problem
    expected = without_fixed(network, oracle_gradients(network, *given_to_it))
    assert_close(torch_gradients(network.double().cuda(), *given_to_it), expected, 1e-12)


@pytest.mark.parametrize("kernel", ["step", "exponential", "none"])
@pytest.mark.parametrize("make", [make_steps, make_events])
def test_gradient_is_the_oracles_at_full_size(kernel, make):
    rng = np.random.default_rng(3)
    sizes = [196, 120, 60, 10]
    network = make_network(rng, sizes, 8, rule=RuleConfig(kernel=kernel))
    spikes = make(rng, "random", 16, sizes[0], 8)
    sent = rng.normal(size=(16, 8, 10)), [rng.normal(size=(16, 120)), rng.normal(size=(16, 60))]
    expected = oracle_gradients(network, spikes, *sent)
    assert all(np.count_nonzero(g) > g.size / 10 for g in [*expected.weights, *expected.thresholds])
    assert_close(torch_gradients(network, spikes, *sent), expected, 1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(torch_gradients(network, spikes, *sent), expected, 1e-4)


def test_mixed_precision_does_not_round_potentials():
    """bfloat16 has no 599: it would take it for 600, and the neuron would fire."""
    layer = BinaryLinear(599, 1, threshold=599.5)
    with torch.no_grad():
        layer.weight.fill_(0.5)
    spikes = Spikes.of_input(torch.zeros((2, 599), dtype=torch.uint8), 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert (layer(spikes).steps == 4).all()
        layer.threshold.data.fill_(599)
        assert (layer(spikes).steps == 0).all()


@pytest.mark.parametrize("tau", [0.3, 1e9])
@pytest.mark.parametrize("make", [make_steps, make_events])
def test_the_exponential_kernel_holds_over_the_longest_time(tau, make):
    rng = np.random.default_rng(4)
    network = make_network(rng, [9, 7, 4], 254, rule=RuleConfig(kernel="exponential", tau=tau))
    spikes = make(rng, "random", 3, 9, 254)
    sent = rng.normal(size=(3, 254, 4)), [rng.normal(size=(3, 7))]
    expected = oracle_gradients(network, spikes, *sent)
    assert_close(torch_gradients(network.double(), spikes, *sent), expected, 1e-12)


# --- the rule, worked by hand ----------------------------------------------------------------------------------------


def one_neuron(weights: list[float], threshold: float, steps: list[int], rule: RuleConfig | None = None):
    """One neuron above the input (T = 4), and its spikes; gradient 1 on `fired`."""
    layer = BinaryLinear(len(weights), 1, rule=rule, threshold=threshold)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([weights]))
    spikes = layer(Spikes.of_input(torch.tensor([steps], dtype=torch.uint8), 4))
    spikes.fired.sum().backward()
    return layer, spikes


def test_a_neuron_that_fires_credits_the_spikes_up_to_its_own():
    # V = 1 1 3 2: fires at 2 with margin 3 - 2.5 = 0.5, psi = 1 - 0.5 / 5 = 0.9
    layer, spikes = one_neuron([0.1, 0.1, 0.1, -0.1], 2.5, [0, 2, 2, 3], RuleConfig(width=5.0))
    assert (spikes.steps.tolist(), spikes.reach.tolist(), spikes.fired.tolist()) == ([[2]], [[2]], [[1.0]])
    torch.testing.assert_close(layer.weight.grad, torch.tensor([[0.9, 0.9, 0.9, 0.0]]))
    torch.testing.assert_close(layer.threshold.grad, torch.tensor([-0.9]))


def test_a_silent_neuron_is_judged_where_it_came_closest_first():
    # V = 1 0 1 1: greatest first at 0, margin 1 - 3 = -2, psi = 1 - 2 / 4 = 0.5
    layer, spikes = one_neuron([0.1, -0.1, 0.1, 0.1], 3.0, [0, 1, 2, 4], RuleConfig(width=4.0))
    assert (spikes.steps.tolist(), spikes.reach.tolist(), spikes.fired.tolist()) == ([[4]], [[0]], [[0.0]])
    torch.testing.assert_close(layer.weight.grad, torch.tensor([[0.5, 0.0, 0.0, 0.0]]))
    torch.testing.assert_close(layer.threshold.grad, torch.tensor([-0.5]))


def test_the_exponential_kernel_credits_recent_spikes_more():
    layer, _ = one_neuron([0.1, 0.1, 0.1], 3.0, [0, 1, 2], RuleConfig(kernel="exponential", tau=2.0))
    torch.testing.assert_close(layer.weight.grad, torch.exp(torch.tensor([[-1.0, -0.5, 0.0]])))


def test_without_a_kernel_later_spikes_are_credited_too():
    # V = 1 1 3 2: fires at 2, before the spike at 3; a channel that stayed silent is credited with nothing
    layer, _ = one_neuron([0.1, 0.1, 0.1, -0.1, 0.1], 3.0, [0, 2, 2, 3, 4], RuleConfig(kernel="none"))
    torch.testing.assert_close(layer.weight.grad, torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0]]))


def test_the_sign_passes_nothing_beyond_one():
    layer, _ = one_neuron([1.0, -1.0, 1.0000001, -1.5, 0.0, -0.0], 100.0, [0] * 6, RuleConfig(width=1e9))
    assert (layer.weight.grad[0] != 0).tolist() == [True, True, False, False, True, True]


def test_psi():
    margins = torch.tensor([0.0, 1.0, -1.0, 4.0, -4.0, 5.0, -1e9])
    assert psi(margins, 4.0).tolist() == [1.0, 0.75, 0.75, 0.0, 0.0, 0.0, 0.0]
    assert margins[1] == 1.0  # not changed in place


def test_a_weight_on_spikes_is_a_gradient_on_fired():
    rng = np.random.default_rng(0)
    network = make_network(rng, [12, 8, 6, 4], 6).double()
    spikes = make_steps(rng, "random", 5, 12, 6)
    loss = Loss(LossConfig(spike_weight=0.3)).double()
    labels = torch.tensor([0, 1, 2, 3, 0])

    def gradient_by(term: Loss) -> Gradients:
        network.zero_grad()
        output = run(network, spikes)
        term(output.potentials, output.threshold, labels, output.fired).backward()
        hidden = [array(layer.threshold.grad) for layer in network.layers[:-1]]
        return Gradients([array(layer.weight.grad) for layer in network.layers], hidden)

    both, alone = gradient_by(loss), gradient_by(Loss(LossConfig()).double())
    on_fired = [np.full((5, width), 0.3 / 5) for width in (8, 6)]  # the mean over five samples
    only_spikes = oracle_gradients(network, spikes, np.zeros((5, 6, 4)), on_fired)
    assert np.abs(only_spikes.weights[0]).max() > 0
    summed = Gradients(
        [a + b for a, b in zip(alone.weights, only_spikes.weights, strict=True)],
        [a + b for a, b in zip(alone.thresholds, only_spikes.thresholds, strict=True)],
    )
    assert_close(both, summed, 1e-12)


# --- dropout ---------------------------------------------------------------------------------------------------------


def test_a_dropped_spike_is_silent_and_gets_no_credit():
    rng = np.random.default_rng(0)
    network = make_network(rng, [20, 15, 3], 5)
    spikes = make_steps(rng, "random", 8, 20, 5)
    free = run(network, spikes).hidden[0]
    drop = SpikeDropout(0.5, torch.Generator().manual_seed(1))
    kept, hidden = [], []

    def dropping(below: Spikes) -> Spikes:
        below.fired.register_hook(lambda g: hidden.append(g.clone()))
        kept.append(drop(below))
        kept[-1].fired.retain_grad()
        return kept[-1]

    output = run(network, spikes, dropping)
    dropped = kept[0].fired != free.fired
    assert 0.3 < dropped.sum() / free.fired.sum() < 0.7
    assert torch.equal(kept[0].steps, torch.where(dropped, 5, free.steps))
    assert torch.equal(kept[0].reach, free.reach)
    # what the next layer hears is what was kept
    expected = oracle.potentials(kept[0].steps.numpy(), oracle.signs(array(network.layers[1].weight)), 5)
    np.testing.assert_array_equal(array(output.potentials), expected)
    output.potentials.sum().backward()
    assert kept[0].fired.grad[dropped].abs().max() > 0  # they would have had credit …
    assert not hidden[0][dropped].any()  # … and get none
    stays = free.fired.bool() & ~dropped
    assert torch.equal(hidden[0][stays], kept[0].fired.grad[stays])


def test_dropout_is_drawn_from_its_own_generator():
    spikes = Spikes.of_input(torch.zeros(4, 50, dtype=torch.uint8), 3)
    first, again = (SpikeDropout(0.4, torch.Generator().manual_seed(5))(spikes) for _ in range(2))
    assert torch.equal(first.steps, again.steps)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    SpikeDropout(0.4, torch.Generator().manual_seed(5))(spikes)
    assert torch.equal(torch.get_rng_state(), state)
    share = (first.steps == 3).double().mean()
    assert 0.3 < share < 0.5
    assert set(first.steps.unique().tolist()) == {0, 3}
    assert torch.equal(first.source.into(0, torch.eye(50)).bool(), first.steps == 0)
    assert first.source.into(1, torch.eye(50)) is None


def test_dropout_of_events_is_refused():
    data = Events.from_steps(np.zeros((2, 5), np.uint8), 3)
    with pytest.raises(InputError, match="at most one spike a channel"):
        SpikeDropout(0.4, torch.Generator())(Spikes.of_input(data, 3))
    nothing = Spikes.of_input(data, 3)
    assert SpikeDropout(0.0, torch.Generator())(nothing) is nothing


def test_no_dropout_changes_nothing():
    spikes = Spikes.of_input(torch.zeros(4, 5, dtype=torch.uint8), 3)
    generator = torch.Generator()
    before = generator.get_state()
    assert SpikeDropout(0.0, generator)(spikes) is spikes
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_dropout_refuses(p):
    with pytest.raises(InputError, match="spike dropout must be in"):
        SpikeDropout(p, torch.Generator())


# --- as any module of torch ------------------------------------------------------------------------------------------


def toy(batch: int = 32) -> tuple[Network, Tensor, Tensor]:
    """Four prototypes with noise, and a calibrated network for them."""
    generator = torch.Generator().manual_seed(0)
    prototypes = torch.randint(0, 9, (4, 30), generator=generator)
    labels = torch.arange(batch) % 4
    noise = torch.randint(-1, 2, (batch, 30), generator=generator)
    steps = (prototypes[labels] + noise).clamp(0, 8).to(torch.uint8)
    network = Network(30, 4, NetworkConfig(layers=(24,)), generator=generator)
    network.calibrate(steps)
    return network, steps, labels


def loss_of(network: Network | DistributedDataParallel, steps: Tensor, labels: Tensor) -> Tensor:
    output = network(steps)
    return Loss(LossConfig())(output.potentials, output.threshold, labels, output.fired)


def gradients_of(network: torch.nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in network.parameters()]


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (torch.optim.SGD, {"lr": 0.5, "momentum": 0.9}),
        (torch.optim.Adam, {"lr": 0.02}),
        (torch.optim.AdamW, {"lr": 0.02}),
        (torch.optim.RMSprop, {"lr": 0.005}),
        (torch.optim.Adagrad, {"lr": 0.05}),
    ],
)
def test_torch_optimizers_learn_a_toy_task(optimizer, options):
    network, steps, labels = toy()
    steppers = optimizer(network.parameters(), **options)
    losses = []
    for _ in range(40):
        loss = loss_of(network, steps, labels)
        steppers.zero_grad()
        loss.backward()
        before = [p.detach().clone() for p in network.parameters()]
        steppers.step()
        if not losses:
            assert not any(torch.equal(p, old) for p, old in zip(network.parameters(), before, strict=True))
        network.clip_latent_()
        losses.append(float(loss.detach()))
    assert all(layer.weight.abs().max() <= 1 for layer in network.layers)
    assert losses[-1] < 0.5 * losses[0]
    potentials, threshold, _ = network(steps)
    assert (potentials - threshold).amax(1).argmax(1).eq(labels).float().mean() > 0.7


def test_hooks_on_parameters_run():
    network, steps, labels = toy()
    loss_of(network, steps, labels).backward()
    plain = gradients_of(network)
    network.zero_grad()
    accumulated = []
    for parameter in network.parameters():
        parameter.register_hook(lambda gradient: 2 * gradient)
        parameter.register_post_accumulate_grad_hook(accumulated.append)
    loss_of(network, steps, labels).backward()
    assert {id(p) for p in accumulated} == {id(p) for p in network.parameters()}
    for gradient, once in zip(gradients_of(network), plain, strict=True):
        torch.testing.assert_close(gradient, 2 * once, rtol=0, atol=0)


def test_backward_again_over_a_retained_graph_adds_the_same():
    network, steps, labels = toy()
    loss = loss_of(network, steps, labels)
    loss.backward(retain_graph=True)
    once = gradients_of(network)
    loss.backward()
    for gradient, first in zip(gradients_of(network), once, strict=True):
        torch.testing.assert_close(gradient, 2 * first, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_weights_changed_before_backward_are_noticed():
    network, steps, labels = toy()
    loss = loss_of(network, steps, labels)
    with torch.no_grad():
        network.layers[0].weight.mul_(-1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_second_derivative_is_refused():
    network, steps, labels = toy()
    (gradient,) = torch.autograd.grad(loss_of(network, steps, labels), [network.layers[0].weight], create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        gradient.sum().backward()


def test_networks_do_not_interfere():
    (one, steps, labels), (other, more, others) = toy(), toy(16)
    with torch.no_grad():
        other.layers[0].weight.neg_()
    expected = []
    for network, data in ((one, (steps, labels)), (other, (more, others))):
        loss_of(network, *data).backward()
        expected.append(gradients_of(network))
        network.zero_grad()
    first, second = loss_of(one, steps, labels), loss_of(other, more, others)  # both graphs alive at once
    with torch.no_grad():
        one(steps[:3])
    first.backward()
    second.backward()
    for network, wanted in zip((one, other), expected, strict=True):
        for gradient, alone in zip(gradients_of(network), wanted, strict=True):
            assert torch.equal(gradient, alone)


def test_gradients_accumulate_over_parts_of_a_batch():
    network, steps, labels = toy()
    network.double()
    loss_of(network, steps, labels).backward()
    whole = gradients_of(network)
    network.zero_grad()
    for part in torch.arange(len(labels)).split(8):
        (loss_of(network, steps[part], labels[part]) * len(part) / len(labels)).backward()
    for gradient, once in zip(gradients_of(network), whole, strict=True):
        torch.testing.assert_close(gradient, once, rtol=1e-10, atol=1e-12)


def test_only_what_is_asked_for_is_computed():
    network, steps, labels = toy()
    network.layers[0].weight.requires_grad_(False)
    network.layers[1].threshold.requires_grad_(False)
    loss_of(network, steps, labels).backward()
    wanted = [p for p in network.parameters() if p.grad is not None]
    assert {id(p) for p in wanted} == {id(network.layers[0].threshold), id(network.layers[1].weight)}


def share_of_a_process(rank: int, folder: str) -> None:
    """One of two processes: half of the batch, and the gradients it ends up with."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"  # 127.0.0.1, whatever the machine's name resolves to
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", f"file://{folder}/meet", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    network, steps, labels = toy()
    parallel = DistributedDataParallel(network)
    loss_of(parallel, steps[rank::2], labels[rank::2]).backward()
    torch.save(gradients_of(network), Path(folder) / f"{rank}.pt")
    # Together and in order: gloo's threads abort a process that ends while they still run.
    torch.distributed.barrier()
    del parallel
    gc.collect()
    torch.distributed.destroy_process_group()


@needs.mark("gloo", torch.distributed.is_gloo_available())
def test_two_processes_find_the_gradient_of_the_whole_batch(tmp_path):
    network, steps, labels = toy()
    loss_of(network, steps, labels).backward()
    torch.multiprocessing.spawn(share_of_a_process, (str(tmp_path),), nprocs=2)
    for rank in range(2):
        for gradient, whole in zip(torch.load(tmp_path / f"{rank}.pt"), gradients_of(network), strict=True):
            torch.testing.assert_close(gradient, whole, rtol=1e-4, atol=1e-6)


# --- memory ----------------------------------------------------------------------------------------------------------


def kept_for_backward(num_steps: int, as_events: bool) -> tuple[list[tuple[int, ...]], int]:
    """Shapes of what autograd saves for three hidden layers, and the bytes of every tensor that lives on with them."""
    rng = np.random.default_rng(0)
    sizes = [40, 30, 20, 10]
    layers = [BinaryLinear(below, above, threshold=3.0) for below, above in pairwise(sizes)]
    spikes = make_steps(rng, "random", 6, 40, 4)
    data = Events.from_steps(spikes, 4) if as_events else spikes
    if as_events:
        data = Events(data.offsets, data.channels, data.steps, 40, num_steps)
    else:
        data = torch.from_numpy(np.where(spikes == 4, num_steps, spikes).astype(np.uint8))
    gc.collect()
    before = {id(o) for o in gc.get_objects() if issubclass(type(o), Tensor)}
    saved: list[tuple[int, ...]] = []

    def pack(tensor: Tensor) -> Tensor:
        saved.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        below = Spikes.of_input(data, num_steps)
        for layer in layers:
            below = layer(below)
    gc.collect()
    alive = [o for o in gc.get_objects() if issubclass(type(o), Tensor) and id(o) not in before]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in alive}
    assert below.fired.requires_grad
    return saved, sum(storages.values())


@pytest.mark.parametrize("as_events", [False, True], ids=["steps", "events"])
def test_what_a_hidden_layer_keeps_does_not_grow_with_time(as_events):
    short, few = kept_for_backward(4, as_events)
    long, many = kept_for_backward(251, as_events)
    assert short == long
    # Of each of three layers a weight, a step and a margin, and what it read: steps, and where those were judged, which
    # the first of them does not know. Events are NumPy's, and nothing of torch.
    assert len(short) == 9 + 2 + (2 if as_events else 3)
    assert all(251 not in shape and len(shape) == 2 for shape in long)
    assert few == many > 0
