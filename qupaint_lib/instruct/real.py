"""Real micrographs as a source of samples: annotated by somebody, or by the finder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import read_json
from qupaint_lib.annotations import Flake, from_coco, to_coco
from qupaint_lib.colorimetry import GaussianCamera
from qupaint_lib.errors import ArgumentError, CalibrationError
from qupaint_lib.finder import find_in_folder
from qupaint_lib.images import load_image
from qupaint_lib.instruct.scene import AnnotatedImage, scene_from_flakes
from qupaint_lib.materials import get_material
from qupaint_lib.microscope import Microscope, get_preset
from qupaint_lib.synthia.sensor import decode_jpeg, encode_jpeg

_LEAST_PX = 25  # a smaller part of a flake at the border of a cut is left out
_ON_A_FLAKE = 0.8  # share of the cuts that are laid on a flake
_TRIES = 20


@dataclass(frozen=True)
class RealImages:
    """A folder of micrographs.

    Attributes
    ----------
    folder : str
        Searched with its subfolders.
    annotations : str, optional
        COCO file of them, relative names. Each annotation has a ``layer_count``, or a category
        Mono, Few or Thick; images may have a ``material`` and a ``microscope`` that took them. By
        default the finder looks for flakes.
    material : str, optional
        Of all flakes, where the file does not say; the finder needs it.
    microscope : Microscope, optional
        What is known of it: by default the preset ``"machine-vision"``.
    magnification : float, optional
        Of the objective.
    """

    folder: str
    annotations: str | None = None
    material: str | None = None
    microscope: Microscope | None = None
    magnification: float | None = None


@dataclass(frozen=True)
class Source:
    """Real images that have been looked through, and what is known of them.

    Attributes
    ----------
    folder, annotations : str
        Where they are.
    quality : str
        ``"verified"``, or ``"weak"`` where the finder made the annotations.
    microscope : Microscope
        What was known beforehand.
    magnification : float or None
        Of the objective.
    images : tuple of (str, str, str, float or None)
        Name, material, name of the microscope and fitted oxide in nm of every image.
    digest : str
        SHA-256 of all that the samples follow from.
    """

    folder: str
    annotations: str
    quality: str
    microscope: Microscope
    magnification: float | None
    images: tuple[tuple[str, str, str, float | None], ...]
    digest: str


def gather(real: RealImages, materials: Sequence[str], out: Path, workers: int) -> Source:
    """Look real images through, or let the finder do so, before any work begins.

    Raises
    ------
    ArgumentError
        Names the image, the annotation and what is wrong with it; or there is no image of the
        materials.
    """
    folder = Path(real.folder).resolve()
    path = Path(real.annotations) if real.annotations else out / "finder" / "found.json"
    microscope = real.microscope or get_preset("machine-vision")
    if not real.annotations:
        if real.material is None:
            raise ArgumentError("material", None, "that of the images: the finder needs it")
        find_in_folder(folder, real.material, path, microscope=microscope, jobs=workers)
    data, flakes = read_json(path), read_annotations(path)
    fits = {fit["file_name"]: fit for fit in data.get("calibrations", ())}
    quality = "weak" if "calibrations" in data else "verified"
    digest, images = sha256(path.read_bytes()), []
    for entry in data["images"]:
        name = entry["file_name"]
        material = _material(name, flakes[name], real.material or entry.get("material"))
        if material not in materials:
            continue
        if quality == "verified":
            _check_classes(path, data, entry, flakes[name])
        shape = load_image(folder / name).shape[:2]
        if shape != (entry["height"], entry["width"]):
            where, size = f"{path.name}: image {name}", (entry["height"], entry["width"])
            raise ArgumentError(where, size, f"the height and width of the file, {shape}")
        digest.update((folder / name).read_bytes())
        taken = entry.get("microscope") or f"real {microscope.name}"
        images.append((name, material, taken, fits.get(name, {}).get("oxide_thickness_nm")))
    if not images:
        raise ArgumentError("real", str(folder), f"at least one image of {', '.join(materials)}")
    return Source(
        str(folder),
        str(path.resolve()),
        quality,
        microscope,
        real.magnification,
        tuple(images),
        digest.hexdigest(),
    )


def read_annotations(path: Path) -> dict[str, list[Flake]]:
    """Return the flakes of a COCO file by the name of their image.

    Raises
    ------
    ArgumentError
        Names the image, the annotation and what is wrong with it.
    """
    data = read_json(path)
    try:
        return from_coco(data)
    except ArgumentError as error:
        at = re.match(r"annotations\[([0-9]+)\]", error.argument)
        if at is None:
            raise ArgumentError(
                f"{path.name}: {error.argument}", error.value, error.allowed
            ) from error
        entry = data["annotations"][int(at[1])]
        names = {image.get("id"): image.get("file_name") for image in data["images"]}
        image = names.get(entry.get("image_id"), "that is not in the file")
        where = f"{path.name}: image {image}, annotation {entry.get('id')}, {error.argument}"
        raise ArgumentError(where, error.value, error.allowed) from error


def cut_out(
    source: Source, number: int, shape: tuple[int, int], quality: int, rng: np.random.Generator
) -> tuple[bytes, AnnotatedImage]:
    """Return a part of a real image as a JPEG file, and its annotations as a scene.

    Raises
    ------
    ArgumentError
        No part of the image has a substrate to compare flakes with.
    """
    name, material, _, oxide = source.images[number]
    image, flakes = _loaded(source.folder, source.annotations, name)
    microscope = source.microscope
    if oxide is not None:
        microscope = replace(microscope, oxide_thickness_nm=oxide)
    size = tuple(min(a, b) for a, b in zip(shape, image.shape[:2], strict=True))
    for left, top in _corners(image.shape[:2], size, flakes, rng):
        part = np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])
        jpeg = encode_jpeg(part, quality)
        try:
            scene = scene_from_flakes(
                decode_jpeg(jpeg),
                cut_flakes(flakes, (left, top), size),
                microscope,
                material=material,
                magnification=source.magnification,
                quality=source.quality,
                name=f"{name} at {left}, {top}",
            )
        except CalibrationError:
            continue
        return jpeg, scene
    raise ArgumentError("real", name, f"a micrograph with substrate in a part of {size}")


def cut_flakes(
    flakes: Sequence[Flake], corner_xy: tuple[int, int], shape: tuple[int, int]
) -> list[Flake]:
    """Return what is seen of flakes in a part of their image, a flake for each connected region."""
    from cv2 import connectedComponents

    (left, top), (height, width) = corner_xy, shape
    found = []
    for flake in flakes:
        x, y, w, h = flake.bbox_xywh
        x0, y0 = max(x, left), max(y, top)
        x1, y1 = min(x + w, left + width), min(y + h, top + height)
        if x0 >= x1 or y0 >= y1:
            continue
        mask = np.ascontiguousarray(flake.cutout[y0 - y : y1 - y, x0 - x : x1 - x])
        count, regions = connectedComponents(mask.view(np.uint8), connectivity=8)
        for number in range(1, count):
            region = regions == number
            if np.count_nonzero(region) >= _LEAST_PX:
                piece = Flake.from_mask(region, corner_xy=(x0 - left, y0 - top), shape=shape)
                found.append(_about(replace(flake, rle=piece.rle)))
    return found


def to_dict(scene: AnnotatedImage) -> dict[str, Any]:
    """Return a real image's annotations as what JSON can hold."""
    known = {k: getattr(scene, k) for k in ("material", "magnification", "quality", "name")}
    shapes = {scene.name: scene.shape}
    return {
        **known,
        "microscope": asdict(scene.microscope),
        "coco": to_coco({scene.name: scene.flakes}, shapes=shapes),
    }


def from_dict(data: Mapping[str, Any]) -> AnnotatedImage:
    """Return the annotations that `to_dict` wrote."""
    microscope, image = dict(data["microscope"]), data["coco"]["images"][0]
    if isinstance(microscope["camera"], Mapping):
        microscope["camera"] = GaussianCamera(**microscope["camera"])
    return AnnotatedImage(
        (image["height"], image["width"]),
        data["material"],
        Microscope(**microscope),
        tuple(from_coco(data["coco"])[data["name"]]),
        data["magnification"],
        data["quality"],
        data["name"],
    )


@lru_cache(maxsize=4)
def _loaded(folder: str, annotations: str, name: str) -> tuple[np.ndarray, list[Flake]]:
    image = np.round(load_image(Path(folder) / name) * 255).astype(np.uint8)
    return image, _annotated(annotations)[name]


@lru_cache(maxsize=1)
def _annotated(path: str) -> dict[str, list[Flake]]:
    return from_coco(json.loads(Path(path).read_text(encoding="utf-8")))


def _corners(
    whole: tuple[int, int],
    size: tuple[int, int],
    flakes: Sequence[Flake],
    rng: np.random.Generator,
) -> Iterator[tuple[int, int]]:
    """Yield upper left corners (x, y) of parts of an image, most of them with a flake inside."""
    room = whole[1] - size[1], whole[0] - size[0]
    known = [flake for flake in flakes if flake.layer_class() is not None]
    for _ in range(_TRIES):
        if known and rng.random() < _ON_A_FLAKE:
            x, y, w, h = known[int(rng.integers(len(known)))].bbox_xywh
            middle = x + w / 2, y + h / 2
            offset = rng.uniform(0.2, 0.8, 2) * size[::-1]
            corner = np.clip(np.subtract(middle, offset), 0, room)
        else:
            corner = rng.uniform(0, np.array(room) + 1)
        yield tuple(map(int, corner))


def _about(flake: Flake) -> Flake:
    """Return a flake with a flag that tells whether its part of the image cuts it off."""
    (x, y, w, h), (height, width) = flake.bbox_xywh, flake.shape
    cut = x == 0 or y == 0 or x + w == width or y + h == height
    flags = [flag for flag in flake.flags if flag != "touches border"]
    return replace(flake, flags=(*flags, *["touches border"] * cut))


def _material(name: str, flakes: Sequence[Flake], given: str | None) -> str:
    named = {flake.material for flake in flakes if flake.material} or {given}
    if len(named) != 1 or None in named:
        allowed = f"one material; image {name} names none or several: hand it over"
        raise ArgumentError("material", sorted(map(str, named)), allowed)
    return get_material(named.pop()).name


def _check_classes(path: Path, data: Any, entry: Mapping[str, Any], flakes: list[Flake]) -> None:
    """Refuse flakes of unknown thickness: what is left unsaid of them would be taught as absent."""
    for number, flake in enumerate(flakes):
        if flake.layer_class() is None:
            mine = [a for a in data["annotations"] if a["image_id"] == entry["id"]]
            where = f"{path.name}: image {entry['file_name']}, annotation {mine[number].get('id')}"
            allowed = "a layer_count, or a category Mono, Few or Thick, of every flake"
            raise ArgumentError(where, "neither", allowed)
