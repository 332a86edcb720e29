"""A folder of micrographs, in parallel; what is done stays done, what fails is told at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import read_json, write_bytes, write_text
from qupaint_lib._workers import finished, one_thread, process_pool
from qupaint_lib.annotations import to_coco
from qupaint_lib.errors import ArgumentError, QuPaintError
from qupaint_lib.finder.find import examine
from qupaint_lib.finder.overlay import overlay
from qupaint_lib.images import load_image
from qupaint_lib.materials import get_material
from qupaint_lib.microscope import PRESETS, Microscope

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


@dataclass(frozen=True)
class BatchReport:
    """What became of a folder.

    Attributes
    ----------
    out : Path
        COCO data set of all flakes, with a list ``calibrations`` of what was fitted per image.
    found : dict of str to int
        Number of thin flakes by the name of the image.
    failed : dict of str to str
        Reason by the name of each image in which nothing could be looked for.
    resumed : int
        Number of images that had been done before.
    """

    out: Path
    found: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    resumed: int = 0


def find_in_folder(
    folder: str | Path,
    material: str,
    out: str | Path,
    *,
    microscope: Microscope | None = None,
    overlays: str | Path | None = None,
    jobs: int = 1,
    progress: bool = False,
    **options: Any,
) -> BatchReport:
    """Find the flakes of every JPEG, PNG and TIFF in a folder.

    Each image's result is kept in the folder ``<out>.parts`` as soon as it is there; a second run
    with the same settings takes it up from there. Files that cannot be read, and images without
    a substrate, are listed in the report and do not stop the others.

    Parameters
    ----------
    folder : path
        Searched with its subfolders.
    material : str
        What the flakes are made of.
    out : path
        JSON file to write, at the end.
    microscope : Microscope, optional
        See `find_flakes`.
    overlays : path, optional
        Folder for images with outlines, as PNG.
    jobs : int, optional
        Number of processes.
    progress : bool, optional
        Show a progress bar.
    **options
        Of `examine`.

    Raises
    ------
    ArgumentError
        The folder is missing or holds no image, or an option is not allowed.
    """
    folder, out = Path(folder), Path(out)
    material = get_material(material).name
    names = _names(folder)
    if not jobs >= 1:
        raise ArgumentError("jobs", jobs, "at least 1")
    store = out.with_name(f"{out.name}.parts")
    store.mkdir(parents=True, exist_ok=True)
    settings = [material, asdict(microscope or PRESETS["machine-vision"]), sorted(options.items())]
    work = {name: _part(store, folder, name, settings) for name in names}
    to_do = [name for name in names if not work[name].exists()]
    to_do.sort(key=lambda name: -(folder / name).stat().st_size)  # so that none is left at the end
    task = partial(
        _examine_file, folder, material, microscope, options, overlays and Path(overlays)
    )
    failed = dict(sorted(_run(task, [(name, work[name]) for name in to_do], jobs, progress)))
    parts = {name: read_json(work[name]) for name in names if name not in failed}
    write_text(out, json.dumps(_joined(parts.values())) + "\n")
    found = {n: sum("layer_count" in a for a in p["annotations"]) for n, p in parts.items()}
    return BatchReport(out, found, failed, len(names) - len(to_do))


def _joined(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the data sets of single images as one, numbered through."""
    whole = to_coco({}) | {"calibrations": []}
    for part in parts:
        number, before = len(whole["images"]) + 1, len(whole["annotations"])
        whole["images"].append({**part["images"][0], "id": number})
        whole["annotations"] += [
            {**annotation, "id": before + k, "image_id": number}
            for k, annotation in enumerate(part["annotations"], start=1)
        ]
        whole["categories"] = max(whole["categories"], part["categories"], key=len)
        whole["calibrations"].append(part["calibration"])
    return whole


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise ArgumentError("folder", str(folder), "an existing folder")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise ArgumentError("folder", str(folder), f"a folder with images ({', '.join(SUFFIXES)})")
    return [path.relative_to(folder).as_posix() for path in paths]


def _part(parts: Path, folder: Path, name: str, settings: list) -> Path:
    """Return the file of an image's result, named by the image, its state and the settings."""
    state = (folder / name).stat()
    key = json.dumps([name, state.st_size, state.st_mtime_ns, settings], default=str)
    return parts / f"{Path(name).stem}-{sha256(key.encode()).hexdigest()[:16]}.json"


def _run(task, items: list, jobs: int, progress: bool):
    """Yield (name, reason) of every item that failed."""
    from tqdm import tqdm

    with tqdm(total=len(items), disable=not progress, unit="image") as bar:
        jobs = min(jobs, len(items))
        if jobs < 2:
            for name, part in items:
                with one_thread():
                    reason = task(name, part)
                if reason:
                    yield name, reason
                bar.update()
            return
        with process_pool(jobs) as pool:
            for (name, _), reason in finished(pool, task, items, in_flight=2 * jobs):
                if reason:
                    yield name, reason
                bar.update()


def _examine_file(
    folder: Path,
    material: str,
    microscope: Microscope | None,
    options: dict[str, Any],
    overlays: Path | None,
    name: str,
    part: Path,
) -> str | None:
    """Write an image's result; return why there is none."""
    try:
        image = load_image(folder / name, as_codes=True)
        if image.dtype != np.uint8:  # which the finder makes floats of tile by tile
            image = image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
        finding = examine(image, material, microscope, **options)
    except QuPaintError as error:
        return str(error)
    fit = finding.fit
    calibration = {
        "file_name": name,
        "oxide_thickness_nm": fit.oxide_thickness_nm,
        "oxide_sigma_nm": fit.oxide_sigma_nm,
        "glare": fit.glare,
        "contrast_sigma": fit.contrast_sigma,
        "plateaus": fit.plateaus,
        "explained": fit.explained,
        "doubts": list(fit.doubts),
    }
    data = to_coco({name: finding.flakes}, shapes={name: image.shape[:2]})
    if overlays is not None:
        _save_overlay(overlay(image, _worth_drawing(finding.flakes)), overlays, name)
    write_text(part, json.dumps(data | {"calibration": calibration}) + "\n")
    return None


def _worth_drawing(flakes: list) -> list:
    return [flake for flake in flakes if flake.layer_class() is not None]


def _save_overlay(drawn: np.ndarray, overlays: Path, name: str) -> None:
    from PIL import Image

    png = BytesIO()
    Image.fromarray(drawn).save(png, format="PNG")
    write_bytes(overlays / f"{name}.png", png.getvalue())
