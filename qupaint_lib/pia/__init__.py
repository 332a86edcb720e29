"""Physics-Informed Attention: how far every place of an image is from bare substrate, in ΔE76.

``paper`` holds Algorithm 2 to the letter, ``local`` its robust sibling, ``pia_torch`` the paper's
map for batches of tensors. Both methods give a map, and a mask of the bare substrate.

Conventions: the paper leaves four things open, which are settled thus.

- *median, then Lab*: a patch's colour is the median of its codes, channel by channel, and then
  converted, Φ(median), as in Eq. 11 (the median of Lab differs where a patch is split). Medians of
  an even number are the mean of the middle two, in torch too.
- *reshape*: patches stand row by row; every pixel of the (H, W) map has its patch's score.
- *codes*: taken as sRGB by ``"paper"``, as in the paper, and as linear light by ``"local"``, which
  machine-vision cameras give; `transfer_exponent` says otherwise.
- *a uniform image*: a map of zeros without NaN, and all substrate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qupaint_lib.errors import UnknownNameError
from qupaint_lib.pia.local import local_delta_e, local_substrate_mask
from qupaint_lib.pia.paper import (
    PATCH,
    normalised,
    paper_substrate_mask,
    patch_scores,
    spread_out,
)

__all__ = ["attention_map", "local_delta_e", "patch_scores", "substrate_mask"]

METHODS = ("paper", "local")


def attention_map(
    image: np.ndarray, method: str = "paper", *, normalise: bool = True, **options: Any
) -> np.ndarray:
    """Return the map of an image's contrast with its substrate.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit; at least 32 × 32 pixels.
    method : {"paper", "local"}, optional
        ``"paper"``: Algorithm 2, resized image, medians of patches, one background colour.
        ``"local"``: every pixel against the surface through the substrate.
    normalise : bool, optional
        Return (A − min) / (max − min + ε) in [0, 1] (Eq. 18); otherwise ΔE76.
    **options
        Those of `patch_scores` (``size``, ``patch``, ``background``, ``transfer_exponent``) or of
        `local_delta_e` (``background``, ``flat_field``, ``sigma_px``, ``transfer_exponent``).

    Returns
    -------
    array
        ``"paper"``: of the size that the image is resized to, (448, 448). ``"local"``: (H, W).

    Raises
    ------
    UnknownNameError
        No such method.
    ImageError
        Not such an image, or one with NaN.
    """
    _check_method(method)
    if method == "paper":
        scores = patch_scores(image, **options)
        return spread_out(normalised(scores) if normalise else scores, options.get("patch", PATCH))
    delta_e = local_delta_e(image, **options)
    return normalised(delta_e) if normalise else delta_e


def substrate_mask(image: np.ndarray, method: str = "paper", **options: Any) -> np.ndarray:
    """Return the pixels that are bare substrate, where flakes may be placed.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit; at least 32 × 32 pixels.
    method : {"paper", "local"}, optional
        ``"paper"``: under the 90th percentile of the map (Eq. 19), which always leaves out a tenth
        of the image, and finds flakes only where they fill patches. ``"local"``: under a threshold
        from the substrate's own scatter; what to use on real images.
    **options
        Those of `attention_map`, and ``percentile`` for ``"paper"``, ``smallest_threshold`` and
        ``mads`` for ``"local"``.

    Returns
    -------
    (H, W) bool array
        At the image's own size; the paper's mask is enlarged without interpolation.
    """
    _check_method(method)
    if method == "paper":
        return paper_substrate_mask(image, **options)
    return local_substrate_mask(image, **options)


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
