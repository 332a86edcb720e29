"""Generated answers: read as `parse_answer` does, held against the facts of their images."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from qupaint_lib.answers import ParsedAnswer, find_boxes, layer_mentions, parse_answer, to_pixels
from qupaint_lib.errors import ArgumentError
from qupaint_lib.evaluate.detection import CONTRAST_EDGES, METRICS, detection_metrics
from qupaint_lib.evaluate.intervals import RESAMPLES, Estimate, bootstrap_interval
from qupaint_lib.evaluate.metrics import (
    count_metrics,
    first_box_iou,
    layer_metrics,
    mean_of,
    verification_metrics,
)
from qupaint_lib.evaluate.oracle import palette_layer
from qupaint_lib.instruct import Dialogue, Facts, dialogue_of, scene_of, verify

DENSE = 10  # an image of more flakes is of the dense slice
MIN_IOU = 0.5  # from which a box in a question is a flake's
_CONCLUSION = re.compile(r"<\s{0,4}conclusion\s{0,4}>", re.IGNORECASE)
_BOX_TAG = re.compile(r"<box>", re.IGNORECASE)
_LISTING = ("localise", "localise_monolayers", "localise_layer", "terraces")

Scores = dict[str, dict[str, Estimate]]


@dataclass(frozen=True, eq=False)
class Answered:
    """An answer of a model, and what it was to be.

    Attributes
    ----------
    reference : Dialogue
        Its task, question and true answer; of several turns the first counts.
    answer : str
        What the model generated.
    facts : Facts
        Scene of the image, and the image where claims are to be held against measurements.
    scores : sequence of float or None
        How sure the model is of each box that `parse_answer` reads, 0 to 1
        (`model.scoring.box_scores`); None takes all for equally sure.
    image_id : hashable
        Answers on one image share it: intervals resample whole images.
    """

    reference: Dialogue
    answer: str
    facts: Facts
    scores: Sequence[float] | None = None
    image_id: Hashable = 0

    def __post_init__(self) -> None:
        if not isinstance(self.answer, str):
            raise ArgumentError("answer", type(self.answer).__name__, "a text")
        if self.scores is None:
            return
        if len(self.scores) != len(self.parsed.boxes):
            allowed = f"one for each of the {len(self.parsed.boxes)} boxes of the answer"
            raise ArgumentError("scores", f"{len(self.scores)} scores", allowed)
        for score in self.scores:
            if not 0 <= score <= 1:
                raise ArgumentError("scores", score, "numbers in [0, 1]")

    @classmethod
    def of_row(
        cls,
        row: Mapping[str, Any],
        answer: str,
        *,
        scores: Sequence[float] | None = None,
        facts: Facts | None = None,
    ) -> Answered:
        """Return the record of a row of a data set of `build_dataset`.

        Facts may be handed in where several rows are of one image, so that it is measured once.
        """
        if facts is None:
            from qupaint_lib.synthia.sensor import decode_jpeg

            facts = Facts(scene_of(row), decode_jpeg(row["image"]))
        return cls(dialogue_of(row), answer, facts, scores, row["id"])

    @cached_property
    def parsed(self) -> ParsedAnswer:
        """What the answer commits to."""
        return parse_answer(self.answer, few_max=self.facts.few_max)

    @cached_property
    def true(self) -> ParsedAnswer:
        """What the reference commits to."""
        return parse_answer(self.reference.answer, few_max=self.facts.few_max)

    @property
    def task(self) -> str:
        """What is asked; a dialogue begins with a count."""
        return "count" if self.reference.task == "dialogue" else self.reference.task

    @cached_property
    def asked(self) -> int | None:
        """The flake that the question is about, None where it is about all."""
        boxes = [box for _, box in find_boxes(self.reference.question) if box]
        if self.task == "refer":
            boxes = list(self.true.boxes)
        best, iou = self.facts.find(boxes[0]) if boxes else (None, 0.0)
        return best if iou >= MIN_IOU else None

    @cached_property
    def delta_e(self) -> float:
        """Expected ΔE 1976 of the flake asked for, else of the faintest that counts; NaN if none.

        Of questions about one class the faintest of the class counts, where there is one.
        """
        every = self.facts.expected.delta_e
        if self.asked is not None:
            return float(every[self.asked])
        label = asked_class(self) if self.task == "verify" else None
        label = "Mono" if self.task == "localise_monolayers" else label
        of = self.facts.of(label) or self.facts.of()
        known = [every[i] for i in of if not np.isnan(every[i])]
        return float(min(known)) if known else np.nan

    @cached_property
    def slices(self) -> tuple[str, ...]:
        """The slices it is in: all, one by contrast, one by density."""
        found = ["all"]
        if not np.isnan(self.delta_e):
            names = ("faint", "medium", "clear")
            found.append(f"contrast: {names[int(np.digitize(self.delta_e, CONTRAST_EDGES))]}")
        found.append("density: dense" if len(self.facts.flakes) > DENSE else "density: sparse")
        return tuple(found)


def score_answers(
    records: Iterable[Answered],
    *,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
    claims: bool = True,
) -> Scores:
    """Return every figure of generated answers, by slices, with intervals.

    Rows: ``count_exact``, ``count_within_1``, ``count_mean_absolute_error`` (task count) ·
    ``monolayer_verdict`` and ``verdict``, balanced accuracy of yes and no (task verify) ·
    ``layer_class``, balanced over mono, few, thick, and ``layer_exact`` (task layer), beside
    ``layer_class_ceiling`` and ``layer_exact_ceiling`` of an oracle that knows the flake's mask
    and the palette · ``grounding_50``, ``grounding_75`` (task refer) · ``detection_ap``, ``_ap50``,
    ``_ap75`` (task localise) and ``mono_ap`` … (task localise_monolayers) · ``well_formed`` (all
    tasks) · ``claims_accepted``, ``claims_contradicted``, ``claims_untestable``, shares of the
    claims before the conclusion of answers in full form, held against the image, and
    ``claims_accepted_without_image``, held against the optical model alone.

    Slices: ``"all"``; ``"contrast: faint"``, ``"medium"``, ``"clear"`` with the borders
    `CONTRAST_EDGES` in ΔE, of the flake asked for or else of the faintest, in detection of each
    flake; ``"density: sparse"`` and ``"dense"`` of up to ten flakes and more.

    Parameters
    ----------
    records : iterable of Answered
        Answers of any tasks, mixed. Answers without a reference row (contrast, material …) only
        weigh in on form and claims.
    rng : numpy.random.Generator, optional
        Resamples images for the intervals; without it there are none.
    resamples : int, optional
        How many.
    claims : bool, optional
        Whether claims are checked, which takes most of the time.

    Returns
    -------
    dict of str to dict of str to Estimate
        By row and slice; slices without a case are left out.
    """
    records = list(records)
    for number, record in enumerate(records):
        if not isinstance(record, Answered):
            raise ArgumentError(f"records[{number}]", type(record).__name__, "an Answered")
    of = {
        task: [r for r in records if r.task == task]
        for task in ("count", "verify", "layer", "refer", "localise", "localise_monolayers")
    }
    about_mono = [r for r in of["verify"] if asked_class(r) == "Mono"]
    full = [r for r in records if r.reference.form == "full"] if claims else []
    draw = (rng, resamples)
    scores: Scores = {}
    scores |= _table(of["count"], _count_figures, draw)
    scores |= _table(about_mono, _verdict_figures("monolayer_verdict"), draw)
    scores |= _table(of["verify"], _verdict_figures("verdict"), draw)
    scores |= _table(of["layer"], _layer_figures, draw)
    scores |= _table(of["refer"], _grounding_figures, draw)
    scores |= _detection(of["localise"], "general", "detection", draw)
    scores |= _detection(of["localise_monolayers"], "mono", "mono", draw)
    scores |= _table(records, _form_figures, draw)
    scores |= _table(full, _claim_figures, draw)
    return scores


def is_well_formed(record: Answered) -> bool:
    """Tell whether an answer says what its task asks for, in the answer's grammar.

    An answer in full form has a closed conclusion. Every box tag holds a box of some size within
    the image. A count names a total, a verification begins with yes or no, a layer question is
    answered with a class or a count, a reference with just one box, and a list has boxes or says
    that there is none.
    """
    text, parsed = record.answer, record.parsed
    if not text.strip() or (record.reference.form == "full" and not parsed.complete):
        return False
    boxes = [box for _, box in find_boxes(text)]
    if None in boxes or len(boxes) < len(_BOX_TAG.findall(text)):
        return False
    if record.task == "count":
        return "total" in parsed.counts
    if record.task == "verify":
        return parsed.verdict is not None
    if record.task == "layer":
        return told_layer(parsed, record.facts.few_max) is not None
    if record.task == "refer":
        return len(parsed.boxes) == 1
    if record.task in _LISTING:
        return bool(parsed.boxes) or 0 in parsed.counts.values()
    return True


def told_layer(parsed: ParsedAnswer, few_max: int) -> int | str | None:
    """Return the layer count that an answer names for its first box, else the class, else None."""
    if parsed.boxes and parsed.labels[0]:
        return parsed.layer_counts[0] or parsed.layer_count or parsed.labels[0]
    if parsed.layer_count:
        return parsed.layer_count
    named = [m for m in layer_mentions(parsed.conclusion, few_max=few_max) if not m.negated]
    return (named[-1].layer_count or named[-1].label) if named else None


def asked_class(record: Answered) -> str | None:
    """Return the class that a question names first; None where it names none."""
    named = layer_mentions(record.reference.question, few_max=record.facts.few_max)
    return named[0].label if named else None


def claims_of(record: Answered, *, with_image: bool = True) -> dict[str, int]:
    """Return how many claims before the conclusion are confirmed, contradicted, untestable."""
    facts = record.facts
    if not with_image and facts.image is not None:
        facts = Facts(facts.scene, None, facts.few_max)
    found = _CONCLUSION.search(record.answer)
    text = record.answer[: found.start()] if found else record.answer
    checked = verify(text, facts, few_max=facts.few_max).claims
    statuses = [claim.status for claim in checked]
    return {s: statuses.count(s) for s in ("confirmed", "contradicted", "untestable")}


Figures = Callable[[np.ndarray], np.ndarray]


def _table(
    records: Sequence[Answered],
    prepare: Callable[[Sequence[Answered]], tuple[tuple[str, ...], Figures, np.ndarray]],
    draw: tuple[np.random.Generator | None, int],
) -> Scores:
    """Return the figures of records in every slice.

    `prepare` returns their names, a function from weights (N,) to their values (K,), and how many
    cases each record holds (N,).
    """
    if not records:
        return {}
    names, figures, cases = prepare(records)
    groups = np.unique([repr(r.image_id) for r in records], return_inverse=True)[1]
    scores: Scores = {name: {} for name in names}
    for name in sorted({s for r in records for s in r.slices}):
        inside = np.array([name in r.slices for r in records], dtype=bool)
        for key, estimate in zip(names, _sliced(figures, inside, groups, cases, draw), strict=True):
            scores[key][name] = estimate
    return scores


def _sliced(
    figures: Figures,
    inside: np.ndarray,
    groups: np.ndarray,
    cases: np.ndarray,
    draw: tuple[np.random.Generator | None, int],
) -> list[Estimate]:
    def figures_of(times: np.ndarray) -> np.ndarray:
        weights = np.zeros(len(inside))
        weights[inside] = times
        return figures(weights)

    values = figures_of(np.ones(inside.sum()))
    low = high = np.full(len(values), np.nan)
    rng, resamples = draw
    if rng is not None:
        low, high = bootstrap_interval(figures_of, groups[inside], rng, resamples=resamples)
    count = int(cases[inside].sum())
    return [Estimate(*map(float, row), count) for row in zip(values, low, high, strict=True)]


def _count_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    told = [r.parsed.counts.get("total") for r in records]
    true = [len(r.facts.flakes) for r in records]
    keys = ("exact", "within_1", "mean_absolute_error")

    def figures(weights: np.ndarray) -> np.ndarray:
        found = count_metrics(told, true, weights=weights)
        return np.array([found[key] for key in keys])

    return tuple(f"count_{key}" for key in keys), figures, np.ones(len(records))


def _verdict_figures(name: str) -> Callable:
    def prepare(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
        told = [r.parsed.verdict for r in records]
        true = [r.true.verdict for r in records]

        def figures(weights: np.ndarray) -> np.ndarray:
            found = verification_metrics(told, true, weights=weights)
            return np.array([found["balanced_accuracy"]])

        return (name,), figures, np.ones(len(records))

    return prepare


def _layer_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    few_max = records[0].facts.few_max
    for r in records:
        if r.asked is None:
            raise ArgumentError("question", r.reference.question, "a question about a flake's box")
    flakes = [r.facts.flakes[r.asked] for r in records]
    true = [f.layer_count or f.layer_class() for f in flakes]
    told = [told_layer(r.parsed, r.facts.few_max) for r in records]
    best = [palette_layer(r.facts, r.asked) for r in records]
    keys = ("class_balanced_accuracy", "exact")

    def figures(weights: np.ndarray) -> np.ndarray:
        both = [layer_metrics(p, true, few_max=few_max, weights=weights) for p in (told, best)]
        return np.array([found[key] for found in both for key in keys])

    names = ("layer_class", "layer_exact", "layer_class_ceiling", "layer_exact_ceiling")
    return names, figures, np.ones(len(records))


def _grounding_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    ious = first_box_iou([r.parsed.boxes for r in records], [r.true.boxes[0] for r in records])

    def figures(weights: np.ndarray) -> np.ndarray:
        return np.array([mean_of(ious >= t, weights) for t in (0.5, 0.75)])

    return ("grounding_50", "grounding_75"), figures, np.ones(len(records))


def _form_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    formed = np.array([is_well_formed(r) for r in records], dtype=bool)

    def figures(weights: np.ndarray) -> np.ndarray:
        return np.array([mean_of(formed, weights)])

    return ("well_formed",), figures, np.ones(len(records))


def _claim_figures(records: Sequence[Answered]) -> tuple[tuple[str, ...], Figures, np.ndarray]:
    def numbers(with_image: bool) -> np.ndarray:
        return np.array([[*claims_of(r, with_image=with_image).values()] for r in records], float)

    seen, modelled = numbers(True), numbers(False)  # (N, 3): confirmed, contradicted, untestable

    def figures(weights: np.ndarray) -> np.ndarray:
        shares = [
            weights @ n / max((weights @ n).sum(), np.finfo(float).tiny) for n in (seen, modelled)
        ]
        empty = [not (weights @ n).any() for n in (seen, modelled)]
        return np.where([empty[0]] * 3 + [empty[1]], np.nan, [*shares[0], shares[1][0]])

    names = ("claims_accepted", "claims_contradicted", "claims_untestable")
    return (*names, "claims_accepted_without_image"), figures, seen.sum(axis=1)


def _detection(
    records: Sequence[Answered],
    task: str,
    prefix: str,
    draw: tuple[np.random.Generator | None, int],
) -> Scores:
    """Return average precisions, every answer being an image of its own to COCO's rules."""
    if not records:
        return {}
    scores: Scores = {f"{prefix}_{name}": {} for name in METRICS}
    dense = np.array(["density: dense" in r.slices for r in records], dtype=bool)
    slices = {"all": records}
    slices["density: dense"] = [r for r, d in zip(records, dense, strict=True) if d]
    slices["density: sparse"] = [r for r, d in zip(records, dense, strict=True) if not d]
    for name, kept in slices.items():
        if not kept:
            continue
        truth, predictions, contrasts = as_coco(kept)
        found = detection_metrics(
            predictions,
            truth,
            task=task,
            area_edges=(),
            contrasts=contrasts if name == "all" else None,
            groups=[repr(r.image_id) for r in kept],
            rng=draw[0],
            resamples=draw[1],
        )
        tables = {name: {key: getattr(found, key) for key in METRICS}, **found.slices}
        for slice_name, table in tables.items():
            for key, estimate in table.items():
                if estimate.count:
                    scores[f"{prefix}_{key}"][slice_name] = estimate
    return scores


def as_coco(
    records: Sequence[Answered],
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[int, float]]:
    """Return ground truth and boxes of answers as COCO has them, and ΔE by annotation id.

    Boxes are in pixels. A box without a class is of the category 0, which is none.
    """
    categories = {"Mono": 1, "Few": 2, "Thick": 3}
    images, annotations, predictions, contrasts = [], [], [], {}
    for number, record in enumerate(records, start=1):
        facts = record.facts
        height, width = map(int, facts.scene.shape)
        images.append({"id": number, "height": height, "width": width})
        for flake, label, delta_e in zip(
            facts.flakes, facts.labels, facts.expected.delta_e, strict=True
        ):
            x, y, w, h = flake.bbox_xywh
            identity = len(annotations) + 1
            annotations.append(
                {"id": identity, "image_id": number, "category_id": categories.get(label, 0)}
                | {"bbox": [x, y, w, h], "area": float(w * h), "iscrowd": 0}
            )
            contrasts[identity] = float(delta_e)
        boxes, labels = record.parsed.boxes, record.parsed.labels
        if record.task == "localise_monolayers":
            labels = ["Mono"] * len(boxes)  # the question says what its boxes are
        sure = [1.0] * len(boxes) if record.scores is None else record.scores
        for box, label, score in zip(boxes, labels, sure, strict=True):
            predictions.append(
                {"image_id": number, "category_id": categories.get(label, 0)}
                | {"bbox": list(to_pixels(box, (height, width))), "score": float(score)}
            )
    named = [{"id": number, "name": name} for name, number in categories.items()]
    return (
        {"images": images, "annotations": annotations, "categories": named},
        predictions,
        contrasts,
    )
