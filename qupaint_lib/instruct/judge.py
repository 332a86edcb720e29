"""What the light settles of a flake, of its material and of the wafer, and what it leaves open.

A measured contrast fits a hypothesis (a layer count, a material, an oxide) to so many standard
deviations of the optical model. Those that fit within `RIVAL` of the best are rivals: a text may
draw a conclusion from the light only where there is none. What is concluded must hold both for the
image and for what the optical model expects, so that it can be checked with the image and without.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qupaint_lib.annotations import layer_class
from qupaint_lib.instruct.facts import MODEL_ERROR, POOR_FIT, Facts, remembered, sayable
from qupaint_lib.instruct.quantities import MOST_COMPARED, predict
from qupaint_lib.materials import FLAKE_MATERIALS

RIVAL = 1.0  # model errors: what fits no worse than this beyond the best is not excluded
MATERIAL_RIVAL = 2.0  # likewise of another material, whose optical constants are less certain
COUNTABLE = 10  # layers up to which a count may be read from colour at all
OXIDE_STEP_NM = 20.0  # by which an oxide is changed to see whether the light tells
_COUNTS = tuple(range(1, MOST_COMPARED + 1))


def at_border(facts: Facts, i: int) -> bool:
    """Tell whether a flake touches the image's border, so that it may go on beyond."""
    (x, y, w, h), (height, width) = facts.flakes[i].bbox_xywh, facts.scene.shape
    return x <= 1 or y <= 1 or x + w >= width - 1 or y + h >= height - 1


@remembered
def rivals(facts: Facts, i: int, *, expected: bool = False) -> tuple[int, ...]:
    """Return the layer counts but its own that fit a flake as well, ascending; 0 is bare substrate.

    Compared are 0 to `MOST_COMPARED` layers and those next to the flake's own count.
    """
    count = facts.layer_counts[i]
    own = facts.misfit(i, count, expected=expected)
    distances = _distances(facts, expected)[i]
    near = {n for n in (count - 1, count + 1) if n > MOST_COMPARED}
    near = {n for n in near if facts.misfit(i, n, expected=expected) <= own + RIVAL}
    return tuple(sorted(near | set(np.flatnonzero(distances <= own + RIVAL).tolist()) - {count}))


def misfit(facts: Facts, i: int, count: int) -> float:
    """Return how far a flake is from a layer count, 0 being bare substrate."""
    return facts.misfit(i, count) if count else float(_distances(facts, False)[i, 0])


@remembered
def nearest_rival(facts: Facts, i: int) -> float:
    """Return the misfit of the layer count that fits a flake best but for its own."""
    count = facts.layer_counts[i]
    near = [facts.misfit(i, n) for n in (count - 1, count + 1) if n > MOST_COMPARED]
    return min([*near, *(d for n, d in enumerate(_distances(facts, False)[i]) if n != count)])


@remembered
def judged(facts: Facts, i: int) -> bool:
    """Tell whether a flake's light can be held against layer counts at all."""
    return bool(facts.layer_counts[i] and facts.sound[i])


@remembered
def poor_fit(facts: Facts, i: int) -> bool:
    """Tell whether a flake's contrast is far from that of its layer count."""
    if not judged(facts, i):
        return False
    count = facts.layer_counts[i]
    return min(facts.misfit(i, count), facts.misfit(i, count, expected=True)) > POOR_FIT


@remembered
def settled(facts: Facts, i: int) -> bool:
    """Tell whether the light leaves a flake no other layer count, in the image and in the model."""
    return (
        _fits(facts, i)
        and facts.layer_counts[i] <= COUNTABLE
        and not rivals(facts, i)
        and not rivals(facts, i, expected=True)
    )


@remembered
def settled_class(facts: Facts, i: int) -> bool:
    """Tell whether all layer counts that fit a flake are of its class."""
    if not _fits(facts, i):
        return False
    other = {*rivals(facts, i), *rivals(facts, i, expected=True)}
    label = facts.labels[i]
    return all(n > 0 and layer_class(n, few_max=facts.few_max) == label for n in other)


def _fits(facts: Facts, i: int) -> bool:
    if not judged(facts, i):
        return False
    count = facts.layer_counts[i]
    return max(facts.misfit(i, count), facts.misfit(i, count, expected=True)) <= POOR_FIT


@remembered
def _distances(facts: Facts, expected: bool) -> np.ndarray:
    """Return the misfits (N, 1 + MOST_COMPARED) of all flakes to 0, 1, 2 … layers."""
    predicted = np.array([np.zeros(3), *(facts.predicted(n)[0] for n in _COUNTS)])
    contrast = (facts.expected if expected else facts.observed).contrast[:, None]
    return np.sqrt((((contrast - predicted) / _error(predicted)) ** 2).mean(axis=2))


def _error(predicted: np.ndarray) -> np.ndarray:
    return MODEL_ERROR[0] + MODEL_ERROR[1] * abs(predicted)


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how far predicted contrasts b (…, 3) are from one (3,), in its model errors."""
    return np.sqrt((((b - a) / _error(a)) ** 2).mean(axis=-1))


@remembered
def model_distance(facts: Facts, count: int, other: int) -> float:
    """Return how far the predicted contrasts of two layer counts are apart, in model errors."""
    return float(_between(facts.predicted(count)[0], facts.predicted(other)[0]))


@remembered
def looks_alike(facts: Facts, i: int) -> bool:
    """Tell whether one layer more than a flake has would look the same to the optical model."""
    count = facts.layer_counts[i]
    return bool(count) and model_distance(facts, count, count + 1) < RIVAL


@remembered
def material_distances(facts: Facts, count: int, material: str) -> np.ndarray:
    """Return how far 1 to `MOST_COMPARED` layers of another material are from a layer count.

    Both as the optical model predicts them on the scene's wafer, in its errors: (MOST_COMPARED,).
    """
    others = predict(material, facts.scene.microscope, _COUNTS)[0]
    return _between(facts.predicted(count)[0], others)


@remembered
def nearest_material(facts: Facts, count: int) -> tuple[str, int, float]:
    """Return the material, layer count and distance that come closest to a layer count."""
    found = []
    for name in FLAKE_MATERIALS:
        if name != facts.material:
            distances = material_distances(facts, count, name)
            best = int(distances.argmin())
            found.append((float(distances[best]), name, best + 1))
    distance, name, other = min(found)
    return name, other, distance


@remembered
def oxide_distance(facts: Facts, count: int, oxide_nm: float) -> float:
    """Return how far a layer count moves when the oxide has another thickness."""
    other = replace(facts.scene.microscope, oxide_thickness_nm=oxide_nm)
    moved = predict(facts.scene.material, other, (count,))[0][0]
    return float(_between(facts.predicted(count)[0], moved))


@remembered
def other_oxide(facts: Facts, count: int) -> tuple[float, float] | None:
    """Return the oxide `OXIDE_STEP_NM` off that is harder to tell, and how far it is off."""
    here = facts.scene.microscope.oxide_thickness_nm
    if not here:
        return None
    tried = [round(here + step, 1) for step in (-OXIDE_STEP_NM, OXIDE_STEP_NM)]
    return min(
        ((d, oxide_distance(facts, count, d)) for d in tried if d > 0), key=lambda found: found[1]
    )


@remembered
def telling_flake(facts: Facts) -> int | None:
    """Return the thin flake whose light says most of its material, if there is one."""
    clear = [i for i in range(len(facts.flakes)) if _fits(facts, i)]
    clear = [i for i in clear if facts.layer_counts[i] <= COUNTABLE]
    clear = [i for i in clear if sayable(facts.predicted(facts.layer_counts[i])[0])]
    clear = sorted(clear, key=lambda i: -facts.areas[i])[:4]
    return max(clear, key=lambda i: nearest_material(facts, facts.layer_counts[i])[2], default=None)


def material_settled(facts: Facts) -> bool:
    """Tell whether the most telling flake excludes every other material on this wafer."""
    i = telling_flake(facts)
    if i is None:
        return False
    distance = nearest_material(facts, facts.layer_counts[i])[2]
    return _excluded(facts, i, distance, MATERIAL_RIVAL)


def oxide_settled(facts: Facts) -> bool:
    """Tell whether the most telling flake excludes an oxide that is `OXIDE_STEP_NM` off."""
    i = telling_flake(facts)
    other = None if i is None else other_oxide(facts, facts.layer_counts[i])
    return other is not None and _excluded(facts, i, other[1], RIVAL)


def _excluded(facts: Facts, i: int, distance: float, beyond: float) -> bool:
    count = facts.layer_counts[i]
    own = max(facts.misfit(i, count), facts.misfit(i, count, expected=True))
    return distance > own + beyond
