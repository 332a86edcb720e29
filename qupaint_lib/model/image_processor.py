"""From images to `pixel_values`: tiles of the canvas, with α as their fourth channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.config import PATCH_PX, TILE_PX
from qupaint_lib.model.regions import find_regions
from qupaint_lib.model.tiling import as_codes, cut, cut_codes, patch_attention, relief, to_canvas


class QuPaintImageProcessor(BaseImageProcessor):
    """Resizes, tiles and normalises images, and computes PIA on the whole canvas.

    Parameters
    ----------
    tile_px, patch_px : int, optional
        Side of a tile and of a patch.
    tiles : (int, int), optional
        Columns and rows of the canvas: (1, 1) is the image as one tile, (4, 3) the released
        canvas of 1792 × 1344 px, which a thumbnail follows as the 13th tile.
    pia : bool, optional
        Whether α is computed and carried.
    pia_delta_e_scale : float, optional
        α = min(ΔE / scale, 1); without it the min–max of each image (Eq. 18).
    contrast_gain : float, optional
        Bring out what deviates from the substrate: see `tiling.relief`. Without it images are
        normalised as InternVL does.
    region_tokens : int, optional
        How many regions of each tile are measured for the model: see `regions`.
    **kwargs
        What transformers keeps with a processor.
    """

    model_input_names = ("pixel_values", "regions")

    def __init__(
        self,
        tile_px: int = TILE_PX,
        patch_px: int = PATCH_PX,
        tiles: Sequence[int] = (1, 1),
        pia: bool = True,
        pia_delta_e_scale: float | None = None,
        contrast_gain: float | None = None,
        region_tokens: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if tile_px < 32 or tile_px % patch_px:
            raise ArgumentError("tile_px", tile_px, f"at least 32, a multiple of {patch_px}")
        self.tile_px, self.patch_px = int(tile_px), int(patch_px)
        self.tiles = check_tiles(tiles)
        self.pia = bool(pia)
        self.pia_delta_e_scale = pia_delta_e_scale
        self.contrast_gain = contrast_gain
        self.region_tokens = int(region_tokens)

    def preprocess(
        self,
        images: Any,
        *,
        tiles: Sequence[int] | None = None,
        attention: Sequence[np.ndarray] | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Return the tiles of one image or of several.

        Parameters
        ----------
        images : image or sequence of images
            Each an RGB (H, W, 3) array of 8-bit codes or floats in [0, 1], or a PIL image.
        tiles : (int, int), optional
            Columns and rows instead of the processor's.
        attention : sequence of arrays, optional
            α of every patch of each canvas where it is known already, as for windows of a larger
            image.
        return_tensors : {"pt", "np"}, optional
            Kind of the result's arrays.
        **kwargs
            Others are refused.

        Returns
        -------
        BatchFeature
            ``pixel_values`` (T, 4, S, S) float32, all images one after the other, without the
            fourth channel where `pia` is False; ``num_patches``: tiles of each image; ``regions``
            (T, K, 15) float32 where there are any to be measured.

        Raises
        ------
        ImageError
            Not an RGB image of at least 32 × 32 pixels.
        ArgumentError
            Tiles or attention that do not fit, an option that does not exist.
        """
        if kwargs:
            raise ArgumentError("kwargs", sorted(kwargs), "tiles, attention, return_tensors")
        images = list(images) if isinstance(images, list | tuple) else [images]
        tiles = self.tiles if tiles is None else check_tiles(tiles)
        known = [None] * len(images) if attention is None else list(attention)
        if len(known) != len(images):
            raise ArgumentError("attention", len(known), f"one map for each of {len(images)}")
        canvases = [to_canvas(as_codes(image), self.tile_px, tiles) for image in images]
        made = [self._tiles_of(*pair) for pair in zip(canvases, known, strict=True)]
        pixels = made[0] if len(made) == 1 else np.concatenate(made)
        data = {"pixel_values": pixels, "num_patches": [len(t) for t in made]}
        if self.region_tokens:
            data["regions"] = np.concatenate([self._regions_of(canvas) for canvas in canvases])
        return BatchFeature(data, tensor_type=return_tensors)

    def _regions_of(self, canvas: np.ndarray) -> np.ndarray:
        """Return what is measured of regions (T, K, 15), tile by tile."""
        tiles = cut_codes(canvas, self.tile_px)
        return np.stack([find_regions(tile, self.region_tokens) for tile in tiles])

    def _tiles_of(self, canvas: np.ndarray, attention: np.ndarray | None) -> np.ndarray:
        """Return the tiles (T, 4, S, S) of a canvas."""
        if not self.pia:
            return self._brought_out(cut(canvas, None, self.tile_px))
        if attention is None:
            scale = self.pia_delta_e_scale
            attention = patch_attention(canvas, self.patch_px, delta_e_scale=scale)
        expected = tuple(side // self.patch_px for side in canvas.shape[:2])
        if np.shape(attention) != expected:
            allowed = f"one number per patch of the canvas, {expected}"
            raise ArgumentError("attention", np.shape(attention), allowed)
        return self._brought_out(cut(canvas, np.asarray(attention), self.tile_px))

    def _brought_out(self, tiles: np.ndarray) -> np.ndarray:
        if self.contrast_gain is not None:
            tiles[:, :3] = relief(tiles[:, :3], self.contrast_gain)
        return tiles


def check_tiles(tiles: Sequence[int]) -> tuple[int, int]:
    """Return columns and rows as a pair of positive integers."""
    pair = tuple(int(n) for n in tiles)
    if len(pair) != 2 or min(pair) < 1:
        raise ArgumentError("tiles", tiles, "columns and rows, each at least 1")
    return pair
