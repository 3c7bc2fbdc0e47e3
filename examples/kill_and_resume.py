"""Kill a training again and again, resume it each time, and compare it with one that nobody disturbed.

    python examples/kill_and_resume.py [RECIPE] [--kills N] [--seed N] [--set KEY=VALUE …]

Each kill is SIGKILL, which a program cannot catch, at a moment drawn at random. The two runs then have to hold the
same bits: every parameter, the optimiser's state, the random generator's, and the deployed model. Ends with status 0
if they do, with 1 and the names of what differs if not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bstdg.training import checkpoint


def training(arguments: argparse.Namespace, out: Path) -> subprocess.Popen[bytes]:
    """A training of its own process, that goes on from what `out` holds."""
    overrides = [word for override in arguments.set for word in ("--set", override)]
    command = [sys.executable, "-m", "bstdg", "train", arguments.recipe, "--seed", str(arguments.seed), "--resume"]
    # One thread: the order of a sum, and so its rounding, may otherwise change from run to run.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *overrides, "--out", str(out)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> float:
    """Let it end by itself; the seconds that it took."""
    start = time.monotonic()
    said = process.communicate()[1]
    if process.returncode:
        sys.exit(said.decode().rpartition("epoch")[2] or f"training ended with status {process.returncode}")
    return time.monotonic() - start


def epochs_of(out: Path) -> int:
    """Epochs that the run in `out` has logged."""
    log = out / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def kill_at_random(arguments: argparse.Namespace, out: Path, epoch_seconds: float, chance: random.Random) -> None:
    """Start or resume a training, and kill it some moments after it has logged another epoch."""
    before = epochs_of(out)
    process = training(arguments, out)
    while process.poll() is None and epochs_of(out) == before:
        time.sleep(0.002)
    try:
        process.communicate(timeout=chance.uniform(0.0, 2.0) * epoch_seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    how = "killed with" if process.returncode < 0 else "ended before it could be killed, with"
    print(f"  {how} {epochs_of(out)} epochs logged", flush=True)


def differences(one: Path, two: Path) -> list[str]:
    """Names of the tensors that are not the same in both runs' checkpoints, and of the model if its bytes differ."""
    a, b = (checkpoint.load(folder / checkpoint.NAME).tensors for folder in (one, two))
    names = [n for n in a.keys() | b.keys() if n not in a or n not in b or not a[n].equal(b[n])]
    models = [(folder / "model.bstdg").read_bytes() for folder in (one, two)]
    return sorted(names) + ["model.bstdg"] * (models[0] != models[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="digits")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    chance = random.Random()  # noqa: S311 - moments, not secrets
    with tempfile.TemporaryDirectory(prefix="bstdg-") as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        seconds = finish(training(arguments, whole))
        report = json.loads((whole / "report.json").read_text())
        print(f"undisturbed: {report['epochs']} epochs, {seconds:.1f} s from start to end")
        for _ in range(arguments.kills):
            kill_at_random(arguments, killed, report["seconds"] / report["epochs"], chance)
        finish(training(arguments, killed))
        differing = differences(whole, killed)
    if differing:
        sys.exit("the runs differ in " + ", ".join(differing))
    print(f"after {arguments.kills} kills: the same bits in every tensor of the checkpoint and in the model")


if __name__ == "__main__":
    main()
