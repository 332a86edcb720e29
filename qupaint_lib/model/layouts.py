"""How published checkpoints name what transformers' InternVL holds: the key table, both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.config import QuPaintConfig

# Our name of a weight ► its key in the file, and which third of that where q, k, v are joined.
Layout = Callable[[str], tuple[str, int | None]]

BBOX_HEAD = "bbox_head."
_THIRDS = {"q": 0, "k": 1, "v": 2}
_JOINT = re.compile(r"\.attention\.([qkv])_proj\.")

# What the release calls the parts of the model, in the order in which they are replaced.
_RELEASED_NAMES = (
    (r"^model\.vision_tower\.", "vision_model."),
    (r"\.embeddings\.cls_token$", ".embeddings.class_embedding"),
    (r"\.embeddings\.position_embeddings$", ".embeddings.position_embedding"),
    (r"\.embeddings\.patch_embeddings\.projection\.", ".embeddings.patch_embedding."),
    (r"\.encoder\.layer\.", ".encoder.layers."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.lambda_([12])$", r".ls\1"),
    (r"\.attention\.projection_layer\.", ".attn.proj."),
    (r"^model\.multi_modal_projector\.layer_norm\.", "mlp1.0."),
    (r"^model\.multi_modal_projector\.linear_1\.", "mlp1.1."),
    (r"^model\.multi_modal_projector\.linear_2\.", "mlp1.3."),
    (r"^model\.language_model\.", "language_model.model."),
    (r"^lm_head\.", "language_model.lm_head."),
)
_OLD_INTERNVL_NAMES = (
    (r"^model\.language_model\.", "language_model.model."),
    (r"^lm_head\.", "language_model.lm_head."),
    (r"^model\.", ""),
)
_QWEN3_FIELDS = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings", "rms_norm_eps",
    "tie_word_embeddings", "rope_parameters", "rope_theta", "rope_scaling", "attention_bias",
    "bos_token_id", "eos_token_id", "pad_token_id", "initializer_range", "use_sliding_window",
    "sliding_window", "max_window_layers",
)  # fmt: skip
_VIT_FIELDS = {
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "patch_size": "patch_size",
    "image_size": "image_size",
    "layer_norm_eps": "layer_norm_eps",
    "qkv_bias": "attention_bias",
}


def released_layout(name: str) -> tuple[str, int | None]:
    """Return the key of the authors' release that holds a weight of ours."""
    joint = _JOINT.search(name)
    if joint and name.startswith("model.vision_tower."):
        name = _JOINT.sub(".attn.qkv.", name)
        return _renamed(name, _RELEASED_NAMES), _THIRDS[joint[1]]
    return _renamed(name, _RELEASED_NAMES), None


def internvl_layout(keys: Collection[str]) -> Layout:
    """Return the layout of an InternVL checkpoint: transformers' present names, or older ones."""
    old = any(key.startswith("vision_tower.") for key in keys)
    names = _OLD_INTERNVL_NAMES if old else ()
    return lambda name: (_renamed(name, names), None)


def released_config(stored: dict[str, Any], **options: Any) -> QuPaintConfig:
    """Return our configuration of a released one.

    Parameters
    ----------
    stored : dict
        What its config.json holds: ``model_type`` ``"cviu_chat"``, ``ps_version`` ``"v2"``,
        ``vision_config`` and ``llm_config``.
    **options
        Parameters of `QuPaintConfig`.

    Raises
    ------
    ArgumentError
        Another architecture, or another pixel shuffle, whose tokens stand transposed.
    """
    vision, text = stored.get("vision_config", {}), stored.get("llm_config", {})
    required = {
        "model_type": (stored.get("model_type"), "cviu_chat"),
        "ps_version": (stored.get("ps_version", "v1"), "v2"),
        "select_layer": (stored.get("select_layer", -1), -1),
        "llm_config.architectures": (text.get("architectures"), ["Qwen3ForCausalLM"]),
        "vision_config.architectures": (vision.get("architectures"), ["InternVisionModel"]),
        "vision_config.norm_type": (vision.get("norm_type", "layer_norm"), "layer_norm"),
        "vision_config.qk_normalization": (vision.get("qk_normalization", False), False),
    }
    for name, (found, needed) in required.items():
        if found != needed:
            raise ArgumentError(name, found, f"{needed!r}, as in the authors' release")
    tied = bool(text.get("tie_word_embeddings", False))
    eyes = {ours: vision[theirs] for theirs, ours in _VIT_FIELDS.items() if theirs in vision}
    if stored.get("force_image_size"):
        eyes["image_size"] = stored["force_image_size"]
    tongue = {name: text[name] for name in _QWEN3_FIELDS if name in text}
    return QuPaintConfig(
        vision_config=eyes,
        text_config={"model_type": "qwen3", **tongue},
        downsample_ratio=stored.get("downsample_ratio", 0.5),
        tie_word_embeddings=tied,
        **options,
    )


def _renamed(name: str, replacements: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in replacements:
        name = re.sub(pattern, replacement, name)
    return name
