"""Drawing what is no flake: how much light residue, curls, hairs and the wafer's edge let by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from qupaint_lib.synthia.scene import Debris

_PIXEL_VARIANCE = 1 / 12  # px², of a square pixel
_FINENESS = 2  # sub-pixels along a side, each drawn with soft edges
_TAPER_PIECES = 24  # straight pieces of a curl, each narrower than the one before
LYING_BLUR_PX = 0.8  # of a curl where it lies on the wafer
_SHIFT = 4  # fractional bits of the coordinates that are drawn


def draw_debris(light: np.ndarray, debris: Sequence[Debris]) -> np.ndarray:
    """Return light (3, H, W) float32, the same array, with debris on it in the order it lies."""
    for piece in debris:
        if piece.kind == "specks":
            _draw_specks(light, piece)
            continue
        found = debris_coverage(piece, light.shape[1:])
        if found is not None:
            (left, top), coverage = found
            part = light[:, top : top + coverage.shape[0], left : left + coverage.shape[1]]
            for plane, transmission in zip(part, piece.transmission, strict=True):
                plane *= 1 - coverage * np.float32(1 - transmission)
    return light


def debris_coverage(
    piece: Debris, shape: tuple[int, int]
) -> tuple[tuple[int, int], np.ndarray] | None:
    """Return the corner (x, y) and the share of the pixels (h, w) from there that debris covers.

    None where it lies outside the image.
    """
    import cv2

    path = np.array(piece.path)
    margin = piece.width_px / 2 + 3 * piece.blur_px + 2
    low = np.maximum(np.floor(path.min(axis=0) - margin).astype(int), 0)
    high = np.minimum(np.ceil(path.max(axis=0) + margin).astype(int), shape[::-1])
    if (low >= high).any():
        return None
    width, height = map(int, high - low)
    fine = np.zeros((height * _FINENESS, width * _FINENESS), np.uint8)
    if piece.kind == "wafer edge":
        cv2.fillPoly(fine, [_fixed_point(path - low)], 255, cv2.LINE_AA, _SHIFT)
    elif piece.kind == "curl":
        _draw_tapered(fine, path - low, piece.width_px)
    else:
        thickness = max(1, round(piece.width_px * _FINENESS))
        line = [_fixed_point(path - low)]
        cv2.polylines(fine, line, False, 255, thickness, cv2.LINE_AA, _SHIFT)
    coverage = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    coverage = coverage.astype(np.float32) / np.float32(255)
    if piece.blur_px:
        coverage = _out_of_focus(coverage, piece, path - low)
    return (int(low[0]), int(low[1])), coverage


def _draw_specks(light: np.ndarray, piece: Debris) -> None:
    """Multiply light around each speck: a round spot of its area, averaged over the pixels."""
    points, variance = np.array(piece.path), piece.width_px**2 / 8 + _PIXEL_VARIANCE
    height, width = light.shape[1:]
    reach = int(np.ceil(3 * np.sqrt(variance)))
    near = np.floor(points).astype(int)[:, :, None] + np.arange(-reach, reach + 1)  # (N, 2, K)
    bells = np.exp(-0.5 * (near + 0.5 - points[:, :, None]) ** 2 / variance)
    peak = piece.width_px**2 / (8 * variance)  # covers as much as the spot has area
    coverage = peak * bells[:, 1, :, None] * bells[:, 0, None, :]
    y, x = near[:, 1, :, None], near[:, 0, None, :]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    where = (y * width + x)[inside]
    planes = light.reshape(3, -1)
    for plane, transmission in zip(planes, piece.transmission, strict=True):
        plane[where] *= (1 - coverage[inside] * (1 - transmission)).astype(np.float32)


def _fixed_point(points: np.ndarray) -> np.ndarray:
    """Return points (x, y) as whole fractions of the sub-pixels that are drawn."""
    return np.round((points * _FINENESS - 0.5) * (1 << _SHIFT)).astype(np.int32)


def _draw_tapered(fine: np.ndarray, path: np.ndarray, width_px: float) -> None:
    """Draw a line that narrows from its width to its point."""
    import cv2

    pieces = np.linspace(0, len(path) - 1, _TAPER_PIECES + 1)
    points = np.stack([np.interp(pieces, range(len(path)), xy) for xy in path.T], axis=-1)
    fixed = _fixed_point(points).tolist()
    for k, (start, end) in enumerate(pairwise(fixed)):
        width = width_px * (1 - (k + 0.5) / _TAPER_PIECES)
        cv2.line(fine, start, end, 255, max(1, round(width * _FINENESS)), cv2.LINE_AA, _SHIFT)


def _out_of_focus(coverage: np.ndarray, piece: Debris, path: np.ndarray) -> np.ndarray:
    """Return coverage blurred; a curl lies on the wafer where it begins and rises to its end."""
    import cv2

    border = cv2.BORDER_REPLICATE if piece.kind == "wafer edge" else cv2.BORDER_CONSTANT
    blurred = cv2.GaussianBlur(coverage, (0, 0), piece.blur_px, borderType=border)
    along = path[-1] - path[0]
    if piece.kind != "curl" or not along.any():
        return blurred
    lying = cv2.GaussianBlur(coverage, (0, 0), LYING_BLUR_PX, borderType=border)
    rows, columns = (np.arange(size, dtype=np.float32) + 0.5 for size in coverage.shape)
    share = np.add.outer((rows - path[0, 1]) * along[1], (columns - path[0, 0]) * along[0])
    share = np.clip(share / (along @ along), 0, 1).astype(np.float32)
    return lying + share * (blurred - lying)
