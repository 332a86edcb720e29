"""What else lies on a wafer: specks, tape residue, curled debris, hairs, the wafer's edge."""

from __future__ import annotations

import math

import numpy as np

from qupaint_lib.synthia.habits import FIELD_PX, MAGNIFICATION, Habit
from qupaint_lib.synthia.scene import Debris

RARE_SHARE = 1 / 8  # of the images hold a curl, a hair or a wafer edge

# Widths of specks in pixels at 20×, and how many of them have which.
_SPECK_WIDTHS_PX = (0.9, 1.3, 1.8, 2.6, 3.8, 6.0)
_SPECK_SHARES = (0.3, 0.28, 0.18, 0.12, 0.08, 0.04)
_SPECK_SPREAD = 0.7  # of the logarithm of their number, from image to image
_SPECK_DEPTH, _SPECK_DEPTH_SPREAD = 0.3, 0.6
_BRIGHT_SHARE = 0.15  # of the groups of specks
_SWARM_SHARE, _SWARM_PX = 0.5, 90.0  # of the specks lie in swarms of this size
_CURL_SHARE, _HAIR_SHARE = 0.6, 0.85  # of these, cumulated


def sample_debris(
    rng: np.random.Generator, habit: Habit, shape: tuple[int, int], magnification: float
) -> tuple[Debris, ...]:
    """Draw what lies on a wafer besides flakes.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws it.
    habit : Habit
        Tells how much tape residue there is.
    shape : (int, int)
        Height and width of the image in pixels.
    magnification : float
        Of the objective.
    """
    scale = magnification / MAGNIFICATION
    field = math.prod(shape) / scale**2 / FIELD_PX
    pieces = [
        _residue(rng, shape, scale) for _ in range(rng.poisson(min(habit.residue * field, 40)))
    ]
    pieces += _specks(rng, habit.specks * field, shape, scale)
    if rng.random() < RARE_SHARE:
        kind = rng.random()
        if kind < _CURL_SHARE:
            pieces.append(_curl(rng, shape, scale))
        elif kind < _HAIR_SHARE:
            pieces.append(_hair(rng, shape, scale))
        else:
            pieces.append(_wafer_edge(rng, shape))
    return tuple(pieces)


def _residue(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Debris:
    """Draw a thin, faint, winding filament."""
    path = _winding(rng, _start(rng, shape), 70 * scale * math.exp(0.6 * rng.normal()), 10, 0.5)
    tint = rng.uniform(0.86, 0.96) + np.array([-0.03, -0.02, 0.05]) * rng.random()
    width = max(1.0, rng.uniform(1.0, 2.5) * math.sqrt(scale))
    return Debris("residue", path, width, tuple(tint.tolist()), 0.3)


def _specks(
    rng: np.random.Generator, mean: float, shape: tuple[int, int], scale: float
) -> list[Debris]:
    """Draw particles too small to be flakes, a group per size, half of them in swarms."""
    total = min(mean * math.exp(_SPECK_SPREAD * rng.standard_normal()), 5000)
    centers = rng.random((4, 2)) * shape[::-1]
    groups = []
    for width, share in zip(_SPECK_WIDTHS_PX, _SPECK_SHARES, strict=True):
        count = int(rng.poisson(total * share))
        points = rng.random((count, 2)) * shape[::-1]
        swarm = int(_SWARM_SHARE * count)
        where = centers[rng.integers(len(centers), size=swarm)]
        points[:swarm] = where + rng.normal(0, _SWARM_PX * scale, (swarm, 2))
        depth = min(_SPECK_DEPTH * math.exp(_SPECK_DEPTH_SPREAD * rng.standard_normal()), 0.95)
        sign = -1 if rng.random() < _BRIGHT_SHARE else 1
        transmission = 1 - sign * depth * rng.uniform(0.7, 1.1, 3)
        if count:
            path = tuple(map(tuple, np.round(points, 2).tolist()))
            tint = tuple(np.clip(transmission, 0.02, 2).tolist())
            groups.append(Debris("specks", path, width * min(math.sqrt(scale), 2), tint))
    return groups


def _curl(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Debris:
    """Draw a short, thick, dark piece that stands up from the wafer."""
    length = 60 * scale * math.exp(0.4 * rng.normal())
    path = _winding(rng, _start(rng, shape), length, 12, 0.2)
    dark = rng.uniform(0.03, 0.2)
    width = length * rng.uniform(0.1, 0.25)
    return Debris(
        "curl", path, width, (dark, dark, dark), max(1.5, 3 * scale * rng.uniform(0.5, 1.5))
    )


def _hair(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> Debris:
    """Draw a long fibre across the image."""
    path = _winding(rng, _start(rng, shape), 1.2 * max(shape), 16, 0.15)
    dark = rng.uniform(0.3, 0.7)
    width = max(2.0, scale * rng.uniform(8, 25))
    return Debris("hair", path, width, (dark, 0.95 * dark, 0.9 * dark), max(1.0, width / 4))


def _wafer_edge(rng: np.random.Generator, shape: tuple[int, int]) -> Debris:
    """Draw the dark ground beyond a straight edge that cuts off a corner or a side."""
    height, width = shape
    reach, angle = 2 * (height + width), rng.uniform(0, 2 * math.pi)
    out = np.array([math.cos(angle), math.sin(angle)])
    along = np.array([-out[1], out[0]])
    half = (abs(out[0]) * width + abs(out[1]) * height) / 2
    foot = np.array([width, height]) / 2 + out * half * rng.uniform(0.5, 0.9)
    corners = [foot - along * reach, foot + along * reach]
    corners += [corners[1] + out * reach, corners[0] + out * reach]
    path = tuple(tuple(c.tolist()) for c in corners)
    return Debris("wafer edge", path, 0.0, (0.05, 0.05, 0.05), float(rng.uniform(1, 4)))


def _start(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[float, float]:
    return float(rng.random() * shape[1]), float(rng.random() * shape[0])


def _winding(
    rng: np.random.Generator, start: tuple[float, float], length: float, steps: int, bend: float
) -> tuple[tuple[float, float], ...]:
    """Draw a path of equal steps whose direction wanders by `bend` radians a step."""
    angles = rng.uniform(0, 2 * math.pi) + bend * np.cumsum(rng.standard_normal(steps))
    steps_xy = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * (length / steps)
    points = np.round(start + np.cumsum(np.concatenate([[(0.0, 0.0)], steps_xy]), axis=0), 2)
    return tuple(map(tuple, points.tolist()))
