"""Public data sets that a laboratory may have: MaskTerial's and 2DMatGMM's folders.

Both hold, for each material, ``train_images`` and ``test_images`` and COCO files whose names end in
the least area of a flake in pixels: ``annotations/test_annotations_300.json`` in 2DMatGMM,
``RLE_annotations/test_annotations_with_class_300.json`` in MaskTerial, where the file without
``with_class`` tells flakes from nothing only. Their categories stand for layer counts.

Neither set is in this repository: the loaders follow the published descriptions (2DMatGMM,
``Datasets/README.md``; MaskTerial, ``DATASETS.md``) and are tested on folders made after them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qupaint_lib.annotations import FEW_MAX, LAYER_CLASSES, layer_class
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.evaluate.bench import SUPERCATEGORY, UNKNOWN, Benchmark
from qupaint_lib.evaluate.ground_truth import load_ground_truth
from qupaint_lib.materials import FLAKE_MATERIALS, get_material

SPLITS = ("train", "test")
MIN_PX = ("200", "300", "full")
_FOLDERS = ("RLE_annotations", "annotations")
_NUMBERED = re.compile(r"[^0-9]*([1-9][0-9]?)(?:[^0-9]|$)")
_NAMED = {"mono": 1, "monolayer": 1, "bilayer": 2, "trilayer": 3}


def load_maskterial(
    folder: str | Path,
    *,
    split: str = "test",
    min_px: str = "300",
    material: str | None = None,
    layer_counts: Mapping[int, int] | None = None,
    few_max: int = FEW_MAX,
) -> Benchmark:
    """Return one material of MaskTerial or 2DMatGMM as a benchmark.

    Parameters
    ----------
    folder : path
        Of the material, such as ``GrapheneH`` or ``WSe2``.
    split : {"test", "train"}, optional
        Which images.
    min_px : {"300", "200", "full"}, optional
        Least area of an annotated flake, by the name of the file; their own evaluation uses 300.
    material : str, optional
        By default the one that the folder's name begins with.
    layer_counts : mapping of int to int, optional
        Layers by category id, where the names of the categories do not tell them (``"1"``,
        ``"2 layers"``, ``"monolayer"`` do).
    few_max : int, optional
        The most layers that are still *few*.

    Returns
    -------
    Benchmark
        Categories Mono, Few, Thick, and Unknown where the layers are not told.

    Raises
    ------
    ArgumentError
        No such file, split or material, or an entry that is not as it should be.
    """
    folder = Path(folder)
    for name, value, known in (("split", split, SPLITS), ("min_px", min_px, MIN_PX)):
        if value not in known:
            raise UnknownNameError(name, value, known)
    data = load_ground_truth(_annotation_file(folder, split, min_px))
    material = _material(folder.name) if material is None else get_material(material).name
    layers = {c["id"]: _layers(c, layer_counts or {}) for c in data["categories"]}
    ids = {name: number for number, name in enumerate((*LAYER_CLASSES, UNKNOWN), start=1)}
    annotations = []
    for entry in data["annotations"]:
        count = layers[entry["category_id"]]
        name = UNKNOWN if count is None else layer_class(count, few_max=few_max)
        told = {} if count is None else {"layer_count": count}
        annotations.append({**entry, "category_id": ids[name], **told})
    images = [
        {**image, "file_name": f"{split}_images/{image['file_name']}", "material": material}
        for image in data["images"]
    ]
    used = {entry["category_id"] for entry in annotations}
    categories = [
        {"id": number, "name": name, "supercategory": SUPERCATEGORY}
        for name, number in ids.items()
        if name != UNKNOWN or number in used
    ]
    ground_truth = {"info": {**(data.get("info") or {}), "few_max": few_max}}
    ground_truth |= {"images": images, "annotations": annotations, "categories": categories}
    return Benchmark(ground_truth, folder)


def _annotation_file(folder: Path, split: str, min_px: str) -> Path:
    names = [
        f"{inner}/{split}_annotations_{word}{min_px}.json"
        for inner in _FOLDERS
        for word in ("with_class_", "")
    ]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ArgumentError("folder", str(folder), f"one that holds {' or '.join(names)}")


def _material(name: str) -> str:
    """Return the material that a folder's name begins with; MaskTerial adds letters to some."""
    known = {material.lower(): material for material in (*FLAKE_MATERIALS, "hBN")}
    fitting = [key for key in known if name.lower().startswith(key)]
    if not fitting:
        raise UnknownNameError("material", name, FLAKE_MATERIALS)
    return get_material(known[max(fitting, key=len)]).name


def _layers(category: Mapping[str, Any], given: Mapping[int, int]) -> int | None:
    if category["id"] in given:
        return given[category["id"]]
    name = category["name"].strip().lower()
    number = _NUMBERED.fullmatch(name) or _NUMBERED.match(name)
    return int(number[1]) if number else _NAMED.get(name)
