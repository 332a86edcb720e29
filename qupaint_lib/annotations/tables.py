"""Flakes for other programs: CSV with stage coordinates, GeoJSON with outlines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import write_text
from qupaint_lib.annotations.coco import attributes_of
from qupaint_lib.annotations.flake import FEW_MAX, Flake
from qupaint_lib.errors import ArgumentError, UnknownNameError

UNITS = ("px", "um", "stage")
_COLUMNS = (
    *("file_name", "id", "class", "layer_count", "probability", "score"),
    *("stage_x_um", "stage_y_um", "center_x_px", "center_y_px", "area_px", "area_um2"),
    *("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
    *("contrast_r", "contrast_g", "contrast_b", "material", "parent_id", "flags"),
)


def to_csv(flakes: Mapping[str, Sequence[Flake]], *, few_max: int = FEW_MAX) -> str:
    """Return flakes as a CSV table, one row each.

    Columns: ``file_name``, ``id`` (as in `to_coco`), ``class``, ``layer_count``, ``probability``
    (of that layer count), ``score``, ``stage_x_um``, ``stage_y_um``, ``center_x_px``,
    ``center_y_px``, ``area_px``, ``area_um2``, ``bbox_x`` … ``bbox_height`` (pixels),
    ``contrast_r``, ``contrast_g``, ``contrast_b``, ``material``, ``parent_id``, ``flags`` (by
    semicolons). What is unknown is empty.

    Parameters
    ----------
    flakes : mapping of str to flakes
        Flakes by the name of their image's file.
    few_max : int, optional
        The most layers that are still *few*.
    """
    pairs = [(name, flake) for name, found in flakes.items() for flake in found]
    rows = [_row(name, i, flake, few_max) for i, (name, flake) in enumerate(pairs, start=1)]
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_geojson(
    flakes: Sequence[Flake], *, unit: str = "px", few_max: int = FEW_MAX
) -> dict[str, Any]:
    """Return flakes as a GeoJSON feature collection of outlines.

    Parameters
    ----------
    flakes : sequence of Flake
        Of one image, or of one stitch.
    unit : {"px", "um", "stage"}, optional
        ``"px"``: pixels of the image; ``"um"``: µm from the upper left corner of the stitch;
        ``"stage"``: stage coordinates in µm. None of them is a longitude and latitude.
    few_max : int, optional
        The most layers that are still *few*.

    Returns
    -------
    dict
        Every feature is a MultiPolygon: of each part the outline, then its holes. Outlines cut
        corners by half a pixel and run between the centres of pixels in and out of the mask.

    Raises
    ------
    ArgumentError
        The pixel size (or stage origin) of a flake is unknown, and the unit needs it.
    """
    if unit not in UNITS:
        raise UnknownNameError("unit", unit, UNITS)
    features = []
    for number, flake in enumerate(flakes, start=1):
        parts = [
            [_oriented(_in_unit(flake, ring, unit), hole=i > 0) for i, ring in enumerate(rings)]
            for rings in outlines(flake)
        ]
        properties = {"class": flake.layer_class(few_max=few_max), "unit": unit}
        features.append(
            {
                "type": "Feature",
                "id": number,
                "geometry": {"type": "MultiPolygon", "coordinates": parts},
                "properties": {**properties, **attributes_of(flake)},
            }
        )
    return {"type": "FeatureCollection", "features": features}


def outlines(flake: Flake) -> list[list[np.ndarray]]:
    """Return the rings of each part of a flake, its outline first, as closed (N, 2) x and y."""
    from scipy.ndimage import label
    from skimage.measure import find_contours

    parts, count = label(np.pad(flake.cutout, 1))
    corner = np.array(flake.bbox_xywh[:2]) - 0.5  # of the padded cutout's first pixel centre
    found = []
    for part in range(1, count + 1):
        contours = find_contours((parts == part).astype(float), 0.5)
        rings = [contour[:, ::-1] + corner for contour in contours]
        found.append(sorted(rings, key=lambda ring: -abs(_signed_area(ring))))
    return found


def save_csv(flakes: Mapping[str, Sequence[Flake]], path: str | Path, **options: Any) -> Path:
    """Write flakes as CSV, whole or not at all; options of `to_csv`."""
    return write_text(path, to_csv(flakes, **options))


def save_geojson(flakes: Sequence[Flake], path: str | Path, **options: Any) -> Path:
    """Write flakes as GeoJSON, whole or not at all; options of `to_geojson`."""
    return write_text(path, json.dumps(to_geojson(flakes, **options)) + "\n")


def _row(name: str, number: int, flake: Flake, few_max: int) -> dict[str, Any]:
    row = {"file_name": name, "id": number, "class": flake.layer_class(few_max=few_max)}
    row |= {"layer_count": flake.layer_count, "score": flake.score}
    row["probability"] = flake.probabilities.get(flake.layer_count)
    row["stage_x_um"], row["stage_y_um"] = flake.stage_xy_um or (None, None)
    row["center_x_px"], row["center_y_px"] = flake.center_xy
    row |= {"area_px": flake.area_px, "area_um2": flake.area_um2}
    row |= zip(("bbox_x", "bbox_y", "bbox_width", "bbox_height"), flake.bbox_xywh, strict=True)
    row["contrast_r"], row["contrast_g"], row["contrast_b"] = flake.contrast or (None,) * 3
    return row | {
        "material": flake.material,
        "parent_id": flake.parent_id,
        "flags": ";".join(flake.flags),
    }


def _in_unit(flake: Flake, ring: np.ndarray, unit: str) -> np.ndarray:
    if unit == "px":
        return ring
    if unit == "stage":
        return flake.to_stage_um(ring)
    if flake.pixel_size_um is None:
        raise ArgumentError("pixel_size_um", None, 'a length in µm, which the unit "um" needs')
    return (ring + flake.stitch_origin_px) * flake.pixel_size_um


def _oriented(ring: np.ndarray, *, hole: bool) -> list[list[float]]:
    """Return a ring's points in the order that GeoJSON wants: outlines turn from x to y."""
    return (ring[::-1] if (_signed_area(ring) < 0) != hole else ring).tolist()


def _signed_area(ring: np.ndarray) -> float:
    x, y = ring.T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)
