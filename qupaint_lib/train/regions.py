"""Regions without their images, for the head of the region tokens.

To find the regions of an image takes far longer than to learn from them. They are measured once
here, and learned from in every pass, mirrored and turned.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset
from tqdm import tqdm

from qupaint_lib._files import write_bytes
from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.regions import find_regions
from qupaint_lib.model.tiling import to_canvas
from qupaint_lib.train.examples import Example, flakes_of, pixels_of
from qupaint_lib.train.targets import region_targets


class RegionExamples(Dataset):
    """`passes` times the regions of all images, each time in another order and orientation.

    Parameters
    ----------
    regions : (N, K, 15) float32 array
        See `measure_regions`.
    labels : (N, K) int64 array
        Their classes.
    seed : int
        Of order and orientation.
    passes : int, optional
        How often every image is seen.
    augment : bool, optional
        False for validation: every image as it is.
    """

    def __init__(
        self,
        regions: np.ndarray,
        labels: np.ndarray,
        seed: int,
        *,
        passes: int = 1,
        augment: bool = True,
    ):
        self.regions, self.labels, self.seed = regions, labels, seed
        self.passes, self.augment = passes, augment

    def __len__(self) -> int:
        return self.passes * len(self.labels)

    def __getitem__(self, j: int) -> Example:
        """Return example j."""
        turn, place = divmod(j, len(self.labels))
        order = np.random.default_rng([self.seed, 1, turn]).permutation(len(self.labels))
        i = int(order[place])
        regions = self.regions[i]
        if self.augment:
            regions = turned(regions, np.random.default_rng([self.seed, 2, j]))
        return Example(None, None, regions=regions[None], region_labels=self.labels[i][None])


def turned(regions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return regions (K, 15) as one of the eight mirror images and quarter turns shows them."""
    regions = regions.copy()
    boxes = regions[regions[:, 0] > 0, 1:5]
    for axis in range(2):
        if rng.random() < 0.5:
            boxes[:, axis] = 1 - boxes[:, axis] - boxes[:, 2 + axis]
    if rng.random() < 0.5:
        boxes = boxes[:, [1, 0, 3, 2]]
    regions[regions[:, 0] > 0, 1:5] = boxes
    return regions


def measure_regions(
    images: Sequence[list[Mapping[str, Any]]],
    processor: Any,
    file: str | Path,
    *,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return regions (N, K, 15) float32 of images, and their classes (N, K) int64.

    Parameters
    ----------
    images : Images, or a sequence of lists of rows
        Each as it is, in their order.
    processor : QuPaintProcessor
        Of a model with region tokens.
    file : path
        Where they are kept, and taken from where they are there.
    progress : bool, optional
        Show a progress bar.

    Raises
    ------
    ArgumentError
        A processor without region tokens, or a file with another number of images.
    """
    tiles = processor.image_processor
    if not tiles.region_tokens:
        raise ArgumentError("processor", tiles.region_tokens, "one of a model with region tokens")
    file = Path(file)
    if file.exists():
        with np.load(file, allow_pickle=False) as kept:
            regions, labels = kept["regions"], kept["labels"]
        if len(labels) != len(images):
            raise ArgumentError("file", str(file), f"regions of {len(images)} images")
        return regions, labels
    found, told = [], []
    for rows in tqdm(images, desc="regions", unit="image", disable=not progress):
        image, flakes = pixels_of(rows[0]), flakes_of(rows[0])
        canvas = to_canvas(image, tiles.tile_px, tiles.tiles)
        found.append(find_regions(canvas, tiles.region_tokens))
        told.append(region_targets(flakes, image.shape[:2], found[-1]))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, regions=np.stack(found), labels=np.stack(told))
    write_bytes(file, buffer.getvalue())
    return np.stack(found), np.stack(told)
