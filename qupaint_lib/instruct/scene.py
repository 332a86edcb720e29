"""Real images: the same five attributes that a synthetic scene has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qupaint_lib.annotations import Flake
from qupaint_lib.errors import ArgumentError, CalibrationError, UnknownNameError
from qupaint_lib.instruct.quantities import (
    check_image,
    clean_substrate,
    label_map,
    measure,
)
from qupaint_lib.materials import Material, get_material
from qupaint_lib.microscope import Microscope, decode, palette

QUALITIES = ("synthetic", "verified", "weak")


@dataclass(frozen=True)
class AnnotatedImage:
    """A real image's annotations, as a scene.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the image.
    material : str
        Material of the flakes.
    microscope : Microscope
        With the white balance of the image.
    flakes : tuple of Flake
        Their `contrast` is the measured one, a lower bound where they are saturated.
    magnification : float or None
        Of the objective; None where it is not known.
    quality : str
        ``"verified"`` where somebody vouches for the layer counts, ``"weak"`` where a program
        guessed them.
    name : str
        Of the image's file.
    """

    shape: tuple[int, int]
    material: str
    microscope: Microscope
    flakes: tuple[Flake, ...]
    magnification: float | None = None
    quality: str = "weak"
    name: str = ""


def scene_from_flakes(
    image: np.ndarray,
    flakes: Sequence[Flake],
    microscope: Microscope,
    *,
    material: str | Material | None = None,
    magnification: float | None = None,
    quality: str = "weak",
    name: str = "",
) -> AnnotatedImage:
    """Return a real image's annotations as a scene for `make_dialogues` and `verify`.

    The white balance is taken from the image's own substrate (Eq. 16), and the contrast of every
    flake is measured anew.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        Codes.
    flakes : sequence of Flake
        From `finder.find_flakes` or `annotations.from_coco`. Those with neither layer count nor
        class (debris, stains) are left out.
    microscope : Microscope
        What is known of it: oxide, camera, exponent.
    material : str or Material, optional
        By default the one that the flakes name.
    magnification : float, optional
        Of the objective.
    quality : {"verified", "weak"}, optional
        Whether somebody vouches for the layer counts.
    name : str, optional
        Of the image's file; errors name it.

    Raises
    ------
    ArgumentError
        No material, or several; a flake that is no `Flake`, or one without pixels.
    ImageError
        Not a uint8 image (H, W, 3), or of another shape than the flakes.
    CalibrationError
        No substrate between the flakes, or a black one.
    """
    where = f"{name}: " if name else ""
    if quality not in QUALITIES[1:]:
        raise UnknownNameError("quality", quality, QUALITIES[1:])
    if magnification is not None and not 0 < magnification < np.inf:
        raise ArgumentError("magnification", magnification, "a number > 0, or None")
    for number, flake in enumerate(flakes):
        if not isinstance(flake, Flake):
            raise ArgumentError(f"{where}flakes[{number}]", flake, "a Flake")
        if not flake.area_px:
            raise ArgumentError(f"{where}flakes[{number}]", "no pixel", "a mask with some pixels")
    image = check_image(image, flakes)
    flakes = [f for f in flakes if f.layer_class() is not None]
    material = get_material(material or _only_material(flakes, where)).name
    microscope = _balanced(image, flakes, microscope, material, where)
    measured = measure(image, flakes, microscope, lower_bounds=True).contrast
    flakes = tuple(
        replace(flake, contrast=None if np.isnan(c).any() else c, material=material)
        for flake, c in zip(flakes, measured, strict=True)
    )
    shape = tuple(map(int, image.shape[:2]))
    return AnnotatedImage(shape, material, microscope, flakes, magnification, quality, name)


def _only_material(flakes: Sequence[Flake], where: str) -> str:
    named = sorted({f.material for f in flakes if f.material})
    if len(named) != 1:
        allowed = "one material: hand it over where the flakes name none or several"
        raise ArgumentError(f"{where}material", named or None, allowed)
    return named[0]


def _balanced(
    image: np.ndarray, flakes: Sequence[Flake], microscope: Microscope, material: str, where: str
) -> Microscope:
    """Return a microscope whose gain gives the substrate the median colour it has in the image."""
    clean = clean_substrate(label_map(flakes, image.shape[:2]))
    codes = image[::2, ::2][clean[::2, ::2]]
    if len(codes) < 100:
        raise CalibrationError(f"{where}image", f"{len(codes)} pixels", "substrate around flakes")
    light = decode(np.median(codes, axis=0) / 255, microscope)
    if not (light > 0).all():
        raise CalibrationError(f"{where}image", light.tolist(), "a substrate that is not black")
    gain = light / palette(material, (0,), microscope)[0]
    return replace(microscope, white_balance_gain=tuple(map(float, gain)))
