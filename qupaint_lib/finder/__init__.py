"""Flakes and their layer counts from physics alone: no training, no labels.

``contrast`` follows the substrate over the field and divides by it, ``segment`` takes the contrast
apart into plateaus (``regions`` lets them grow together), ``layers`` fits the optical model to the
plateaus and tells their layers, ``find`` puts it together, ``overlay`` draws, ``batch`` runs a
folder: ``python -m qupaint_lib.finder FOLDER --material graphene --out flakes.json``.

Contrast is light of the flake over light of the substrate, minus 1, so that white balance,
exposure and vignetting cancel out; oxide, aperture, camera and stray light do not.
"""

from qupaint_lib.finder.batch import BatchReport, find_in_folder
from qupaint_lib.finder.contrast import ContrastMap, contrast_map
from qupaint_lib.finder.find import Finding, examine, find_flakes
from qupaint_lib.finder.layers import LayerFit, fit_layers
from qupaint_lib.finder.overlay import OUTLINE_COLORS, overlay
from qupaint_lib.finder.segment import plateaus

__all__ = [
    "OUTLINE_COLORS",
    "BatchReport",
    "ContrastMap",
    "Finding",
    "LayerFit",
    "contrast_map",
    "examine",
    "find_flakes",
    "find_in_folder",
    "fit_layers",
    "overlay",
    "plateaus",
]
