"""The ways to a model: the authors' released weights, InternVL's, or none.

Published checkpoints are read tensor by tensor under the names that they use, so that a key that
is missing, unknown or of another shape is named. Only safetensors are read, and no code comes with
them. A folder never reaches the network; a Hub id downloads JSON, text and safetensors, once.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import InternVLConfig, Qwen2Tokenizer

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.chat import QuPaint
from qupaint_lib.model.config import OPEN_GATE, QuPaintConfig
from qupaint_lib.model.layouts import (
    BBOX_HEAD,
    Layout,
    internvl_layout,
    released_config,
    released_layout,
)
from qupaint_lib.model.modeling import QuPaintForConditionalGeneration
from qupaint_lib.model.processor import QuPaintProcessor
from qupaint_lib.model.tiling import CANVAS_TILES
from qupaint_lib.model.tokenizer import nano_tokenizer
from qupaint_lib.model.tokens import END_OF_TEXT, IMAGE_CONTEXT, TURN_END
from qupaint_lib.model.weights import check_source, read_config, read_shard, weight_files

RELEASED_LICENCE = "the authors' non-commercial research licence (uark-cviu/QuPAINT-4B)"

# The system turn that the release was tuned with (github.com/uark-cviu/QuPAINT, MIT licence).
RELEASED_SYSTEM_MESSAGE = (
    "You are a helpful and harmless AI assistant developed by the CVIU. You are a "
    "domain-specialized vision-language model for 2D materials flake analysis. Your "
    "primary task is to detect, segment, and verify monolayer flakes of various "
    "materials (e.g., graphene, hBN, MoS₂, WS₂, WSe₂, MoSe₂, BP, etc.) "
    "from microscopy images and auxiliary metadata/signals."
)
_DOWNLOADED = ("*.json", "*.safetensors", "*.txt", "*.jinja")


class LicenceWarning(UserWarning):
    """Weights carry a licence that is not this library's."""


def from_scratch(
    size: str,
    rng: np.random.Generator,
    *,
    tokenizer: Any = None,
    tiles: Sequence[int] = (1, 1),
    **options: Any,
) -> QuPaint:
    """Return a model with random weights, to be trained.

    Parameters
    ----------
    size : str
        One of `QuPaintConfig.from_size`: ``"nano"``, ``"micro"``, …
    rng : numpy.random.Generator
        What the weights are drawn from: normal with standard deviation 0.02.
    tokenizer : transformers tokenizer, optional
        By default `nano_tokenizer`'s.
    tiles : (int, int), optional
        Columns and rows of the canvas.
    **options
        Those of `QuPaintConfig.from_size`: ``pia_variant``, ``image_size``, ``dense_classes``, …
    """
    tokenizer = nano_tokenizer() if tokenizer is None else tokenizer
    image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_CONTEXT)
    config = QuPaintConfig.from_size(size, image_token_id=image_token_id, **options)
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**63)))
        model = QuPaintForConditionalGeneration(config)
    processor = QuPaintProcessor.from_config(config, tokenizer, tiles=tiles)
    return _paired(model.eval(), processor)


def load_released(
    source: str | Path,
    *,
    tiles: Sequence[int] = CANVAS_TILES,
    dtype: torch.dtype | None = None,
    **options: Any,
) -> QuPaint:
    """Load the authors' released checkpoint, ``"uark-cviu/QuPAINT-4B"``, or one in its layout.

    **Licence: the released weights may be used for non-commercial research only**; that is also
    kept in the configuration of what is loaded, and a `LicenceWarning` says it. The release has no
    PIA gate: it is loaded with an open one (w = 0, b = 30), which leaves it as it is; before
    training, call ``model.model.pia_gate.set_(1, 2)``, since an open gate has no gradient. Its
    unused ``bbox_head`` is kept aside in ``model.set_aside``.

    Parameters
    ----------
    source : path or str
        A folder with config.json, safetensors and tokenizer, or a Hub id, which is downloaded.
    tiles : (int, int), optional
        Columns and rows of the canvas; (4, 3) is what the release was tuned at.
    dtype : torch.dtype, optional
        Type of the weights; by default as they are stored.
    **options
        Parameters of `QuPaintConfig`, such as ``pia_variant``.

    Raises
    ------
    ArgumentError
        Another architecture, pixel shuffle v1, pickled weights, a shard that is cut off, a key
        that is missing, unknown or of another shape.
    """
    folder = _local_folder(source)
    stored = read_config(folder)
    tokenizer = _tokenizer(folder)
    start = {"pia_weight_init": OPEN_GATE[0], "pia_bias_init": OPEN_GATE[1]}
    options = {**start, "weights_licence": RELEASED_LICENCE, **options}
    options["image_token_id"] = tokenizer.convert_tokens_to_ids(IMAGE_CONTEXT)
    config = released_config(stored, **options)
    message = f"the weights of {source} are under {RELEASED_LICENCE}"
    warnings.warn(message, LicenceWarning, stacklevel=2)
    model = _load(folder, config, released_layout, dtype)
    system = RELEASED_SYSTEM_MESSAGE
    processor = QuPaintProcessor.from_config(config, tokenizer, tiles=tiles, system_message=system)
    return _paired(model, processor)


def from_internvl(
    source: str | Path,
    *,
    tiles: Sequence[int] = (1, 1),
    dtype: torch.dtype | None = None,
    **options: Any,
) -> QuPaint:
    """Start a PIA model from InternVL's weights, such as ``"OpenGVLab/InternVL3_5-1B-HF"``.

    Parameters
    ----------
    source : path or str
        A folder in transformers' own layout, or a Hub id, which is downloaded.
    tiles : (int, int), optional
        Columns and rows of the canvas.
    dtype : torch.dtype, optional
        Type of the weights; by default as they are stored.
    **options
        Parameters of `QuPaintConfig`, such as ``pia_variant``; the gate starts at w = 1, b = 2.

    Raises
    ------
    ArgumentError
        Not an InternVL with Qwen3, or as in `load_released`.
    """
    folder = _local_folder(source)
    stored = read_config(folder)
    decoder = stored.get("text_config", {}).get("model_type")
    if (stored.get("model_type"), decoder) != ("internvl", "qwen3"):
        found = (stored.get("model_type"), decoder)
        raise ArgumentError("source", found, "model_type 'internvl' with a 'qwen3' decoder")
    base = InternVLConfig.from_dict(stored).to_dict()
    for name in ("model_type", "architectures", "transformers_version", "dtype"):
        base.pop(name, None)
    config = QuPaintConfig(**{**base, **options})
    model = _load(folder, config, internvl_layout(_keys(folder)), dtype)
    return _paired(model, QuPaintProcessor.from_config(config, _tokenizer(folder), tiles=tiles))


def _paired(model: QuPaintForConditionalGeneration, processor: QuPaintProcessor) -> QuPaint:
    """Return both, after the model was told which tokens end an answer and fill a batch."""
    tokenizer = processor.tokenizer
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(TURN_END)
    model.generation_config.pad_token_id = tokenizer.convert_tokens_to_ids(END_OF_TEXT)
    return QuPaint(model, processor)


def _local_folder(source: str | Path) -> Path:
    """Return the folder of a source, downloaded where it is a Hub id."""
    if check_source(source):
        return Path(source)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=list(_DOWNLOADED)))
    except (OSError, ValueError) as error:
        raise ArgumentError("source", source, f"could not be downloaded: {error}") from error


def _tokenizer(folder: Path) -> Qwen2Tokenizer:
    try:
        return Qwen2Tokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ArgumentError("source", str(folder), f"a Qwen2 tokenizer: {error}") from error


def _keys(folder: Path) -> set[str]:
    return {key for path in weight_files(folder) for key in read_shard(path).keys()}


def _load(
    folder: Path, config: QuPaintConfig, layout: Layout, dtype: torch.dtype | None
) -> QuPaintForConditionalGeneration:
    """Return the model with a folder's weights."""
    with torch.device("meta"):
        empty = QuPaintForConditionalGeneration(config)
    state, aside = _read(folder, empty, layout, config)
    dtype = dtype or state["lm_head.weight" if "lm_head.weight" in state else _EMBEDDING].dtype
    model = QuPaintForConditionalGeneration.from_pretrained(
        None, config=config, state_dict=state, dtype=dtype
    )
    model.set_aside = aside
    return model.eval()


_EMBEDDING = "model.language_model.embed_tokens.weight"


def _read(
    folder: Path, empty: QuPaintForConditionalGeneration, layout: Layout, config: QuPaintConfig
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the state of a model by our names, and what is kept aside."""
    shards = {}
    for path in weight_files(folder):
        shard = read_shard(path)
        shards.update(dict.fromkeys(shard.keys(), shard))
    state, used = {}, set()
    for name, parameter in empty.named_parameters():
        if any(part in name for part in (".pia_", ".dense_head.", ".region_tokens.")):
            state[name] = _fresh(name, parameter, config)
            continue
        key, third = layout(name)
        if key not in shards:
            raise ArgumentError("source", key, f"missing; {name} is read from it")
        used.add(key)
        state[name] = _tensor(shards[key], key, third, parameter.shape)
    aside = {key: shards[key].get_tensor(key) for key in shards if key.startswith(BBOX_HEAD)}
    tied = {layout("lm_head.weight")[0]} if config.tie_word_embeddings else set()
    unknown = sorted(set(shards) - used - set(aside) - tied)
    if unknown:
        raise ArgumentError("source", unknown[0], f"unknown key, one of {len(unknown)}")
    return state, aside


def _tensor(shard: Any, key: str, third: int | None, shape: torch.Size) -> torch.Tensor:
    """Return a tensor of a shard, or one of the thirds of a joint projection."""
    stored = shard.get_slice(key)
    found = list(stored.get_shape())
    expected = [shape[0] * (1 if third is None else 3), *shape[1:]]
    widened = [shape[0], 3, *shape[2:]] if len(shape) == 4 else None  # α is a fourth channel
    if found not in (expected, widened):
        raise ArgumentError("source", f"{key} {tuple(found)}", f"shape {tuple(expected)}")
    if third is not None:
        return stored[third * shape[0] : (third + 1) * shape[0]].clone()
    tensor = shard.get_tensor(key)
    if found != expected:
        missing = torch.zeros(shape[0], shape[1] - 3, *shape[2:], dtype=tensor.dtype)
        tensor = torch.cat([tensor, missing], dim=1)
    return tensor


def _fresh(name: str, parameter: torch.Tensor, config: QuPaintConfig) -> torch.Tensor:
    """Return the start of a weight that no checkpoint has: PIA's, and the dense head's."""
    if name.endswith("pia_gate.weight"):
        return torch.full(parameter.shape, float(config.pia_weight_init))
    if name.endswith("pia_gate.bias"):
        return torch.full(parameter.shape, float(config.pia_bias_init))
    ones = name.endswith("norm.weight")
    return torch.ones(parameter.shape) if ones else torch.zeros(parameter.shape)
