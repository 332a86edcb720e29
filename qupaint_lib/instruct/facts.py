"""Everything that an answer may state about an image, and how far a statement may be off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any

import numpy as np

from qupaint_lib.annotations import FEW_MAX, Flake
from qupaint_lib.answers import find_boxes, format_box, to_percent
from qupaint_lib.answers.boxes import Box
from qupaint_lib.errors import ArgumentError, ImageError
from qupaint_lib.instruct.quantities import (
    Quantities,
    check_image,
    counts_of_interest,
    expect,
    label_map,
    measure,
    predict,
)
from qupaint_lib.materials import get_material

MODEL_ERROR = 0.01, 0.05  # of a predicted contrast: absolute, and as a share of it
BLACK, DAZZLING = -0.98, 10.0  # contrasts that are not stated beyond
POOR_FIT = 3.0  # model errors beyond which a layer count is said to fit poorly
MOST_LAYERS = 5000  # that a statement may ask the optical model about
_TOUCH_PX = 2  # flakes closer than this border each other

# Without an image a measured quantity is held against the optical model: absolute, relative.
WITHOUT_IMAGE = {
    "contrast": (0.02, 0.2),
    "agreement": (0.02, 0.2),
    "delta_e": (1.0, 0.25),
    "lightness": (1.0, 0.25),
    "misfit": (3.0, 0.4),
    "visibility": (1.0, 0.6),
}
HUE_TOLERANCE_DEG = 45.0, 60.0  # with and without an image


def remembered(function: Callable) -> Callable:
    """Return a function of facts and of plain values that is worked out once for each of them."""

    @wraps(function)
    def recall(facts: Facts, *values: Any, **options: Any) -> Any:
        key = (function, values, *options.values())
        if key not in facts.memory:
            facts.memory[key] = function(facts, *values, **options)
        return facts.memory[key]

    return recall


@dataclass(frozen=True, eq=False)
class Facts:
    """A scene, its image or None, and what follows from them, worked out when it is asked for.

    `make_dialogues` and `verify` take facts in place of a scene, so that an image is measured once
    for all that is said of it.

    Attributes
    ----------
    scene : Scene or AnnotatedImage
        Its `shape`, `material`, `microscope`, `flakes` and `magnification` are used.
    image : (H, W, 3) uint8 array or None
        Measured quantities come from it; without it, from the optical model.
    few_max : int
        The most layers that are still *few*.
    """

    scene: Any
    image: np.ndarray | None = None
    few_max: int = FEW_MAX

    @cached_property
    def memory(self) -> dict:
        """What `remembered` functions have worked out."""
        return {}

    @cached_property
    def flakes(self) -> Sequence[Flake]:
        """Flakes of the scene, checked."""
        flakes, shape = self.scene.flakes, tuple(self.scene.shape)
        for number, flake in enumerate(flakes):
            if not isinstance(flake, Flake) or flake.shape != shape or not flake.area_px:
                allowed = f"a Flake with some pixels in an image of {shape}"
                raise ArgumentError(f"scene.flakes[{number}]", flake, allowed)
        return flakes

    @cached_property
    def material(self) -> str:
        """Name of the material in the registry."""
        return get_material(self.scene.material).name

    @cached_property
    def boxes(self) -> np.ndarray:
        """(N, 4) boxes in percent."""
        boxes = [to_percent(f.bbox_xywh, self.scene.shape) for f in self.flakes]
        return np.array(boxes).reshape(-1, 4)

    @cached_property
    def box_texts(self) -> list[str]:
        """Boxes as answers write them."""
        return [format_box(box) for box in self.boxes]

    @cached_property
    def read_boxes(self) -> list[Box]:
        """Boxes as they are read back from answers, to 0.01 percent."""
        return [find_boxes(text)[0][1] for text in self.box_texts]

    @cached_property
    def labels(self) -> list[str | None]:
        """Class of every flake."""
        return [f.layer_class(few_max=self.few_max) for f in self.flakes]

    @cached_property
    def layer_counts(self) -> list[int | None]:
        """Layers of every flake."""
        return [f.layer_count for f in self.flakes]

    @cached_property
    def centers(self) -> np.ndarray:
        """(N, 2) middles of the boxes in percent, x and y."""
        return self.boxes[:, :2] + self.boxes[:, 2:] / 2

    @cached_property
    def areas(self) -> np.ndarray:
        """(N,) areas in percent of the image."""
        height, width = self.scene.shape
        return np.array([f.area_px for f in self.flakes], dtype=float) * 100 / (height * width)

    @cached_property
    def crystals(self) -> dict[int, list[int]]:
        """Flakes by the crystal that they are terraces of; crystals of one terrace too."""
        found: dict[int, list[int]] = {}
        for i, flake in enumerate(self.flakes):
            found.setdefault(-1 - i if flake.parent_id is None else flake.parent_id, []).append(i)
        return found

    @cached_property
    def neighbors(self) -> list[set[int]]:
        """For every flake those that it borders."""
        found: list[set[int]] = [set() for _ in self.flakes]
        names = np.pad(self._names, ((0, _TOUCH_PX), (0, _TOUCH_PX)))  # no flake beyond the sides
        flat = names.ravel()
        on = np.flatnonzero(flat)
        here = flat[on].astype(np.int64)
        for step in range(1, _TOUCH_PX + 1):
            for offset in (step, step * names.shape[1]):
                there = flat[on + offset]
                differ = (there != here) & (there > 0)
                pairs = np.unique(here[differ] * (len(found) + 1) + there[differ])
                for i, j in (divmod(pair, len(found) + 1) for pair in pairs.tolist()):
                    found[i - 1].add(j - 1)
                    found[j - 1].add(i - 1)
        return found

    @cached_property
    def _names(self) -> np.ndarray:
        return label_map(self.flakes, tuple(self.scene.shape))

    @cached_property
    def expected(self) -> Quantities:
        """What an image should show."""
        return expect(self.scene)

    @cached_property
    def observed(self) -> Quantities:
        """What the image shows; without one, what it should show."""
        if self.image is None:
            return self.expected
        check_image(self.image, self.flakes)
        if tuple(self.image.shape[:2]) != tuple(self.scene.shape):
            allowed = f"an image of the scene's shape {tuple(self.scene.shape)}"
            raise ImageError("image", self.image.shape, allowed)
        return measure(self.image, self.flakes, self.scene.microscope, self._names)

    @cached_property
    def sound(self) -> np.ndarray:
        """(N,) bool: the contrast is known, and is what the model expects within its slack."""
        seen, model = self.observed.contrast, self.expected.contrast
        absolute, relative = WITHOUT_IMAGE["contrast"]
        with np.errstate(invalid="ignore"):
            near = (abs(seen - model) <= absolute + relative * abs(model)).all(axis=1)
        return near & sayable(seen) & sayable(model)

    @cached_property
    def _table(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        counts = counts_of_interest(self.scene)
        both = predict(self.scene.material, self.scene.microscope, counts)
        return {n: (c, s) for n, c, s in zip(counts, *both, strict=True)}

    def predicted(self, layer_count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return contrast (3,) and Lab shift (3,) of a layer count in the optical model."""
        if layer_count in self._table:
            return self._table[layer_count]
        if not 1 <= layer_count <= MOST_LAYERS:
            raise ArgumentError("layer_count", layer_count, f"1 to {MOST_LAYERS}")
        contrast, shift = predict(self.scene.material, self.scene.microscope, (layer_count,))
        return contrast[0], shift[0]

    @remembered
    def predicted_delta_e(self, layer_count: int) -> float:
        """Return the CIE 1976 colour difference of a layer count in the optical model."""
        return float(np.linalg.norm(self.predicted(layer_count)[1]))

    @remembered
    def misfit(self, flake: int, layer_count: int, *, expected: bool = False) -> float:
        """Return how far a flake's contrast is from a layer count's, in standard deviations.

        The root mean square over the channels, in units of the optical model's error: one
        percentage point and a twentieth of the predicted contrast.
        """
        predicted = self.predicted(layer_count)[0]
        quantities = self.expected if expected else self.observed
        sigma = MODEL_ERROR[0] + MODEL_ERROR[1] * abs(predicted)
        return float(np.sqrt((((quantities.contrast[flake] - predicted) / sigma) ** 2).mean()))

    @remembered
    def agreement(self, flake: int, *, expected: bool = False) -> float:
        """Return the largest difference of a flake's contrast to that of its layer count."""
        quantities = self.expected if expected else self.observed
        predicted = self.predicted(self.layer_counts[flake])[0]
        return float(abs(quantities.contrast[flake] - predicted).max())

    def tolerance(self, kind: str, true: float) -> float:
        """Return how far a stated measurement may be off beyond its rounding."""
        return slack(kind, true) if self.image is None else 0.0

    @remembered
    def find(self, box_percent: Box) -> tuple[int | None, float]:
        """Return the flake whose box meets a box best, and their intersection over union."""
        if not len(self.boxes):
            return None, 0.0
        iou = box_iou(self.boxes, np.asarray(box_percent, dtype=float))
        best = int(iou.argmax())
        return (best, float(iou[best])) if iou[best] > 0 else (None, 0.0)

    def of(self, label: str | None = None, layer_count: int | None = None) -> list[int]:
        """Return the flakes of a class or a layer count; all of them where neither is given."""
        return [
            i
            for i, (found, count) in enumerate(zip(self.labels, self.layer_counts, strict=True))
            if (label is None or found == label) and (layer_count is None or count == layer_count)
        ]


def facts_of(scene: Any, image: np.ndarray | None, few_max: int) -> Facts:
    """Return the facts of a scene and its image; facts that are handed in bring both.

    Raises
    ------
    ArgumentError
        Facts and an image, or a border of *few* that is not theirs.
    """
    if not isinstance(scene, Facts):
        return Facts(scene, image, few_max)
    if image is not None and image is not scene.image:
        raise ArgumentError("image", type(image).__name__, "None: the facts bring their image")
    if few_max != scene.few_max:
        raise ArgumentError("few_max", few_max, f"that of the facts, {scene.few_max}")
    return scene


def sayable(contrast: np.ndarray) -> np.ndarray:
    """Tell which contrasts (…, 3) are those of light: colours out of the camera's gamut are not.

    A channel that is black, or whose substrate is nearly so, has no contrast worth stating.
    """
    return ((contrast > BLACK) & (contrast < DAZZLING)).all(axis=-1)


def slack(kind: str, true: float) -> float:
    """Return how far a measurement may be from what the optical model expects."""
    absolute, relative = WITHOUT_IMAGE[kind]
    return absolute + relative * abs(true)


def box_iou(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the intersection over union (N,) of boxes (N, 4) with one, all x, y, w, h."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    return shared / np.maximum(boxes[:, 2:].prod(axis=1) + box[2:].prod() - shared, 1e-12)
