"""From a finished run to a model that is shipped: float16 weights, exam, records, model card.

``python -m qupaint_lib.train.ship --run nano --stages vision regions --data qmat/test --out DIR``
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from qupaint_lib._files import read_json, write_text
from qupaint_lib.errors import QuPaintError
from qupaint_lib.evaluate import (
    build_real,
    detection_metrics,
    make_exam,
    predict,
    score_answers,
    take_exam,
)
from qupaint_lib.instruct import build_dataset
from qupaint_lib.instruct.facts import box_iou
from qupaint_lib.model import QuPaint
from qupaint_lib.train.card import write_card
from qupaint_lib.train.run import RECORD

EXAM = "exam.json"
SPARSE, DENSE = (1, 10), (24, 40)  # flakes in an image of the exam, and in its dense slice
SHARD_SIZE = "14MB"
SUBSET_SEED = 20_602
_REASONS = ("count", "localise", "localise_monolayers", "layer", "verify", "refer")


def ship(
    run: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    dense_data: str | Path | None = None,
    stages: Sequence[str | Path] = (),
    micrographs: str | Path | None = None,
    reduce: int = 2,
    images: int = 300,
    dense_images: int = 60,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Write a model as it is shipped, and return its exam.

    Parameters
    ----------
    run : path
        Folder of the finished run.
    data : path
        The test split of its data set.
    dense_data : path, optional
        A test split with many flakes in an image, of the same seed, for the dense slice; by
        default the first one.
    out : path
        Where weights (float16, files of at most 14 MB), processor, tokenizer, ``exam.json``, the
        records of the stages and the model card go.
    stages : sequence of path, optional
        Folders of the runs that led to it, in order; their records are kept as ``<name>.json``.
    micrographs : path, optional
        Folder of the development micrographs, for `examine_real`.
    reduce : int, optional
        So many of their pixels become one on a side.
    images, dense_images : int, optional
        Of the exam, with 1 to 10 flakes, and with 24 to 40.
    seed : int, optional
        Of its questions.
    progress : bool, optional
        Show a progress bar.
    """
    run, out = Path(run), Path(out)
    assistant = QuPaint.from_pretrained(run)
    assistant.model.to(torch.float16).save_pretrained(out, max_shard_size=SHARD_SIZE)
    assistant.processor.save_pretrained(out)
    shutil.copyfile(run / RECORD, out / RECORD)
    for stage in map(Path, stages):
        if stage != run:
            shutil.copyfile(stage / RECORD, out / f"{stage.name}.json")
    shipped = QuPaint.from_pretrained(out, dtype=torch.float32)
    exam = examine(
        shipped,
        data,
        dense_data=dense_data,
        images=images,
        dense_images=dense_images,
        seed=seed,
        progress=progress,
    )
    exam["subset"] = examine_subset(shipped)
    if micrographs is not None:
        exam["real"] = examine_real(shipped, micrographs, reduce=reduce, progress=progress)
    write_text(out / EXAM, json.dumps(exam, indent=1))
    write_card(out, exam, read_json(out / RECORD))
    return exam


def examine(
    assistant: QuPaint,
    data: str | Path,
    *,
    dense_data: str | Path | None = None,
    images: int = 300,
    dense_images: int = 60,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Return the figures of a model on held-out images: rows, slices, values with intervals.

    ``rows`` is of images with 1 to 10 flakes, ``dense`` of images with 24 to 40; each entry is
    (value, low, high, n) of a 95 % interval over images.
    """
    parts = {"rows": (data, SPARSE, images), "dense": (dense_data or data, DENSE, dense_images)}
    figures: dict[str, Any] = {"images": {}, "seed": seed}
    for name, (folder, flakes, most) in parts.items():
        rows = pick_rows(folder, flakes, most)
        exam = make_exam(rows, reasons=_REASONS, seed=seed)
        answered = take_exam(assistant, exam, progress=progress)
        scores = score_answers(answered, rng=np.random.default_rng(seed))
        figures[name] = {
            row: {
                key: [*map(_plain, (e.value, e.low, e.high)), e.count] for key, e in slices.items()
            }
            for row, slices in scores.items()
        }
        figures["images"][name] = len(rows)
    return figures


def examine_subset(assistant: QuPaint) -> dict[str, float]:
    """Return figures on forty small scenes made on the spot, in short form; half a minute.

    For a test that the shipped weights still do what they did: the scenes follow from a seed of
    their own, whose microscopes no training has seen.
    """
    with TemporaryDirectory() as folder:
        options = {"dialogues": 1, "tasks": ("count",), "form": "short", "crystals": (1, 6)}
        options["shape"] = (224, 224)
        shares = {"test": 1.0}
        build_dataset(40, folder, seed=SUBSET_SEED, splits=shares, progress=False, **options)
        rows = pick_rows(Path(folder) / "test", (0, 1000), 40)
    answered = take_exam(assistant, make_exam(rows, reasons=()))
    scores = score_answers(answered, claims=False)
    return {row: round(float(slices["all"].value), 4) for row, slices in scores.items()}


def examine_real(
    assistant: QuPaint, micrographs: str | Path, *, reduce: int = 2, progress: bool = False
) -> dict[str, Any]:
    """Return what a model finds on the annotated development micrographs, untrained for them.

    ``recall`` and ``precision`` of boxes at an IoU of 0.5 whatever their scores, pooled over the
    images, and ``ap50`` and ``ap`` of boxes. Annotations are of thin flakes alone.
    """
    with TemporaryDirectory() as folder:
        benchmark = build_real(micrographs, folder)
        found = predict(assistant, benchmark, reduce=reduce, progress=progress)
    truths = benchmark.ground_truth["annotations"]
    hits = 0
    for entry in benchmark.ground_truth["images"]:
        boxes, true = (
            np.array([a["bbox"] for a in some if a["image_id"] == entry["id"]]).reshape(-1, 4)
            for some in (found, truths)
        )
        if len(boxes) and len(true):
            hits += len(matched(np.array([box_iou(boxes, one) for one in true]), 0.5))
    scored = detection_metrics(found, benchmark.ground_truth)
    return {
        "images": len(benchmark.ground_truth["images"]),
        "reduce": reduce,
        "flakes": len(truths),
        "found": len(found),
        "recall": _plain(hits / len(truths)),
        "precision": _plain(hits / len(found)) if found else None,
        "ap50": _plain(scored.ap50.value),
        "ap": _plain(scored.ap.value),
    }


def matched(iou: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Return pairs (row, column) of an IoU table, each used once, at or above a threshold."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.where(iou >= threshold, iou, 0.0), maximize=True)
    return [(r, c) for r, c in zip(rows, columns, strict=True) if iou[r, c] >= threshold]


def pick_rows(data: str | Path, flakes: tuple[int, int], most: int) -> list[dict[str, Any]]:
    """Return a row of each of the first images with so many flakes, materials in turn."""
    from qupaint_lib.shards import read_shards

    seen: dict[str, dict[int, dict[str, Any]]] = {}
    for row in read_shards(data):
        if flakes[0] <= len(row["boxes"]) <= flakes[1]:
            seen.setdefault(row["material"], {}).setdefault(row["id"], row)
    found = {material: list(rows.values()) for material, rows in seen.items()}
    picked = []
    for place in range(max(map(len, found.values()), default=0)):
        picked += [found[m][place] for m in sorted(found) if place < len(found[m])]
    return picked[:most]


def _plain(number: float) -> float | None:
    return round(float(number), 4) if np.isfinite(number) else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m qupaint_lib.train.ship", description=__doc__)
    parser.add_argument("--run", required=True, help="folder of the finished run")
    parser.add_argument("--stages", nargs="*", default=[], help="folders of the runs before it")
    parser.add_argument("--data", required=True, help="test split")
    parser.add_argument("--dense-data", help="test split with many flakes in an image")
    parser.add_argument("--out", required=True, help="folder of the shipped model")
    parser.add_argument("--micrographs", help="folder of the development micrographs")
    parser.add_argument("--reduce", type=int, default=2, help="their pixels, so many become one")
    parser.add_argument("--images", type=int, default=300, help="of the exam (%(default)s)")
    parser.add_argument("--dense-images", type=int, default=60, help="of the dense slice")
    options = parser.parse_args(arguments)
    try:
        given = {"stages": options.stages, "micrographs": options.micrographs}
        given["reduce"] = options.reduce
        given |= {"dense_data": options.dense_data, "dense_images": options.dense_images}
        ship(options.run, options.data, options.out, images=options.images, **given)
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
