"""Region tokens: what optics finds in a tile, written for the decoder to read.

A decoder that learns from scratch has to learn at once where to look, what it sees there and how to
say it. Pretrained ones come with the first two. A small one is handed the first by physics: the
plateaus of constant contrast into which the `finder` takes an image apart, the largest first, with
box, area and the contrast measured there. Whether one is a flake, and of how many layers, no
measurement says by itself; a head learns it from all regions of a tile together, since flakes of
one material on one wafer tell of each other.

Each region becomes five tokens behind the tile's visual tokens: the four location tokens of its
box, as an answer writes them, and one that holds class and measurements. To say a box, the decoder
then copies; to name the flake at a box, it reads on where it finds the same four. Both are what
decoders learn first (Olsson et al., 2022, arXiv 2209.11895), and sooner where a key holds the token
before it too, as their smeared keys do: each word of a region but its first carries a copy of the
one before, turned by a learned map.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from qupaint_lib.errors import CalibrationError
from qupaint_lib.model.config import WORDS

# What is known of a region: 1 where it is one; left, top, width, height as shares of the tile; the
# square root of its share of the area; contrast in R, G and B; how it stands out from the noise;
# how steep its edge is for its contrast, and which share of it is flat; the substrate's light in R,
# G and B.
FEATURES = 15
WAVES = 16
HEADS, LAYERS = 4, 2
NO_FLAKE = 0.75  # probability of class 0 from which a region is left out
_LEAST_AREA_PX = 16
_RIM_PX = 0.5  # of a flake on every side, which belongs to no plateau
_QUIET = 0.1  # so that measurements start no louder than words
_MIDDLE = 0.2  # contrasts about it are told apart best
_MIDDLE_SIGMA = 30.0


def find_regions(canvas: np.ndarray, count: int) -> np.ndarray:
    """Return what is measured of the largest plateaus of an image.

    Parameters
    ----------
    canvas : (H, W, 3) uint8 array
        A tile's codes. They are taken as linear light: most cameras of microscopes are, and where
        one is not the head learns what that does to contrasts.
    count : int
        The most regions K.

    Returns
    -------
    (K, 15) float32 array
        See `FEATURES`; zeros for what is no region, and everywhere where no substrate is found.
    """
    from qupaint_lib.finder.contrast import contrast_map
    from qupaint_lib.finder.segment import plateaus
    from qupaint_lib.microscope import Microscope

    found = np.zeros((count, FEATURES), dtype=np.float32)
    try:
        contrast = contrast_map(canvas, Microscope())
    except CalibrationError:
        return found
    labels, graph = plateaus(contrast)
    bare = labels == 0
    light = np.median(canvas[bare], axis=0) / 255 if bare.any() else np.zeros(3)
    boxes = _boxes(labels, graph.count)
    areas = np.bincount(labels.ravel(), minlength=graph.count)[1:]
    order = np.argsort(-areas, kind="stable")
    order = order[areas[order] >= _LEAST_AREA_PX][:count]
    height, width = canvas.shape[:2]
    n = len(order)
    mean = graph.mean[1:][order]
    found[:n, 0] = 1
    found[:n, 1:5] = boxes[order] / (width, height, width, height)
    found[:n, 5] = np.sqrt(areas[order] / (height * width))
    found[:n, 6:9] = mean
    found[:n, 9] = np.linalg.norm(mean / contrast.contrast_noise, axis=1)
    edge = graph.border_mean()[1:][order] / np.maximum(np.linalg.norm(mean, axis=1), 1e-6)
    flat = 4 * contrast.gradient_noise**2 * graph.weight[1:] / np.maximum(graph.area[1:], 1)
    found[:n, 10] = edge / (edge + _MIDDLE)
    found[:n, 11] = np.minimum(flat[order], 1)
    found[:n, 12:15] = light
    return found


def _boxes(labels: np.ndarray, count: int) -> np.ndarray:
    """Return left, top, width and height (n − 1, 4) of the flakes of a label image, rim and all."""
    from scipy.ndimage import find_objects

    boxes = np.zeros((count - 1, 4))
    for k, at in enumerate(find_objects(labels)[: count - 1]):
        if at is not None:
            rows, columns = at
            first = np.maximum(np.array([columns.start, rows.start]) - _RIM_PX, 0)
            last = np.minimum(np.array([columns.stop, rows.stop]) + _RIM_PX, labels.shape[::-1])
            boxes[k] = *first, *(last - first)
    return boxes


class Rotation(nn.Linear):
    """A map that starts orthogonal, so that what it adds is told apart from what is there."""


class RegionTokens(nn.Module):
    """The regions of a tile as 5 K tokens, flakes first, and the classes that they are told to be.

    Parameters
    ----------
    count : int
        Number of regions K.
    classes : int
        Number of classes C, of which the first is for what is no flake.
    size : int
        Channels d of a token.
    location_token_id : int
        First of the decoder's location tokens: see `tokenizer.location_tokens`.
    location_steps : int
        Steps of their grid.
    """

    def __init__(
        self, count: int, classes: int, size: int, location_token_id: int, location_steps: int
    ):
        super().__init__()
        self.location_token_id, self.location_steps = location_token_id, location_steps
        numbers = (FEATURES - 1) * 2 * WAVES
        self.enter = nn.Linear(numbers, size)
        layer = {"dim_feedforward": 2 * size, "dropout": 0.0, "batch_first": True}
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(size, HEADS, norm_first=True, **layer) for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(size)
        self.classify = nn.Linear(size, classes)
        self.embed = nn.Linear(numbers + classes, size)
        self.before = Rotation(size, size, bias=False)
        self.slot = nn.Parameter(torch.zeros(count, 1, size))  # the first region, the second, …
        self.role = nn.Parameter(torch.zeros(WORDS, size))  # left, top, width, height, what
        self.empty = nn.Parameter(torch.zeros(size))

    def head(self) -> list[nn.Module]:
        """Return the parts that learn classes, not words."""
        return [self.enter, self.layers, self.norm, self.classify]

    def logits(self, regions: torch.Tensor) -> torch.Tensor:
        """Return the logits (T, K, C) of regions (T, K, 15), each told apart beside the others."""
        return self._classes(regions[..., 0] > 0, self._numbers(regions))

    def _classes(self, there: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        hidden = self.enter(numbers)
        absent = ~there & there.any(dim=1, keepdim=True)  # softmax needs something to look at
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=absent)
        return self.classify(self.norm(hidden))

    def forward(
        self, regions: torch.Tensor, words: nn.Embedding
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens (T, 5 K, d) and logits (T, K, C) of regions (T, K, 15).

        Regions that are told to be no flake are left out, and empty tokens follow.

        Parameters
        ----------
        regions : (T, K, 15) tensor
            See `find_regions`.
        words : Embedding
            The decoder's.
        """
        there = regions[..., 0] > 0
        numbers = self._numbers(regions)
        logits = self._classes(there, numbers)
        kinds = logits.float().softmax(dim=-1).detach()
        what = _QUIET * self.embed(torch.cat([numbers, kinds.to(numbers.dtype)], dim=-1))
        places = words(self._location_ids(regions)).to(what.dtype)
        told = torch.cat([places, what[:, :, None]], dim=2)  # (T, K, 5, d)
        told = told + nn.functional.pad(self.before(places), (0, 0, 1, 0))
        flake = there & (kinds[..., 0] < NO_FLAKE)
        told = torch.where(flake[..., None, None], told, self.empty)
        order = (~flake).to(torch.int8).argsort(dim=1, stable=True)  # by size still
        told = told.gather(1, order[..., None, None].expand_as(told))
        return (told + self.slot + self.role).flatten(1, 2), logits

    def _numbers(self, regions: torch.Tensor) -> torch.Tensor:
        """Return the waves (T, K, 448) of what is measured of regions."""
        return waves(scaled(regions.float())).flatten(2).to(self.enter.weight.dtype)

    def _location_ids(self, regions: torch.Tensor) -> torch.Tensor:
        """Return the tokens (T, K, 4) that write the regions' boxes."""
        steps = (regions[..., 1:5].clamp(0, 1) * self.location_steps).round().long()
        steps[..., 3] += self.location_steps + 1  # heights close the box
        return self.location_token_id + steps


def scaled(regions: torch.Tensor) -> torch.Tensor:
    """Return the numbers (…, 14) of regions (…, 15) in [0, 1], so that waves tell them apart."""
    _, places, contrast, sigma, rest = regions.split([1, 5, 3, 1, 5], dim=-1)
    contrast = 0.5 + 0.5 * contrast / (contrast.abs() + _MIDDLE)
    return torch.cat([places, contrast, sigma / (sigma + _MIDDLE_SIGMA), rest], dim=-1)


def waves(values: torch.Tensor) -> torch.Tensor:
    """Return sin kπv and cos kπv, k from 1 to 16, of values (…) in [0, 1]: (…, 32)."""
    angles = math.pi * torch.arange(1, WAVES + 1, device=values.device) * values[..., None]
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
