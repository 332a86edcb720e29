"""A model's predictions on a benchmark: every image is asked for its flakes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from qupaint_lib.errors import ArgumentError
from qupaint_lib.evaluate.bench import Benchmark
from qupaint_lib.evaluate.ground_truth import class_ids

QUESTION = "Identify all flakes and provide bounding boxes [x,y,w,h] for each"


def predict(
    assistant: Any,
    benchmark: Benchmark,
    *,
    reduce: int = 1,
    brief: bool = True,
    batch_size: int = 8,
    max_new_tokens: int = 320,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Return what a model finds on every image of a benchmark, for `score_predictions`.

    Images larger than a tile are asked window by window, and what windows both saw is merged.

    Parameters
    ----------
    assistant : QuPaint
        Model and processor.
    benchmark : Benchmark
        Images and ground truth, of which only the categories are used.
    reduce : int, optional
        Factor by which images are made smaller first: 2 shows a model that was trained on 448 px
        in a tile of 224 a real micrograph at the scale of its training.
    brief : bool, optional
        Ask for the conclusion alone.
    batch_size, max_new_tokens : int, optional
        See `QuPaint.chat_full_resolution`.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    list of dict
        COCO results: ``image_id``, ``bbox`` in pixels, ``score``, ``category_id``.
    """
    from tqdm import tqdm

    if reduce < 1:
        raise ArgumentError("reduce", reduce, "1, 2, 3, …")
    categories = class_ids(benchmark.ground_truth)
    found = []
    for entry in tqdm(benchmark.ground_truth["images"], disable=not progress, unit="image"):
        image = benchmark.image(entry)
        size = (image.shape[1] // reduce, image.shape[0] // reduce)
        shown = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if reduce > 1 else image
        answer = assistant.chat_full_resolution(
            shown, QUESTION, brief=brief, batch_size=batch_size, max_new_tokens=max_new_tokens
        )
        scale = np.divide(image.shape[1::-1], size)
        for box, label, score in zip(answer.boxes, answer.labels, answer.scores, strict=True):
            one = {"image_id": entry["id"], "score": float(score)}
            one["bbox"] = [float(v) for v in np.multiply(box, (*scale, *scale))]
            if label in categories:
                one["category_id"] = categories[label]
            found.append(one)
    return found
