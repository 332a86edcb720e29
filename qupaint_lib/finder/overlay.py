"""Outlines of flakes on their image, in the paper's colours."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np

from qupaint_lib.annotations import FEW_MAX, Flake
from qupaint_lib.errors import ArgumentError
from qupaint_lib.microscope.background import check_image

OUTLINE_COLORS = MappingProxyType(
    {"Mono": (0, 200, 0), "Few": (0, 90, 255), "Thick": (255, 140, 0), None: (150, 150, 150)}
)


def overlay(
    image: np.ndarray, flakes: Iterable[Flake], *, few_max: int = FEW_MAX, width_px: int = 2
) -> np.ndarray:
    """Return an image with the outlines of its flakes: Mono green, Few blue, Thick orange.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.
    flakes : iterable of Flake
        Of that image. Those of no layer class, or faint, are outlined in grey.
    few_max : int, optional
        The most layers that are still *few*.
    width_px : int, optional
        Width of the outline, which lies inside the flake.

    Returns
    -------
    (H, W, 3) uint8 array

    Raises
    ------
    ArgumentError
        A flake of an image of another shape.
    """
    from scipy.ndimage import binary_erosion

    drawn = np.round(check_image(image) * 255).astype(np.uint8)
    for flake in flakes:
        if flake.shape != drawn.shape[:2]:
            raise ArgumentError("flakes", flake.shape, f"flakes of an image of {drawn.shape[:2]}")
        left, top, width, height = flake.bbox_xywh
        mask = flake.cutout
        rim = mask & ~binary_erosion(mask, iterations=width_px)
        told = None if "faint" in flake.flags else flake.layer_class(few_max=few_max)
        drawn[top : top + height, left : left + width][rim] = OUTLINE_COLORS[told]
    return drawn
