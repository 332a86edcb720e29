"""qupaint-nano: the small model whose weights come with the library."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import torch

from qupaint_lib.errors import ArgumentError
from qupaint_lib.model.chat import QuPaint

NANO = "data/nano"


def load_nano(*, dtype: torch.dtype = torch.float32) -> QuPaint:
    """Return qupaint-nano, trained from scratch on Synthia and QMat-Instruct; no network.

    It answers at once: ``load_nano().chat(image, "How many material flakes are there in the
    image?", brief=True)``. What it can do and what it cannot is in the model card beside its
    weights, `nano_folder` ``/ "README.md"``.

    Parameters
    ----------
    dtype : torch.dtype, optional
        Of the weights in memory; the file holds float16.

    Raises
    ------
    ArgumentError
        The weights are not there, or not whole.
    """
    return QuPaint.from_pretrained(nano_folder(), dtype=dtype)


def nano_folder() -> Path:
    """Return the folder with weights, tokenizer, model card and training record."""
    with as_file(files("qupaint_lib") / NANO) as folder:
        if not (folder / "config.json").is_file():
            raise ArgumentError("nano", NANO, "a folder of the installed package; it is missing")
        return folder
