"""Figures of answers: grounding, counts, verdicts, layers, calibration.

Every function takes `weights`, how often each case counts, so that `bootstrap_interval` can
resample; what nobody answered is None and counts as wrong.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from qupaint_lib.annotations import FEW_MAX, layer_class
from qupaint_lib.errors import ArgumentError

THRESHOLDS = (0.5, 0.75)
_TINY = 1e-12


def grounding_accuracy(
    predicted_boxes: Sequence[Sequence[Sequence[float]]],
    true_boxes: Sequence[Sequence[float]],
    thresholds: Sequence[float] = THRESHOLDS,
    *,
    weights: np.ndarray | None = None,
) -> dict[float, float]:
    """Return Acc@IoU by the protocol of RefCOCO: one flake is meant, and the first box counts.

    Parameters
    ----------
    predicted_boxes : sequence of N sequences of boxes
        Boxes of each answer, x, y, width, height, in its order; an answer without any is a miss.
    true_boxes : (N, 4) sequence
        The box of the flake that is meant, in the same unit.
    thresholds : sequence of float, optional
        In (0, 1]; the intersection over union at or above which a box is right.
    weights : (N,) array, optional
        How often each case counts.

    Returns
    -------
    dict of float to float
        Accuracy by threshold; NaN without any case.

    Raises
    ------
    ArgumentError
        Lengths that differ, a box that is not four finite numbers of some size, or a threshold
        that is not in (0, 1].

    References
    ----------
    Kazemzadeh et al., ReferItGame, EMNLP 2014; Yu et al., ECCV 2016.
    """
    ious = first_box_iou(predicted_boxes, true_boxes)
    for threshold in thresholds:
        if not 0 < threshold <= 1:
            raise ArgumentError("thresholds", threshold, "intersections over union in (0, 1]")
    return {t: mean_of(ious >= t, weights) for t in thresholds}


def first_box_iou(
    predicted_boxes: Sequence[Sequence[Sequence[float]]], true_boxes: Sequence[Sequence[float]]
) -> np.ndarray:
    """Return the intersection over union (N,) of the first box of every answer; 0 without one."""
    _same_length("predicted_boxes", predicted_boxes, true_boxes)
    first = [np.ravel(boxes[0]) if len(boxes) else None for boxes in predicted_boxes]
    pairs = [(a, np.ravel(b)) for a, b in zip(first, true_boxes, strict=True)]
    for number, (a, b) in enumerate(pairs):
        _check_box(f"true_boxes[{number}]", b)
        if a is not None:
            _check_box(f"predicted_boxes[{number}][0]", a)
    return np.array([0.0 if a is None else _iou(a, b) for a, b in pairs])


def count_metrics(
    predicted: Sequence[int | None],
    true: Sequence[int],
    *,
    weights: np.ndarray | None = None,
) -> dict[str, float]:
    """Return how well flakes are counted.

    Parameters
    ----------
    predicted : sequence of int or None
        None where no count was given.
    true : sequence of int
        How many there are.
    weights : (N,) array, optional
        How often each case counts.

    Returns
    -------
    dict of str to float
        ``"exact"`` and ``"within_1"``: shares of all cases; ``"mean_absolute_error"``: in flakes,
        over the cases that were given a count. NaN without any case.
    """
    _same_length("predicted", predicted, true)
    given = np.array([np.nan if n is None else n for n in predicted], dtype=float)
    error = abs(given - np.asarray(true, dtype=float))  # NaN compares as false
    told = ~np.isnan(error)
    times = np.ones(len(error)) if weights is None else np.asarray(weights, dtype=float)
    return {
        "exact": mean_of(error == 0, weights),
        "within_1": mean_of(error <= 1, weights),
        "mean_absolute_error": mean_of(error[told], times[told]),
    }


def verification_metrics(
    predicted: Sequence[bool | None],
    true: Sequence[bool],
    *,
    weights: np.ndarray | None = None,
) -> dict[str, float]:
    """Return how well questions are answered with yes or no.

    Parameters
    ----------
    predicted : sequence of bool or None
        None where the answer says neither.
    true : sequence of bool
        What is so.
    weights : (N,) array, optional
        How often each case counts.

    Returns
    -------
    dict of str to float
        ``"accuracy"``; ``"balanced_accuracy"``, the mean of the next two where both occur;
        ``"yes_recall"`` and ``"no_recall"``; ``"answered"``, the share of cases with a verdict.
    """
    _same_length("predicted", predicted, true)
    found, right = _recalls(predicted, true, (True, False), weights)
    return {
        "accuracy": mean_of(right, weights),
        "balanced_accuracy": _balanced(found),
        "yes_recall": found[0],
        "no_recall": found[1],
        "answered": mean_of(np.array([p is not None for p in predicted], dtype=bool), weights),
    }


def layer_metrics(
    predicted: Sequence[int | str | None],
    true: Sequence[int | str],
    *,
    few_max: int = FEW_MAX,
    weights: np.ndarray | None = None,
) -> dict[str, float]:
    """Return how well layers are told.

    Parameters
    ----------
    predicted : sequence of int, str or None
        Layer counts, or ``"Mono"``, ``"Few"``, ``"Thick"`` where only the class is named.
    true : sequence of int or str
        What is so.
    few_max : int, optional
        The most layers that are still *few*.
    weights : (N,) array, optional
        How often each case counts.

    Returns
    -------
    dict of str to float
        ``"class_balanced_accuracy"``, the mean of ``"mono_recall"``, ``"few_recall"`` and
        ``"thick_recall"`` over the classes that occur; ``"class_accuracy"``; ``"exact"``, the
        share of the flakes of known layer count that were given just that.
    """
    _same_length("predicted", predicted, true)
    classes = [_class_of("predicted", p, few_max) for p in predicted]
    true_classes = [_class_of("true", t, few_max) for t in true]
    found, right = _recalls(classes, true_classes, ("Mono", "Few", "Thick"), weights)
    # A monolayer is one layer, whether it is written as a class or as a count.
    counts = [
        (1 if p == "Mono" else p, 1 if t == "Mono" else t)
        for p, t in zip(predicted, true, strict=True)
    ]
    known = np.array([not isinstance(t, str) for _, t in counts], dtype=bool)
    exact = np.array([p == t for p, t in counts], dtype=bool)
    times = np.ones(len(counts)) if weights is None else np.asarray(weights, dtype=float)
    return {
        "class_balanced_accuracy": _balanced(found),
        "class_accuracy": mean_of(right, weights),
        "mono_recall": found[0],
        "few_recall": found[1],
        "thick_recall": found[2],
        "exact": mean_of(exact[known], times[known]),
    }


def calibration_metrics(
    probabilities: Sequence[float],
    outcomes: Sequence[bool],
    *,
    bins: int = 10,
    weights: np.ndarray | None = None,
) -> dict[str, float]:
    """Return whether probabilities are as good as their word.

    Parameters
    ----------
    probabilities : (N,) sequence of float
        Stated probabilities, 0 to 1.
    outcomes : (N,) sequence of bool
        Whether it was so.
    bins : int, optional
        Number of bins of equal width.
    weights : (N,) array, optional
        How often each case counts.

    Returns
    -------
    dict of str to float
        ``"expected_calibration_error"``: the mean over bins of how far the mean probability is
        from the share of the outcomes, weighed by their cases; ``"maximum_calibration_error"``:
        the worst bin; ``"brier"``: the mean squared difference.

    Raises
    ------
    ArgumentError
        A probability that is not in [0, 1], lengths that differ, or no bin.

    References
    ----------
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    _same_length("probabilities", probabilities, outcomes)
    stated, so = np.asarray(probabilities, dtype=float), np.asarray(outcomes, dtype=float)
    wrong = ~((stated >= 0) & (stated <= 1))
    if wrong.any():
        at = int(wrong.argmax())
        raise ArgumentError(f"probabilities[{at}]", float(stated[at]), "a probability in [0, 1]")
    if bins < 1:
        raise ArgumentError("bins", bins, "at least 1")
    times = np.ones(len(stated)) if weights is None else np.asarray(weights, dtype=float)
    which = np.minimum((stated * bins).astype(int), bins - 1)
    total = np.bincount(which, times, bins)
    there = total > 0
    gap = abs(np.bincount(which, times * (stated - so), bins))[there] / total[there]
    if not there.any():
        names = ("expected_calibration_error", "maximum_calibration_error", "brier")
        return dict.fromkeys(names, np.nan)
    return {
        "expected_calibration_error": float(np.average(gap, weights=total[there])),
        "maximum_calibration_error": float(gap.max()),
        "brier": mean_of((stated - so) ** 2, times),
    }


def mean_of(values: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the weighted mean of values; NaN where nothing weighs in."""
    values = np.asarray(values, dtype=float)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    total = weights.sum()
    return float(values @ weights / total) if total > 0 else np.nan


def _recalls(
    predicted: Sequence[Hashable],
    true: Sequence[Hashable],
    classes: Sequence[Hashable],
    weights: np.ndarray | None,
) -> tuple[list[float], np.ndarray]:
    """Return the recall of every class, NaN where it does not occur, and which cases are right."""
    right = np.array([p == t for p, t in zip(predicted, true, strict=True)], dtype=bool)
    times = np.ones(len(right)) if weights is None else np.asarray(weights, dtype=float)
    of = [np.array([t == name for t in true], dtype=bool) for name in classes]
    return [mean_of(right[there], times[there]) for there in of], right


def _balanced(recalls: Sequence[float]) -> float:
    known = [r for r in recalls if not np.isnan(r)]
    return float(np.mean(known)) if known else np.nan


def _class_of(argument: str, value: Any, few_max: int) -> str | None:
    if value is None or isinstance(value, str):
        if value not in (None, "Mono", "Few", "Thick"):
            raise ArgumentError(argument, value, "a layer count, 'Mono', 'Few', 'Thick' or None")
        return value
    return layer_class(value, few_max=few_max)


def _same_length(argument: str, given: Sequence, true: Sequence) -> None:
    if len(given) != len(true):
        raise ArgumentError(argument, f"{len(given)} cases", f"as many as there are: {len(true)}")


def _check_box(argument: str, box: np.ndarray) -> None:
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= 0).any():
        allowed = "x, y, width, height: four finite numbers, width and height > 0"
        raise ArgumentError(argument, box.tolist(), allowed)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    shared = np.clip(high - low, 0, None).prod()
    return float(shared / max(a[2:].prod() + b[2:].prod() - shared, _TINY))
