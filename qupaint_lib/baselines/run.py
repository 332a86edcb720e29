"""A baseline from data to figures: trained for so many minutes, asked, scored, written down."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from qupaint_lib._files import read_json, write_text
from qupaint_lib._git import git_state
from qupaint_lib.baselines.costs import count_flops
from qupaint_lib.baselines.detectors import DETECTORS
from qupaint_lib.baselines.fit import FitConfig, fit_detector
from qupaint_lib.baselines.mixture import fit_mixture
from qupaint_lib.baselines.physics import detect_by_physics
from qupaint_lib.baselines.predict import Detect, predictions_of, windowed
from qupaint_lib.baselines.stages import Stages, train_dense, train_joint
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.evaluate import (
    Benchmark,
    build_synthetic,
    load_predictions,
    predict,
    save_predictions,
    score_predictions,
    to_json,
)
from qupaint_lib.evaluate.intervals import RESAMPLES
from qupaint_lib.evaluate.synthetic import NAME, VERSION, synthetic_images
from qupaint_lib.model import QuPaint, load_nano, nano_folder
from qupaint_lib.train import Images

RECORD, PREDICTIONS = "record.json", "predictions.json"
TEST_SPLITS = ("seen", "unseen")
DENSE_SHARE = 0.25  # of the small model's budget
_SLICES = ("split", "difficulty")
_PACKAGES = ("torch", "transformers", "scikit-learn", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class Options:
    """What a baseline is run with.

    Attributes
    ----------
    data : path or None
        Folder of `build_dataset`, whose split ``train`` is learned from; what is not trained here
        needs none.
    minutes : float
        Budget of processor time for the training; on a GPU, by the clock.
    size : str
        ``"small"`` or ``"full"``: see `DETECTORS`.
    backbone : path or None
        Folder with pretrained weights of a full detector's backbone.
    seed : int
        Of weights, order and views.
    images : int or None
        Look at so many images of the benchmark only, spread over all.
    resamples : int
        Of the images, for the intervals.
    """

    data: str | Path | None = None
    minutes: float = 20.0
    size: str = "small"
    backbone: str | Path | None = None
    seed: int = 0
    images: int | None = None
    resamples: int = RESAMPLES


@dataclass(frozen=True)
class Trained:
    """A method that is ready to be asked.

    Attributes
    ----------
    predict : callable
        From a benchmark and whether to show progress, its predictions.
    training : mapping
        ``minutes`` spent, ``images_seen``, and more.
    parameters, flops : int or float, None where they mean nothing
        Of the model, and of one forward pass on one window.
    """

    predict: Callable[[Benchmark, bool], list[dict[str, Any]]]
    training: Mapping[str, Any]
    parameters: int | None = None
    flops: float | None = None


def run_baseline(
    name: str,
    out: str | Path,
    options: Options,
    *,
    benchmark: Benchmark | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Train a baseline, ask it about a benchmark, and write model, predictions and record.

    Parameters
    ----------
    name : str
        Of `BASELINES`.
    out : path
        A new or empty folder: ``model``, ``predictions.json``, and ``record.json`` at last.
    options : Options
        Data, budget and size.
    benchmark : Benchmark, optional
        By default the test splits of qf-bench-synthetic, which are drawn anew.
    progress : bool, optional
        Show progress bars.

    Returns
    -------
    dict
        The record: method, benchmark, training, scores with intervals, versions, commit.

    Raises
    ------
    UnknownNameError
        No such baseline.
    ArgumentError
        The folder holds something, or the baseline needs data that are not there.
    """
    if name not in BASELINES:
        raise UnknownNameError("name", name, BASELINES)
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise ArgumentError("out", str(out), "a new or empty folder")
    images = None
    if name not in UNTRAINED:
        if options.data is None:
            raise ArgumentError("data", None, "the folder of a data set of qupaint_lib.instruct")
        images = Images(Path(options.data) / "train")
    trained = BASELINES[name](images, out / "model", options, progress)
    with TemporaryDirectory() as folder:
        if benchmark is None:
            benchmark = scored_images(Path(folder) / "bench", options.images)
        found = trained.predict(benchmark, progress)
    save_predictions(found, out / PREDICTIONS, model=name)
    record = {
        "method": name,
        "size": options.size,
        "benchmark": about_benchmark(benchmark),
        "training": {
            "budget_minutes": None if name in UNTRAINED else options.minutes,
            **trained.training,
            "images": None if images is None else len(images),
            "seed": options.seed,
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        },
        "parameters": trained.parameters,
        "flops": trained.flops,
        "scores": scores_of(found, benchmark, resamples=options.resamples),
        **_origin(name, options),
    }
    write_text(out / RECORD, json.dumps(record, indent=1) + "\n")
    return record


def scored_images(out: str | Path, images: int | None = None) -> Benchmark:
    """Draw the images of qf-bench-synthetic that are scored: its splits *seen* and *unseen*."""
    numbers = [about["number"] for about in synthetic_images() if about["split"] in TEST_SPLITS]
    return build_synthetic(out, numbers=spread(numbers, images))


def spread(numbers: Sequence[int], count: int | None) -> list[int]:
    """Return so many numbers of a list, evenly spread over it; all where none is asked for."""
    if count is None or count >= len(numbers):
        return list(numbers)
    if count < 1:
        raise ArgumentError("images", count, "at least 1")
    return [numbers[k * len(numbers) // count] for k in range(count)]


def scores_of(
    predictions: Sequence[Mapping[str, Any]],
    benchmark: Benchmark,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return what `score_predictions` says by split and difficulty, as JSON holds it."""
    truth = benchmark.ground_truth
    found = load_predictions(list(predictions), truth)
    options = {"rng": np.random.default_rng(seed), "resamples": resamples}
    return to_json(score_predictions(found, truth, image_slices=_SLICES, **options))


def about_benchmark(benchmark: Benchmark) -> dict[str, Any]:
    """Return name, version and size of a benchmark."""
    truth = benchmark.ground_truth
    info = truth.get("info") or {}
    return {
        "name": info.get("name", NAME),
        "version": info.get("version", str(VERSION)),
        "images": len(truth["images"]),
        "flakes": len(truth["annotations"]),
    }


def _origin(name: str, options: Options) -> dict[str, Any]:
    """Return what made a record: commit, versions, and the command."""
    commit, dirty = git_state(Path(__file__).parent)
    words = [f"python -m qupaint_lib.baselines {name}", "--out FOLDER"]
    if name not in UNTRAINED:
        words += ["--data DATASET", f"--minutes {options.minutes:g}", f"--size {options.size}"]
        words += [f"--seed {options.seed}"]
    if options.images is not None:
        words += [f"--images {options.images}"]
    return {
        "command": " ".join(words),
        "versions": {package: version(package) for package in _PACKAGES},
        "python": ".".join(map(str, sys.version_info[:3])),
        "commit": commit,
        "dirty": dirty,
    }


def _detector(name: str) -> Callable[..., Trained]:
    def fit(images: Any, out: Path, options: Options, progress: bool) -> Trained:
        detector = DETECTORS[name]
        device = "cuda" if torch.cuda.is_available() else "cpu"
        with torch.random.fork_rng():
            torch.manual_seed(options.seed)
            model = detector.make(options.size, options.backbone and Path(options.backbone))
            flops = count_flops(model)
            config = FitConfig(minutes=options.minutes, seed=options.seed)
            training = fit_detector(detector, model.to(device), images, config, progress=progress)
        model.save_pretrained(out)
        detect = windowed(detector, model)
        told = {**training, "recipe": asdict(config)}
        return Trained(_asked(detect), told, sum(p.numel() for p in model.parameters()), flops)

    return fit


def _asked(detect: Detect) -> Callable[[Benchmark, bool], list[dict[str, Any]]]:
    return lambda benchmark, progress: predictions_of(detect, benchmark, progress=progress)


def _mixture(images: Any, out: Path, options: Options, progress: bool) -> Trained:
    mixture, training = fit_mixture(images, options.minutes, seed=options.seed, progress=progress)
    mixture.save(out / "mixture.npz")
    return Trained(_asked(mixture.detect), training, mixture.parameters)


def _finder(images: Any, out: Path, options: Options, progress: bool) -> Trained:
    return Trained(_asked(detect_by_physics), {})


def _internvl(images: Any, out: Path, options: Options, progress: bool) -> Trained:
    """Train the small model without PIA and PAD."""
    dense = DENSE_SHARE * options.minutes
    joint = options.minutes - dense
    stages = Stages(dense, joint, pia_variant="none", pad=False, seed=options.seed)
    vision = train_dense(images, out / "dense", stages, progress=progress)
    assistant = train_joint(images, out / "joint", stages, vision, progress=progress)
    told = {"minutes": options.minutes, "stages": {"dense": dense, "joint": joint}}
    return Trained(_ask(assistant), told, assistant.model.num_parameters())


def _nano(images: Any, out: Path, options: Options, progress: bool) -> Trained:
    """Return the model that comes with the library, as it is."""
    assistant = load_nano()
    record = read_json(nano_folder() / "training.json")
    runs = [read_json(path) for path in nano_folder().glob("*.json")]
    minutes = sum(run["seconds"] for run in runs if "curve" in run) / 60  # of all stages
    told = {"steps": record["steps"], "minutes": minutes}
    return Trained(_ask(assistant), told, assistant.model.num_parameters())


def _ask(assistant: QuPaint) -> Callable[[Benchmark, bool], list[dict[str, Any]]]:
    def ask(benchmark: Benchmark, progress: bool) -> list[dict[str, Any]]:
        names = {entry["id"]: entry["file_name"] for entry in benchmark.ground_truth["images"]}
        found = predict(assistant, benchmark, progress=progress)
        return [_named(one, names) for one in found]

    return ask


def _named(one: Mapping[str, Any], names: Mapping[int, str]) -> dict[str, Any]:
    """Return a prediction with the name of its image for its number, rounded as others are."""
    box = [round(value, 1) for value in one["bbox"]]
    told = {"file_name": names[one["image_id"]], "bbox": box, "score": round(one["score"], 4)}
    return {**told, "category_id": one["category_id"]} if "category_id" in one else told


BASELINES: dict[str, Callable[[Any, Path, Options, bool], Trained]] = {
    "finder": _finder,
    "mixture": _mixture,
    "rt-detrv2": _detector("rt-detrv2"),
    "mask2former": _detector("mask2former"),
    "internvl": _internvl,
    "nano": _nano,
}
UNTRAINED = ("finder", "nano")
