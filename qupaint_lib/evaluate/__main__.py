"""``python -m qupaint_lib.evaluate --annotations FILE --predictions FILE``: all figures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import read_json, write_text
from qupaint_lib.errors import ArgumentError, QuPaintError
from qupaint_lib.evaluate.answer_scores import score_answers
from qupaint_lib.evaluate.answers import Answered
from qupaint_lib.evaluate.bench import Benchmark, layer_statistics, load_benchmark
from qupaint_lib.evaluate.detection import IOU_TYPES, TASKS
from qupaint_lib.evaluate.ground_truth import load_ground_truth
from qupaint_lib.evaluate.intervals import RESAMPLES, Estimate
from qupaint_lib.evaluate.page import write_error_page
from qupaint_lib.evaluate.predictions import load_predictions
from qupaint_lib.evaluate.scores import score_predictions, to_json
from qupaint_lib.evaluate.synthetic import build_real, build_synthetic
from qupaint_lib.shards import read_shards

_EPILOG = """\
Predictions are a JSON list of objects with image_id (or file_name), bbox [x, y, width, height] in
pixels, score in [0, 1] and category_id (or category); see the API page of evaluate.
Answers are a JSON list of objects with id, dialogue, answer, and possibly scores of its boxes, for
the rows of a data set that python -m qupaint_lib.instruct made.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Score predictions or answers, or make a benchmark; returns 0, or 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    rng = np.random.default_rng(options.seed) if options.resamples else None
    if options.build:
        return _build(options)
    if options.table2:
        _print_statistics(layer_statistics(load_benchmark(options.table2)))
        return 0
    if options.answers and options.dataset:
        records = load_answers(options.answers, options.dataset)
        scores = {
            "answers": _by_slice(score_answers(records, rng=rng, resamples=options.resamples))
        }
    elif options.annotations and options.predictions:
        truth = load_ground_truth(options.annotations)
        predictions = load_predictions(options.predictions, truth, clip=options.clip)
        named = {category["name"].lower() for category in truth["categories"]}
        tasks = options.task or [t for t in ("general", "mono") if t == "general" or t in named]
        scores = score_predictions(
            predictions,
            truth,
            tasks=tasks,
            iou_type=options.iou_type,
            rng=rng,
            resamples=options.resamples,
        )
        if options.page:
            folder = options.images or Path(options.annotations).parent
            benchmark = Benchmark(truth, Path(folder))
            page = write_error_page(benchmark, predictions, options.page, task=tasks[0])
            print(f"errors by image: {page}")
    else:
        wanted = "--annotations and --predictions, --dataset and --answers, --table2, or --build"
        raise ArgumentError("arguments", None, wanted)
    if options.out:
        write_text(options.out, json.dumps(to_json(scores), indent=1) + "\n")
    _print(scores)
    return 0


def load_answers(path: str | Path, split: str | Path) -> list[Answered]:
    """Return the answers of a file, joined with the rows of a split of `build_dataset`.

    Parameters
    ----------
    path : path
        JSON list of objects ``id``, ``dialogue``, ``answer``, and possibly ``scores``.
    split : path
        Folder of the split, such as ``dialogues/test``.

    Raises
    ------
    ArgumentError
        An answer to no row of the split, two to one, or an entry of another kind.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise ArgumentError("answers", type(entries).__name__, "a list of objects")
    wanted: dict[tuple[Any, Any], tuple[int, Mapping[str, Any]]] = {}
    for k, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("answer"), str):
            raise ArgumentError(f"answers[{k}]", entry, "an object with id, dialogue and answer")
        key = entry.get("id"), entry.get("dialogue", 0)
        if key in wanted:
            raise ArgumentError(f"answers[{k}] (id, dialogue)", key, "answered once")
        wanted[key] = k, entry
    records, facts, last = [], None, None
    for row in read_shards(split):
        _, entry = wanted.pop((row["id"], row["dialogue"]), (None, None))
        if entry is None:
            continue
        if row["id"] != last:
            facts, last = None, row["id"]
        record = Answered.of_row(row, entry["answer"], scores=entry.get("scores"), facts=facts)
        facts = record.facts
        records.append(record)
    for key, (k, _) in wanted.items():
        raise ArgumentError(f"answers[{k}] (id, dialogue)", key, "a row of the split")
    return records


def _build(options: argparse.Namespace) -> int:
    if not options.out:
        raise ArgumentError("--out", None, "a folder to build the benchmark in")
    if options.build == "synthetic":
        benchmark = build_synthetic(options.out, progress=True)
    elif options.images:
        benchmark = build_real(options.images, options.out)
    else:
        raise ArgumentError("--images", None, "the folder of the development micrographs")
    _print_statistics(layer_statistics(benchmark))
    return 0


def _by_slice(scores: Mapping[str, Mapping[str, Estimate]]) -> dict[str, dict[str, Estimate]]:
    """Return rows and slices the other way round."""
    turned: dict[str, dict[str, Estimate]] = {"all": {}}
    for row, slices in scores.items():
        for name, estimate in slices.items():
            turned.setdefault(name, {})[row] = estimate
    return turned


def _print(scores: Mapping[str, Mapping[str, Mapping[str, Estimate]]]) -> None:
    for task, table in scores.items():
        print(f"\n{task}")
        for name, figures in table.items():
            for figure, e in figures.items():
                interval = "" if np.isnan(e.low) else f"  [{e.low:.3f}, {e.high:.3f}]"
                print(f"  {name:<24} {figure:<28} {e.value:6.3f}{interval}  n = {e.count}")


def _print_statistics(table: Mapping[str, Mapping[str, int]]) -> None:
    columns = list(table["total"])
    print(f"{'':<10}" + "".join(f"{column:>9}" for column in columns))
    for name, row in table.items():
        print(f"{name:<10}" + "".join(f"{row[column]:>9}" for column in columns))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qupaint_lib.evaluate",
        description="Score predictions or answers of any model, or make a benchmark.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--annotations", help="COCO JSON with the ground truth")
    add("--predictions", help="JSON with the predictions of a model")
    add("--task", nargs="+", choices=TASKS, help="by default general, and mono where it is told")
    add("--iou-type", choices=IOU_TYPES, default="bbox", help="boxes or masks (%(default)s)")
    add("--clip", action="store_true", help="cut boxes that reach out of their image")
    add("--page", help="folder for a page with the errors of every image")
    add("--images", help="folder of the images; by default that of the annotations")
    add("--dataset", help="split of dialogues, such as dialogues/test")
    add("--answers", help="JSON with the answers of a model to it")
    add("--table2", metavar="FOLDER", help="print a benchmark's layer statistics")
    add("--build", choices=("synthetic", "real"), help="make a benchmark in --out")
    add("--out", help="JSON file for the figures, or folder for a benchmark")
    add("--resamples", type=int, default=RESAMPLES, help="for the intervals; 0: none (%(default)s)")
    add("--seed", type=int, default=0, help="of the resampling (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
