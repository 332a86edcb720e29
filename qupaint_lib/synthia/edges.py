"""How sharp an image is: straight edges fitted with the error function."""

from __future__ import annotations

import numpy as np

from qupaint_lib.microscope.background import check_image

HALF = 6  # px from the middle of a window to its sides
MOST_WINDOWS = 250
_SMALLEST_STEP, _LARGEST_CODE = 12.0, 225.0  # codes; clipped edges look sharper than they are
_LARGEST_REST = 0.03  # root mean square of what the fit leaves, as a share of the step
_WIDEST_PX = 3.0


def edge_sigma(image: np.ndarray, most_windows: int = MOST_WINDOWS) -> np.ndarray:
    """Return the standard deviation of an image's edges, median over straight, unclipped ones.

    Windows of 13 × 13 px around the steepest places are fitted with
    low + step · (1 + erf(t / (√2 σ))) / 2, t the distance from a straight line.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.
    most_windows : int, optional
        That are tried, evenly spread over what is steep enough.

    Returns
    -------
    (3,) array
        For R, G, B, in px; NaN for a channel without an edge that the fit meets.
    """
    codes = check_image(image).astype(np.float32) * 255
    found = [[], [], []]
    for row, column, angle in _steep_places(codes, most_windows):
        window = codes[row - HALF : row + HALF + 1, column - HALF : column + HALF + 1]
        if window.max() > _LARGEST_CODE:
            continue
        for channel in range(3):
            sigma = _fit(window[..., channel].astype(np.float64), angle)
            if sigma is not None:
                found[channel].append(sigma)
    return np.array([np.median(sigmas) if sigmas else np.nan for sigmas in found])


def _steep_places(codes: np.ndarray, most: int) -> list[tuple[int, int, float]]:
    """Return row, column and direction of the gradient where it is largest across an edge."""
    import cv2

    grey = cv2.GaussianBlur(np.ascontiguousarray(codes[..., 1]), (0, 0), 1.0)
    dx, dy = (cv2.Sobel(grey, cv2.CV_32F, i, 1 - i, scale=1 / 8) for i in (1, 0))
    slope = np.hypot(dx, dy)
    steep = slope > _SMALLEST_STEP / 4
    steep &= slope >= cv2.dilate(slope, np.ones((5, 5)))  # the steepest around
    steep[: HALF + 1] = steep[-HALF - 1 :] = False
    steep[:, : HALF + 1] = steep[:, -HALF - 1 :] = False
    rows, columns = np.nonzero(steep)
    some = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))
    return [
        (int(y), int(x), float(np.arctan2(dy[y, x], dx[y, x])))
        for y, x in zip(rows[some], columns[some], strict=True)
    ]


def _fit(window: np.ndarray, angle: float) -> float | None:
    """Return σ of the edge through a window (13, 13); None where it is not one straight edge."""
    from scipy.optimize import least_squares
    from scipy.special import erf

    y, x = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]

    def model(parameters: np.ndarray) -> np.ndarray:
        low, step, shift, direction, sigma = parameters
        distance = x * np.cos(direction) + y * np.sin(direction) - shift
        return low + step * (1 + erf(distance / (np.sqrt(2) * sigma))) / 2

    along = x * np.cos(angle) + y * np.sin(angle)
    low, high = window[along < -3].mean(), window[along > 3].mean()
    if abs(high - low) < _SMALLEST_STEP:
        return None
    start = [low, high - low, 0.0, angle, 0.9]
    bounds = ([-500, -500, -3, angle - 0.6, 0.05], [500, 500, 3, angle + 0.6, _WIDEST_PX])
    try:
        fit = least_squares(lambda p: (model(p) - window).ravel(), start, bounds=bounds, xtol=1e-4)
    except ValueError:  # a window whose means lie outside the bounds
        return None
    rest = np.sqrt(2 * fit.cost / window.size)
    good = rest < max(_LARGEST_REST * abs(fit.x[1]), 1.5) and abs(fit.x[1]) >= _SMALLEST_STEP
    return float(fit.x[4]) if good and fit.x[4] < 0.98 * _WIDEST_PX else None
