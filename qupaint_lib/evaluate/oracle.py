"""What could be told at best: an oracle that knows every mask and the palette, and only them."""

from __future__ import annotations

import numpy as np

from qupaint_lib.instruct import Facts
from qupaint_lib.instruct.quantities import predict

# Every count up to 60, then 3 % apart: what is thicker than *few* need not be told exactly.
CANDIDATES = tuple(sorted({*range(1, 61), *np.geomspace(61, 1500, 110).astype(int).tolist()}))


def palette_layer(facts: Facts, flake: int) -> int:
    """Return the layer count whose predicted colour is nearest to the one a flake shows.

    Colours are differences of L*, a*, b* to the substrate, measured over the flake's true mask
    (without an image, those of its own contrast), and distances are ΔE of CIE 1976. Whoever knows
    neither the mask nor the microscope cannot do better on average; what a model lacks to it is
    not for the optics to give.

    Parameters
    ----------
    facts : Facts
        Scene and image.
    flake : int
        Number of the flake in the scene.

    Returns
    -------
    int
        One of `CANDIDATES`; where the colour cannot be told, the thickest of them.
    """
    shown = facts.observed.lab_shift[flake]
    if np.isnan(shown).any():
        return CANDIDATES[-1]
    _, shifts = predict(facts.scene.material, facts.scene.microscope, CANDIDATES)
    return CANDIDATES[int(((shifts - shown) ** 2).sum(axis=1).argmin())]
