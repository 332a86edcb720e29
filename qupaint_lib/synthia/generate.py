"""Scenes by the thousand: images, annotations and scenes in shards, and one COCO file of all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from functools import partial
from hashlib import sha256
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib.errors import ArgumentError
from qupaint_lib.materials import get_material
from qupaint_lib.shards import ShardsReport, write_shards
from qupaint_lib.synthia.backgrounds import background_of, image_names
from qupaint_lib.synthia.coco_file import COCO, write_coco
from qupaint_lib.synthia.place import place
from qupaint_lib.synthia.render import JPEG_QUALITY, render_jpeg
from qupaint_lib.synthia.sample import STATISTICS, sample_scene
from qupaint_lib.synthia.scene import VIEWS

COLUMNS = {
    "id": "int",
    "image": "image",
    "height": "int",
    "width": "int",
    "material": "str",
    "view": "str",
    "pixel_size_um": "float",
    "boxes": [["int"]],
    "layer_counts": ["int"],
    "classes": ["str"],
    "masks": ["str"],
    "areas": ["int"],
    "parent_ids": ["int"],
    "contrasts": [["float"]],
    "flags": [["str"]],
    "reference": {"file": "str", "left": "int", "top": "int"},
    "scene": "str",
}


@dataclass(frozen=True)
class _Recipe:
    """All that a sample follows from, beside the seed and its number."""

    material: str | None
    shape: tuple[int, int] | None
    view: str | None
    jpeg_quality: int
    folder: str  # of the references
    references: tuple[str, ...]
    options: Mapping[str, Any]


def generate(
    n: int,
    out: str | Path,
    *,
    seed: int = 0,
    workers: int = 1,
    cluster: Any = None,
    material: str | None = None,
    shape: tuple[int, int] | None = (448, 448),
    view: str | None = "general",
    jpeg_quality: int = JPEG_QUALITY,
    references: str | Path | None = None,
    samples_per_shard: int = 500,
    progress: bool = True,
    **options: Any,
) -> ShardsReport:
    """Write a data set of `n` synthetic micrographs; the same call again resumes.

    Besides shards and manifest (`write_shards`), the folder holds ``coco.json``: all annotations,
    with image i called ``<i, eight digits>.jpg``. A sample of the shards has the columns ``id``,
    ``image`` (JPEG), ``height``, ``width``, ``material``, ``view``, ``pixel_size_um``, ``scene``
    (JSON of `Scene.to_dict`), ``reference`` (file and upper left corner, or None), and one entry
    per flake in ``boxes`` (x, y, width, height in pixels), ``layer_counts``, ``classes`` (Mono,
    Few, Thick), ``masks`` (COCO's compressed run lengths), ``areas``, ``parent_ids``,
    ``contrasts`` and ``flags``.

    Parameters
    ----------
    n : int
        Number of images.
    out : path
        A new or empty folder, or one with the same data set.
    seed : int, optional
        Image i depends on the seed and i only.
    workers, cluster, samples_per_shard, progress
        See `write_shards`. A script calls this under ``if __name__ == "__main__":``.
    material : str, optional
        One of the eight; by default drawn for every image.
    shape : (int, int), optional
        Height and width in pixels. None, with references: those of each reference.
    view : {"general", "focused"}, optional
        None draws one of the two for every image.
    jpeg_quality : int, optional
        1 to 100.
    references : path, optional
        Folder of real micrographs, searched with its subfolders: flakes are composed into parts of
        them of `shape`, chosen for their clean substrate. By default the wafer is synthetic too.
    **options
        Of `sample_scene`: ``microscope``, ``magnification``, ``flake_count``, ``statistics``, ….
        With references, the microscope is what is known of theirs beforehand.

    Returns
    -------
    ShardsReport

    Raises
    ------
    ArgumentError
        See `write_shards`; or an option is not allowed, or the folder of references holds none.
    """
    options = {"statistics": STATISTICS[0], "flake_count": None, **options}
    recipe, configuration = _recipe(material, shape, view, jpeg_quality, references, options)
    report = write_shards(
        partial(make_sample, recipe=recipe),
        n,
        out,
        columns=COLUMNS,
        seed=seed,
        samples_per_shard=samples_per_shard,
        configuration=configuration,
        workers=workers,
        cluster=cluster,
        progress=progress,
    )
    if not (report.out / COCO).is_file():
        write_coco(report.out, progress=progress)
    return report


def make_sample(i: int, seed: int, recipe: _Recipe) -> dict[str, Any]:
    """Return sample i: an image and all that is known of it, as `COLUMNS` says."""
    rng = np.random.default_rng([seed, i])
    view = recipe.view or VIEWS[int(rng.integers(len(VIEWS)))]
    options, reference, origin = dict(recipe.options), None, None
    if recipe.references:
        microscope = options.pop("microscope", None)
        reference, origin = background_of(
            i, seed, recipe.folder, recipe.references, recipe.shape, microscope, rng
        )
    scene = sample_scene(
        rng,
        material=recipe.material,
        shape=recipe.shape if reference is None else reference.shape,
        view=view,
        reference=reference,
        **options,
    )
    if reference is not None:
        scene = replace(place(scene, reference), microscope=reference.microscope)
    scene = replace(scene, conditions=replace(scene.conditions, jpeg_quality=recipe.jpeg_quality))
    jpeg, flakes = render_jpeg(scene, reference)
    return {
        "id": i,
        "image": jpeg,
        "height": scene.shape[0],
        "width": scene.shape[1],
        "material": scene.material,
        "view": view,
        "pixel_size_um": scene.microscope.pixel_size_um,
        "boxes": [flake.bbox_xywh for flake in flakes],
        "layer_counts": [flake.layer_count for flake in flakes],
        "classes": [flake.layer_class() for flake in flakes],
        "masks": [flake.rle.counts.decode("ascii") for flake in flakes],
        "areas": [flake.area_px for flake in flakes],
        "parent_ids": [flake.parent_id for flake in flakes],
        "contrasts": [flake.contrast for flake in flakes],
        "flags": [flake.flags for flake in flakes],
        "reference": origin,
        "scene": json.dumps(scene.to_dict()),
    }


def _recipe(
    material: str | None,
    shape: tuple[int, int] | None,
    view: str | None,
    jpeg_quality: int,
    references: str | Path | None,
    options: Mapping[str, Any],
) -> tuple[_Recipe, dict[str, Any]]:
    """Return what a sample follows from, and its description for the manifest."""
    if not (isinstance(jpeg_quality, Integral) and 1 <= jpeg_quality <= 100):
        raise ArgumentError("jpeg_quality", jpeg_quality, "a whole number from 1 to 100")
    if shape is None and references is None:
        raise ArgumentError("shape", shape, "a height and a width; only references have their own")
    material = material and get_material(material).name
    folder = Path(references or "").resolve()
    names = () if references is None else image_names(folder)
    known = {k: v for k, v in options.items() if not (names and k == "microscope")}
    sample_scene(  # which refuses what is not allowed, before any work begins
        np.random.default_rng(0), material=material, shape=shape, view=view or VIEWS[0], **known
    )
    shape = shape and tuple(map(int, shape))
    recipe = _Recipe(material, shape, view, int(jpeg_quality), str(folder), names, options)
    digests = {name: sha256((folder / name).read_bytes()).hexdigest() for name in names}
    return recipe, {
        "material": material,
        "shape": shape,
        "view": view,
        "jpeg_quality": recipe.jpeg_quality,
        "references": digests,
        "options": {k: asdict(v) if is_dataclass(v) else v for k, v in options.items()},
    }
