"""What layers measure while they train: channels' mean spikes (`rule.centre`) and margins' spread (`rule.unit`)."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bstdg import datasets
from bstdg.engine.decide import decide
from bstdg.errors import InputError
from bstdg.learning.convolution import BinaryConv2d
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.network import Network
from bstdg.learning.recipe import NetworkConfig, Recipe, RuleConfig, TrainConfig
from bstdg.learning.rule import Spikes
from bstdg.progress import Quiet
from bstdg.spikes.events import Events
from bstdg.training import checkpoint
from bstdg.training.evaluation import evaluate
from bstdg.training.run import TrainingRun

T = 5
PLAIN = RuleConfig(width=4.0)
CENTRED = dataclasses.replace(PLAIN, centre=0.5)
SPREAD = RuleConfig(width=1.5, unit="spread")
LAYERS = {
    "full": lambda rule: BinaryLinear(36, 7, rule=rule),
    "tied": lambda rule: BinaryLinear(36, 7, rule=rule, tied=9),
    "conv": lambda rule: BinaryConv2d((4, 3, 3), 6, 2, padding=(1, 0), stride=(2, 1), rule=rule),
    "groups": lambda rule: BinaryConv2d((4, 3, 3), 6, 2, padding=1, groups=2, rule=rule),
    "shared": lambda rule: BinaryLinear(36, 7, rule=rule, threshold_mode="layer"),
}


def steps(batch=16, seed=0) -> torch.Tensor:
    return torch.randint(0, T + 2, (batch, 36), generator=torch.Generator().manual_seed(seed)).clamp(max=T).byte()


def spikes(batch=16, seed=0) -> Spikes:
    return Spikes.of_input(steps(batch, seed), T)


def of_one(kind, rule):
    """The layer, and its like without `centre` whose thresholds are where the layer's are."""
    torch.manual_seed(3)
    layer, plain = LAYERS[kind](rule), LAYERS[kind](PLAIN)
    plain.load_state_dict(layer.state_dict(), strict=False)
    return layer, plain


@pytest.mark.parametrize("kind", LAYERS)
def test_a_presynaptic_spike_is_credited_less_what_is_usual_for_its_channel(kind):
    layer, plain = of_one(kind, CENTRED)
    layer.calibrate(spikes(), 0.4)
    theta = layer.effective_threshold.detach().clone()
    plain.threshold = torch.nn.Parameter(theta)
    told = torch.randn(layer(spikes()).fired.shape, generator=torch.Generator().manual_seed(1))
    for one in (layer, plain):
        (one(spikes()).fired * told).sum().backward()
    to_theta = plain.threshold.grad  # -sum of d_j
    usual = layer.presynaptic
    if kind in ("full", "shared"):
        expected = plain.weight.grad + to_theta[:, None] * usual
    elif kind == "tied":
        expected = plain.weight.grad + to_theta[:, None] * (F.pad(usual[:27], (0, 0)))
        expected[:, :9] -= to_theta[:, None] * usual[27:]
    else:
        each = usual.repeat_interleave(6 // len(usual), 0)
        expected = plain.weight.grad + to_theta[:, None, None, None] * each
    assert plain.weight.grad.abs().max() > 0.1
    torch.testing.assert_close(layer.weight.grad, expected)
    torch.testing.assert_close(layer.threshold.grad, to_theta.sum().view(1) if kind == "shared" else to_theta)


@pytest.mark.parametrize("kind", ["full", "conv", "groups"])
def test_a_weight_that_flips_leaves_the_mean_potential_as_far_from_the_threshold(kind):
    layer, _ = of_one(kind, CENTRED)
    layer.calibrate(spikes(), 0.4)

    def leads() -> torch.Tensor:
        neurons = layer.potentials(spikes())[:, -1].mean(0)
        theta = layer.effective_threshold
        return neurons.view(len(theta), -1).mean(1) - theta

    before, thresholds = leads(), layer.effective_threshold.detach().clone()
    with torch.no_grad():
        layer.weight.view(-1)[::5] *= -1
    torch.testing.assert_close(leads(), before)
    assert not torch.equal(layer.effective_threshold, thresholds)


def test_channels_are_a_running_mean_in_training_mode_alone():
    layer, _ = of_one("full", CENTRED)
    layer.calibrate(spikes(seed=1), 0.4)
    first, second = ((steps(seed=s) < T).float().mean(0) for s in (1, 2))
    torch.testing.assert_close(layer.presynaptic, first)
    layer(spikes(seed=2))
    torch.testing.assert_close(layer.presynaptic, 0.5 * first + 0.5 * second)
    layer.eval()(spikes(seed=3))
    torch.testing.assert_close(layer.presynaptic, 0.5 * first + 0.5 * second)


def test_windows_reach_over_the_edge_where_nothing_spikes():
    layer = BinaryConv2d((1, 3, 3), 2, 3, padding=1, rule=CENTRED)
    every = Spikes.of_input(torch.zeros(1, 9, dtype=torch.uint8), T)
    layer.calibrate(every, 0.4)
    torch.testing.assert_close(layer.presynaptic[0, 0] * 9, torch.tensor([[4.0, 6, 4], [6, 9, 6], [4, 6, 4]]))


def test_of_recordings_every_event_counts():
    layer = BinaryLinear(2, 3, rule=CENTRED)
    offsets, channels = np.array([0, 3, 4, 4]), np.array([0, 0, 1, 0], np.uint16)
    events = Events(offsets, channels, np.array([0, 2, 3, 1], np.uint8), num_channels=2, num_steps=T)
    layer.calibrate(Spikes.of_input(events, T), 0.4)
    torch.testing.assert_close(layer.presynaptic, torch.tensor([1.0, 1 / 3]))


@pytest.mark.parametrize("kind", LAYERS)
def test_calibration_finds_the_thresholds_that_it_finds_without(kind):
    layer, plain = of_one(kind, CENTRED)
    for one in (layer, plain):
        one.calibrate(spikes(), 0.4)
    if kind == "shared":
        torch.testing.assert_close(layer.effective_threshold.detach().mean(0, keepdim=True), plain.threshold.detach())
    else:
        torch.testing.assert_close(layer.effective_threshold.detach(), plain.threshold.detach())


@pytest.mark.parametrize("kind", ["full", "conv"])
def test_the_width_is_so_many_standard_deviations_of_margins(kind):
    torch.manual_seed(3)
    layer = LAYERS[kind](SPREAD)
    layer.calibrate(spikes(), 0.4)
    measured = float(layer.spread)
    spread = layer(spikes()).margin.std()
    assert measured == pytest.approx(float(spread), rel=1e-5)
    assert float(layer.width) == pytest.approx(1.5 * float(spread), rel=1e-5)
    # and it judges: the same layer with that width in units of potential learns the same
    plain = LAYERS[kind](RuleConfig(width=float(layer.width)))
    plain.load_state_dict(layer.state_dict(), strict=False)
    for one in (layer.eval(), plain):
        one(spikes()).fired.sum().backward()
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad)
    layer.train()(spikes(seed=2))
    assert float(layer.width) != pytest.approx(1.5 * float(spread), rel=1e-6)


def test_the_spread_is_a_running_mean_that_the_first_batch_begins():
    layer = LAYERS["full"](SPREAD)
    layer.measure_spread(torch.tensor([[1.0, 1.5]]))
    assert float(layer.spread) == pytest.approx(0.125**0.5)
    assert float(layer.width) == 1.0  # no narrower than that
    layer.measure_spread(torch.tensor([[0.0, 10.0]]))
    assert float(layer.spread) == pytest.approx(0.99 * 0.125**0.5 + 0.01 * 50**0.5)
    kept = float(layer.spread)
    layer.measure_spread(torch.tensor([[7.0]]))  # of one there is none
    layer.eval().measure_spread(torch.tensor([[0.0, 90.0]]))
    assert float(layer.spread) == kept


def test_a_layer_made_without_says_that_it_measures_nothing():
    for rule, name in ((CENTRED, "rule.centre"), (SPREAD, "rule.unit")):
        layer = BinaryLinear(36, 7)
        layer.rule = rule
        with pytest.raises(InputError, match=name):
            layer(spikes())


RECIPE = Recipe(
    network=NetworkConfig(layers=("4c3p1", "pool2", 20), num_steps=T),
    rule=RuleConfig(width=2.0, final_width=1.0, unit="spread", centre=0.9),
    train=TrainConfig(epochs=3, average=0.9, batch=64),
)


def run_of(recipe=RECIPE) -> TrainingRun:
    return TrainingRun(recipe, datasets.load("digits", "train"), 1, torch.device("cpu"))


def test_what_is_deployed_decides_as_what_was_trained():
    run = run_of()
    run.run_epoch(Quiet())
    network = run.average.network.eval()
    assert torch.equal(network.layers[0].presynaptic, run.network.layers[0].presynaptic)
    with torch.no_grad():
        output = network(torch.from_numpy(run.validation))
    theta = np.ceil(output.threshold.numpy()).astype(np.int64)
    decision = decide(output.potentials.numpy().astype(np.int64), theta)
    figures = evaluate(network.deployed(), T, run.validation, run.validation_labels).figures()
    assert figures["accuracy"] == (decision.label == run.validation_labels).mean()
    assert figures["decision_step_mean"] == decision.step.mean() > 0


def test_a_run_goes_on_from_a_checkpoint_with_the_same_bits():
    whole, first = run_of(), run_of()
    for _ in range(3):
        whole.run_epoch(Quiet())
    first.run_epoch(Quiet())
    saved = first.checkpoint()
    second = run_of()
    second.restore(checkpoint.Checkpoint({k: t.clone() for k, t in saved.tensors.items()}, saved.state))
    for _ in range(2):
        second.run_epoch(Quiet())
    assert any("presynaptic" in name for name in saved.tensors)
    ends = whole.checkpoint().tensors, second.checkpoint().tensors
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_both_change_what_is_learnt():
    def weights(rule):
        run = run_of(dataclasses.replace(RECIPE, rule=rule))
        run.run_epoch(Quiet())
        return run.network.layers[0].weight.detach().clone()

    rules = [RuleConfig(width=2.0), RuleConfig(width=2.0, centre=0.9), RuleConfig(width=2.0, unit="spread")]
    plain, centred, spread = map(weights, rules)
    assert not torch.equal(plain, centred)
    assert not torch.equal(plain, spread)


def test_networks_without_measure_nothing():
    assert not list(Network(36, 7, NetworkConfig(layers=(4,))).buffers())
