"""What every `torch.autograd.Function` here has in common: a gradient that is plain code, and runs under torch.func.

Plain code, the native engine's or a loop over steps, reads numbers out of tensors, which those of `torch.func.grad` and
`torch.func.vmap` do not have before these transforms are undone. So a backward pass is a Function too, `Gradient`: as
any Function's, its `forward` is given tensors that have numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import unwrap_dead_wrappers

from bstdg.errors import InputError, TrainingError


class PlainFunction(torch.autograd.Function):
    """A Function for subclasses that give `forward` without a context, `setup_context` and `backward`."""

    generate_vmap_rule = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        forward = getattr(cls.__dict__.get("forward"), "__func__", None)
        if forward is not None:  # torch asks for its signature at every call, which takes Python long to work out
            forward.__signature__ = inspect.signature(forward)

    @classmethod
    def run(cls, *args: Any) -> Any:
        """`apply`, which also binds arguments to names, to fill in defaults; there are none, so not where it can do
        without."""
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return cls.apply(*args)
        return super(torch.autograd.Function, cls).apply(*unwrap_dead_wrappers(args))  # pyright: ignore[reportAttributeAccessIssue]

    @classmethod
    def vmap(cls, info: Any, in_dims: Sequence[int | None], *arguments: Any) -> tuple[Any, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One after another: what is vectorised already goes over the batch, the dimension before it."""
        every = [
            cls.apply(*(a if dim is None else a.select(dim, i) for a, dim in zip(arguments, in_dims, strict=True)))
            for i in range(info.batch_size)
        ]
        if isinstance(every[0], Tensor):
            return torch.stack(every), 0
        columns = [None if column[0] is None else torch.stack(column) for column in zip(*every, strict=True)]
        return tuple(columns), tuple(None if column is None else 0 for column in columns)


class Gradient(PlainFunction):
    """What `compute` makes of tensors, as a gradient of others: it has none itself."""

    @staticmethod
    def forward(compute: Callable[..., Any], *tensors: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return compute(*tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None: ...

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise TrainingError(
            "the rule is once_differentiable: a spike has no second derivative (hessian, double backward)"
        )


def unrounded(device: str) -> AbstractContextManager[Any]:
    """While it lasts mixed precision rounds nothing: potentials are exact integers."""
    if not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def refuse_to_be_traced() -> None:
    """Raise `InputError` where torch records what is computed, to be run without Python."""
    if torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        raise InputError(f"torch.jit.trace (and an ONNX export by it) cannot record binary layers: {INSTEAD}")
    if getattr(torch.compiler, "is_exporting", lambda: False)():
        raise InputError(f"torch.export (and an ONNX export by it) cannot record binary layers: {INSTEAD}")
    if torch.compiler.is_compiling():
        torch._dynamo.graph_break(
            msg="binary layers run as native code beside the graph, so fullgraph=True is not possible"
        )


class Unscripted:
    """Mixed into modules: torch.jit.script asks them first, and is refused in words."""

    def __prepare_scriptable__(self) -> Any:
        raise InputError(f"torch.jit.script cannot compile binary layers: {INSTEAD}")


INSTEAD = "their steps come from native code; Network.deployed() is what runs without torch, and bstdg.export writes it"


def gradient(compute: Callable[..., Any], *tensors: Tensor | None) -> Any:
    """The tensor or tensors that `compute` gives, for a backward pass to return."""
    # A compiler differentiates once by itself, and sees into `compute`; and nobody asks for more who records nothing.
    plain = not (torch.is_grad_enabled() or torch._C._are_functorch_transforms_active())
    if plain or torch.compiler.is_compiling():
        return compute(*tensors)
    return Gradient.run(compute, *tensors)
