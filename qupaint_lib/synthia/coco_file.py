"""``coco.json`` of a data set of any size, written with one image in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from qupaint_lib._files import appearing, write_entries
from qupaint_lib.annotations import to_coco
from qupaint_lib.shards import read_shards

COCO = "coco.json"
_OF_FLAKES = ("boxes", "layer_counts", "classes", "masks", "areas", "parent_ids", "contrasts")


def write_coco(folder: str | Path, *, progress: bool = False) -> Path:
    """Write ``coco.json`` of a folder of `generate`, one image in memory at a time.

    It holds what `annotations.to_coco` returns for all flakes, and reads with `from_coco` and
    pycocotools.
    """
    from tqdm import tqdm

    folder = Path(folder)
    frame = to_coco({})
    with appearing(folder / COCO) as file:
        file.write(f'{{"info": {json.dumps(frame["info"])}, ')
        file.write(f'"categories": {json.dumps(frame["categories"])}, ')
        images = read_shards(folder, columns=("id", "height", "width"))
        _write_list(file, "images", map(_coco_image, images))
        file.write(", ")
        names = ("id", "height", "width", "material", "pixel_size_um", "flags", *_OF_FLAKES)
        rows = tqdm(
            read_shards(folder, columns=names), desc=COCO, unit="image", disable=not progress
        )
        ids = {category["name"]: category["id"] for category in frame["categories"]}
        _write_list(file, "annotations", _coco_annotations(rows, ids))
        file.write("}\n")
    return folder / COCO


def _coco_image(row: Mapping[str, Any]) -> dict[str, Any]:
    name = f"{row['id']:08d}.jpg"
    size = {"width": row["width"], "height": row["height"]}
    return {"id": row["id"] + 1, "file_name": name, **size}


def _coco_annotations(
    rows: Iterable[Mapping[str, Any]], category_ids: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    numbers = count(1)
    for row in rows:
        size = [row["height"], row["width"]]
        shared = {"material": row["material"], "pixel_size_um": row["pixel_size_um"]}
        for k, layers in enumerate(row["layer_counts"]):
            yield {
                "id": next(numbers),
                "image_id": row["id"] + 1,
                "category_id": category_ids[row["classes"][k]],
                "bbox": row["boxes"][k],
                "area": row["areas"][k],
                "iscrowd": 0,
                "segmentation": {"size": size, "counts": row["masks"][k]},
                "layer_count": layers,
                "contrast": row["contrasts"][k],
                "parent_id": row["parent_ids"][k],
                "flags": row["flags"][k],
                **shared,
            }


def _write_list(file: TextIO, name: str, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write a list of JSON, an entry at a time."""
    file.write(f'"{name}": [')
    write_entries(file, entries)
    file.write("]")
