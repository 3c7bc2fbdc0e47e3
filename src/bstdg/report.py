"""What is said of a run besides its figures: versions, machine, and events for TensorBoard."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import bstdg
from bstdg.errors import InputError


def about_machine(device: Any = "cpu") -> dict[str, Any]:
    """Versions and hardware, for whoever wants the same figures again."""
    import torch

    return {
        "bstdg": bstdg.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device),
    }


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


class EpochWriter:
    """Writes the numbers of each epoch's row as TensorBoard scalars; lists become one curve a layer."""

    def __init__(self, folder: Path, first_epoch: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError("TensorBoard is not installed: pip install 'bstdg[tensorboard]'") from None
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch + 1)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add one row of the log."""
        for name, value in row.items():
            if isinstance(value, list):
                for layer, part in enumerate(value):
                    self._writer.add_scalar(f"{name}/layer {layer}", part, row["epoch"])
            else:
                self._writer.add_scalar(name, value, row["epoch"])

    def close(self) -> None:
        """Flush to disk."""
        self._writer.close()


def epoch_writer(folder: Path, first_epoch: int) -> EpochWriter:
    """An `EpochWriter`, which goes on after `first_epoch`."""
    return EpochWriter(folder, first_epoch)
