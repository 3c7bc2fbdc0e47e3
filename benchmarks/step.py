"""What a training step costs with each engine: time, and memory against the number of steps.

    python benchmarks/step.py [--threads N]

Medians of 5, with least and greatest, of a step (forward, loss, backward, optimiser) of 784-600-10 at batch 256 on
random images of MNIST's density. Memory is the greatest growth of the process during the step, each T in a process of
its own. Beside them a plain float32 torch network of the same shape, with the same optimiser and batch.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

BATCH, WIDTHS = 256, (784, 600, 10)


def measure(engine: str, num_steps: int, threads: int) -> dict[str, float]:
    """One process's figures for one T."""
    import torch

    from bstdg.config import LossConfig, NetworkConfig
    from bstdg.encode import latency
    from bstdg.loss import Loss
    from bstdg.network import Network

    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (BATCH, WIDTHS[0])).astype(np.uint8)
    images[rng.random(images.shape) > 0.19] = 0  # MNIST: 19 % of the pixels are not black
    generator = torch.Generator().manual_seed(0)
    labels = torch.from_numpy(rng.integers(0, WIDTHS[-1], BATCH))
    if engine == "float32":
        pixels = torch.from_numpy(images).float() / 255
        network = torch.nn.Sequential(torch.nn.Linear(*WIDTHS[:2]), torch.nn.ReLU(), torch.nn.Linear(*WIDTHS[1:]))
        loss = torch.nn.CrossEntropyLoss()

        def forward():
            return loss(network(pixels), labels)
    else:
        config = NetworkConfig(hidden=WIDTHS[1:-1], num_steps=num_steps)
        network = Network(WIDTHS[0], WIDTHS[-1], config, generator=generator, engine=engine)
        loss = Loss(LossConfig())
        steps = torch.from_numpy(latency(images, num_steps))
        network.calibrate(steps)

        def forward():
            output = network(network.read(steps))
            return loss(output.potentials, output.threshold, labels, output.fired)

    optimizer = torch.optim.Adam([*network.parameters(), *loss.parameters()], lr=0.01, fused=True)
    before = _peak_megabytes()
    times = []
    for _ in range(6):
        start = time.perf_counter()
        value = forward()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if engine != "float32":
            network.clip_latent_()
        times.append(time.perf_counter() - start)
    times = sorted(times[1:])  # the first also allocates the optimiser's state
    return {
        "engine": engine,
        "num_steps": num_steps,
        "median_ms": 1e3 * statistics.median(times),
        "min_ms": 1e3 * times[0],
        "max_ms": 1e3 * times[-1],
        "samples_per_second": BATCH / statistics.median(times),
        "process_mb": _peak_megabytes(),
        "growth_mb": _peak_megabytes() - before,
    }


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "T"), help=argparse.SUPPRESS)  # to measure in this process
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one[0], int(asked.one[1]), asked.threads)))
        return
    print(f"{platform.system()} {platform.machine()}, {asked.threads} thread(s), batch {BATCH}, {WIDTHS}")
    heads = ("engine", "T", "median ms", "min", "max", "samples/s", "process MB", "growth MB")
    print("{:<8} {:>4} {:>10} {:>8} {:>8} {:>10} {:>11} {:>10}".format(*heads))
    for engine, num_steps in (*((e, t) for e in ("native", "dense") for t in (8, 32, 64, 254)), ("float32", 1)):
        command = [sys.executable, __file__, "--one", engine, str(num_steps), "--threads", str(asked.threads)]
        row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        shown = "" if engine == "float32" else num_steps
        print(
            f"{engine:<8} {shown:>4} {row['median_ms']:>10.1f} {row['min_ms']:>8.1f} {row['max_ms']:>8.1f} "
            f"{row['samples_per_second']:>10.0f} {row['process_mb']:>11.0f} {row['growth_mb']:>10.1f}"
        )


if __name__ == "__main__":
    main()
