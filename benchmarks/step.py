"""What a training step of the dense engine costs: time, and memory against the number of steps.

    python benchmarks/step.py [--threads N]

Medians of 5, with least and greatest, of a step (forward, loss, backward, optimiser) of 784-600-10 at batch 256 on
random images of MNIST's density. Memory is the greatest growth of the process during the step, each T in a process of
its own.
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


def measure(num_steps: int, threads: int) -> dict[str, float]:
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
    config = NetworkConfig(hidden=WIDTHS[1:-1], num_steps=num_steps)
    network = Network(WIDTHS[0], WIDTHS[-1], config, generator=generator)
    loss = Loss(LossConfig())
    steps = torch.from_numpy(latency(images, num_steps))
    labels = torch.from_numpy(rng.integers(0, WIDTHS[-1], BATCH))
    network.calibrate(steps)
    optimizer = torch.optim.Adam([*network.parameters(), *loss.parameters()], lr=0.01)
    before = _peak_megabytes()
    times = []
    for _ in range(6):
        start = time.perf_counter()
        output = network(steps)
        value = loss(output.potentials, output.threshold, labels, output.fired)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        network.clip_latent_()
        times.append(time.perf_counter() - start)
    times = sorted(times[1:])  # the first also allocates the optimiser's state
    return {
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
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)  # a T to measure in this process
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one, asked.threads)))
        return
    print(f"{platform.system()} {platform.machine()}, {asked.threads} thread(s), batch {BATCH}, {WIDTHS}")
    print(f"{'T':>4} {'median ms':>10} {'min':>8} {'max':>8} {'samples/s':>10} {'process MB':>11} {'growth MB':>10}")
    for num_steps in (8, 16, 32, 64):
        command = [sys.executable, __file__, "--one", str(num_steps), "--threads", str(asked.threads)]
        row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(
            f"{num_steps:>4} {row['median_ms']:>10.1f} {row['min_ms']:>8.1f} {row['max_ms']:>8.1f} "
            f"{row['samples_per_second']:>10.0f} {row['process_mb']:>11.0f} {row['growth_mb']:>10.1f}"
        )


if __name__ == "__main__":
    main()
