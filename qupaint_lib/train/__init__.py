"""Training: from scratch, by low-rank updates or in full, on transformers' Trainer and accelerate.

``config`` is the recipe, ``examples`` makes of the images of a data set what is learned from,
``augment`` shows them anew, ``encode`` packs dialogues behind an image, ``regions`` measures what
optics finds in it, ``start`` makes a new small model, ``trainer`` and ``run`` train it, ``record``
keeps how. See
``python -m qupaint_lib.train --help``.

Importing this room imports neither torch nor transformers; asking it for a name does.
"""

from __future__ import annotations

import lazy_loader

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

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs=_HOMES)
