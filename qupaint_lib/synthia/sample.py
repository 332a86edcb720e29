"""Whole scenes: a material, a microscope, crystals that do not touch, and what else lies there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.materials import get_material
from qupaint_lib.microscope import Microscope
from qupaint_lib.synthia.clutter import sample_debris
from qupaint_lib.synthia.conditions import Conditions
from qupaint_lib.synthia.habits import HABITS, MAGNIFICATION, get_habit
from qupaint_lib.synthia.randomise import CAMERA_PIXEL_UM, sample_conditions, sample_microscope
from qupaint_lib.synthia.scene import VIEWS, Scene
from qupaint_lib.synthia.wafer import Wafer

if TYPE_CHECKING:
    from qupaint_lib.synthia.reference import Reference

STATISTICS = ("balanced", "measured")
BALANCED_COUNT, BALANCED_FIELD_PX = 18.0, 448 * 448  # crystals, and the pixels they lie on
BALANCED_THIN_SHARE = 0.75
MAX_COUNT, SMALLEST_SIDE = 5000, 32
MAGNIFICATIONS = {"general": (5.0, 10.0, 20.0), "focused": (20.0, 50.0, 100.0)}


def sample_scene(
    rng: np.random.Generator,
    *,
    material: str | None = None,
    shape: tuple[int, int] | None = None,
    view: str = "general",
    reference: Reference | None = None,
    microscope: Microscope | None = None,
    magnification: float | None = None,
    conditions: Conditions | None = None,
    flake_count: int | None = None,
    statistics: str = "balanced",
    debris: bool = True,
) -> Scene:
    """Return a random scene.

    Parameters
    ----------
    rng : numpy.random.Generator
        Everything is drawn from it; the same state gives an equal scene.
    material : str, optional
        One of the eight; drawn by default.
    shape : (int, int), optional
        Height and width of the image in pixels, at least 32. By default those of the reference,
        or 448 × 448.
    view : {"general", "focused"}, optional
        The paper's two views: many crystals, or one single-layer region in the middle and a few
        fragments.
    reference : Reference, optional
        Crystals are laid on its clean substrate and its microscope is taken; its image has its
        own conditions and debris.
    microscope : Microscope, optional
        Drawn by `sample_microscope` by default.
    magnification : float, optional
        Of the objective, 1 to 200: tells the scale of the crystals. By default that of the
        microscope's pixel size where one is given, else drawn: 5, 10 or 20, and 20, 50 or 100 for
        the focused view.
    conditions : Conditions, optional
        Drawn by `sample_conditions` by default; ideal on a reference.
    flake_count : int, optional
        Number of crystals, as far as there is room for them; drawn by default.
    statistics : {"balanced", "measured"}, optional
        ``"balanced"``: every material alike, about 25 regions of constant layer count on
        448 × 448 pixels and in proportion on larger images; Mono, Few and Thick all often.
        ``"measured"``: as many crystals, and as few thin ones, as on real wafers of the material.
    debris : bool, optional
        Draw tape residue, curled debris, hairs and wafer edges as well; never on a reference.

    Returns
    -------
    Scene

    Raises
    ------
    ArgumentError
        An argument that is not allowed.
    """
    if shape is None:
        shape = (448, 448) if reference is None else reference.shape
    _check(shape, view, statistics, flake_count, magnification)
    if material is None:
        material = list(HABITS)[int(rng.integers(len(HABITS)))]
    habit, material = get_habit(material), get_material(material).name
    if reference is not None and microscope is None:
        microscope = reference.microscope
    if magnification is None:
        magnification = _magnification(rng, view, microscope)
    if microscope is None:
        microscope = sample_microscope(rng, material, magnification)
    if conditions is None:
        conditions = sample_conditions(rng) if reference is None else Conditions.ideal()
    measured = statistics == "measured"
    wafer = Wafer(
        habit,
        get_material(material).layer_thickness_nm,
        tuple(shape),
        magnification / MAGNIFICATION,
        habit.thin_share if measured else BALANCED_THIN_SHARE,
    )
    if flake_count is None:
        flake_count = _count(rng, wafer, view, measured)
    crystals = wafer.crystals(
        rng,
        flake_count,
        substrate=None if reference is None else reference.substrate_mask,
        focused=view == "focused",
    )
    pieces = ()
    if debris and reference is None:
        pieces = sample_debris(rng, habit, shape, magnification)
    seed = int(rng.integers(2**53))
    return Scene(
        shape, material, microscope, crystals, pieces, magnification, view, conditions, seed
    )


def _count(rng: np.random.Generator, wafer: Wafer, view: str, measured: bool) -> int:
    """Draw the number of crystals."""
    if view == "focused":
        return 1 + int(rng.poisson(3.0))
    if measured:
        return min(wafer.measured_count(rng), MAX_COUNT)
    share = math.prod(wafer.shape) / BALANCED_FIELD_PX
    count = BALANCED_COUNT * share * math.exp(0.3 * rng.standard_normal())
    return int(min(max(round(count), 1), MAX_COUNT))


def _magnification(rng: np.random.Generator, view: str, microscope: Microscope | None) -> float:
    """Return the magnification of a microscope's pixel size, or draw one."""
    if microscope is not None and microscope.pixel_size_um is not None:
        return float(np.clip(CAMERA_PIXEL_UM / microscope.pixel_size_um, 1, 200))
    if microscope is not None:
        return MAGNIFICATION
    known = MAGNIFICATIONS[view]
    return known[int(rng.integers(len(known)))]


def _check(
    shape: tuple[int, int],
    view: str,
    statistics: str,
    flake_count: int | None,
    magnification: float | None,
) -> None:
    """Refuse what no scene can have."""
    if len(shape) != 2 or not all(n >= SMALLEST_SIDE and n == int(n) for n in shape):
        allowed = f"a height and a width of at least {SMALLEST_SIDE} pixels"
        raise ArgumentError("shape", shape, allowed)
    if view not in VIEWS:
        raise UnknownNameError("view", view, VIEWS)
    if statistics not in STATISTICS:
        raise UnknownNameError("statistics", statistics, STATISTICS)
    if flake_count is not None and not (0 <= flake_count <= MAX_COUNT):
        raise ArgumentError("flake_count", flake_count, f"0 to {MAX_COUNT}")
    if magnification is not None and not 1 <= magnification <= 200:
        raise ArgumentError("magnification", magnification, "1 to 200")
