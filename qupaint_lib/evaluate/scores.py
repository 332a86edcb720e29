"""All figures of a set of predictions on a benchmark, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qupaint_lib.evaluate.detection import (
    CONTRAST_EDGES,
    FIGURES,
    MAX_DETECTIONS,
    detection_metrics,
    select,
)
from qupaint_lib.evaluate.ground_truth import contrasts_of
from qupaint_lib.evaluate.intervals import RESAMPLES, Estimate, bootstrap_interval
from qupaint_lib.evaluate.metrics import THRESHOLDS, mean_of
from qupaint_lib.instruct.facts import box_iou

IMAGE_SLICES = ("difficulty", "split", "material", "substrate", "magnification")

Table = dict[str, dict[str, Estimate]]


def score_predictions(
    predictions: Sequence[Mapping[str, Any]],
    ground_truth: Mapping[str, Any],
    *,
    tasks: Sequence[str] = ("general", "mono"),
    iou_type: str = "bbox",
    max_detections: int = MAX_DETECTIONS,
    contrast_edges: Sequence[float] = CONTRAST_EDGES,
    image_slices: Sequence[str] = IMAGE_SLICES,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> dict[str, Table]:
    """Return average precisions and Acc@50/75 of every task, by every slice there is.

    Parameters
    ----------
    predictions : sequence of mappings
        Of `load_predictions`.
    ground_truth : mapping
        Of `load_ground_truth`. Annotations with ``delta_e`` are sliced by contrast, images with
        keys of `image_slices` by those.
    tasks, iou_type, max_detections, contrast_edges, rng, resamples
        See `detection_metrics`.
    image_slices : sequence of str, optional
        Keys of images whose values part them.

    Returns
    -------
    dict of str to dict of str to dict of str to Estimate
        By task, slice (``"all"`` first), and figure: ``"ap"``, ``"ap50"``, ``"ap75"``, and over
        whole images ``"calibration_error"``, and ``"acc50"``, ``"acc75"`` of `surest_box_accuracy`.
    """
    options = {"iou_type": iou_type, "max_detections": max_detections, "rng": rng}
    options |= {"resamples": resamples}
    scores: dict[str, Table] = {}
    for task in tasks:
        found = detection_metrics(
            predictions,
            ground_truth,
            task=task,
            contrasts=contrasts_of(ground_truth),
            contrast_edges=contrast_edges,
            **options,
        )
        whole = {name: getattr(found, name) for name in FIGURES}
        table: Table = {"all": whole | _accuracies(predictions, ground_truth, task, rng, resamples)}
        table |= {name: dict(figures) for name, figures in found.slices.items()}
        for name, part, kept in _parts(predictions, ground_truth, image_slices):
            of_part = detection_metrics(kept, part, task=task, area_edges=(), **options)
            table[name] = {metric: getattr(of_part, metric) for metric in FIGURES}
            table[name] |= _accuracies(kept, part, task, rng, resamples)
        scores[task] = table
    return scores


def surest_box_accuracy(
    predictions: Sequence[Mapping[str, Any]],
    ground_truth: Mapping[str, Any],
    *,
    task: str = "mono",
    thresholds: Sequence[float] = THRESHOLDS,
    weights: np.ndarray | None = None,
) -> dict[float, float]:
    """Return the share of the images with such flakes whose surest box lies on one.

    Where an image holds one flake of the class this is the protocol of RefCOCO, asked of a
    detector: it may name one box, and an image without any box is a miss.

    Parameters
    ----------
    predictions, ground_truth, task
        See `detection_metrics`.
    thresholds : sequence of float, optional
        Intersection over union at or above which a box is right.
    weights : (I,) array, optional
        How often each image with such flakes counts, in the order of the data set.
    """
    best = _surest_iou(predictions, ground_truth, task)
    return {t: mean_of(best >= t, weights) for t in thresholds}


def to_json(scores: Mapping[str, Table]) -> dict[str, Any]:
    """Return scores as what JSON can hold: value, interval and count; NaN becomes null."""

    def plain(number: float) -> float | None:
        return None if np.isnan(number) else float(number)

    return {
        task: {
            name: {
                figure: {
                    "value": plain(e.value),
                    "interval": [plain(e.low), plain(e.high)],
                    "count": e.count,
                }
                for figure, e in figures.items()
            }
            for name, figures in table.items()
        }
        for task, table in scores.items()
    }


def _surest_iou(
    predictions: Sequence[Mapping[str, Any]], ground_truth: Mapping[str, Any], task: str
) -> np.ndarray:
    """Return the overlap of the surest box of each image that has flakes, with the best of them."""
    truths, found = select(ground_truth, predictions, task)
    boxes: dict[Any, list] = {}
    for entry in truths:
        if not entry.get("iscrowd"):
            boxes.setdefault(entry["image_id"], []).append(entry["bbox"])
    surest: dict[Any, Mapping[str, Any]] = {}
    for entry in found:
        first = surest.get(entry["image_id"])
        if first is None or entry["score"] > first["score"]:
            surest[entry["image_id"]] = entry
    order = [image["id"] for image in ground_truth["images"] if image["id"] in boxes]
    return np.array(
        [
            box_iou(np.array(boxes[i], float), np.array(surest[i]["bbox"], float)).max()
            if i in surest
            else 0.0
            for i in order
        ]
    )


def _accuracies(
    predictions: Sequence[Mapping[str, Any]],
    ground_truth: Mapping[str, Any],
    task: str,
    rng: np.random.Generator | None,
    resamples: int,
) -> dict[str, Estimate]:
    best = _surest_iou(predictions, ground_truth, task)

    def figures(weights: np.ndarray) -> np.ndarray:
        return np.array([mean_of(best >= t, weights) for t in THRESHOLDS])

    low = high = np.full(len(THRESHOLDS), np.nan)
    if rng is not None:
        low, high = bootstrap_interval(figures, range(len(best)), rng, resamples=resamples)
    values = figures(np.ones(len(best)))
    return {
        name: Estimate(float(v), float(a), float(b), len(best))
        for name, v, a, b in zip(("acc50", "acc75"), values, low, high, strict=True)
    }


def _parts(
    predictions: Sequence[Mapping[str, Any]], ground_truth: Mapping[str, Any], keys: Sequence[str]
) -> list[tuple[str, dict[str, Any], list[Mapping[str, Any]]]]:
    """Return the parts of a data set by the values of its images' keys."""
    found = []
    for key in keys:
        values = {image["id"]: image.get(key) for image in ground_truth["images"]}
        for value in sorted({v for v in values.values() if v is not None}, key=str):
            inside = {number for number, v in values.items() if v == value}
            part = {
                **ground_truth,
                "images": [i for i in ground_truth["images"] if i["id"] in inside],
                "annotations": [a for a in ground_truth["annotations"] if a["image_id"] in inside],
            }
            kept = [p for p in predictions if p["image_id"] in inside]
            found.append((f"{key}: {value}", part, kept))
    return found
