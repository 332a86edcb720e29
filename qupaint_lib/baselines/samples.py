"""What detectors learn from: images of a data set, seen as the small model sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.tiling import as_codes, cut, relief, to_canvas
from qupaint_lib.train.augment import sample_shift, sample_view, shift_colours, view_flakes
from qupaint_lib.train.examples import flakes_of, pixels_of
from qupaint_lib.train.start import CONTRAST_GAIN

SIDE_PX = 224  # of what a detector sees, as of the small model's tile


@dataclass(frozen=True, eq=False)
class Sample:
    """An image in relief with what is on it.

    Attributes
    ----------
    pixels : (3, S, S) float32 array
        Of `pixels_for`.
    boxes : (N, 4) float32 array
        Centre x, centre y, width, height, as shares of the image.
    classes : (N,) int64 array
        Places in `LAYER_CLASSES`.
    masks : (N, S, S) uint8 array
        1 on the flake.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    masks: np.ndarray


def pixels_for(image: np.ndarray, side_px: int = SIDE_PX) -> np.ndarray:
    """Return an image (H, W, 3) as (3, S, S) float32, in the relief that the small model sees."""
    canvas = to_canvas(as_codes(image), side_px, (1, 1))
    return relief(cut(canvas, None, side_px), CONTRAST_GAIN)[0]


def stream_samples(
    images: Sequence[list[Mapping[str, Any]]],
    rng: np.random.Generator,
    *,
    side_px: int = SIDE_PX,
    augment: bool = True,
) -> Iterator[Sample]:
    """Yield the images again and again, in another order each time, for as long as it is asked.

    Parameters
    ----------
    images : Images, or a sequence of lists of rows
        The data; the first row of each image is read.
    rng : numpy.random.Generator
        Draws order and views.
    side_px : int, optional
        Side of a sample.
    augment : bool, optional
        Crops, mirror images, quarter turns and shifts in CIELAB, as in `train`.

    Raises
    ------
    ArgumentError
        No image at all.
    """
    if not len(images):
        raise ArgumentError("images", 0, "one image at least")
    while True:
        for i in rng.permutation(len(images)):
            yield make_sample(images[int(i)][0], rng if augment else None, side_px)


def make_sample(
    row: Mapping[str, Any], rng: np.random.Generator | None = None, side_px: int = SIDE_PX
) -> Sample:
    """Return the sample of a row of `build_dataset`; in a random view where there is an `rng`."""
    image, flakes = pixels_of(row), flakes_of(row)
    if rng is not None:
        view = sample_view(rng, image.shape[:2])
        image, flakes = view.array(image), view_flakes(flakes, view)
        image = shift_colours(image, sample_shift(rng))
    flakes = [flake for flake in flakes if flake.layer_class() is not None]
    height, width = image.shape[:2]
    corners = np.array([f.bbox_xywh for f in flakes], dtype=np.float32).reshape(-1, 4)
    boxes = corners / np.array([width, height, width, height], dtype=np.float32)
    boxes[:, :2] += boxes[:, 2:] / 2
    classes = [LAYER_CLASSES.index(f.layer_class()) for f in flakes]
    size, nearest = (side_px, side_px), cv2.INTER_NEAREST
    masks = [cv2.resize(f.mask.astype(np.uint8), size, interpolation=nearest) for f in flakes]
    return Sample(
        pixels_for(image, side_px),
        boxes,
        np.array(classes, dtype=np.int64),
        np.array(masks, dtype=np.uint8).reshape(-1, side_px, side_px),
    )
