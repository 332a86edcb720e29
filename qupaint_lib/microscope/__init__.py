"""A microscope as data: what colour n layers have in its images, and its calibration from one.

``model`` holds the `Microscope` and its palette, ``presets`` some microscopes, ``background`` finds
the bare substrate in an image, ``calibration`` and ``fit`` fit a microscope to an image,
``storage`` keeps one as JSON.

Conventions: lengths in nm; colours are linear in light unless they are called codes; codes are what
an image file holds, divided by full scale.
"""

from qupaint_lib.microscope.background import Background, find_background
from qupaint_lib.microscope.calibration import Calibration, calibrate, measure_contrast
from qupaint_lib.microscope.fit import FlatField
from qupaint_lib.microscope.model import (
    Microscope,
    decode,
    encode,
    layer_contrast,
    layer_reflectance,
    palette,
    render_layers,
)
from qupaint_lib.microscope.presets import PRESETS, get_preset
from qupaint_lib.microscope.storage import load_microscope, save_microscope

__all__ = [
    "PRESETS",
    "Background",
    "Calibration",
    "FlatField",
    "Microscope",
    "calibrate",
    "decode",
    "encode",
    "find_background",
    "get_preset",
    "layer_contrast",
    "layer_reflectance",
    "load_microscope",
    "measure_contrast",
    "palette",
    "render_layers",
    "save_microscope",
]
