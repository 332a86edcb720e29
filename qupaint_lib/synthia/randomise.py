"""Domain randomisation: microscopes and conditions as laboratories have them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from qupaint_lib.colorimetry import CIE_1931, GaussianCamera
from qupaint_lib.microscope import Microscope, palette
from qupaint_lib.synthia.conditions import Conditions
from qupaint_lib.synthia.sensor import CAMERA

OXIDES_NM = (90.0, 180.0, 285.0, 300.0)  # that wafers are sold with
OXIDE_RANGE_NM = (70.0, 300.0)
CAMERA_PIXEL_UM = 7.68  # in the image plane: 0.384 µm at 20×

_PEAKS_NM, _WIDTHS_NM = (605.0, 535.0, 455.0), (80.0, 85.0, 80.0)  # a machine-vision camera
LEAST_CONTRAST = 0.03  # of two layers, in the channel that shows them best
_TRIES = 8
_LEAST_OF_MEAN = 0.1  # of the substrate's channels: less cannot be balanced
_APERTURES = {5.0: 0.15, 10.0: 0.3, 20.0: 0.45, 50.0: 0.8, 100.0: 0.9}
_WAFERS = ("SiO2", "Si3N4", "sapphire", "PDMS")
_WAFER_SHARES = (0.7, 0.9, 0.95, 1.0)  # cumulated
_CHANNEL_BLUR = (1.12, 0.88, 1.0)  # measured on the development micrographs
_BLUR_SIGMA_PX = 0.85


def sample_microscope(
    rng: np.random.Generator, material: str, magnification: float = 20.0
) -> Microscope:
    """Return a random microscope through which two layers of the material can be seen.

    Oxides of 90, 180, 285 and 300 nm are favoured among 70 to 300 nm, silicon nitride takes a
    fifth, sapphire and PDMS a twentieth each. The gain brings the bare substrate to a code between
    a quarter and 0.68 of full scale, tinted by the lamp or balanced to grey on the substrate. A
    substrate whose colour sRGB cannot hold gets a camera instead of the CIE's observer.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws it.
    material : str
        Of the flakes. Draws in which two layers have less than 3 % of contrast in every channel
        are repeated, up to eight times: nobody looks for flakes there.
    magnification : float, optional
        Of the objective; tells its aperture and the pixel size.
    """
    for _ in range(_TRIES):
        microscope = _microscope(rng, magnification)
        colors = _colors(microscope, material)
        if colors[0].min() < _LEAST_OF_MEAN * colors[0].mean():
            microscope = replace(microscope, camera=GaussianCamera(_PEAKS_NM, _WIDTHS_NM))
            colors = _colors(microscope, material)
        if abs(colors[1] / colors[0] - 1).max() >= LEAST_CONTRAST:
            break
    return _exposed(rng, microscope, colors[0])


def sample_conditions(rng: np.random.Generator) -> Conditions:
    """Return random conditions around those measured on the development micrographs."""
    loudness = math.exp(0.25 * rng.standard_normal())
    red, blue = rng.uniform(1.0, 2.2, 2).tolist()
    return replace(
        CAMERA,
        gradient=float(rng.uniform(0.0, 0.04)),
        gradient_direction_deg=float(rng.uniform(-180, 180)),
        vignetting_center_xy=tuple(rng.normal(0.0, 0.15, 2).clip(-1, 1).tolist()),
        defocus_sigma_px=float(rng.uniform(0.3, 1.5)) if rng.random() < 0.2 else 0.0,
        channel_blur=_CHANNEL_BLUR,
        color_shift_px=tuple(rng.normal(0.0, 0.12, 4).tolist()),
        read_noise=CAMERA.read_noise * loudness,
        shot_noise=CAMERA.shot_noise * loudness,
        camera_gain=(red, 1.0, blue),
        mosaic=bool(rng.random() < 0.8),
        jpeg_quality=100 if rng.random() < 0.4 else int(rng.integers(85, 100)),
    )


def _oxide(rng: np.random.Generator) -> float:
    if rng.random() < 0.3:
        return float(rng.uniform(*OXIDE_RANGE_NM))
    nominal = OXIDES_NM[int(rng.integers(len(OXIDES_NM)))]
    return float(np.clip(nominal * rng.normal(1.0, 0.025), *OXIDE_RANGE_NM))


def _camera(rng: np.random.Generator) -> str | GaussianCamera:
    if rng.random() < 0.3:
        return CIE_1931
    peaks = np.array(_PEAKS_NM) + rng.normal(0, 6, 3)
    widths = np.array(_WIDTHS_NM) + rng.normal(0, 6, 3)
    return GaussianCamera(tuple(peaks.tolist()), tuple(widths.tolist()))


def _illuminant(rng: np.random.Generator) -> str | float:
    if rng.random() < 0.2:
        return "D65"
    return float(rng.uniform(2600, 3400) if rng.random() < 0.7 else rng.uniform(4000, 6500))


def _microscope(rng: np.random.Generator, magnification: float) -> Microscope:
    """Draw everything but the gain."""
    wafer = _WAFERS[int(np.searchsorted(_WAFER_SHARES, rng.random(), side="right"))]
    on_silicon = wafer.startswith("Si")
    nearest = min(_APERTURES, key=lambda m: abs(math.log(m / magnification)))
    exponents = (1.0, 1.0, 1.0, "srgb", rng.uniform(1.5, 2.4))
    return Microscope(
        name="synthia",
        camera=_camera(rng),
        illuminant=_illuminant(rng),
        numerical_aperture=float(_APERTURES[nearest] * rng.uniform(0.6, 1.05)),
        oxide_thickness_nm=_oxide(rng) if on_silicon else 0.0,
        oxide=wafer if on_silicon else "SiO2",
        substrate="Si" if on_silicon else wafer,
        transfer_exponent=exponents[int(rng.integers(5))],
        clip_level=float(rng.uniform(0.93, 1.0)),
        vignetting=float(rng.uniform(0.0, 0.3)) if rng.random() < 0.7 else 0.0,
        blur_sigma_px=float(_BLUR_SIGMA_PX * math.exp(0.2 * rng.standard_normal())),
        pixel_size_um=CAMERA_PIXEL_UM / magnification,
    )


def _exposed(rng: np.random.Generator, microscope: Microscope, bare: np.ndarray) -> Microscope:
    """Return the microscope with a gain at which the substrate is neither dark nor white."""
    code = rng.uniform(0.25, 0.68)
    exponent = microscope.transfer_exponent
    light = code ** (2.2 if exponent == "srgb" else exponent)
    balance = bare if rng.random() < 0.3 else np.full(3, bare.mean())
    gain = light / balance * np.exp(rng.normal(0, 0.06, 3))
    return replace(microscope, white_balance_gain=tuple(gain.tolist()))


def _colors(microscope: Microscope, material: str) -> np.ndarray:
    """Return linear RGB of the substrate and of two layers at normal incidence, (2, 3)."""
    return palette(material, np.array([0, 2]), replace(microscope, numerical_aperture=0.0))
