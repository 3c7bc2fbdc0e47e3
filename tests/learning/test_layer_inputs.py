"""Layers, calibration and loss say in their own words what they cannot read: the same on every engine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.strategies import make_events

from bstdg import BinaryLinear
from bstdg.engine import dense, native_training
from bstdg.errors import InputError
from bstdg.learning.loss import Loss
from bstdg.learning.network import Network
from bstdg.learning.recipe import LossConfig, NetworkConfig
from bstdg.learning.rule import Spikes
from bstdg.spikes.events import Events
from bstdg.spikes.source import EventSource, StepSource

T = 8
STEPS = torch.randint(0, T + 1, (6, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
engines = pytest.mark.parametrize("engine", ["native", "dense", None])


def layer(engine, channels=20) -> BinaryLinear:
    return BinaryLinear(channels, 5, threshold=2.0, engine=engine)


def every_use(made: BinaryLinear):
    return made, made.potentials, lambda below: made.calibrate(below, 0.2)


@engines
@pytest.mark.parametrize(
    "given", [STEPS, STEPS.numpy(), None, [[0] * 20], Events.from_steps(STEPS.numpy(), T)], ids=type
)
def test_a_layer_reads_spikes_alone(engine, given):
    for use in every_use(layer(engine)):
        with pytest.raises(InputError, match=rf"reads Spikes, not {type(given).__name__}; Spikes\.of_input\("):
            use(given)


@engines
@pytest.mark.parametrize("as_events", [False, True], ids=["steps", "events"])
def test_both_numbers_of_another_width_are_said(engine, as_events):
    below = Spikes.of_input(Events.from_steps(STEPS.numpy(), T) if as_events else STEPS, T)
    for use in every_use(layer(engine, channels=19)):
        with pytest.raises(InputError, match="the layer reads 19 channels, but 20 come in"):
            use(below)
    with pytest.raises(InputError, match="the layer reads 6 channels, but 5 come in"):
        layer(engine, channels=6)(layer(engine)(below))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (STEPS.long(), r"uint8 \[batch, features\], not torch.int64 \[6, 20\]"),
        (STEPS.float(), r"not torch.float32 \[6, 20\]; bstdg.latency"),
        (STEPS.bool(), "not torch.bool"),
        (STEPS[0], r"not torch.uint8 \[20\]"),
        (STEPS[None], r"not torch.uint8 \[1, 6, 20\]"),
        (STEPS[0, 0], r"not torch.uint8 \[\]"),
        (STEPS.numpy(), "input is steps .a uint8 tensor. or Events, not ndarray; torch.from_numpy"),
        (None, "not NoneType"),
        (Spikes.of_input(STEPS, T), "not Spikes"),
        (make_events(np.random.default_rng(0), "random", 2, 8, 6), "runs 8 steps, the events 6"),
    ],
    ids=range(10),
)
def test_input_of_another_type_or_shape_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Spikes.of_input(given, T)


@engines
@pytest.mark.parametrize("step", [T + 1, 255])
def test_steps_beyond_the_last_are_refused_by_every_engine(engine, step):
    steps = STEPS.clone()
    steps[3, 7] = step
    for use in every_use(layer(engine)):
        with pytest.raises(InputError, match=f"a step is {step}, beyond T = 8, which means never"):
            use(Spikes.of_input(steps, T))
    network = Network(20, 3, NetworkConfig(layers=(5,)), engine=engine)
    for use in (network, network.calibrate):
        with pytest.raises(InputError, match=f"a step is {step}, beyond T = 8"):
            use(steps)
    made, good = layer(engine), STEPS.clone()
    below = Spikes.of_input(good, T)
    made(below)
    good[0, 0] = step  # written later
    with pytest.raises(InputError, match=f"a step is {step}"):
        made(below)


def test_what_the_native_engine_refuses_is_an_input_error():
    with pytest.raises(InputError):
        native_training._rows(StepSource(torch.full((2, 3), 9, dtype=torch.uint8), T))
    events = Events.from_steps(STEPS.numpy(), T)
    source = EventSource(events)
    source.events.channels[:] = 60_000
    with pytest.raises(InputError):
        native_training._rows(source)


@engines
def test_calibration_on_no_samples_is_refused(engine):
    none = torch.empty(0, 20, dtype=torch.uint8)
    network = Network(20, 3, NetworkConfig(layers=(5,)), engine=engine)
    before = [p.detach().clone() for p in network.parameters()]
    for given in (none, Events.from_steps(none.numpy(), T)):
        with pytest.raises(InputError, match="thresholds start from samples, and there are none"):
            network.calibrate(given)
        with pytest.raises(InputError, match="there are none"):
            layer(engine).calibrate(Spikes.of_input(given, T), 0.1)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan"), 2])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(InputError, match="must be between 0 and 1"):
        layer(None).calibrate(Spikes.of_input(STEPS, T), share)


@engines
def test_a_batch_of_none_gives_none(engine):
    network = Network(20, 3, NetworkConfig(layers=(5,)), engine=engine)
    output = network(torch.empty(0, 20, dtype=torch.uint8))
    output.potentials.sum().backward()
    assert tuple(output.potentials.shape) == (0, T, 3) and tuple(output.hidden[0].steps.shape) == (0, 5)
    assert not network.layers[0].weight.grad.any()


def test_layers_and_input_on_different_devices_are_told_apart():
    made = layer(None)
    with pytest.raises(InputError, match=r"the layer is on cpu, its input on meta: move one with \.to"):
        made(Spikes.of_input(STEPS.to("meta"), T))
    with pytest.raises(InputError, match="the layer is on meta, its input on cpu"):
        made.to("meta")(Spikes.of_input(STEPS, T))


def test_what_has_no_numbers_computes_none():
    network = Network(20, 3, NetworkConfig(layers=(5,))).to("meta")
    for use in (network, network.calibrate):
        with pytest.raises(InputError, match=r"the layer is on the meta device, which holds no numbers: \.to_empty"):
            use(STEPS.to("meta"))


def test_spikes_with_a_gradient_and_nothing_to_judge_by_are_refused():
    out = layer(None)(Spikes.of_input(STEPS, T))
    with pytest.raises(InputError, match="need `reach`"):
        layer(None, channels=5)(out._replace(reach=None))


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_is_a_finite_number(threshold):
    with pytest.raises(InputError, match="finite number"):
        BinaryLinear(3, 2, threshold=threshold)


@pytest.mark.parametrize("engine", ["cuda", "oracle", "", 3])
def test_an_unknown_engine_is_refused_when_a_layer_is_made(engine):
    for make in (lambda: BinaryLinear(3, 2, engine=engine), lambda: Network(3, 2, engine=engine)):
        with pytest.raises(InputError, match=r"there is no training engine .*; choose native or dense"):
            make()


POTENTIALS, THRESHOLD, LABELS = torch.zeros(4, T, 3), torch.ones(3), torch.tensor([0, 1, 2, 0])


@pytest.mark.parametrize("name", ["first_to_fire", "relative_target"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((POTENTIALS, THRESHOLD, LABELS.int()), r"labels must be int64 \[4\], not torch.int32 \[4\]"),
        ((POTENTIALS, THRESHOLD, LABELS[:3]), r"labels must be int64 \[4\], not torch.int64 \[3\]"),
        ((POTENTIALS, THRESHOLD, torch.eye(4)[:, :3]), r"not torch.float32 \[4, 3\]"),
        ((POTENTIALS[:, 0], THRESHOLD, LABELS), r"real \[batch, T, classes\], not torch.float32 \[4, 3\]"),
        ((POTENTIALS.long(), THRESHOLD, LABELS), "not torch.int64"),
        ((POTENTIALS, THRESHOLD[:2], LABELS), r"3 classes have as many thresholds, or one for all, not \[2\]"),
    ],
    ids=range(6),
)
def test_a_loss_says_what_it_reads(name, given, message):
    with pytest.raises(InputError, match=message):
        Loss(LossConfig(name))(*given)


def test_engines_still_agree_on_what_is_right():
    network = Network(20, 3, NetworkConfig(layers=(5,)), engine="native")
    other = Network(20, 3, NetworkConfig(layers=(5,)), engine="dense")
    other.load_state_dict(network.state_dict())
    assert torch.equal(network(STEPS).potentials, other(STEPS).potentials)
    assert dense.NAME == "dense"
