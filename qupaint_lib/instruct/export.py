"""A data set for other programs: LLaVA's conversations, and COCO as QF-Bench has it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from qupaint_lib._files import appearing, write_bytes, write_entries
from qupaint_lib.annotations import LAYER_CLASSES, to_coco
from qupaint_lib.errors import UnknownNameError
from qupaint_lib.instruct.plan import SPLITS
from qupaint_lib.shards import read_shards

CONVERSATIONS, ANNOTATIONS = "conversations.json", "annotations.json"
_SPEAKERS = {"user": "human", "assistant": "gpt"}


def export_sharegpt(folder: str | Path, out: str | Path, *, split: str = "train") -> Path:
    """Write a split as LLaVA and ShareGPT have it: ``conversations.json`` and ``images``.

    Parameters
    ----------
    folder : path
        Where `build_dataset` wrote.
    out : path
        Folder to write to.
    split : {"train", "validation", "test"}, optional
        Which split.

    Returns
    -------
    Path
        The JSON file: a list of objects ``id``, ``image``, ``conversations`` with turns ``from``
        (human, gpt) and ``value``; the first begins with ``<image>``.

    Raises
    ------
    ArgumentError
        The split is not there, not finished or damaged.
    """
    out = Path(out)

    def conversations() -> Iterator[dict[str, Any]]:
        for row in _rows(folder, split, ("id", "dialogue", "image", "messages", "task")):
            name = f"images/{row['id']:08d}.jpg"
            if row["dialogue"] == 0:
                write_bytes(out / name, row["image"])
            yield {
                "id": f"{row['id']:08d}-{row['dialogue']}",
                "image": name,
                "task": row["task"],
                "conversations": [_turn(message) for message in row["messages"]],
            }

    with appearing(out / CONVERSATIONS) as file:
        file.write("[")
        write_entries(file, conversations())
        file.write("]\n")
    return out / CONVERSATIONS


def export_qf_bench(folder: str | Path, out: str | Path, *, split: str = "test") -> Path:
    """Write a split as QF-Bench is laid out: ``annotations.json`` and ``materials/<name>``.

    Parameters, errors : see `export_sharegpt`.

    Returns
    -------
    Path
        The COCO file: categories 1 Mono, 2 Few, 3 Thick, boxes and masks in pixels.
    """
    out = Path(out)
    frame = to_coco({})

    def images() -> Iterator[dict[str, Any]]:
        for row in _rows(folder, split, ("id", "dialogue", "image", "material", "height", "width")):
            if row["dialogue"] == 0:
                name = f"materials/{row['material'].lower()}/{row['id']:08d}.jpg"
                write_bytes(out / name, row["image"])
                size = {"width": row["width"], "height": row["height"]}
                yield {"id": row["id"] + 1, "file_name": name, **size, "material": row["material"]}

    with appearing(out / ANNOTATIONS) as file:
        file.write(f'{{"info": {json.dumps(frame["info"])}, ')
        file.write(f'"categories": {json.dumps(frame["categories"])}, "images": [')
        write_entries(file, images())
        file.write('], "annotations": [')
        write_entries(file, _annotations(folder, split))
        file.write("]}\n")
    return out / ANNOTATIONS


def _annotations(folder: str | Path, split: str) -> Iterator[dict[str, Any]]:
    numbers = count(1)
    flakes = ("boxes", "layer_counts", "classes", "masks", "areas")
    for row in _rows(folder, split, ("id", "dialogue", "height", "width", "material", *flakes)):
        if row["dialogue"]:
            continue
        for box, layers, name, mask, area in zip(*(row[key] for key in flakes), strict=True):
            yield {
                "id": next(numbers),
                "image_id": row["id"] + 1,
                "category_id": LAYER_CLASSES.index(name) + 1,
                "bbox": box,
                "area": area,
                "iscrowd": 0,
                "segmentation": {"size": [row["height"], row["width"]], "counts": mask},
                "layer_count": layers,
                "material": row["material"],
            }


def _rows(folder: str | Path, split: str, columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    yield from read_shards(Path(folder) / split, columns=tuple(columns))


def _turn(message: Mapping[str, Any]) -> dict[str, str]:
    text = "\n".join(
        "<image>" if part["type"] == "image" else part["text"] for part in message["content"]
    )
    return {"from": _SPEAKERS[message["role"]], "value": text}
