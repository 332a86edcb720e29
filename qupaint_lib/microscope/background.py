"""The bare substrate of an image: the commonest colour, and its smooth change over the field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qupaint_lib.errors import CalibrationError, ImageError

_BLOCK = 4  # pixels on a side that are averaged before anything is fitted
_MODE_BIN = 3 / 255
_TOLERANCE_SIGMAS = 4.0
_SMALLEST_TOLERANCE = 1.5 / 255
_LEAST_SHARE = 0.02  # of the image that must be substrate


@dataclass(frozen=True, eq=False)
class Background:
    """The substrate of an image.

    Attributes
    ----------
    codes : (H, W, 3) array
        Smooth surface through the substrate, extended under the flakes.
    mask : (H, W) bool array
        Pixels that are substrate.
    noise_sigma : (3,) array
        Standard deviation of single pixels around the surface.
    """

    codes: np.ndarray
    mask: np.ndarray
    noise_sigma: np.ndarray


def find_background(image: np.ndarray) -> Background:
    """Return the substrate of an image: joint colour mode, then a masked quadratic surface.

    The commonest colour (jointly in R, G and B, of 4 × 4 block means) starts the mask. Then a
    quadratic surface is fitted to the masked blocks and the blocks near the surface become the
    new mask, until it no longer changes; vignetting is followed outwards from the mode.

    Parameters
    ----------
    image : (H, W, 3) float array
        Codes in [0, 1]. At least 32 × 32 pixels.

    Raises
    ------
    CalibrationError
        Less than 2 % of the image is an even surface.
    """
    image = check_image(image)
    blocks = _block_means(image)
    height, width = blocks.shape[:2]
    terms = _quadratic_terms(height, width).reshape(-1, 6)
    colors = blocks.reshape(-1, 3)
    near = np.linalg.norm(colors - _joint_mode(colors), axis=1) < 2 * _MODE_BIN
    for _ in range(30):
        if near.mean() < _LEAST_SHARE:
            allowed = f"at least {_LEAST_SHARE:.0%} of the image is substrate of one colour"
            raise CalibrationError("image", f"{near.mean():.1%} of even surface", allowed)
        masked = terms * near[:, None]
        coefficients = np.linalg.solve(masked.T @ terms, masked.T @ colors)
        residual = colors - terms @ coefficients
        spread = 1.4826 * np.median(abs(residual[near]), axis=0)
        tolerance = np.maximum(_TOLERANCE_SIGMAS * spread, _SMALLEST_TOLERANCE)
        previous, near = near, (abs(residual) < tolerance).all(axis=1)
        if np.array_equal(previous, near):
            break
    surface = _quadratic_surface(*image.shape[:2], coefficients).astype(image.dtype)
    mask = np.zeros(image.shape[:2], dtype=bool)
    fine = near.reshape(height, width).repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)
    mask[: fine.shape[0], : fine.shape[1]] = fine
    some = np.s_[:: _BLOCK - 1, :: _BLOCK - 1]  # a ninth of the pixels tells the noise
    difference = (image[some] - surface[some])[mask[some]]
    return Background(surface, mask, 1.4826 * np.median(abs(difference), axis=0))


def check_image(image: np.ndarray) -> np.ndarray:
    """Return an image as floats after checking that it is one.

    Raises
    ------
    ImageError
        Not (H, W, 3), smaller than 32 × 32, NaN, or codes outside [0, 1].
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 32:
        raise ImageError("image", image.shape, "an array (H, W, 3) of at least 32 × 32 pixels")
    if image.dtype == np.uint8:
        return image.astype(np.float32) / 255
    if not np.issubdtype(image.dtype, np.floating):
        raise ImageError("image", str(image.dtype), "floats in [0, 1], or 8-bit codes")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):  # also false for NaN
        raise ImageError("image", (low, high), "codes in [0, 1], none of them NaN")
    return image


def _block_means(image: np.ndarray) -> np.ndarray:
    height, width = (size // _BLOCK for size in image.shape[:2])
    cut = image[: height * _BLOCK, : width * _BLOCK]
    return cut.reshape(height, _BLOCK, width, _BLOCK, 3).mean(axis=(1, 3))


def _joint_mode(colors: np.ndarray) -> np.ndarray:
    """Return the commonest colour: the mean of the fullest 2 × 2 × 2 neighbourhood of bins."""
    bins = np.floor(colors / _MODE_BIN).astype(int)
    size = bins.max(axis=0) + 2
    counts = np.bincount(np.ravel_multi_index(bins.T, size), minlength=size.prod()).reshape(size)
    for axis in range(3):
        counts = counts + np.roll(counts, -1, axis)
    first = np.array(np.unravel_index(counts.argmax(), size))
    inside = ((bins - first) % size <= 1).all(axis=1)
    return colors[inside].mean(axis=0)


def _axes(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return y (H, 1) and x (W,) of a field whose sides run from −1 to 1."""
    y, x = ((np.arange(size) + 0.5) * 2 / size - 1 for size in (height, width))
    return y[:, None], x


def _quadratic_terms(height: int, width: int) -> np.ndarray:
    """Return (1, x, y, x², xy, y²) over a field, (H, W, 6)."""
    y, x = np.broadcast_arrays(*_axes(height, width))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _quadratic_surface(height: int, width: int, coefficients: np.ndarray) -> np.ndarray:
    """Return the surface of coefficients (6, 3) over a field, (H, W, 3)."""
    y, x = (axis[..., None] for axis in _axes(height, width))
    one, of_x, of_y, of_xx, of_xy, of_yy = coefficients
    return (one + x * of_x + x * x * of_xx) + y * (of_y + y * of_yy) + (y * x) * of_xy
