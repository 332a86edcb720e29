"""Detection: matches by COCO's rules, and average precision of any resample of the images.

Matching is done by faster-coco-eval in C++, once; what follows is an average precision in which
every image has a weight. With all weights 1 it is pycocotools' own figure, to 1e-12, and with the
weights of a resample it is what pycocotools would say of an image list with repeats, but for the
order among equal scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.errors import ArgumentError, QuPaintError, UnknownNameError
from qupaint_lib.evaluate.intervals import RESAMPLES, Estimate, bootstrap_interval
from qupaint_lib.evaluate.metrics import calibration_metrics

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
METRICS = ("ap", "ap50", "ap75")
FIGURES = (*METRICS, "calibration_error")
TASKS = ("general", *(name.lower() for name in LAYER_CLASSES))
IOU_TYPES = ("bbox", "segm")
AREA_EDGES = (32.0**2, 96.0**2)  # COCO's, in pixels
CONTRAST_EDGES = (5.0, 15.0)  # ΔE 1976: about the terciles of the faintest flake of a Synthia image
MAX_DETECTIONS = 100
_EVERY = (0.0, 1e10)


@dataclass(frozen=True, eq=False)
class Matches:
    """What was found and what was not, at T thresholds; the surest detections first.

    Attributes
    ----------
    image : (D,) int array
        Number of the image of each detection, in the order of the ground truth's image ids.
    scores : (D,) array
        As predicted.
    hits, ignored : (T, D) bool array
        Detections that are on a flake, and those that count neither for nor against.
    positives : (I,) array
        Flakes to be found in each image.
    """

    image: np.ndarray
    scores: np.ndarray
    hits: np.ndarray
    ignored: np.ndarray
    positives: np.ndarray


@dataclass(frozen=True)
class Detection:
    """Average precisions of a task.

    Attributes
    ----------
    task, iou_type : str
        What was asked for.
    ap, ap50, ap75 : Estimate
        Mean over the thresholds from 0.5 to 0.95, and at 0.5 and 0.75; NaN without any flake.
    calibration_error : Estimate
        Expected calibration error of the scores, taken as probabilities that a box is on a flake
        at 0.5; NaN without any detection.
    slices : mapping of str to mapping of str to Estimate
        The first three by ``"area: small"``, ``"contrast: faint"`` … ; flakes of other slices count
        neither for nor against.
    """

    task: str
    iou_type: str
    ap: Estimate
    ap50: Estimate
    ap75: Estimate
    calibration_error: Estimate
    slices: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)


def detection_metrics(
    predictions: Sequence[Mapping[str, Any]],
    ground_truth: Mapping[str, Any],
    *,
    task: str = "general",
    iou_type: str = "bbox",
    max_detections: int = MAX_DETECTIONS,
    area_edges: Sequence[float] = AREA_EDGES,
    contrasts: Mapping[int, float] | None = None,
    contrast_edges: Sequence[float] = CONTRAST_EDGES,
    groups: Sequence[Any] | None = None,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> Detection:
    """Return average precisions as COCO defines them, by slices, with intervals.

    Parameters
    ----------
    predictions : sequence of mappings
        COCO results: ``image_id``, ``score``, ``bbox`` (x, y, width, height) or ``segmentation``
        (RLE), and ``category_id``, which the general task does without.
    ground_truth : mapping
        A COCO data set: ``images``, ``annotations``, ``categories``.
    task : {"general", "mono", "few", "thick"}, optional
        All flakes whatever their class, or those of one class, which the category must name.
    iou_type : {"bbox", "segm"}, optional
        Boxes or masks.
    max_detections : int, optional
        Of an image, the surest ones.
    area_edges : sequence of float, optional
        Borders of the area slices in pixels; empty for none.
    contrasts : mapping of int to float, optional
        ΔE of flakes by the id of their annotation, for slices by contrast. Detections on no flake
        have none, so they count against every slice.
    contrast_edges : sequence of float, optional
        Borders of the contrast slices.
    groups : sequence, optional
        Of the images in the order of the data set: those of equal value are resampled together.
    rng : numpy.random.Generator, optional
        Draws images for the intervals; without it there are none.
    resamples : int, optional
        How many.

    Returns
    -------
    Detection

    Raises
    ------
    UnknownNameError
        No such task or kind of overlap.
    ArgumentError
        Predictions on an image that is not there, or an entry that is not as said.
    """
    for name, value, known in (("task", task, TASKS), ("iou_type", iou_type, IOU_TYPES)):
        if value not in known:
            raise UnknownNameError(name, value, known)
    truths, found = select(ground_truth, predictions, task)
    ranges = dict([("all", _EVERY), *_ranges("area", area_edges)])
    matched = _match(truths, found, ground_truth["images"], iou_type, ranges, max_detections)
    for name, (low, high) in _ranges("contrast", contrast_edges) if contrasts else ():
        # COCO leaves out what is outside a range of areas: an area of -1 always is.
        inside = [low <= contrasts.get(t["id"], np.nan) < high for t in truths]
        marked = [{**t, "area": 1.0 if i else -1.0} for t, i in zip(truths, inside, strict=True)]
        only = {name: _EVERY}
        matched |= _match(marked, found, ground_truth["images"], iou_type, only, max_detections)
    if groups is None:
        groups = range(len(ground_truth["images"]))
    numbers = np.argsort([image["id"] for image in ground_truth["images"]], kind="stable")
    groups = np.asarray(groups)[numbers]
    table = {name: _estimates(matches, groups, rng, resamples) for name, matches in matched.items()}
    whole = table.pop("all")
    slices = {name: {key: row[key] for key in METRICS} for name, row in table.items()}
    return Detection(task, iou_type, **whole, slices=slices)


def average_precisions(matches: Matches, weights: np.ndarray | None = None) -> np.ndarray:
    """Return AP, AP50 and AP75 (3,) where image i counts weights[i] times; NaN without flakes.

    Parameters
    ----------
    matches : Matches
        At the thresholds of `IOU_THRESHOLDS`.
    weights : (I,) array, optional
        1 for every image by default.
    """
    every = _precisions(matches, weights)
    return np.array([every.mean(), every[0], every[5]])


def _precisions(matches: Matches, weights: np.ndarray | None) -> np.ndarray:
    """Return the average precision (T,) at every threshold."""
    weights = np.ones(len(matches.positives)) if weights is None else weights
    positives = matches.positives @ weights
    if not positives > 0:
        return np.full(len(matches.hits), np.nan)
    times = weights[matches.image]
    drawn = times > 0
    counted = ~matches.ignored[:, drawn] * times[drawn]
    hits = matches.hits[:, drawn]
    true = np.cumsum(hits * counted, axis=1)  # (T, D)
    false = np.cumsum(~hits * counted, axis=1)
    precision = true / (false + true + np.spacing(1))
    # What is found later at a higher precision counts from the start.
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    recall = true / positives
    out = np.zeros((len(hits), len(RECALLS)))
    for row, (p, r) in enumerate(zip(precision, recall, strict=True)):
        at = np.searchsorted(r, RECALLS, side="left")
        there = at < len(p)
        out[row, there] = p[at[there]]
    return out.mean(axis=1)


def select(
    ground_truth: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]], task: str
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return the annotations and predictions that a task is about."""
    truths = ground_truth["annotations"]
    if task == "general":  # among equal scores COCO goes by the category
        return tuple(
            sorted(entries, key=lambda entry: entry.get("category_id") or 0)
            for entries in (truths, predictions)
        )
    ids = [c["id"] for c in ground_truth["categories"] if c["name"].lower() == task]
    if len(ids) != 1:
        names = [c["name"] for c in ground_truth["categories"]]
        raise ArgumentError("ground_truth.categories", names, f"one of the name {task!r}")
    return tuple(
        [entry for entry in entries if entry.get("category_id") == ids[0]]
        for entries in (truths, predictions)
    )


def _estimates(
    matches: Matches, groups: np.ndarray, rng: np.random.Generator | None, resamples: int
) -> dict[str, Estimate]:
    def figures(weights: np.ndarray) -> np.ndarray:
        return np.append(average_precisions(matches, weights), _calibration(matches, weights))

    values = figures(np.ones(len(matches.positives)))
    low = high = np.full(len(FIGURES), np.nan)
    if rng is not None and not np.isnan(values).all():
        low, high = bootstrap_interval(figures, groups, rng, resamples=resamples)
    flakes, detections = int(matches.positives.sum()), int((~matches.ignored[0]).sum())
    counts = (*[flakes] * len(METRICS), detections)
    return {
        name: Estimate(float(v), float(a), float(b), count)
        for name, v, a, b, count in zip(FIGURES, values, low, high, counts, strict=True)
    }


def _calibration(matches: Matches, weights: np.ndarray) -> float:
    """Return the expected calibration error of the scores at the first threshold."""
    counted = ~matches.ignored[0]
    return calibration_metrics(
        matches.scores[counted],
        matches.hits[0, counted],
        weights=weights[matches.image[counted]],
    )["expected_calibration_error"]


def _ranges(name: str, edges: Sequence[float]) -> list[tuple[str, tuple[float, float]]]:
    """Return ranges between edges by their names."""
    if not len(edges):
        return []
    words = {"area": ("small", "medium", "large"), "contrast": ("faint", "medium", "clear")}[name]
    bounds = [0.0, *map(float, edges), 1e10]
    if sorted(bounds) != bounds or not np.isfinite(bounds).all():
        raise ArgumentError(f"{name}_edges", list(edges), "ascending numbers > 0")
    if len(edges) != 2:
        words = [f"{a:g} to {b:g}" for a, b in pairwise(bounds)]
    return [(f"{name}: {word}", pair) for word, pair in zip(words, pairwise(bounds), strict=True)]


def _match(
    truths: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    images: Sequence[Mapping[str, Any]],
    iou_type: str,
    ranges: Mapping[str, tuple[float, float]],
    max_detections: int,
) -> dict[str, Matches]:
    """Return the matches in every range of areas."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ModuleNotFoundError as error:
        raise QuPaintError("faster-coco-eval is missing: pip install -e '.[train]'") from error

    images = sorted(images, key=lambda image: image["id"])
    number = {image["id"]: k for k, image in enumerate(images, start=1)}
    sizes = [
        {"id": k, "height": i.get("height"), "width": i.get("width")}
        for k, i in enumerate(images, start=1)
    ]

    def numbered(entries: Sequence[Mapping[str, Any]], kind: str) -> COCO:
        kept = [
            _entry(entry, k, number, f"{kind}[{k - 1}]", iou_type, kind)
            for k, entry in enumerate(entries, start=1)
        ]
        data = {"images": sizes, "annotations": kept, "categories": [{"id": 1, "name": "flake"}]}
        return COCO(data)

    if not images:
        nothing = np.zeros((len(IOU_THRESHOLDS), 0), dtype=bool)
        empty = Matches(np.zeros(0, int), np.zeros(0), nothing, nothing, np.zeros(0))
        return dict.fromkeys(ranges, empty)
    run = COCOeval_faster(
        numbered(truths, "annotations"),
        numbered(found, "predictions"),
        iou_type,
        print_function=lambda *_: None,
        separate_eval=True,
    )
    run.params.maxDets = [max_detections]
    run.params.areaRng = [list(map(float, pair)) for pair in ranges.values()]
    run.params.areaRngLbl = list(ranges)
    run.evaluate()
    per_range = np.array([None, *run._evalImgs_cpp], dtype=object)[1:].reshape(len(ranges), -1)
    return {name: _gathered(row) for name, row in zip(ranges, per_range, strict=True)}


def _gathered(evaluated: Sequence[Any]) -> Matches:
    """Return the matches of faster-coco-eval's evaluations of each image.

    Their pickled state is the only way to what was matched: matches (T · D), those of the ground
    truth, scores (D,), ignored truths (G,), ignored detections (T · D).
    """
    thresholds = len(IOU_THRESHOLDS)
    image, scores, hits, ignored, positives = [], [], [], [], []
    for number, evaluation in enumerate(evaluated):
        matched, _, found, truths_ignored, dropped, *_ = evaluation.__getstate__()
        positives.append(len(truths_ignored) - sum(map(bool, truths_ignored)))
        if found:
            image += [number] * len(found)
            scores += found
            hits.append(np.reshape(matched, (thresholds, -1)) > 0)
            ignored.append(np.reshape(dropped, (thresholds, -1)).astype(bool))
    nothing = np.zeros((thresholds, 0), dtype=bool)
    order = np.argsort(-np.array(scores, dtype=np.float64), kind="stable")
    return Matches(
        np.array(image, dtype=np.int64)[order],
        np.array(scores, dtype=np.float64)[order],
        np.concatenate([nothing, *hits], axis=1)[:, order],
        np.concatenate([nothing, *ignored], axis=1)[:, order],
        np.array(positives, dtype=np.float64),
    )


def _entry(
    entry: Mapping[str, Any],
    number: int,
    images: Mapping[Any, int],
    where: str,
    iou_type: str,
    kind: str,
) -> dict[str, Any]:
    """Return what COCO's evaluation needs of an annotation or a prediction."""
    if entry.get("image_id") not in images:
        allowed = "the id of one of the images of the ground truth"
        raise ArgumentError(f"{where}.image_id", entry.get("image_id"), allowed)
    kept = {"id": number, "image_id": images[entry["image_id"]], "category_id": 1}
    kept["iscrowd"] = int(entry.get("iscrowd") or 0)
    if kind == "predictions":
        kept["score"] = float(entry["score"])
        kept["iscrowd"] = 0
    needed = "bbox" if iou_type == "bbox" else "segmentation"
    if entry.get(needed) is None:
        raise ArgumentError(f"{where}.{needed}", None, f"a value, for overlaps of {iou_type}")
    kept[needed] = entry[needed]
    kept["area"] = entry.get("area") if kind == "annotations" else None
    if kept["area"] is None:
        kept["area"] = _area(entry, iou_type)
    kept.setdefault("bbox", entry.get("bbox", [0.0, 0.0, 0.0, 0.0]))
    return kept


def _area(entry: Mapping[str, Any], iou_type: str) -> float:
    """Return the area of a prediction, as pycocotools takes it: of its box, or of its mask."""
    if iou_type == "bbox":
        return float(entry["bbox"][2] * entry["bbox"][3])
    from faster_coco_eval import mask

    segmentation = entry["segmentation"]
    if isinstance(segmentation, Mapping) and isinstance(segmentation.get("counts"), str | bytes):
        return float(mask.area(segmentation))
    return float(entry.get("area") or 0.0)
