"""The wafer that the bench's tests are about."""

from __future__ import annotations

from dataclasses import replace

from qupaint_lib.microscope import get_preset

SCOPE = replace(get_preset("machine-vision"), pixel_size_um=0.5)
TRUE_OXIDE_NM = 86.0
LAYERS = (1, 2, 3, 1, 4, 2)


def center(i):
    """Return x, y of the centre of a disc."""
    return 80.0 + 160 * (i % 3), 80.0 + 160 * (i // 3)
