"""What could be told at best: an oracle that knows every mask and the palette, and only them."""

from __future__ import annotations

import numpy as np

from qupaint_lib.instruct import Facts
from qupaint_lib.instruct.facts import MODEL_ERROR
from qupaint_lib.instruct.quantities import predict

# Every count up to 60, then 3 % apart: what is thicker than *few* need not be told exactly.
CANDIDATES = tuple(sorted({*range(1, 61), *np.geomspace(61, 1500, 110).astype(int).tolist()}))


def palette_layer(facts: Facts, flake: int) -> int:
    """Return the layer count whose predicted contrast is nearest to the one a flake shows.

    The contrast is measured over the flake's true mask (without an image, it is the flake's own),
    and distances are in units of the optical model's error, as `Facts.misfit` has them. Where a
    channel is saturated, colours are compared: differences of L*, a*, b* to the substrate. Who
    knows neither the mask nor the microscope can hardly do better; what a model lacks to this
    ceiling is not for the optics to give.

    Parameters
    ----------
    facts : Facts
        Scene and image.
    flake : int
        Number of the flake in the scene.

    Returns
    -------
    int
        One of `CANDIDATES`; where nothing can be measured, the thickest of them.
    """
    contrasts, shifts = predict(facts.scene.material, facts.scene.microscope, CANDIDATES)
    shown, unit = facts.observed.contrast[flake], MODEL_ERROR[0] + MODEL_ERROR[1] * abs(contrasts)
    distance = (((contrasts - shown) / unit) ** 2).sum(axis=1)
    if np.isnan(shown).any():
        distance = ((shifts - facts.observed.lab_shift[flake]) ** 2).sum(axis=1)
    if np.isnan(distance).any():
        return CANDIDATES[-1]
    return CANDIDATES[int(distance.argmin())]
