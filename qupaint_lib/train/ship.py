"""From a finished run to a model that is shipped: float16 weights, exam, records, model card.

``python -m qupaint_lib.train.ship --run nano --stages vision even nano --data qmat/test --out DIR``
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from qupaint_lib._files import read_json, write_text
from qupaint_lib.errors import QuPaintError
from qupaint_lib.evaluate import make_exam, score_answers, take_exam
from qupaint_lib.instruct import build_dataset
from qupaint_lib.model import QuPaint
from qupaint_lib.train.run import RECORD

EXAM, CARD = "exam.json", "README.md"
SPARSE, DENSE = (1, 10), (24, 40)  # flakes in an image of the exam, and in its dense slice
SHARD_SIZE = "14MB"
SUBSET_SEED = 20_602
_REASONS = ("count", "localise", "localise_monolayers", "layer", "verify", "refer")


def ship(
    run: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    stages: Sequence[str | Path] = (),
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
    out : path
        Where weights (float16, files of at most 14 MB), processor, tokenizer, ``exam.json``, the
        records of the stages and the model card go.
    stages : sequence of path, optional
        Folders of the runs that led to it, in order; their records are kept as ``<name>.json``.
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
        shipped, data, images=images, dense_images=dense_images, seed=seed, progress=progress
    )
    exam["subset"] = examine_subset(shipped)
    write_text(out / EXAM, json.dumps(exam, indent=1))
    record = read_json(out / RECORD)
    write_text(
        out / CARD, card(exam, record, sum(f.stat().st_size for f in out.glob("*.safetensors")))
    )
    return exam


def examine(
    assistant: QuPaint,
    data: str | Path,
    *,
    images: int = 300,
    dense_images: int = 60,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Return the figures of a model on held-out images: rows, slices, values with intervals.

    ``rows`` is of images with 1 to 10 flakes, ``dense`` of images with 24 to 40; each entry is
    (value, low, high, n) of a 95 % interval over images.
    """
    parts = {"rows": (SPARSE, images), "dense": (DENSE, dense_images)}
    figures: dict[str, Any] = {"images": {}, "seed": seed, "data": Path(data).name}
    for name, (flakes, most) in parts.items():
        rows = pick_rows(data, flakes, most)
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
        shares = {"test": 1.0}
        build_dataset(40, folder, seed=SUBSET_SEED, splits=shares, progress=False, **options)
        rows = pick_rows(Path(folder) / "test", (0, 1000), 40)
    answered = take_exam(assistant, make_exam(rows, reasons=()))
    scores = score_answers(answered, claims=False)
    return {row: round(float(slices["all"].value), 4) for row, slices in scores.items()}


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


_ROWS = (
    ("count_exact", "Flakes counted exactly"),
    ("count_within_1", "Flakes counted within ±1"),
    ("monolayer_verdict", "Monolayer, yes or no; balanced accuracy"),
    ("layer_class", "Class of a given box; balanced accuracy"),
    ("layer_class_ceiling", "– of an oracle that knows mask and palette"),
    ("grounding_50", "A flake that is referred to, Acc@50"),
    ("grounding_75", "A flake that is referred to, Acc@75"),
    ("detection_ap50", "All flakes, AP50"),
    ("detection_ap", "All flakes, AP"),
    ("mono_ap50", "Monolayers, AP50"),
    ("well_formed", "Well-formed answers"),
    ("claims_accepted", "Claims in reasons that hold against the image"),
    ("claims_accepted_without_image", "Claims in reasons that hold against the optical model"),
)


def card(exam: Mapping[str, Any], record: Mapping[str, Any], size: int) -> str:
    """Return the model card."""
    config, model = record["config"], record["model"]
    lines = [
        "---", "license: mit", "pipeline_tag: image-text-to-text", "---", "",
        "# qupaint-nano", "",
        f"A QuPAINT model of {model['parameters'] / 1e6:.1f} million parameters "
        f"({size / 1e6:.1f} MB in float16), trained from scratch on a {record['device']}. It reads "
        f"one tile of {model['tile_px']} px and answers in the format of the release, with its "
        "conclusion alone where it is asked for that.", "",
        "```python", "from qupaint_lib.model import load_nano", "",
        'load_nano().chat(image, "How many material flakes are there in the image?", brief=True)',
        "```", "",
        "## Data and recipe", "",
        "Synthetic micrographs of all eight materials by Synthia, with lamp, camera, wafer, "
        "objective and dirt drawn at random, and dialogues by QMat-Instruct, made anew for every "
        "view. No real image was trained on. Three stages: the vision tower with the dense loss "
        "alone, the whole model at an even rate, and with a rate that falls to 0; their records, "
        "with data, configuration, versions, commit and curves, are in the JSON files beside this "
        "card. The commands are in the epilogue of `python -m qupaint_lib.train --help`.", "",
        f"Learning rate {config['learning_rate']:g}, batches of {config['batch_size']} images with "
        f"up to {config['dialogues_per_image']} dialogues each, {record['steps']:,} steps in the "
        "last stage.", "",
        "## Figures", "",
        f"{exam['images']['rows']} held-out images with 1 to 10 flakes and "
        f"{exam['images']['dense']} with 24 to 40, of microscopes that it has not been trained on; "
        "greedy decoding; 95 % intervals over images.", "",
        "| | 1–10 flakes | faint | clear | 24–40 flakes |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for row, name in _ROWS:
        sparse, dense = exam["rows"].get(row, {}), exam["dense"].get(row, {})
        cells = [sparse.get("all"), sparse.get("contrast: faint"), sparse.get("contrast: clear")]
        texts = [_cell(cell) for cell in (*cells, dense.get("all"))]
        lines.append(f"| {name} | {' | '.join(texts)} |")
    lines += [
        "",
        "Faint and clear: ΔE below 5 and from 15 of the flake asked for, or of the faintest.",
        "", "## Limits", "",
        "It is small and has seen drawings only: on real micrographs it is a demonstration, and "
        "the finder, which fits the optics to the image, is the tool. Numbers in its reasons are "
        "its own estimates: check them with `qupaint_lib.instruct.verify`. It lists twelve flakes "
        "at most, and often misses those smaller than about 3 % of the image's side. A layer count "
        "above four is a guess.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _cell(entry: Sequence[float | None] | None) -> str:
    if entry is None or entry[0] is None:
        return "–"
    value, low, high, _ = entry
    return f"{value:.2f}" if low is None else f"{value:.2f} ({low:.2f}–{high:.2f})"


def _plain(number: float) -> float | None:
    return round(float(number), 4) if np.isfinite(number) else None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m qupaint_lib.train.ship", description=__doc__)
    parser.add_argument("--run", required=True, help="folder of the finished run")
    parser.add_argument("--stages", nargs="*", default=[], help="folders of the runs before it")
    parser.add_argument("--data", required=True, help="test split")
    parser.add_argument("--out", required=True, help="folder of the shipped model")
    parser.add_argument("--images", type=int, default=300, help="of the exam (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        ship(options.run, options.data, options.out, stages=options.stages, images=options.images)
    except QuPaintError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
