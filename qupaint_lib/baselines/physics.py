"""The finder as a baseline: no training, but told material, wafer and nominal oxide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from qupaint_lib.baselines.predict import Detected
from qupaint_lib.errors import CalibrationError
from qupaint_lib.finder import find_flakes
from qupaint_lib.microscope import Microscope, get_preset

_NOT_FLAKES = frozenset({"debris", "stain"})
_THICK_SCORE = 0.5  # of what is too thick for the palette: the finder gives it no probability
_LEAST_PX = 30


def microscope_of(about: Mapping[str, Any]) -> Microscope:
    """Return what a laboratory knows: wafer and nominal oxide; the camera is a generic one."""
    oxide, _, substrate = str(about["substrate"]).rpartition("/")
    known = {"substrate": substrate, "oxide_thickness_nm": float(about["oxide_thickness_nm"])}
    if oxide:
        known["oxide"] = oxide
    return replace(get_preset("machine-vision"), **known)


def detect_by_physics(image: np.ndarray, about: Mapping[str, Any]) -> list[Detected]:
    """Return what the finder finds in an image; see `predictions_of` for `about`."""
    try:
        flakes = find_flakes(image, about["material"], microscope_of(about), min_area_px=_LEAST_PX)
    except CalibrationError:
        return []
    found = []
    for flake in flakes:
        if _NOT_FLAKES & set(flake.flags):
            continue
        label = flake.layer_class()
        score = _THICK_SCORE if label == "Thick" and flake.layer_count is None else flake.score
        found.append(Detected(tuple(map(float, flake.bbox_xywh)), label, min(score, 1.0)))
    return found
