"""The paper's Physics-Informed Attention: Algorithm 2, Eq. 10–11 and 18–19, to the letter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qupaint_lib._arrays import namespace
from qupaint_lib.colorimetry import delta_e_76, linear_rgb_to_lab, srgb_to_linear
from qupaint_lib.errors import ArgumentError
from qupaint_lib.microscope.background import as_floats, check_codes

Array = Any  # numpy.ndarray or torch.Tensor

SIZE, PATCH, PERCENTILE = (448, 448), (14, 14), 90.0
EPSILON = 1e-6  # of Eq. 18
_SAMPLE, _BRACKET = 2048, (-0.05, 0.05)  # 4.5 standard deviations of a sample's median
UNIFORM_DELTA_E = 1e-3  # a map that varies less holds the rounding of the resize, and nothing else


def patch_scores(
    image: np.ndarray,
    *,
    size: tuple[int, int] = SIZE,
    patch: tuple[int, int] = PATCH,
    background: np.ndarray | None = None,
    transfer_exponent: float | str = "srgb",
) -> np.ndarray:
    """Return the PIA score ΔE_k of every patch (Eq. 11), one number per token of the encoder.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.
    size : (int, int), optional
        Height and width that the image is resized to.
    patch : (int, int), optional
        Height and width of a patch; they divide `size`.
    background : (3,) array or (H, W) bool array, optional
        Colour of the substrate in codes in [0, 1], or a region of the image as it was given, whose
        median is taken. By default the median of all pixels of the resized image.
    transfer_exponent : float or "srgb", optional
        How codes become light before Lab; the paper treats images as sRGB.

    Returns
    -------
    (size[0] / patch[0], size[1] / patch[1]) float64 array
        ΔE76, not normalised.

    Raises
    ------
    ImageError
        Not an image (H, W, 3) of codes in [0, 1], or one with NaN.
    ArgumentError
        Patches that do not divide the size; a region of another shape, or an empty one.
    """
    image = check_codes(image)
    check_patches(size, patch)
    resized = image if image.shape[:2] == tuple(size) else resize(as_floats(image), size)
    codes = _patch_codes(resized, patch)
    medians = _patch_medians(codes)
    median = background is None
    color = _median(resized, codes) if median else _background_color(image, background)
    scores = color_scores(medians, color, transfer_exponent)
    return scores.reshape(size[0] // patch[0], size[1] // patch[1])


def color_scores(medians: Array, background: Array, transfer_exponent: float | str) -> Array:
    """Return ΔE76 (…, K) of median colours (…, K, 3) against a background's (…, 3), both in codes.

    The order is Φ(median), Lab of the median colour, as in Eq. 11; the median of the pixels' Lab
    would differ, by ten ΔE and more where a patch is split. Both sides go through one conversion,
    so that equal colours give exactly 0.
    """
    xp = namespace(medians)
    lab = codes_to_lab(xp.concatenate([medians, background[..., None, :]], -2), transfer_exponent)
    return delta_e_76(lab[..., :-1, :], lab[..., -1:, :])


def codes_to_lab(codes: Array, transfer_exponent: float | str) -> Array:
    """Return CIELAB (D65) of codes in [0, 1], (…, 3)."""
    check_exponent(transfer_exponent)
    if transfer_exponent == "srgb":
        return linear_rgb_to_lab(srgb_to_linear(codes))
    return linear_rgb_to_lab(codes**transfer_exponent)


def check_exponent(transfer_exponent: float | str) -> None:
    """Refuse what is neither an exponent nor ``"srgb"``."""
    number = isinstance(transfer_exponent, int | float | np.number)
    if transfer_exponent != "srgb" and not (number and 0.2 <= transfer_exponent <= 5):
        raise ArgumentError("transfer_exponent", transfer_exponent, '0.2 to 5, or "srgb"')


def spread_out(scores: Array, patch: tuple[int, int]) -> Array:
    """Return the map (…, H, W) in which every pixel of a patch has the patch's score (…, h, w).

    This is the reshape of Algorithm 2, line 12: patches stand row by row.
    """
    *batch, rows, columns = scores.shape
    wide = scores[..., :, None, :, None]
    shape = (*batch, rows, patch[0], columns, patch[1])
    wide = namespace(scores).broadcast_to(wide, shape)
    return wide.reshape(*batch, rows * patch[0], columns * patch[1])


def normalised(scores: Array) -> Array:
    """Return (A − min A) / (max A − min A + ε) over the last two axes (Eq. 18), in [0, 1].

    A map that varies by less than 0.001 ΔE is that of a uniform image: all zeros.
    """
    xp = namespace(scores)
    low = xp.amin(scores, (-2, -1))[..., None, None]
    span = xp.amax(scores, (-2, -1))[..., None, None] - low
    return xp.where(span < UNIFORM_DELTA_E, scores * 0, (scores - low) / (span + EPSILON))


def below_percentile(attention: Array, percentile: float = PERCENTILE) -> Array:
    """Return M_sub, the pixels under a percentile of each normalised map (…, H, W) (Eq. 19).

    The paper's inequality is strict. Where the percentile is 0, as in a uniform image, or in one
    whose patches nearly all share the least contrast, it would leave nothing; there the pixels
    that are 0 are substrate. So a uniform image is all substrate.
    """
    if not 0 < percentile < 100:
        raise ArgumentError("percentile", percentile, "more than 0 and less than 100")
    flat = attention.reshape(*attention.shape[:-2], -1)
    limit = namespace(attention).quantile(flat, percentile / 100, -1)[..., None, None]
    return (attention < limit) | (attention == 0)


def paper_substrate_mask(
    image: np.ndarray,
    *,
    percentile: float = PERCENTILE,
    patch: tuple[int, int] = PATCH,
    **options: Any,
) -> np.ndarray:
    """Return M_sub (Eq. 19) at the image's own size, (H, W) bool; options of `patch_scores`."""
    attention = spread_out(normalised(patch_scores(image, patch=patch, **options)), patch)
    return enlarge(below_percentile(attention, percentile), np.shape(image)[:2])


def enlarge(mask: Array, shape: tuple[int, int]) -> Array:
    """Return a mask (…, h, w) at another size (…, H, W), without interpolation."""
    rows, columns = (
        (2 * np.arange(size) + 1) * old // (2 * size)
        for size, old in zip(shape, mask.shape[-2:], strict=True)
    )
    return mask[..., rows[:, None], columns]


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image (H, W, 3) of another size: linear interpolation, averaged where it shrinks.

    Pillow's and, within rounding, ``torch.nn.functional.interpolate``'s ``bilinear`` with
    antialiasing; the paper does not say which it uses.
    """
    if image.shape[:2] == tuple(size):
        return image
    from PIL import Image

    planes = (Image.fromarray(image[..., c].astype(np.float32)) for c in range(3))
    shrunk = [plane.resize((size[1], size[0]), Image.Resampling.BILINEAR) for plane in planes]
    return np.stack(shrunk, axis=-1)


def check_patches(size: tuple[int, int], patch: tuple[int, int]) -> None:
    """Refuse patches that do not divide the size."""
    if any(p < 1 or s < p or s % p for s, p in zip(size, patch, strict=True)):
        raise ArgumentError("patch", patch, f"a height and a width that divide size = {size}")


def _patch_codes(image: np.ndarray, patch: tuple[int, int]) -> np.ndarray:
    """Return the codes patch by patch, (3, K, patch pixels), as whole numbers in the same order.

    Those of 8 bits as uint16; of others the bits of a float32, which are in order from 0 upwards.
    Whole numbers sort quicker.
    """
    (height, width), (h, w) = image.shape[:2], patch
    blocks = image.reshape(height // h, h, width // w, w, 3).transpose(4, 0, 2, 1, 3)
    kind = np.uint16 if image.dtype == np.uint8 else np.float32
    codes = blocks.astype(kind, order="C").reshape(3, -1, h * w)
    return codes if kind == np.uint16 else codes.view(np.int32)


def _mean_code(pair: np.ndarray) -> np.ndarray:
    """Return the means of two codes (2, …), float64, of whole numbers as in `_patch_codes`."""
    codes = pair.view(np.float32) if pair.dtype == np.int32 else as_floats(pair.astype(np.uint8))
    return codes.astype(np.float64).sum(axis=0) / 2


def _patch_medians(codes: np.ndarray) -> np.ndarray:
    """Return the median of every patch, (K, 3); sorts the codes (3, K, patch pixels) in place.

    Sorting many short rows is quicker than `numpy.partition` and `numpy.median`.
    """
    codes.sort(axis=-1)
    count = codes.shape[-1]
    return _mean_code(codes[..., [(count - 1) // 2, count // 2]].T)


def _median(image: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the median of each channel, (3,), of an image whose `_patch_codes` these are."""
    if image.dtype == np.uint8:
        return _mean_code(_counted_middle(image).T)
    return _mean_code(np.array([_middle(channel) for channel in codes.reshape(3, -1)]).T)


def _counted_middle(image: np.ndarray) -> np.ndarray:
    """Return the middle two codes of each channel of an 8-bit image, (3, 2), by counting all."""
    import cv2

    parts = np.array_split(image, image.size // 2**24 + 1)  # OpenCV's counts are float32
    counts = [
        sum(cv2.calcHist([p], [c], None, [256], [0, 256]).ravel().astype(int) for p in parts)
        for c in range(3)
    ]
    pixels = image.shape[0] * image.shape[1]
    ranks = [(pixels - 1) // 2, pixels // 2]
    return np.array([np.searchsorted(np.cumsum(n), ranks, side="right") for n in counts])


def _middle(values: np.ndarray) -> np.ndarray:
    """Return the middle two of values (N,)."""
    return _ranked(values, np.array([(len(values) - 1) // 2, len(values) // 2]))


def _ranked(values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return the values (N,) of two neighbouring ranks.

    Only those between two quantiles of a sample are looked at further: `numpy.partition` takes
    several times as long on processors whose compressing stores are slow.
    """
    count = len(values)
    if count <= 2 * _SAMPLE:
        return np.sort(values)[ranks]
    step = count // _SAMPLE
    while math.gcd(step, count) > 1:  # or it would meet the same rank of every sorted patch
        step += 1
    sample = np.sort(values[::step])
    share = ranks[0] / count
    low, high = (
        sample[min(max(int((share + by) * len(sample)), 0), len(sample) - 1)] for by in _BRACKET
    )
    below = np.count_nonzero(values < low)
    inside = values[(values >= low) & (values <= high)]
    if not (below <= ranks[0] and ranks[1] < below + len(inside) <= below + count / 2):
        return np.partition(values, ranks)[ranks]
    return _ranked(inside, ranks - below)


def _background_color(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    background = np.asarray(background)
    if background.dtype != bool:
        inside = background.shape == (3,) and ((background >= 0) & (background <= 1)).all()
        if not inside:
            allowed = "three codes in [0, 1], or a region as a bool array (H, W)"
            raise ArgumentError("background", background, allowed)
        return background.astype(np.float64)
    if background.shape != image.shape[:2]:
        raise ArgumentError("background", background.shape, f"a region {image.shape[:2]}")
    if not background.any():
        raise ArgumentError("background", "no pixel", "a region of bare substrate")
    return np.median(as_floats(image[background]), axis=0).astype(np.float64)
