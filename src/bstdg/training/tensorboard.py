"""The figures of each epoch as events for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bstdg.errors import InputError
from bstdg.model.classes import BY_CLASS


class EpochWriter:
    """Writes the numbers of each epoch's row as TensorBoard scalars; lists become one curve a layer.

    Args:
        folder: where its files go.
        first_epoch: what a resumed run has done already.

    Raises:
        InputError: TensorBoard is not installed, or does not write into a folder of that name.
    """

    def __init__(self, folder: Path, first_epoch: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError("TensorBoard is not installed: pip install 'bstdg[tensorboard]'") from None
        try:
            self._writer = SummaryWriter(str(folder), purge_step=first_epoch + 1)
        except UnicodeEncodeError:  # it wants names of files in UTF-8
            raise InputError(f"TensorBoard cannot write into {folder}: its name is no text") from None

    def add(self, row: Mapping[str, Any]) -> None:
        """Add one row of the log."""
        for name, value in row.items():
            if isinstance(value, list):
                part = "class" if name in BY_CLASS else "layer"
                for number, one in enumerate(value):
                    if one is not None:
                        self._writer.add_scalar(f"{name}/{part} {number}", one, row["epoch"])
            else:
                self._writer.add_scalar(name, value, row["epoch"])

    def close(self) -> None:
        """Flush to disk."""
        self._writer.close()
