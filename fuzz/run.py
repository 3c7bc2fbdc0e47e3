"""Runs the atheris targets of `readers.py`, one after the other, from the corpus that is committed and what grew of it.

    python fuzz/run.py SECONDS [NAME ...]

Fails where a reader does, and where a target saw too little of the package for its mutations to be guided by it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "fuzz"
LEAST = 30  # branches of the package; the smallest reader has more, and a run that is not instrumented sees fewer
LIMITS = ("-timeout=30", "-rss_limit_mb=4096", "-max_len=8192", "-print_final_stats=1")
_COVERED = re.compile(r"\bcov: (\d+)\b")


def covered(said: str) -> int:
    """Branches that libFuzzer says it saw, by the last line that says so; 0 where none does.

    >>> covered("#2 INITED cov: 14 ft: 15 corp: 1/1b\\n#9 NEW    cov: 21 ft: 30 corp: 2/3b")
    21
    """
    found = _COVERED.findall(said)
    return int(found[-1]) if found else 0


def fuzz(name: str, seconds: int, program: Path = HERE / "readers.py") -> str | None:
    """Run one target; what is wrong, in words, or None."""
    grown = BUILD / name
    grown.mkdir(parents=True, exist_ok=True)
    options = (*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={BUILD}/{name}-")
    command = [sys.executable, str(program), name, *options, str(grown), str(HERE / "corpus" / name)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    shutil.rmtree(BUILD / "files", ignore_errors=True)
    said = done.stdout + done.stderr
    if done.returncode:
        (BUILD / f"{name}.log").write_text(said)
        why = next((line for line in said.splitlines() if line.startswith(("==", " ==="))), f"status {done.returncode}")
        return f"{name}: failed ({why.strip(' =')}); see {BUILD / name}.log\n{said[-3000:]}"
    runs = re.findall(r"stat::number_of_executed_units: (\d+)", said)
    print(f"{name:>12}: {int(runs[-1]) if runs else 0:>8,} runs, {covered(said):>5,} branches", flush=True)
    if (seen := covered(said)) < LEAST:
        why = "the package is not instrumented, or no seed is good"
        return f"{name}: {seen} branches seen, fewer than {LEAST}: {why}"
    return None


def main() -> None:
    sys.path.insert(0, str(HERE))
    import readers

    seconds, names = int(sys.argv[1]), sys.argv[2:] or list(readers.TARGETS)
    wrong = [problem for name in names if (problem := fuzz(name, seconds)) is not None]
    print("\n".join(wrong) or f"{len(names)} readers of files held", file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
