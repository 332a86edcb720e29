"""The comparator of Fig. 3b and Table 1: physics-based colours as MaskTerial's generator has them.

What the paper finds missing there is missing here: no personalised white balance, for colours come
from one ideal observer whatever the camera, and no awareness of the substrate, for flakes lie where
they were drawn, on existing material too. Exposure alone is matched, so that a difference in
colour is one of balance and not of brightness. Edges are sharp, as Eq. 23 pastes them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qupaint_lib.colorimetry import CIE_1931
from qupaint_lib.microscope import Microscope, palette
from qupaint_lib.synthia.reference import Reference
from qupaint_lib.synthia.render import Rendered, checked_reference, layer_map
from qupaint_lib.synthia.scene import Scene
from qupaint_lib.synthia.sensor import expose, to_codes

OBSERVER, ILLUMINANT = CIE_1931, "D65"


def render_like_maskterial(
    scene: Scene, reference: Reference | np.ndarray | None = None
) -> Rendered:
    """Return the image of a scene without white balance and without a look at the substrate.

    Parameters
    ----------
    scene : Scene
        Its crystals, material and noise; debris and light are left out.
    reference : Reference or (H, W, 3) array, optional
        A real micrograph of the scene's shape to paste into. Crystals are not moved.

    Returns
    -------
    Rendered
        The annotations are the scene's, also where flakes lie on existing material.

    Raises
    ------
    ArgumentError
        A reference of another shape than the scene.
    """
    if reference is not None:
        reference = checked_reference(scene, reference)
    calibrated = scene.microscope if reference is None else reference.microscope
    scene = replace(scene, microscope=uncalibrated(calibrated, scene.material))
    counts = sorted(scene.palette)
    index = layer_map(scene, counts)
    table = np.array([scene.palette[n] for n in counts], dtype=np.float32)
    light = np.moveaxis(table[index], -1, 0) * np.float32(scene.microscope.white_balance_gain[0])
    codes = to_codes(light, scene.microscope)
    image = expose(codes, scene.conditions, scene.microscope.clip_level, scene.seed)
    if reference is not None:
        image = np.where((index > 0)[..., None], image, reference.image)
    return Rendered(image, scene.flakes)


def uncalibrated(microscope: Microscope, material: str) -> Microscope:
    """Return a microscope with an ideal observer, one gain for all channels, and equal exposure.

    The gain gives the bare substrate the mean light that it has through `microscope`.
    """
    ideal = replace(microscope, camera=OBSERVER, illuminant=ILLUMINANT)
    light = palette(material, [0], microscope)[0] * np.array(microscope.white_balance_gain)
    gain = float(light.mean() / palette(material, [0], ideal)[0].mean())
    return replace(ideal, white_balance_gain=(gain, gain, gain))
