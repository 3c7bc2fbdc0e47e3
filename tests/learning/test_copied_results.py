"""Whatever a user can hold can be copied, pickled and saved: what was computed goes with it, how it was does not."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from bstdg import BinaryLinear
from bstdg.engine import choose, dense, native, oracle
from bstdg.engine.base import Interpreted
from bstdg.engine.decide import decide
from bstdg.learning.loss import Loss
from bstdg.learning.modules import SpikeDropout
from bstdg.learning.network import Average, Network, Output
from bstdg.learning.recipe import LossConfig, NetworkConfig
from bstdg.learning.rule import Spikes
from bstdg.spikes.events import Events
from bstdg.spikes.source import StepSource

T = 8


def saved(thing):
    file = io.BytesIO()
    torch.save(thing, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


WAYS = {"deepcopy": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing)), "torch.save": saved}  # noqa: S301
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
engines = pytest.mark.parametrize("engine", ["native", "dense"])


def steps_of(seed: int = 0) -> torch.Tensor:
    return torch.randint(0, T + 1, (6, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def network(engine: str | None = None) -> Network:
    made = Network(20, 3, NetworkConfig(layers=(16, 12)), generator=torch.Generator().manual_seed(0), engine=engine)
    made.calibrate(steps_of())
    return made


def equal(a: Spikes, b: Spikes) -> bool:
    pairs = [(getattr(a, name), getattr(b, name)) for name in ("steps", "reach", "fired")]
    return all((x is None and y is None) or torch.equal(x, y) for x, y in pairs) and a.num_steps == b.num_steps


@every_way
@engines
@pytest.mark.parametrize("as_events", [False, True], ids=["steps", "events"])
@pytest.mark.parametrize("recorded", [True, False], ids=["graph", "no graph"])
def test_spikes_that_were_used(way, engine, as_events, recorded):
    given = Events.from_steps(steps_of().numpy(), T) if as_events else steps_of()
    layer = network(engine).layers[0]
    with torch.set_grad_enabled(recorded):
        read = Spikes.of_input(given, T)
        out = layer(read)
        network(engine).layers[1](out)
    for spikes, reader in ((read, layer), (out, network(engine).layers[1])):
        twin = way(spikes)
        assert type(twin) is Spikes and equal(twin, spikes)
        assert torch.equal(reader(twin).steps, reader(spikes).steps)
    if recorded:
        out.fired.sum().backward()  # the original is still part of its graph
        assert layer.weight.grad is not None


@every_way
@engines
def test_an_output_that_was_used(way, engine):
    made = network(engine)
    output = made(steps_of())
    Loss(LossConfig(spike_weight=0.1))(output.potentials, output.threshold, torch.zeros(6).long(), output.fired)
    twin = way(output)
    assert type(twin) is Output and torch.equal(twin.potentials, output.potentials)
    assert torch.equal(twin.threshold, output.threshold)
    assert all(map(equal, twin.hidden, output.hidden))
    assert [f.shape for f in twin.fired] == [f.shape for f in output.fired]


def test_a_copy_shares_what_its_original_shares_and_nothing_with_it():
    made = network()
    output = made(steps_of())
    twin = copy.deepcopy(output)
    assert twin.hidden[0].source.steps is twin.hidden[0].steps is not output.hidden[0].steps
    assert not twin.potentials.requires_grad and output.potentials.requires_grad
    both = copy.deepcopy([output, output.hidden[0]])
    assert both[0].hidden[0].fired is both[1].fired
    assert copy.copy(output).potentials is output.potentials


class Keeps(nn.Module):
    """Keeps its last output, as many do for a look at it."""

    def __init__(self, engine):
        super().__init__()
        self.network = network(engine)
        self.layer = BinaryLinear(20, 4, engine=engine)
        self.last = self.lonely = None

    def forward(self, steps):
        self.last, self.lonely = self.network(steps), self.layer(Spikes.of_input(steps, T))
        return self.last


@every_way
@engines
def test_a_module_that_keeps_its_last_output(way, engine):
    module = Keeps(engine)
    expected = module(steps_of())
    expected.potentials.sum().backward()
    twin = way(module)
    assert torch.equal(twin.last.potentials, expected.potentials)
    if way is copy.deepcopy:
        assert twin.last.threshold is twin.network.layers[-1].threshold
    assert torch.equal(twin(steps_of(1)).potentials, module(steps_of(1)).potentials)


def named_hook(module, inputs, output):
    module.seen = (
        output.detach() if isinstance(output, torch.Tensor) else output
    )  # of a bare tensor torch copies leaves


@every_way
def test_modules_with_hooks_and_what_the_hooks_left(way):
    made = network()
    for layer in made.layers:
        layer.register_forward_hook(named_hook)
    expected = made(steps_of())
    twin = way(made)
    assert torch.equal(twin.layers[-1].seen, expected.potentials)
    assert equal(twin.layers[0].seen, expected.hidden[0])
    assert torch.equal(twin(steps_of()).potentials, expected.potentials)


@every_way
def test_loss_average_dropout(way):
    made = network()
    average = Average(made, 0.9)
    average.update()
    for thing in (Loss(LossConfig()), average, SpikeDropout(0.5, torch.Generator().manual_seed(3))):
        twin = way(thing)
        assert type(twin) is type(thing)
    twin = way(average)
    twin.update()
    assert twin.steps == 2 and average.steps == 1
    dropout = SpikeDropout(0.5, torch.Generator().manual_seed(3))
    spikes = Spikes.of_input(steps_of(), T)
    assert torch.equal(way(dropout)(spikes).steps, dropout(spikes).steps)


@every_way
@pytest.mark.parametrize("name", ["native", "oracle", "dense"])
def test_networks_that_an_engine_made_ready(way, name):
    layers, steps = network().deployed(), steps_of().numpy()
    made = choose.inference(name, layers, T)
    for network_of in (lambda i: i.network, lambda i: way(i).network, lambda i: way(i.network)):
        found = network_of(made).trace(steps)
        np.testing.assert_array_equal(found.potentials, oracle.forward(layers, steps, T).potentials)
    assert way(made).engine is made.engine
    trace = made.network.trace(steps)
    np.testing.assert_array_equal(way(trace).potentials, trace.potentials)
    decision = decide(trace.potentials, layers[-1].thresholds)
    np.testing.assert_array_equal(way(decision).label, decision.label)


def test_engines_of_a_copy_compute_with_as_many_threads():
    made = native.Compiled(network().deployed(), T, threads=3)
    assert copy.deepcopy(made).threads == 3
    assert isinstance(copy.deepcopy(Interpreted(dense, network().deployed(), T))._engine, type(dense))


def test_a_source_is_copied_without_what_the_native_engine_made_of_it():
    source = StepSource(steps_of(), T)
    network("native").layers[0](Spikes(source, source.steps))
    assert source.native is not None
    assert copy.deepcopy(source).native is None
