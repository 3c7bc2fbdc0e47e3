"""A layer of one's own, as the page about extending shows it, is a layer everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import needs
from support.earliest import shown
from torch.nn import functional as F

from bstdg import BinaryLinear, BstdgWarning, Network, export, layers
from bstdg.errors import FileFormatError, InputError
from bstdg.inputs import LatencyCode
from bstdg.learning.loss import Loss
from bstdg.learning.recipe import LossConfig, NetworkConfig, RuleConfig, TrainConfig
from bstdg.model import packed, runtime
from bstdg.model.packed import PackedModel
from bstdg.training.evaluation import evaluate
from bstdg.training.schedule import optimizer

own = shown()
EarliestLayer, EarliestSpike = own["EarliestLayer"], own["EarliestSpike"]


def network(seed: int = 0) -> Network:
    generator = torch.Generator().manual_seed(seed)
    rule = RuleConfig(width=4.0)
    stack = [BinaryLinear(16, 30, rule=rule, generator=generator), EarliestSpike(30, 3)]
    made = Network.of([*stack, BinaryLinear(10, 2, rule=rule, generator=generator)], NetworkConfig(num_steps=6))
    made.calibrate(samples()[0])
    return made


def samples(count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Class 1 fires early on the second half of the channels, class 0 on the first."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    steps = rng.integers(3, 7, (count, 16))
    for row, label in zip(steps, labels, strict=True):
        row[8 * label : 8 * label + 8] = rng.integers(0, 3, 8)
    return torch.from_numpy(steps.astype(np.uint8)), torch.from_numpy(labels)


def model_of(made: Network) -> PackedModel:
    return PackedModel(LatencyCode((16,)), tuple(made.deployed()), 6, ("left", "right"))


def test_it_trains():
    made, (steps, labels) = network(), samples()
    loss = Loss(LossConfig())
    adam = optimizer(made, loss, TrainConfig(weight_rate=0.05))
    assert [len(group["params"]) for group in adam.param_groups] == [2, 2, 1]  # a layer without weights adds nothing
    before = loss(made(steps).potentials, made(steps).threshold, labels).item()
    for _ in range(40):
        output = made(steps)
        value = loss(output.potentials, output.threshold, labels)
        adam.zero_grad()
        value.backward()
        adam.step()
        made.clip_latent_()
    assert value.item() < 0.5 * before
    with pytest.warns(BstdgWarning, match="engine 'native' cannot run layer 1 .*the NumPy reference runs this network"):
        figures = evaluate(made.deployed(), 6, steps.numpy(), labels.numpy()).figures()
    assert figures["accuracy"] > 0.95


@pytest.mark.filterwarnings("ignore::bstdg.errors.BstdgWarning")  # that the reference runs it
def test_what_is_deployed_computes_what_the_modules_do(tmp_path):
    made, (steps, _) = network(), samples(50)
    packed.save(model_of(made), tmp_path / "m.bstdg")
    model = runtime.load(tmp_path / "m.bstdg")
    assert (model.engine.NAME, model.packed.structure) == ("oracle", "16-30-earliest3-2")
    run, output = model.run(steps.numpy()), made(steps)
    for found, spikes in zip(run.trace.hidden, output.hidden, strict=True):
        np.testing.assert_array_equal(found, spikes.steps.numpy())
    np.testing.assert_array_equal(run.trace.potentials, output.potentials.detach().numpy())
    # 16 channels to 30 neurons, these one by one to groups, 10 groups to 2 outputs
    assert [layer.dense_operations for layer in model.summary().layers] == [16 * 30, 30, 20]
    figures = model.evaluate(np.zeros((3, 16), np.uint8), [0, 0, 0])
    assert figures["engine"] == "oracle"


def test_operations_go_by_its_synapses():
    made, (steps, labels) = network(), samples(40)
    with pytest.warns(BstdgWarning):
        figures = evaluate(made.deployed(), 6, steps.numpy(), labels.numpy()).figures()
        run = runtime.Model(model_of(made)).run(steps.numpy())
    ends = run.decision.step[:, None]
    passed = (steps.numpy() <= ends).sum() * 30
    passed += (run.trace.hidden[0] <= ends).sum() + (run.trace.hidden[1] <= ends).sum() * 2
    assert figures["synaptic_operations_to_decision"] == passed / 40


def test_engines_that_do_not_know_it_refuse_it():
    model = model_of(network())
    for name in ("native", "dense"):
        with pytest.raises(
            InputError, match=f"engine '{name}' cannot run layer 1 .earliest3.: layers of kind 'earliest'"
        ):
            runtime.Model(model, name)


@pytest.mark.parametrize("target", export.targets())
def test_exports_that_do_not_know_it_refuse_it_by_name(target, tmp_path):
    if target == "nir":
        needs.package("nir")
    with pytest.raises(InputError, match=rf"target '{target}' cannot hold layer 1 \(earliest3\)"):
        export.export(target, model_of(network()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_a_kind_that_nobody_registered_is_refused(monkeypatch):
    data = packed.to_bytes(model_of(network()))
    monkeypatch.delitem(layers._KINDS._classes, "earliest")
    with pytest.raises(
        FileFormatError, match=r"layer 1 is of kind 'earliest', which is not known here \(full, conv2d, pool2d\)"
    ):
        packed.from_bytes(data)


def test_a_kind_is_registered_once():
    assert layers.register(EarliestLayer) is EarliestLayer
    other = type("OtherLayer", (EarliestLayer,), {"__module__": "elsewhere"})
    with pytest.raises(InputError, match=r"layers of kind 'earliest' are those of earliest\.EarliestLayer"):
        layers.register(other)


class NoCalibration(torch.nn.Module):
    def deployed(self):
        return EarliestLayer((12,), 3)


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        ([], "at least one layer"),
        ([BinaryLinear(4, 3), BinaryLinear(5, 2)], "layer 1 reads 5 channels, but 3 come in"),
        ([BinaryLinear(4, 12), NoCalibration(), BinaryLinear(4, 2)], "layer 1 is a NoCalibration, which lacks"),
        ([BinaryLinear(4, 12), EarliestSpike(12, 3)], "the last layer is a EarliestSpike, which lacks potentials"),
        ([torch.nn.Linear(3, 2)], "layer 0 is a Linear, which lacks"),
    ],
)
def test_what_makes_no_network_is_refused(stack, message):
    with pytest.raises(InputError, match=message):
        Network.of(stack)


def test_shapes_that_do_not_fit_are_refused_in_a_model():
    made = network().deployed()
    with pytest.raises(InputError, match="layer 1 reads 30 channels, but 2 come in"):
        PackedModel(
            LatencyCode((16,)), (made[0].__class__(made[0].signs[:2], made[0].thresholds[:2]), *made[1:]), 6, ("a", "b")
        )


def test_gradients_reach_the_winner_alone():
    steps, _ = samples(20)
    made = network()
    spikes = made.layers[0](made.read(steps))
    kept = spikes.fired.detach().requires_grad_()
    pooled = made.layers[1](spikes._replace(fired=kept))
    F.relu(pooled.fired).sum().backward()
    told = kept.grad.view(20, 10, 3)
    assert (told.sum(2) == 1).logical_or(pooled.fired == 0).all()
