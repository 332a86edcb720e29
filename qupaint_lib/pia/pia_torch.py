"""The paper's attention map for batches of tensors, on any device: the twin of ``pia.paper``.

Same order, same medians, same numbers (tested to 1e-4); images stand as (B, 3, H, W).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qupaint_lib.errors import ImageError
from qupaint_lib.pia import paper
from qupaint_lib.pia.paper import PATCH, PERCENTILE, SIZE

if TYPE_CHECKING:
    from torch import Tensor


def patch_scores(
    images: Tensor,
    *,
    size: tuple[int, int] = SIZE,
    patch: tuple[int, int] = PATCH,
    background: Tensor | None = None,
    transfer_exponent: float | str = "srgb",
) -> Tensor:
    """Return the PIA score ΔE_k of every patch of every image (Eq. 11).

    Parameters
    ----------
    images : (B, 3, H, W) tensor
        Codes in [0, 1], before any normalisation by ImageNet's mean.
    size, patch, transfer_exponent
        As in `qupaint_lib.pia.patch_scores`.
    background : (3,) or (B, 3) tensor, optional
        Colour of the substrate in codes; by default the median of each resized image.

    Returns
    -------
    (B, size[0] / patch[0], size[1] / patch[1]) float32 tensor
        ΔE76, not normalised, on the images' device.

    Raises
    ------
    ImageError
        Not (B, 3, H, W), NaN, or codes outside [0, 1].
    """
    from torch.nn.functional import interpolate

    paper.check_patches(size, patch)
    images = _checked(images)
    if tuple(images.shape[-2:]) != tuple(size):
        images = interpolate(images.double(), size, mode="bilinear", antialias=True).float()
    (height, width), (h, w) = size, patch
    blocks = images.reshape(-1, 3, height // h, h, width // w, w).transpose(3, 4)
    medians = _medians(blocks.reshape(len(images), 3, -1, h * w)).transpose(1, 2)  # (B, K, 3)
    if background is None:
        background = _medians(images.reshape(len(images), 3, -1))
    background = background.to(medians).expand(len(images), 3)
    scores = paper.color_scores(medians, background, transfer_exponent)
    return scores.reshape(-1, height // h, width // w).float()


def attention_map(
    images: Tensor,
    *,
    normalise: bool = True,
    patch: tuple[int, int] = PATCH,
    **options: object,
) -> Tensor:
    """Return Algorithm 2's map (B, size[0], size[1]), in [0, 1] (Eq. 18) or in ΔE76."""
    scores = patch_scores(images, patch=patch, **options)
    return paper.spread_out(paper.normalised(scores) if normalise else scores, patch)


def substrate_mask(images: Tensor, *, percentile: float = PERCENTILE, **options: object) -> Tensor:
    """Return M_sub (Eq. 19) at the images' own size, (B, H, W) bool; uniform: all substrate."""
    attention = attention_map(images, **options)
    return paper.enlarge(paper.below_percentile(attention, percentile), tuple(images.shape[-2:]))


def _checked(images: Tensor) -> Tensor:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ImageError("images", tuple(images.shape), "a batch (B, 3, H, W)")
    if not images.is_floating_point():
        raise ImageError("images", images.dtype, "floating-point codes in [0, 1]")
    if not bool(((images >= 0) & (images <= 1)).all()):  # also false for NaN
        raise ImageError("images", "codes out of range", "codes in [0, 1], none of them NaN")
    return images.float()


def _medians(values: Tensor) -> Tensor:
    """Return medians over the last axis; torch.median would take the lower of the middle two."""
    ordered = values.sort(dim=-1).values
    count = ordered.shape[-1]
    return (ordered[..., (count - 1) // 2].double() + ordered[..., count // 2].double()) / 2
