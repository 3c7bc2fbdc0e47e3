"""What a backward pass needs is as it was in the forward pass, or torch says that it is not: on either engine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.strategies import make_events

from bstdg import BinaryLinear
from bstdg.learning.loss import first_to_fire_loss
from bstdg.learning.network import Network
from bstdg.learning.recipe import NetworkConfig
from bstdg.learning.rule import Spikes
from bstdg.spikes.events import Events

T = 8


@pytest.fixture(params=["dense", "native"])
def engine(request):
    return request.param


def draw(seed: int, batch: int = 6, channels: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, T + 1, (batch, channels), dtype=torch.uint8, generator=generator)


def layer(engine: str, channels: int = 20, neurons: int = 9) -> BinaryLinear:
    generator = torch.Generator().manual_seed(7)
    return BinaryLinear(channels, neurons, threshold=2.5, generator=generator, engine=engine)


def gradient(made: BinaryLinear, spikes: Spikes) -> torch.Tensor:
    made.weight.grad = None
    made(spikes).fired.sum().backward()
    return made.weight.grad


@pytest.mark.parametrize("write", [lambda t: t.copy_(draw(1)), lambda t: t.zero_(), lambda t: t[2:].add_(1)])
def test_input_that_is_refilled_before_the_backward_pass_is_noticed(engine, write):
    made, steps = layer(engine), draw(0).clamp_(max=T - 1)
    for output in (made(Spikes.of_input(steps, T)).fired, made.potentials(Spikes.of_input(steps, T))):
        write(steps)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            output.sum().backward()


@pytest.mark.parametrize("field", ["steps", "reach"])
def test_spikes_of_a_layer_that_are_written_into_are_noticed(engine, field):
    made = layer(engine)
    first = layer(engine, neurons=20)(Spikes.of_input(draw(0), T))
    output = made(first)
    getattr(first, field).fill_(0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.fired.sum().backward()


def test_a_whole_network_notices(engine):
    network = Network(20, 3, NetworkConfig(layers=(16,)), generator=torch.Generator().manual_seed(0), engine=engine)
    steps = draw(0)
    network.calibrate(steps)
    output = network(steps)
    steps.copy_(draw(1))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.potentials.sum().backward()


def test_spikes_are_read_anew_where_their_buffer_was_refilled(engine):
    """What the native engine made of them is of the steps as they were."""
    made, steps = layer(engine), draw(0)
    spikes = Spikes.of_input(steps, T)
    before = made(spikes)
    assert torch.equal(made(spikes).steps, before.steps)
    steps.copy_(draw(1))
    expected = layer("dense")(Spikes.of_input(draw(1), T))
    assert not torch.equal(expected.steps, before.steps)
    assert torch.equal(made(spikes).steps, expected.steps)
    assert torch.equal(gradient(made, spikes), gradient(made, Spikes.of_input(draw(1), T)))


def test_rows_of_events_are_made_once_for_forward_and_backward():
    spikes = Spikes.of_input(draw(0), T)
    made = layer("native")
    out = made(spikes).fired.sum()
    rows = spikes.source.native
    out.backward()
    assert rows is not None and spikes.source.native is rows


@pytest.mark.parametrize("number", range(3))
def test_it_is_noticed_whoever_looked_at_the_memory(engine, number):
    made, steps = layer(engine), [draw(0), torch.from_numpy(draw(0).numpy().copy()), draw(0)][number]
    if number == 2:
        steps.numpy()
    for seed in (1, 2):  # the native engine looks, too
        output = made(Spikes.of_input(steps, T)).fired.sum()
        steps.copy_(draw(seed))
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            output.backward()
    assert torch.equal(made(Spikes.of_input(steps, T)).steps, layer("dense")(Spikes.of_input(draw(2), T)).steps)


def test_shared_steps_are_read_anew_where_torch_wrote_into_them(engine):
    made, steps = layer(engine), torch.from_numpy(draw(0).numpy().copy())
    spikes = Spikes.of_input(steps, T)
    made(spikes)
    steps.copy_(draw(1))
    assert torch.equal(made(spikes).steps, layer("dense")(Spikes.of_input(draw(1), T)).steps)


@pytest.mark.parametrize("share", [torch.from_numpy, torch.asarray, lambda a: torch.from_numpy(a)[1:-1]])
def test_an_array_that_is_refilled_changes_no_gradient(engine, share):
    """NumPy counts no changes, so torch would not notice: what shares its memory is copied when it is read."""
    array = draw(0).numpy().copy()
    made, spikes = layer(engine), Spikes.of_input(share(array), T)
    expected = gradient(made, Spikes.of_input(share(draw(0).numpy()).clone(), T)).clone()
    made.weight.grad = None
    output = made(spikes)
    array[:] = draw(1).numpy()
    output.fired.sum().backward()
    assert torch.equal(made.weight.grad, expected)
    assert torch.equal(gradient(made, spikes), expected)


def test_events_whose_arrays_are_refilled_change_no_gradient(engine):
    rng = np.random.default_rng(0)
    events = make_events(rng, "random", 6, 20, T)
    mine = Events(events.offsets.copy(), events.channels.copy(), events.steps.copy(), 20, T)
    made = layer(engine)
    expected = gradient(made, Spikes.of_input(events, T)).clone()
    made.weight.grad = None
    spikes = Spikes.of_input(mine, T)
    output = made(spikes)
    for array, fill in ((mine.channels, 3), (mine.steps, 7), (mine.offsets, 0)):
        array[:] = fill
    output.fired.sum().backward()
    assert torch.equal(made.weight.grad, expected)
    assert torch.equal(gradient(made, spikes), expected)


def test_in_inference_mode_what_is_read_is_what_lies_there(engine):
    made = layer(engine)
    with torch.inference_mode():
        steps = draw(0).clone()
        spikes = Spikes.of_input(steps, T)
        before = made(spikes).steps
        steps.copy_(draw(1))
        after = made(spikes).steps
    assert torch.equal(before, layer("dense")(Spikes.of_input(draw(0), T)).steps)
    assert torch.equal(after, layer("dense")(Spikes.of_input(draw(1), T)).steps)


def test_saved_tensors_may_be_moved_and_come_back_as_others(engine):
    made = layer(engine)
    expected = gradient(made, Spikes.of_input(draw(0), T)).clone()
    made.weight.grad = None
    with torch.autograd.graph.saved_tensors_hooks(torch.clone, torch.clone):
        output = made(Spikes.of_input(draw(0), T)).fired.sum()
    output.backward()
    assert torch.equal(made.weight.grad, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_of_a_loss_is_that_of_what_it_read(dtype):
    """The native pass has found it by then; the recorded operations notice who writes meanwhile."""
    made = (torch.randn(4, T, 3), torch.tensor([1.0, 2.0, 3.0]), torch.tensor(2.0))
    results = []
    for written in (False, True):
        tensors = [tensor.to(dtype, copy=True).requires_grad_() for tensor in made]
        value = first_to_fire_loss(*tensors, torch.tensor([0, 1, 2, 0]))
        if written:
            with torch.no_grad():
                for tensor in tensors:
                    tensor.mul_(2)
        if written and dtype == torch.float64:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                value.backward()
            return
        results.append(torch.autograd.grad(value, tensors))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
