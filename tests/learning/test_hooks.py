"""Hooks of torch run at every layer, the deciding one too: before, after, and on the way back."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from bstdg import BinaryLinear
from bstdg.learning.network import Network, Output
from bstdg.learning.recipe import NetworkConfig
from bstdg.learning.rule import Spikes

T = 8
STEPS = torch.randint(0, T + 1, (6, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["native", "dense"])
def network(request):
    config = NetworkConfig(layers=(16, 12))
    made = Network(20, 3, config, generator=torch.Generator().manual_seed(0), engine=request.param)
    made.calibrate(STEPS)
    return made


def test_forward_hooks_see_what_each_layer_reads_and_gives(network):
    seen = []
    for i, layer in enumerate(network.layers):
        layer.register_forward_pre_hook(lambda _, given, i=i: seen.append(("before", i, given)))
        layer.register_forward_hook(lambda _, given, output, i=i: seen.append(("after", i, output)))
    output = network(STEPS)
    assert [(when, i) for when, i, _ in seen] == [(when, i) for i in range(3) for when in ("before", "after")]
    assert seen[1][2] is output.hidden[0] and seen[3][2] is output.hidden[1] and seen[5][2] is output.potentials
    assert len(seen[4][2]) == 1 and seen[4][2][0] is output.hidden[1]


def test_a_hook_may_change_what_a_layer_gives_or_reads(network):
    plain = network(STEPS)
    handle = network.layers[-1].register_forward_hook(lambda _, __, output: 2 * output)
    assert torch.equal(network(STEPS).potentials, 2 * plain.potentials)
    handle.remove()
    other = network.layers[1](network.layers[0](Spikes.of_input(STEPS.flip(0), T)))
    handle = network.layers[-1].register_forward_pre_hook(lambda _, __: (other,))
    assert torch.equal(network(STEPS).potentials, plain.potentials.flip(0))
    handle.remove()
    assert torch.equal(network(STEPS).potentials, plain.potentials)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # torch's note that steps need no gradient
def test_full_backward_hooks_see_what_each_layer_is_told(network):
    plain = network(STEPS)
    for spikes in plain.hidden:
        spikes.fired.retain_grad()
    told = torch.randn(plain.potentials.shape, generator=torch.Generator().manual_seed(1))
    plain.potentials.backward(told)
    expected = [*(spikes.fired.grad for spikes in plain.hidden), told]
    gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    seen, before = {}, []
    for i, layer in enumerate(network.layers):
        layer.register_full_backward_hook(lambda _, __, told, i=i: seen.update({i: told}))
        layer.register_full_backward_pre_hook(lambda _, told, i=i: before.append(i))
    network.zero_grad()
    network(STEPS).potentials.backward(told)
    assert before == [2, 1, 0]
    for i in range(3):
        (gradient,) = (g for g in seen[i] if g is not None)
        assert torch.equal(gradient, expected[i])
    for found, wanted in zip((p.grad for p in network.parameters() if p.grad is not None), gradients, strict=True):
        assert torch.equal(found, wanted)


def test_a_hook_for_all_modules_sees_every_layer_and_the_network(network):
    seen = []
    handle = register_module_forward_hook(lambda module, _, output: seen.append((module, type(output))))
    try:
        network(STEPS)
    finally:
        handle.remove()
    kinds = [Spikes, Spikes, torch.Tensor, Output]
    assert seen == list(zip([*network.layers, network], kinds, strict=True))


def test_hooks_of_a_layer_alone_run_when_it_decides():
    layer, seen = BinaryLinear(20, 4, threshold=2.0), []
    layer.register_forward_hook(lambda _, __, output: seen.append(output))
    potentials = layer.potentials(Spikes.of_input(STEPS, T))
    assert len(seen) == 1 and seen[0] is potentials


def test_hooks_with_keywords_and_those_that_always_run(network):
    seen = []
    last = network.layers[-1]
    last.register_forward_hook(lambda _, __, words, ___: seen.append(words), with_kwargs=True)
    last.register_forward_hook(lambda *_: seen.append("always"), always_call=True)
    network(STEPS)
    assert seen == [{"decides": True}, "always"]
    with pytest.raises(ValueError, match="channels"):
        last.potentials(Spikes.of_input(STEPS, T))
    assert seen[2:] == ["always"]


def test_a_network_around_the_network_runs_them_too(network):
    seen = []
    network.layers[-1].register_forward_hook(lambda *_: seen.append(1))
    nn.Sequential(network)(STEPS)
    assert seen == [1]
