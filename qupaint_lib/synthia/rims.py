"""What real optics does with thick flakes: dull tops, a dark rim at the edge, a bluish veil beyond.

Both are fitted to the mean profiles across the edges of bulk flakes in the development
micrographs. The steep side of a thick flake throws its light out of the aperture, and an objective
that is corrected for red and green spreads blue, and a little of everything, over a few pixels.
"""

from __future__ import annotations

import numpy as np

from qupaint_lib.materials import get_material
from qupaint_lib.microscope import Microscope
from qupaint_lib.synthia.scene import Scene

STEEP_FROM_NM = 25.0  # height of a step that throws away half as much as a very high one
VEIL_SHARE = (0.06, 0.06, 0.22)  # of R, G, B that is spread, where the microscope blurs at all
_MARGIN_PX = 4  # around a crystal, in which its rim ends
_WIDTH_PX = 0.6  # standard deviation of the rim before the blur
_DEPTH = (1.5, 1.5, 0.8)  # of the rim in R, G, B: light is multiplied by exp(−depth · steepness)
_DEPTH_SPREAD = 0.6  # of its logarithm, from crystal to crystal
_VISIBLE = 0.02
_DULL_POWER = 8  # of the steepness: only what is nearly bulk is dull
_DULLEST = 0.6  # light of the most tilted or cracked half of bulk crystals, over a smooth one


def steepness_of(layer_count: int, material: str) -> float:
    """Return how much a terrace's side acts like that of a very high one, 0 to 1."""
    height = layer_count * get_material(material).layer_thickness_nm
    return height**2 / (height**2 + STEEP_FROM_NM**2)


def draw_rims(
    light: np.ndarray, scene: Scene, microscope: Microscope, white: np.ndarray
) -> np.ndarray:
    """Return light (3, H, W) float32 with dull tops of bulk flakes and dark sides of thick ones.

    Nothing changes in scenes without thick terraces, or with a microscope that does not blur.

    Parameters
    ----------
    light : (3, H, W) float32 array
        Sharp flakes.
    white : (3,) array
        Light at which R, G, B saturate: what is dull is a neutral shade of it.
    """
    import cv2

    steepness = {
        n: steepness_of(n, scene.material) if n else 0.0
        for n in {0} | {t.layer_count for crystal in scene.crystals for t in crystal.terraces}
    }
    if not microscope.blur_sigma_px or max(steepness.values()) < 0.02:
        return light
    rng = np.random.default_rng([scene.seed, 2])
    depths = np.exp(_DEPTH_SPREAD * rng.standard_normal(len(scene.crystals)))
    dullness = (1 - _DULLEST) * np.maximum(2 * rng.random(len(scene.crystals)) - 1, 0)
    for crystal, raster, factor, dull in zip(
        scene.crystals, scene.rasters, depths, dullness, strict=True
    ):
        table = np.float32([0, *(steepness[t.layer_count] for t in crystal.terraces)])
        if raster is None or table.max() < 0.02:
            continue
        height = table[raster.labels]
        height.flat[raster.edge] = raster.shares @ table
        (left, top), size = raster.corner_xy, height.shape
        if dull:
            flat = 1 - np.float32(dull) * height**_DULL_POWER
            here = light[:, top : top + size[0], left : left + size[1]]
            for plane, most in zip(here, white.tolist(), strict=True):
                np.minimum(plane, np.where(flat < 1 - _VISIBLE, most * flat, plane), out=plane)
        height = cv2.copyMakeBorder(
            height, *[_MARGIN_PX] * 4, cv2.BORDER_REPLICATE
        )  # cut, not a side
        height = cv2.GaussianBlur(height, (0, 0), _WIDTH_PX)
        dx, dy = (cv2.Sobel(height, cv2.CV_32F, i, 1 - i, scale=1 / 8) for i in (1, 0))
        slope = np.sqrt(dx * dx + dy * dy)  # cv2.magnitude's last bit depends on where arrays lie
        slope *= np.float32(np.sqrt(2 * np.pi) * _WIDTH_PX)
        top, left, shape = top - _MARGIN_PX, left - _MARGIN_PX, height.shape
        part = light[:, max(top, 0) : top + shape[0], max(left, 0) : left + shape[1]]
        slope = slope[max(-top, 0) :, max(-left, 0) :][: part.shape[1], : part.shape[2]]
        dim = {depth: np.exp(slope * np.float32(-depth * factor)) for depth in set(_DEPTH)}
        for plane, depth in zip(part, _DEPTH, strict=True):
            plane *= dim[depth]
    return light
