"""What a run from scratch starts from: a tokenizer of its own dialogues, and random weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model import QuPaint, from_scratch, location_tokens, train_tokenizer
from qupaint_lib.model.config import WORDS
from qupaint_lib.model.regions import waves
from qupaint_lib.train.config import TrainConfig
from qupaint_lib.train.examples import flakes_of, fresh_talks, pixels_of, seen_scene
from qupaint_lib.train.targets import DENSE_CLASSES

CONTRAST_GAIN = 4.0
BOX_STEP = 1.0  # percent: two pixels of an image of 224
READ_IMAGES, CENTRED_IMAGES = 300, 64
REGIONS = 16
TOKEN_SIZE = 0.2  # root mean square of a visual token at the start
_BOXES = re.compile(r"<box>[^<]*</box>")


def start_nano(
    images: Sequence[list[Mapping[str, Any]]],
    config: TrainConfig,
    *,
    size: str = "micro",
    image_size: int = 224,
    patch_size: int = 16,
    conv_stem: bool = True,
    box_step: float = BOX_STEP,
    read_images: int = READ_IMAGES,
    vision: QuPaint | None = None,
    **options: Any,
) -> QuPaint:
    """Return a new model, with a tokenizer that knows the words of the data and places in boxes.

    Parameters
    ----------
    images : Images, or a sequence of lists of rows
        Of the data set that it will learn from; the first ones are read for their words.
    config : TrainConfig
        Its seed draws weights and words.
    size, image_size, patch_size, conv_stem
        See `QuPaintConfig.from_size`.
    box_step : float, optional
        Grid of the boxes in percent: see `location_tokens`.
    read_images : int, optional
        How many images are read.
    vision : QuPaint, optional
        Its vision tower and the heads behind it are taken: of a run without dialogues.
    **options
        Parameters of `QuPaintConfig`, such as ``pia_variant``.

    Raises
    ------
    ArgumentError
        A vision tower of another shape.
    """
    words = texts(images, config, read_images)
    tokenizer = train_tokenizer(words, extra_tokens=location_tokens(box_step))
    dense = {}
    if config.dense_loss_weight or vision is not None:
        dense = {"dense_classes": DENSE_CLASSES, "dense_boxes": True}
        first = tokenizer.convert_tokens_to_ids(location_tokens(box_step)[0])
        dense |= {"region_tokens": REGIONS, "location_token_id": first}
        dense["location_steps"] = round(100 / box_step)
    shape = {"image_size": image_size, "patch_size": patch_size, "conv_stem": conv_stem}
    options = {**shape, "contrast_gain": CONTRAST_GAIN, **dense, **options}
    rng = np.random.default_rng([config.seed, 3])
    assistant = from_scratch(size, rng, tokenizer=tokenizer, **options)
    assistant.processor.box_step = box_step
    _order_locations(assistant, box_step, rng)
    if vision is not None:
        take_vision(assistant.model.model, vision.model.model)
        _centre_tokens(assistant, images)
    return assistant


def _order_locations(assistant: QuPaint, box_step: float, rng: np.random.Generator) -> None:
    """Start the tokens of places as points of smooth curves, so that neighbours are alike.

    What is learned of one place then holds for those beside it, from the first step on.
    """
    table = assistant.model.get_input_embeddings().weight
    scale = float(table.detach().std())
    place = waves(torch.linspace(0, 1, round(100 / box_step) + 1, dtype=torch.float64)).numpy()
    tokens = location_tokens(box_step)
    for end in range(2):  # with a comma, with the closing tag
        curves = place @ rng.standard_normal((place.shape[1], table.shape[1])) / 4.0
        half = tokens[end * len(place) : (end + 1) * len(place)]
        ids = assistant.processor.tokenizer.convert_tokens_to_ids(half)
        with torch.no_grad():
            table[ids] = torch.from_numpy(scale * curves).to(table.dtype)


@torch.no_grad()
def _centre_tokens(assistant: QuPaint, images: Sequence[list[Mapping[str, Any]]]) -> None:
    """Let the visual tokens of some images start with a mean of 0, and of the same size always.

    What all patches of all images have in common outweighs what tells them apart; a decoder that
    has yet to learn where to look takes their average, and would see that alone.
    """
    model, processor = assistant
    pixels = [pixels_of(images[i][0]) for i in range(min(CENTRED_IMAGES, len(images)))]
    seen = processor.image_processor(pixels, return_tensors="pt")
    tiles, regions = seen["pixel_values"], seen.get("regions")
    tokens = model.model.get_image_features(tiles, regions).pooler_output  # (T, N + 5 K, d)
    tokens = tokens[:, : tokens.shape[1] - WORDS * model.config.region_tokens]
    mean = tokens.mean(dim=(0, 1))
    spread = (tokens - mean).pow(2).mean().sqrt()
    last = model.model.multi_modal_projector.linear_2
    last.bias.sub_(mean)
    for weights in (last.weight, last.bias):
        weights.mul_(TOKEN_SIZE / spread)


def take_vision(model: Any, other: Any) -> None:
    """Copy what runs without dialogues have taught: vision tower, dense head, regions' head.

    Parameters
    ----------
    model, other : QuPaintModel
        The one that is changed in place, and the one that was taught.

    Raises
    ------
    ArgumentError
        Weights of other shapes.
    """
    for ours, theirs, name in _seeing(model, other):
        try:
            ours.load_state_dict(theirs.state_dict())
        except RuntimeError as error:
            raise ArgumentError("vision", name, f"weights of the same shapes: {error}") from None


def _seeing(model: Any, other: Any) -> Iterator[tuple[Any, Any, str]]:
    for name in ("vision_tower", "dense_head"):
        yield getattr(model, name), getattr(other, name), name
    heads = (core.region_tokens.head() for core in (model, other))
    for ours, theirs in zip(*heads, strict=True):
        yield ours, theirs, "region_tokens"


def texts(
    images: Sequence[list[Mapping[str, Any]]], config: TrainConfig, read_images: int
) -> Iterator[str]:
    """Yield questions and answers about images, without their boxes."""
    rng = np.random.default_rng([config.seed, 4])
    for i in range(min(read_images, len(images))):
        row = images[i][0]
        image, flakes = pixels_of(row), flakes_of(row)
        for talk in fresh_talks(seen_scene(row, image, flakes), image, config, rng):
            yield from (_BOXES.sub("\n", text) for turn in talk.turns for text in turn)
