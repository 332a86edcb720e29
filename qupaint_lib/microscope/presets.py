"""Microscopes to start from."""

from __future__ import annotations

from types import MappingProxyType

from qupaint_lib.colorimetry import CIE_1931, GaussianCamera
from qupaint_lib.errors import UnknownNameError
from qupaint_lib.microscope.model import Microscope

# A generic machine-vision colour sensor: with it the measured graphene contrasts of a Sony IMX174
# are met to 0.011 with nothing fitted (chapter 3).
_MACHINE_VISION_CAMERA = GaussianCamera((605.0, 535.0, 455.0), (80.0, 85.0, 80.0))
_HALOGEN_K = 2856.0

_PRESETS = (
    Microscope(name="cie-d65", camera=CIE_1931, illuminant="D65"),
    Microscope(name="cie-a", camera=CIE_1931, illuminant="A"),
    Microscope(
        name="machine-vision",
        camera=_MACHINE_VISION_CAMERA,
        illuminant=_HALOGEN_K,
        numerical_aperture=0.3,
        oxide_thickness_nm=90.0,
        transfer_exponent=1.0,
    ),
    Microscope(
        name="consumer-srgb",
        camera=CIE_1931,
        illuminant="D65",
        transfer_exponent="srgb",
    ),
    # The laboratory of the development micrographs (2DMatGMM, MaskTerial): 20× objective, DFK
    # 33UX174, gamma 1, dark offset 14 of 255 taken off so that white clips at 241, 0.384 µm pixels
    # (field of view 0.738 mm on 1920). Gains and vignetting: the middle third of its flat-field
    # image over the palette's substrate, and its corners, which have 0.75 to 0.87 of the middle.
    Microscope(
        name="maskterial-20x",
        camera=_MACHINE_VISION_CAMERA,
        illuminant=_HALOGEN_K,
        numerical_aperture=0.3,
        oxide_thickness_nm=90.0,
        transfer_exponent=1.0,
        clip_level=241 / 255,
        vignetting=0.19,
        white_balance_gain=(4.30, 3.98, 4.44),
        blur_sigma_px=0.85,
        noise_sigma=(1.74 / 255, 1.39 / 255, 1.56 / 255),
        pixel_size_um=0.384,
    ),
)
PRESETS = MappingProxyType({preset.name: preset for preset in _PRESETS})


def get_preset(name: str) -> Microscope:
    """Return a preset microscope by name.

    Raises
    ------
    UnknownNameError
        No such preset; the nearest names are suggested.
    """
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]
