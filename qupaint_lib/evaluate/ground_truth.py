"""Ground truth: COCO annotations, checked entry by entry before anything is counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import read_json
from qupaint_lib.annotations import FEW_MAX, LAYER_CLASSES, layer_class
from qupaint_lib.errors import ArgumentError

OVER_PX = 1.0  # that a box may reach over its image: annotators round
_NUMBERS = (int, float)


def load_ground_truth(data: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """Return a COCO data set after checking all of it.

    Parameters
    ----------
    data : dict or path
        The data set or its JSON file: ``images`` with ``id``, ``file_name``, ``width``,
        ``height``; ``categories`` with ``id`` and ``name``; ``annotations`` with ``id``,
        ``image_id``, ``category_id``, ``bbox`` (x, y, width, height in pixels), and possibly
        ``area``, ``iscrowd``, ``segmentation``. Other keys are kept.

    Returns
    -------
    dict
        The data set; missing areas are those of the boxes, missing ``iscrowd`` is 0.

    Raises
    ------
    ArgumentError
        The file is missing, cut off or not JSON; or names the entry, such as
        ``annotations[3].bbox``, its value and what is allowed.
    """
    if isinstance(data, str | Path):
        data = read_json(data)
    images, annotations, categories = (
        entries_of(data, name) for name in ("images", "annotations", "categories")
    )
    check_ids(images, "images")
    check_ids(categories, "categories")
    check_ids(annotations, "annotations")
    _check_images(images)
    names = [category.get("name") for category in categories]
    for k, name in enumerate(names):
        if not isinstance(name, str) or names.index(name) != k:
            raise ArgumentError(f"categories[{k}].name", name, "a name that no other has")
    sizes = {image["id"]: (image["width"], image["height"]) for image in images}
    known = {category["id"] for category in categories}
    check_members(annotations, "annotations", "image_id", sizes, "one of the images")
    check_members(annotations, "annotations", "category_id", known, "one of the categories")
    check_boxes(annotations, "annotations", sizes, over_px=OVER_PX)
    for k, annotation in enumerate(annotations):
        _complete(annotation, f"annotations[{k}]")
    return {**data, "images": images, "annotations": annotations, "categories": categories}


def with_borders(data: Mapping[str, Any], few_max: int = FEW_MAX) -> dict[str, Any]:
    """Return a data set with the border between few-layer and thick put elsewhere.

    Parameters
    ----------
    data : mapping
        Ground truth whose categories hold Mono, Few and Thick.
    few_max : int, optional
        The most layers that are still *few*: 4 in the authors' release, 5 in the paper's text.

    Returns
    -------
    dict
        Annotations with a ``layer_count`` are of the class it says; others keep theirs.
    """
    ids = class_ids(data)
    annotations = [
        {**entry, "category_id": ids[layer_class(entry["layer_count"], few_max=few_max)]}
        if entry.get("layer_count")
        else entry
        for entry in data["annotations"]
    ]
    info = {**(data.get("info") or {}), "few_max": few_max}
    return {**data, "info": info, "annotations": annotations}


def class_ids(data: Mapping[str, Any]) -> dict[str, int]:
    """Return the ids of the categories Mono, Few and Thick.

    Raises
    ------
    ArgumentError
        One of them is missing.
    """
    ids = {category["name"]: category["id"] for category in data["categories"]}
    for name in LAYER_CLASSES:
        if name not in ids:
            raise ArgumentError(
                "categories", sorted(ids), f"Mono, Few and Thick; {name} is missing"
            )
    return {name: ids[name] for name in LAYER_CLASSES}


def contrasts_of(data: Mapping[str, Any]) -> dict[int, float] | None:
    """Return ΔE by annotation id, where annotations have ``delta_e``; None where none has."""
    found = {a["id"]: a["delta_e"] for a in data["annotations"] if a.get("delta_e") is not None}
    return found or None


def entries_of(data: Any, name: str) -> list[dict[str, Any]]:
    """Return a list of objects of a data set, copied one level deep."""
    entries = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(entries, list):
        raise ArgumentError(name, type(entries).__name__, "a list of objects in a COCO data set")
    for k, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            raise ArgumentError(f"{name}[{k}]", entry, "an object")
    return [dict(entry) for entry in entries]


def check_ids(entries: Sequence[Mapping[str, Any]], name: str) -> None:
    """Refuse ids that are no whole numbers, or that occur twice."""
    seen: dict[int, int] = {}
    for k, entry in enumerate(entries):
        value = entry.get("id")
        if type(value) is not int:
            raise ArgumentError(f"{name}[{k}].id", value, "a whole number")
        if value in seen:
            raise ArgumentError(f"{name}[{k}].id", value, f"unique; {name}[{seen[value]}] has it")
        seen[value] = k


def check_members(
    entries: Sequence[Mapping[str, Any]],
    name: str,
    key: str,
    known: Iterable[Any],
    what: str,
) -> None:
    """Refuse a key that names nothing that is known."""
    known = frozenset(known)
    for k, entry in enumerate(entries):
        value = entry.get(key)
        if type(value) is not int or value not in known:
            raise ArgumentError(f"{name}[{k}].{key}", value, f"the id of {what}")


def check_boxes(
    entries: Sequence[Mapping[str, Any]],
    name: str,
    sizes: Mapping[int, tuple[int, int]],
    *,
    over_px: float = OVER_PX,
) -> np.ndarray:
    """Return the boxes (N, 4) of entries; refuse those of no size or out of their image."""
    for k, entry in enumerate(entries):
        box = entry.get("bbox")
        is_box = isinstance(box, list | tuple) and len(box) == 4
        if not is_box or not all(type(v) in _NUMBERS for v in box):
            raise ArgumentError(f"{name}[{k}].bbox", box, "[x, y, width, height] in pixels")
    boxes = np.array([entry["bbox"] for entry in entries], dtype=np.float64).reshape(-1, 4)
    shapes = np.array([sizes[entry["image_id"]] for entry in entries], float).reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        sized = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
        inside = (boxes[:, :2] >= -over_px).all(axis=1)
        inside &= (boxes[:, :2] + boxes[:, 2:] <= shapes + over_px).all(axis=1)
    for wrong, allowed in (
        (~sized, "finite numbers, width and height > 0"),
        (~inside, "a box within its image of {:g} × {:g} pixels"),
    ):
        if wrong.any():
            k = int(wrong.argmax())
            said = allowed.format(*shapes[k])
            raise ArgumentError(f"{name}[{k}].bbox", list(entries[k]["bbox"]), said)
    return boxes


def _check_images(images: Sequence[Mapping[str, Any]]) -> None:
    seen: dict[str, int] = {}
    for k, image in enumerate(images):
        name = image.get("file_name")
        if not isinstance(name, str) or not name:
            raise ArgumentError(f"images[{k}].file_name", name, "the name of a file")
        if name in seen:
            allowed = f"a name that no other image has; images[{seen[name]}] has it"
            raise ArgumentError(f"images[{k}].file_name", name, allowed)
        seen[name] = k
        for side in ("width", "height"):
            if type(image.get(side)) is not int or image[side] < 1:
                raise ArgumentError(f"images[{k}].{side}", image.get(side), "pixels, at least 1")


def _complete(annotation: dict[str, Any], where: str) -> None:
    """Add what COCO's evaluation needs, and refuse an area or a flag that cannot be."""
    if annotation.get("area") is None:
        annotation["area"] = float(annotation["bbox"][2] * annotation["bbox"][3])
    if type(annotation["area"]) not in _NUMBERS or not 0 <= annotation["area"] < np.inf:
        raise ArgumentError(f"{where}.area", annotation["area"], "a number of pixels")
    if annotation.setdefault("iscrowd", 0) not in (0, 1):
        raise ArgumentError(f"{where}.iscrowd", annotation["iscrowd"], "0 or 1")
    layers = annotation.get("layer_count")
    if layers is not None and (type(layers) is not int or layers < 1):
        raise ArgumentError(f"{where}.layer_count", layers, "a whole number of at least 1")
