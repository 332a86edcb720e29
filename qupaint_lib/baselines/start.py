"""Given weights as the start of an ablation's cells, and how many dialogues these learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qupaint_lib.model import QuPaint, QuPaintConfig, QuPaintForConditionalGeneration, load_nano
from qupaint_lib.train import TrainConfig
from qupaint_lib.train.encode import prefix_text, talk_tokens
from qupaint_lib.train.examples import flakes_of, fresh_talks, pixels_of, seen_scene

NANO = "nano"


def started(start: str | Path, variant: str) -> QuPaint:
    """Return given weights in a model with a variant of PIA: see `with_variant`.

    Parameters
    ----------
    start : path or str
        ``"nano"``, the weights that come with the library, or the folder of a model.
    variant : str
        Of `PIA_VARIANTS`.
    """
    given = load_nano() if start == NANO else QuPaint.from_pretrained(start)
    return with_variant(given, variant)


def with_variant(assistant: QuPaint, variant: str) -> QuPaint:
    """Return a model with the same weights and another variant of PIA.

    Its own parameters of PIA are left behind, and those of the new variant are as in any new model:
    a gate is open by 0.88 to 0.95, what is added is 0, and so are the weights of the channel α.

    That is a fair start for a comparison as far as the model does not notice: the LayerNorm behind
    the paper's gate cancels what the patches of a token have in common, so that a new gate moves
    a visual token by less than a hundredth (chapter 7). How much it is for given weights, the
    ablation measures before it trains (`run_ablation`).

    Parameters
    ----------
    assistant : QuPaint
        Returned as it is where it has the variant already.
    variant : str
        Of `PIA_VARIANTS`.
    """
    model = assistant.model
    if model.config.pia_variant == variant:
        return assistant
    config = QuPaintConfig.from_dict({**model.config.to_dict(), "pia_variant": variant})
    with torch.random.fork_rng():
        other = QuPaintForConditionalGeneration(config)
    own, given = other.state_dict(), model.state_dict()
    with torch.no_grad():
        for name, weights in own.items():
            if name in given and "pia_gate" not in name:
                _copy_channels(weights, given[name])
    return QuPaint(other.to(model.dtype).eval(), assistant.processor)


def _copy_channels(weights: torch.Tensor, given: torch.Tensor) -> None:
    """Copy weights in place; of a patch embedding with another number of channels, those it has."""
    if weights.shape == given.shape:
        weights.copy_(given)
        return
    shared = min(weights.shape[1], given.shape[1])
    weights.zero_()
    weights[:, :shared] = given[:, :shared]


def dialogues_kept(
    images: Sequence[list[Mapping[str, Any]]],
    processor: Any,
    config: TrainConfig,
    count: int = 100,
) -> dict[str, tuple[int, int]]:
    """Return how many dialogues in short and in full form a run makes, and how many it learns from.

    `pack` leaves out what is too long for the rest of an example, full dialogues most often.

    Parameters
    ----------
    images, processor, config
        Of the run.
    count : int, optional
        The first so many images are looked at, as they are.

    Returns
    -------
    dict
        ``"short"`` and ``"full"``: made, and kept.
    """
    rng = np.random.default_rng([config.seed, 5])
    made, kept = np.zeros(2, dtype=int), np.zeros(2, dtype=int)
    start = len(processor.tokenizer(prefix_text(processor), add_special_tokens=False)["input_ids"])
    for i in range(min(count, len(images))):
        row = images[i][0]
        image = pixels_of(row)
        talks = fresh_talks(seen_scene(row, image, flakes_of(row)), image, config, rng)
        used = start
        for k in rng.permutation(len(talks)):
            length = len(talk_tokens(processor, talks[k])[0])
            made[int(not talks[k].brief)] += 1
            if used + length <= config.max_tokens:
                used += length
                kept[int(not talks[k].brief)] += 1
    pairs = zip(made.tolist(), kept.tolist(), strict=True)
    return dict(zip(("short", "full"), pairs, strict=True))
