"""Run by hand: many random convolutional networks, in which every engine has to compute the same.

    python tests/engine/many_convolutions.py [--count 100000] [--seed 0] [--first 0] [--only NUMBER]

Each is drawn from the seed and its own number, so any one can be had again. Compared are, bit for bit, the steps of all
hidden neurons and the potentials of the output in the oracle, the dense and the native engine, deployed and in
training, reaches and margins in training, and decisions with and without early exit; and, up to rounding, the gradients
of weights and thresholds. Ends with how many were equal, and with status 1 where one was not.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.strategies import INPUT_KINDS, make_events, make_steps, make_thresholds

from bstdg.engine import dense, native, oracle
from bstdg.engine.decide import decide
from bstdg.layers import Conv2dLayer, FullLayer, Layer, Pool2dLayer, size
from bstdg.layers.convolution import Convolution
from bstdg.learning.convolution import BinaryConv2d
from bstdg.learning.modules import BinaryLinear
from bstdg.learning.network import Network
from bstdg.learning.pooling import SpikePool2d
from bstdg.learning.recipe import NetworkConfig, RuleConfig
from bstdg.progress import bar
from bstdg.spikes.events import Events

TOLERANCE = 2e-4  # of gradients, which engines sum in an order of their own
THRESHOLDS = ("near", "near", "wide", "always", "unreachable", "mixed")
TOLD_EVERY = 5_000  # networks, where no bar is watched


class Drawn(NamedTuple):
    """A network and a batch for it; `facts` name what it covers."""

    layers: tuple[Layer, ...]
    spikes: NDArray[np.uint8] | Events
    num_steps: int
    facts: frozenset[str]


def draw(rng: np.random.Generator) -> Drawn:
    """One to three convolutions and poolings, and now and then a full layer at the end."""
    num_steps = int(rng.choice([1, 1, 2, 3, 4, 5, 8, 13]))
    reads = (int(rng.integers(1, 5)), int(rng.integers(1, 7)), int(rng.integers(1, 7)))
    layers: list[Layer] = []
    for _ in range(rng.integers(1, 4)):
        shape = layers[-1].gives if layers else reads
        layers.append(pooling(rng, shape) if rng.random() < 0.35 else convolution(rng, shape))
    end = rng.random()
    if end < 0.45 or size(layers[-1].gives) > 24:
        below, classes = layers[-1].gives, int(rng.integers(1, 5))
        signs = rng.choice(np.array([-1, 1], np.int8), (classes, size(below)))
        layers.append(FullLayer(signs, thresholds(rng, classes, size(below)), below))
    spikes, kind = inputs(rng, size(reads), num_steps)
    return Drawn(tuple(layers), spikes, num_steps, facts_of(layers, num_steps, kind))


def convolution(rng: np.random.Generator, shape: tuple[int, ...]) -> Conv2dLayer:
    """Any window that fits, over any stride, padding and grouping."""
    channels, *sides = shape
    kernel = tuple(int(rng.integers(1, min(side, 4) + 1)) for side in sides)
    padding = tuple(int(rng.integers(0, side)) for side in kernel)
    stride = tuple(int(rng.choice([1, 1, 2, 3])) for _ in sides)
    groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
    maps = groups * int(rng.choice([1, 1, 2, 3]))
    slid = Convolution((channels, *sides), maps, kernel, stride, padding, groups)  # pyright: ignore
    signs = rng.choice(np.array([-1, 1], np.int8), slid.weights)
    return Conv2dLayer(signs, thresholds(rng, maps, math.prod(slid.weights[1:])), slid)


def pooling(rng: np.random.Generator, shape: tuple[int, ...]) -> Pool2dLayer:
    """Any window that fits, and any of its spikes."""
    window = tuple(int(rng.integers(1, min(side, 3) + 1)) for side in shape[1:])
    stride = window if rng.random() < 0.5 else tuple(int(rng.integers(1, 3)) for _ in window)
    count = 1 if rng.random() < 0.5 else int(rng.integers(1, math.prod(window) + 1))
    return Pool2dLayer(shape, window, stride, count)  # pyright: ignore


def thresholds(rng: np.random.Generator, maps: int, fan_in: int) -> NDArray[np.int64]:
    """Such as are reached now and then, by every sum, by none, or one of each."""
    kind = str(rng.choice(THRESHOLDS))
    if kind == "always":
        return np.full(maps, -4 * fan_in - 1, np.int64)
    if kind == "mixed":
        return rng.choice([-4 * fan_in - 1, 0, 1, 2, 4 * fan_in + 1], maps)
    return make_thresholds(rng, kind, maps, fan_in)


def inputs(rng: np.random.Generator, channels: int, num_steps: int) -> tuple[NDArray[np.uint8] | Events, str]:
    """One to three samples, of steps or of events, and which kind."""
    kind, batch = str(rng.choice([*INPUT_KINDS, "random", "sparse"])), int(rng.integers(1, 4))
    if rng.random() < 0.7:
        return np.ascontiguousarray(make_steps(rng, kind, batch, channels, num_steps)), kind
    return make_events(rng, kind, batch, channels, num_steps), f"events, {kind}"


def facts_of(layers: list[Layer], num_steps: int, kind: str) -> frozenset[str]:
    """What a network covers, for the table at the end."""
    slid = [layer.convolution for layer in layers if isinstance(layer, Conv2dLayer)]
    pools = [layer for layer in layers if isinstance(layer, Pool2dLayer)]
    told = {
        "T = 1": num_steps == 1,
        "a convolution": bool(slid),
        "padding": any(any(each.padding) for each in slid),
        "a stride": any(each.stride != (1, 1) for each in slid),
        "groups": any(each.groups > 1 for each in slid),
        "pooling": bool(pools),
        "pooling by a later spike": any(pool.count > 1 for pool in pools),
        "a full layer": isinstance(layers[-1], FullLayer),
        "a pooling decides": isinstance(layers[-1], Pool2dLayer),
        "thresholds never reached": any((layer.thresholds > 4 * size(layer.reads)).any() for layer in layers),
        "thresholds always reached": any((layer.thresholds < -size(layer.reads)).any() for layer in layers),
        "no events": kind.endswith("silent"),
        "events at every channel": kind in ("all at 0", "all at the end"),
        "several events a channel": kind.startswith("events"),
    }
    return frozenset(name for name, holds in told.items() if holds)


def deployed(drawn: Drawn) -> list[str]:
    """What differs between the engines where the network only decides."""
    layers, spikes, num_steps, _ = drawn
    wanted, compiled = oracle.forward(layers, spikes, num_steps), native.Compiled(layers, num_steps)
    found = {"dense": dense.forward(layers, spikes, num_steps), "native": compiled.trace(spikes)}
    odd = []
    for name, trace in found.items():
        for i, (one, other) in enumerate(zip(wanted.hidden, trace.hidden, strict=True)):
            odd += [f"{name}: steps of layer {i}"] * (not np.array_equal(one, other))
        odd += [f"{name}: potentials"] * (not np.array_equal(wanted.potentials, trace.potentials))
    decision = decide(wanted.potentials, layers[-1].thresholds)
    for field, one, other in zip(decision._fields, decision, compiled.decide(spikes), strict=True):
        odd += [f"native, early exit: {field}"] * (not np.array_equal(one, other))
    odd += ["native: labels"] * (not np.array_equal(compiled.labels(spikes), decision.label))
    return odd


class Learnt(NamedTuple):
    """What a pass forward and backward leaves."""

    exact: dict[str, NDArray]
    gradients: dict[str, NDArray]


def modules_of(drawn: Drawn, rule: RuleConfig, latent: list[NDArray[np.float32]], engine: str) -> list[Any]:
    """The same layers as they learn."""
    modules: list[Any] = []
    for layer, weight in zip(drawn.layers, latent, strict=True):
        if isinstance(layer, Pool2dLayer):
            stack: Any = SpikePool2d(layer.reads, layer.window, stride=layer.stride, count=layer.count, engine=engine)
        elif isinstance(layer, Conv2dLayer):
            _, maps, kernel, stride, padding, groups = layer.convolution
            more = {"stride": stride, "padding": padding, "groups": groups, "rule": rule, "engine": engine}
            stack = BinaryConv2d(layer.reads, maps, kernel, **more)
        else:
            stack = BinaryLinear(size(layer.reads), size(layer.gives), rule=rule, engine=engine)
        if not isinstance(layer, Pool2dLayer):
            stack.weight.data.copy_(torch.from_numpy(weight))
            stack.threshold.data.copy_(torch.from_numpy(layer.thresholds_stored.astype(np.float32)))
        modules.append(stack)
    return modules


def learnt(drawn: Drawn, rule: RuleConfig, latent: list[NDArray[np.float32]], seed: int, engine: str) -> Learnt:
    """Forward, then backward from drawn gradients of every output potential and every hidden spike."""
    network = Network.of(modules_of(drawn, rule, latent, engine), NetworkConfig(num_steps=drawn.num_steps))
    spikes = drawn.spikes
    output = network(spikes if isinstance(spikes, Events) else torch.from_numpy(spikes))
    rng = np.random.default_rng(seed)
    exact: dict[str, NDArray] = {"potentials": output.potentials.detach().numpy()}
    loss = (output.potentials * torch.from_numpy(rng.normal(size=exact["potentials"].shape).astype(np.float32))).sum()
    for i, hidden in enumerate(output.hidden):
        for part in ("steps", "reach", "margin"):
            exact[f"{part} of layer {i}"] = getattr(hidden, part).detach().numpy()
        told = torch.from_numpy(rng.normal(size=hidden.fired.shape).astype(np.float32))
        loss = loss + (hidden.fired * told).sum()
    if loss.requires_grad:
        loss.backward()
    named = {name: p.grad for name, p in network.named_parameters()}
    return Learnt(exact, {name: grad.numpy() for name, grad in named.items() if grad is not None})


def in_training(drawn: Drawn, rng: np.random.Generator) -> list[str]:
    """What differs where it learns; a pooling that decides cannot, and is left out there."""
    layers = drawn.layers
    while layers and isinstance(layers[-1], Pool2dLayer):
        layers = layers[:-1]
    if not layers:
        return []
    drawn = drawn._replace(layers=layers)
    latent = [
        (layer.signs * rng.uniform(0.0, 1.2, layer.signs.shape)).astype(np.float32)
        if isinstance(layer, Conv2dLayer | FullLayer)
        else np.empty(0, np.float32)
        for layer in layers
    ]
    kernel = str(rng.choice(["step", "step", "exponential", "none"]))
    rule, seed = RuleConfig(width=float(rng.choice([1.0, 4.0, 20.0])), kernel=kernel, tau=2.0), int(rng.integers(2**31))  # pyright: ignore
    signed = tuple(
        layer.__class__(oracle.signs(weight), *_rest(layer)) if weight.size else layer
        for layer, weight in zip(layers, latent, strict=True)
    )
    wanted = oracle.forward(signed, drawn.spikes, drawn.num_steps)
    one, other = (learnt(drawn, rule, latent, seed, engine) for engine in ("dense", "native"))
    odd = [f"training: {name}" for name, value in one.exact.items() if not np.array_equal(value, other.exact[name])]
    odd += ["training, oracle: potentials"] * (not np.array_equal(wanted.potentials, one.exact["potentials"]))
    for i, steps in enumerate(wanted.hidden):
        odd += [f"training, oracle: steps of layer {i}"] * (not np.array_equal(steps, one.exact[f"steps of layer {i}"]))
    odd += ["training: which have gradients"] * (one.gradients.keys() != other.gradients.keys())
    for name, value in one.gradients.items():
        scale = max(1.0, float(np.abs(value).max(initial=0.0)))
        apart = np.abs(value - other.gradients.get(name, np.inf)).max(initial=0.0)
        odd += [f"training: gradient of {name}, {apart:g} apart"] * (not apart <= TOLERANCE * scale)
    return odd


def _rest(layer: Any) -> tuple[Any, ...]:
    """What a layer is made of besides its signs."""
    if isinstance(layer, Conv2dLayer):
        return layer.map_thresholds, layer.convolution
    return layer.thresholds, layer.reads


def differences(seed: int, number: int) -> tuple[Drawn, list[str]]:
    """The network of that number, and in what engines differ on it."""
    rng = np.random.default_rng([seed, number])
    drawn = draw(rng)
    sets = native.instruction_sets()
    os.environ["BSTDG_ISA"] = sets[number % len(sets)]
    try:
        return drawn, [*deployed(drawn), *in_training(drawn, rng)]
    except Exception as error:
        return drawn, [f"{type(error).__name__}: {error}"]


def structure(drawn: Drawn) -> str:
    """How a network is written."""
    return "-".join(map(str, (drawn.layers[0].reads, *drawn.layers))) + f", T = {drawn.num_steps}"


def run(seed: int, numbers: range) -> int:
    """Look at networks, print what was found, and return how many differ."""
    covered: Counter[str] = Counter()
    odd, start = 0, time.monotonic()
    with bar("Networks", len(numbers), "networks") as moved:
        for done, number in enumerate(numbers, 1):
            drawn, found = differences(seed, number)
            covered.update(drawn.facts)
            if found:
                odd += 1
                print(f"network {number} ({structure(drawn)}): {'; '.join(found)}", flush=True)
            moved(1)
            if done % TOLD_EVERY == 0 and not sys.stderr.isatty():
                print(f"{done:,} of {len(numbers):,}, {odd} differ", file=sys.stderr, flush=True)
    for fact, times in sorted(covered.items()):
        print(f"{times:9,} with {fact}")
    which = f"seed {seed}, numbers {numbers.start:,} to {numbers.stop - 1:,}"
    sets = ", ".join(native.instruction_sets())
    took = f"{time.monotonic() - start:.0f} s, {time.process_time():.0f} s of one core"
    print(f"{len(numbers) - odd:,} of {len(numbers):,} networks equal in all engines ({which}; {sets}; {took})")
    return odd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="how many networks [100000]")
    parser.add_argument("--seed", type=int, default=0, help="what all of them are drawn from [0]")
    parser.add_argument("--first", type=int, default=0, help="number of the first, to go on from [0]")
    parser.add_argument("--only", type=int, help="look at the network of this number alone")
    asked = parser.parse_args()
    if asked.count < 1 or asked.seed < 0 or asked.first < 0 or (asked.only or 0) < 0:
        parser.error("--count is 1 or more; --seed, --first and --only are 0 or more")
    torch.set_num_threads(1)
    numbers = range(asked.first, asked.first + asked.count)
    sys.exit(run(asked.seed, numbers if asked.only is None else range(asked.only, asked.only + 1)) > 0)


if __name__ == "__main__":
    main()
