"""Training: from scratch, by low-rank updates or in full, on transformers' Trainer and accelerate.

``config`` is the recipe, ``examples`` makes of the images of a data set what is learned from,
``augment`` shows them anew, ``encode`` packs dialogues behind an image, ``regions`` measures what
optics finds in it, ``start`` makes a new small model, ``trainer`` and ``run`` train it, ``record``
keeps how. See
``python -m qupaint_lib.train --help``.

Importing this room imports neither torch nor transformers; asking it for a name does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "augment": ("View", "rewrite", "sample_view", "shift_colours", "view_flakes", "whole"),
    "config": ("PRESETS", "TrainConfig"),
    "encode": ("Collator", "Packed", "Talk", "pack"),
    "examples": ("Example", "Examples", "Images", "Stream"),
    "regions": ("RegionExamples", "measure_regions"),
    "run": ("last_checkpoint", "train", "with_lora"),
    "ship": ("examine", "examine_subset", "ship"),
    "start": ("start_nano", "take_vision"),
    "targets": ("DENSE_CLASSES", "dense_targets", "region_targets"),
    "trainer": ("QuPaintTrainer",),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
