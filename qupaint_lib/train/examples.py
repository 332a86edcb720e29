"""Examples for training: an image of the data set, seen anew, with dialogues and dense labels.

Example j of a run follows from the seed and from j alone, whatever process makes it, so that a run
that was interrupted goes on with what it would have seen.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import Dataset, IterableDataset

from qupaint_lib.annotations import Flake
from qupaint_lib.annotations.rle import Rle
from qupaint_lib.errors import ArgumentError
from qupaint_lib.instruct import AnnotatedImage, Facts, dialogue_of, make_dialogues, scene_of
from qupaint_lib.model.tiling import to_canvas
from qupaint_lib.synthia import Scene
from qupaint_lib.train.augment import (
    View,
    rewrite,
    sample_shift,
    sample_view,
    shift_colours,
    view_flakes,
    whole,
)
from qupaint_lib.train.config import TrainConfig
from qupaint_lib.train.encode import Packed, Talk, pack
from qupaint_lib.train.targets import dense_targets, region_targets

_ATTEMPTS = 4


@dataclass(frozen=True)
class Example:
    """What the collator takes.

    Attributes
    ----------
    packed : Packed or None
        Tokens; None where only the dense loss is learned from.
    pixel_values : (T, 4, S, S) float32 array or None
        Tiles; None where only regions are learned from.
    dense_labels : (side, side) int64 array or None
        Class of every patch.
    dense_boxes : (4, side, side) float32 array or None
        Left, top, right and bottom of each patch's flake as shares of the tile; NaN for none.
    regions : (T, K, f) float32 array or None
        What is measured of the regions of each tile, for a model with region tokens.
    region_labels : (T, K) int64 array or None
        Class of every region, 0 for what is no flake.
    """

    packed: Packed | None
    pixel_values: np.ndarray | None
    dense_labels: np.ndarray | None = None
    dense_boxes: np.ndarray | None = None
    regions: np.ndarray | None = None
    region_labels: np.ndarray | None = None


class Images:
    """The images of a data set that `build_dataset` wrote, in its order, each with its rows.

    Parameters
    ----------
    folder : path
        Of one split.
    cache : path, optional
        Where `datasets` keeps the files that it maps into memory; by default its own cache.

    Raises
    ------
    ArgumentError
        No shards there.
    """

    def __init__(self, folder: str | Path, cache: str | Path | None = None):
        from datasets import Dataset as Table

        files = sorted(map(str, Path(folder).glob("*.parquet")))
        if not files:
            allowed = "a split of a data set, with its *.parquet"
            raise ArgumentError("folder", str(folder), allowed)
        self.table = Table.from_parquet(files, cache_dir=str(cache) if cache else None)
        ids = np.asarray(self.table["id"])
        self.first = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
        self.end = np.r_[self.first[1:], len(ids)]

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, i: int) -> list[dict[str, Any]]:
        """Return the rows of image i, a dialogue each."""
        return [self.table[int(k)] for k in range(self.first[i], self.end[i])]


class Examples(Dataset):
    """The examples of a run: `passes` times all images, each time in another order and view.

    Parameters
    ----------
    images : Images, or a sequence of lists of rows
        The data.
    processor : QuPaintProcessor
        Of the model.
    config : TrainConfig
        What is made of an image.
    passes : int, optional
        How often every image is seen.
    dense : bool, optional
        Make dense labels.
    augment : bool, optional
        False for validation: every image as it is.
    """

    def __init__(
        self,
        images: Sequence[list[Mapping[str, Any]]],
        processor: Any,
        config: TrainConfig,
        *,
        passes: int = 1,
        dense: bool = False,
        augment: bool | None = None,
    ):
        self.images, self.processor, self.config = images, processor, config
        self.passes, self.dense = passes, dense
        self.augment = config.augment if augment is None else augment

    def __len__(self) -> int:
        return self.passes * len(self.images)

    def __getitem__(self, j: int) -> Example:
        """Return example j."""
        turn, place = divmod(j, len(self.images))
        order = np.random.default_rng([self.config.seed, 1, turn]).permutation(len(self.images))
        rng = np.random.default_rng([self.config.seed, 2, j])
        for _ in range(_ATTEMPTS):
            rows = self.images[int(order[place])]
            example = make_example(rows, self.processor, self.config, rng, self.dense, self.augment)
            if example is not None:
                return example
            place = (place + 1) % len(self.images)  # nothing to say that fits the budget
        allowed = "large enough for a dialogue of the images"
        raise ArgumentError("max_tokens", self.config.max_tokens, allowed)


class Stream(IterableDataset):
    """The same from rows that come one after another, such as a data set larger than the disk.

    Parameters
    ----------
    rows : iterable of dict
        ``datasets.load_dataset(…, streaming=True)``, rows of one image after each other.
    processor, config, dense
        As in `Examples`.
    """

    def __init__(self, rows: Any, processor: Any, config: TrainConfig, *, dense: bool = False):
        self.rows, self.processor, self.config, self.dense = rows, processor, config, dense

    def __iter__(self) -> Iterator[Example]:
        for j, rows in enumerate(by_image(self.rows)):
            rng = np.random.default_rng([self.config.seed, 2, j])
            args = rows, self.processor, self.config, rng, self.dense, self.config.augment
            example = make_example(*args)
            if example is not None:
                yield example


def by_image(rows: Any) -> Iterator[list[Mapping[str, Any]]]:
    """Yield lists of the rows of one image each."""
    group: list[Mapping[str, Any]] = []
    for row in rows:
        if group and row["id"] != group[0]["id"]:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def make_example(
    rows: Sequence[Mapping[str, Any]],
    processor: Any,
    config: TrainConfig,
    rng: np.random.Generator,
    dense: bool,
    augment: bool,
) -> Example | None:
    """Return an example of one image; None where no dialogue fits the budget.

    Fresh dialogues are made anew of the view from the row's scene, with other words and other
    flakes each time; stored ones are rewritten for the view, or shown with the whole image.
    """
    image = pixels_of(rows[0])
    flakes = flakes_of(rows[0])
    shape = image.shape[:2]
    stored = config.dialogues == "stored"
    view = sample_view(rng, shape, turn=not stored) if augment else whole(shape)
    talks: list[Talk] | None = []
    if stored:
        talks = stored_talks(rows, view, shape)
        if talks is None:
            view = whole(shape)
            talks = stored_talks(rows, view, shape)
    image, flakes = view.array(image), view_flakes(flakes, view)
    if config.dialogues == "fresh":
        talks = fresh_talks(seen_scene(rows[0], image, flakes), image, config, rng)
    packed = None
    if config.dialogues != "none":
        order = rng.permutation(len(talks))
        packed = pack(processor, [talks[k] for k in order], config.max_tokens)
        if packed is None:
            return None
    images = processor.image_processor
    canvas = to_canvas(image, images.tile_px, images.tiles)
    if augment:
        canvas = shift_colours(canvas, sample_shift(rng))
    seen = images(canvas, return_tensors="np")
    regions = seen.get("regions")
    told: dict[str, np.ndarray] = {}
    if dense:
        labels, boxes = dense_targets(flakes, view.shape, images)
        told = {"dense_labels": labels, "dense_boxes": boxes}
        if regions is not None:
            told["region_labels"] = region_targets(flakes, view.shape, regions[0])[None]
    return Example(packed, seen["pixel_values"], regions=regions, **told)


def pixels_of(row: Mapping[str, Any]) -> np.ndarray:
    """Return the image (H, W, 3) uint8 of a row."""
    image = row["image"]
    if isinstance(image, Mapping):
        image = image["bytes"]
    if isinstance(image, bytes):
        image = Image.open(io.BytesIO(image))
    return np.asarray(image.convert("RGB"))


def flakes_of(row: Mapping[str, Any]) -> tuple[Flake, ...]:
    """Return the flakes of a row, as they stand in its columns."""
    size = (row["height"], row["width"])
    return tuple(
        Flake(Rle(size, counts.encode("ascii")), layer_count=count, category=label)
        for counts, count, label in zip(
            row["masks"], row["layer_counts"], row["classes"], strict=True
        )
    )


@dataclass(frozen=True)
class Seen(AnnotatedImage):
    """A view of a scene: the flakes in it, and what else is known to lie there.

    Attributes
    ----------
    debris : tuple
        Of the whole scene.
    """

    debris: tuple[Any, ...] = ()


def seen_scene(row: Mapping[str, Any], image: np.ndarray, flakes: Sequence[Flake]) -> Seen:
    """Return a row's scene as it is in a view: its microscope, and the flakes that are seen."""
    if row["quality"] == "synthetic":  # its crystals are in the masks, and slow to read
        scene = Scene.from_dict({**json.loads(row["scene"]), "crystals": []})
    else:
        scene = scene_of(row)
    return Seen(
        image.shape[:2],
        scene.material,
        scene.microscope,
        tuple(flakes),
        scene.magnification,
        row["quality"],
        debris=tuple(getattr(scene, "debris", ())),
    )


def fresh_talks(
    scene: AnnotatedImage, image: np.ndarray, config: TrainConfig, rng: np.random.Generator
) -> list[Talk]:
    """Return as many dialogues as the configuration says, short ones and full ones."""
    facts, talks = Facts(scene, image), []
    names = list(config.tasks)
    weights = np.array([config.tasks[name] for name in names])
    options = {
        "max_boxes": config.max_boxes,
        "max_tokens": config.max_answer_tokens,
        "style": "terse" if config.terse else "varied",
    }
    for _ in range(4 * config.dialogues_per_image):
        task = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        full = rng.random() < config.full_share
        form = "full" if full else "short"
        for made in make_dialogues(facts, None, rng, tasks=[task], form=form, **options):
            talks.append(Talk(made.turns, not full))
        if len(talks) >= config.dialogues_per_image:
            break
    return talks


def stored_talks(
    rows: Sequence[Mapping[str, Any]], view: View, shape: tuple[int, int]
) -> list[Talk] | None:
    """Return the dialogues of rows, rewritten for a view; None where one cannot be."""
    talks = []
    for row in rows:
        dialogue = dialogue_of(row)
        turns = dialogue.turns
        if view != whole(shape):
            turns = tuple(tuple(rewrite(text, view, shape) for text in turn) for turn in turns)
            if any(text is None for turn in turns for text in turn):
                return None
        talks.append(Talk(turns, dialogue.form == "short"))
    return talks
