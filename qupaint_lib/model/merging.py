"""What overlapping windows saw, put together: each flake once, and whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qupaint_lib.model.tiling import Window

SAME_FLAKE_IOU = 0.5
EDGE_SHARE = 0.01  # of a window's side: a box that ends nearer to its edge is cut by it


@dataclass(frozen=True)
class View:
    """A flake as one window showed it.

    Attributes
    ----------
    box : (float, float, float, float)
        x, y, width, height in pixels of the whole image.
    window : Window
        The window that it was seen in.
    label : str or None
        ``"Mono"``, ``"Few"``, ``"Thick"``.
    layer_count : int or None
        Number of layers.
    score : float
        How sure the model was.
    """

    box: tuple[float, float, float, float]
    window: Window
    label: str | None = None
    layer_count: int | None = None
    score: float = 1.0


def merge_views(views: Sequence[View], shape: tuple[int, int]) -> list[View]:
    """Return one view per flake, surest first.

    Two boxes of different windows are the same flake where both windows look at it: inside what
    the windows have in common, the boxes agree (intersection over union of at least 0.5). So a
    terrace inside a larger crystal stays apart from it. A flake that one window shows whole has
    the box from there; one that every window cuts has the box around its parts.

    Parameters
    ----------
    views : sequence of View
        All boxes of all windows.
    shape : (int, int)
        Height and width of the whole image.
    """
    groups = _groups(views)
    merged = [_one_view([views[i] for i in group], shape) for group in groups]
    return sorted(merged, key=lambda view: -view.score)


def _groups(views: Sequence[View]) -> list[list[int]]:
    """Return indices of views of the same flake; a window sees a flake once."""
    group_of = {i: [i] for i in range(len(views))}
    windows_of = {i: {view.window} for i, view in enumerate(views)}
    for i, j in _agreeing_pairs(views):
        first, second = group_of[i], group_of[j]
        if first is second or windows_of[first[0]] & windows_of[second[0]]:
            continue
        windows_of[first[0]] |= windows_of[second[0]]
        first += second
        group_of.update(dict.fromkeys(second, first))
    return [group for i, group in group_of.items() if group[0] == i]


def _agreeing_pairs(views: Sequence[View]) -> list[tuple[int, int]]:
    """Return pairs of views that agree in what their windows have in common, best first."""
    if len(views) < 2:
        return []
    boxes = _corners([view.box for view in views])
    frames = _corners([view.window for view in views])
    common = _intersection(frames[:, None], frames[None])
    ours, theirs = _intersection(boxes[:, None], common), _intersection(boxes[None], common)
    shared = _area(_intersection(ours, theirs))
    union = _area(ours) + _area(theirs) - shared
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    first, second = np.nonzero(np.triu(iou >= SAME_FLAKE_IOU, k=1))
    order = np.argsort(-iou[first, second], kind="stable")
    return list(zip(first[order].tolist(), second[order].tolist(), strict=True))


def _one_view(views: list[View], shape: tuple[int, int]) -> View:
    """Return the surest whole view of a flake, or its parts put together."""
    whole = [view for view in views if not is_cut(view, shape)]
    best = max(whole or views, key=lambda view: view.score)
    if whole:
        return best
    corners = _corners([view.box for view in views])
    left, top = corners[:, :2].min(axis=0).tolist()
    right, bottom = corners[:, 2:].max(axis=0).tolist()
    box = (left, top, right - left, bottom - top)
    return View(box, best.window, best.label, best.layer_count, best.score)


def is_cut(view: View, shape: tuple[int, int]) -> bool:
    """Return whether a box ends at an edge of its window that is not an edge of the image."""
    (left, top, right, bottom), window = _corners([view.box])[0], view.window
    near_x, near_y = EDGE_SHARE * window.width, EDGE_SHARE * window.height
    end_x, end_y = window.x + window.width, window.y + window.height
    return bool(
        (window.x > 0 and left - window.x < near_x)
        or (window.y > 0 and top - window.y < near_y)
        or (end_x < shape[1] and end_x - right < near_x)
        or (end_y < shape[0] and end_y - bottom < near_y)
    )


def _corners(boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """Return left, top, right, bottom (N, 4) of x, y, width, height."""
    corners = np.array(boxes, dtype=float).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return corners


def _intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    return np.concatenate([low, high], axis=-1)


def _area(corners: np.ndarray) -> np.ndarray:
    """Return areas; 0 where a corner passed its opposite."""
    return np.prod(np.maximum(corners[..., 2:] - corners[..., :2], 0), axis=-1)
