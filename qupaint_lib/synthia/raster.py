"""Polygons to pixels: which terrace covers a pixel, and what share of it.

The annotation and the picture come from the same raster. Every pixel is divided into 4 × 4; what is
drawn last into a sub-pixel has it. A pixel belongs to what holds most of its sub-pixels, and where
several share it, their shares are kept, for edges without steps. Filling includes the sub-pixels
that a side runs through: sides lie up to a fifth of a pixel further out than the polygon's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

FINENESS = 4  # sub-pixels along a side: as many as bytes of the integer that they are compared by
SMALLEST_REGION_PX = 6  # smaller ones are given to what surrounds them

_PASSES = 4  # in which specks are given away; one is nearly always enough
_SHIFT = 8  # fractional bits of the coordinates that are filled
_SAME = np.uint32(0x01010101)  # times a byte: the byte four times
_ONES = np.uint64(0x0101010101010101)  # times a number: the sum of its bytes in the highest


class Region(NamedTuple):
    """Pixels of one terrace that are connected over sides or corners.

    Attributes
    ----------
    terrace : int
        Number of the terrace in its crystal.
    corner_xy : (int, int)
        Column and row of the image at which the mask begins.
    mask : (h, w) bool array
        As large as the region.
    """

    terrace: int
    corner_xy: tuple[int, int]
    mask: np.ndarray


class CrystalRaster(NamedTuple):
    """The pixels of one crystal in an image.

    Attributes
    ----------
    corner_xy : (int, int)
        Column and row of the image at which the arrays begin.
    labels : (h, w) uint8 array
        0 where no terrace is, t + 1 where terrace t covers most of the pixel.
    edge : (M,) int array
        Flat indices into `labels` of the pixels that several share.
    shares : (M, T + 1) float32 array
        Share of these pixels that is bare (column 0) and that terrace t covers (t + 1); rows add
        up to 1.
    regions : tuple of Region
        The connected regions of equal labels above 0.
    """

    corner_xy: tuple[int, int]
    labels: np.ndarray
    edge: np.ndarray
    shares: np.ndarray
    regions: tuple[Region, ...]


def rasterise(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> CrystalRaster | None:
    """Return the pixels of a crystal whose terraces are drawn in order.

    Parameters
    ----------
    polygons : sequence of (N, 2) arrays
        Vertices (x, y) in pixels; at most 255 polygons, later ones cover earlier ones. Where a
        polygon meets itself, the even-odd rule holds.
    shape : (int, int)
        Height and width of the image.

    Returns
    -------
    CrystalRaster or None
        None where no pixel of the image is covered for the most part.
    """
    import cv2

    every = [np.asarray(polygon, dtype=np.float64) for polygon in polygons]
    every = every[0] if len(every) == 1 else np.concatenate(every)
    low = [max(math.floor(least) - 1, 0) for least in every.min(axis=0).tolist()]
    high = every.max(axis=0).tolist()
    high = [min(math.ceil(most) + 1, size) for most, size in zip(high, shape[::-1], strict=True)]
    width, height = int(high[0] - low[0]), int(high[1] - low[1])
    if width <= 0 or height <= 0:
        return None
    fine = np.zeros((height * FINENESS, width * FINENESS), dtype=np.uint8)
    # A sub-pixel is filled where its centre lies inside; centres are whole numbers to fillPoly.
    every = np.round(((every - low) * FINENESS - 0.5) * (1 << _SHIFT)).astype(np.int32)
    start = 0
    for number, polygon in enumerate(polygons, start=1):
        corners = every[start : start + len(polygon)]
        cv2.fillPoly(fine, [corners], number, shift=_SHIFT)
        start += len(polygon)
    corner_xy = (low[0], low[1])
    for _ in range(_PASSES):
        labels, edge, shares = _shared(fine, len(polygons) + 1)
        found = tuple(_regions(labels, corner_xy, len(polygons)))
        specks = [region for region in found if np.count_nonzero(region.mask) < SMALLEST_REGION_PX]
        for speck in specks:
            _give_away(fine, labels, speck, corner_xy)
        if not specks:
            break
    return CrystalRaster(corner_xy, labels, edge, shares, found) if found else None


def _shared(fine: np.ndarray, values: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the commonest label of every pixel's sub-pixels, and where and how others share."""
    height, width = fine.shape[0] // FINENESS, fine.shape[1] // FINENESS
    rows = fine.view(np.uint32).reshape(height, FINENESS, width)  # four sub-pixels in a number
    labels = rows[:, 0].astype(np.uint8)
    same = labels * _SAME
    differs = rows[:, 0] != same
    for row in range(1, FINENESS):
        differs |= rows[:, row] != same
    edge = np.flatnonzero(differs)
    y, x = np.divmod(edge, width)
    samples = rows[y, :, x].view(np.uint8)  # (M, 16)
    counts = np.empty((len(edge), values), dtype=np.uint8)
    for value in range(values):
        halves = (samples == value).view(np.uint64)  # (M, 2), eight 0s and 1s in a number
        counts[:, value] = (halves[:, 0] + halves[:, 1]) * _ONES >> 56  # their sum
    labels.ravel()[edge] = counts.argmax(axis=1)
    return labels, edge, counts * np.float32(1 / FINENESS**2)


def _regions(labels: np.ndarray, corner_xy: tuple[int, int], terraces: int) -> Iterator[Region]:
    """Yield the connected regions of every terrace."""
    import cv2

    for terrace in range(terraces):
        same = (labels == terrace + 1).view(np.uint8)
        _, numbers, boxes, _ = cv2.connectedComponentsWithStats(same, connectivity=8)
        for number, (x, y, w, h, _) in enumerate(boxes.tolist()[1:], start=1):
            mask = numbers[y : y + h, x : x + w] == number
            yield Region(terrace, (corner_xy[0] + x, corner_xy[1] + y), mask)


def _give_away(
    fine: np.ndarray, labels: np.ndarray, speck: Region, corner_xy: tuple[int, int]
) -> None:
    """Give the sub-pixels of a region, and of the pixels around it, to what surrounds it."""
    import cv2

    label, (height, width) = speck.terrace + 1, labels.shape
    left, top = speck.corner_xy[0] - corner_xy[0], speck.corner_xy[1] - corner_xy[1]
    inner = np.zeros(labels.shape, dtype=np.uint8)
    inner[top : top + speck.mask.shape[0], left : left + speck.mask.shape[1]] = speck.mask
    around = cv2.dilate(inner, np.ones((3, 3), np.uint8)).view(bool)
    ring = labels[around & (labels != label)]
    y, x = np.nonzero(around & ((labels != label) | inner.view(bool)))
    blocks = fine.reshape(height, FINENESS, width, FINENESS)
    part = blocks[y, :, x]
    part[part == label] = np.bincount(ring).argmax() if ring.size else 0
    blocks[y, :, x] = part
