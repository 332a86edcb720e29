"""COCO's run-length encoding of masks: 0s and 1s in turn, counted down the columns.

The counts are kept as COCO's compressed string: differences to the count two before, in groups of
five bits, lowest first, the sixth bit telling that more follow (the ``rleToString`` of the COCO
API). Tested against ``pycocotools``; unlike it, a small mask is encoded in a large image at a cost
that does not depend on the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qupaint_lib.errors import ArgumentError

_FIRST_CHARACTER = 48
_CONTINUES, _NEGATIVE, _FIVE_BITS = 0x20, 0x10, 0x1F


@dataclass(frozen=True)
class Rle:
    """A mask as COCO keeps it.

    Attributes
    ----------
    size : (int, int)
        Height and width of the image.
    counts : bytes
        Compressed run lengths.
    """

    size: tuple[int, int]
    counts: bytes


def encode(
    mask: np.ndarray, *, corner_xy: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
) -> Rle:
    """Return the run lengths of a mask.

    Parameters
    ----------
    mask : (h, w) bool array
        The mask, or the part of the image that holds all of it.
    corner_xy : (int, int), optional
        Column and row of the image at which `mask` begins.
    size : (int, int), optional
        Height and width of the image; by default those of `mask`.

    Raises
    ------
    ArgumentError
        Not a bool array (H, W), or one that reaches out of the image.
    """
    mask = check_mask("mask", mask)
    (left, top), size = corner_xy, tuple(map(int, size or mask.shape))
    if left < 0 or top < 0 or top + mask.shape[0] > size[0] or left + mask.shape[1] > size[1]:
        allowed = f"a corner such that {mask.shape} fits into {size}"
        raise ArgumentError("corner_xy", (left, top), allowed)
    used = np.flatnonzero(mask.any(axis=0))  # columns beside the mask cost nothing
    mask, left = (mask[:, used[0] : used[-1] + 1], left + used[0]) if used.size else (mask, left)
    step = mask.shape[0] + 1
    columns = np.zeros(1 + mask.shape[1] * step, dtype=bool)  # a 0 before and after every column
    columns[1:].reshape(-1, step)[:, :-1] = mask.T
    edges = np.flatnonzero(columns[1:] != columns[:-1])  # where runs begin and end, in turn
    edges += edges // step * (size[0] - step) + (left * size[0] + top)
    if mask.shape[0] == size[0]:
        inner = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2 + 1  # on into the next column
        edges = np.delete(edges, np.concatenate([inner, inner + 1]))
    ends = np.concatenate([[0], edges, [size[0] * size[1]]])
    lengths = ends[1:] - ends[:-1]
    return Rle(size, _compress(lengths if lengths[-1] else lengths[:-1]))


def decode(rle: Rle) -> np.ndarray:
    """Return the (H, W) bool mask of run lengths."""
    height, width = rle.size
    return _fill(runs(rle)).reshape(width, height).T


def cutout(rle: Rle, bbox_xywh: tuple[int, int, int, int]) -> np.ndarray:
    """Return the (h, w) bool mask inside a box, without decoding the columns beside it."""
    x, y, width, height = bbox_xywh
    first, last = x * rle.size[0], (x + width) * rle.size[0]
    edges = np.clip(np.cumsum(runs(rle)), first, last)
    columns = _fill(np.diff(edges, prepend=first)).reshape(width, rle.size[0])
    return columns[:, y : y + height].T


def area(rle: Rle) -> int:
    """Return the number of pixels in the mask."""
    return int(runs(rle)[1::2].sum())


def bounding_box(rle: Rle) -> tuple[int, int, int, int]:
    """Return x, y, width and height of the mask in pixels; zeros for an empty one."""
    edges = np.cumsum(runs(rle))
    first, last = edges[:-1:2], edges[1::2] - 1
    if not first.size:
        return 0, 0, 0, 0
    height = rle.size[0]
    left, right = first[0] // height, last[-1] // height
    top, bottom = (first % height).min(), (last % height).max()
    if (first // height != last // height).any():  # a run over the end of a column
        top, bottom = 0, height - 1
    return tuple(map(int, (left, top, right - left + 1, bottom - top + 1)))


def from_runs(lengths: np.ndarray, size: tuple[int, int]) -> Rle:
    """Return an `Rle` of uncompressed run lengths, 0s first.

    Raises
    ------
    ArgumentError
        A negative length, or lengths that do not add up to the image.
    """
    lengths = np.asarray(lengths)
    height, width = size
    whole = lengths.ndim == 1 and np.issubdtype(lengths.dtype, np.integer)
    if not whole or (lengths < 0).any() or lengths.sum() != height * width:
        value = lengths.sum() if lengths.dtype != object else lengths
        allowed = f"run lengths ≥ 0 that add up to {height} × {width} pixels"
        raise ArgumentError("counts", f"a sum of {value}", allowed)
    if lengths.size > 1 and lengths[-1] == 0:
        lengths = lengths[:-1]
    return Rle((height, width), _compress(lengths.astype(np.int64)))


def runs(rle: Rle) -> np.ndarray:
    """Return the uncompressed run lengths, 0s first.

    Raises
    ------
    ArgumentError
        The string is cut off, or does not add up to the image.
    """
    codes = np.frombuffer(rle.counts, dtype=np.uint8).astype(np.int64) - _FIRST_CHARACTER
    wrong = (codes < 0) | (codes > 63)
    if not codes.size or wrong.any() or codes[-1] & _CONTINUES:
        raise ArgumentError("counts", rle.counts, "a complete string of COCO's run lengths")
    ends = np.flatnonzero(codes & _CONTINUES == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)
    if place.max() > 10:
        raise ArgumentError("counts", rle.counts, "run lengths of at most 50 bits")
    lengths = np.add.reduceat((codes & _FIVE_BITS) << (5 * place), starts)
    lengths -= np.where(codes[ends] & _NEGATIVE, 1 << (5 * (place[ends] + 1)), 0)
    lengths[1::2] = np.cumsum(lengths[1::2])
    lengths[2::2] = np.cumsum(lengths[2::2])
    if (lengths < 0).any() or lengths.sum() != rle.size[0] * rle.size[1]:
        allowed = f"run lengths that add up to {rle.size[0]} × {rle.size[1]} pixels"
        raise ArgumentError("counts", f"a sum of {lengths.sum()}", allowed)
    return lengths


def check_mask(argument: str, mask: np.ndarray) -> np.ndarray:
    """Return a mask after checking that it is a bool array (H, W)."""
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != bool:
        raise ArgumentError(argument, (mask.shape, str(mask.dtype)), "a bool array (H, W)")
    return mask


def _fill(lengths: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(lengths.size) % 2 == 1, lengths)


def _compress(lengths: np.ndarray) -> bytes:
    values = lengths.copy()
    values[3:] -= lengths[1:-2]
    size = values ^ (values >> 63)  # as many bits as the number has without its sign
    shifts = 5 * np.arange(1 + int(size.max(initial=0)).bit_length() // 5)
    longer = (size[:, None] >> (shifts + 4)) > 0  # (number, group): more than the sign follows
    codes = ((values[:, None] >> shifts) & _FIVE_BITS) + _FIRST_CHARACTER
    codes += _CONTINUES * longer
    needed = np.ones(longer.shape, dtype=bool)
    needed[:, 1:] = longer[:, :-1]
    return codes[needed].astype(np.uint8).tobytes()
