"""Where crystals lie: never on another, never on what a reference micrograph shows already.

Ground is kept in cells of 2 × 2 pixels: a bool array that is True where something lies, each
crystal with a margin of two cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qupaint_lib.errors import ArgumentError
from qupaint_lib.synthia.scene import Scene

if TYPE_CHECKING:
    from qupaint_lib.synthia.reference import Reference

CELL_PX = 2
TRIES = 60

_MARGIN = 2  # cells
_AROUND = np.ones((2 * _MARGIN + 1, 2 * _MARGIN + 1), np.uint8)


class Footprint(NamedTuple):
    """The cells that a crystal touches."""

    corner_xy: tuple[int, int]  # in cells
    cells: np.ndarray  # (h, w) bool


def place(scene: Scene, reference: Reference) -> Scene:
    """Return a scene whose crystals lie on clean substrate of a reference, and on no other.

    Crystals that do so already stay; the others are moved to free ground, which the scene's seed
    draws, and left out where there is none. A placed scene is returned as it is.

    Parameters
    ----------
    scene : Scene
        Of the reference's shape.
    reference : Reference
        Its `substrate_mask` says where flakes may lie.

    Raises
    ------
    ArgumentError
        The shapes differ.
    """
    ground = free_ground(scene.shape, reference.substrate_mask)
    feet = [
        footprint([np.array(t.polygon) @ (1, 1j) for t in crystal.terraces])
        for crystal in scene.crystals
    ]
    stays = []
    for foot in feet:
        stays.append(fits(ground, foot))
        if stays[-1]:
            take(ground, foot)
    if all(stays):
        return scene
    rng = np.random.default_rng([scene.seed, 1])
    crystals = []
    for crystal, foot, stay in zip(scene.crystals, feet, stays, strict=True):
        shift = (0, 0) if stay else find_room(ground, foot, _anywhere(rng, ground))
        if shift is None:
            continue
        if not stay:
            take(ground, foot, shift)
            crystal = crystal.moved(shift[0] * CELL_PX, shift[1] * CELL_PX)
        crystals.append(crystal)
    return replace(scene, crystals=tuple(crystals))


def free_ground(shape: tuple[int, int], substrate: np.ndarray | None = None) -> np.ndarray:
    """Return the ground of an image, False where crystals may lie: a cell away from material.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image in pixels.
    substrate : (H, W) bool array, optional
        Clean substrate; all of the image by default.

    Raises
    ------
    ArgumentError
        The substrate has another shape.
    """
    import cv2

    height, width = (-(-n // CELL_PX) for n in shape)
    if substrate is None:
        return np.zeros((height, width), dtype=bool)
    if substrate.shape != tuple(shape):
        raise ArgumentError("substrate", substrate.shape, f"the scene's shape {tuple(shape)}")
    padded = np.ones((height * CELL_PX, width * CELL_PX), dtype=bool)
    padded[: shape[0], : shape[1]] = substrate
    taken = ~padded.reshape(height, CELL_PX, width, CELL_PX).all(axis=(1, 3))
    return cv2.dilate(taken.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)


def footprint(polygons: Sequence[np.ndarray]) -> Footprint:
    """Return the cells that polygons touch, in the image or outside.

    Parameters
    ----------
    polygons : sequence of (N,) complex arrays
        Vertices x + iy in pixels.
    """
    import cv2

    every = polygons[0] if len(polygons) == 1 else np.concatenate(polygons)
    every = np.floor(every.view(np.float64) / CELL_PX).astype(np.int32).reshape(-1, 2)
    low = every.min(axis=0)
    every -= low
    width, height = every.max(axis=0).tolist()
    cells = np.zeros((height + 1, width + 1), dtype=np.uint8)
    start = 0
    for polygon in polygons:  # filled up to and with the cells along its sides
        cv2.fillPoly(cells, [every[start : start + len(polygon)]], 1)
        start += len(polygon)
    return Footprint(tuple(low.tolist()), cells.view(bool))


def fits(ground: np.ndarray, foot: Footprint, shift: tuple[int, int] = (0, 0)) -> bool:
    """Tell whether a footprint, shifted by cells (x, y), lies on free ground."""
    part, cells = _windows(ground, foot, shift)
    return not (part & cells).any()


def take(ground: np.ndarray, foot: Footprint, shift: tuple[int, int] = (0, 0)) -> None:
    """Mark a footprint, as far as it lies in the image, and the margin around it as taken."""
    import cv2

    m = _MARGIN
    _, inside = _windows(ground, foot, shift)
    if not inside.size:
        return
    left, top = (max(corner + by, 0) - m for corner, by in zip(foot.corner_xy, shift, strict=True))
    wide = cv2.copyMakeBorder(inside.view(np.uint8), m, m, m, m, cv2.BORDER_CONSTANT)
    wide = cv2.dilate(wide, _AROUND).view(bool)
    part, cells = _windows(ground, Footprint((left, top), wide), (0, 0))
    part |= cells


def find_room(
    ground: np.ndarray,
    foot: Footprint,
    candidates: Iterable[tuple[float, float]],
) -> tuple[int, int] | None:
    """Return the first shift in cells (x, y) that brings a footprint to free ground; None: none.

    Parameters
    ----------
    ground : (h, w) bool array
        What is taken.
    foot : Footprint
        Where the crystal is.
    candidates : iterable of (float, float)
        Cells (x, y) for the middle of the footprint, in the order in which they are tried.
    """
    height, width = foot.cells.shape
    for x, y in candidates:
        shift = (
            round(x - width / 2) - foot.corner_xy[0],
            round(y - height / 2) - foot.corner_xy[1],
        )
        if fits(ground, foot, shift):
            return shift
    return None


def _anywhere(rng: np.random.Generator, ground: np.ndarray) -> Iterable[tuple[int, int]]:
    """Return random free cells (x, y)."""
    free = np.flatnonzero(~ground)
    if not free.size:
        return []
    y, x = np.divmod(rng.choice(free, 10 * TRIES), ground.shape[1])
    return zip(x.tolist(), y.tolist(), strict=True)


def _windows(
    ground: np.ndarray, foot: Footprint, shift: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts of the ground and of a footprint that lie on each other."""
    left, top = foot.corner_xy[0] + shift[0], foot.corner_xy[1] + shift[1]
    height, width = foot.cells.shape
    part = ground[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    cells = foot.cells[max(-top, 0) :, max(-left, 0) :]
    return part, cells[: part.shape[0], : part.shape[1]]
