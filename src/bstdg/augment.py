"""Augmentation done on spike maps: moving steps is moving the image, and costs no new encoding."""

from __future__ import annotations

import torch
from torch import Tensor

from bstdg.errors import InputError


def shift(
    steps: Tensor, image_shape: tuple[int, ...], num_steps: int, pixels: int, share: float, generator: torch.Generator
) -> Tensor:
    """Move each image by up to `pixels` in both directions, chosen at random; what comes in from outside is silent.

    Args:
        steps: uint8 `[batch, rows * columns]`.
        image_shape: rows and columns.
        num_steps: T, "never fired".
        pixels: greatest shift; 0 returns the input.
        share: share of images that are moved at all.
        generator: where the draws come from.

    Raises:
        InputError: the input is no image of that shape, or the shift is negative or leaves nothing of it.
    """
    if pixels == 0:
        return steps
    if len(image_shape) != 2:
        raise InputError(f"shifts need images of rows and columns, not channels of shape {list(image_shape)}")
    rows, columns = image_shape
    if pixels < 0 or steps.shape[1] != rows * columns:
        raise InputError(
            f"a shift of {pixels} pixels of {rows} x {columns} images, each of {steps.shape[1]} pixels, is not possible"
        )
    if pixels >= min(rows, columns):
        raise InputError(f"a shift of {pixels} pixels moves a {rows} x {columns} image out of sight")
    batch = len(steps)
    if batch == 0:
        return steps
    down, right = torch.randint(-pixels, pixels + 1, (2, batch), generator=generator)
    moved = torch.rand(batch, generator=generator) < share
    down, right = down * moved, right * moved
    high, wide = rows + 2 * pixels, columns + 2 * pixels
    padded = steps.new_full((batch, high, wide), num_steps)
    padded[:, pixels : pixels + rows, pixels : pixels + columns] = steps.view(batch, rows, columns)
    # A row of the result is a run of `columns` pixels of the padded image: picked from all such runs there are.
    runs = padded.view(-1).as_strided((padded.numel() - columns + 1, columns), (1, 1))
    corner = (torch.arange(batch) * high + pixels - down) * wide + pixels - right
    starts = corner.unsqueeze(1) + torch.arange(rows) * wide
    return runs.index_select(0, starts.view(-1).to(steps.device)).view(batch, rows * columns)


def jitter(steps: Tensor, num_steps: int, width: int, generator: torch.Generator) -> Tensor:
    """Move each spike by up to `width` steps, earlier or later at random; it stays within 0 … T-1.

    Args:
        steps: uint8 `[batch, channels]`; silent channels (T) stay silent.
        num_steps: T.
        width: greatest move; 0 returns the input.
        generator: where the draws come from.

    Raises:
        InputError: the width is negative.
    """
    if width == 0:
        return steps
    if width < 0:
        raise InputError(f"a jitter of {width} steps is not possible; give 0 or more")
    move = torch.randint(-width, width + 1, steps.shape, generator=generator, dtype=torch.int16).to(steps.device)
    moved = (steps + move).clamp_(0, num_steps - 1).to(torch.uint8)
    return torch.where(steps < num_steps, moved, steps)
