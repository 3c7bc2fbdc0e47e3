"""Programs run in a process of their own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def loaded_by(program: str) -> set[str]:
    program += "\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def on_a_terminal(command: Sequence[str | Path]) -> str:
    """All that a program writes to a terminal of its own."""
    ours, its = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160"}
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    shown = bytearray()
    try:
        while part := os.read(ours, 1 << 16):
            shown += part
    except OSError:  # the way in which Linux says that the terminal was closed
        pass
    os.close(ours)
    assert process.wait() == 0, shown.decode(errors="replace")
    return shown.decode()


def peak_of(program: str) -> int:
    """Bytes of memory that a program of Python's has had at most, the interpreter's among them; on Linux."""
    # What `resource` says counts what this process had when it started the other.
    program += "\nprint(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-2]) * 1024
