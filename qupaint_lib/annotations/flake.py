"""A flake: where it is, how many layers it has, and how to drive to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from qupaint_lib.annotations import rle as rle_
from qupaint_lib.annotations.rle import Rle
from qupaint_lib.errors import ArgumentError, UnknownNameError

LAYER_CLASSES = ("Mono", "Few", "Thick")
FEW_MAX = 4  # few-layer is 2–4 layers, as in the authors' release; the paper's text says 2–5
_IDENTITY = ((1.0, 0.0), (0.0, 1.0))


def layer_class(layer_count: int | None, *, few_max: int = FEW_MAX) -> str | None:
    """Return the class of a layer count: ``"Mono"``, ``"Few"`` or ``"Thick"``; None for None.

    Parameters
    ----------
    layer_count : int or None
        At least 1.
    few_max : int, optional
        The most layers that are still *few*: 4 in the authors' release, 5 in the paper's text.
    """
    if not (_is_integer(few_max) and few_max >= 1):
        raise ArgumentError("few_max", few_max, "an integer of at least 1")
    if layer_count is None:
        return None
    _check_layers("layer_count", layer_count)
    return "Mono" if layer_count == 1 else "Few" if layer_count <= few_max else "Thick"


@dataclass(frozen=True)
class Flake:
    """One connected region of constant layer count.

    Attributes
    ----------
    rle : Rle
        The mask; `mask` decodes it.
    layer_count : int or None
        None when unknown, or too thick to tell.
    probabilities : mapping of int to float
        Probability of each layer count; they add up to at most 1.
    contrast : (float, float, float) or None
        Light of the flake over that of the substrate, minus 1, for R, G and B.
    flags : tuple of str
        What to know about it, such as ``"touches border"`` or ``"clipped"``.
    score : float
        Probability, 0 to 1, that this is a flake.
    parent_id : int or None
        Shared by the terraces of one crystal.
    material : str or None
        Name of its material.
    category : str or None
        ``"Few"`` or ``"Thick"`` where no more is known; dropped where the layer count is, and
        ``"Mono"`` becomes a layer count of 1.
    pixel_size_um : float or None
        Side of a pixel in the plane of the sample.
    stage_origin_um : (float, float) or None
        Stage coordinates at which the upper left corner of the stitch is in view.
    stitch_origin_px : (float, float)
        Upper left corner of this image in the stitch, x and y.
    stage_axes : ((float, float), (float, float))
        Stage movement per µm to the right and down in the image: row 0 is the stage's x, row 1
        its y. A stage whose y points up has ``((1, 0), (0, -1))``.

    Raises
    ------
    ArgumentError
        Names the attribute, its value and what is allowed.
    """

    rle: Rle
    layer_count: int | None = None
    probabilities: Mapping[int, float] = field(default_factory=dict)
    contrast: tuple[float, float, float] | None = None
    flags: tuple[str, ...] = ()
    score: float = 1.0
    parent_id: int | None = None
    material: str | None = None
    category: str | None = None
    pixel_size_um: float | None = None
    stage_origin_um: tuple[float, float] | None = None
    stitch_origin_px: tuple[float, float] = (0.0, 0.0)
    stage_axes: tuple[tuple[float, float], tuple[float, float]] = _IDENTITY

    def __post_init__(self) -> None:
        if not isinstance(self.rle, Rle):
            raise ArgumentError("rle", self.rle, "an Rle; Flake.from_mask takes a mask")
        if self.category is not None and self.category not in LAYER_CLASSES:
            raise UnknownNameError("category", self.category, LAYER_CLASSES)
        self._normalise()
        if self.layer_count is not None:
            _check_layers("layer_count", self.layer_count)
        for layers in self.probabilities:
            _check_layers("probabilities", layers)
        values = self.probabilities.values()
        if not all(0 <= p <= 1 for p in values) or sum(values) > 1 + 1e-6:
            allowed = "probabilities in [0, 1] that add up to at most 1"
            raise ArgumentError("probabilities", self.probabilities, allowed)
        if not 0 <= self.score <= 1:
            raise ArgumentError("score", self.score, "a probability in [0, 1]")
        if self.pixel_size_um is not None and not 0 < self.pixel_size_um < np.inf:
            raise ArgumentError("pixel_size_um", self.pixel_size_um, "a length > 0 in µm")

    def _normalise(self) -> None:
        """Make plain Python numbers of what was given, so that a flake compares and serialises."""
        layer_count = _int(self.layer_count)
        if layer_count is None and self.category == "Mono":
            layer_count = 1
        plain = {
            "layer_count": layer_count,
            "category": self.category if layer_count is None else None,
            "probabilities": {_int(n): float(p) for n, p in dict(self.probabilities).items()},
            "flags": (self.flags,) if isinstance(self.flags, str) else tuple(map(str, self.flags)),
            "score": float(self.score),
            "parent_id": None if self.parent_id is None else int(self.parent_id),
            "pixel_size_um": None if self.pixel_size_um is None else float(self.pixel_size_um),
            "stitch_origin_px": _floats("stitch_origin_px", self.stitch_origin_px, 2),
            "stage_axes": tuple(_floats("stage_axes", row, 2) for row in self.stage_axes),
        }
        for name, length in (("contrast", 3), ("stage_origin_um", 2)):
            value = getattr(self, name)
            plain[name] = None if value is None else _floats(name, value, length)
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_mask(
        cls,
        mask: np.ndarray,
        *,
        corner_xy: tuple[int, int] = (0, 0),
        shape: tuple[int, int] | None = None,
        **attributes: object,
    ) -> Flake:
        """Return a flake of a mask.

        Parameters
        ----------
        mask : (h, w) bool array
            The mask in the whole image, or the part of the image that holds the flake.
        corner_xy : (int, int), optional
            Column and row of the image at which `mask` begins.
        shape : (int, int), optional
            Height and width of the image where `mask` is a part of it.
        **attributes
            The other attributes of a flake.

        Raises
        ------
        ArgumentError
            Not a bool mask, none of it set, or reaching out of the image.
        """
        mask = rle_.check_mask("mask", mask)
        if not mask.any():
            raise ArgumentError("mask", "no pixel", "a mask that holds the flake")
        return cls(rle_.encode(mask, corner_xy=corner_xy, size=shape), **attributes)

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool array, decoded at every access."""
        return rle_.decode(self.rle)

    @property
    def cutout(self) -> np.ndarray:
        """(h, w) bool array, the mask inside `bbox_xywh`."""
        return rle_.cutout(self.rle, self.bbox_xywh)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.rle.size

    @cached_property
    def bbox_xywh(self) -> tuple[int, int, int, int]:
        """Left, top, width and height in pixels."""
        return rle_.bounding_box(self.rle)

    @cached_property
    def area_px(self) -> int:
        """Number of pixels."""
        return rle_.area(self.rle)

    @property
    def area_um2(self) -> float | None:
        """Area in µm²; None where the pixel size is unknown."""
        return None if self.pixel_size_um is None else self.area_px * self.pixel_size_um**2

    @cached_property
    def center_xy(self) -> tuple[float, float]:
        """Centre of mass in the image, in pixels from its upper left corner."""
        y, x = np.nonzero(self.cutout)
        left, top = self.bbox_xywh[:2]
        return float(x.mean() + left + 0.5), float(y.mean() + top + 0.5)

    @property
    def stage_xy_um(self) -> tuple[float, float] | None:
        """Stage coordinates of `center_xy`; None without pixel size or stage origin."""
        if self.pixel_size_um is None or self.stage_origin_um is None:
            return None
        return tuple(map(float, self.to_stage_um(self.center_xy)))

    def to_stage_um(self, xy: np.ndarray) -> np.ndarray:
        """Return stage coordinates (…, 2) of positions (…, 2) in the image, in pixels.

        Raises
        ------
        ArgumentError
            The pixel size or the stage origin is unknown.
        """
        for name in ("pixel_size_um", "stage_origin_um"):
            if getattr(self, name) is None:
                raise ArgumentError(name, None, "a value, without which there is no stage position")
        in_stitch_um = (np.asarray(xy) + self.stitch_origin_px) * self.pixel_size_um
        return np.array(self.stage_origin_um) + in_stitch_um @ np.array(self.stage_axes).T

    def layer_class(self, *, few_max: int = FEW_MAX) -> str | None:
        """Return ``"Mono"``, ``"Few"`` or ``"Thick"``; None when unknown.

        From the layer count where there is one, else `category`.
        """
        return layer_class(self.layer_count, few_max=few_max) or self.category


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _int(value: object) -> object:
    """Return a Python int of any whole number, and anything else as it is."""
    return int(value) if _is_integer(value) else value


def _check_layers(argument: str, value: object) -> None:
    if not (_is_integer(value) and value >= 1):
        raise ArgumentError(argument, value, "layer counts are integers of at least 1")


def _floats(argument: str, value: object, length: int) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in value)
    if len(numbers) != length or not all(map(math.isfinite, numbers)):
        raise ArgumentError(argument, value, f"{length} finite numbers")
    return numbers
