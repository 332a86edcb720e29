"""Flakes and their files: masks as RLE, layer classes, COCO, CSV, GeoJSON.

``flake`` holds `Flake` and the layer classes, ``rle`` the run lengths, ``coco`` reads and writes
COCO's JSON, ``tables`` writes CSV and GeoJSON.

Conventions: images are (H, W), x runs to the right and y down, pixel (row, column) = (0, 0) covers
the square from (0, 0) to (1, 1); boxes are x, y, width, height in pixels.
"""

from qupaint_lib.annotations.coco import from_coco, polygons_to_mask, save_coco, to_coco
from qupaint_lib.annotations.flake import FEW_MAX, LAYER_CLASSES, Flake, layer_class
from qupaint_lib.annotations.rle import Rle
from qupaint_lib.annotations.tables import outlines, save_csv, save_geojson, to_csv, to_geojson

__all__ = [
    "FEW_MAX",
    "LAYER_CLASSES",
    "Flake",
    "Rle",
    "from_coco",
    "layer_class",
    "outlines",
    "polygons_to_mask",
    "save_coco",
    "save_csv",
    "save_geojson",
    "to_coco",
    "to_csv",
    "to_geojson",
]
