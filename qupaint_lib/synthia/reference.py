"""A real micrograph, prepared once, as the background of many synthetic ones (Algorithm 1, 1–7)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qupaint_lib.errors import CalibrationError, ImageError
from qupaint_lib.materials import Material
from qupaint_lib.microscope import Background, Microscope, calibrate, find_background, get_preset
from qupaint_lib.microscope.background import check_image
from qupaint_lib.pia import substrate_mask

BLUR_SIGMA_PX = 0.85  # of the development micrographs, where no microscope tells another
_LEAST_SUBSTRATE = 0.02  # of the image that must be clean
_CELL = 8  # px on a side of the cells on which the substrate is followed
_REACH_CELLS = 4.0  # standard deviation of the neighbourhood that tells the substrate of a cell
_FAITH = 0.05  # weight of the quadratic surface, against a neighbourhood full of substrate
_WHITE_FROM, _LEAST_WHITE_PX = 225, 400  # code and pixels from which bulk flakes tell the plateau


@dataclass(frozen=True, eq=False)
class Reference:
    """A real micrograph into which flakes are composed.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
        The micrograph.
    microscope : Microscope
        Calibrated: its gain takes the model's substrate to the image's.
    substrate_mask : (H, W) bool array
        Clean substrate, where flakes may lie.
    background : (H, W, 3) float32 array
        Codes 0 to 255 of the bare substrate without noise, extended under existing material.
    plateau : float
        Code at which the image's bulk flakes are white; the microscope's clip level without them.
    """

    image: np.ndarray
    microscope: Microscope
    substrate_mask: np.ndarray
    background: np.ndarray
    plateau: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[:2]


def prepare_reference(
    image: np.ndarray,
    material: str | Material,
    microscope: Microscope | str | None = None,
) -> Reference:
    """Return a micrograph ready for composition: steps 1 to 7 of Algorithm 1.

    Steps 1–4, the personalised white balance, are `microscope.calibrate`'s, with the median over
    the substrate that it finds first (the paper takes the colour before there is a mask). Steps
    5–7 are `pia.substrate_mask` with the method ``"local"``.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.
    material : str or Material
        Of the flakes to come.
    microscope : Microscope or str, optional
        What is known beforehand, or a preset's name: stack, camera, exponent, blur. By default
        ``"machine-vision"`` with the blur of the development micrographs.

    Raises
    ------
    ImageError
        Not an image of codes in [0, 1], one with NaN, or one whose substrate is nowhere clean.
    CalibrationError
        No even surface, or one that is black or saturated.
    """
    if microscope is None:
        microscope = replace(get_preset("machine-vision"), blur_sigma_px=BLUR_SIGMA_PX)
    elif not isinstance(microscope, Microscope):
        microscope = get_preset(microscope)
    image = check_image(image)
    codes = np.rint(image * np.float32(255)).astype(np.uint8)
    found = find_background(image)
    calibration = calibrate(image, material, microscope=microscope, background=found)
    exponent = calibration.microscope.transfer_exponent
    clean = substrate_mask(image, "local", background=found, transfer_exponent=exponent)
    if clean.mean() < _LEAST_SUBSTRATE:
        allowed = f"an image with at least {_LEAST_SUBSTRATE:.0%} of clean substrate"
        raise CalibrationError("image", f"{clean.mean():.1%} of clean substrate", allowed)
    surface = _follow(codes, clean, found)
    if surface.min() <= 0:
        raise ImageError("image", "a background of no light", "a substrate that reflects")
    plateau = _plateau(codes, 255 * microscope.clip_level)
    fitted = replace(calibration.microscope, vignetting=_vignetting(surface))
    return Reference(codes, fitted, clean, surface, plateau)


def _vignetting(surface: np.ndarray) -> float:
    """Return the share of the light that the image loses in its corners, on average; 0 to 1."""
    rows, columns = np.array(surface.shape[:2]) // 8
    middle = surface[3 * rows : 5 * rows, 3 * columns : 5 * columns].mean()
    corners = [
        surface[y, x].mean()
        for y in (np.s_[:rows], np.s_[-rows:])
        for x in (np.s_[:columns], np.s_[-columns:])
    ]
    return float(np.clip(1 - np.mean(corners) / middle, 0, 1))


def _follow(codes: np.ndarray, clean: np.ndarray, found: Background) -> np.ndarray:
    """Return the substrate's codes: the quadratic surface, corrected by the clean cells around."""
    import cv2

    height, width = clean.shape
    size = (-(-width // _CELL), -(-height // _CELL))
    surface = (found.codes * 255).astype(np.float32)
    weight = clean.astype(np.float32)
    rest = (codes - surface) * weight[..., None]

    def around(plane: np.ndarray) -> np.ndarray:
        cells = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(cells, (0, 0), _REACH_CELLS)

    correction = around(rest) / (around(weight) + np.float32(_FAITH))[..., None]
    return surface + cv2.resize(correction, (width, height), interpolation=cv2.INTER_LINEAR)


def _plateau(codes: np.ndarray, clip_code: float) -> float:
    """Return the code at which bulk flakes are white, `clip_code` where there are none."""
    darkest = codes.min(axis=-1)
    white = darkest[darkest >= _WHITE_FROM]
    return min(float(np.median(white)), clip_code) if len(white) >= _LEAST_WHITE_PX else clip_code
