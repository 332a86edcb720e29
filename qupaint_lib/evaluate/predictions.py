"""Predictions of any model as JSON: the schema, its reader, and every way to get it wrong.

The file is a list of predictions, as COCO's results are, or an object with more about them:

.. code-block:: json

    {
      "model": "a name",
      "categories": [{"id": 1, "name": "Mono"}, {"id": 2, "name": "Few"}],
      "predictions": [
        {"image_id": 1, "category_id": 1, "bbox": [12.5, 8.0, 40.0, 31.0], "score": 0.87}
      ]
    }

A prediction has

- ``image_id``, the id of an image of the annotations, or ``file_name``, its file's name;
- ``bbox``: x, y, width, height in pixels from the upper left corner, within the image;
- ``score``: 0 to 1, higher is surer;
- ``category_id``, the id of a category of the annotations, or ``category``, its name. Without
  either it counts in the class-agnostic task only;
- ``segmentation``, optional: COCO's run lengths in an image of that size, for masks;
- ``id``, optional: a whole number that no other prediction has.

``categories``, where given, must be those of the annotations, as far as they go. ``model`` and all
other keys are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import read_json, write_text
from qupaint_lib.errors import ArgumentError
from qupaint_lib.evaluate.ground_truth import check_boxes, check_ids, check_members, entries_of

_NUMBERS = (int, float)


def load_predictions(
    data: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | Path,
    ground_truth: Mapping[str, Any],
    *,
    clip: bool = False,
) -> list[dict[str, Any]]:
    """Return predictions after checking each against the ground truth.

    Parameters
    ----------
    data : list, mapping or path
        Predictions as the module describes, or their JSON file. None at all are allowed.
    ground_truth : mapping
        Of `load_ground_truth`.
    clip : bool, optional
        Cut boxes that reach out of their image, instead of refusing them.

    Returns
    -------
    list of dict
        With ``image_id``, ``bbox``, ``score``, and ``category_id`` where one is known.

    Raises
    ------
    ArgumentError
        Names the prediction, such as ``predictions[3].bbox``, its value and what is allowed: an
        unknown image, a box that is no box (NaN, negative, out of the image), a score out of
        [0, 1], an id twice, a category that the annotations do not have.
    """
    if isinstance(data, str | Path):
        data = read_json(data)
    if isinstance(data, Mapping):
        _check_categories(data.get("categories") or [], ground_truth)
    else:
        data = {"predictions": data}
    entries = entries_of(data, "predictions")
    if any("id" in entry for entry in entries):
        check_ids(entries, "predictions")
    _name_images(entries, ground_truth)
    _name_categories(entries, ground_truth)
    sizes = {image["id"]: (image["width"], image["height"]) for image in ground_truth["images"]}
    check_members(entries, "predictions", "image_id", sizes, "an image of the annotations")
    if clip:
        _clip(entries, sizes)
    check_boxes(entries, "predictions", sizes)
    for k, entry in enumerate(entries):
        score = entry.get("score")
        if type(score) not in _NUMBERS or not 0 <= score <= 1:  # also for NaN
            raise ArgumentError(f"predictions[{k}].score", score, "a number in [0, 1]")
        if entry.get("segmentation") is not None:
            _check_mask(entry, sizes, f"predictions[{k}].segmentation")
    return entries


def save_predictions(
    predictions: Sequence[Mapping[str, Any]], path: str | Path, *, model: str = ""
) -> Path:
    """Write predictions as `load_predictions` reads them, whole or not at all."""
    return write_text(path, json.dumps({"model": model, "predictions": list(predictions)}) + "\n")


def _check_categories(given: Any, ground_truth: Mapping[str, Any]) -> None:
    """Refuse categories whose ids stand for other names than in the annotations."""
    known = {category["id"]: category["name"] for category in ground_truth["categories"]}
    for k, category in enumerate(entries_of({"categories": given}, "categories")):
        pair = category.get("id"), category.get("name")
        if known.get(pair[0]) != pair[1] or pair[1] is None:
            allowed = f"as in the annotations: {known}"
            raise ArgumentError(f"categories[{k}] (id, name)", pair, allowed)


def _name_images(entries: list[dict[str, Any]], ground_truth: Mapping[str, Any]) -> None:
    """Replace file names by ids."""
    ids = {image["file_name"]: image["id"] for image in ground_truth["images"]}
    for k, entry in enumerate(entries):
        if "image_id" not in entry and "file_name" in entry:
            if entry["file_name"] not in ids:
                where = f"predictions[{k}].file_name"
                raise ArgumentError(where, entry["file_name"], "an image of the annotations")
            entry["image_id"] = ids[entry["file_name"]]


def _name_categories(entries: list[dict[str, Any]], ground_truth: Mapping[str, Any]) -> None:
    """Replace names of categories by ids, and refuse what is none of the annotations'."""
    ids = {category["name"]: category["id"] for category in ground_truth["categories"]}
    names = {number: name for name, number in ids.items()}
    for k, entry in enumerate(entries):
        for key, known in (("category", ids), ("category_id", names)):
            value = entry.get(key)
            if value is not None and (isinstance(value, bool | list | dict) or value not in known):
                allowed = f"one of the annotations': {names}"
                raise ArgumentError(f"predictions[{k}].{key}", value, allowed)
        if entry.get("category_id") is None and entry.get("category") is not None:
            entry["category_id"] = ids[entry["category"]]


def _clip(entries: list[dict[str, Any]], sizes: Mapping[int, tuple[int, int]]) -> None:
    for entry in entries:
        box = np.asarray(entry.get("bbox"), dtype=object)
        if box.shape != (4,) or not all(type(v) in _NUMBERS for v in box):
            continue  # which is said of it later
        low = np.array(box[:2], dtype=float)
        high = low + np.array(box[2:], dtype=float)
        low, high = np.maximum(low, 0), np.minimum(high, sizes[entry["image_id"]])
        entry["bbox"] = [*low.tolist(), *(high - low).tolist()]


def _check_mask(entry: Mapping[str, Any], sizes: Mapping[int, tuple[int, int]], where: str) -> None:
    mask, (width, height) = entry["segmentation"], sizes[entry["image_id"]]
    size = mask.get("size") if isinstance(mask, Mapping) else None
    if not isinstance(size, list | tuple) or list(size) != [height, width] or "counts" not in mask:
        allowed = f"run lengths: an object with size [{height}, {width}] and counts"
        raise ArgumentError(where, mask, allowed)
