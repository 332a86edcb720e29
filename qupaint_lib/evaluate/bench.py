"""QF-Bench's layout: a folder with ``annotations.json`` and ``materials/<name>/``.

Categories are 1 Mono, 2 Few, 3 Thick under the supercategory ``flake``; a fourth, Unknown, occurs
only where nobody has told the layers. Boxes are in pixels. Images may say more about themselves:
``material``, ``microscope``, ``split``, ``difficulty`` …, and annotations may have ``layer_count``
and ``delta_e``, which the authors' release does not have and does not need.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import write_bytes, write_text
from qupaint_lib.annotations import FEW_MAX, LAYER_CLASSES, Flake, to_coco
from qupaint_lib.errors import ArgumentError, ImageError, UnknownNameError
from qupaint_lib.evaluate.ground_truth import class_ids, load_ground_truth, with_borders
from qupaint_lib.images import load_image
from qupaint_lib.instruct.export import ANNOTATIONS
from qupaint_lib.materials import get_material

MATERIALS = "materials"
SUPERCATEGORY = "flake"
UNKNOWN = "Unknown"


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A benchmark: ground truth and where its images are.

    Attributes
    ----------
    ground_truth : dict
        COCO data set of `load_ground_truth`.
    folder : Path
        Relative names of files begin there.
    """

    ground_truth: dict[str, Any]
    folder: Path

    def path(self, image: Mapping[str, Any]) -> Path:
        """Return the file of an image of the ground truth.

        Names are taken relative to the folder, then to ``materials``, then by their last part in
        the folder of their material.

        Raises
        ------
        ImageError
            There is no such file.
        """
        name = image["file_name"]
        choices = [self.folder / name, self.folder / MATERIALS / name]
        choices += sorted((self.folder / MATERIALS).glob(f"*/{Path(name).name}"))
        for path in choices:
            if path.resolve().is_relative_to(self.folder.resolve()) and path.is_file():
                return path
        raise ImageError("file_name", name, f"a file in {self.folder.name} or its {MATERIALS}")

    def image(self, image: Mapping[str, Any]) -> np.ndarray:
        """Return the pixels (H, W, 3) uint8 of an image; see `load_image` for its errors."""
        codes = load_image(self.path(image), as_codes=True)
        codes = codes if codes.dtype == np.uint8 else (codes >> 8).astype(np.uint8)
        if codes.shape[:2] != (image["height"], image["width"]):
            allowed = f"{image['width']} × {image['height']} pixels, as the annotations say"
            raise ImageError(image["file_name"], codes.shape[1::-1], allowed)
        return codes

    def subset(self, **wanted: Any) -> Benchmark:
        """Return the images whose keys have the values wanted, such as ``split="unseen"``."""
        images = [
            image
            for image in self.ground_truth["images"]
            if all(image.get(key) == value for key, value in wanted.items())
        ]
        ids = {image["id"] for image in images}
        annotations = [a for a in self.ground_truth["annotations"] if a["image_id"] in ids]
        return Benchmark(
            {**self.ground_truth, "images": images, "annotations": annotations}, self.folder
        )


@dataclass(frozen=True, eq=False)
class BenchImage:
    """An image on its way into a benchmark.

    Attributes
    ----------
    name : str
        Of its file, without a folder.
    data : bytes
        The file: JPEG or PNG.
    shape : (int, int)
        Height and width.
    material : str
        Of the flakes.
    flakes : tuple of Flake
        Its annotations; those of neither count nor class are Unknown.
    about : mapping
        More about the image, such as its ``split``.
    delta_e : sequence of float or None
        ΔE of every flake against the substrate.
    """

    name: str
    data: bytes
    shape: tuple[int, int]
    material: str
    flakes: tuple[Flake, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    delta_e: Iterable[float] | None = None


def load_benchmark(
    folder: str | Path, *, few_max: int | None = None, check_files: bool = False
) -> Benchmark:
    """Return a benchmark in QF-Bench's layout, the 50-image release among them.

    Parameters
    ----------
    folder : path
        Holds ``annotations.json`` and ``materials``.
    few_max : int, optional
        Put the border between few-layer and thick elsewhere, where annotations have layer counts.
    check_files : bool, optional
        Also look whether the file of every image is there.

    Raises
    ------
    ArgumentError
        The file is missing or cut off, an entry is not as `load_ground_truth` wants it, or the
        categories are others than Mono, Few and Thick under ``flake``.
    ImageError
        The file of an image is missing.
    """
    folder = Path(folder)
    data = load_ground_truth(folder / ANNOTATIONS)
    wanted = dict(enumerate((*LAYER_CLASSES, UNKNOWN), start=1))
    for k, category in enumerate(data["categories"]):
        told = category["name"], category.get("supercategory", SUPERCATEGORY)
        if told != (wanted.get(category["id"]), SUPERCATEGORY):
            allowed = f"one of {wanted}, under {SUPERCATEGORY!r}"
            raise ArgumentError(f"categories[{k}]", category, allowed)
    class_ids(data)
    benchmark = Benchmark(data if few_max is None else with_borders(data, few_max), folder)
    if check_files:
        for image in data["images"]:
            benchmark.path(image)
    return benchmark


def save_benchmark(
    images: Iterable[BenchImage],
    out: str | Path,
    *,
    few_max: int = FEW_MAX,
    info: Mapping[str, Any] | None = None,
) -> Benchmark:
    """Write images in QF-Bench's layout; ``annotations.json`` comes last, when all is there.

    Parameters
    ----------
    images : iterable of BenchImage
        One is in memory at a time, but for its annotations.
    out : path
        A new or empty folder.
    few_max : int, optional
        The most layers that are still *few*.
    info : mapping, optional
        About the benchmark, for the file's ``info``.

    Raises
    ------
    ArgumentError
        The folder holds something, or two images of a material have one name.
    """
    out = Path(out)
    if out.is_dir() and any(out.iterdir()):
        raise ArgumentError("out", str(out), "a new or empty folder")
    entries: list[dict[str, Any]] = []
    flakes: dict[str, tuple[Flake, ...]] = {}
    shapes: dict[str, tuple[int, int]] = {}
    delta_e: list[float | None] = []
    for image in images:
        material = get_material(image.material).name
        name = f"{MATERIALS}/{material.lower()}/{image.name}"
        if name in flakes or Path(image.name).name != image.name:
            raise ArgumentError("name", image.name, "a name without a folder, each once")
        write_bytes(out / name, image.data)
        flakes[name], shapes[name] = image.flakes, image.shape
        delta_e += [None] * len(image.flakes) if image.delta_e is None else image.delta_e
        entries.append({**image.about, "material": material})
    data = to_coco(flakes, few_max=few_max, shapes=shapes)
    for entry, about in zip(data["images"], entries, strict=True):
        entry |= about
    for annotation, value in zip(data["annotations"], delta_e, strict=True):
        if value is not None and np.isfinite(value):
            annotation["delta_e"] = round(float(value), 3)
    data["info"] |= dict(info or {})
    write_text(out / ANNOTATIONS, json.dumps(data) + "\n")
    return load_benchmark(out)


def layer_statistics(
    benchmark: Benchmark | Mapping[str, Any],
) -> dict[str, dict[str, int]]:
    """Return Table 2: how many flakes of each class there are, by material, and in all.

    Parameters
    ----------
    benchmark : Benchmark or mapping
        Or its ground truth. The material of an image is its ``material``, else the folder of
        ``materials`` that its file is in.

    Returns
    -------
    dict of str to dict of str to int
        By material in alphabetical order, then ``"total"``: ``"mono"``, ``"few"``, ``"thick"``,
        ``"unknown"`` (where it occurs), ``"total"`` and ``"images"``.

    Raises
    ------
    ArgumentError
        Nothing tells the material of an image, or nobody knows it.
    """
    data = benchmark.ground_truth if isinstance(benchmark, Benchmark) else benchmark
    names = {category["id"]: category["name"].lower() for category in data["categories"]}
    columns = [c.lower() for c in LAYER_CLASSES]
    columns += sorted({names[a["category_id"]] for a in data["annotations"]} - {*columns})
    material: dict[int, str] = {}
    table: dict[str, dict[str, int]] = {}
    for k, image in enumerate(data["images"]):
        name = material_of(image, f"images[{k}]")
        material[image["id"]] = name
        row = table.setdefault(name, dict.fromkeys((*columns, "total", "images"), 0))
        row["images"] += 1
    for annotation in data["annotations"]:
        row = table[material[annotation["image_id"]]]
        row[names[annotation["category_id"]]] += 1
        row["total"] += 1
    table = dict(sorted(table.items(), key=lambda pair: pair[0].lower()))
    total = {
        column: sum(row[column] for row in table.values())
        for column in (*columns, "total", "images")
    }
    return {**table, "total": total}


def material_of(image: Mapping[str, Any], where: str = "image") -> str:
    """Return the material of an image by its name in the registry."""
    parts = Path(image["file_name"]).parts
    named = image.get("material") or (parts[-2] if len(parts) > 1 else None)
    if named is None:
        allowed = f"a material, or a file in a folder of {MATERIALS}"
        raise ArgumentError(f"{where}.material", image["file_name"], allowed)
    try:
        return get_material(named).name
    except UnknownNameError as error:
        raise ArgumentError(f"{where}.material", named, error.allowed) from error
