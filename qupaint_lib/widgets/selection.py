"""Flakes as the bench handles them: filtered, picked by a click, corrected, drawn, handed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qupaint_lib.annotations import Flake
from qupaint_lib.errors import ArgumentError
from qupaint_lib.finder import overlay
from qupaint_lib.widgets.pictures import SHOWN_PX, shrunk, with_text

NOT_A_FLAKE = "not a flake"
CORRECTED = "corrected"
_SAME = 0.5  # intersection over union from which two outlines are of one flake
_MOST_MARKS = 60


@dataclass(frozen=True)
class Filter:
    """Which flakes are shown and exported.

    Attributes
    ----------
    layers : (int, int)
        Fewest and most layers.
    thick : bool
        Show what is too thick to count too.
    min_area_px : float
        Smallest area in pixels.
    min_confidence : float
        Least probability, 0 to 1, of the layer count that is given.
    """

    layers: tuple[int, int] = (1, 10)
    thick: bool = True
    min_area_px: float = 0.0
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.layers[0] <= self.layers[1]:
            raise ArgumentError("layers", self.layers, "1 ≤ fewest ≤ most")
        if not 0 <= self.min_confidence <= 1:
            raise ArgumentError("min_confidence", self.min_confidence, "a probability, 0 to 1")

    def admits(self, flake: Flake) -> bool:
        """Tell whether a flake is shown; corrected ones pass any confidence."""
        if flake.layer_class() is None or flake.area_px < self.min_area_px:
            return False
        if flake.layer_count is None:
            return self.thick
        low, high = self.layers
        return low <= flake.layer_count <= high and confidence(flake) >= self.min_confidence


def confidence(flake: Flake) -> float:
    """Return the probability of the layer count that a flake is given; 0 where it has none."""
    return flake.probabilities.get(flake.layer_count, 0.0)


def select(flakes: Mapping[int, Flake], chosen: Filter) -> dict[int, Flake]:
    """Return the flakes that a filter admits, under the numbers that they keep."""
    return {number: flake for number, flake in flakes.items() if chosen.admits(flake)}


def flake_at(flakes: Mapping[int, Flake], x: float, y: float) -> int | None:
    """Return the number of the smallest flake under a position in pixels; None beside all."""
    under = []
    for number, flake in flakes.items():
        left, top, width, height = flake.bbox_xywh
        column, row = int(x) - left, int(y) - top
        if 0 <= column < width and 0 <= row < height and flake.cutout[row, column]:
            under.append((flake.area_px, number))
    return min(under)[1] if under else None


def corrected(flake: Flake, layer_count: int) -> Flake:
    """Return a flake with the layer count that somebody vouches for.

    Raises
    ------
    ArgumentError
        Not an integer of at least 1.
    """
    flags = (*(flag for flag in flake.flags if flag not in (CORRECTED, "thick")), CORRECTED)
    about = {"probabilities": {layer_count: 1.0}, "score": 1.0, "category": None, "flags": flags}
    return replace(flake, layer_count=layer_count, **about)


def match(outline: Flake, flakes: Mapping[int, Flake]) -> int | None:
    """Return the number of the flake with (nearly) the same outline; None where there is none."""
    overlaps = {number: _overlap(outline, flake) for number, flake in flakes.items()}
    best = max(overlaps, key=overlaps.get, default=None)
    return best if best is not None and overlaps[best] >= _SAME else None


def with_stage(
    flakes: Mapping[int, Flake],
    pixel_size_um: float | None,
    origin_um: tuple[float, float] | None,
    *,
    y_up: bool = False,
) -> list[Flake]:
    """Return flakes that know where they are on the stage.

    Parameters
    ----------
    flakes : mapping of int to Flake
        Of one image.
    pixel_size_um : float or None
        None leaves lengths unknown.
    origin_um : (float, float) or None
        Stage coordinates of the image's upper left corner.
    y_up : bool, optional
        Whether the stage's y grows upwards in the image.
    """
    axes = ((1.0, 0.0), (0.0, -1.0 if y_up else 1.0))
    about = {"pixel_size_um": pixel_size_um, "stage_origin_um": origin_um, "stage_axes": axes}
    return [replace(flake, **about) for flake in flakes.values()]


def annotate(
    codes: np.ndarray, flakes: Mapping[int, Flake], *, most_px: int | None = SHOWN_PX
) -> np.ndarray:
    """Return an image with outlines, and at the flakes their number, layers and probability.

    Parameters
    ----------
    codes : (H, W, 3) array
        8-bit codes, or codes in [0, 1].
    flakes : mapping of int to Flake
        Under their numbers; words stand at the 60 largest.
    most_px : int or None, optional
        Longest side of the result; None keeps the image's.
    """
    drawn = overlay(codes, flakes.values(), width_px=max(2, max(codes.shape) // 500))
    drawn = shrunk(drawn, most_px) if most_px else drawn
    scale = drawn.shape[1] / codes.shape[1]
    largest = sorted(flakes, key=lambda number: -flakes[number].area_px)[:_MOST_MARKS]
    marks = [(*(scale * v for v in flakes[n].center_xy), mark(n, flakes[n])) for n in largest]
    return with_text(drawn, marks)


def mark(number: int, flake: Flake) -> str:
    """Return the words at a flake: its number, its layers and how probable they are."""
    if flake.layer_count is None:
        return f"{number}: thick"
    return f"{number}: {flake.layer_count}L {confidence(flake):.2f}"


def rows(flakes: Mapping[int, Flake], pixel_size_um: float | None) -> list[tuple[str, ...]]:
    """Return the table beside the image, a row of words for each flake.

    Number, layers, probability, area (µm², or px where the pixel size is unknown), centre in
    pixels, remarks.
    """
    table = []
    for number, flake in flakes.items():
        thin = flake.layer_count is not None
        area = f"{flake.area_px} px"
        if pixel_size_um:
            area = f"{flake.area_px * pixel_size_um**2:.1f} µm²"
        x, y = flake.center_xy
        layers = str(flake.layer_count) if thin else "thick"
        sure = f"{confidence(flake):.2f}" if thin else "–"
        table.append((str(number), layers, sure, area, f"{x:.0f}, {y:.0f}", "; ".join(flake.flags)))
    return table


def known(flakes: Sequence[Flake]) -> list[tuple[np.ndarray, int]]:
    """Return (mask, layer count) of corrected flakes, as `microscope.calibrate` takes them."""
    return [(flake.mask, flake.layer_count) for flake in flakes if CORRECTED in flake.flags]


def _overlap(a: Flake, b: Flake) -> float:
    (ax, ay, aw, ah), (bx, by, bw, bh) = a.bbox_xywh, b.bbox_xywh
    left, top, right, bottom = (
        max(ax, bx),
        max(ay, by),
        min(ax + aw, bx + bw),
        min(ay + ah, by + bh),
    )
    if left >= right or top >= bottom:
        return 0.0
    common = (
        a.cutout[top - ay : bottom - ay, left - ax : right - ax]
        & b.cutout[top - by : bottom - by, left - bx : right - bx]
    ).sum()
    return float(common / (a.area_px + b.area_px - common))
