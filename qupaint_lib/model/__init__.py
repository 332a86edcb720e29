"""QuPAINT itself: InternVL with Qwen3, whose visual tokens are gated by the physics of contrast.

``config`` holds the sizes and variants, ``gate`` Eq. 5–6 and what it is compared with,
``modeling`` the network, ``tiling``, ``image_processor`` and ``processor`` what comes before it,
``regions``, ``stem`` and ``dense`` what helps small models to see,
``tokenizer`` and ``corpus`` the vocabulary of small models, ``chat``, ``merging`` and ``scoring``
what comes after it, ``convert`` and ``weights`` the way in for published checkpoints,
``accounting`` parameters, FLOPs and tokens.

Importing this room imports neither torch nor transformers; asking it for a name does, and makes
transformers' Auto classes know the model. Only a Hub id reaches the network, never a folder.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import lazy_loader

_HOMES = {
    "accounting": ("Cost", "TokenBudget", "cost", "forward_flops", "parameter_count",
                   "token_budget"),
    "chat": ("Answer", "QuPaint", "split_batch"),
    "config": ("PIA_VARIANTS", "SIZES", "QuPaintConfig"),
    "convert": ("LicenceWarning", "from_internvl", "from_scratch", "load_released"),
    "dense": ("DenseHead",),
    "gate": ("PiaEmbedding", "PiaGate", "attention_scores"),
    "image_processor": ("QuPaintImageProcessor",),
    "merging": ("View", "merge_views"),
    "modeling": ("QuPaintForConditionalGeneration", "QuPaintModel", "QuPaintOutput"),
    "processor": ("QuPaintProcessor",),
    "regions": ("RegionTokens", "find_regions"),
    "scoring": ("box_scores",),
    "shipped": ("load_nano", "nano_folder"),
    "tiling": ("CANVAS_TILES", "Window", "patch_attention", "windows"),
    "tokenizer": ("location_tokens", "nano_tokenizer", "train_tokenizer"),
}  # fmt: skip

_attached, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_HOMES)


def __getattr__(name: str) -> Any:
    if name in __all__:
        import_module(f"{__name__}.auto").register()
    return _attached(name)
