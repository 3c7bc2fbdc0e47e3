"""Graphs of other libraries, written by their own exporters, with what those libraries make of some inputs.

    python make.py FOLDER

wants spikingjelly 2.0.0, norse 1.1.0, snntorch 1.0.0, nir 1.0.8, nirtorch 2.6, torch 2.13.0: with these the files in
this folder were made. Of each graph NAME.nir, and of those that run as neurons that fire once NAME.npz: `steps` uint8
[inputs, channels], T = 8 where a channel is silent, and `first0`, `first1` …, the step of every neuron's first spike.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nir
import numpy as np
import snntorch
import torch
from norse.torch import IAFCell, IAFParameters, SequentialState
from norse.torch.utils.export_nir import to_nir as norse_to_nir
from snntorch.export_nir import export_to_nir as snntorch_to_nir
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir as spikingjelly_to_nir
from torch import Tensor, nn

T, INPUTS = 8, 60
WIDTHS = (16, 12, 3)  # the first a picture of 1 x 4 x 4


def linear(below: int, above: int, kind: type[nn.Linear] = nn.Linear) -> nn.Linear:
    made = kind(below, above, bias=False)
    made.weight.data = torch.where(torch.rand(above, below) < 0.5, -1.0, 1.0)
    return made


def trains() -> tuple[np.ndarray, Tensor]:
    """Steps, and the same as spikes [T, inputs, channels]."""
    steps = np.random.default_rng(0).integers(0, T + 1, (INPUTS, WIDTHS[0])).astype(np.uint8)
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


def main(folder: Path) -> None:
    torch.manual_seed(0)
    spikingjelly(folder, "spikingjelly-half", 2.5)
    spikingjelly(folder, "spikingjelly-whole", 2.0)
    norse(folder)
    snn_torch(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))
