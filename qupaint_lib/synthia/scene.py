"""A scene as plain data: what lies on the wafer, and how its image is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from qupaint_lib._arrays import check_finite
from qupaint_lib.annotations import Flake
from qupaint_lib.colorimetry import GaussianCamera
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.microscope import Microscope, palette
from qupaint_lib.synthia.conditions import Conditions
from qupaint_lib.synthia.raster import CrystalRaster, rasterise

VIEWS = ("general", "focused")
DEBRIS_KINDS = ("residue", "curl", "hair", "wafer edge", "specks")
MAX_TERRACES = 255  # in a crystal: what a byte can number

Points = tuple[tuple[float, float], ...]  # (x, y) in pixels from the image's upper left corner


@dataclass(frozen=True)
class Terrace:
    """A region of constant layer count, before later terraces of its crystal cover part of it.

    Attributes
    ----------
    polygon : tuple of (float, float)
        Vertices (x, y) in pixels from the upper left corner of the image; closed by itself, and
        free to reach out of the image.
    layer_count : int
        At least 1.
    """

    polygon: Points
    layer_count: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "polygon", _points("polygon", self.polygon, 3))
        if not (isinstance(self.layer_count, int | np.integer) and self.layer_count >= 1):
            raise ArgumentError("layer_count", self.layer_count, "an integer of at least 1")
        object.__setattr__(self, "layer_count", int(self.layer_count))


@dataclass(frozen=True)
class Crystal:
    """Connected terraces, drawn in order: later ones replace what lies under them."""

    terraces: tuple[Terrace, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "terraces", tuple(self.terraces))
        if not 1 <= len(self.terraces) <= MAX_TERRACES:
            raise ArgumentError("terraces", len(self.terraces), f"1 to {MAX_TERRACES} terraces")

    def moved(self, dx: float, dy: float) -> Crystal:
        """Return the crystal, shifted by (dx, dy) pixels."""
        return Crystal(
            tuple(
                replace(t, polygon=tuple((x + dx, y + dy) for x, y in t.polygon))
                for t in self.terraces
            )
        )


@dataclass(frozen=True)
class Debris:
    """What is no flake: tape residue, curled debris, a hair, the wafer's edge, specks.

    Attributes
    ----------
    kind : str
        ``"residue"``, ``"curl"``, ``"hair"``, ``"wafer edge"`` or ``"specks"``.
    path : tuple of (float, float)
        Polyline, polygon for the wafer's edge, or middles of specks, in pixels (x, y).
    width_px : float
        Of the polyline, or of a speck.
    transmission : (float, float, float)
        Multiplies the light, R, G, B.
    blur_px : float
        Standard deviation of its own blur: what stands up from the wafer is out of focus.
    """

    kind: str
    path: Points
    width_px: float
    transmission: tuple[float, float, float]
    blur_px: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in DEBRIS_KINDS:
            raise UnknownNameError("kind", self.kind, DEBRIS_KINDS)
        least = {"wafer edge": 3, "specks": 1}.get(self.kind, 2)
        object.__setattr__(self, "path", _points("path", self.path, least))
        object.__setattr__(self, "transmission", tuple(float(t) for t in self.transmission))
        if len(self.transmission) != 3 or not all(t >= 0 for t in self.transmission):
            raise ArgumentError("transmission", self.transmission, "three factors ≥ 0")
        for name in ("width_px", "blur_px"):
            check_finite(name, getattr(self, name), minimum=0.0)


@dataclass(frozen=True)
class Scene:
    """Everything that an image is rendered from.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the image in pixels.
    material : str
        The flakes' material.
    microscope : Microscope
        Stack, lamp, camera, gain, blur, pixel size: drawn per scene.
    crystals : tuple of Crystal
        The flakes; no crystal may overlap another.
    debris : tuple of Debris
        Everything else.
    magnification : float
        Of the objective.
    view : str
        ``"general"`` or ``"focused"``, the two views of the paper.
    conditions : Conditions
        How the image is taken: gradient, noise, focus, JPEG. Ideal by default.
    seed : int
        Of all that is drawn while rendering, so that a scene has one image.
    """

    shape: tuple[int, int]
    material: str
    microscope: Microscope
    crystals: tuple[Crystal, ...] = ()
    debris: tuple[Debris, ...] = ()
    magnification: float = 20.0
    view: str = "general"
    conditions: Conditions = field(default_factory=Conditions)
    seed: int = 0

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 2 or min(shape) < 1:
            raise ArgumentError("shape", self.shape, "a height and a width of at least 1 pixel")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "crystals", tuple(self.crystals))
        object.__setattr__(self, "debris", tuple(self.debris))
        if self.view not in VIEWS:
            raise UnknownNameError("view", self.view, VIEWS)
        if not 0 < self.magnification < np.inf:
            raise ArgumentError("magnification", self.magnification, "a number > 0")

    @cached_property
    def rasters(self) -> tuple[CrystalRaster | None, ...]:
        """Pixels of every crystal; None for one that lies outside the image."""
        return tuple(
            rasterise([t.polygon for t in crystal.terraces], self.shape)
            for crystal in self.crystals
        )

    @cached_property
    def palette(self) -> dict[int, tuple[float, float, float]]:
        """Linear RGB, before the gain, of the substrate (0) and every layer count in the scene."""
        counts = sorted({0} | {t.layer_count for c in self.crystals for t in c.terraces})
        colors = palette(self.material, np.array(counts), self.microscope)
        return {n: tuple(map(float, color)) for n, color in zip(counts, colors, strict=True)}

    @cached_property
    def flakes(self) -> tuple[Flake, ...]:
        """Exact annotations: one `Flake` per connected region of constant layer count.

        Masks are disjoint and cover every pixel that a crystal covers for the most part.
        `contrast` is that of the layer count, `parent_id` the crystal's number, and regions that
        the image cuts off are flagged ``"touches border"``.
        """
        substrate = np.array(self.palette[0])
        contrasts = {n: tuple(np.array(c) / substrate - 1) for n, c in self.palette.items()}
        found = []
        for number, (crystal, raster) in enumerate(zip(self.crystals, self.rasters, strict=True)):
            for terrace, corner_xy, mask in raster.regions if raster else ():
                count = crystal.terraces[terrace].layer_count
                flake = Flake.from_mask(
                    mask,
                    corner_xy=corner_xy,
                    shape=self.shape,
                    layer_count=count,
                    contrast=contrasts[count],
                    parent_id=number,
                    material=self.material,
                    pixel_size_um=self.microscope.pixel_size_um,
                    flags=("touches border",) if self._at_border(corner_xy, mask.shape) else (),
                )
                found.append(flake)
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the scene as what JSON can hold; `from_dict` reads it back, equal."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "shape": list(self.shape),
            "microscope": asdict(self.microscope),
            "conditions": asdict(self.conditions),
            "crystals": [
                [[t.layer_count, [list(p) for p in t.polygon]] for t in crystal.terraces]
                for crystal in self.crystals
            ],
            "debris": [dict(vars(debris)) for debris in self.debris],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scene:
        """Return the scene that `to_dict` wrote.

        Raises
        ------
        ArgumentError
            Something is missing, superfluous or not allowed.
        """
        try:
            microscope = dict(data["microscope"])
            if isinstance(microscope["camera"], Mapping):
                microscope["camera"] = GaussianCamera(**microscope["camera"])
            return cls(
                **{name: data[name] for name in _PLAIN},
                shape=data["shape"],
                microscope=Microscope(**microscope),
                conditions=Conditions(**data["conditions"]),
                crystals=[
                    Crystal(tuple(Terrace(polygon, count) for count, polygon in terraces))
                    for terraces in data["crystals"]
                ],
                debris=[Debris(**debris) for debris in data["debris"]],
            )
        except (KeyError, TypeError) as error:
            allowed = "the dictionary of a scene, as Scene.to_dict writes it"
            raise ArgumentError("data", repr(error), allowed) from None

    def _at_border(self, corner_xy: tuple[int, int], size: tuple[int, int]) -> bool:
        (left, top), (height, width) = corner_xy, size
        inside = left > 0 and top > 0
        return not (inside and left + width < self.shape[1] and top + height < self.shape[0])


_PLAIN = ("material", "magnification", "view", "seed")


def _points(argument: str, points: object, least: int) -> Points:
    """Return points as plain numbers after checking that they are finite pairs, and enough."""
    try:
        plain = tuple((float(x), float(y)) for x, y in points)
    except (TypeError, ValueError):
        raise ArgumentError(argument, points, "points (x, y) in pixels") from None
    if len(plain) < least or not math.isfinite(sum(map(sum, plain))):
        raise ArgumentError(argument, points, f"at least {least} finite points (x, y)")
    return plain
