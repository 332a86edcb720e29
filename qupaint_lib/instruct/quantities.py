"""What can be measured of every flake, and what the optical model says it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from qupaint_lib.annotations import Flake
from qupaint_lib.colorimetry import srgb_to_lab
from qupaint_lib.errors import ImageError
from qupaint_lib.microscope import Microscope, decode, encode, palette

_MARGIN_PX = 8, 40  # how far around a flake its substrate is taken, at least and at most
_EDGE_PX = 3  # left out on the substrate's side of an edge, which blur makes uncertain
_LEAST_CORE_PX, _LEAST_RING_PX = 12, 40
_RING_GRID = 48  # points along a side at which the substrate around is read
_SURFACE_GRID = 40  # points along the shorter side through which the substrate's surface is laid
_MOST_PX = 600  # of one region that are read; more does not change a mean
_CLIPPED = 2 / 255  # below the clip level: codes that noise keeps from it
USUAL_NOISE = 1.5 / 255  # of a pixel, where nobody says: that of the development micrographs
MOST_COMPARED = 30  # layers of the counts that a flake is compared with
_ROUNDING = 1 / 255 / np.sqrt(12)  # standard deviation that 8 bits add


@dataclass(frozen=True, eq=False)
class Quantities:
    """Optical quantities of N flakes against the substrate; NaN where they cannot be told.

    Attributes
    ----------
    contrast : (N, 3) array
        Light over the substrate's light, minus 1, for R, G, B.
    lab_shift : (N, 3) array
        Difference of L*, a*, b* to the substrate, codes read as sRGB (as PIA does, Eq. 10).
    visibility : (N,) array
        Largest step of the codes over the noise of a pixel.
    clipped : (N, 3) bool array
        Channels in which a flake is saturated; its contrast is NaN then.
    """

    contrast: np.ndarray
    lab_shift: np.ndarray
    visibility: np.ndarray
    clipped: np.ndarray

    @cached_property
    def delta_e(self) -> np.ndarray:
        """(N,) CIE 1976 colour difference to the substrate."""
        return np.sqrt((self.lab_shift**2).sum(axis=-1))


@lru_cache(maxsize=512)
def _lights(material: Any, microscope: Microscope, layer_counts: tuple[int, ...]) -> np.ndarray:
    """Return the light (1 + L, 3) of the bare substrate and of layer counts."""
    return palette(material, (0, *layer_counts), microscope)


@lru_cache(maxsize=512)
def predict(
    material: Any, microscope: Microscope, layer_counts: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return contrast (L, 3) and Lab shift (L, 3) of layer counts in the optical model."""
    light = _lights(material, microscope, layer_counts)
    lab = srgb_to_lab(encode(light, microscope))
    return light[1:] / light[0] - 1, lab[1:] - lab[0]


def counts_of_interest(scene: Any) -> tuple[int, ...]:
    """Return 1 to `MOST_COMPARED`, the layer counts of a scene, and those next to them."""
    counts = {f.layer_count for f in scene.flakes if f.layer_count}
    near = {n + k for n in counts for k in (-1, 0, 1) if n + k}
    return tuple(sorted({*range(1, MOST_COMPARED + 1)} | near))


def expect(scene: Any) -> Quantities:
    """Return what an image of a scene should show: from the flakes' own contrast and the model.

    A flake without `contrast` is given that of its layer count.
    """
    flakes, microscope = scene.flakes, scene.microscope
    counts = counts_of_interest(scene)
    bare = _lights(scene.material, microscope, counts)[0]
    table = dict(zip(counts, predict(scene.material, microscope, counts)[0], strict=True))
    unknown = np.full(3, np.nan)
    contrast = np.array(
        [table.get(f.layer_count, unknown) if f.contrast is None else f.contrast for f in flakes]
    ).reshape(-1, 3)
    light = bare * (1 + np.nan_to_num(contrast, nan=0.0))
    codes = encode(np.vstack([bare, light]), microscope)
    lab = srgb_to_lab(codes)
    shift = np.where(np.isnan(contrast), np.nan, lab[1:] - lab[0])
    step = np.where(np.isnan(contrast), np.nan, codes[1:] - codes[0])
    noise = np.array(microscope.noise_sigma)
    noise = np.hypot(noise, _ROUNDING) if noise.any() else np.full(3, USUAL_NOISE)
    clipped = codes[1:] >= microscope.clip_level - _CLIPPED
    return Quantities(contrast, shift, _over_noise(step, noise), clipped)


def measure(
    image: np.ndarray,
    flakes: Sequence[Flake],
    microscope: Microscope,
    names: np.ndarray | None = None,
    *,
    lower_bounds: bool = False,
) -> Quantities:
    """Return what an image shows: the middle of each flake against the substrate around it.

    Pixels within 2 px of a flake's edge are left out where enough remain, and means are taken over
    the middle half of the values, so that blur, dust and residue do not weigh in. `names` is the
    `label_map` of the flakes, where it is at hand; `lower_bounds` keeps the contrast of saturated
    flakes, of which no more is known than that it is larger.

    Raises
    ------
    ImageError
        Not a uint8 image (H, W, 3), or of another shape than the flakes.
    """
    image = check_image(image, flakes)
    names = label_map(flakes, image.shape[:2]) if names is None else names
    clean = clean_substrate(names)
    surface = _surface(image, clean)
    noise = _noise(image, clean)
    rows = [
        _flake_and_ring(image, names, number, clean, flake, surface)
        for number, flake in enumerate(flakes, start=1)
    ]
    codes = np.array(rows, dtype=np.float64).reshape(-1, 2, 3) / 255
    known = ~np.isnan(codes).any(axis=(1, 2))
    known &= (codes[:, 1] > 0).all(axis=1)
    clipped = codes[:, 0] >= microscope.clip_level - _CLIPPED
    safe = np.where(known[:, None, None], codes, 0.5)
    light = decode(safe, microscope)
    lab = srgb_to_lab(safe)
    contrast = light[:, 0] / light[:, 1] - 1
    hidden = ~known if lower_bounds else ~known | clipped.any(axis=1)
    contrast[hidden], shift = np.nan, lab[:, 0] - lab[:, 1]
    shift[~known] = np.nan
    step = np.where(known[:, None], codes[:, 0] - codes[:, 1], np.nan)
    return Quantities(contrast, shift, _over_noise(step, noise), clipped)


def check_image(image: np.ndarray, flakes: Sequence[Flake]) -> np.ndarray:
    """Return an image after checking that it is uint8 (H, W, 3) and the flakes are of its size."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageError("image", (image.shape, str(image.dtype)), "a uint8 array (H, W, 3)")
    for number, flake in enumerate(flakes):
        if flake.shape != image.shape[:2]:
            allowed = f"an image of the flakes' shape; flakes[{number}] has {flake.shape}"
            raise ImageError("image", image.shape[:2], allowed)
    return image


def label_map(flakes: Sequence[Flake], shape: tuple[int, int]) -> np.ndarray:
    """Return the (H, W) int32 map of flakes: 0 where none is, i + 1 on flake i."""
    names = np.zeros(shape, np.int32)
    for number, flake in enumerate(flakes, start=1):
        x, y, w, h = flake.bbox_xywh
        names[y : y + h, x : x + w][flake.cutout] = number
    return names


def clean_substrate(names: np.ndarray) -> np.ndarray:
    """Return the pixels of a map that are off every flake, and off the blur of its edge."""
    import cv2

    side = 2 * _EDGE_PX + 1
    return cv2.dilate((names > 0).view(np.uint8), np.ones((side, side), np.uint8)) == 0


def _flake_and_ring(
    image: np.ndarray,
    names: np.ndarray,
    number: int,
    clean: np.ndarray,
    flake: Flake,
    surface: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes (3,) of a flake's middle and of the substrate under it.

    The substrate's are those of the ring around it, and the `surface` of the substrate tells how
    much lighter it is in the middle than in the ring.
    """
    import cv2

    x, y, w, h = flake.bbox_xywh
    mask = (names[y : y + h, x : x + w] == number).view(np.uint8)
    if not mask.any():  # a mask that another one covers
        mask = np.ascontiguousarray(flake.cutout).view(np.uint8)
    core = mask
    for side in (5, 3):
        inner = cv2.erode(
            mask, np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
        )
        if cv2.countNonZero(inner) >= _LEAST_CORE_PX:
            core = inner
            break
    inside = _middle_mean(image[y : y + h, x : x + w][core.view(bool)])
    if surface is None:
        return inside, np.full(3, np.nan)
    there = _mean_powers(core, (x, y), 1, image.shape)
    margin = int(np.clip(max(w, h) / 2, *_MARGIN_PX))
    for reach in (margin, 4 * margin):
        step = 1 + (max(w, h) + 2 * reach) // _RING_GRID
        left, top = max(x - reach, 0), max(y - reach, 0)
        box = np.s_[top : y + h + reach : step, left : x + w + reach : step]
        ring = clean[box]
        if np.count_nonzero(ring) >= _LEAST_RING_PX:
            around = _middle_mean(image[box][ring])
            offset = (there - _mean_powers(ring, (left, top), step, image.shape)) @ surface
            return inside, around + offset
    return inside, there @ surface


def _surface(image: np.ndarray, clean: np.ndarray) -> np.ndarray | None:
    """Return the coefficients (6, 3) of a quadratic through the substrate; None without one."""
    step = max(1, min(image.shape[:2]) // _SURFACE_GRID)
    y, x = np.nonzero(clean[::step, ::step])
    if len(x) < _LEAST_RING_PX:
        return None
    values = image[::step, ::step][y, x].astype(np.float64)
    powers = _powers(x * step, y * step, image.shape)
    keep = np.ones(len(x), bool)
    for _ in range(3):  # residue is dropped as what is far from the surface
        kept = powers[keep]
        matrix = kept.T @ kept + 1e-6 * len(kept) * np.eye(6)
        surface = np.linalg.solve(matrix, kept.T @ values[keep])
        residual = abs(values - powers @ surface).max(axis=1)
        keep = residual <= 3 * np.median(residual) + 1
    return surface


def _powers(x: np.ndarray, y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return 1, x, y, x², xy, y² (N, 6) of pixels, in units of half the image from its middle."""
    u, v = (2 * x + 1) / shape[1] - 1, (2 * y + 1) / shape[0] - 1
    return np.stack([np.ones(len(u)), u, v, u * u, u * v, v * v], axis=1)


def _mean_powers(
    mask: np.ndarray, corner_xy: tuple[int, int], step: int, shape: tuple[int, ...]
) -> np.ndarray:
    """Return the mean powers (6,) of the pixels of a mask whose pixels are `step` apart."""
    y, x = np.nonzero(mask)
    thin = slice(None, None, -(-len(x) // _MOST_PX))
    return _powers(corner_xy[0] + step * x[thin], corner_xy[1] + step * y[thin], shape).mean(axis=0)


def _middle_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean (3,) of the middle half of the values (M, 3) of each channel."""
    if not len(values):
        return np.full(3, np.nan)
    values = np.sort(values[:: -(-len(values) // _MOST_PX)], axis=0)
    cut = len(values) // 4
    return values[cut : len(values) - cut].mean(axis=0, dtype=np.float64)


def _noise(image: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return the noise (3,) of pixels from differences over 4 px, blind to gradients and edges."""
    rows = np.s_[:: max(1, image.shape[0] // 32)]
    both = clean[rows, 4:] & clean[rows, :-4]
    if np.count_nonzero(both) < 200:
        return np.full(3, np.nan)
    difference = image[rows, 4:][both].astype(np.float32) - image[rows, :-4][both]
    limit = 4 * 1.4826 * np.maximum(np.median(abs(difference), axis=0), 1.0)
    spread = np.clip(difference, -limit, limit).std(axis=0) / np.sqrt(2) / 255
    return np.maximum(spread, _ROUNDING)


def _over_noise(step: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return (abs(step) / noise).max(axis=1) if len(step) else np.zeros(0)
