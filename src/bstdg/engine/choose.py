"""Which engine computes: a deployed network, a layer in training, the loss. It is chosen here and nowhere else.

An engine that cannot compute what it is asked for says so, and why. None takes the place of another silently: what ran
is reported with every figure.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from bstdg.engine.base import Compiled, Engine, Interpreted
from bstdg.errors import BstdgWarning, InputError
from bstdg.layers import Layer

if TYPE_CHECKING:
    from torch import Tensor

    from bstdg.spikes.source import Source

_NEEDS = {"native": (), "oracle": (), "dense": ("torch",)}
REAL = "real"  # of training alone: no model file has such weights, so it is not offered
FASTEST = "native"


def names() -> tuple[str, ...]:
    """Every engine that runs deployed models.

    >>> names()
    ('native', 'oracle', 'dense')
    """
    return tuple(_NEEDS)


def get(name: str) -> Engine:
    """The engine called `name`.

    Raises:
        InputError: there is no such engine, or what it needs is not installed.
    """
    if name == REAL:
        return cast(Engine, importlib.import_module("bstdg.engine.real"))
    if name not in _NEEDS:
        raise InputError(f"there is no engine {name!r}; choose one of {', '.join(_NEEDS)}")
    for package in _NEEDS[name]:
        if importlib.util.find_spec(package) is None:
            raise InputError(f"engine {name!r} needs the package {package}: pip install {package}")
    return cast(Engine, importlib.import_module(f"bstdg.engine.{name}"))


class Inference(NamedTuple):
    """A deployed network ready to run: the `engine`, and what it made of the `network`."""

    engine: Engine
    network: Compiled

    def __reduce__(self) -> tuple[Any, ...]:
        """An engine is a module, which pickle does not take: it goes by its name."""
        return _again, (self.engine.NAME, self.network)


def _again(engine: str, network: Compiled) -> Inference:
    return Inference(get(engine), network)


def inference(name: str | None, layers: Sequence[Layer], num_steps: int, device: object = "cpu") -> Inference:
    """A deployed network made ready by the engine called `name`.

    By default that is the native one, which needs NumPy alone; on a GPU the dense one. Where the native engine does
    not know a kind of layer, the NumPy reference runs it, with a warning: it is slow.

    Args:
        name: one of `names()`, or None.
        layers: input side first.
        num_steps: T.
        device: where it is computed.

    Raises:
        InputError: there is no such engine, it cannot run here, or it does not compute one of the layers.
    """
    chosen = name or (FASTEST if _is_cpu(device) else "dense")
    engine = get(chosen)
    refused = refusal(engine, layers)
    if refused and name is None:
        warnings.warn(f"{refused}: the NumPy reference runs this network, slowly", BstdgWarning, stacklevel=3)
        engine = get("oracle")
        refused = refusal(engine, layers)
    if refused:
        raise InputError(refused)
    if hasattr(engine, "Compiled"):
        return Inference(engine, engine.Compiled(layers, num_steps))  # pyright: ignore[reportAttributeAccessIssue]
    return Inference(engine, Interpreted(engine, layers, num_steps, device))


def refusal(engine: Engine, layers: Sequence[Layer]) -> str | None:
    """Why an engine cannot run these layers, in words; None where it can."""
    for i, layer in enumerate(layers):
        if why := engine.refuses(layer):
            return f"engine {engine.NAME!r} cannot run layer {i} ({layer}): {why}"
    return None


class TrainingEngine(Protocol):
    """One layer forward, and the two sums of the rule backward; see `bstdg.engine.dense` for what each is.

    `latent` are real weights `[neurons, channels]`, `decay` is 1 for the step kernel.
    """

    NAME: str

    def crossing(self, source: Source, latent: Tensor, threshold: Tensor, /) -> tuple[Tensor, Tensor, Tensor]: ...

    def potentials(self, source: Source, latent: Tensor, /) -> Tensor: ...

    def impulse_gradient(
        self, source: Source, latent: Tensor, reach: Tensor, local: Tensor, decay: float, /
    ) -> Tensor: ...

    def impulse_credit(
        self, below: Tensor, latent: Tensor, reach: Tensor, local: Tensor, num_steps: int, /
    ) -> Tensor: ...

    def potential_gradient(self, source: Source, latent: Tensor, gradient: Tensor, decay: float, /) -> Tensor: ...

    def potential_credit(self, below: Tensor, latent: Tensor, gradient: Tensor, /) -> Tensor: ...


def training(name: str | None, latent: Tensor) -> TrainingEngine:
    """The engine called `name` for a layer of `latent` weights.

    None means `native` for float32 weights on a CPU, and `dense` for all others. `real` is the dense one with weights
    as they are instead of their signs; `network.weights` asks for it.

    Raises:
        InputError: there is no such engine, or it does not compute with such weights.
    """
    from bstdg.engine import dense, native_training, real

    check_training(name)
    fits = native_computes(latent)
    if name is None:
        return cast(TrainingEngine, native_training if fits else dense)
    if name == dense.NAME:
        return cast(TrainingEngine, dense)
    if name == REAL:
        return cast(TrainingEngine, real)
    if not fits:
        raise InputError(f"engine 'native' computes with float32 on a CPU, not {latent.dtype} on {latent.device}")
    return cast(TrainingEngine, native_training)


def check_training(name: str | None) -> None:
    """Raise `InputError` where there is no training engine called so."""
    if name not in (None, FASTEST, "dense", REAL):
        raise InputError(f"there is no training engine {name!r}; choose native or dense")


def native_computes(*tensors: Tensor) -> bool:
    """Whether the native kernels of training take such tensors; those of the loss do where these do."""
    import torch

    return all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)


def _is_cpu(device: object) -> bool:
    return str(device).partition(":")[0] == "cpu"
