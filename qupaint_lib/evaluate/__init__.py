"""Figures, and what they are computed on: detection, grounding, answers; QF-Bench and its kin.

``detection`` gives COCO's average precisions with slices, ``metrics`` the figures of answers,
``intervals`` resamples whole images. ``answers`` reads generated answers and ``answer_scores``
holds them against the facts of their images; ``oracle`` tells what could be reached at best.
``ground_truth`` and ``predictions`` read files and refuse what is wrong with them, ``scores`` gives
all figures of a set of predictions, ``page`` shows its errors. ``bench`` has QF-Bench's layout and
Table 2, ``synthetic`` the benchmark that is generated, ``public`` the folders of MaskTerial and
2DMatGMM. ``python -m qupaint_lib.evaluate --annotations FILE --predictions FILE`` does it all.

Conventions: boxes are x, y, width, height; a box is right from an intersection over union *at or
above* a threshold; contrast is ΔE of CIE 1976 against the substrate; NaN stands for a figure that
nothing was there to be measured for.
"""

from qupaint_lib.evaluate.answer_scores import score_answers
from qupaint_lib.evaluate.answers import Answered, is_well_formed
from qupaint_lib.evaluate.ask import predict
from qupaint_lib.evaluate.bench import (
    BenchImage,
    Benchmark,
    layer_statistics,
    load_benchmark,
    save_benchmark,
)
from qupaint_lib.evaluate.detection import (
    AREA_EDGES,
    CONTRAST_EDGES,
    Detection,
    average_precisions,
    detection_metrics,
)
from qupaint_lib.evaluate.exam import EXAM_TASKS, Question, make_exam, take_exam
from qupaint_lib.evaluate.ground_truth import load_ground_truth, with_borders
from qupaint_lib.evaluate.intervals import Estimate, bootstrap_interval
from qupaint_lib.evaluate.metrics import (
    calibration_metrics,
    count_metrics,
    grounding_accuracy,
    layer_metrics,
    verification_metrics,
)
from qupaint_lib.evaluate.oracle import palette_layer
from qupaint_lib.evaluate.page import write_error_page
from qupaint_lib.evaluate.pictures import sample_pictures
from qupaint_lib.evaluate.predictions import load_predictions, save_predictions
from qupaint_lib.evaluate.public import load_maskterial
from qupaint_lib.evaluate.scores import score_predictions, surest_box_accuracy, to_json
from qupaint_lib.evaluate.synthetic import build_real, build_synthetic, synthetic_scene

__all__ = [
    "AREA_EDGES",
    "CONTRAST_EDGES",
    "EXAM_TASKS",
    "Answered",
    "BenchImage",
    "Benchmark",
    "Detection",
    "Estimate",
    "Question",
    "average_precisions",
    "bootstrap_interval",
    "build_real",
    "build_synthetic",
    "calibration_metrics",
    "count_metrics",
    "detection_metrics",
    "grounding_accuracy",
    "is_well_formed",
    "layer_metrics",
    "layer_statistics",
    "load_benchmark",
    "load_ground_truth",
    "load_maskterial",
    "load_predictions",
    "make_exam",
    "palette_layer",
    "predict",
    "sample_pictures",
    "save_benchmark",
    "save_predictions",
    "score_answers",
    "score_predictions",
    "surest_box_accuracy",
    "synthetic_scene",
    "take_exam",
    "to_json",
    "verification_metrics",
    "with_borders",
    "write_error_page",
]
