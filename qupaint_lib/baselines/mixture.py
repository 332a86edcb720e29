"""A Gaussian mixture of contrasts, the idea of 2DMatGMM: colour alone tells the class of a pixel.

2DMatGMM fits a mixture to the contrasts of labelled flakes of one material on one microscope. Here
every class of every material has a mixture of its own, over the contrasts of all instruments of the
data; bare substrate has one for all. A pixel belongs to the class that explains its contrast best,
and a connected region of one class is a flake.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from qupaint_lib._files import write_bytes
from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.baselines.fit import Budget
from qupaint_lib.baselines.predict import Detected
from qupaint_lib.errors import ArgumentError, CalibrationError, UnknownNameError
from qupaint_lib.finder import contrast_map
from qupaint_lib.microscope import get_preset
from qupaint_lib.train.examples import flakes_of, pixels_of

BARE = "bare"
_SHARES = {BARE: 0.85, "Mono": 0.05, "Few": 0.05, "Thick": 0.05}
_COMPONENTS = 6
_PIXELS, _PER_FLAKE = 20_000, 40  # contrasts of a class that are kept, and of one flake
_READ_SHARE = 0.7  # of the budget goes into reading images
_LEAST_PX = 30
_AROUND = np.ones((5, 5), dtype=np.uint8)  # pixels that an edge is blurred over
_RIM = np.ones((4, 4), dtype=np.uint8)
_FLOOR = 1e-5  # of variances


@dataclass(frozen=True, eq=False)
class Mixture:
    """Mixtures of K Gaussians by (material, class).

    Attributes
    ----------
    components : mapping
        From (material, class) to weights (K,), means (K, 3) and precisions (K, 3, 3).
    """

    components: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]

    def log_density(self, key: tuple[str, str], contrasts: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density (N,) of contrasts (N, 3)."""
        weights, means, precisions = self.components[key]
        off = contrasts[:, None] - means  # (N, K, 3)
        squared = np.einsum("nki,kij,nkj->nk", off, precisions, off)
        _, log_det = np.linalg.slogdet(precisions)
        logs = np.log(weights) + 0.5 * (log_det - 3 * np.log(2 * np.pi) - squared)
        return np.logaddexp.reduce(logs, axis=1)

    def posterior(self, material: str, contrasts: np.ndarray) -> np.ndarray:
        """Return the probability (N, 4) of bare, Mono, Few and Thick."""
        logs = np.full((len(contrasts), len(_SHARES)), -np.inf)
        for k, (name, share) in enumerate(_SHARES.items()):
            key = (BARE, BARE) if name == BARE else (material, name)
            if key in self.components:
                logs[:, k] = np.log(share) + self.log_density(key, contrasts)
        return np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))

    def detect(self, image: np.ndarray, about: Mapping[str, Any]) -> list[Detected]:
        """Return the flakes of an image whose `about` tells its ``material``."""
        import cv2
        from scipy.ndimage import find_objects, label, median_filter

        material = about["material"]
        known = sorted({name for name, _ in self.components} - {BARE})
        if material not in known:
            raise UnknownNameError("material", material, known)
        try:
            contrasts = contrast_map(image, get_preset("machine-vision")).smooth
        except CalibrationError:
            return []
        chances = self.posterior(material, contrasts.reshape(3, -1).T).reshape(*image.shape[:2], 4)
        classes = median_filter(chances.argmax(axis=-1).astype(np.uint8), size=3)
        found = []
        for k, name in enumerate(LAYER_CLASSES, start=1):
            # The blurred edge of a thick flake passes through the contrasts of thinner ones.
            there = cv2.morphologyEx((classes == k).astype(np.uint8), cv2.MORPH_OPEN, _RIM)
            labels, _ = label(there)
            for number, box in enumerate(find_objects(labels), start=1):
                mask = labels[box] == number
                if mask.sum() >= _LEAST_PX:
                    rows, columns = box
                    sides = columns.stop - columns.start, rows.stop - rows.start
                    sure = float(chances[box][mask][:, k].mean())
                    found.append(Detected((columns.start, rows.start, *sides), name, sure))
        return found

    def save(self, path: str | Path) -> Path:
        """Write the mixtures as npz, whole or not at all."""
        arrays = {
            f"{material}/{name}/{what}": array
            for (material, name), parts in self.components.items()
            for what, array in zip(("weights", "means", "precisions"), parts, strict=True)
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> Mixture:
        """Read what `save` wrote."""
        parts: dict[tuple[str, str], dict[str, np.ndarray]] = {}
        try:
            with np.load(path, allow_pickle=False) as data:
                for name in data.files:
                    material, layer, what = name.split("/")
                    parts.setdefault((material, layer), {})[what] = data[name]
            components = {k: (p["weights"], p["means"], p["precisions"]) for k, p in parts.items()}
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            allowed = f"a file that Mixture.save wrote: {error}"
            raise ArgumentError("path", str(path), allowed) from error
        return cls(components)

    @property
    def parameters(self) -> int:
        """How many numbers were fitted; a precision is symmetric and counts six."""
        return sum(len(weights) * (1 + 3 + 6) for weights, *_ in self.components.values())


def fit_mixture(
    images: Sequence[list[Mapping[str, Any]]],
    minutes: float,
    *,
    seed: int = 0,
    progress: bool = False,
) -> tuple[Mixture, dict[str, Any]]:
    """Return mixtures fitted to the pixels of a data set, and how that went.

    Parameters
    ----------
    images : Images, or a sequence of lists of rows
        What is learned from.
    minutes : float
        Budget of processor time, at most: every image is read once.
    seed : int, optional
        Of order, pixels and the fit's start.
    progress : bool, optional
        Show a progress bar.
    """
    from sklearn.mixture import GaussianMixture
    from tqdm import tqdm

    rng, budget = np.random.default_rng([seed, 1]), Budget(minutes)
    pixels: dict[tuple[str, str], list[np.ndarray]] = {}
    seen = 0
    for i in tqdm(rng.permutation(len(images)), unit="image", disable=not progress):
        for key, contrasts in _contrasts(images[int(i)][0], rng):
            pixels.setdefault(key, []).append(contrasts)
        seen += 1
        if budget.share >= _READ_SHARE:
            break
    components = {}
    for number, (key, parts) in enumerate(sorted(pixels.items())):
        values = np.concatenate(parts)
        values = rng.permutation(values)[:_PIXELS].astype(np.float64)
        count = min(_COMPONENTS, len(values) // 20)
        if count:
            model = GaussianMixture(count, reg_covar=_FLOOR, random_state=seed + number)
            model.fit(values)
            components[key] = (model.weights_, model.means_, model.precisions_)
    if (BARE, BARE) not in components:
        raise ArgumentError("images", seen, "images with bare substrate")
    return Mixture(components), {"minutes": budget.spent, "images_seen": seen}


def _contrasts(
    row: Mapping[str, Any], rng: np.random.Generator
) -> list[tuple[tuple[str, str], np.ndarray]]:
    """Return contrasts (n, 3) of pixels of each flake of a row, and of its substrate."""
    import cv2

    flakes = [flake for flake in flakes_of(row) if flake.layer_class() is not None]
    try:
        contrasts = contrast_map(pixels_of(row), get_preset("machine-vision")).smooth
    except CalibrationError:
        return []
    found, free = [], np.ones(contrasts.shape[1:], dtype=bool)
    for flake in flakes:
        mask = flake.mask.astype(np.uint8)
        free &= cv2.dilate(mask, _AROUND) == 0
        inner = cv2.erode(mask, _AROUND) > 0
        places = np.argwhere(inner if inner.any() else flake.mask)
        found.append(((row["material"], flake.layer_class()), places))
    found.append(((BARE, BARE), np.argwhere(free)))
    chosen = []
    for key, places in found:
        if len(places):
            rows, columns = places[rng.integers(len(places), size=_PER_FLAKE)].T
            chosen.append((key, contrasts[:, rows, columns].T))
    return chosen
