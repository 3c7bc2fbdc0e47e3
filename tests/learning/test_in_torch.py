"""Binary layers are ordinary torch modules: mixed with others, copied, moved, hooked, compiled, distributed."""

from __future__ import annotations

import copy
import gc
import importlib.util

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from support import needs
from support.paths import ROOT
from torch import nn

from bstdg import BinaryLinear, latency
from bstdg.learning.loss import Loss, first_to_fire_loss
from bstdg.learning.network import Network
from bstdg.learning.recipe import LossConfig, NetworkConfig
from bstdg.learning.rule import Spikes

T = 8


class Mixed(nn.Module):
    """Spikes in, a hidden layer of ours, then an ordinary readout of which neurons fired, and how early."""

    def __init__(self, engine: str | None = None):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.spiking = BinaryLinear(20, 16, threshold=2.0, generator=generator, engine=engine)
        self.norm = nn.LayerNorm(16)
        self.readout = nn.Linear(16, 3)

    def forward(self, steps):
        return self.readout(self.norm(self.spiking(Spikes.of_input(steps, T)).fired))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    steps = torch.randint(0, T + 1, (12, 20), dtype=torch.uint8, generator=generator)
    return steps, torch.arange(12) % 3


def network(**arguments):
    generator = torch.Generator().manual_seed(2)
    made = Network(20, 3, NetworkConfig(layers=(16, 12)), generator=generator, **arguments)
    made.calibrate(torch.randint(0, T + 1, (64, 20), dtype=torch.uint8, generator=generator))
    return made


def loss_of(network, loss, steps, labels):
    output = network(steps)
    return loss(output.potentials, output.threshold, labels, output.fired)


def gradients(network, loss, steps, labels):
    network.zero_grad()
    value = loss_of(network, loss, steps, labels)
    value.backward()
    return [value.detach(), *(p.grad.clone() for p in network.parameters())]


def test_a_module_of_mixed_layers_learns_with_an_optimiser_of_ones_own(batch):
    steps, labels = batch
    torch.manual_seed(0)
    model = Mixed()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 60)
    before = model.spiking.weight.detach().clone()
    for _ in range(60):
        optimiser.zero_grad()
        loss = F.cross_entropy(model(steps), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        model.spiking.clip_latent_()
    assert (model(steps).argmax(1) == labels).all()
    assert not torch.equal(model.spiking.weight >= 0, before >= 0)  # bits of ours were learnt, too


def test_state_dict_and_deepcopy_give_the_same_network(batch, tmp_path):
    steps, labels = batch
    trained, fresh = Mixed(), Mixed()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)), alpha=0.2)
    assert not torch.equal(trained(steps), fresh(steps))
    torch.save(trained.state_dict(), tmp_path / "state.pt")
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    twin = copy.deepcopy(trained)
    for other in (fresh, twin):
        assert torch.equal(trained(steps), other(steps))
    F.cross_entropy(twin(steps), labels).backward()
    assert all(p.grad is None for p in trained.parameters())  # nothing is shared


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_potentials_stay_exact_in_every_dtype(dtype):
    """All 701 weights +1: bfloat16 has no 303, and would round it to the threshold."""
    layer = BinaryLinear(701, 2, threshold=304.0)
    with torch.no_grad():
        layer.weight.fill_(0.5)
    steps = torch.zeros(1, 701, dtype=torch.uint8)
    steps[0, 303:] = 3  # 303 at once: below threshold by one
    below = Spikes.of_input(steps, T)
    other = copy.deepcopy(layer).to(dtype)
    assert other.threshold[0] == 304.0
    out = other(below)
    assert out.steps.tolist() == layer(below).steps.tolist() == [[3, 3]]
    assert torch.equal(layer.potentials(below).double(), other.potentials(below).double())
    assert out.fired.dtype == dtype
    out.fired.sum().backward()
    assert other.weight.grad.dtype == dtype


def test_to_float64_changes_no_spike_and_rounds_gradients_alone(batch):
    steps, labels = batch
    single = network()
    double = copy.deepcopy(single).double()
    a, b = (gradients(n, Loss(LossConfig()).to(n.layers[0].weight.dtype), steps, labels) for n in (single, double))
    assert b[1].dtype == torch.float64
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x.double(), y, rtol=1e-4, atol=1e-5)


@needs.mark("cuda", torch.cuda.is_available())
def test_to_a_device_and_back(batch):
    steps, labels = batch
    here = network(engine="dense")
    there = copy.deepcopy(here).to("cuda")
    a = gradients(here, Loss(LossConfig()), steps, labels)
    b = gradients(there, Loss(LossConfig()).to("cuda"), steps.to("cuda"), labels.to("cuda"))
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y.cpu(), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # torch's note that steps need no gradient
def test_hooks_see_outputs_and_gradients(batch):
    steps, labels = batch
    model, seen = Mixed(), {}
    model.spiking.register_forward_pre_hook(lambda _, inputs: seen.update(input=inputs[0].source.width))
    model.spiking.register_forward_hook(lambda _, __, output: seen.update(fired=float(output.fired.detach().mean())))
    model.spiking.register_full_backward_hook(
        lambda _, __, gradient: seen.update(told=[g is not None for g in gradient])
    )
    model.spiking.weight.register_hook(lambda gradient: seen.update(weight=gradient.clone()))
    F.cross_entropy(model(steps), labels).backward()
    assert seen["input"] == 20 and 0 < seen["fired"] < 1
    assert any(seen["told"])
    assert torch.equal(seen["weight"], model.spiking.weight.grad)


def test_gradients_of_two_half_batches_add_up_to_those_of_the_whole(batch):
    steps, labels = batch
    net, loss = network(), Loss(LossConfig(spike_weight=0.01))
    whole = gradients(net, loss, steps, labels)[1:]
    net.zero_grad()
    for part in (slice(0, 6), slice(6, 12)):
        (loss_of(net, loss, steps[part], labels[part]) / 2).backward()
    for expected, parameter in zip(whole, net.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-5, atol=1e-6)


def test_frozen_parameters_get_no_gradient_and_parameter_groups_work(batch):
    steps, labels = batch
    net = network()
    net.layers[0].weight.requires_grad_(False)
    optimiser = torch.optim.RMSprop(
        [
            {"params": [layer.weight for layer in net.layers[1:]], "lr": 0.01},
            {"params": [layer.threshold for layer in net.layers], "lr": 0.1},
        ]
    )
    before = [p.detach().clone() for p in net.parameters()]
    loss_of(net, Loss(LossConfig()), steps, labels).backward()
    optimiser.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True)]
    assert net.layers[0].weight.grad is None
    assert moved[0] is False and all(moved[1:])


def compiled_loss(backend, fullgraph):
    priced = LossConfig(latency_weight=0.5)

    def run(potentials, threshold, scale):
        labels = torch.arange(len(potentials)) % potentials.shape[2]
        return first_to_fire_loss(potentials, threshold, scale, labels, priced)

    return run, torch.compile(run, backend=backend, fullgraph=fullgraph)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("size", [(6, 8, 4), (3, 1, 1)])
def test_the_loss_compiles_into_one_graph_and_equals_eager(size):
    """One graph: the native pass, which a compiler cannot see through, gives way to the torch code."""
    torch._dynamo.reset()
    generator = torch.Generator().manual_seed(0)
    made = (
        torch.randint(-5, 12, size, generator=generator).float(),
        torch.full((size[2],), 6.5),
        torch.tensor(2.0),
    )
    results = []
    for function in compiled_loss("aot_eager", True):
        tensors = [tensor.clone().requires_grad_() for tensor in made]
        value = function(*tensors)
        value.backward()
        results.append([value.detach(), *(tensor.grad for tensor in tensors)])
    for eager, compiled in zip(*results, strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore::DeprecationWarning")  # the compiler's own
@pytest.mark.parametrize("engine", ["native", "dense"])
def test_a_compiled_training_step_equals_eager(batch, engine):
    """The layers break the graph, and run as they do without a compiler."""
    torch._dynamo.reset()
    net, loss = network(engine=engine), Loss(LossConfig(spike_weight=0.01, latency_weight=0.01))
    eager = gradients(net, loss, *batch)
    step = torch.compile(loss_of, backend="aot_eager")
    net.zero_grad()
    value = step(net, loss, *batch)
    value.backward()
    for a, b in zip(eager, [value.detach(), *(p.grad for p in net.parameters())], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def _one_of_two(rank: int, store: str, out: str) -> None:
    """A process of two, with half of the batch each: leaves its averaged gradient."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    steps, labels = torch.load(f"{out}/batch.pt", weights_only=True)
    net = network()
    if rank:  # DistributedDataParallel starts all from the first
        with torch.no_grad():
            net.layers[0].weight.neg_()
    parallel = nn.parallel.DistributedDataParallel(net)
    part = slice(rank * 6, rank * 6 + 6)
    loss_of(parallel, Loss(LossConfig(spike_weight=0.01)), steps[part], labels[part]).backward()
    torch.save([p.grad for p in net.parameters()], f"{out}/gradient{rank}.pt")
    # Together and in order: gloo's threads abort a process that ends while they still run.
    dist.barrier()
    del parallel
    gc.collect()
    dist.destroy_process_group()


@needs.mark("gloo", dist.is_available() and dist.is_gloo_available())
def test_two_processes_get_the_gradient_of_one(batch, tmp_path):
    torch.save(batch, tmp_path / "batch.pt")
    torch.multiprocessing.spawn(_one_of_two, (str(tmp_path / "store"), str(tmp_path)), nprocs=2)
    alone = gradients(network(), Loss(LossConfig(spike_weight=0.01)), *batch)[1:]
    for rank in range(2):
        shared = torch.load(tmp_path / f"gradient{rank}.pt", weights_only=True)
        for a, b in zip(alone, shared, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # what lightning and its parts warn of is not ours
@needs.mark("lightning", importlib.util.find_spec("lightning"), "the extra 'lightning'")
def test_the_lightning_module_of_the_docs_learns(batch, tmp_path):
    page = (ROOT / "docs" / "howto" / "torch.md").read_text(encoding="utf-8")
    shown = {}
    exec(page.partition("## Lightning")[2].partition("```python\n")[2].partition("```")[0], shown)  # noqa: S102
    lightning, steps, labels = shown["lightning"], *batch
    torch.manual_seed(0)
    model = shown["Classifier"](20, 3, steps)
    start = float(loss_of(model.network, model.loss, steps, labels))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(steps, labels), batch_size=6)
    trainer = lightning.Trainer(
        max_epochs=20,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, loader)
    assert float(loss_of(model.network, model.loss, steps, labels)) < 0.7 * start
    assert all(float(layer.weight.detach().abs().max()) <= 1.0 for layer in model.network.layers)


def test_a_data_loader_batches_steps_by_itself():
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 5)).astype(np.uint8)
    samples = [(row, n) for n, row in enumerate(latency(images, T))]
    steps, _ = next(iter(torch.utils.data.DataLoader(samples, batch_size=5)))
    assert steps.dtype == torch.uint8 and tuple(steps.shape) == (5, 20)
    assert tuple(network()(steps).potentials.shape) == (5, T, 3)
