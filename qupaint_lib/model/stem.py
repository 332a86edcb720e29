"""The convolutional stem: how a vision tower that learns from scratch takes its patches in.

One convolution with a stride of a whole patch, as in ViT, leaves it to attention to learn that
neighbouring pixels belong together; that takes more images than a processor sees in an hour. A few
convolutions of stride 2 bring it along (Xiao et al., 2021, arXiv 2106.14881).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


class StemConv(nn.Conv2d):
    """A convolution of the stem; of a type of its own, so that it starts in a way of its own."""


class ConvStem(nn.Sequential):
    """From pixels (T, C, S, S) to patch tokens (T, d, S / p, S / p).

    No normalisation over the image: how strong a contrast is tells the layers.

    Parameters
    ----------
    channels : int
        Of the image, C.
    size : int
        Of a token, d.
    patch_px : int
        Side p of a patch, a power of 2.
    """

    def __init__(self, channels: int, size: int, patch_px: int):
        steps = patch_px.bit_length() - 1
        widths = [channels] + [max(size >> k, 8) for k in reversed(range(steps))]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [StemConv(before, after, 3, stride=2, padding=1), nn.GELU()]
        super().__init__(*layers, StemConv(size, size, 1))

    @property
    def weight(self) -> torch.Tensor:
        """Weights of the first convolution, whose type is that of the pixels."""
        return self[0].weight

    def convolutions(self) -> list[StemConv]:
        """Return the convolutions, in order."""
        return [layer for layer in self if isinstance(layer, StemConv)]

    def flops(self, tile_px: int) -> float:
        """Return the floating-point operations of a tile, 2 per multiply–add."""
        total, side = 0.0, tile_px
        for layer in self.convolutions():
            side //= layer.stride[0]
            total += 2.0 * layer.weight.numel() * side**2
        return total
