"""Writing an answer: candidates, reasoning, conclusion."""

from __future__ import annotations

from collections.abc import Sequence

from qupaint_lib.answers.boxes import format_box
from qupaint_lib.answers.words import layer_phrase
from qupaint_lib.errors import ArgumentError


def format_region(
    box_percent: Sequence[float], layer_count: int | None = None, label: str | None = None
) -> str:
    """Return one line of a conclusion, such as ``few-layer (2 layers): <box>…</box>``.

    Parameters
    ----------
    box_percent : (4,) sequence
        x, y, width, height in percent of the image.
    layer_count : int, optional
        None where it is not known.
    label : {"Mono", "Few", "Thick"}, optional
        By default that of the layer count.
    """
    return f"{layer_phrase(layer_count, label)}: {format_box(box_percent)}"


def format_answer(
    statement: str,
    boxes: Sequence[Sequence[float]] = (),
    layer_counts: Sequence[int | None] = (),
    labels: Sequence[str | None] | None = None,
    *,
    candidates: str = "",
    reasoning: str = "",
    tags: bool = True,
) -> str:
    """Return an answer; `parse_answer` recovers its boxes to 0.01 percent, and every label.

    Parameters
    ----------
    statement : str
        What the conclusion says in words.
    boxes : (N, 4) sequence
        Boxes that the conclusion commits to, in percent.
    layer_counts, labels : (N,) sequences, optional
        What is in the boxes; None where it is not known.
    candidates, reasoning : str, optional
        The first two parts; a short answer has neither.
    tags : bool, optional
        Whether the conclusion stands between its tags.
    """
    layer_counts = layer_counts or [None] * len(boxes)
    labels = labels or [None] * len(boxes)
    if not len(boxes) == len(layer_counts) == len(labels):
        lengths = (len(boxes), len(layer_counts), len(labels))
        raise ArgumentError("boxes", lengths, "as many boxes as layer counts and labels")
    regions = [
        f"- {format_region(box, count, label)}"
        for box, count, label in zip(boxes, layer_counts, labels, strict=True)
    ]
    conclusion = "\n".join([*([statement] if statement else []), *regions])
    if tags:
        conclusion = f"<CONCLUSION>\n{conclusion}\n</CONCLUSION>"
    return "\n\n".join(part for part in (candidates, reasoning, conclusion) if part)
