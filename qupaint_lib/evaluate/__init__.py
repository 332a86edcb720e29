"""Metrics, and nothing but metrics: detection, grounding, counts, verdicts, layers, calibration.

``detection`` gives COCO's average precisions with slices, ``metrics`` the figures of answers,
``intervals`` resamples whole images, ``answers`` scores generated answers against the facts of
their images, ``oracle`` tells what could be reached at best.

Conventions: boxes are x, y, width, height; a box is right from an intersection over union *at or
above* a threshold; contrast is ΔE of CIE 1976 against the substrate; NaN stands for a figure that
nothing was there to be measured for.
"""

from qupaint_lib.evaluate.answers import Answered, is_well_formed, score_answers
from qupaint_lib.evaluate.detection import (
    AREA_EDGES,
    CONTRAST_EDGES,
    Detection,
    average_precisions,
    detection_metrics,
)
from qupaint_lib.evaluate.intervals import Estimate, bootstrap_interval
from qupaint_lib.evaluate.metrics import (
    calibration_metrics,
    count_metrics,
    grounding_accuracy,
    layer_metrics,
    verification_metrics,
)
from qupaint_lib.evaluate.oracle import palette_layer

__all__ = [
    "AREA_EDGES",
    "CONTRAST_EDGES",
    "Answered",
    "Detection",
    "Estimate",
    "average_precisions",
    "bootstrap_interval",
    "calibration_metrics",
    "count_metrics",
    "detection_metrics",
    "grounding_accuracy",
    "is_well_formed",
    "layer_metrics",
    "palette_layer",
    "score_answers",
    "verification_metrics",
]
