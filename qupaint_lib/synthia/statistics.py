"""What a micrograph looks like in numbers, measured alike on real and on synthetic images.

Noise is what remains of blocks of bare substrate after their mean; objects are where the smoothed
image differs from the substrate around it; edges are fitted with the error function. Codes are
counted 0 to 255 throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from qupaint_lib.errors import ArgumentError
from qupaint_lib.microscope.background import Background, check_image, find_background
from qupaint_lib.pia import local_delta_e, substrate_mask
from qupaint_lib.synthia.edges import edge_sigma

BLOCK = 16  # px on a side of the blocks in which noise is measured
SMALLEST_OBJECT_PX = 200
CLIPPED_FROM = 230  # code; all channels of a bulk flake are above
_SMALLEST_DELTA_E, _MADS = 1.5, 5.0


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of an even surface.

    Attributes
    ----------
    sigma : (3,) array
        Standard deviation in codes, R, G, B: root of the median variance of blocks.
    lag1, lag2 : (3,) arrays
        Correlation with the next pixel and the next but one, mean of both axes.
    cross : (3,) array
        Correlation between R and G, R and B, G and B.
    """

    sigma: np.ndarray
    lag1: np.ndarray
    lag2: np.ndarray
    cross: np.ndarray


@dataclass(frozen=True, eq=False)
class ImageStatistics:
    """The statistics by which synthetic images are compared with real ones.

    Attributes
    ----------
    noise : Noise
        Of the substrate.
    edge_sigma_px : (3,) array
        Median standard deviation of edges for R, G, B; NaN where there is none to fit.
    areas_px : (N,) int array
        Of objects of at least 200 px, thick flakes and debris included.
    coverage : float
        Share of the image that these objects cover.
    clipped_share : float
        Share of pixels that are white.
    gradient : float
        Range of the substrate's surface over the image, as a share of its mean; largest channel.
    """

    noise: Noise
    edge_sigma_px: np.ndarray
    areas_px: np.ndarray
    coverage: float
    clipped_share: float
    gradient: float


def measure(image: np.ndarray) -> ImageStatistics:
    """Return all statistics of an image.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.

    Raises
    ------
    ImageError, CalibrationError
        Not such an image, or one without an even surface, as in `find_background`.
    ArgumentError
        No block of 16 × 16 px is bare substrate.
    """
    image = check_image(image)
    background = find_background(image)
    areas = object_areas(image, background)
    return ImageStatistics(
        substrate_noise(image, substrate_mask(image, "local", background=background)),
        edge_sigma(image),
        areas,
        float(areas.sum() / (image.shape[0] * image.shape[1])),
        clipped_share(image),
        background_gradient(background),
    )


def substrate_noise(image: np.ndarray, substrate: np.ndarray) -> Noise:
    """Return the noise of an image where it is bare substrate.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.
    substrate : (H, W) bool array
        Bare substrate; blocks of 16 × 16 px that lie in it entirely are used.
    """
    blocks = _blocks(check_image(image) * np.float32(255))
    whole = _blocks(substrate[..., None]).all(axis=(1, 2, 3))
    if not whole.any():
        allowed = f"a mask that holds at least one block of {BLOCK} × {BLOCK} px"
        raise ArgumentError("substrate", f"{substrate.sum()} pixels", allowed)
    rest = blocks[whole].astype(np.float64)
    rest -= rest.mean(axis=(1, 2), keepdims=True)
    variance = rest.var(axis=(1, 2), ddof=1)
    flat = rest.reshape(-1, 3)
    cross = np.corrcoef(flat.T)[[0, 0, 1], [1, 2, 2]] if variance.all(axis=0).all() else None
    if cross is None:
        cross = np.zeros(3)
    return Noise(np.sqrt(np.median(variance, axis=0)), _lag(rest, 1), _lag(rest, 2), cross)


def object_areas(image: np.ndarray, background: Background | None = None) -> np.ndarray:
    """Return the areas in px of all that is not substrate, from 200 px on.

    ΔE76 of the smoothed image above max(1.5, median + 5 MAD) of the substrate's, opened by a
    pixel, in regions connected over sides and corners.
    """
    import cv2

    image = check_image(image)
    background = background or find_background(image)
    delta_e = local_delta_e(image, background=background)
    scatter = delta_e[background.mask]
    middle = np.median(scatter)
    threshold = max(_SMALLEST_DELTA_E, middle + _MADS * np.median(abs(scatter - middle)))
    material = cv2.morphologyEx(
        (delta_e > threshold).view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))
    )
    areas = cv2.connectedComponentsWithStats(material, connectivity=8)[2][1:, cv2.CC_STAT_AREA]
    return areas[areas >= SMALLEST_OBJECT_PX]


def clipped_share(image: np.ndarray) -> float:
    """Return the share of pixels whose three codes are 230 or more."""
    return float((check_image(image).min(axis=-1) >= CLIPPED_FROM / 255).mean())


def background_gradient(background: Background) -> float:
    """Return the range of the substrate's surface as a share of its mean, largest channel."""
    surface = background.codes
    return float((np.ptp(surface, axis=(0, 1)) / surface.mean(axis=(0, 1))).max())


def power_law_exponent(areas_px: np.ndarray, smallest: float = SMALLEST_OBJECT_PX) -> float:
    """Return α of a density ∝ area^−α above `smallest`, by maximum likelihood.

    Clauset, Shalizi & Newman, SIAM Rev. 51, 661 (2009), Eq. 3.1. NaN without areas.
    """
    areas = np.asarray(areas_px, dtype=np.float64)
    areas = areas[areas >= smallest]
    total = np.log(areas / smallest).sum()
    return float(1 + len(areas) / total) if total > 0 else float("nan")


def summary(statistics: Sequence[ImageStatistics]) -> dict[str, float | list[float]]:
    """Return one row of the realism table: medians over images, percentiles over all objects."""
    if not statistics:
        raise ArgumentError("statistics", statistics, "at least one image's")

    def median(values: list) -> list[float]:
        middle = np.ma.median(np.ma.masked_invalid(values), axis=0)
        return np.asarray(np.ma.filled(middle, np.nan)).tolist()

    areas = np.concatenate([s.areas_px for s in statistics])
    percentiles = np.percentile(areas, [50, 90, 99]) if areas.size else np.full(3, np.nan)
    noise = {
        f"noise_{field.name}": median([asdict(s.noise)[field.name] for s in statistics])
        for field in fields(Noise)
    }
    return {
        **noise,
        "edge_sigma_px": median([s.edge_sigma_px for s in statistics]),
        "objects": median([len(s.areas_px) for s in statistics]),
        "area_p50_px": float(percentiles[0]),
        "area_p90_px": float(percentiles[1]),
        "area_p99_px": float(percentiles[2]),
        "area_exponent": power_law_exponent(areas),
        "coverage": median([s.coverage for s in statistics]),
        "coverage_max": max(s.coverage for s in statistics),
        "clipped_share": median([s.clipped_share for s in statistics]),
        "clipped_share_max": max(s.clipped_share for s in statistics),
        "gradient_max": max(s.gradient for s in statistics),
    }


def _blocks(image: np.ndarray) -> np.ndarray:
    """Return the whole blocks of an image (H, W, C) as (N, 16, 16, C)."""
    rows, columns = (size // BLOCK for size in image.shape[:2])
    cut = image[: rows * BLOCK, : columns * BLOCK]
    split = cut.reshape(rows, BLOCK, columns, BLOCK, -1).swapaxes(1, 2)
    return split.reshape(rows * columns, BLOCK, BLOCK, -1)


def _lag(rest: np.ndarray, lag: int) -> np.ndarray:
    """Return the correlation (3,) of pixels `lag` apart in blocks (N, 16, 16, 3) of mean 0."""
    power = np.maximum((rest**2).mean(axis=(0, 1, 2)), 1e-12)
    down = (rest[:, lag:] * rest[:, :-lag]).mean(axis=(0, 1, 2))
    right = (rest[:, :, lag:] * rest[:, :, :-lag]).mean(axis=(0, 1, 2))
    return (down + right) / 2 / power
