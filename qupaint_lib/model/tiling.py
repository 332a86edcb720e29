"""From an image to tiles: canvas, thumbnail, attention, and windows over a whole micrograph.

Plain arrays: images are (H, W, 3) codes, attention is one number per patch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qupaint_lib.errors import ArgumentError, ImageError
from qupaint_lib.microscope.background import check_image
from qupaint_lib.pia import patch_scores
from qupaint_lib.pia.paper import normalised

CANVAS_TILES = (4, 3)  # columns and rows: the released canvas of 1792 × 1344 px
SUBSTRATE_GAIN = 0.1  # of the median colour in `relief`
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Window(NamedTuple):
    """A part of an image: column and row at which it begins, width and height, in pixels."""

    x: int
    y: int
    width: int
    height: int


def as_codes(image: Any) -> np.ndarray:
    """Return an image (H, W, 3) as it was given, after checking it.

    Parameters
    ----------
    image : (H, W, 3) array or PIL.Image.Image
        8-bit codes, or floats in [0, 1]; RGB, at least 32 × 32 pixels.

    Raises
    ------
    ImageError
        Greyscale, with an alpha channel, too small, NaN, or codes out of range.
    """
    if hasattr(image, "getbands"):
        if image.mode != "RGB":
            raise ImageError("image", f"mode {image.mode}", "an RGB image: colour tells layers")
        image = np.asarray(image)
    if np.ndim(image) == 2:
        raise ImageError("image", np.shape(image), "an RGB image (H, W, 3), not a greyscale one")
    image = np.asarray(image)
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3:
        if min(image.shape[:2]) >= 32:
            return image
    return check_image(image)


def to_canvas(image: np.ndarray, tile_px: int, tiles: tuple[int, int]) -> np.ndarray:
    """Return an image resized to the canvas that the model sees.

    Bicubic, and in 8 bits, as InternVL does and its weights expect.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes.
    tile_px : int
        Side of a tile.
    tiles : (int, int)
        Columns and rows of tiles.

    Returns
    -------
    (rows · tile_px, columns · tile_px, 3) uint8 array
    """
    if image.dtype != np.uint8:
        image = (image * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return _resized(np.ascontiguousarray(image), (tiles[0] * tile_px, tiles[1] * tile_px))


def patch_attention(
    canvas: np.ndarray,
    patch_px: int,
    *,
    delta_e_scale: float | None = None,
    background: np.ndarray | None = None,
) -> np.ndarray:
    """Return α of every patch of a canvas, 0 to 1: `pia.attention_map`, one number per patch.

    Parameters
    ----------
    canvas : (H, W, 3) array
        The whole canvas, so that one background serves all its tiles.
    patch_px : int
        Side of a patch.
    delta_e_scale : float, optional
        α = min(ΔE / scale, 1); without it the min–max of this canvas (Eq. 18).
    background : (3,) array, optional
        Codes in [0, 1] of the bare substrate; by default the canvas's median.

    Returns
    -------
    (H / patch_px, W / patch_px) float64 array
    """
    size, patch = canvas.shape[:2], (patch_px, patch_px)
    scores = patch_scores(canvas, size=size, patch=patch, background=background)
    return to_attention(scores, delta_e_scale)


def to_attention(delta_e: np.ndarray, delta_e_scale: float | None) -> np.ndarray:
    """Return α in [0, 1] of ΔE: by a fixed scale, or by the min–max over the last two axes."""
    if delta_e_scale is None:
        return normalised(delta_e)
    return np.minimum(delta_e / delta_e_scale, 1)


def cut(canvas: np.ndarray, attention: np.ndarray | None, tile_px: int) -> np.ndarray:
    """Return a canvas as tiles, and a thumbnail after them where there are several.

    Parameters
    ----------
    canvas : (H, W, 3) uint8 array
        Tiles of S px on a side, row by row; normalised here by ImageNet's mean and deviation.
    attention : (H / p, W / p) array or None
        α of every patch of p px; None for tiles without it.
    tile_px : int
        Side S of a tile.

    Returns
    -------
    (T, 4, S, S) or, without attention, (T, 3, S, S) float32 array
    """
    codes = cut_codes(canvas, tile_px)
    channels = 3 if attention is None else 4
    out = np.empty((len(codes), channels, tile_px, tile_px), dtype=np.float32)
    for tile, made in zip(codes, out, strict=True):
        _normalise(tile, made[:3])
    if attention is not None:
        rows, columns = canvas.shape[0] // tile_px, canvas.shape[1] // tile_px
        _spread(_attention_tiles(attention, (columns, rows)), out[:, 3])
    return out


def cut_codes(canvas: np.ndarray, tile_px: int) -> list[np.ndarray]:
    """Return the tiles (S, S, 3) of a canvas, row by row, then the thumbnail of several."""
    tops, lefts = (range(0, side, tile_px) for side in canvas.shape[:2])
    tiles = [canvas[y : y + tile_px, x : x + tile_px] for y in tops for x in lefts]
    return tiles if len(tiles) == 1 else [*tiles, _resized(canvas, (tile_px, tile_px))]


def relief(tiles: np.ndarray, contrast_gain: float) -> np.ndarray:
    """Return tiles with the substrate's colour drawn back and the deviations from it brought out.

    A monolayer changes the light by a few percent, so that all patches of an image look alike to a
    vision tower that has yet to learn: their common colour outweighs what tells them apart. Here
    the median colour, that of the substrate, counts a tenth, and what deviates from it more.

    Parameters
    ----------
    tiles : (T, 3, S, S) float32 array
        Normalised by ImageNet's mean and deviation; all of one image.
    contrast_gain : float
        Factor of the deviations from the median.
    """
    substrate = np.median(tiles[:, :, ::2, ::2], axis=(0, 2, 3))[:, None, None]
    return SUBSTRATE_GAIN * substrate + contrast_gain * (tiles - substrate)


def windows(shape: tuple[int, int], window: tuple[int, int], overlap_px: int) -> list[Window]:
    """Return equal windows that cover an image, evenly spread, row by row.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    window : (int, int)
        Height and width of a window; smaller where the image is.
    overlap_px : int
        What neighbours have in common at least: flakes up to this size are whole in one of them.
    """
    if not 0 <= overlap_px < min(window):
        raise ArgumentError("overlap_px", overlap_px, f"0 to less than the window, {window}")
    height, width = min(window[0], shape[0]), min(window[1], shape[1])
    tops = _starts(shape[0], height, overlap_px)
    lefts = _starts(shape[1], width, overlap_px)
    return [Window(left, top, width, height) for top in tops for left in lefts]


def _starts(length: int, window: int, overlap: int) -> list[int]:
    count = 1 if window >= length else -(-(length - window) // (window - overlap)) + 1
    return [round(start) for start in np.linspace(0, length - window, count)]


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an 8-bit image of another width and height."""
    if image.shape[1::-1] == size:
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def _normalise(codes: np.ndarray, out: np.ndarray) -> None:
    """Write codes (S, S, 3) as (code / 255 − mean) / std to out (3, S, S)."""
    for plane, mean, std in zip(range(3), IMAGENET_MEAN, IMAGENET_STD, strict=True):
        np.multiply(codes[..., plane], np.float32(1 / (255 * std)), out=out[plane])
        out[plane] -= np.float32(mean / std)


def _attention_tiles(attention: np.ndarray, tiles: tuple[int, int]) -> np.ndarray:
    """Return α (T, k, k) of the tiles, then of the thumbnail: the mean of what it shows."""
    columns, rows = tiles
    height, width = attention.shape
    blocks = attention.reshape(rows, height // rows, columns, width // columns)
    blocks = blocks.swapaxes(1, 2).reshape(rows * columns, height // rows, width // columns)
    if len(blocks) == 1:
        return blocks
    side = height // rows
    small = attention.reshape(side, rows, side, columns).mean(axis=(1, 3))
    return np.concatenate([blocks, small[None]])


def _spread(attention: np.ndarray, out: np.ndarray) -> None:
    """Write α (T, k, k) to all pixels of each patch of out (T, S, S)."""
    side = attention.shape[1]
    patch = out.shape[1] // side
    for tile, alpha in zip(out, attention, strict=True):
        tile.reshape(side, patch, side, patch)[:] = alpha[:, None, :, None]
