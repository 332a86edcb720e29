"""What a run was: configuration, data, versions and commit, beside its weights."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from qupaint_lib._files import read_json
from qupaint_lib._git import git_state
from qupaint_lib.shards.manifest import MANIFEST
from qupaint_lib.train.config import TrainConfig

_PACKAGES = ("torch", "transformers", "accelerate", "tokenizers", "datasets", "peft")


def make_record(
    model: Any, processor: Any, config: TrainConfig, data: Any, validation: Any
) -> dict[str, Any]:
    """Return the record of a run before it starts."""
    commit, dirty = git_state(Path(__file__).parent)
    return {
        "config": config.to_dict(),
        "data": {"train": describe_data(data), "validation": describe_data(validation)},
        "model": {
            "parameters": sum(p.numel() for p in model.parameters()),
            "tile_px": model.config.tile_px,
            "patch_px": model.config.patch_px,
            "pia_variant": model.config.pia_variant,
            "vocabulary": len(processor.tokenizer),
        },
        "versions": {name: version(name) for name in _PACKAGES},
        "commit": commit,
        "dirty": dirty,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
    }


def describe_data(data: Any) -> Any:
    """Return what a data set's manifest says of it: how it was made, and what it holds."""
    if isinstance(data, str | Path):
        path = Path(data) / MANIFEST
        if path.exists():
            manifest = read_json(path)
            return {"dataset": manifest.get("dataset"), "shards": len(manifest.get("shards", []))}
        return {"folder": Path(data).name}
    return None if data is None else {"images": len(data) if hasattr(data, "__len__") else None}
