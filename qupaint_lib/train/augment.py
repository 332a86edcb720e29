"""Other views of the same micrograph: cut, mirrored, in another light; text and labels go along.

Horizontal mirror images and crops are shown with their boxes moved. A small shift in CIELAB changes
the colour of everything alike, so every ΔE, and with it the contrast of every layer, stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from qupaint_lib.annotations import Flake
from qupaint_lib.answers import find_boxes, move_boxes
from qupaint_lib.answers.boxes import Box
from qupaint_lib.errors import ArgumentError

LEAST_SIDE = 0.6  # of a crop, as a share of the image's
LEAST_PX = 12  # of a flake that is still annotated after a cut
LAB_SHIFT = (3.0, 1.5, 1.5)  # standard deviations in L*, a*, b*

_SIDES = {"left": "right", "right": "left"}
_SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)
# What a crop changes beside the boxes: places in the frame, shares of it, counts, who is there.
_FRAME = re.compile(
    r"\b(left|right|upper|lower|top|bottom|middle|centre|center|central|frame|field|image|picture|"
    r"border|edge|corner)\b|%(?! in| for| of the light)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class View:
    """A part of an image, perhaps turned or mirrored.

    Attributes
    ----------
    window_xywh : (int, int, int, int)
        The part, in pixels of the image.
    turns : int
        Quarter turns, anticlockwise, after the cut.
    mirror : bool
        Left and right exchanged, after the turns.
    """

    window_xywh: tuple[int, int, int, int]
    turns: int = 0
    mirror: bool = False

    def array(self, image: np.ndarray) -> np.ndarray:
        """Return the view of an image or a mask (H, W, …)."""
        x, y, w, h = self.window_xywh
        part = np.rot90(image[y : y + h, x : x + w], self.turns)
        return np.ascontiguousarray(part[:, ::-1] if self.mirror else part)

    def box(self, box_px: Sequence[float]) -> Box:
        """Return a box x, y, width, height, in pixels of the image, in pixels of the view.

        It is not cut at the border of the view.
        """
        left, top, width, height = self.window_xywh
        x, y, w, h = box_px
        x, y = x - left, y - top
        for _ in range(self.turns % 4):
            x, y, w, h = y, width - x - w, h, w
            width, height = height, width
        return (width - x - w if self.mirror else x), y, w, h

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        _, _, w, h = self.window_xywh
        return (w, h) if self.turns % 2 else (h, w)


def whole(shape: tuple[int, int]) -> View:
    """Return the view that changes nothing, of an image of `shape` (H, W)."""
    return View((0, 0, shape[1], shape[0]))


def sample_view(
    rng: np.random.Generator, shape: tuple[int, int], *, crop: float = 0.5, turn: bool = True
) -> View:
    """Return a random view.

    Parameters
    ----------
    rng : numpy.random.Generator
        What it is drawn from.
    shape : (int, int)
        Height and width of the image.
    crop : float, optional
        Share of the views that are cut, to a side of 0.6 to 1.
    turn : bool, optional
        Turn by quarters as well as mirror; the optics has no preferred direction, but text that
        speaks of above and below must be made anew.
    """
    height, width = shape
    cut, side, x, y = rng.random(4)
    scale = LEAST_SIDE + (1 - LEAST_SIDE) * side if cut < crop else 1.0
    w, h = max(round(scale * width), 1), max(round(scale * height), 1)
    window = (int(x * (width - w + 1)), int(y * (height - h + 1)), w, h)
    turns, mirror = int(rng.integers(4)), bool(rng.random() < 0.5)
    return View(window, turns if turn else 0, mirror)


def view_flakes(flakes: Sequence[Flake], view: View) -> tuple[Flake, ...]:
    """Return what is seen of flakes in a view; less than twelve pixels are left out.

    A flake that the cut takes apart stays one flake, as annotators of a cut image would have it
    if they had seen the whole.
    """
    seen = []
    for flake in flakes:
        mask = view.array(flake.mask)
        if mask.sum() >= min(LEAST_PX, flake.area_px):
            made = Flake.from_mask(mask)
            seen.append(replace(flake, rle=made.rle))
    return tuple(seen)


def rewrite(text: str, view: View, shape: tuple[int, int]) -> str | None:
    """Return a text about an image as it is said of a view, boxes moved, sides exchanged.

    Parameters
    ----------
    text : str
        A question or an answer.
    view : View
        Cut or mirrored, not turned.
    shape : (int, int)
        Height and width of the image.

    Returns
    -------
    str or None
        None where the text would not be true of the view: a box that is cut, or words about the
        frame under a crop. Whoever trains then shows the whole image.

    Raises
    ------
    ArgumentError
        A turned view.
    """
    if view.turns % 4:
        raise ArgumentError("view", view, "one that is not turned: say the text anew")
    if view.window_xywh != whole(shape).window_xywh and _FRAME.search(text):
        return None
    height, width = shape
    there = view.shape

    def moved(box: Box) -> Box:
        x, y, w, h = box
        pixels = view.box((x * width / 100, y * height / 100, w * width / 100, h * height / 100))
        x, y, w, h = pixels
        return 100 * x / there[1], 100 * y / there[0], 100 * w / there[1], 100 * h / there[0]

    for _, box in find_boxes(text):
        if box is None:
            continue
        x, y, w, h = moved(box)
        if min(x, y) < -0.005 or max(x + w, y + h) > 100.005:
            return None
    text = move_boxes(text, moved)
    return _SIDE.sub(_other_side, text) if view.mirror else text


def _other_side(match: re.Match[str]) -> str:
    word = _SIDES[match[0].lower()]
    return word.capitalize() if match[0][0].isupper() else word


def shift_colours(image: np.ndarray, shift_lab: Sequence[float]) -> np.ndarray:
    """Return an image (H, W, 3) uint8 with every colour moved alike in CIELAB.

    ΔE of 1976 between any two pixels stays, but for rounding and for colours that leave sRGB.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        Codes, read as sRGB.
    shift_lab : (float, float, float)
        Added to L*, a* and b*.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab += np.asarray(shift_lab, dtype=np.float32)
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.clip(np.rint(255 * rgb), 0, 255).astype(np.uint8)


def sample_shift(rng: np.random.Generator) -> np.ndarray:
    """Return a random shift in CIELAB."""
    return rng.normal(0, LAB_SHIFT)
