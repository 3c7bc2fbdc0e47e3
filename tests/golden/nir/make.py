"""Graphs of other libraries, written by their own exporters, with what those libraries make of some inputs.

    python make.py FOLDER
    python make.py FOLDER sinabs

The first wants spikingjelly 2.0.0, norse 1.1.0, snntorch 1.0.0, nir 1.0.8, nirtorch 2.6, torch 2.13.0, the second
sinabs 3.1.3, nir 1.0.4, nirtorch 2.0: with these the files in this folder were made. Of each graph NAME.nir, and of
those that run as neurons that fire once NAME.npz: `steps` uint8 [inputs, channels], T = 8 where a channel is silent,
and `first0`, `first1` …, the step of every neuron's first spike.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nir
import numpy as np
import torch
from torch import Tensor, nn

if sys.argv[2:] == ["sinabs"]:
    import sinabs.layers
    import sinabs.nir
else:
    import snntorch
    from norse.torch import IAFCell, IAFParameters, SequentialState
    from norse.torch.utils.export_nir import to_nir as norse_to_nir
    from snntorch.export_nir import export_to_nir as snntorch_to_nir
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir as spikingjelly_to_nir

T, INPUTS = 8, 60
WIDTHS = (16, 12, 3)  # the first a picture of 1 x 4 x 4


def linear(below: int, above: int, kind: type[nn.Linear] = nn.Linear) -> nn.Linear:
    made = kind(below, above, bias=False)
    made.weight.data = torch.where(torch.rand(above, below) < 0.5, -1.0, 1.0)
    return made


def trains(channels: int = WIDTHS[0]) -> tuple[np.ndarray, Tensor]:
    """Steps, and the same as spikes [T, inputs, channels]."""
    steps = np.random.default_rng(0).integers(0, T + 1, (INPUTS, channels)).astype(np.uint8)
    return steps, torch.from_numpy(np.stack([steps == t for t in range(T)]).astype(np.float32))


def first(spikes: Tensor) -> np.ndarray:
    fired = spikes.detach().numpy() > 0
    return np.where(fired.any(axis=0), fired.argmax(axis=0), T).astype(np.uint8)


def spikingjelly(folder: Path, name: str, threshold: float) -> None:
    """A network that reads pictures. What hidden neurons send after their first spike is taken away, as here."""
    hidden, outputs = linear(16, 12, layer.Linear), linear(12, 3, layer.Linear)
    cells = [neuron.IFNode(v_threshold=threshold, v_reset=0.0) for _ in range(2)]
    network = nn.Sequential(layer.Flatten(), hidden, cells[0], outputs, cells[1])
    spikingjelly_to_nir(network, torch.zeros(1, 1, 4, 4), save_path=folder / f"{name}.nir")
    functional.reset_net(network)
    steps, train = trains()
    sent, firsts = train, []
    for weights, cell in ((hidden, cells[0]), (outputs, cells[1])):
        fired = torch.stack([cell(weights(x)) for x in sent])
        firsts.append(first(fired))
        sent = torch.from_numpy(np.stack([firsts[-1] == t for t in range(T)]).astype(np.float32))
    np.savez_compressed(folder / f"{name}.npz", steps=steps, first0=firsts[0], first1=firsts[1])


def norse(folder: Path) -> None:
    """One threshold for all neurons of a layer, in one number."""
    cells = [IAFCell(IAFParameters(v_th=torch.full((1,), 2.5))) for _ in range(2)]
    hidden, outputs = linear(16, 12), linear(12, 3)
    graph = norse_to_nir(SequentialState(hidden, cells[0], outputs, cells[1]), torch.zeros(1, 16))
    nir.write(folder / "norse.nir", graph)
    steps, train = trains()
    sent, firsts = train, []
    for weights, cell in ((hidden, cells[0]), (outputs, cells[1])):
        state, fired = None, []
        for x in sent:
            spikes, state = cell(weights(x), state)
            fired.append(spikes)
        firsts.append(first(torch.stack(fired)))
        sent = torch.from_numpy(np.stack([firsts[-1] == t for t in range(T)]).astype(np.float32))
    np.savez_compressed(folder / "norse.npz", steps=steps, first0=firsts[0], first1=firsts[1])


def snn_torch(folder: Path) -> None:
    """Neurons that do not leak, whose time constant and resistance are infinite in the graph."""
    cells = [
        snntorch.Leaky(beta=torch.full((n,), 1.0), threshold=torch.full((n,), 2.5), init_hidden=True) for n in (12, 3)
    ]
    network = nn.Sequential(linear(16, 12), cells[0], linear(12, 3), cells[1])
    nir.write(folder / "snntorch.nir", snntorch_to_nir(network, torch.zeros(16)))


# Windows that slide


def binary(module: nn.Module, bias: bool = False) -> nn.Module:
    """The same with weights of -1 and +1, and a bias of 0 where the exporter wants one."""
    module.weight.data = torch.where(torch.rand_like(module.weight) < 0.5, -1.0, 1.0)
    if bias:
        module.bias.data.zero_()
    return module


def keep(path: Path, stages: list, reads: tuple[int, ...]) -> None:
    """The first spikes of weights and neurons in turns, [inputs, neurons] each; neurons are given all steps at once."""
    steps, train = trains(int(np.prod(reads)))
    sent, firsts = train.reshape(T, INPUTS, *reads), {}
    for i, (weights, neurons) in enumerate(stages):
        found = first(neurons(torch.stack([weights(x) for x in sent])))
        firsts[f"first{i}"] = found.reshape(INPUTS, -1)
        sent = torch.from_numpy(np.stack([found == t for t in range(T)]).astype(np.float32))
    np.savez_compressed(path, steps=steps, **firsts)


def stepped(cell: nn.Module, *, state: bool = False):
    """Neurons that are given one step after the other, and that keep their state or hand it out."""

    def run(currents: Tensor) -> Tensor:
        kept, fired = None, []
        for x in currents:
            spikes, kept = cell(x, kept) if state else (cell(x), None)
            fired.append(spikes)
        return torch.stack(fired)

    return run


def shaped(graph: nir.NIRGraph, *shapes: tuple[int, ...]) -> nir.NIRGraph:
    """With what each Conv2d and Flatten reads: two exporters leave that out, and nir.write cannot write nothing."""
    nodes = [node for node in graph.nodes.values() if isinstance(node, (nir.Conv2d, nir.Flatten))]
    for node, shape in zip(nodes, shapes, strict=True):
        if isinstance(node, nir.Conv2d):
            node.input_shape = shape
        else:
            node.input_type = {"input": np.array(shape)}
    return graph


def spikingjelly_slides(folder: Path) -> None:
    """A convolution with padding and a stride, a mean of its spikes before neurons, and a signal."""
    if_node = lambda v: neuron.IFNode(v_threshold=v, v_reset=0.0)  # noqa: E731
    window = binary(layer.Conv2d(2, 4, 3, stride=2, padding=1, bias=False))
    outputs, cells = linear(4 * 4, 3, layer.Linear), [if_node(1.5), if_node(0.3), if_node(1.5)]
    pool, flat = layer.AvgPool2d(2), layer.Flatten()
    network = nn.Sequential(window, cells[0], pool, cells[1], flat, outputs, cells[2])
    spikingjelly_to_nir(network, torch.zeros(1, 2, 8, 7), save_path=folder / "spikingjelly-conv2d.nir")
    functional.reset_net(network)
    stages = [
        (window, stepped(cells[0])),
        (pool, stepped(cells[1])),
        (lambda x: outputs(flat(x)), stepped(cells[2])),
    ]
    keep(folder / "spikingjelly-conv2d.npz", stages, (2, 8, 7))

    window, cells = binary(layer.Conv1d(2, 4, 3, stride=2, padding=1, bias=False)), [if_node(1.5), if_node(1.5)]
    outputs = linear(4 * 5, 3, layer.Linear)
    network = nn.Sequential(window, cells[0], flat, outputs, cells[1])
    spikingjelly_to_nir(network, torch.zeros(1, 2, 10), save_path=folder / "spikingjelly-conv1d.nir")
    functional.reset_net(network)
    stages = [(window, stepped(cells[0])), (lambda x: outputs(flat(x)), stepped(cells[1]))]
    keep(folder / "spikingjelly-conv1d.npz", stages, (2, 10))


def norse_slides(folder: Path) -> None:
    """Convolutions in groups; the exporter knows neither pooling nor Flatten."""
    cells = [IAFCell(IAFParameters(v_th=torch.full(shape, 1.5))) for shape in ((4, 5, 5), (3, 1, 1))]
    windows = [binary(nn.Conv2d(2, 4, 3, padding=1, groups=2), True), binary(nn.Conv2d(4, 3, 5), True)]
    network = SequentialState(windows[0], cells[0], windows[1], cells[1])
    graph = norse_to_nir(network, torch.zeros(1, 2, 5, 5))
    nir.write(folder / "norse-conv2d.nir", shaped(graph, (5, 5), (5, 5)))
    keep(
        folder / "norse-conv2d.npz",
        [(w, stepped(c, state=True)) for w, c in zip(windows, cells, strict=True)],
        (2, 5, 5),
    )


def sinabs_slides(folder: Path) -> None:
    """A sum over windows before neurons. These are given all steps of an input one after the other."""

    def neurons() -> nn.Module:
        return sinabs.layers.IAFSqueeze(num_timesteps=T, spike_threshold=torch.tensor(1.5), min_v_mem=None)

    def run(currents: Tensor) -> Tensor:
        flat = currents.transpose(0, 1).flatten(0, 1)
        return neurons()(flat).unflatten(0, (INPUTS, T)).transpose(0, 1)

    window, pool, flat = binary(nn.Conv2d(1, 4, 3, bias=False)), sinabs.layers.SumPool2d(2), nn.Flatten()
    outputs = linear(4 * 4, 3)
    network = nn.Sequential(window, neurons(), pool, neurons(), flat, outputs, neurons())
    graph = sinabs.nir.to_nir(network, torch.zeros(T, 1, 6, 6))
    nir.write(folder / "sinabs-conv2d.nir", shaped(graph, (6, 6), (4, 2, 2)))
    keep(folder / "sinabs-conv2d.npz", [(window, run), (pool, run), (lambda x: outputs(flat(x)), run)], (1, 6, 6))


def main(folder: Path) -> None:
    torch.manual_seed(0)
    spikingjelly(folder, "spikingjelly-half", 2.5)
    spikingjelly(folder, "spikingjelly-whole", 2.0)
    norse(folder)
    snn_torch(folder)
    torch.manual_seed(1)
    spikingjelly_slides(folder)
    norse_slides(folder)


def main_sinabs(folder: Path) -> None:
    torch.manual_seed(2)
    sinabs_slides(folder)


if __name__ == "__main__":
    (main_sinabs if sys.argv[2:] == ["sinabs"] else main)(
        Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    )
