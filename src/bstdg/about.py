"""What is said of a run besides its figures: versions and hardware."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

import bstdg


def about_machine(device: Any = "cpu") -> dict[str, Any]:
    """Versions and hardware, for whoever wants the same figures again."""
    import torch

    return {
        "bstdg": bstdg.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device),
    }


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
