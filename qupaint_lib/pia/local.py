"""Attention per pixel against the substrate around it: the paper's idea, made robust.

The paper's map loses small flakes in its patches, and its percentile calls a tenth of every image
material. Here every pixel is compared with a smooth surface through the substrate, and a threshold
comes from the substrate's own scatter. The work is done on means of 2 × 2 pixels, which the
smoothing makes as good as pixels.
"""

from __future__ import annotations

import numpy as np

from qupaint_lib.colorimetry import RGB_TO_XYZ, srgb_to_linear
from qupaint_lib.errors import ArgumentError
from qupaint_lib.microscope.background import Background, check_image, find_background
from qupaint_lib.pia.paper import check_exponent, codes_to_lab

SIGMA_PX, SMALLEST_SIGMA_PX = 2.0, 0.5
SMALLEST_THRESHOLD, MADS = 1.5, 5.0
_PAIR_VARIANCE = 0.25  # px², of the mean of two neighbours: what the 2 × 2 means smooth already
_DARKEST = 1 / 255  # of a background surface that is divided by
_CUBE_ROOT_FROM = (6 / 29) ** 3


def local_delta_e(
    image: np.ndarray,
    *,
    background: Background | None = None,
    flat_field: np.ndarray | None = None,
    sigma_px: float = SIGMA_PX,
    transfer_exponent: float | str = 1.0,
) -> np.ndarray:
    """Return ΔE76 of every pixel of the smoothed image against the substrate under it.

    The smoothed image is divided by the substrate's surface, so that vignetting goes, multiplied
    by the substrate's mean colour, and compared with that.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.
    background : Background, optional
        The substrate, where it is known already; by default `find_background` finds it.
    flat_field : (H, W, 3) array, optional
        Image of a bare wafer through the same microscope, used where no background is given: its
        shape is taken out before the substrate is sought.
    sigma_px : float, optional
        Standard deviation of the Gaussian that smooths the image; at least 0.5.
    transfer_exponent : float or "srgb", optional
        How codes become light before Lab; 1 is right for machine-vision cameras.

    Returns
    -------
    (H, W) float32 array

    Raises
    ------
    ImageError
        Not an image (H, W, 3) of codes in [0, 1], or one with NaN.
    CalibrationError
        Less than 2 % of the image is an even surface.
    ArgumentError
        A background or flat-field of another shape, a flat-field with zeros, an option out of
        range.
    """
    image = check_image(image)
    background = substrate_of(image, background, flat_field)
    delta_e = _half_delta_e(image, background, sigma_px, transfer_exponent)
    return _enlarge(delta_e, image.shape[:2])


def local_substrate_mask(
    image: np.ndarray,
    *,
    background: Background | None = None,
    flat_field: np.ndarray | None = None,
    sigma_px: float = SIGMA_PX,
    transfer_exponent: float | str = 1.0,
    smallest_threshold: float = SMALLEST_THRESHOLD,
    mads: float = MADS,
) -> np.ndarray:
    """Return the pixels that are bare substrate, with a margin of about 4 px around material.

    Material is where ΔE exceeds max(`smallest_threshold`, median + `mads` · MAD); median and
    median absolute deviation are those of the substrate. Specks are dropped (opening by 2 px), the
    rest is grown.

    Parameters
    ----------
    image, background, flat_field, sigma_px, transfer_exponent
        As in `local_delta_e`.
    smallest_threshold : float, optional
        ΔE that is still substrate, however even that is.
    mads : float, optional
        Median absolute deviations above the median that are still substrate.

    Returns
    -------
    (H, W) bool array
    """
    from scipy.ndimage import binary_dilation, binary_opening

    image = check_image(image)
    background = substrate_of(image, background, flat_field)
    delta_e = _half_delta_e(image, background, sigma_px, transfer_exponent)
    scatter = delta_e[background.mask[::2, ::2]]
    middle = np.median(scatter)
    threshold = max(smallest_threshold, middle + mads * np.median(abs(scatter - middle)))
    material = binary_dilation(binary_opening(delta_e > threshold), iterations=2)
    return ~_enlarge(material, image.shape[:2])


def substrate_of(
    image: np.ndarray, background: Background | None, flat_field: np.ndarray | None
) -> Background:
    """Return the background that was given, or find it, behind a flat-field where there is one."""
    if background is not None:
        if background.codes.shape != image.shape:
            allowed = f"the background of an image of shape {image.shape}"
            raise ArgumentError("background", background.codes.shape, allowed)
        return background
    if flat_field is None:
        return find_background(image)
    flat = check_image(flat_field)
    if flat.shape != image.shape:
        raise ArgumentError("flat_field", flat.shape, f"the image's shape {image.shape}")
    if flat.min() < _DARKEST:
        raise ArgumentError("flat_field", float(flat.min()), "codes of at least 1/255")
    shape = flat / flat.max(axis=(0, 1))
    found = find_background(np.minimum(image / shape, 1))
    return Background(found.codes * shape, found.mask, found.noise_sigma)


def _half_delta_e(
    image: np.ndarray, background: Background, sigma_px: float, transfer_exponent: float | str
) -> np.ndarray:
    """Return ΔE76 of means of 2 × 2 pixels, (⌈H/2⌉, ⌈W/2⌉) float32."""
    from scipy.ndimage import gaussian_filter

    if not SMALLEST_SIGMA_PX <= sigma_px <= 100:
        raise ArgumentError("sigma_px", sigma_px, f"{SMALLEST_SIGMA_PX} to 100 px")
    check_exponent(transfer_exponent)
    sigma = np.sqrt(sigma_px**2 - _PAIR_VARIANCE) / 2
    planes = _half(image)
    surface = np.ascontiguousarray(np.moveaxis(background.codes[::2, ::2], -1, 0), np.float32)
    color = surface.mean(axis=(1, 2))
    planes *= color[:, None, None] / np.maximum(surface, _DARKEST)
    planes = np.stack([gaussian_filter(plane, sigma) for plane in planes]) if sigma else planes
    lightness, a, b = _lab_planes(planes, transfer_exponent)
    l0, a0, b0 = codes_to_lab(color, transfer_exponent).astype(np.float32)
    return np.sqrt((lightness - l0) ** 2 + (a - a0) ** 2 + (b - b0) ** 2)


def _half(image: np.ndarray) -> np.ndarray:
    """Return the means of 2 × 2 pixels as (3, ⌈H/2⌉, ⌈W/2⌉) float32; odd edges are repeated."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    rows = (image[::2] + image[1::2]).reshape(len(image) // 2, -1)  # R, G, B in turn
    sums = [rows[:, channel::6] + rows[:, channel + 3 :: 6] for channel in range(3)]
    return np.array(sums, dtype=np.float32) / 4


def _lab_planes(planes: np.ndarray, transfer_exponent: float | str) -> list[np.ndarray]:
    """Return L*, a*, b* of codes (3, h, w) in float32; `codes_to_lab` to 1e-3, and quick."""
    if transfer_exponent == "srgb":
        planes = srgb_to_linear(planes).astype(np.float32)
    elif transfer_exponent != 1:
        planes = np.maximum(planes, 0) ** np.float32(transfer_exponent)
    to_ratio = (RGB_TO_XYZ / RGB_TO_XYZ.sum(axis=1, keepdims=True)).astype(np.float32)
    ratio = (to_ratio @ planes.reshape(3, -1)).reshape(planes.shape)
    straight = ratio * np.float32((29 / 6) ** 2 / 3) + np.float32(4 / 29)
    fx, fy, fz = np.where(ratio > _CUBE_ROOT_FROM, np.cbrt(ratio), straight)
    return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)]


def _enlarge(half: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a half-size map at full size, every value four times."""
    return half.repeat(2, axis=0)[: shape[0]].repeat(2, axis=1)[:, : shape[1]]
