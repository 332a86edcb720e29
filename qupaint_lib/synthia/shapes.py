"""Shapes of crystals: straight sides along crystal axes, notches, torn edges, terraces.

Points are complex numbers x + iy in pixels around the crystal's middle, so that a rotation is a
product and a side's distance is a real part.
"""

from __future__ import annotations

import cmath
import math

import numpy as np

from qupaint_lib.synthia.habits import COUNTED_FROM_PX, Habit

THIN_MAX = 4  # layers that count as thin here: 1 to 4
_MOST_NM = 300.0  # thickness of a crystal
_GRID = 32  # coordinates are multiples of 1 / 32 px, so that they are short in a file, and exact
_TEAR_STEP_PX = 5.0  # distance of the corners of a torn edge

Polygon = list[complex]


def outline(rng: np.random.Generator, habit: Habit, area_px: float, axis: float) -> Polygon:
    """Return the outline of a crystal.

    Straight sides at random distances, many of them along the crystal's axes, stretched along one
    axis; then notches, and torn edges.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the shape.
    habit : Habit
        Of the material.
    area_px : float
        Area of the crystal; notches and tears change it by some percent.
    axis : float
        Direction of a crystal axis in radians.
    """
    count = habit.facets[0] + int(rng.random() * (habit.facets[1] + 1 - habit.facets[0]))
    size = 4.0
    corners = [complex(x, y) * size for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    for side in range(count):
        angle = 2 * math.pi * (side + _between(rng, -0.35, 0.35)) / count
        normal = _direction(rng, habit, axis, axis + angle)
        corners = cut(corners, normal, math.exp(0.3 * rng.standard_normal()))
    stretch = math.exp(abs(rng.normal(math.log(habit.elongation), 0.45)))
    turn = cmath.exp(1j * axis)
    corners = [z / turn for z in corners]
    corners = [complex(z.real * stretch, z.imag) * turn for z in corners]
    scale = math.sqrt(area_px / area(corners))
    middle = sum(corners) / len(corners)
    return _frayed(rng, habit, [(z - middle) * scale for z in corners])


def terraces(rng: np.random.Generator, habit: Habit, border: Polygon, axis: float) -> list[Polygon]:
    """Return the parts of a crystal at which steps lead up or down, in the order of drawing.

    Each is what one to three straight cuts along crystal axes leave of the outline.
    """
    size = area(border)
    mean = habit.terraces * max(0.0, 1 + 0.45 * math.log(size / 1000))
    reach = math.sqrt(size)
    found = []
    for _ in range(min(rng.poisson(mean), 12)):
        part = border
        for _ in range(1 + (rng.random() < 0.4) + (rng.random() < 0.15)):
            normal = _direction(rng, habit, axis, _between(rng, 0, 2 * math.pi))
            ahead = max((z * normal.conjugate()).real for z in border)
            part = cut(part, normal, _between(rng, -0.8, 0.75) * min(ahead, reach))
            if len(part) < 3:
                break
        if len(part) >= 3 and area(part) > 0.03 * size:
            found.append(part)
    return found


def layer_counts(
    rng: np.random.Generator,
    habit: Habit,
    area_20x_px: float,
    layer_nm: float,
    steps: int,
    thin_share: float,
) -> list[int]:
    """Return the layers of a crystal and of its terraces.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws them.
    habit : Habit
        Of the material.
    area_20x_px : float
        Area of the crystal at 20×; larger crystals are thicker.
    layer_nm : float
        Thickness of a layer.
    steps : int
        Number of terraces.
    thin_share : float
        Share of the crystals that are thin, or have a thin terrace.
    """
    thin = rng.random() < thin_share
    growth = habit.thickness_growth * math.log(max(area_20x_px, COUNTED_FROM_PX) / 1000)
    thick_nm = habit.thickness_nm * math.exp(growth + habit.thickness_spread * rng.normal())
    thick = max(THIN_MAX + 1 + int(4 * rng.random()), round(min(thick_nm, _MOST_NM) / layer_nm))
    few = _thin_count(rng)
    if not steps:
        return [few if thin else thick]
    counts = [few if thin and rng.random() < 0.4 else thick]
    for _ in range(steps):
        if thin and rng.random() < 0.5:
            counts.append(_thin_count(rng))
        elif counts[-1] <= THIN_MAX:
            counts.append(counts[-1] + 1 + int(2 * rng.random()))
        else:
            counts.append(max(2, round(counts[-1] * math.exp(0.5 * rng.normal()))))
    if thin and min(counts) > THIN_MAX:
        counts[-1] = few
    return counts


def cut(polygon: Polygon, normal: complex, distance: float) -> Polygon:
    """Return what lies on the near side of a line: z · normal ≤ distance. May be empty.

    Where the polygon is not convex, parts are joined along the line by sides that enclose nothing.
    """
    heights = [z.real * normal.real + z.imag * normal.imag - distance for z in polygon]
    kept = []
    for k, (z, height) in enumerate(zip(polygon, heights, strict=True)):
        before, previous = polygon[k - 1], heights[k - 1]
        near = height <= 0
        if near != (previous <= 0):
            kept.append(before + (z - before) * (previous / (previous - height)))
        if near:
            kept.append(z)
    return kept


def area(polygon: Polygon) -> float:
    """Return the area that a polygon encloses."""
    double, before = 0.0, polygon[-1]
    for z in polygon:
        double += before.real * z.imag - before.imag * z.real
        before = z
    return 0.5 * abs(double)


def to_points(polygon: Polygon, center: complex) -> tuple[tuple[float, float], ...]:
    """Return the vertices (x, y) around `center`, to 1 / 32 px."""
    x, y = center.real, center.imag
    return tuple(
        (round((z.real + x) * _GRID) / _GRID, round((z.imag + y) * _GRID) / _GRID) for z in polygon
    )


def _direction(rng: np.random.Generator, habit: Habit, axis: float, angle: float) -> complex:
    """Return a unit normal: the angle given, or the axis next to it."""
    if rng.random() < habit.faceting:
        step = math.radians(habit.axis_deg)
        angle = axis + step * round((angle - axis) / step)
    return cmath.exp(1j * angle)


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Return what `rng.uniform` does, to the last bit, in a fraction of the time."""
    return low + (high - low) * rng.random()


def _thin_count(rng: np.random.Generator) -> int:
    """Return 1 to 4 layers, fewer of the thicker."""
    return 1 + int(rng.random() ** 1.4 * THIN_MAX)


def _frayed(rng: np.random.Generator, habit: Habit, corners: Polygon) -> Polygon:
    """Return a convex outline with bowed, torn and notched sides."""
    result = []
    for k, z in enumerate(corners):
        a, side = corners[k - 1], z - corners[k - 1]
        length = abs(side)
        chance = rng.random()
        if length > 2 * _TEAR_STEP_PX:
            if chance < habit.torn / 2:
                result += _bow(a, side, _between(rng, -0.15, 0.15))
            elif chance < habit.torn:
                result += _tear(rng, a, side, length)
            elif chance < habit.torn + habit.notched:
                result += _notch(rng, a, side, length)
        result.append(z)
    return result


def _bow(a: complex, side: complex, rise: float) -> Polygon:
    """Return the corners of a side that bends by `rise` of its length."""
    return [a + side * (t + 4j * rise * t * (1 - t)) for t in (0.2, 0.4, 0.6, 0.8)]


def _tear(rng: np.random.Generator, a: complex, side: complex, length: float) -> Polygon:
    """Return the corners of a torn side between its ends: a random walk that comes home."""
    count = min(int(length / _TEAR_STEP_PX), 24)
    steps = rng.standard_normal(count + 1).tolist()
    drift = sum(steps) / (count + 1)
    size = min(0.05 / math.sqrt(count), 0.5 * _TEAR_STEP_PX / length)
    corners, height = [], 0.0
    for k in range(count):
        height += steps[k] - drift
        corners.append(a + side * complex((k + 1) / (count + 1), size * height))
    return corners


def _notch(rng: np.random.Generator, a: complex, side: complex, length: float) -> Polygon:
    """Return the corners of a wedge that is missing from a side."""
    first, second, third = sorted(rng.uniform(0.05, 0.95, 3).tolist())
    depth = min(_between(rng, 0.1, 0.4), 0.7 * abs(a) / length)
    inward = depth if (side * 1j * a.conjugate()).real < 0 else -depth
    return [a + side * first, a + side * complex(second, inward), a + side * third]
