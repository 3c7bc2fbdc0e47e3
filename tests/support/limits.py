"""Limits that the system sets, in a process of its own: the greatest size of a file stands for a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence


def with_files_below(size: int, command: Sequence[object]) -> subprocess.CompletedProcess[str]:
    """Run `python -m bstdg` with this command, unable to write more than so many bytes into a file."""
    program = f"import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    program += "; runpy.run_module('bstdg', run_name='__main__')"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
