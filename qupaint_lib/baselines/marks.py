"""One mark for each question of an exam, so that two models are compared question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from qupaint_lib.annotations import layer_class
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.evaluate import Answered, Estimate
from qupaint_lib.evaluate.answers import as_coco, told_layer
from qupaint_lib.evaluate.metrics import first_box_iou
from qupaint_lib.instruct.facts import box_iou
from qupaint_lib.model import QuPaint
from qupaint_lib.train import TrainConfig
from qupaint_lib.train.encode import Collator
from qupaint_lib.train.examples import Examples

FIGURES = ("grounding_50", "mono_50", "count_exact", "layer_class")
LOSS = "loss"  # beside them: of an image's dialogues, nats per token
_FAINT = "contrast: faint"

Marks = dict[str, dict[str, list[Any]]]


def marks_of(answered: Sequence[Answered]) -> Marks:
    """Return the marks of answers, by figure.

    Parameters
    ----------
    answered : sequence of Answered
        Of `take_exam`.

    Returns
    -------
    dict
        By figure ``image`` (its number), ``mark`` (0 or 1) and ``faint`` (whether the flake asked
        for, or the image's faintest, is): ``grounding_50``, whether the box of a referred flake is
        right at 0.5; ``mono_50``, whether the surest box of an answer about monolayers lies on
        one, of images that have some; ``count_exact``; ``layer_class``, mono, few or thick.
    """
    marks: Marks = {name: {"image": [], "mark": [], "faint": []} for name in FIGURES}
    for record in answered:
        named = _mark_of(record)
        if named is not None:
            entry = marks[named[0]]
            entry["image"].append(record.image_id)
            entry["mark"].append(int(named[1]))
            entry["faint"].append(_FAINT in record.slices)
    return marks


def _mark_of(record: Answered) -> tuple[str, bool] | None:
    if record.task == "refer":
        iou = first_box_iou([record.parsed.boxes], [record.true.boxes[0]])
        return "grounding_50", bool(iou[0] >= 0.5)
    if record.task == "count":
        return "count_exact", record.parsed.counts.get("total") == len(record.facts.flakes)
    if record.task == "layer" and record.asked is not None:
        few_max = record.facts.few_max
        told = told_layer(record.parsed, few_max)
        named = layer_class(told, few_max=few_max) if isinstance(told, int) else told
        flake = record.facts.flakes[record.asked]
        return "layer_class", named == flake.layer_class(few_max=few_max)
    if record.task == "localise_monolayers":
        truth, found, _ = as_coco([record])
        boxes = [a["bbox"] for a in truth["annotations"] if a["category_id"] == 1]
        if not boxes:
            return None
        surest = max(found, key=lambda one: one["score"], default=None)
        if surest is None:
            return "mono_50", False
        overlap = box_iou(np.array(boxes, float), np.array(surest["bbox"], float))
        return "mono_50", bool(overlap.max() >= 0.5)
    return None


def losses_of(
    assistant: QuPaint, images: Sequence[list[Mapping[str, Any]]], count: int
) -> dict[str, list[Any]]:
    """Return the loss of a model on dialogues in short form about images, as marks.

    The dialogues are those that nano's recipe makes of each image, the same for every model.

    Parameters
    ----------
    assistant : QuPaint
        Model and processor.
    images : Images, or a sequence of lists of rows
        Held-out ones.
    count : int
        The first so many of them, in an order that is always the same.

    Returns
    -------
    dict
        ``image``, ``mark``, nats per learned token, and ``faint``, which is False throughout.
    """
    model, processor = assistant
    config = TrainConfig.preset("nano", full_share=0.0)
    examples = Examples(images, processor, config, augment=False)
    collate, count = Collator.of(processor), min(count, len(examples))
    marks = []
    for j in range(count):
        batch = {name: part.to(model.device) for name, part in collate([examples[j]]).items()}
        with torch.no_grad():
            marks.append(float(model(**batch).loss))
    return {"image": list(range(count)), "mark": marks, "faint": [False] * count}


def mean_mark(
    cells: Sequence[Marks],
    figure: str,
    rng: np.random.Generator,
    *,
    faint: bool = False,
    resamples: int = 1000,
) -> Estimate:
    """Return the mean mark of cells that differ in their seed, with a 95 % interval.

    Images and seeds are both drawn anew for the interval.

    Parameters
    ----------
    cells : sequence of marks
        Of `marks_of`, for the same exam.
    figure : str
        Of `FIGURES`, or ``"loss"``.
    rng : numpy.random.Generator
        Draws.
    faint : bool, optional
        Of questions about faint flakes only.
    resamples : int, optional
        How often.
    """
    table, images = _table(cells, figure, faint)
    return _estimate(table, images, rng, resamples)


def gain(
    with_it: Sequence[Marks],
    without: Sequence[Marks],
    figure: str,
    rng: np.random.Generator,
    *,
    faint: bool = False,
    resamples: int = 1000,
) -> Estimate:
    """Return by how much the mean mark is higher with something than without, paired.

    Cells of the same seed and questions about the same images are compared with each other; see
    `mean_mark` for the parameters.
    """
    ours, images = _table(with_it, figure, faint)
    theirs, others = _table(without, figure, faint)
    if ours.shape != theirs.shape or not np.array_equal(images, others):
        raise ArgumentError("without", theirs.shape, f"the same exam and seeds, {ours.shape}")
    return _estimate(ours - theirs, images, rng, resamples)


def _table(cells: Sequence[Marks], figure: str, faint: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return marks (cells, questions), and the number of the image of every question."""
    if figure not in (*FIGURES, LOSS):
        raise UnknownNameError("figure", figure, (*FIGURES, LOSS))
    if not cells:
        raise ArgumentError("cells", 0, "one at least")
    first = cells[0][figure]
    for cell in cells:
        if cell[figure]["image"] != first["image"]:
            raise ArgumentError("cells", figure, "marks of the same exam")
    kept = np.array(first["faint"], dtype=bool) if faint else np.ones(len(first["image"]), bool)
    table = np.array([cell[figure]["mark"] for cell in cells], dtype=float)[:, kept]
    _, images = np.unique(np.array(first["image"])[kept], return_inverse=True)
    return table, images


def _estimate(
    table: np.ndarray, images: np.ndarray, rng: np.random.Generator, resamples: int
) -> Estimate:
    seeds, questions = table.shape
    if not questions:
        return Estimate(np.nan)
    n = int(images.max()) + 1
    by_seed = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
    weights = rng.multinomial(n, np.full(n, 1 / n), size=resamples)[:, images].astype(float)
    total = weights.sum(axis=1)
    values = np.einsum("rs,sq,rq->r", by_seed, table, weights)[total > 0] / total[total > 0]
    low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(float(table.mean()), float(low), float(high), questions)


def by_kind(results: Sequence[Mapping[str, Any]]) -> dict[tuple[str, bool, float], list[Marks]]:
    """Return the marks of the results of an ablation by variant, PAD and real share, by seed."""
    kinds: dict[tuple[str, bool, float], dict[int, Marks]] = {}
    for result in results:
        cell = result["cell"]
        key = cell["pia_variant"], bool(cell["pad"]), float(cell["real_share"])
        kinds.setdefault(key, {})[cell["seed"]] = result["marks"]
    return {key: [seeds[s] for s in sorted(seeds)] for key, seeds in kinds.items()}
