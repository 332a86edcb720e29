"""Pictures of a benchmark and of what was found in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qupaint_lib.errors import ArgumentError
from qupaint_lib.evaluate.bench import Benchmark
from qupaint_lib.finder.overlay import OUTLINE_COLORS
from qupaint_lib.instruct.facts import box_iou

# Blue, orange and purple of Okabe and Ito: told apart by the colour-blind; and by their dashes.
FOUND_COLOR, MISSED_COLOR, FALSE_COLOR = (0, 114, 178), (230, 159, 0), (204, 121, 167)
_DASH_PX = 6


def sample_pictures(
    benchmark: Benchmark, count: int, rng: np.random.Generator, *, width_px: int = 2
) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Return images with the boxes of their flakes, as Fig. 16: Mono green, Few blue, Thick orange.

    Parameters
    ----------
    benchmark : Benchmark
        Its images are drawn at random, those with flakes first.
    count : int
        How many, as far as there are.
    rng : numpy.random.Generator
        Chooses them.
    width_px : int, optional
        Width of the lines.

    Returns
    -------
    list of (dict, (H, W, 3) uint8 array)
        The image's entry, and its picture.
    """
    if count < 1:
        raise ArgumentError("count", count, "at least 1")
    data = benchmark.ground_truth
    names = {category["id"]: category["name"] for category in data["categories"]}
    boxes: dict[int, list[Mapping[str, Any]]] = {}
    for annotation in data["annotations"]:
        boxes.setdefault(annotation["image_id"], []).append(annotation)
    order = [data["images"][k] for k in rng.permutation(len(data["images"]))]
    order.sort(key=lambda image: image["id"] not in boxes)  # stable
    drawn = []
    for image in order[:count]:
        picture = benchmark.image(image).copy()
        for annotation in boxes.get(image["id"], ()):
            color = OUTLINE_COLORS.get(names[annotation["category_id"]], OUTLINE_COLORS[None])
            draw_box(picture, annotation["bbox"], color, width_px=width_px)
        drawn.append((image, picture))
    return drawn


def draw_box(
    picture: np.ndarray,
    bbox_xywh: Sequence[float],
    color: Sequence[int],
    *,
    width_px: int = 2,
    dash_px: int = 0,
) -> None:
    """Draw a box into a picture (H, W, 3) uint8, cut to it; `dash_px` > 0 dashes its lines."""
    height, width = picture.shape[:2]
    x, y, w, h = bbox_xywh
    left, top = max(round(x), 0), max(round(y), 0)
    right, bottom = min(round(x + w), width), min(round(y + h), height)
    rim = np.zeros((max(bottom - top, 0), max(right - left, 0)), dtype=bool)
    rim[:width_px], rim[-width_px:] = True, True
    rim[:, :width_px], rim[:, -width_px:] = True, True
    if dash_px:
        row, column = np.indices(rim.shape)
        rim &= (row + column) // dash_px % 2 == 0
    picture[top:bottom, left:right][rim] = color


def draw_errors(picture: np.ndarray, found: ImageErrors, *, width_px: int = 2) -> np.ndarray:
    """Return a picture with what was found (solid), missed (long dashes), and false (short)."""
    drawn = picture.copy()
    for box in found.missed:
        draw_box(drawn, box, MISSED_COLOR, width_px=width_px, dash_px=2 * _DASH_PX)
    for box in found.false:
        draw_box(drawn, box, FALSE_COLOR, width_px=width_px, dash_px=_DASH_PX)
    for box in found.found:
        draw_box(drawn, box, FOUND_COLOR, width_px=width_px)
    return drawn


class ImageErrors:
    """What was found, missed and made up in an image.

    Parameters
    ----------
    truths : sequence of boxes
        Flakes that are there, x, y, width, height.
    predicted : sequence of boxes
        In the order of falling scores.
    min_iou : float, optional
        From which a box is on a flake. The surest box takes the flake that it meets best among
        those still free, as COCO does.

    Attributes
    ----------
    found, false, missed : list of boxes
        Predicted boxes on a flake and on none; flakes without a box.
    """

    def __init__(
        self,
        truths: Sequence[Sequence[float]],
        predicted: Sequence[Sequence[float]],
        *,
        min_iou: float = 0.5,
    ):
        self.found: list[Sequence[float]] = []
        self.false: list[Sequence[float]] = []
        free = np.asarray(truths, dtype=float).reshape(-1, 4)
        for box in predicted:
            iou = box_iou(free, np.asarray(box, dtype=float))
            if len(iou) and iou.max() >= min_iou:
                self.found.append(box)
                free = np.delete(free, int(iou.argmax()), axis=0)
            else:
                self.false.append(box)
        self.missed: list[Sequence[float]] = free.tolist()

    @property
    def count(self) -> int:
        """How many errors."""
        return len(self.false) + len(self.missed)
