"""Region tokens: what the dense head has found in a tile, as tokens for the decoder to read.

A decoder that learns from scratch has to learn at once where to look, what it sees there and how to
say it. Pretrained ones come with the first two. A small one is handed them: the flakes that the
dense head tells apart, the largest first, each as one token behind the tile's visual tokens, with
class, box, area and the contrast measured there. Numbers enter as waves, those that `train.start`
makes the tokens of places from, so that one linear map leads from a region to the words of its box.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from qupaint_lib.model.dense import Dense
from qupaint_lib.model.tiling import IMAGENET_MEAN, IMAGENET_STD, SUBSTRATE_GAIN

WAVES = 16
SURE = 0.35  # probability of a centre from which a region counts
SAME = 0.45  # IoU from which two regions are one flake
MIDDLE_CONTRAST = 0.2  # contrasts about it are told apart best
_NUMBERS = 5 + 3  # of a region: left, top, width, height, size; contrast in R, G and B


class RegionTokens(nn.Module):
    """The flakes found in a tile as K tokens; those that are not needed say that they are empty.

    Parameters
    ----------
    count : int
        Number of tokens K.
    classes : int
        Number of classes C of the dense head.
    size : int
        Channels d of a token.
    contrast_gain : float or None, optional
        What the processor brought deviations from the substrate out by.
    """

    def __init__(self, count: int, classes: int, size: int, contrast_gain: float | None = None):
        super().__init__()
        self.count, self.contrast_gain = count, contrast_gain
        self.embed = nn.Linear(classes + 1 + _NUMBERS * 2 * WAVES, size)
        self.empty = nn.Parameter(torch.zeros(size))

    def forward(self, dense: Dense, pixels: torch.Tensor) -> torch.Tensor:
        """Return tokens (T, K, d).

        Parameters
        ----------
        dense : Dense
            Of the tiles. No gradient reaches it: the dense loss alone teaches the head.
        pixels : (T, 3, S, S) tensor
            Their normalised colours.
        """
        with torch.no_grad():
            found, there = self.features(dense, pixels)
        tokens = self.embed(found.to(self.embed.weight.dtype))
        return torch.where(there[..., None], tokens, self.empty.to(tokens.dtype))

    def features(self, dense: Dense, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what is known of K regions (T, K, f), and which of them are there (T, K)."""
        cells, there = find_regions(dense, self.count)
        x, y, right, bottom = _at(dense.boxes, cells).clamp(0, 1).unbind(dim=1)
        area = _at(dense.areas[:, None], cells)[:, 0].clamp(0, 1)
        contrast = cell_contrast(pixels, dense.logits.shape[-1], self.contrast_gain)
        told = 0.5 + 0.5 * contrast / (contrast.abs() + MIDDLE_CONTRAST)
        numbers = [x, y, right - x, bottom - y, area, *_at(told, cells).unbind(dim=1)]
        kinds = _at(dense.logits.float().softmax(dim=1), cells)
        sure = _at(dense.centres[:, None], cells).sigmoid()
        plain = torch.cat([kinds, sure], dim=1).transpose(1, 2)
        return torch.cat([plain, waves(torch.stack(numbers, dim=-1)).flatten(2)], dim=-1), there


def cell_contrast(pixels: torch.Tensor, side: int, contrast_gain: float | None) -> torch.Tensor:
    """Return the contrast (T, 3, side, side) of the cells of a grid against the bare substrate.

    In linear light, (I − I₀) / I₀, with the median of a tile as its substrate; of the quarter of a
    cell that deviates most, since many flakes are smaller than a cell.

    Parameters
    ----------
    pixels : (T, 3 or 4, S, S) tensor
        Normalised colours, with `tiling.relief` where there is a gain.
    side : int
        Cells on a side.
    contrast_gain : float or None
        That of the relief.
    """
    colours = pixels[:, :3].float()
    substrate = colours[..., ::2, ::2].flatten(2).median(dim=2).values[..., None, None]
    if contrast_gain is not None:
        drawn_back, substrate = substrate, substrate / SUBSTRATE_GAIN
        colours = substrate + (colours - drawn_back) / contrast_gain
    light = nn.functional.adaptive_avg_pool2d(_linear(colours), 2 * side)
    contrast = light / _linear(substrate).clamp(min=1e-3) - 1
    quarters = nn.functional.pixel_unshuffle(contrast, 2).unflatten(1, (3, 4))
    most = quarters.abs().sum(dim=1, keepdim=True).argmax(dim=2, keepdim=True)
    return quarters.gather(2, most.expand(-1, 3, -1, -1, -1))[:, :, 0]


def _linear(colours: torch.Tensor) -> torch.Tensor:
    """Return linear light of colours that were normalised by ImageNet's mean and deviation."""
    mean, std = (colours.new_tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
    codes = (colours * std + mean).clamp(0, 1)
    return torch.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def waves(values: torch.Tensor) -> torch.Tensor:
    """Return sin kπv and cos kπv, k from 1 to 16, of values (…) in [0, 1]: (…, 32)."""
    angles = math.pi * torch.arange(1, WAVES + 1, device=values.device) * values[..., None]
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


def find_regions(dense: Dense, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the patches (T, K) that stand for a flake each, the largest first, and which count.

    The patch that is surest of a centre comes first and silences those whose boxes tell of the same
    flake (greedy non-maximum suppression).

    Parameters
    ----------
    dense : Dense
        Boxes, centres and areas of every patch.
    count : int
        The most flakes K of a tile.

    Returns
    -------
    cells : (T, K) int64 tensor
        Numbers of patches, row by row.
    there : (T, K) bool tensor
        False where there are no more flakes.
    """
    scores = dense.centres.flatten(1).clone()
    boxes = dense.boxes.flatten(2).transpose(1, 2)  # (T, N, 4)
    least = math.log(SURE / (1 - SURE))
    cells, sure = [], []
    for _ in range(count):
        best, cell = scores.max(dim=1)
        cells.append(cell)
        sure.append(best > least)
        chosen = boxes.gather(1, cell[:, None, None].expand(-1, 1, 4))
        scores[_iou(boxes, chosen) >= SAME] = -math.inf
        scores.scatter_(1, cell[:, None], -math.inf)
    cells, there = torch.stack(cells, dim=1), torch.stack(sure, dim=1)
    area = dense.areas.flatten(1).gather(1, cells).masked_fill(~there, -math.inf)
    order = area.argsort(dim=1, descending=True, stable=True)
    return cells.gather(1, order), there.gather(1, order)


def _at(grid: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Return what a grid (T, c, side, side) holds at patches (T, K): (T, c, K)."""
    return grid.flatten(2).gather(2, cells[:, None].expand(-1, grid.shape[1], -1))


def _iou(boxes: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Return IoU (T, N) of boxes (T, N, 4), left, top, right, bottom, with one each (T, 1, 4)."""
    low, high = torch.maximum(boxes, chosen)[..., :2], torch.minimum(boxes, chosen)[..., 2:]
    overlap = (high - low).clamp(min=0).prod(dim=-1)
    sizes = [(box[..., 2:] - box[..., :2]).clamp(min=0).prod(dim=-1) for box in (boxes, chosen)]
    return overlap / (sizes[0] + sizes[1] - overlap).clamp(min=1e-9)
