"""What sample i of a data set is: its source, microscope, scene and split, from seed and i alone.

A microscope is an instrument at one magnification with one wafer: stack, lamp, camera, gain. It
takes several images, one of them in every `_IN_TURN` samples, and all of its images go to the same
split: neither a scene nor a microscope of the test set has been seen in training. Choices are made
by hashing, so that they cost microseconds and nothing has to be drawn to tell who goes where.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate

import numpy as np

from qupaint_lib.annotations import FEW_MAX
from qupaint_lib.microscope import Microscope
from qupaint_lib.synthia import VIEWS, Crystal, Scene, sample_microscope, sample_scene
from qupaint_lib.synthia.sample import MAGNIFICATIONS

SPLITS = ("train", "validation", "test")
KINDS = ("any", "no monolayer", "thick", "empty")
IMAGES_PER_MICROSCOPE = 8
_IN_TURN = 64  # microscopes between two images of the same
_ADDED = {"no monolayer": (1, 4), "thick": (FEW_MAX, FEW_MAX + 9)}  # layers, from and below


@dataclass(frozen=True)
class Plan:
    """How samples are shared out; shares add up to 1.

    Attributes
    ----------
    materials : tuple of str
        Taken in turn by the microscopes.
    kinds : (float, float, float, float)
        Shares of `KINDS` among the synthetic scenes.
    splits : (float, float, float)
        Shares of `SPLITS` among the microscopes.
    real_share : float
        Of real images among all.
    real : tuple of (str, str)
        Names of the real images, and of the microscopes that took them.
    crystals : (int, int) or None
        The fewest and the most crystals of a synthetic scene, drawn evenly on a logarithmic scale;
        None leaves their number to `sample_scene`.
    """

    materials: tuple[str, ...]
    kinds: tuple[float, ...]
    splits: tuple[float, ...]
    real_share: float = 0.0
    real: tuple[tuple[str, str], ...] = ()
    crystals: tuple[int, int] | None = None

    def real_image(self, i: int, seed: int) -> int | None:
        """Return which of the real images sample i is cut from; None for a synthetic one."""
        if not self.real or _unit(seed, "source", i) >= self.real_share:
            return None
        return int(_unit(seed, "image", i) * len(self.real))

    def microscope(self, i: int, seed: int) -> str:
        """Return the name of the microscope of sample i."""
        real = self.real_image(i, seed)
        return f"synthetic {_number(i)}" if real is None else self.real[real][1]

    def split(self, i: int, seed: int) -> str:
        """Return the split of sample i.

        It is that of its microscope. Where one microscope took all of the real images they are for
        training: there is no other to test on.
        """
        name = self.microscope(i, seed)
        if len({taken for _, taken in self.real}) == 1 and name == self.real[0][1]:
            return SPLITS[0]
        return _choice(SPLITS, self.splits, _unit(seed, "split", name))

    def kind(self, i: int, seed: int) -> str:
        """Return the kind of the synthetic scene of sample i."""
        return _choice(KINDS, self.kinds, _unit(seed, "kind", i))

    def crystal_count(self, i: int, seed: int) -> int | None:
        """Return the number of crystals of the synthetic scene of sample i, None if it is free."""
        if self.crystals is None:
            return None
        fewest, most = self.crystals
        return int(fewest * ((most + 1) / fewest) ** _unit(seed, "crystals", i))


@lru_cache(maxsize=8)
def members(plan: Plan, n: int, seed: int, split: str) -> np.ndarray:
    """Return which of n samples are of a split, ascending."""
    return np.array([i for i in range(n) if plan.split(i, seed) == split], dtype=np.int64)


def draw_scene(
    plan: Plan, i: int, seed: int, shape: tuple[int, int], view: str | None, statistics: str
) -> Scene:
    """Return the synthetic scene of sample i."""
    rng, kind = np.random.default_rng([seed, i]), plan.kind(i, seed)
    material, view, magnification, microscope = _instrument(seed, _number(i), plan.materials, view)
    scene = sample_scene(
        rng,
        material=material,
        shape=shape,
        view=view,
        microscope=microscope,
        magnification=magnification,
        flake_count=0 if kind == "empty" else plan.crystal_count(i, seed),
        statistics=statistics,
    )
    if kind in _ADDED:
        scene = thicker(scene, int(rng.integers(*_ADDED[kind])))
    return scene


def thicker(scene: Scene, layers: int) -> Scene:
    """Return a scene with so many layers more everywhere; the steps of its crystals remain."""
    crystals = (
        Crystal(tuple(replace(t, layer_count=t.layer_count + layers) for t in crystal.terraces))
        for crystal in scene.crystals
    )
    return replace(scene, crystals=tuple(crystals))


@lru_cache(maxsize=2 * _IN_TURN)
def _instrument(
    seed: int, number: int, materials: tuple[str, ...], view: str | None
) -> tuple[str, str, float, Microscope]:
    """Return what a microscope looks at, how, and the microscope itself."""
    rng = np.random.default_rng([seed, 1, number])
    view = view or VIEWS[int(rng.integers(len(VIEWS)))]
    magnification = MAGNIFICATIONS[view][int(rng.integers(len(MAGNIFICATIONS[view])))]
    material = materials[number % len(materials)]
    return material, view, magnification, sample_microscope(rng, material, magnification)


def _number(i: int) -> int:
    """Return the number of the synthetic microscope that takes sample i."""
    return i // (IMAGES_PER_MICROSCOPE * _IN_TURN) * _IN_TURN + i % _IN_TURN


def _unit(*key: object) -> float:
    """Return a number in [0, 1) that follows from a key."""
    digest = blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _choice(names: Sequence[str], shares: Sequence[float], at: float) -> str:
    """Return the name in whose share a number in [0, 1) falls."""
    return names[min(bisect_right(list(accumulate(shares)), at), len(names) - 1)]
