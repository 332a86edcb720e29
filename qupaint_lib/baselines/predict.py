"""From what a method finds on an image to predictions on a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.baselines.detectors import Detector
from qupaint_lib.baselines.samples import SIDE_PX, pixels_for
from qupaint_lib.evaluate import Benchmark
from qupaint_lib.evaluate.detection import MAX_DETECTIONS
from qupaint_lib.model.merging import View, merge_views
from qupaint_lib.model.tiling import windows

LEAST_SCORE = 0.02  # of a detection that is kept
OVERLAP_PX = SIDE_PX // 4  # of neighbouring windows, as the small model is asked


@dataclass(frozen=True)
class Detected:
    """A flake that a method found.

    Attributes
    ----------
    box : (float, float, float, float)
        x, y, width, height in pixels.
    label : str or None
        ``"Mono"``, ``"Few"``, ``"Thick"``.
    score : float
        How sure, 0 to 1.
    """

    box: tuple[float, float, float, float]
    label: str | None
    score: float


Detect = Callable[[np.ndarray, Mapping[str, Any]], list[Detected]]
"""From an image (H, W, 3) uint8 and what is known of it, such as its material, to its flakes."""


def predictions_of(
    detect: Detect, benchmark: Benchmark, *, progress: bool = False
) -> list[dict[str, Any]]:
    """Return predictions on a benchmark, as `load_predictions` takes them.

    Parameters
    ----------
    detect : callable
        Gets image and entry of the ground truth: a method may use material, substrate, oxide and
        magnification, which a laboratory knows, and of course no annotation.
    benchmark : Benchmark
        Whose images are looked at.
    progress : bool, optional
        Show a progress bar.
    """
    from tqdm import tqdm

    found = []
    for entry in tqdm(benchmark.ground_truth["images"], unit="image", disable=not progress):
        flakes = detect(benchmark.image(entry), entry)
        flakes = sorted(flakes, key=lambda flake: -flake.score)[:MAX_DETECTIONS]
        size = entry["width"], entry["height"]
        found += [_entry(flake, entry["file_name"], size) for flake in flakes]
    return found


def _entry(flake: Detected, file_name: str, size: tuple[int, int]) -> dict[str, Any]:
    x, y, w, h = flake.box
    left, top = (round(min(max(v, 0.0), s - 1.0), 1) for v, s in zip((x, y), size, strict=True))
    right, bottom = (min(e, s) for e, s in zip((x + w, y + h), size, strict=True))
    sides = max(round(right - left, 1), 0.1), max(round(bottom - top, 1), 0.1)
    box, score = [left, top, *sides], round(float(flake.score), 4)
    label = {} if flake.label is None else {"category": flake.label}
    return {"file_name": file_name, "bbox": box, "score": score, **label}


def windowed(detector: Detector, model: Any, *, side_px: int = SIDE_PX) -> Detect:
    """Return what looks at an image window by window, as the small model does.

    Flakes that two windows saw are merged by `merge_views`; a box has the class that is most
    probable, with its probability.
    """

    def detect(image: np.ndarray, about: Mapping[str, Any]) -> list[Detected]:
        del about
        frames = windows(image.shape[:2], (side_px, side_px), min(OVERLAP_PX, side_px // 2))
        parts = [image[f.y : f.y + f.height, f.x : f.x + f.width] for f in frames]
        pixels = torch.from_numpy(np.stack([pixels_for(part, side_px) for part in parts]))
        with torch.no_grad():
            read = detector.read(model, pixels.to(model.device))
        views = []
        for frame, (corners, chances) in zip(frames, read, strict=True):
            for box, chance in zip(corners, chances, strict=True):
                best = int(chance.argmax())
                left, top, right, bottom = box * np.tile([frame.width, frame.height], 2)
                if chance[best] < LEAST_SCORE or right <= left or bottom <= top:
                    continue
                place = (left + frame.x, top + frame.y, right - left, bottom - top)
                views.append(View(place, frame, LAYER_CLASSES[best], None, float(chance[best])))
        merged = merge_views(views, image.shape[:2])
        return [Detected(tuple(map(float, v.box)), v.label, v.score) for v in merged]

    return detect
