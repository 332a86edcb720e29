"""What the dense loss asks for: the class and box of every patch, the class of every region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qupaint_lib.annotations import FEW_MAX, Flake
from qupaint_lib.answers import to_percent
from qupaint_lib.errors import ArgumentError
from qupaint_lib.instruct.facts import box_iou
from qupaint_lib.model.dense import UNKNOWN

THICK = FEW_MAX + 1  # dense classes: 0 substrate, 1 to FEW_MAX layers, then all that is thicker
DENSE_CLASSES = FEW_MAX + 2
SEEN_SHARE = 0.01  # of a patch: a flake that covers less leaves it bare
CLEAR_SHARE = 0.06  # one that covers more has it
SAME_IOU = 0.5  # from which a region is a flake


def dense_targets(
    flakes: Sequence[Flake], shape: tuple[int, int], images: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return class and box of every patch of an image that is one tile.

    Parameters
    ----------
    flakes : sequence of Flake
        Those of the image.
    shape : (int, int)
        Its height and width.
    images : QuPaintImageProcessor
        Tells the grid of patches.

    Returns
    -------
    labels : (side, side) int64 array
        0 substrate, 1 to 4 layers, 5 thicker, -100 where a flake covers less than 6 percent.
    boxes : (4, side, side) float32 array
        Left, top, right, bottom as shares of the tile; NaN where there is no flake.
    """
    if images.tiles != (1, 1):
        raise ArgumentError("tiles", images.tiles, "(1, 1): dense labels are for one tile")
    side = images.tile_px // images.patch_px
    labels = np.zeros((side, side), dtype=np.int64)
    boxes = np.full((4, side, side), np.nan, dtype=np.float32)
    most = np.zeros((side, side))
    for flake in flakes:
        share = cell_shares(flake, shape, side)
        x, y, w, h = np.divide(to_percent(flake.bbox_xywh, shape), 100)
        label = dense_class(flake)
        ahead = share > most
        labels[ahead & (share >= CLEAR_SHARE)] = label
        labels[ahead & (share >= SEEN_SHARE) & (share < CLEAR_SHARE)] = UNKNOWN
        boxes[:, ahead & (share >= CLEAR_SHARE)] = np.array([[x], [y], [x + w], [y + h]])
        most = np.maximum(most, share)
    return labels, boxes


def dense_class(flake: Flake) -> int:
    """Return the class of a flake: its layers up to four, 5 thicker, -100 where it is unknown."""
    if flake.layer_count is None:
        return THICK if flake.layer_class() == "Thick" else UNKNOWN
    return min(flake.layer_count, THICK)


def region_targets(
    flakes: Sequence[Flake], shape: tuple[int, int], regions: np.ndarray
) -> np.ndarray:
    """Return the class of every region of an image that is one tile.

    Parameters
    ----------
    flakes : sequence of Flake
        Those of the image.
    shape : (int, int)
        Its height and width.
    regions : (K, f) float32 array
        See `regions.find_regions`.

    Returns
    -------
    (K,) int64 array
        Of the flake whose box the region's meets best, from an IoU of 0.5; 0 where there is none,
        or where another region meets that flake better; -100 for what is no region.
    """
    labels = np.where(regions[:, 0] > 0, 0, UNKNOWN).astype(np.int64)
    found = np.flatnonzero(regions[:, 0] > 0)
    if not len(found) or not flakes:
        return labels
    boxes = regions[found, 1:5].astype(float)
    true = [np.divide(to_percent(flake.bbox_xywh, shape), 100) for flake in flakes]
    iou = np.array([box_iou(boxes, one) for one in true])  # (flakes, regions)
    best = iou.argmax(axis=0)
    for k, j in zip(found, best, strict=True):
        column = int(np.searchsorted(found, k))
        if iou[j, column] >= SAME_IOU and iou[j, column] == iou[j].max():
            labels[k] = dense_class(flakes[j])
    return labels


def cell_shares(flake: Flake, shape: tuple[int, int], side: int) -> np.ndarray:
    """Return which share of every cell of a (side, side) grid a flake covers."""
    x, y, *_ = flake.bbox_xywh
    rows, columns = np.nonzero(flake.cutout)
    cell = (rows + y) * side // shape[0], (columns + x) * side // shape[1]
    counts = np.zeros((side, side))
    np.add.at(counts, cell, 1)
    return counts * side * side / (shape[0] * shape[1])
