"""Flakes as COCO detection JSON: RLE masks, categories Mono, Few, Thick under ``flake``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import read_json, write_text
from qupaint_lib.annotations import rle as rle_
from qupaint_lib.annotations.flake import FEW_MAX, LAYER_CLASSES, Flake
from qupaint_lib.annotations.rle import Rle
from qupaint_lib.errors import ArgumentError

UNKNOWN = "Unknown"  # a fourth category, written only where a flake has neither count nor class
_CATEGORY_IDS = {name: number for number, name in enumerate((*LAYER_CLASSES, UNKNOWN), start=1)}
_ATTRIBUTES = [field for field in fields(Flake) if field.name not in ("rle", "category")]


def to_coco(
    flakes: Mapping[str, Sequence[Flake]],
    *,
    few_max: int = FEW_MAX,
    shapes: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """Return flakes as a COCO data set; `from_coco` returns them exactly.

    Parameters
    ----------
    flakes : mapping of str to flakes
        Flakes by the name of their image's file.
    few_max : int, optional
        The most layers that are still *few*; decides the categories.
    shapes : mapping of str to (int, int), optional
        Height and width of images, needed for those without flakes.

    Returns
    -------
    dict
        ``info``, ``images``, ``annotations``, ``categories``. An annotation has COCO's keys and
        those attributes of `Flake` that differ from their defaults. Ids count from 1.

    Raises
    ------
    ArgumentError
        Flakes of one image differ in its shape, or it has neither flakes nor a shape.
    """
    images, annotations = [], []
    for image_id, (name, found) in enumerate(flakes.items(), start=1):
        height, width = _shape(name, found, shapes or {})
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        for flake in found:
            identity = {"id": len(annotations) + 1, "image_id": image_id}
            annotations.append({**identity, **_annotation(flake, few_max)})
    used = {annotation["category_id"] for annotation in annotations}
    categories = [
        {"id": number, "name": name, "supercategory": "flake"}
        for name, number in _CATEGORY_IDS.items()
        if name != UNKNOWN or number in used
    ]
    info = {"description": "Flakes, one per connected region of constant layer count"}
    return {
        "info": {**info, "few_max": few_max},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def from_coco(data: Mapping[str, Any] | str | Path) -> dict[str, list[Flake]]:
    """Return the flakes of a COCO data set, by the name of their image's file.

    Parameters
    ----------
    data : dict or path
        The data set or its JSON file. Masks are compressed or uncompressed RLE, or polygons.
        Categories called Mono, Few or Thick are kept; any other leaves the layers unknown.

    Raises
    ------
    ArgumentError
        Names the entry that is missing, of another type or not allowed, such as
        ``annotations[3].segmentation``.
    """
    if isinstance(data, str | Path):
        data = read_json(data)
    images = {_get(i, "id", where): (i, where) for i, where in _entries(data, "images")}
    names = {_get(c, "id", where): _get(c, "name", where) for c, where in _categories(data)}
    flakes: dict[str, list[Flake]] = {
        _get(image, "file_name", where): [] for image, where in images.values()
    }
    for annotation, where in _entries(data, "annotations"):
        image_id = _get(annotation, "image_id", where)
        if image_id not in images:
            raise ArgumentError(f"{where}.image_id", image_id, "the id of one of the images")
        image, image_where = images[image_id]
        size = tuple(int(_get(image, side, image_where)) for side in ("height", "width"))
        mask = _read_mask(_get(annotation, "segmentation", where), size, f"{where}.segmentation")
        category = names.get(annotation.get("category_id"))
        flakes[image["file_name"]].append(_read_flake(annotation, mask, category, where))
    return flakes


def save_coco(flakes: Mapping[str, Sequence[Flake]], path: str | Path, **options: Any) -> Path:
    """Write flakes as COCO JSON, whole or not at all; options of `to_coco`."""
    return write_text(path, json.dumps(to_coco(flakes, **options)) + "\n")


def attributes_of(flake: Flake) -> dict[str, Any]:
    """Return those attributes of a flake that differ from their defaults, ready for JSON."""
    attributes = {}
    for field in _ATTRIBUTES:
        value = getattr(flake, field.name)
        default = field.default if field.default is not MISSING else field.default_factory()
        if value != default:
            attributes[field.name] = value
    return attributes


def polygons_to_mask(polygons: Sequence[Sequence[float]], shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels whose centres lie in one of the polygons, (H, W) bool.

    Parameters
    ----------
    polygons : sequence of (2 N,) sequences
        x and y in turn, in pixels; the image spans (0, 0) to (W, H).
    shape : (int, int)
        Height and width of the image.
    """
    from skimage.draw import polygon

    mask = np.zeros(shape, dtype=bool)
    for corners in polygons:
        corners = np.asarray(corners, dtype=np.float64)
        if corners.ndim != 1 or corners.size < 6 or corners.size % 2:
            allowed = "at least three corners, x and y in turn"
            raise ArgumentError("polygon", f"{corners.size} numbers", allowed)
        mask[polygon(corners[1::2] - 0.5, corners[::2] - 0.5, shape)] = True
    return mask


def _shape(
    name: str, flakes: Sequence[Flake], shapes: Mapping[str, tuple[int, int]]
) -> tuple[int, int]:
    found = {flake.shape for flake in flakes} | ({tuple(shapes[name])} if name in shapes else set())
    if len(found) != 1:
        raise ArgumentError(f"shapes[{name!r}]", sorted(found) or None, "one height and width")
    return found.pop()


def _annotation(flake: Flake, few_max: int) -> dict[str, Any]:
    name = flake.layer_class(few_max=few_max) or UNKNOWN
    return {
        "category_id": _CATEGORY_IDS[name],
        "bbox": list(flake.bbox_xywh),
        "area": flake.area_px,
        "iscrowd": 0,
        "segmentation": {"size": list(flake.rle.size), "counts": flake.rle.counts.decode("ascii")},
        **attributes_of(flake),
    }


def _read_flake(annotation: Mapping[str, Any], mask: Rle, category: Any, where: str) -> Flake:
    known = {f.name: annotation[f.name] for f in _ATTRIBUTES if annotation.get(f.name) is not None}
    try:
        if "probabilities" in known:
            known["probabilities"] = {int(n): p for n, p in known["probabilities"].items()}
        return Flake(mask, category=category if category in LAYER_CLASSES else None, **known)
    except (ArgumentError, TypeError, ValueError, AttributeError) as error:
        raise ArgumentError(
            where, annotation.get("id"), f"attributes of a flake: {error}"
        ) from error


def _read_mask(segmentation: Any, size: tuple[int, int], where: str) -> Rle:
    try:
        if isinstance(segmentation, Mapping):
            if tuple(segmentation["size"]) != size:
                raise ArgumentError("size", segmentation["size"], f"the image's {list(size)}")
            counts = segmentation["counts"]
            if isinstance(counts, str | bytes):
                mask = Rle(size, counts.encode("ascii") if isinstance(counts, str) else counts)
                rle_.runs(mask)
                return mask
            return rle_.from_runs(np.asarray(counts), size)
        return rle_.encode(polygons_to_mask(segmentation, size))
    except (ArgumentError, KeyError, TypeError, ValueError) as error:
        raise ArgumentError(where, segmentation, f"RLE or polygons: {error}") from error


def _entries(data: Any, name: str) -> list[tuple[Mapping[str, Any], str]]:
    entries = data.get(name) if isinstance(data, Mapping) else None
    if not (isinstance(entries, list) and all(isinstance(entry, Mapping) for entry in entries)):
        raise ArgumentError(name, entries, "a list of objects in a COCO data set")
    return [(entry, f"{name}[{number}]") for number, entry in enumerate(entries)]


def _categories(data: Any) -> list[tuple[Mapping[str, Any], str]]:
    return _entries(data, "categories") if "categories" in data else []


def _get(entry: Mapping[str, Any], key: str, where: str) -> Any:
    if entry.get(key) is None:
        raise ArgumentError(f"{where}.{key}", None, "a value")
    return entry[key]
