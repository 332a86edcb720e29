"""What a model costs: parameters, FLOPs, tokens; counted on the meta device, without weights.

The paper does not say how Table 4's FLOPs are counted. The convention here is inferred from its
numbers, all four of which it gives: one tile of 448 px, 1,000 tokens in the decoder, 2 FLOP per
multiply–add of every linear map and of the patch embedding, without the products of attention
(q·k and the weighted sum of v) and without the head that names tokens.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from qupaint_lib.model.config import WORDS, QuPaintConfig
from qupaint_lib.model.modeling import QuPaintForConditionalGeneration
from qupaint_lib.model.regions import LAYERS as REGION_LAYERS
from qupaint_lib.model.regions import Rotation
from qupaint_lib.model.stem import ConvStem

DECODER_TOKENS = 1000
PARTS = (
    "vision_tower", "multi_modal_projector", "language_model", "lm_head", "pia", "dense_head",
    "region_tokens",
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """A row of Table 4's last two columns.

    Attributes
    ----------
    parameters : int
        Of the whole model; tied embeddings count once.
    flops : float
        Of one forward pass, by the convention of this module.
    """

    parameters: int
    flops: float


@dataclass(frozen=True)
class TokenBudget:
    """How the context is filled by one question about one image.

    Attributes
    ----------
    visual : int
        Tokens of the tiles.
    question : int
        Tokens of the prompt besides.
    answer : int
        Tokens of the answer, and the one that ends it.
    context : int
        What the decoder can hold.
    """

    visual: int
    question: int
    answer: int
    context: int

    @property
    def total(self) -> int:
        """All tokens."""
        return self.visual + self.question + self.answer

    @property
    def fits(self) -> bool:
        """Whether they fit the context."""
        return self.total <= self.context


def cost(config: QuPaintConfig) -> Cost:
    """Return parameters and FLOPs of a model as Table 4 states them."""
    flops = forward_flops(config)
    return Cost(sum(parameter_count(config).values()), sum(flops.values()))


def parameter_count(config: QuPaintConfig) -> dict[str, int]:
    """Return the number of parameters of every part of a model.

    Parameters
    ----------
    config : QuPaintConfig
        Of any size; nothing is allocated.

    Returns
    -------
    dict
        By part: ``vision_tower``, ``multi_modal_projector``, ``language_model``, ``lm_head`` (0
        where it is tied), ``pia``, ``dense_head``, ``region_tokens``.
    """
    counts = Counter(dict.fromkeys(PARTS, 0))
    for name, parameter in _meta_model(config).named_parameters():  # tied ones once
        counts[_part(name)] += parameter.numel()
    return dict(counts)


def forward_flops(
    config: QuPaintConfig,
    *,
    decoder_tokens: int = DECODER_TOKENS,
    tiles: int = 1,
    attention: bool = False,
    lm_head: bool = False,
) -> dict[str, float]:
    """Return the floating-point operations of a forward pass, by part; 2 per multiply–add.

    Parameters
    ----------
    config : QuPaintConfig
        Of any size.
    decoder_tokens : int, optional
        Length of the sequence in the decoder, visual tokens included.
    tiles : int, optional
        How many tiles the vision tower sees.
    attention : bool, optional
        Whether the products of attention count: 4 · L² · width per layer; half that in the
        decoder, where a token sees those before it.
    lm_head : bool, optional
        Whether the logits of all tokens count.
    """
    vision, text = config.vision_config, config.text_config
    patches = (config.tile_px // config.patch_px) ** 2
    tokens = {
        "vision_tower": tiles * (patches + 1),  # and the class token
        "multi_modal_projector": tiles * (config.image_seq_length - WORDS * config.region_tokens),
        "language_model": decoder_tokens,
        "lm_head": decoder_tokens if lm_head else 0,
        "dense_head": tiles * patches,
        "region_tokens": tiles * config.region_tokens,
    }
    flops = Counter(dict.fromkeys(tokens, 0.0))
    for name, module in _meta_model(config).named_modules():
        if isinstance(module, Rotation):  # of all words of a region but the last
            flops[_part(name)] += 2.0 * module.weight.numel() * tokens[_part(name)] * (WORDS - 1)
        elif isinstance(module, nn.Linear):
            flops[_part(name)] += 2.0 * module.weight.numel() * tokens[_part(name)]
        elif isinstance(module, nn.MultiheadAttention):  # its three maps in one
            flops[_part(name)] += 2.0 * module.in_proj_weight.numel() * tokens[_part(name)]
        elif isinstance(module, ConvStem):
            flops["vision_tower"] += tiles * module.flops(config.tile_px)
        elif isinstance(module, nn.Conv2d) and not config.conv_stem:  # the patch embedding
            flops["vision_tower"] += 2.0 * module.weight.numel() * tiles * patches
    if attention:
        width = text.num_attention_heads * text.head_dim
        seen = 4.0 * tiles * (patches + 1) ** 2 * vision.hidden_size
        flops["vision_tower"] += seen * vision.num_hidden_layers
        seen = 4.0 * tiles * config.region_tokens**2 * text.hidden_size
        flops["region_tokens"] += seen * REGION_LAYERS
        flops["language_model"] += 2.0 * decoder_tokens**2 * width * text.num_hidden_layers
    return dict(flops)


def token_budget(
    config: QuPaintConfig,
    processor: Any,
    question: str,
    answer: str,
    *,
    tiles: tuple[int, int] | None = None,
) -> TokenBudget:
    """Return how many tokens a question about an image and its answer take.

    The paper's second limitation: answers list every flake, so they grow with their number.

    Parameters
    ----------
    config : QuPaintConfig
        The model's.
    processor : QuPaintProcessor
        Its processor.
    question, answer : str
        For example of `qupaint_lib.answers.format_answer`.
    tiles : (int, int), optional
        Columns and rows of the canvas instead of the processor's.
    """
    count = processor.tokenizer
    placeholder = 1  # of the image, which stands for the visual tokens
    question_tokens = len(count(processor.prompt(question))["input_ids"]) - placeholder
    return TokenBudget(
        visual=processor.visual_tokens(tiles),
        question=question_tokens + 2,  # <img> and </img>
        answer=len(count(answer)["input_ids"]) + 1,
        context=config.context_tokens,
    )


def _meta_model(config: QuPaintConfig) -> QuPaintForConditionalGeneration:
    with torch.device("meta"):
        return QuPaintForConditionalGeneration(config)


def _part(name: str) -> str:
    """Return the part of the model that a weight or module belongs to."""
    part = name.removeprefix("model.").partition(".")[0]
    return "pia" if part.startswith("pia_") else part
