"""Real weights in the forward pass, in training only: what one bit a weight costs is measured against this.

The dense engine with latent weights as they are, read to 1/1024: sums of such numbers are exact in float32 (below
2^14), so a potential is the same in whatever order its events are added. There is no model file for such a network.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from bstdg.engine import dense
from bstdg.engine.base import knows_full_layers_alone as refuses
from bstdg.engine.dense import impulse_gradient, potential_gradient
from bstdg.layers import FullLayer

__all__ = [
    "crossing",
    "deployed",
    "forward",
    "impulse_credit",
    "impulse_gradient",
    "potential_credit",
    "potential_gradient",
    "potentials",
    "refuses",
]

NAME = "real"
GRID = 1024  # a weight is a whole number of 1/1024


def weights(latent: Tensor) -> Tensor:
    """Latent weights on the grid.

    >>> import torch
    >>> weights(torch.tensor([0.5, 0.3])).mul(1024).tolist()
    [512.0, 307.0]
    """
    exact = torch.promote_types(latent.dtype, torch.float32)
    return latent.to(exact).mul(GRID).round_().div_(GRID)


crossing = partial(dense.crossing, weights_of=weights)
potentials = partial(dense.potentials, weights_of=weights)
impulse_credit = partial(dense.impulse_credit, weights_of=weights)
potential_credit = partial(dense.potential_credit, weights_of=weights)
forward = partial(dense.forward, weights_of=lambda whole: whole)  # of what `deployed` gives


def deployed(latent: Tensor, threshold: Tensor) -> FullLayer:
    """A layer in whole numbers of 1/1024: V >= theta is 1024 V >= ceil(1024 theta)."""
    whole = weights(latent.detach().cpu()).mul_(GRID).numpy().astype(np.int16)
    scaled = np.ceil(threshold.detach().cpu().double().expand(len(latent)).numpy() * GRID)
    return FullLayer(whole, scaled.astype(np.int64))  # pyright: ignore[reportArgumentType]
