"""torch.func works on the layers and the loss; what records a program to run it without Python is refused in words."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, grad_and_value, hessian, jacrev, jvp, stack_module_state, vjp, vmap

from bstdg import BinaryLinear
from bstdg.errors import InputError, TrainingError
from bstdg.learning.loss import Loss
from bstdg.learning.network import Network
from bstdg.learning.recipe import LossConfig, NetworkConfig, RuleConfig
from bstdg.learning.rule import Spikes
from bstdg.spikes.events import Events

T = 8
GENERATOR = torch.Generator().manual_seed(1)
STEPS = torch.randint(0, T + 1, (12, 20), dtype=torch.uint8, generator=GENERATOR)
LABELS = torch.arange(12) % 3
CASES = {
    "native": {"engine": "native"},
    "dense": {"engine": "dense"},
    "one threshold": {"config": NetworkConfig(layers=(16, 12), threshold_mode="layer")},
    "real": {"config": NetworkConfig(layers=(16, 12), weights="real")},
    "exponential": {"rule": RuleConfig(kernel="exponential"), "engine": "dense"},
    "tied": {"tied_inputs": 4},
}
LOSSES = {
    "first_to_fire": LossConfig(spike_weight=0.01, latency_weight=0.1),
    "relative_target": LossConfig("relative_target", spike_weight=0.01),
}


def network(seed: int = 0, **arguments) -> Network:
    arguments = {"config": NetworkConfig(layers=(16, 12)), **arguments}
    made = Network(20, 3, generator=torch.Generator().manual_seed(seed), **arguments)
    made.calibrate(STEPS)
    return made


class Task:
    """A network, its loss as a function of its parameters, and the gradient that autograd gives."""

    def __init__(self, case: str = "native", loss: str = "first_to_fire", double: bool = False):
        self.network, self.loss = network(**CASES[case]), Loss(LOSSES[loss])
        if double:
            self.network.double()
        self.parameters = {name: p.detach() for name, p in self.network.named_parameters()}

    def of(self, parameters, steps, labels):
        output = functional_call(self.network, parameters, (steps,))
        return self.loss(output.potentials, output.threshold, labels, output.fired)

    def one(self, parameters, steps, label):
        return self.of(parameters, steps[None], label[None])

    def gradient(self, steps=STEPS, labels=LABELS):
        self.network.zero_grad()
        self.of(dict(self.network.named_parameters()), steps, labels).backward()
        return {name: p.grad.clone() for name, p in self.network.named_parameters()}


every_case = pytest.mark.parametrize("case", CASES)
every_loss = pytest.mark.parametrize("loss", LOSSES)


# The native engine computes with float32.
BOTH = [(case, double) for case in CASES for double in (False, True) if not (double and case == "native")]


@pytest.mark.parametrize(("case", "double"), BOTH)
@every_loss
def test_grad_is_what_backward_gives(case, loss, double):
    task = Task(case, loss, double)
    expected = task.gradient()
    found, value = grad_and_value(task.of)(task.parameters, STEPS, LABELS)
    assert list(found) == list(expected) and value.ndim == 0
    for name, gradient in expected.items():
        assert torch.equal(found[name], gradient)
    (again,) = vjp(lambda p: task.of(p, STEPS, LABELS), task.parameters)[1](torch.ones_like(value))
    assert all(torch.equal(again[name], expected[name]) for name in expected)


@every_case
@every_loss
def test_gradients_of_each_sample_are_those_of_one_at_a_time(case, loss):
    task = Task(case, loss)
    found = vmap(grad(task.one), in_dims=(None, 0, 0))(task.parameters, STEPS, LABELS)
    for i in range(len(STEPS)):
        for name, gradient in task.gradient(STEPS[i : i + 1], LABELS[i : i + 1]).items():
            torch.testing.assert_close(found[name][i], gradient, rtol=1e-6, atol=1e-7)


@every_case
def test_vmap_over_samples_and_over_networks(case):
    task = Task(case)
    assert torch.equal(vmap(lambda s: task.network(s[None]).potentials[0])(STEPS), task.network(STEPS).potentials)
    apart = vmap(lambda s: task.network(s[None]).potentials[0], in_dims=1, out_dims=2)(STEPS.t().contiguous())
    assert torch.equal(apart, task.network(STEPS).potentials.permute(1, 2, 0))
    several = [network(seed, **CASES[case]) for seed in (5, 6, 7)]
    stacked = stack_module_state(several)
    found = vmap(lambda p, b: functional_call(task.network, (p, b), (STEPS,)).potentials)(*stacked)
    assert torch.equal(found, torch.stack([one(STEPS).potentials for one in several]))
    gradients = vmap(grad(lambda p: task.of(p, STEPS, LABELS)))(stacked[0])
    for i, one in enumerate(several):
        task.network = one
        for name, gradient in task.gradient().items():
            torch.testing.assert_close(gradients[name][i], gradient, rtol=1e-6, atol=1e-7)


@every_case
def test_grad_of_vmap_and_jacrev(case):
    task = Task(case)
    mean = grad(lambda p: vmap(lambda s, n: task.one(p, s, n))(STEPS, LABELS).mean())(task.parameters)
    rows = jacrev(lambda p: functional_call(task.network, p, (STEPS,)).potentials.sum((0, 1)))(task.parameters)
    for name, gradient in task.gradient().items():
        torch.testing.assert_close(mean[name], gradient, rtol=1e-5, atol=1e-7)
    name = "layers.0.weight"
    for k in range(3):
        task.network.zero_grad()
        task.network(STEPS).potentials[:, :, k].sum().backward()
        torch.testing.assert_close(rows[name][k], task.network.layers[0].weight.grad)


def test_events_and_a_single_layer_work_too():
    layer = BinaryLinear(20, 5, threshold=2.0)
    below = Spikes.of_input(Events.from_steps(STEPS.numpy(), T), T)
    layer(below).fired.sum().backward()
    found = grad(lambda p: functional_call(layer, p, (below,)).fired.sum())(dict(layer.named_parameters()))
    assert torch.equal(found["weight"], layer.weight.grad) and torch.equal(found["threshold"], layer.threshold.grad)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of what it uses for jvp
def test_there_is_no_forward_mode_and_no_second_derivative():
    task = Task()
    for transform in (hessian(task.of), lambda p, *rest: jvp(lambda q: task.of(q, *rest), (p,), (p,))):
        with pytest.raises(TrainingError, match="no forward-mode derivative"):
            transform(task.parameters, STEPS, LABELS)
    with pytest.raises(TrainingError, match="no second derivative"):
        grad(lambda p: grad(task.of)(p, STEPS, LABELS)["layers.0.weight"].sum())(task.parameters)


def test_wrong_input_is_refused_within_a_transform_as_without():
    task = Task()
    beyond = torch.full_like(STEPS, T + 1)
    with pytest.raises(InputError, match="a step is 9, beyond T = 8"):
        vmap(grad(task.one), in_dims=(None, 0, 0))(task.parameters, beyond, LABELS)
    with pytest.raises(InputError, match="the network has 20 inputs, the data 19"):
        grad(task.of)(task.parameters, STEPS[:, 1:], LABELS)


class Potentials(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, steps):
        return self.network(steps).potentials


class OneLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = BinaryLinear(20, 4)

    def forward(self, steps):
        return self.layer(Spikes.of_input(steps, T)).fired


MODULES = pytest.mark.parametrize("module", [network, Potentials, OneLayer])


@MODULES
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torch_jit_is_refused(module):
    with pytest.raises(InputError, match=r"torch\.jit\.script cannot compile binary layers: .*Network\.deployed\(\)"):
        torch.jit.script(module())
    with pytest.raises(InputError, match=r"torch\.jit\.trace .*cannot record binary layers: .*bstdg\.export"):
        torch.jit.trace(module(), (STEPS,))
    with pytest.raises(InputError, match=r"torch\.jit\.script cannot compile"):
        torch.jit.script(Loss(LossConfig()))


@MODULES
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("strict", [False, True])
def test_torch_export_is_refused(module, strict):
    torch._dynamo.reset()
    with pytest.raises(
        Exception, match=r"torch\.export .*cannot record binary layers: .*Network\.deployed\(\)"
    ) as found:
        torch.export.export(module(), (STEPS,), strict=strict)
    assert strict or isinstance(found.value, InputError)


@MODULES
@pytest.mark.filterwarnings("ignore")
def test_a_graph_without_breaks_is_refused_and_one_with_breaks_runs(module):
    made = module()
    torch._dynamo.reset()
    with pytest.raises(torch._dynamo.exc.Unsupported, match="binary layers run as native code beside the graph"):
        torch.compile(made, backend="eager", fullgraph=True)(STEPS)
    torch._dynamo.reset()
    found, expected = torch.compile(made, backend="eager")(STEPS), made(STEPS)
    for a, b in zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]:
        assert not isinstance(a, torch.Tensor) or torch.equal(a, b)
