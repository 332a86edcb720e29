"""Contrast at every pixel, against a substrate that is followed over the field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qupaint_lib.errors import CalibrationError
from qupaint_lib.microscope import Microscope, decode, find_background
from qupaint_lib.microscope.background import check_image

CELL = 8  # pixels on a side of the cells on which the substrate is followed
_REACH_CELLS = 6.0  # standard deviation of the neighbourhood that tells the substrate of a cell
_FAITH = 0.02  # weight of the quadratic surface, against a cell full of substrate
_GROWTHS = 6
_SMALLEST_TOLERANCE = 0.008
_SIGMA_PX = 1.0


@dataclass(frozen=True, eq=False)
class ContrastMap:
    """Contrast of an image, light over the substrate's light minus 1.

    Attributes
    ----------
    smooth : (3, H, W) float32 array
        Averaged over a Gaussian of 1 px.
    gradient : (H, W) float32 array
        Length of the gradient of `smooth` over all channels, per pixel.
    differs : (H, W) bool array
        Pixels that are not substrate, averaged over a Gaussian of about 2 px.
    half : (3, h, w) float32 array
        Averaged over 2 × 2 pixels.
    on_substrate : (h, w) bool array
        Which of these are substrate.
    gradient_noise : float
        Median of `gradient` on the substrate.
    contrast_noise : (3,) array
        Standard deviation of `smooth` on the substrate.
    """

    smooth: np.ndarray
    gradient: np.ndarray
    differs: np.ndarray
    half: np.ndarray
    on_substrate: np.ndarray
    gradient_noise: float
    contrast_noise: np.ndarray

    def noise_of(self, half: np.ndarray, free: np.ndarray | bool = True) -> np.ndarray:
        """Return the robust standard deviation (3,) of an image like `half` on the substrate."""
        sample = np.flatnonzero((self.on_substrate & free).ravel())[::3]
        planes = half.reshape(3, -1)[:, sample]
        return np.maximum(robust_sigma(planes) if len(sample) else np.zeros(3), 1e-4)


def contrast_map(
    image: np.ndarray, microscope: Microscope, *, threshold_sigmas: float = 4.0
) -> ContrastMap:
    """Return the contrast of an image.

    The substrate's light is the surface of `find_background`, corrected by the mean of the cells
    around that hold nothing but substrate, from where it spreads into cells that go on smoothly:
    uneven light is followed, the plateau of a flake is not.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.
    microscope : Microscope
        Its transfer exponent tells light from codes.
    threshold_sigmas : float, optional
        How far from the substrate, in standard deviations of its noise, a pixel differs.

    Raises
    ------
    ImageError
        Not an image (H, W, 3) of codes in [0, 1].
    CalibrationError
        No substrate: an image all flake, or without any even surface.
    """
    codes = check_image(image).astype(np.float32, copy=False)
    light = codes if microscope.transfer_exponent == 1 else decode(codes, microscope)
    substrate, near = _substrate_cells(light.astype(np.float32, copy=False))
    contrast = np.empty((3, *light.shape[:2]), np.float32)
    for channel in range(3):
        surface = _spread(substrate[..., channel], light.shape[:2])
        np.divide(light[..., channel], surface, out=contrast[channel])
    contrast -= 1
    smooth = np.stack([blur(channel, _SIGMA_PX) for channel in contrast])
    gradient = _gradient(smooth)
    whole = _expand(near, light.shape[:2])
    sample = np.flatnonzero(whole.ravel())[::7]
    half = _half(contrast)
    on_substrate = whole[::2, ::2][: half.shape[1], : half.shape[2]]
    return ContrastMap(
        smooth,
        gradient,
        _differs(half, on_substrate, threshold_sigmas, light.shape[:2]),
        half,
        on_substrate,
        max(float(np.median(gradient.ravel()[sample])), 1e-4),
        np.maximum(robust_sigma(smooth.reshape(3, -1)[:, sample]), 1e-4),
    )


def _substrate_cells(light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the substrate's light (h, w, 3) and the mask (h, w) of cells that are substrate."""
    from scipy.ndimage import binary_erosion, gaussian_filter

    background = find_background(_block_means(light, CELL // 4))
    near = background.mask[::4, ::4]
    cells = _block_means(light, CELL)
    near = near[: cells.shape[0], : cells.shape[1]]
    surface = background.codes[2::4, 2::4][: cells.shape[0], : cells.shape[1]]
    if (surface <= 0).any():
        raise CalibrationError("image", "a background of no light", "a substrate that reflects")
    relative = cells / surface
    for _ in range(_GROWTHS):
        inner = binary_erosion(near, border_value=1)
        weight = (inner if inner.any() else near).astype(np.float32)
        share = gaussian_filter(weight, _REACH_CELLS, mode="constant", truncate=3) + _FAITH
        local = np.stack(
            [
                1
                + gaussian_filter((r - 1) * weight, _REACH_CELLS, mode="constant", truncate=3)
                / share
                for r in np.moveaxis(relative, -1, 0)
            ],
            axis=-1,
        )
        residual = abs(relative - local)
        tolerance = np.maximum(4 * robust_sigma(residual[near].T), _SMALLEST_TOLERANCE)
        grown = near | (residual < tolerance).all(axis=-1)
        if np.array_equal(grown, near):
            break
        near = grown
    return surface * local, near


def _block_means(image: np.ndarray, size: int) -> np.ndarray:
    height, width = (length // size for length in image.shape[:2])
    total = np.zeros((height, width, 3), np.float32)
    cut = image[: height * size, : width * size]
    for row in range(size):
        for column in range(size):
            total += cut[row::size, column::size]
    return total / size**2


def _spread(cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return values on cells (h, w) interpolated linearly over the pixels (H, W)."""
    matrices = []
    for count, length in zip(cells.shape, shape, strict=True):
        at = (np.arange(length) + 0.5) / CELL - 0.5
        matrices.append(np.stack([np.interp(at, np.arange(count), e) for e in np.eye(count)], 1))
    rows, columns = (m.astype(np.float32) for m in matrices)
    return rows @ cells.astype(np.float32) @ columns.T


def _expand(cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a mask of cells as a mask of pixels; what is left over at the sides is False."""
    fine = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
    pad = [(0, max(length - size, 0)) for length, size in zip(shape, fine.shape, strict=True)]
    return np.pad(fine, pad)[: shape[0], : shape[1]]


def blur(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Return an image (H, W) averaged over a Gaussian of `sigma` pixels."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(plane, sigma, truncate=2.5)


def _gradient(smooth: np.ndarray) -> np.ndarray:
    """Return the length of the gradient (H, W), central differences, all channels together."""
    squared = np.zeros(smooth.shape[1:], np.float32)
    for plane in smooth:
        squared[1:-1] += ((plane[2:] - plane[:-2]) / 2) ** 2
        squared[:, 1:-1] += ((plane[:, 2:] - plane[:, :-2]) / 2) ** 2
    squared[[0, -1]] = squared[[1, -2]]
    squared[:, [0, -1]] = squared[:, [1, -2]]
    return np.sqrt(squared)


def _half(planes: np.ndarray) -> np.ndarray:
    """Return means over 2 × 2 pixels; an odd last row or column is left out."""
    height, width = (length // 2 * 2 for length in planes.shape[1:])
    return sum(planes[:, y:height:2, x:width:2] for y in (0, 1) for x in (0, 1)) / 4


def _differs(
    half: np.ndarray, on_substrate: np.ndarray, sigmas: float, shape: tuple[int, int]
) -> np.ndarray:
    """Return where the contrast, averaged over about 2 px, is not that of the substrate."""
    distance = np.zeros(half.shape[1:], np.float32)
    for plane in half:
        blurred = blur(plane, 0.9)
        noise = max(float(robust_sigma(blurred[on_substrate][::3])), 1e-4)
        distance += (blurred / noise) ** 2
    far = (distance > 3 * sigmas**2).repeat(2, axis=0).repeat(2, axis=1)
    pad = [(0, length - size) for length, size in zip(shape, far.shape, strict=True)]
    return np.pad(far, pad, mode="edge")


def robust_sigma(values: np.ndarray) -> np.ndarray:
    """Return 1.4826 times the median distance from zero, along the last axis."""
    return 1.4826 * np.median(abs(values), axis=-1)
