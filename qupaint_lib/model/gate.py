"""How Physics-Informed Attention enters the model: Eq. 5–6 and what it is compared with.

α travels as the fourth channel of the tiles, between 0 and 1, so that batching, moving to a device
and training treat it as they treat the image. Here it is averaged to one number per patch.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from qupaint_lib.errors import ArgumentError


class PiaGate(nn.Module):
    """The factor β = σ(wα + b) of Eq. 5, with learnable w and b.

    Both have shape (1,), since sharded training takes no 0-dimensional parameters, and both stay
    in float32 whatever the model's type: steps of 1e-3 from 1 are lost in bfloat16.

    Parameters
    ----------
    weight, bias : float
        w and b to start from. (0, 30) opens the gate: β = 1, and no gradient, in float32. (1, 2)
        is where training starts: β between 0.88 and 0.95.
    """

    def __init__(self, weight: float, bias: float):
        super().__init__()
        self.start = (float(weight), float(bias))
        self.weight = nn.Parameter(torch.empty(1))
        self.bias = nn.Parameter(torch.empty(1))
        self.set_(*self.start)

    def forward(self, alpha: torch.Tensor) -> torch.Tensor:
        """Return β (T, N) of attention scores α (T, N)."""
        return torch.sigmoid(self.weight.float() * alpha.float() + self.bias.float())

    @torch.no_grad()
    def set_(self, weight: float, bias: float) -> None:
        """Set w and b."""
        self.weight.fill_(weight)
        self.bias.fill_(bias)


class PiaEmbedding(nn.Module):
    """α·weight + bias, added to every visual token; zero at first, so that the base model is kept.

    Parameters
    ----------
    size : int
        Channels d of a token.
    """

    def __init__(self, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, alpha: torch.Tensor) -> torch.Tensor:
        """Return what is added (T, N, d) of attention scores α (T, N)."""
        return alpha[..., None].to(self.weight.dtype) * self.weight + self.bias


def attention_scores(pixel_values: torch.Tensor, cell_px: int) -> torch.Tensor:
    """Return α of every cell, the mean of the fourth channel over it.

    Parameters
    ----------
    pixel_values : (T, 4, S, S) tensor
        Tiles: the normalised image, then α in [0, 1].
    cell_px : int
        Side of a cell in pixels: a patch (14), or the two by two patches of a visual token (28).

    Returns
    -------
    (T, (S / cell_px)²) float32 tensor
        Row by row, as tokens stand.

    Raises
    ------
    ArgumentError
        Tiles without a fourth channel.
    """
    if pixel_values.ndim != 4 or pixel_values.shape[1] != 4:
        allowed = "(T, 4, S, S): red, green, blue and α, as QuPaintProcessor makes them"
        raise ArgumentError("pixel_values", tuple(pixel_values.shape), allowed)
    return avg_pool2d(pixel_values[:, 3:].float(), cell_px).flatten(1)
