"""Region tokens: what the dense head has found in a tile, as tokens for the decoder to read.

A decoder that learns from scratch has to learn at once where to look, what it sees there and how to
say it. Pretrained ones come with the first two. A small one is handed them: the flakes that the
dense head tells apart, the largest first, each as one token behind the tile's visual tokens, with
class, box, area and colour. Boxes enter as the waves that `train.start` makes the tokens of places
from, so that one linear map leads from a region to the words of its box.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from qupaint_lib.model.dense import Dense

WAVES = 16
SURE = 0.35  # probability of a centre from which a region counts
SAME = 0.45  # IoU from which two regions are one flake
COLOURS = 3


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
    """

    def __init__(self, count: int, classes: int, size: int):
        super().__init__()
        self.count = count
        self.embed = nn.Linear(classes + 5 * 2 * WAVES + COLOURS + 1, size)
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
        places = torch.stack([x, y, right - x, bottom - y, area], dim=-1)  # (T, K, 5)
        colours = nn.functional.adaptive_avg_pool2d(pixels[:, :COLOURS], dense.logits.shape[-1])
        kinds = dense.logits.float().softmax(dim=1)
        sure = _at(dense.centres[:, None], cells).sigmoid()
        parts = [_at(kinds, cells), sure, _at(colours.float(), cells)]
        plain = torch.cat(parts, dim=1).transpose(1, 2)
        return torch.cat([plain, waves(places).flatten(2)], dim=-1), there


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
