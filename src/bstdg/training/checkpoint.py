"""Training that can be stopped at any moment: everything needed to go on, in one file, with no pickle.

A checkpoint is a sealed safetensors file (see `bstdg.files`): parameters, optimiser state, the state of the random
generator and the best parameters so far as tensors; recipe, seed and progress as JSON. The one before it is kept
beside it, and at every instant at least one of the two is whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bstdg import disk, files, strict_json
from bstdg.commands import quoted
from bstdg.errors import FileFormatError, InputError
from bstdg.learning.recipe import Recipe
from bstdg.learning.recipe_file import recipe_of
from bstdg.model import figures
from bstdg.training.run_folder import CHECKPOINT, PREVIOUS, STAGED

FORMAT = "bstdg-checkpoint"
VERSION = 1
LIMIT = 1 << 34  # bytes; latent weights, their averages and Adam's take some 24 a weight
SLOTS = ("step", "exp_avg", "exp_avg_sq")  # of Adam, for each parameter


class Checkpoint(NamedTuple):
    """Tensors by name and a JSON-able state; `name` is what errors call it."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    name: str = "the checkpoint"


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
    with disk.naming(folder / CHECKPOINT):
        files.write_atomic(staged, data)  # a full disk ends here, with both older files untouched
        files.keep_previous(folder / CHECKPOINT, folder / PREVIOUS)
        staged.replace(folder / CHECKPOINT)


def load(path: Path, read: Callable[[], bytes] | None = None) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: its file.
        read: gives what stands there, where another process read it.

    Raises:
        FileFormatError: it is truncated, altered or foreign; the message says which, and names the one before.
        OSError: it cannot be read.
    """
    try:
        data = read() if read else contents(path)
        metadata = files.parse(data, str(path)).metadata
        kind, version = (metadata.get(key, "none")[:40] for key in ("format", "version"))
        if kind != FORMAT:
            raise FileFormatError(f"{path} is no training checkpoint (its format is {kind!r})")
        if version != str(VERSION):
            raise FileFormatError(
                f"{path} has checkpoint version {version}; this program reads version {VERSION}: upgrade it"
            )
        return Checkpoint(tensors_of(data, str(path)), _state(metadata.get("state", ""), str(path)), str(path))
    except FileFormatError as error:
        previous = path.with_name(PREVIOUS)
        if path.name != PREVIOUS and previous.exists():
            hint = f"; the one before it is still there: to go on from it, run  mv {quoted(previous)} {quoted(path)}"
            raise FileFormatError(f"{error}{hint}") from None
        raise


def contents(path: Path) -> bytes:
    """The bytes of a checkpoint."""
    return files.read(path, LIMIT, "any checkpoint")


def tensors_of(data: bytes, name: str) -> dict[str, Tensor]:
    """The tensors of a sealed file that `bstdg.files.parse` took.

    Raises:
        FileFormatError: safetensors does not read it all the same; `name` is what it is called.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    try:
        return from_bytes(data)
    except SafetensorError as error:
        raise FileFormatError(f"{name} is damaged: {error}") from None


def _state(text: str, name: str) -> dict[str, Any]:
    """Progress as a checkpoint tells it, with all that a run goes on from in its place and of its type."""
    try:
        state = {"averaged": 0, **strict_json.loads(text)}  # which came later than the format
        best = state["best"]
        counts = {"epoch": state["epoch"], "stale": state["stale"], "averaged": state["averaged"]}
        for key, value in {**counts, "seed": state["seed"], "best.epoch": best["epoch"]}.items():
            if type(value) is not int or value < 0:
                raise ValueError(f"{key} should be a whole number, not {str(value)[:40]!r}")
        margin = 0.0 if best.get("margin") is None else best["margin"]  # which came later
        for key, value in {"seconds": state["seconds"], "best.highest": best["highest"], "best.margin": margin}.items():
            if not figures.is_number(value):
                raise ValueError(f"{key} should be a number, not {str(value)[:40]!r}")
        if not isinstance(state["recipe"], dict):
            raise ValueError("its recipe is no table")
        if best["epoch"] or best["figures"] is not None:
            figures.check(best["figures"], "best.figures")
    except KeyError as error:
        raise FileFormatError(f"{name} is damaged: its state lacks {error}") from None
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{name} is damaged: its state makes no sense: {error}") from None
    return state


def check(saved: Checkpoint, own: Mapping[str, Tensor], best: Mapping[str, Tensor], optimized: Iterable[str]) -> None:
    """Raise `FileFormatError` unless a run can become what was saved.

    Args:
        saved: a checkpoint of a run of the same recipe and seed.
        own: the run's own tensors by the names that a checkpoint gives them.
        best: those that the best network so far would have, where there is one.
        optimized: names of the parameters that the optimiser moves.
    """
    wanted = {
        **own,
        **({f"best.{name}": tensor for name, tensor in best.items()} if saved.state["best"]["epoch"] else {}),
    }
    for name in optimized:
        slots = {f"optimizer.{name}.{slot}": own[name] for slot in SLOTS}
        if slots.keys() & saved.tensors.keys():  # they come with the first step
            wanted |= {**slots, f"optimizer.{name}.step": torch.empty((), dtype=torch.float32, device="cpu")}
    check_tensors(saved.tensors, wanted, saved.name)
    squares = (tensor for name, tensor in saved.tensors.items() if name.endswith((".step", ".exp_avg_sq")))
    if any((tensor < 0).any() for tensor in squares):
        raise FileFormatError(f"{saved.name} is damaged: its optimiser has squares or steps below 0")


def check_tensors(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name: str) -> None:
    """Raise `FileFormatError` unless tensors are those that are wanted, by name, shape and type, and all are finite."""
    for key in sorted(wanted.keys() ^ found.keys()):
        raise FileFormatError(f"{name} is damaged: it {'lacks' if key in wanted else 'has no place for'} {key!r}")
    for key in sorted(found):
        tensor, other = found[key], wanted[key]
        if (tensor.shape, tensor.dtype) != (other.shape, other.dtype):
            should, are = (f"{t.dtype} {list(t.shape)}".removeprefix("torch.") for t in (other, tensor))
            raise FileFormatError(f"{name} is damaged: {key!r} should be {should}, not {are}")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise FileFormatError(f"{name} is damaged: {key!r} holds values that are not finite numbers")


def pack_optimizer(optimizer: torch.optim.Optimizer, names: dict[Tensor, str]) -> dict[str, Tensor]:
    """The optimiser's tensors, named `optimizer.<parameter>.<slot>`."""
    return {
        f"optimizer.{names[parameter]}.{slot}": value
        if isinstance(value, Tensor)
        else torch.tensor(value, dtype=torch.float32, device="cpu")
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


def refuse_other(state: dict[str, Any], recipe: Recipe, seed: int) -> None:
    """Raise `InputError` unless a checkpoint's state is of a run of that recipe and seed."""
    known = recipe_of(state["recipe"]).to_dict()  # with the defaults of fields that came later
    found, wanted = {"recipe": known, "seed": state["seed"]}, {"recipe": recipe.to_dict(), "seed": seed}
    if other := differences(found, wanted):
        raise InputError(
            f"the checkpoint is of another run ({'; '.join(other)}); give it the same recipe and seed, or "
            "choose another --out"
        )


def differences(found: Any, wanted: Any, where: str = "") -> list[str]:
    """What a checkpoint says otherwise than the run that is to go on from it, a line a field, by its full name."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted({*found, *wanted})
        parts = [differences(found.get(k), wanted.get(k), f"{where}.{k}" if where else k) for k in keys]
        return [line for part in parts for line in part]
    return [] if found == wanted else [f"{where} was {found!r}, now {wanted!r}"]
