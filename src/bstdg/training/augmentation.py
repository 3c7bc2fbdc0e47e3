"""Augmentation: on spike maps, where moving steps is moving the image, and on images, in copies made beforehand."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from bstdg.distributed.share import Share, drawn
from bstdg.engine import native_training
from bstdg.errors import InputError
from bstdg.learning.modules import PLAIN
from bstdg.learning.recipe import DistortConfig


def shift(
    steps: Tensor,
    image_shape: tuple[int, ...],
    num_steps: int,
    pixels: int,
    often: float,
    generator: torch.Generator,
    share: Share | None = None,
) -> Tensor:
    """Move each image by up to `pixels` in both directions, chosen at random; what comes in from outside is silent.

    A side of one pixel, as of a signal, is not moved along.

    Args:
        steps: uint8 `[batch, channels * rows * columns]`.
        image_shape: (channels, rows, columns), or (rows, columns) of one channel; all channels move alike.
        num_steps: T, "never fired".
        pixels: greatest shift; 0 returns the input.
        often: share of images that are moved at all.
        generator: where the draws come from.
        share: which samples of a batch these are; None: all.

    Raises:
        InputError: the input is no image of that shape, or the shift is negative or leaves nothing of it.
    """
    if pixels == 0:
        return steps
    if len(image_shape) not in (2, 3):
        raise InputError(f"shifts need images of rows and columns, not channels of shape {list(image_shape)}")
    channels, (rows, columns) = math.prod(image_shape[:-2]), image_shape[-2:]
    if pixels < 0 or steps.shape[1] != channels * rows * columns:
        raise InputError(
            f"a shift of {pixels} pixels of {rows} x {columns} images, each of {steps.shape[1]} pixels, is not possible"
        )
    if pixels >= shortest(image_shape):
        raise InputError(f"a shift of {pixels} pixels moves a {rows} x {columns} image out of sight")
    batch = len(steps)
    if batch == 0:
        return steps

    def moves(samples: int) -> Tensor:
        return torch.randint(-pixels, pixels + 1, (2, samples), generator=generator, device="cpu").T

    down, right = drawn(moves, batch, share).unbind(1)
    down, right = (move if side > 1 else torch.zeros_like(move) for move, side in ((down, rows), (right, columns)))
    moved = drawn(lambda n: torch.rand(n, generator=generator, **PLAIN), batch, share) < often
    down, right = down * moved, right * moved
    pictures = steps.cpu().view(batch, channels, rows, columns)
    return native_training.shift(pictures, down, right, num_steps).view(batch, -1).to(steps.device)


def shortest(shape: tuple[int, ...]) -> int:
    """The shorter side of an image of more than one pixel, along which it can be moved.

    >>> shortest((2, 1, 128)), shortest((1, 28, 20))
    (128, 20)
    """
    return min((side for side in shape[-2:] if side > 1), default=1)


def jitter(steps: Tensor, num_steps: int, width: int, generator: torch.Generator, share: Share | None = None) -> Tensor:
    """Move each spike by up to `width` steps, earlier or later at random; it stays within 0 … T-1.

    Args:
        steps: uint8 `[batch, channels]`; silent channels (T) stay silent.
        num_steps: T.
        width: greatest move; 0 returns the input.
        generator: where the draws come from.
        share: which samples of a batch these are; None: all.

    Raises:
        InputError: the width is negative.
    """
    if width == 0:
        return steps
    if width < 0:
        raise InputError(f"a jitter of {width} steps is not possible; give 0 or more")
    samples, channels = steps.shape
    move = drawn(
        lambda n: torch.randint(-width, width + 1, (n, channels), generator=generator, dtype=torch.int16, device="cpu"),
        samples,
        share,
    )
    moved = (steps + move.to(steps.device)).clamp_(0, num_steps - 1).to(torch.uint8)
    return torch.where(steps < num_steps, moved, steps)


def distort(images: Tensor, config: DistortConfig, generator: torch.Generator) -> Tensor:
    """One distorted copy of each image: turned, stretched, sheared, moved and bent at random.

    A pixel of the copy is read, between pixels bilinearly, where an affine map about the centre and a smooth random
    field lead from it; what lies outside is black.

    Args:
        images: uint8, or int16 of 0 or more, `[N, rows, columns]` or `[N, channels, rows, columns]`, whose channels are
            distorted alike.
        config: the greatest amounts.
        generator: where the draws come from.

    Returns:
        of the same type and shape.

    Source: the elastic field is that of Simard, Steinkraus and Platt, "Best practices for convolutional neural
    networks applied to visual document analysis", ICDAR 2003, drawn at FIELD x FIELD points and made smooth between.
    """
    return torch.cat([_distort(part, config, generator) for part in images.split(DISTORTED_AT_ONCE)])


DISTORTED_AT_ONCE = 2048  # images, which bounds the memory of their coordinates
FIELD = 7  # points along each side


def _distort(images: Tensor, config: DistortConfig, generator: torch.Generator) -> Tensor:
    batch, (rows, columns) = len(images), images.shape[-2:]

    def draw() -> Tensor:
        return torch.rand(batch, generator=generator, **PLAIN) * 2.0 - 1.0

    angle = draw() * math.radians(config.rotation)
    wide, high = 1.0 + draw() * config.zoom, 1.0 + draw() * config.zoom
    slant, aspect = draw() * config.shear, rows / columns
    if config.mirror:
        wide = torch.where(torch.rand(batch, generator=generator, **PLAIN) < 0.5, -wide, wide)
    # In units of half a side: x runs over columns, y over rows.
    right, down = draw() * 2.0 * config.move / columns, draw() * 2.0 * config.move / rows
    cos, sin = angle.cos(), angle.sin()
    to_x = torch.stack([cos * wide, (slant * cos - sin) * high * aspect, right], 1)
    to_y = torch.stack([sin * wide / aspect, (slant * sin + cos) * high, down], 1)
    where = F.affine_grid(torch.stack([to_x, to_y], 1), [batch, 1, rows, columns], align_corners=False)
    if config.elastic:
        points = torch.randn(batch, 2, FIELD, FIELD, generator=generator, **PLAIN)
        field = F.interpolate(points, (rows, columns), mode="bicubic", align_corners=True)
        field *= (2.0 * config.elastic / points.new_tensor([columns, rows])).view(1, 2, 1, 1)
        where = where + field.permute(0, 2, 3, 1)
    planes = images.view(batch, -1, rows, columns)
    moved = F.grid_sample(planes.float(), where, align_corners=False)
    return moved.round_().to(images.dtype).view(images.shape)
