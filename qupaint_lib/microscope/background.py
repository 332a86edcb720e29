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
_SETTLED_SHARE = 1e-4  # of the blocks may still change sides when the fit ends
_POWER_Y, _POWER_X = np.array([[0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0]])  # of a quadratic surface


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
    new mask, until it hardly changes; vignetting is followed outwards from the mode.

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
    mode = _joint_mode(blocks.reshape(3, -1))
    near = ((blocks - mode[:, None, None]) ** 2).sum(axis=0) < (2 * _MODE_BIN) ** 2
    for _ in range(30):
        if near.mean() < _LEAST_SHARE:
            allowed = f"at least {_LEAST_SHARE:.0%} of the image is substrate of one colour"
            raise CalibrationError("image", f"{near.mean():.1%} of even surface", allowed)
        coefficients = _fit_surface(blocks, near)
        residual = abs(blocks - np.moveaxis(_surface(*near.shape, coefficients), -1, 0))
        tolerance = np.maximum(_TOLERANCE_SIGMAS * _spread(residual[:, near]), _SMALLEST_TOLERANCE)
        previous, near = near, (residual < tolerance[:, None, None]).all(axis=0)
        if (previous != near).mean() < _SETTLED_SHARE:
            break
    surface = _surface(*image.shape[:2], coefficients, image.dtype)
    mask = np.zeros(image.shape[:2], dtype=bool)
    fine = near.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)
    mask[: fine.shape[0], : fine.shape[1]] = fine
    some = np.s_[:: _BLOCK - 1, :: _BLOCK - 1]  # a ninth of the pixels tells the noise
    return Background(surface, mask, _spread(abs(image[some] - surface[some])[mask[some]].T))


def check_image(image: np.ndarray) -> np.ndarray:
    """Return an image as floats after checking that it is one.

    Raises
    ------
    ImageError
        Not (H, W, 3), smaller than 32 × 32, NaN, or codes outside [0, 1].
    """
    return as_floats(check_codes(image))


def as_floats(codes: np.ndarray) -> np.ndarray:
    """Return codes in [0, 1] of 8-bit ones, and floats as they are."""
    return codes.astype(np.float32) / 255 if codes.dtype == np.uint8 else codes


def check_codes(image: np.ndarray) -> np.ndarray:
    """Return an image as it is, 8-bit or floats, after checking that it is one.

    Raises
    ------
    ImageError
        Not (H, W, 3), smaller than 32 × 32, NaN, or codes outside [0, 1].
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 32:
        raise ImageError("image", image.shape, "an array (H, W, 3) of at least 32 × 32 pixels")
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise ImageError("image", str(image.dtype), "floats in [0, 1], or 8-bit codes")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):  # also false for NaN
        raise ImageError("image", (low, high), "codes in [0, 1], none of them NaN")
    return image


def _block_means(image: np.ndarray) -> np.ndarray:
    """Return the means of blocks, (3, H / 4, W / 4); sums of slices run at memory's speed."""
    height, width = (size // _BLOCK for size in image.shape[:2])
    cut = image[: height * _BLOCK, : width * _BLOCK]
    rows = sum(cut[i::_BLOCK] for i in range(_BLOCK)).reshape(height, -1)
    step = 3 * _BLOCK
    sums = [sum(rows[:, i::step] for i in range(channel, step, 3)) for channel in range(3)]
    return np.array(sums, dtype=np.float64) / _BLOCK**2


def _spread(deviation: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each row of |deviations| (3, N), from their median."""
    middle = deviation.shape[1] // 2
    return 1.4826 * np.partition(np.ascontiguousarray(deviation), middle, axis=1)[:, middle]


def _joint_mode(colors: np.ndarray) -> np.ndarray:
    """Return the commonest of colours (3, N): the mean of the fullest 2 × 2 × 2 bins."""
    bins = (colors / _MODE_BIN).astype(np.int32)
    size = bins.max(axis=1) + 2
    counts = np.bincount(np.ravel_multi_index(bins, size), minlength=size.prod()).reshape(size)
    for axis in range(3):
        counts = counts + np.roll(counts, -1, axis)
    first = np.array(np.unravel_index(counts.argmax(), size))[:, None]
    inside = ((bins == first) | (bins == (first + 1) % size[:, None])).all(axis=0)
    return colors[:, inside].mean(axis=1)


def _powers(size: int, count: int) -> np.ndarray:
    """Return (size, count) powers 0, 1, … of a coordinate that runs from −1 to 1."""
    return ((np.arange(size) + 0.5) * 2 / size - 1)[:, None] ** np.arange(count)


def _fit_surface(planes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return (C, 3, 3) coefficients, by powers of y and x, of the surfaces through masked planes.

    The sums of least squares are products with the powers along either axis.
    """
    height, width = mask.shape
    moments = _powers(height, 5).T @ mask @ _powers(width, 5)
    sides = _powers(height, 3).T @ (planes * mask) @ _powers(width, 3)
    matrix = moments[_POWER_Y[:, None] + _POWER_Y, _POWER_X[:, None] + _POWER_X]
    coefficients = np.zeros_like(sides)
    coefficients[:, _POWER_Y, _POWER_X] = np.linalg.solve(matrix, sides[:, _POWER_Y, _POWER_X].T).T
    return coefficients


def _surface(
    height: int, width: int, coefficients: np.ndarray, dtype: type = np.float64
) -> np.ndarray:
    """Return the surfaces of coefficients (C, 3, 3) over a field, (H, W, C)."""
    of_x = np.moveaxis(coefficients @ _powers(width, 3).T, 0, -1).reshape(3, -1)
    surface = _powers(height, 3).astype(dtype) @ of_x.astype(dtype)
    return surface.reshape(height, width, -1)
