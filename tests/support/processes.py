"""Programs run in a process of their own."""

from __future__ import annotations

import subprocess
import sys


def loaded_by(program: str) -> set[str]:
    program += "\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
