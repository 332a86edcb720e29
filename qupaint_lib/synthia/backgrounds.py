"""Which part of which real micrograph a sample is composed into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib.errors import ArgumentError, QuPaintError
from qupaint_lib.images import load_image
from qupaint_lib.microscope import Microscope
from qupaint_lib.synthia.habits import HABITS
from qupaint_lib.synthia.reference import Reference, prepare_reference

SAMPLES_PER_REFERENCE = 50  # follow each other, because preparing one takes as long as many of them
_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
_LEAST_CLEAN, _TRIES = 0.3, 20  # share of substrate that a part of a micrograph should have


def image_names(folder: Path) -> tuple[str, ...]:
    """Return the images of a folder and its subfolders, relative to it."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    if not paths:
        allowed = f"a folder with images ({', '.join(_SUFFIXES)})"
        raise ArgumentError("references", str(folder), allowed)
    return tuple(path.relative_to(folder).as_posix() for path in paths)


def background_of(
    i: int,
    seed: int,
    folder: str,
    names: Sequence[str],
    shape: tuple[int, int] | None,
    microscope: Microscope | None,
    rng: np.random.Generator,
) -> tuple[Reference, dict[str, Any]]:
    """Return the reference of sample i, and where it comes from; `rng` draws its corner."""
    turn, place = divmod(i // SAMPLES_PER_REFERENCE, len(names))
    name = names[int(np.random.default_rng([seed, turn, 1]).permutation(len(names))[place])]
    try:
        whole = _prepared(str(Path(folder) / name), microscope)
    except QuPaintError as error:
        raise ArgumentError(
            "references", name, f"a micrograph of clean substrate: {error}"
        ) from error
    if shape is None:
        return whole, {"file": name, "left": 0, "top": 0}
    room = [have - wanted for have, wanted in zip(whole.shape, shape, strict=True)]
    if min(room) < 0:
        allowed = f"at most {whole.shape}, that of the reference {name}; or None"
        raise ArgumentError("shape", shape, allowed)
    top, left = _clean_corner(rng, whole.substrate_mask, shape, room)
    return _part(whole, top, left, shape), {"file": name, "left": left, "top": top}


@lru_cache(maxsize=2)
def _prepared(path: str, microscope: Microscope | None) -> Reference:
    """Prepare a micrograph; its gain is the bare substrate's, whatever the flakes to come are."""
    return prepare_reference(load_image(path), next(iter(HABITS)), microscope)


def _clean_corner(
    rng: np.random.Generator, clean: np.ndarray, shape: tuple[int, int], room: Sequence[int]
) -> tuple[int, int]:
    """Draw the upper left corner of a part with clean substrate; of the cleanest if none has."""
    best, corner = -1.0, (0, 0)
    for top, left in rng.integers(0, np.array(room) + 1, (_TRIES, 2)).tolist():
        share = float(clean[top : top + shape[0], left : left + shape[1]].mean())
        if share > best:
            best, corner = share, (top, left)
        if share >= _LEAST_CLEAN:
            break
    return corner


def _part(whole: Reference, top: int, left: int, shape: tuple[int, int]) -> Reference:
    window = np.s_[top : top + shape[0], left : left + shape[1]]
    planes = ("image", "substrate_mask", "background")
    parts = {name: np.ascontiguousarray(getattr(whole, name)[window]) for name in planes}
    return replace(whole, **parts)
