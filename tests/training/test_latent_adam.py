"""The optimiser is torch's Adam to rounding, on every instruction set; it bounds weights and lets averages follow."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from bstdg.engine import native, native_training
from bstdg.learning.loss import Loss
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.network import Average, Network
from bstdg.learning.recipe import LossConfig, NetworkConfig, TrainConfig
from bstdg.training.schedule import LatentAdam, optimizer

RATES = TrainConfig(weight_rate=0.3, threshold_rate=0.1, scale_rate=0.05)


def made() -> tuple[Network, Loss]:
    network = Network((1, 6, 6), 3, NetworkConfig(layers=("4c3", 20)), generator=torch.Generator().manual_seed(0))
    return network, Loss(LossConfig())


def stepped(network: Network, loss: Loss, step, steps: int = 12) -> list[torch.Tensor]:
    """All that training moves after some steps with gradients that are drawn."""
    generator = torch.Generator().manual_seed(1)
    for n in range(steps):
        for i, weight in enumerate([*network.parameters(), *loss.parameters()]):
            drawn = torch.randn(weight.shape, generator=generator) * 10.0 ** (i - 3)
            weight.grad = None if (n + i) % 5 == 4 else drawn
        step()
    return [weight.detach().clone() for weight in (*network.parameters(), *loss.parameters())]


def as_torch_has_it(decay: float | None = None) -> list[torch.Tensor]:
    """Torch's Adam, then the clip, then the average, each by itself."""
    network, loss = made()
    groups = optimizer(network, loss, RATES).param_groups
    plain = torch.optim.Adam([{"params": g["params"], "lr": g["lr"]} for g in groups], fused=True)
    average = None if decay is None else Average(network, decay)

    def step() -> None:
        plain.step()
        network.clip_latent_()
        if average is not None:
            average.update()

    moved = stepped(network, loss, step)
    return moved if average is None else [*moved, *average.network.parameters()]


@pytest.mark.parametrize("instruction_set", native.instruction_sets())
def test_it_moves_as_torch_does_and_leaves_its_state(monkeypatch, instruction_set):
    monkeypatch.setenv("BSTDG_ISA", instruction_set)
    network, loss = made()
    adam, average = optimizer(network, loss, RATES), Average(network, 0.9)
    moved = stepped(network, loss, lambda: adam.step(average=average))
    assert average.steps == 12
    for mine, its in zip([*moved, *average.network.parameters()], as_torch_has_it(0.9), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-6)
    weights = [layer.weight for layer in network.layers]
    assert all(weight.abs().max() == 1.0 for weight in weights)  # rates as great reach the bounds
    assert network.layers[0].threshold.abs().max() > 1.0  # and nothing else has any
    assert {slot for state in adam.state.values() for slot in state} == {"step", "exp_avg", "exp_avg_sq"}


def test_the_same_bits_on_every_instruction_set_and_any_number_of_threads(monkeypatch):
    results, before = [], torch.get_num_threads()
    try:
        for instruction_set in native.instruction_sets():
            for threads in (1, 3):
                monkeypatch.setenv("BSTDG_ISA", instruction_set)
                torch.set_num_threads(threads)
                network = Network(300, 150, NetworkConfig(layers=()), generator=torch.Generator().manual_seed(0))
                loss, average = Loss(LossConfig()), Average(network, 0.5)
                adam = optimizer(network, loss, RATES)
                moved = stepped(network, loss, lambda a=adam, b=average: a.step(average=b))
                results.append([*moved, *average.network.parameters()])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


class Own(BinaryLinear):
    """A layer that bounds its weights otherwise."""

    @torch.no_grad()
    def clip_latent_(self) -> None:
        self.weight.clamp_(-0.5, 0.5)


@pytest.mark.parametrize("case", ["own", "double"])
def test_what_it_does_not_know_torch_moves(monkeypatch, case):
    monkeypatch.setattr(native_training, "adam", None)
    network = Network.of([Own(5, 4), BinaryLinear(4, 2)])
    if case == "double":
        network = Network.of([BinaryLinear(5, 4), BinaryLinear(4, 2)]).double()
    loss, average = Loss(LossConfig()), Average(network, 0.9)
    adam = optimizer(network, loss, RATES)
    for weight in network.parameters():
        weight.grad = torch.full_like(weight, -1.0)
    for _ in range(9):
        adam.step(average=average)
    assert network.layers[0].weight.max() == (0.5 if case == "own" else 1.0)
    assert average.steps == 9


def test_a_closure_is_called():
    network, loss = made()
    adam = optimizer(network, loss, RATES)
    before = network.layers[0].weight.detach().clone()

    def closure() -> float:
        for weight in network.parameters():
            weight.grad = torch.ones_like(weight)
        return 7.0

    assert adam.step(closure) == 7.0
    assert not torch.equal(network.layers[0].weight, before)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])  # noqa: S301
def test_a_copy_moves_the_copied_network(again):
    network, loss = made()
    adam = optimizer(network, loss, RATES)
    stepped(network, loss, adam.step, 2)
    twin_network, twin_loss, twin = again((network, loss, adam))
    assert isinstance(twin, LatentAdam)
    first = stepped(network, loss, adam.step)
    second = stepped(twin_network, twin_loss, twin.step)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_backward_pass_of_weights_that_were_moved_meanwhile_is_refused():
    network, loss = made()
    adam, average = optimizer(network, loss, RATES), Average(network, 0.9)
    steps, labels = torch.randint(0, 9, (5, 36), dtype=torch.uint8), torch.arange(5) % 3
    output = network(steps)
    for weight in network.parameters():
        weight.grad = torch.ones_like(weight)
    versions = [mean._version for mean in average.network.parameters()]
    adam.step(average=average)
    assert all(mean._version > seen for mean, seen in zip(average.network.parameters(), versions, strict=True))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss(output.potentials, output.threshold, labels).backward()


def test_gradients_are_forgotten_or_made_zero():
    network, loss = made()
    adam = optimizer(network, loss, RATES)
    weight = network.layers[0].weight
    weight.grad = torch.ones_like(weight)
    adam.zero_grad(set_to_none=False)
    assert not weight.grad.any()
    adam.zero_grad()
    assert weight.grad is None


def test_what_is_no_number_stays_none():
    weight, rest = np.array([1.0, np.nan], np.float32), [np.zeros(2, np.float32) for _ in range(3)]
    numbers = {"rate": 0.1, "betas": (0.9, 0.999), "epsilon": 1e-8, "steps": 1.0, "bound": 1.0, "share": 0.0}
    native_training.adam(weight, *rest, None, **numbers)
    assert weight[0] == 1.0
    assert np.isnan(weight[1])


def test_it_moves_what_a_parameter_was_replaced_by():
    """As a state that is loaded, or a network that is moved, replaces what it has looked up before."""
    network, loss = made()
    adam, weight = optimizer(network, loss, RATES), network.layers[0].weight
    stepped(network, loss, adam.step, 2)
    with torch.no_grad():
        weight.data = torch.zeros_like(weight)
    adam.load_state_dict(copy.deepcopy(adam.state_dict()))
    weight.grad = torch.ones_like(weight)
    before = adam.state[weight]["exp_avg"].clone()
    adam.step()
    assert weight.any()
    assert not torch.equal(adam.state[weight]["exp_avg"], before)
