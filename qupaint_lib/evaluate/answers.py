"""Generated answers: read as `parse_answer` does, held against the facts of their images."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from qupaint_lib.answers import ParsedAnswer, find_boxes, layer_mentions, parse_answer, to_pixels
from qupaint_lib.errors import ArgumentError
from qupaint_lib.evaluate.detection import CONTRAST_EDGES
from qupaint_lib.instruct import Dialogue, Facts, dialogue_of, scene_of, verify

DENSE = 10  # an image of more flakes is of the dense slice
MIN_IOU = 0.5  # from which a box in a question is a flake's
_CONCLUSION = re.compile(r"<\s{0,4}conclusion\s{0,4}>", re.IGNORECASE)
_BOX_TAG = re.compile(r"<box>", re.IGNORECASE)
_LISTING = ("localise", "localise_monolayers", "localise_layer", "terraces")


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
        Answers on one image share it: intervals resample whole images. None: answers with the very
        same facts are on one image.
    """

    reference: Dialogue
    answer: str
    facts: Facts
    scores: Sequence[float] | None = None
    image_id: Hashable = None

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


def claims_of(record: Answered, facts: Facts | None = None) -> dict[str, int]:
    """Return how many claims before the conclusion are confirmed, contradicted, untestable.

    They are held against the record's facts, or against others of the same scene.
    """
    facts = record.facts if facts is None else facts
    found = _CONCLUSION.search(record.answer)
    text = record.answer[: found.start()] if found else record.answer
    checked = verify(text, facts, few_max=facts.few_max).claims
    statuses = [claim.status for claim in checked]
    return {s: statuses.count(s) for s in ("confirmed", "contradicted", "untestable")}


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
