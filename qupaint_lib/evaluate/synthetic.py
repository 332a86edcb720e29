"""qf-bench-synthetic: a benchmark that anybody can make again, and that measures transfer.

Every material is seen by six microscopes, each an instrument at one magnification with one wafer.
Three of them give the splits ``"train"`` and ``"seen"``: other images of the same instruments. The
other three give ``"unseen"``. What a method loses from *seen* to *unseen* is what it does not carry
over to an instrument that it was not trained on.

An image is *hard* where its faintest flake has a ΔE below `FAINT` or it holds more than `DENSE`
flakes, *easy* where the faintest has at least `CLEAR` and there are at most `SPARSE`, and *medium*
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import read_json
from qupaint_lib.annotations import Flake, from_coco
from qupaint_lib.errors import ArgumentError
from qupaint_lib.evaluate.bench import BenchImage, Benchmark, save_benchmark
from qupaint_lib.images import load_image
from qupaint_lib.instruct import Facts
from qupaint_lib.microscope import Microscope
from qupaint_lib.synthia import HABITS, Scene, render_jpeg, sample_microscope, sample_scene

NAME, VERSION = "qf-bench-synthetic", 1
# What `fingerprint` says of this version: where it changes, so does the version.
FINGERPRINT = "8ce8b8486767fa7048d5a906ba83b1d050917ec74b2164c375eddc7ec1c9cd4f"
SHAPE = (448, 448)
SPARSE, DENSE = 10, 25  # flakes
FAINT, CLEAR = 3.0, 12.0  # ΔE of the faintest flake
JPEG_QUALITY = 95
SPLITS = ("train", "seen", "unseen")

# Substrate, oxide and its range in nm, magnification, and whether it is trained on.
INSTRUMENTS = (
    (("Si", "SiO2", 75.0, 105.0), 20.0, True),
    (("Si", "SiO2", 270.0, 300.0), 50.0, True),
    (("Si", "Si3N4", 70.0, 300.0), 10.0, True),
    (("Si", "SiO2", 160.0, 200.0), 20.0, False),
    (("PDMS", "SiO2", 0.0, 0.0), 50.0, False),
    (("sapphire", "SiO2", 0.0, 0.0), 10.0, False),
)
IMAGES = {"train": 4, "seen": 2, "unseen": 2}  # of an instrument
_SEED, _TRIES = 20260217, 100


def synthetic_images() -> list[dict[str, Any]]:
    """Return what is known of every image before it is drawn: material, instrument, split."""
    found = []
    for material in HABITS:
        for k, (_, magnification, trained) in enumerate(INSTRUMENTS):
            for split in SPLITS[:2] if trained else SPLITS[2:]:
                found += [
                    {
                        "material": material,
                        "instrument": k,
                        "split": split,
                        "magnification": magnification,
                        "microscope": f"{material}-{k}",
                    }
                ] * IMAGES[split]
    return [{**about, "number": number} for number, about in enumerate(found)]


def synthetic_scene(number: int) -> Scene:
    """Return the scene of an image of the benchmark; it follows from its number alone.

    Parameters
    ----------
    number : int
        ``number`` of `synthetic_images`, and of the image in ``annotations.json``.
    """
    every = synthetic_images()
    if not 0 <= number < len(every):
        raise ArgumentError("number", number, f"0 to {len(every) - 1}")
    about = every[number]
    rng = np.random.default_rng([_SEED, VERSION, number])
    material, k = about["material"], about["instrument"]
    scene = sample_scene(
        rng,
        material=material,
        shape=SHAPE,
        view="focused" if number % 2 else "general",
        microscope=_microscope(material, k),
        magnification=about["magnification"],
    )
    return replace(scene, conditions=replace(scene.conditions, jpeg_quality=JPEG_QUALITY))


def build_synthetic(
    out: str | Path, *, numbers: Sequence[int] | None = None, progress: bool = False
) -> Benchmark:
    """Write qf-bench-synthetic: 192 images of 448 × 448 pixels in QF-Bench's layout.

    Images say their ``split``, ``difficulty``, ``microscope``, ``substrate``,
    ``oxide_thickness_nm``, ``magnification``, and their ``number`` for `synthetic_scene`;
    annotations their ``layer_count`` and ``delta_e``.

    Parameters
    ----------
    out : path
        A new or empty folder.
    numbers : sequence of int, optional
        Write these images only, for a quick look: each is as it is in the whole.
    progress : bool, optional
        Show a progress bar.
    """
    from tqdm import tqdm

    every = synthetic_images()
    if numbers is not None:
        for number in numbers:
            if not 0 <= number < len(every):
                raise ArgumentError("numbers", number, f"0 to {len(every) - 1}")
        every = [every[number] for number in numbers]
    every = tqdm(every, desc=NAME, unit="image", disable=not progress)
    info = {"description": f"{NAME}, version {VERSION}", "name": NAME, "version": str(VERSION)}
    return save_benchmark((_drawn(about) for about in every), out, info=info)


def build_real(micrographs: str | Path, out: str | Path) -> Benchmark:
    """Write the annotated development micrographs as a second, small benchmark.

    Their annotations are masks of thin flakes without layers: the class-agnostic task only, and
    thick flakes count as false detections, so precision is lower than it should be.

    Parameters
    ----------
    micrographs : path
        Folder of the development micrographs with ``annotations.json``.
    out : path
        A new or empty folder.

    Raises
    ------
    ArgumentError
        The annotations are missing, or the folder to write to holds something.
    """
    micrographs = Path(micrographs)
    data = read_json(micrographs / "annotations.json")
    flakes = from_coco(data)
    info = {"description": "development micrographs, MIT, doi 10.5281/zenodo.15765514"}
    info["name"] = "micrographs"
    images = (
        _real(micrographs / image["file_name"], image["material"], flakes[image["file_name"]])
        for image in data["images"]
        if flakes[image["file_name"]]
    )
    return save_benchmark(images, out, info=info)


def fingerprint(numbers: Iterable[int] | None = None) -> str:
    """Return the SHA-256 of wafers, boxes and layer counts of the scenes: that of the version.

    Parameters
    ----------
    numbers : iterable of int, optional
        Of these scenes only.
    """
    every = synthetic_images()
    lines = []
    for number in range(len(every)) if numbers is None else numbers:
        scene, about = synthetic_scene(number), every[number]
        wafer = f"{substrate_of(scene.microscope)} {scene.microscope.oxide_thickness_nm:.1f}"
        lines.append(f"{about['microscope']} {about['split']} {wafer}")
        lines += [f"{flake.bbox_xywh} {flake.layer_count}" for flake in scene.flakes]
    return sha256("\n".join(lines).encode()).hexdigest()


def substrate_of(microscope: Microscope) -> str:
    """Return such as ``"SiO2/Si"``, or the substrate alone where no oxide is on it."""
    bare = microscope.oxide_thickness_nm == 0
    return microscope.substrate if bare else f"{microscope.oxide}/{microscope.substrate}"


def difficulty_of(delta_e: np.ndarray) -> str:
    """Return ``"easy"``, ``"medium"`` or ``"hard"`` from the ΔE of all flakes of an image."""
    known = delta_e[np.isfinite(delta_e)]
    faintest = known.min() if len(known) else np.inf
    if faintest < FAINT or len(delta_e) > DENSE:
        return "hard"
    return "easy" if faintest >= CLEAR and len(delta_e) <= SPARSE else "medium"


@lru_cache(maxsize=64)
def _microscope(material: str, instrument: int) -> Microscope:
    """Return an instrument: drawn as Synthia draws them, until it has the wafer wanted.

    hBN is hardly seen on PDMS and sapphire, and such draws are refused: it gets the last wafer
    that was drawn.
    """
    (substrate, oxide, low, high), magnification, _ = INSTRUMENTS[instrument]
    number = list(HABITS).index(material)
    rng = np.random.default_rng([_SEED, VERSION, 1 << 20, number, instrument])
    for _ in range(_TRIES):  # about one draw in twenty is on the rarest of the wafers
        drawn = sample_microscope(rng, material, magnification)
        wafer = (drawn.substrate, drawn.oxide)
        if wafer == (substrate, oxide) and low <= drawn.oxide_thickness_nm <= high:
            break
    return drawn


def _drawn(about: dict[str, Any]) -> BenchImage:
    scene = synthetic_scene(about["number"])
    rendered = render_jpeg(scene)
    delta_e = Facts(scene).expected.delta_e
    microscope = scene.microscope
    told = {key: value for key, value in about.items() if key not in ("material", "instrument")}
    told |= {
        "difficulty": difficulty_of(delta_e),
        "substrate": substrate_of(microscope),
        "oxide_thickness_nm": microscope.oxide_thickness_nm,
    }
    name = f"{about['number']:04d}.jpg"
    return BenchImage(
        name, rendered.jpeg, SHAPE, scene.material, tuple(rendered.flakes), told, delta_e.tolist()
    )


def _real(path: Path, material: str, flakes: list[Flake]) -> BenchImage:
    shape = load_image(path, as_codes=True).shape[:2]
    about = {"microscope": "development", "magnification": 20.0, "substrate": "SiO2/Si"}
    return BenchImage(path.name, path.read_bytes(), shape, material, tuple(flakes), about)
