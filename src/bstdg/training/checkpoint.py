"""Training that can be stopped at any moment: everything needed to go on, in one file, with no pickle.

A checkpoint is a sealed safetensors file (see `bstdg.files`): parameters, optimiser state, the state of the random
generator and the best parameters so far as tensors; recipe, seed and progress as JSON. The one before it is kept
beside it, and at every instant at least one of the two is whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bstdg import files
from bstdg.errors import FileFormatError
from bstdg.training.run_folder import CHECKPOINT, PREVIOUS, STAGED

FORMAT = "bstdg-checkpoint"
VERSION = 1


class Checkpoint(NamedTuple):
    """Tensors by name and a JSON-able state."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint of `folder`, keeping the one before.

    Raises:
        OSError: it could not be written; the checkpoints there are as they were.
    """
    from safetensors.torch import save as to_bytes

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "sha256": files.UNSEALED,
        "state": json.dumps(checkpoint.state, sort_keys=True),
    }
    data = files.seal(to_bytes(tensors, metadata))
    staged = folder / STAGED
    files.write_atomic(staged, data)  # a full disk ends here, with both older files untouched
    files.keep_previous(folder / CHECKPOINT, folder / PREVIOUS)
    staged.replace(folder / CHECKPOINT)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        FileFormatError: it is truncated, altered or foreign; the message says which, and names the one before.
        OSError: it cannot be read.
    """
    try:
        data = path.read_bytes()
        metadata = files.parse(data, str(path)).metadata
        if metadata.get("format") != FORMAT:
            raise FileFormatError(f"{path} is no training checkpoint (its format is {metadata.get('format')!r})")
        if metadata.get("version") != str(VERSION):
            raise FileFormatError(
                f"{path} has checkpoint version {metadata.get('version')}; this program reads version {VERSION}: "
                "upgrade it"
            )
        state = json.loads(metadata["state"])
    except FileFormatError as error:
        previous = path.with_name(PREVIOUS)
        if path.name != PREVIOUS and previous.exists():
            hint = f"; the one before it is still there: to go on from it, run  mv {previous} {path}"
            raise FileFormatError(f"{error}{hint}") from None
        raise
    from safetensors.torch import load as from_bytes

    return Checkpoint(from_bytes(data), state)


def pack_optimizer(optimizer: torch.optim.Optimizer, names: dict[Tensor, str]) -> dict[str, Tensor]:
    """The optimiser's tensors, named `optimizer.<parameter>.<slot>`."""
    return {
        f"optimizer.{names[parameter]}.{slot}": value if isinstance(value, Tensor) else torch.tensor(value)
        for parameter, slots in optimizer.state.items()
        for slot, value in slots.items()
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, names: dict[Tensor, str], tensors: dict[str, Tensor]) -> None:
    """Put back what `pack_optimizer` took."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            prefix = f"optimizer.{names[parameter]}."
            slots = {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
            if slots:  # Adam counts its steps on the CPU, wherever the parameter is
                optimizer.state[parameter] = {
                    slot: t if slot == "step" else t.to(parameter.device) for slot, t in slots.items()
                }


def differences(found: Any, wanted: Any, where: str = "") -> list[str]:
    """What a checkpoint says otherwise than the run that is to go on from it, a line a field, by its full name."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted({*found, *wanted})
        parts = [differences(found.get(k), wanted.get(k), f"{where}.{k}" if where else k) for k in keys]
        return [line for part in parts for line in part]
    return [] if found == wanted else [f"{where} was {found!r}, now {wanted!r}"]
