"""Running averages trail the weights, and forget where these began."""

from __future__ import annotations

import pytest
import torch

from bstdg.learning.network import Average, Network
from bstdg.learning.recipe import NetworkConfig


def moving(decay: float, steps: int) -> tuple[Network, Average, list[torch.Tensor]]:
    """A network whose parameters are drawn anew each step, its averages, and all values of its first weight."""
    network = Network(5, 2, NetworkConfig(layers=(3,)), generator=torch.Generator().manual_seed(0))
    average = Average(network, decay)
    generator, seen = torch.Generator().manual_seed(1), [next(network.parameters()).detach().clone()]
    for _ in range(steps):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.uniform_(-1, 1, generator=generator)
        average.update()
        seen.append(next(network.parameters()).detach().clone())
    return network, average, seen


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.999])
def test_averages_by_hand(decay):
    _, average, seen = moving(decay, 20)
    expected = seen[0].double()
    for n, value in enumerate(seen[1:], 1):
        kept = min(decay, (1 + n) / (10 + n))
        expected = kept * expected + (1 - kept) * value.double()
    torch.testing.assert_close(next(average.network.parameters()).double(), expected, rtol=0, atol=1e-6)
    assert average.steps == 20


def test_thresholds_are_averaged_too_and_the_network_itself_is_left_alone():
    network, average, seen = moving(0.9, 7)
    assert torch.equal(next(network.parameters()), seen[-1])
    for mine, its in zip(network.parameters(), average.network.parameters(), strict=True):
        assert not torch.equal(mine, its)
        assert not its.requires_grad


def test_of_what_does_not_move_the_average_is_that():
    network = Network(5, 2, NetworkConfig(layers=(3,)))
    average = Average(network, 0.99)
    for _ in range(5):
        average.update()
    for mine, its in zip(network.parameters(), average.network.parameters(), strict=True):
        torch.testing.assert_close(mine.detach(), its)
