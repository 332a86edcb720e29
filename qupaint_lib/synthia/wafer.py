"""What exfoliation leaves on a piece of wafer: crystals of one material that do not touch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qupaint_lib.synthia.habits import COUNTED_FROM_PX, FIELD_PX, SMALLEST_PX, Habit
from qupaint_lib.synthia.place import (
    CELL_PX,
    TRIES,
    Footprint,
    find_room,
    footprint,
    free_ground,
    take,
)
from qupaint_lib.synthia.scene import Crystal, Terrace
from qupaint_lib.synthia.shapes import Polygon, area, layer_counts, outline, terraces, to_points

_LARGEST_SHARE = 0.2  # of the image, for one crystal
_SHRINK = 0.6  # in area, of a crystal for which there is no room
_TRAIL_SHARE = 0.5  # of the fragments near a crystal
_NEAR_PX = 12.0  # mean distance of fragments from the crystal that they lie by


@dataclass(frozen=True)
class Wafer:
    """A piece of wafer as large as an image.

    Attributes
    ----------
    habit : Habit
        How the material cleaves.
    layer_nm : float
        Thickness of a layer.
    shape : (int, int)
        Height and width of the image in pixels.
    scale : float
        Magnification over 20: by how much lengths differ from those of `Habit`.
    thin_share : float
        Share of crystals that are thin, or have a thin terrace.
    """

    habit: Habit
    layer_nm: float
    shape: tuple[int, int]
    scale: float
    thin_share: float

    @property
    def largest_px(self) -> float:
        """Area at which the power law of crystals ends here."""
        limit = min(self.habit.largest_px * self.scale**2, _LARGEST_SHARE * math.prod(self.shape))
        return max(limit, 1.5 * SMALLEST_PX)

    @property
    def field(self) -> float:
        """Size of the piece, in images of 1920 × 1200 pixels at 20×."""
        return math.prod(self.shape) / self.scale**2 / FIELD_PX

    def measured_count(self, rng: np.random.Generator) -> int:
        """Draw how many crystals real wafers of this size have, those under 200 px at 20× too."""
        smallest = SMALLEST_PX / self.scale**2
        small_ones = (smallest / COUNTED_FROM_PX) ** (1 - self.habit.exponent)
        median = self.habit.count * self.field * small_ones
        return int(rng.poisson(median * math.exp(self.habit.count_spread * rng.standard_normal())))

    def areas(self, rng: np.random.Generator, count: int) -> list[float]:
        """Draw areas in pixels from the power law, largest first, mother crystals among them."""
        habit, power = self.habit, 1 - self.habit.exponent
        low, high = SMALLEST_PX**power, self.largest_px**power
        drawn = np.sort((low + rng.random(count) * (high - low)) ** (1 / power))[::-1].tolist()
        for number in range(min(rng.poisson(habit.mothers * self.field), count)):
            size = habit.mother_px * self.scale**2 * math.exp(0.5 * rng.standard_normal())
            drawn[number] = min(max(size, drawn[number]), _LARGEST_SHARE * math.prod(self.shape))
        return drawn

    def crystals(
        self,
        rng: np.random.Generator,
        count: int,
        *,
        substrate: np.ndarray | None = None,
        focused: bool = False,
    ) -> tuple[Crystal, ...]:
        """Draw crystals; fewer than asked for where there is no room, smaller ones first.

        Parameters
        ----------
        rng : numpy.random.Generator
            Draws them.
        count : int
            Their number.
        substrate : (H, W) bool array, optional
            Where they may lie.
        focused : bool, optional
            Begin with a crystal in the middle whose largest part is a single layer.
        """
        areas = self.areas(rng, count)
        if focused and count:
            areas = [math.prod(self.shape) * rng.uniform(0.06, 0.2), *areas[1:]]
        ground = free_ground(self.shape, substrate)
        drift = rng.uniform(0, 2 * math.pi)  # of the tape, along which fragments trail
        placed: list[tuple[complex, float]] = []
        found = []
        for number, size in enumerate(areas):
            single = focused and number == 0
            while size >= SMALLEST_PX / 2:
                parts, counts = self._crystal(rng, size, single)
                foot = footprint([np.array(part) for part in parts])
                spots = self._candidates(rng, ground, placed, drift, single)
                shift = find_room(ground, foot, spots)
                if shift is not None:
                    take(ground, foot, shift)
                    placed.append((_middle(foot, shift), math.sqrt(size)))
                    found.append(_crystal(parts, counts, shift))
                    break
                size *= _SHRINK
        return tuple(found)

    def _crystal(
        self, rng: np.random.Generator, size: float, single: bool
    ) -> tuple[list[Polygon], list[int]]:
        """Draw the terraces of a crystal, around the image's corner, and their layers."""
        axis = rng.uniform(0, 2 * math.pi)
        border = outline(rng, self.habit, size, axis)
        parts = [border, *terraces(rng, self.habit, border, axis)]
        if single:  # most of it stays in view
            parts = [p for k, p in enumerate(parts) if k == 0 or area(p) < 0.3 * size][:3]
        counts = layer_counts(
            rng,
            self.habit,
            size / self.scale**2,
            self.layer_nm,
            len(parts) - 1,
            1.0 if single else self.thin_share,
        )
        if single:
            counts[0] = 1
        return parts, counts

    def _candidates(
        self,
        rng: np.random.Generator,
        ground: np.ndarray,
        placed: list[tuple[complex, float]],
        drift: float,
        single: bool,
    ) -> Iterator[tuple[float, float]]:
        """Yield cells to lie at: in the middle, close to another crystal, or anywhere."""
        height, width = ground.shape
        near = bool(placed) and rng.random() < self.habit.clustering
        trail = rng.random() < _TRAIL_SHARE
        for attempt in range(TRIES):
            if single and attempt < TRIES // 2:
                x, y = rng.normal(0.5, 0.05 + 0.01 * attempt, 2)
                yield x * width, y * height
            elif near and attempt < TRIES // 2:
                middle, reach = placed[int(rng.random() ** 2 * len(placed))]
                away = 0.6 * reach + (_NEAR_PX + 0.3 * reach) * rng.standard_exponential()
                angle = (
                    drift + 0.5 * rng.standard_normal() if trail else rng.uniform(0, 2 * math.pi)
                )
                x = middle.real + away / CELL_PX * math.cos(angle)
                y = middle.imag + away / CELL_PX * math.sin(angle)
                if 0 <= x < width and 0 <= y < height:
                    yield x, y
            else:
                yield rng.random() * width, rng.random() * height


def _middle(foot: Footprint, shift: tuple[int, int]) -> complex:
    """Return the middle of a shifted footprint in cells."""
    height, width = foot.cells.shape
    return complex(
        foot.corner_xy[0] + shift[0] + width / 2, foot.corner_xy[1] + shift[1] + height / 2
    )


def _crystal(parts: list[Polygon], counts: list[int], shift: tuple[int, int]) -> Crystal:
    """Return a crystal, shifted by cells."""
    center = complex(*shift) * CELL_PX
    polygons = [to_points(part, center) for part in parts]
    return Crystal(tuple(map(Terrace, polygons, counts)))
