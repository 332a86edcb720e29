"""Speed of the average precisions against pycocotools, and of reading a file of Table 2's size.

Both evaluate 200 images with about thirty flakes and forty detections each, in every range of
areas; the figures are equal. The file has the paper's 280,526 annotations, each with a mask; it is
read, checked and counted in a process of its own, in processor time: neighbours count little.
"""

import contextlib
import io
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from ratios import Case, ratio

from qupaint_lib.evaluate import detection_metrics

IMAGES, FLAKES, FOUND, SIDE = 200, 30, 40, 448
TABLE_2_FLAKES, TABLE_2_IMAGES = {1: 2546, 2: 3417, 3: 274563}, 8854
SECONDS, GIGABYTES = 30, 2
MASK = "mWkX12ZU15M2N2O2L3M4L3K6ITOdkNP1XT17N1L4J7K5L4"
CATEGORIES = [{"id": k, "name": name} for k, name in enumerate(("Mono", "Few", "Thick"), start=1)]


def boxes(rng, count):
    corners = rng.uniform(0, SIDE - 60, (count, 2))
    return np.hstack([corners, rng.uniform(5, 60, (count, 2))])


@cache
def case():
    """Return ground truth and predictions, most of them near a flake."""
    rng = np.random.default_rng(0)
    truth = {"images": [], "annotations": [], "categories": CATEGORIES}
    predictions = []
    for i in range(1, IMAGES + 1):
        truth["images"].append({"id": i, "height": SIDE, "width": SIDE})
        there = boxes(rng, FLAKES)
        near = there[:25] + rng.normal(0, 2, (25, 4))
        near[:, 2:] = near[:, 2:].clip(1)
        for box in there.tolist():
            entry = {"id": len(truth["annotations"]) + 1, "image_id": i, "bbox": box}
            entry |= {"category_id": 1, "area": box[2] * box[3], "iscrowd": 0}
            truth["annotations"].append(entry)
        for box in np.vstack([near, boxes(rng, FOUND - 25)]).tolist():
            entry = {"image_id": i, "category_id": 1, "bbox": box, "score": rng.random()}
            predictions.append(entry)
    return truth, predictions


def ours():
    truth, predictions = case()
    return detection_metrics(predictions, truth)


def pycocotools():
    truth, predictions = case()
    with contextlib.redirect_stdout(io.StringIO()):
        there = COCO()
        there.dataset = truth
        there.createIndex()
        run = COCOeval(there, there.loadRes([dict(p) for p in predictions]), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats


CASES = [
    Case("AP of 200 images, 30 flakes each", ours, "pycocotools", pycocotools, 5, 10, rounds=5),
]


def test_both_find_the_same_figures():
    found, peer = ours(), pycocotools()
    figures = [found.ap.value, found.ap50.value, found.ap75.value]
    np.testing.assert_allclose(figures, peer[:3], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ratio(case, rows):
    assert ratio(case, rows) >= case.bar


def test_a_file_of_table_2s_size_is_read_in_seconds(tmp_path):
    rng = np.random.default_rng(0)
    classes = np.repeat([*TABLE_2_FLAKES], [*TABLE_2_FLAKES.values()]).tolist()
    on = rng.integers(1, TABLE_2_IMAGES + 1, len(classes)).tolist()
    where = rng.integers(1, 1000, (len(classes), 4)) // [1, 1, 5, 5] + 1
    size = {"size": [1344, 1792], "counts": MASK}
    annotations = [
        {"id": k, "image_id": i, "category_id": c, "bbox": b, "iscrowd": 0, "segmentation": size}
        for k, (i, c, b) in enumerate(zip(on, classes, where.tolist(), strict=True), start=1)
    ]
    images = [
        {"id": k, "file_name": f"materials/wte2/{k}.jpg", "width": 1792, "height": 1344}
        for k in range(1, TABLE_2_IMAGES + 1)
    ]
    data = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    (tmp_path / "annotations.json").write_text(json.dumps(data))
    code = (
        "import resource, sys, time\n"
        "from qupaint_lib.evaluate import layer_statistics, load_benchmark\n"
        "total = layer_statistics(load_benchmark(sys.argv[1]))['total']['total']\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9\n"
        "print(total, time.process_time(), peak)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    total, seconds, gigabytes = map(float, done.stdout.split())
    assert total == sum(TABLE_2_FLAKES.values()) == 280526
    assert seconds <= SECONDS and gigabytes <= GIGABYTES
