"""The errors of a set of predictions as a page to leaf through, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import write_bytes, write_text
from qupaint_lib.errors import ArgumentError
from qupaint_lib.evaluate.bench import Benchmark
from qupaint_lib.evaluate.detection import select
from qupaint_lib.evaluate.pictures import (
    FALSE_COLOR,
    FOUND_COLOR,
    MISSED_COLOR,
    ImageErrors,
    draw_errors,
)

PAGE, PICTURES = "index.html", "pictures"
SIDE_PX = 640  # of a picture, at most

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem; }
.images { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); }
figure { margin: 0; } img { width: 100%; height: auto; }
figcaption { font-size: .9rem; overflow-wrap: anywhere; }
.key { display: inline-block; width: 1.6em; height: 0; border-top: 4px; vertical-align: middle; }
"""
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body><h1>{title}</h1>
<p>{said}</p>
<p>{legend}</p>
<main class="images">
"""


def write_error_page(
    benchmark: Benchmark,
    predictions: Sequence[Mapping[str, Any]],
    out: str | Path,
    *,
    task: str = "general",
    min_iou: float = 0.5,
    min_score: float = 0.0,
    most_images: int = 200,
    title: str = "Errors, image by image",
) -> Path:
    """Write a page with the pictures of all images, those with the most errors first.

    Every picture shows which flakes were found, which were missed and which boxes are on none. The
    page needs nothing but the folder that it is written to.

    Parameters
    ----------
    benchmark : Benchmark
        Ground truth and images.
    predictions : sequence of mappings
        Of `load_predictions`.
    out : path
        Folder to write to: ``index.html`` and ``pictures``.
    task : {"general", "mono", "few", "thick"}, optional
        Which flakes count.
    min_iou : float, optional
        From which a box is on a flake.
    min_score : float, optional
        Boxes that are less sure are left out.
    most_images : int, optional
        How many images are shown.
    title : str, optional
        Over the page.

    Returns
    -------
    Path
        ``index.html``, which is written last.

    Raises
    ------
    ArgumentError
        A threshold or a number that is not allowed.
    ImageError
        The file of an image is missing or of another size.
    """
    if not 0 < min_iou <= 1:
        raise ArgumentError("min_iou", min_iou, "an intersection over union in (0, 1]")
    if most_images < 1:
        raise ArgumentError("most_images", most_images, "at least 1")
    out = Path(out)
    found = errors_by_image(
        benchmark.ground_truth, predictions, task=task, min_iou=min_iou, min_score=min_score
    )
    images = {image["id"]: image for image in benchmark.ground_truth["images"]}
    order = sorted(found, key=lambda number: (-found[number].count, number))[:most_images]
    parts = []
    for place, number in enumerate(order):
        image, errors = images[number], found[number]
        name = f"{PICTURES}/{place:04d}.jpg"
        write_bytes(out / name, _jpeg(draw_errors(benchmark.image(image), errors)))
        parts.append(_figure(image["file_name"], name, errors))
    totals = [sum(len(getattr(e, k)) for e in found.values()) for k in ("found", "missed", "false")]
    said = (
        f"{len(found)} images, task {task}: {totals[0]} flakes found, {totals[1]} missed, "
        f"{totals[2]} boxes on no flake, at an intersection over union of {min_iou:g} and scores "
        f"from {min_score:g}. Shown: the {len(order)} with the most errors."
    )
    legend = " · ".join(
        f'<span class="key" style="border-top-style: {line}; border-color: rgb{color}"></span> '
        f"{word}"
        for word, line, color in (
            ("found", "solid", FOUND_COLOR),
            ("missed flake", "dashed", MISSED_COLOR),
            ("box on no flake", "dotted", FALSE_COLOR),
        )
    )
    head = _HEAD.format(title=escape(title), style=_STYLE, said=escape(said), legend=legend)
    return write_text(out / PAGE, f"{head}{''.join(parts)}</main></body></html>\n")


def errors_by_image(
    ground_truth: Mapping[str, Any],
    predictions: Sequence[Mapping[str, Any]],
    *,
    task: str = "general",
    min_iou: float = 0.5,
    min_score: float = 0.0,
) -> dict[int, ImageErrors]:
    """Return what was found, missed and made up in every image, by its id."""
    truths, kept = select(ground_truth, predictions, task)
    there: dict[int, list] = {image["id"]: [] for image in ground_truth["images"]}
    said: dict[int, list] = {number: [] for number in there}
    for entry in truths:
        if not entry.get("iscrowd"):
            there[entry["image_id"]].append(entry["bbox"])
    for entry in sorted(kept, key=lambda entry: -entry["score"]):
        if entry["score"] >= min_score:
            said[entry["image_id"]].append(entry["bbox"])
    return {
        number: ImageErrors(boxes, said[number], min_iou=min_iou) for number, boxes in there.items()
    }


def _figure(file_name: str, picture: str, errors: ImageErrors) -> str:
    counts = (
        f"{len(errors.found)} found, {len(errors.missed)} missed, {len(errors.false)} on no flake"
    )
    name = escape(file_name)
    return (
        f'<figure><a href="{picture}"><img loading="lazy" src="{picture}" '
        f'alt="{name}: {counts}"></a><figcaption>{name}<br>{counts}</figcaption></figure>\n'
    )


def _jpeg(picture: np.ndarray) -> bytes:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((SIDE_PX, SIDE_PX))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()
