"""Convolution and pooling: the dense and the native engine equal loops written out, forward bit for bit, and the rule's
gradient is that of the unrolled matrix."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.strategies import INPUT_KINDS, make_events, make_steps, make_thresholds, seeds, step_numbers

from bstdg.engine import choose, dense, native, native_training, oracle, oracle_conv
from bstdg.engine.decide import decide
from bstdg.errors import InputError
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.learning.convolution import BinaryConv2d
from bstdg.learning.pooling import SpikePool2d, chosen
from bstdg.learning.recipe import RuleConfig
from bstdg.learning.rule import Spikes
from bstdg.spikes.events import Events

ENGINES = ("dense", "native")


@pytest.fixture(params=native.instruction_sets(), scope="module", autouse=True)
def instruction_set(request):
    """Each test runs once on every instruction set that this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BSTDG_ISA", request.param)
        yield request.param


FEW_MAPS, MANY_MAPS = (1, 2, 5, 17), (1, 2, 5, 17, 40, 131)  # the last two fill several vectors


@st.composite
def convolutions(draw: st.DrawFn, maps_of: tuple[int, ...] = FEW_MAPS) -> Convolution:
    """Windows of any shape over small maps."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    kernel = tuple(draw(st.integers(1, 4)) for _ in range(2))
    padding = tuple(draw(st.integers(0, size - 1)) for size in kernel)
    sides = tuple(draw(st.integers(max(1, size - 2 * pad), 6)) for size, pad in zip(kernel, padding, strict=True))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(2))
    channels, maps = groups * draw(st.integers(1, 3)), groups * draw(st.sampled_from(maps_of))
    return Convolution((channels, *sides), maps, kernel, stride, padding, groups)


def latent_of(rng: np.random.Generator, convolution: Convolution) -> NDArray[np.float32]:
    return rng.uniform(-1.2, 1.2, convolution.weights).astype(np.float32)


@st.composite
def inputs(draw: st.DrawFn, convolution: Convolution, num_steps: int):
    make, batch = draw(st.sampled_from([make_steps, make_events])), draw(st.integers(1, 3))
    channels = math.prod(convolution.reads)
    drawn = make(draw(seeds()), draw(st.sampled_from(INPUT_KINDS)), batch, channels, num_steps)
    return np.ascontiguousarray(drawn) if isinstance(drawn, np.ndarray) else drawn


def of_input(spikes, num_steps: int) -> Spikes:
    return Spikes.of_input(torch.from_numpy(spikes) if isinstance(spikes, np.ndarray) else spikes, num_steps)


@settings(max_examples=60)
@given(st.data(), convolutions(), step_numbers(), seeds())
def test_forward_is_the_reference(data, convolution, num_steps, rng):
    spikes = data.draw(inputs(convolution, num_steps))
    latent = latent_of(rng, convolution)
    bound = math.prod(convolution.weights[1:])
    thresholds = (rng.integers(-1, bound + 1, convolution.maps) - 0.5 * rng.integers(0, 2)).astype(np.float32)
    potential = oracle_conv.potentials(spikes, oracle.signs(latent), convolution, num_steps)
    wanted = oracle.crossing(potential, np.repeat(thresholds, convolution.places))
    source = of_input(spikes, num_steps).source
    for name in ENGINES:
        engine = choose.training(name, torch.from_numpy(latent))
        steps, reach, margin = engine.crossing(
            source, torch.from_numpy(latent), torch.from_numpy(thresholds), convolution
        )
        assert np.array_equal(steps.numpy(), wanted.steps), name
        assert np.array_equal(reach.numpy(), wanted.reach), name
        assert np.array_equal(margin.numpy(), wanted.margin.astype(np.float32)), name
        found = engine.potentials(source, torch.from_numpy(latent), convolution)
        assert np.array_equal(found.numpy(), potential), name


def test_a_window_hears_more_at_one_step_than_eight_bits_count():
    convolution = Convolution((40, 4, 4), 3, (3, 3), (1, 1), (1, 1))
    latent = np.random.default_rng(5).uniform(-1, 1, convolution.weights).astype(np.float32)
    latent[0], latent[1] = 0.5, -0.5
    thresholds, spikes = np.array([361.0, -300.0, 0.0], np.float32), np.zeros((2, 640), np.uint8)
    potential = oracle_conv.potentials(spikes, oracle.signs(latent), convolution, 2)
    wanted = oracle.crossing(potential, np.repeat(thresholds, convolution.places))
    weights = torch.from_numpy(latent)
    found = native_training.crossing(of_input(spikes, 2).source, weights, torch.from_numpy(thresholds), convolution)
    assert [potential.min(), potential.max()] == [-360, 360]
    for each, expected in zip(found, (wanted.steps, wanted.reach, wanted.margin), strict=True):
        assert np.array_equal(each.numpy(), expected)


@settings(max_examples=40)
@given(st.data(), convolutions(), st.integers(1, 9), seeds(), st.sampled_from([1.0, 0.7]))
def test_the_gradient_is_that_of_the_unrolled_matrix(data, convolution, num_steps, rng, decay):
    spikes = data.draw(inputs(convolution, num_steps))
    batch, neurons, channels = len(spikes), math.prod(convolution.gives), math.prod(convolution.reads)
    latent = latent_of(rng, convolution)
    reach = rng.integers(0, num_steps, (batch, neurons)).astype(np.uint8)
    local = (rng.normal(size=(batch, neurons)) * rng.integers(0, 2, (batch, neurons))).astype(np.float32)
    told = rng.normal(size=(batch, num_steps, neurons)).astype(np.float32)
    below = rng.integers(0, num_steps, (batch, channels)).astype(np.uint8)
    matrix = oracle_conv.unroll(latent, convolution)
    there = ~np.isnan(matrix)
    credited = oracle.trace(
        spikes, num_steps, "step" if decay == 1.0 else "exponential", -1.0 / math.log(decay) if decay < 1 else 1.0
    )
    impulse = oracle.impulse(local.astype(np.float64), reach, num_steps)
    source = of_input(spikes, num_steps).source
    weights, heard = torch.from_numpy(latent), torch.from_numpy(below)
    for gradient, names in ((impulse, "impulse"), (told, "potential")):
        whole = np.einsum("btj,bti->ji", gradient, credited)
        wanted = np.where(np.abs(latent) <= 1.0, oracle_conv.fold(whole, convolution), 0.0)
        signs = np.where(there, oracle.signs(np.nan_to_num(matrix)), 0).astype(np.float64)
        later = np.arange(num_steps)[None, :, None] >= below[:, None, :]
        credit = np.einsum("btj,ji,bti->bi", gradient, signs, later)
        for name in ENGINES:
            engine = choose.training(name, weights)
            if names == "impulse":
                judged = (torch.from_numpy(reach), torch.from_numpy(local))
                found = engine.impulse_gradient(source, weights, *judged, decay, convolution)
                down = engine.impulse_credit(heard, weights, *judged, num_steps, convolution)
            else:
                found = engine.potential_gradient(source, weights, torch.from_numpy(told), decay, convolution)
                down = engine.potential_credit(heard, weights, torch.from_numpy(told), convolution)
            np.testing.assert_allclose(found.numpy(), wanted, rtol=2e-4, atol=2e-4, err_msg=f"{names} {name}")
            np.testing.assert_allclose(down.numpy(), credit, rtol=2e-4, atol=2e-4, err_msg=f"{names} {name}")


@settings(max_examples=60)
@given(st.data(), seeds(), st.integers(1, 9))
def test_pooling_is_the_reference(data, rng, num_steps):
    window = tuple(data.draw(st.integers(1, 3)) for _ in range(2))
    stride = tuple(data.draw(st.integers(1, 3)) for _ in range(2))
    reads = (data.draw(st.integers(1, 3)), *(data.draw(st.integers(size, 6)) for size in window))
    count = data.draw(st.integers(1, math.prod(window)))
    layer = Pool2dLayer(reads, window, stride, count)
    batch, channels = 3, math.prod(reads)
    steps = make_steps(rng, data.draw(st.sampled_from(INPUT_KINDS)), batch, channels, num_steps)
    margin = np.where(steps < num_steps, 1.0, -rng.integers(1, 4, steps.shape)).astype(np.float32)
    out, winner = oracle_conv.pooled(steps, margin, layer.convolution, count, num_steps)
    given = (torch.from_numpy(steps), torch.from_numpy(margin), layer.convolution, count, num_steps)
    for found_steps, found_winner in (chosen(*given), native_training.pool(*given)):
        assert np.array_equal(found_steps.numpy(), out)
        assert np.array_equal(found_winner.numpy(), winner)
    # … and it is a neuron with weights of +1 and the threshold n
    potential = oracle.layer_potentials(layer, steps, num_steps)
    assert np.array_equal(oracle.crossing(potential, layer.thresholds).steps, out)


def test_what_a_pooling_is_told_goes_to_its_winners():
    for engine in ENGINES:
        conv, pool = (
            BinaryConv2d((1, 4, 4), 2, 1, threshold=1.0, engine=engine),
            SpikePool2d((2, 4, 4), 2, engine=engine),
        )
        steps = torch.randint(0, 6, (5, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
        below = conv(Spikes.of_input(steps, 5))
        below.fired.retain_grad()
        above = pool(below)
        told = torch.arange(1.0, 1.0 + above.fired.numel()).view(above.fired.shape)
        above.fired.backward(told)
        out, winner = oracle_conv.pooled(
            below.steps.numpy(), below.margin.detach().numpy(), pool.deployed().convolution, 1, 5
        )
        wanted = np.zeros(below.fired.shape)
        np.add.at(wanted, (np.arange(5)[:, None], winner), told.numpy())
        assert np.array_equal(below.fired.grad.numpy(), wanted)
        assert np.array_equal(above.fired.detach().numpy(), out < 5)
        assert np.array_equal(above.reach.numpy(), np.take_along_axis(below.reach.numpy(), winner, 1))
        assert np.array_equal(above.margin.numpy(), np.take_along_axis(below.margin.numpy(), winner, 1))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("make", [make_steps, make_events])
def test_a_pooling_may_come_first(engine, make):
    rng, rule = np.random.default_rng(4), RuleConfig(width=3.0)
    pool = SpikePool2d((2, 4, 4), 2, count=2, engine=engine)
    conv = BinaryConv2d((2, 2, 2), 3, 2, rule=rule, threshold=1.0, engine=engine)
    spikes = make(rng, "random", 6, 32, 5)
    below = pool(of_input(spikes, 5))
    wanted = oracle.crossing(oracle.layer_potentials(pool.deployed(), spikes, 5), pool.deployed().thresholds)
    assert np.array_equal(below.steps.numpy(), wanted.steps) and np.array_equal(below.reach.numpy(), wanted.reach)
    conv(below).fired.sum().backward()
    alone = BinaryConv2d((2, 2, 2), 3, 2, rule=rule, threshold=1.0, engine=engine)
    alone.load_state_dict(conv.state_dict())
    alone(of_input(wanted.steps, 5)).fired.sum().backward()
    assert torch.equal(conv.weight.grad, alone.weight.grad) and conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pooling_tells_layers_that_give_no_margin(engine):
    steps = torch.tensor([[3, 1, 5, 5]], dtype=torch.uint8)
    fired = torch.tensor([[1.0, 1.0, 0.0, 0.0]], requires_grad=True)
    below = Spikes(Spikes.of_input(steps, 5).source, steps, steps.clamp(max=4), fired)
    above = SpikePool2d((1, 2, 2), 1, stride=1, engine=engine)(below)
    above.fired.backward(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    assert fired.grad.tolist() == [[1, 2, 3, 4]] and above.margin is None


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kernel", ["step", "exponential", "none"])
@pytest.mark.parametrize("mode", ["neuron", "layer", "fixed"])
def test_a_module_learns_as_its_matrix_does(engine, kernel, mode):
    """`BinaryConv2d` is told what a fully connected layer of its matrix is told, folded."""
    rng = np.random.default_rng(3)
    rule = RuleConfig(width=3.0, kernel=kernel, tau=2.0)
    layer = BinaryConv2d(
        (2, 5, 4),
        3,
        (3, 2),
        stride=(2, 1),
        padding=(1, 0),
        rule=rule,
        threshold=1.5,
        threshold_mode=mode,
        engine=engine,
    )
    convolution, num_steps = layer.convolution, 6
    steps = make_steps(rng, "random", 7, 40, num_steps)
    out = layer(Spikes.of_input(torch.from_numpy(steps), num_steps))
    told = rng.normal(size=out.fired.shape)
    out.fired.backward(torch.from_numpy(told).float())
    latent = layer.weight.detach().numpy()
    potential = oracle_conv.potentials(steps, oracle.signs(latent), convolution, num_steps)
    judged = oracle.crossing(potential, np.full(potential.shape[2], 1.5))
    local = oracle.local_error(judged.margin, told, 3.0)
    at = np.full_like(judged.reach, num_steps - 1) if kernel == "none" else judged.reach
    whole = np.einsum("btj,bti->ji", oracle.impulse(local, at, num_steps), oracle.trace(steps, num_steps, kernel, 2.0))
    np.testing.assert_allclose(layer.weight.grad.numpy(), oracle_conv.fold(whole, convolution), rtol=1e-4, atol=1e-5)
    by_map = -local.reshape(7, 3, -1).sum((0, 2))
    if mode == "fixed":
        assert layer.threshold.grad is None
    else:
        wanted = by_map if mode == "neuron" else [by_map.sum()]
        np.testing.assert_allclose(layer.threshold.grad.numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_the_same_bits_on_any_number_of_threads():
    convolution = Convolution((3, 12, 12), 20, (3, 3), (1, 1), (1, 1))
    rng, results, before = np.random.default_rng(0), [], torch.get_num_threads()
    latent = torch.from_numpy(latent_of(rng, convolution))
    source = of_input(make_steps(rng, "random", 90, 432, 6), 6).source
    reach = torch.from_numpy(rng.integers(0, 6, (90, 2880)).astype(np.uint8))
    local = torch.from_numpy(rng.normal(size=(90, 2880)).astype(np.float32))
    below = torch.from_numpy(rng.integers(0, 6, (90, 432)).astype(np.uint8))
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            crossed = native_training.crossing(source, latent, torch.full((20,), 4.0), convolution)
            told = native_training.impulse_gradient(source, latent, reach, local, 1.0, convolution)
            results.append(
                (*crossed, told, native_training.impulse_credit(below, latent, reach, local, 6, convolution))
            )
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_samples_of_more_events_than_16_bits_count():
    rng = np.random.default_rng(0)
    convolution = Convolution((1, 3, 3), 2, (2, 2), (1, 1), (1, 0))
    events = Events(
        np.array([0, 40_000]), np.full(40_000, 4, np.uint16), np.sort(rng.integers(0, 3, 40_000)).astype(np.uint8), 9, 3
    )
    latent = latent_of(rng, convolution)
    thresholds = np.array([39_000.0, 20_000.5], np.float32)
    potential = oracle_conv.potentials(events, oracle.signs(latent), convolution, 3)
    wanted = oracle.crossing(potential, np.repeat(thresholds, convolution.places))
    source = of_input(events, 3).source
    steps, reach, margin = native_training.crossing(
        source, torch.from_numpy(latent), torch.from_numpy(thresholds), convolution
    )
    assert np.array_equal(steps.numpy(), wanted.steps) and np.array_equal(reach.numpy(), wanted.reach)
    np.testing.assert_array_equal(margin.numpy(), wanted.margin.astype(np.float32))


@settings(max_examples=60)
@given(st.data(), convolutions(MANY_MAPS), step_numbers(), seeds())
def test_a_deployed_network_is_the_same_on_every_engine(data, convolution, num_steps, rng):
    spikes = data.draw(inputs(convolution, num_steps))
    kind = data.draw(st.sampled_from(["near", "wide", "negative", "extreme"]))
    layers: list[Layer] = [
        Conv2dLayer(
            oracle.signs(latent_of(rng, convolution)),
            make_thresholds(rng, kind, convolution.maps, math.prod(convolution.weights[1:])),
            convolution,
        )
    ]
    if min(layers[0].gives[1:]) > 1:
        layers.append(
            Pool2dLayer(
                layers[0].gives, (2, 2), data.draw(st.sampled_from([(1, 1), (2, 2)])), data.draw(st.integers(1, 4))
            )
        )
    end = data.draw(st.sampled_from(["full", "as it is", "conv"]))
    if end == "full":
        signs = rng.choice(np.array([-1, 1], np.int8), (3, size(layers[-1].gives)))
        layers.append(FullLayer(signs, np.ones(3, np.int64), layers[-1].gives))
    elif end == "conv":
        last = Convolution(layers[-1].gives, 2, layers[-1].gives[1:])
        layers.append(Conv2dLayer(oracle.signs(latent_of(rng, last)), np.array([0, 2]), last))
    for layer in layers if kind != "extreme" else []:  # which has what engines take and no file
        layer.check()
    wanted = oracle.forward(layers, spikes, num_steps)
    compiled = native.Compiled(layers, num_steps)
    for found in (dense.forward(layers, spikes, num_steps), compiled.trace(spikes)):
        assert all(np.array_equal(a, b) for a, b in zip(wanted.hidden, found.hidden, strict=True))
        assert np.array_equal(wanted.potentials, found.potentials)
    for whole, early in zip(decide(wanted.potentials, layers[-1].thresholds), compiled.decide(spikes), strict=True):
        assert np.array_equal(whole, early)
    assert np.array_equal(compiled.labels(spikes), decide(wanted.potentials, layers[-1].thresholds).label)


@pytest.mark.parametrize("maps", [3, 131])
def test_deployed_steps_of_thousands_of_events(maps):
    rng = np.random.default_rng(0)
    convolution = Convolution((2, 9, 8), maps, (3, 4), (2, 1), (1, 2))
    lengths = rng.integers(4_000, 9_000, 6)
    sample, steps = np.repeat(np.arange(6), lengths), rng.integers(0, 2, lengths.sum())
    channels = rng.integers(0, 144, lengths.sum())
    order = np.lexsort((channels, steps, sample))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    events = Events(offsets, channels[order].astype(np.uint16), steps[order].astype(np.uint8), 144, 2)
    layers = [Conv2dLayer(oracle.signs(latent_of(rng, convolution)), rng.integers(-40, 300, maps), convolution)]
    layers.append(FullLayer(np.ones((2, size(layers[0].gives)), np.int8), np.ones(2, np.int64)))
    wanted, found = oracle.forward(layers, events, 2), native.Compiled(layers, 2).trace(events)
    assert np.array_equal(wanted.hidden[0], found.hidden[0]) and len(np.unique(found.hidden[0])) == 3


def test_deployed_samples_of_more_events_than_16_bits_count():
    rng = np.random.default_rng(0)
    convolution = Convolution((1, 3, 3), 2, (2, 2), (1, 1), (1, 0))
    steps = np.sort(rng.integers(0, 3, 40_000)).astype(np.uint8)
    events = Events(np.array([0, 40_000]), np.full(40_000, 4, np.uint16), steps, 9, 3)
    signs = oracle.signs(latent_of(rng, convolution))
    layers = [Conv2dLayer(signs, np.array([39_000, -20_000]), convolution)]
    layers.append(FullLayer(np.ones((2, size(layers[0].gives)), np.int8), np.ones(2, np.int64)))
    wanted, found = oracle.forward(layers, events, 3), native.Compiled(layers, 3).trace(events)
    assert np.array_equal(wanted.hidden[0], found.hidden[0]) and len(np.unique(found.hidden[0])) > 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kernel": 9}, "a kernel of 9 x 9, larger than the 4 x 5 that it reads"),
        ({"groups": 2}, "cannot split 3 channels and 4 maps into 2 groups"),
        ({"padding": 3}, "has a padding of 3 x 3; that has to be smaller than its 3 x 3 kernel"),
        ({"stride": 0}, "stride of 0 x 0"),
        ({"reads": (20,)}, r"not \(20,\)"),
        ({"reads": (1, 300, 300), "maps": 1}, "90000 channels, more than 65535"),
        ({"threshold_mode": "none"}, "threshold_mode must be one of"),
    ],
)
def test_what_does_not_fit_is_refused(change, says):
    given = {"reads": (3, 4, 5), "maps": 4, "kernel": 3, "padding": 1, **change}
    with pytest.raises(InputError, match=says) as caught:
        BinaryConv2d(given.pop("reads"), given.pop("maps"), given.pop("kernel"), **given)
    assert "\n" not in str(caught.value)


def test_poolings_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="waits for spike 5 of a window of 2 x 2"):
        SpikePool2d((1, 4, 4), 2, count=5)
    with pytest.raises(InputError, match="a kernel of 5 x 5, larger than the 4 x 4"):
        SpikePool2d((1, 4, 4), 5)
