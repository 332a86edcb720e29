"""A rendered wafer that the bench's tests share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rendered import LAYERS, SCOPE, TRUE_OXIDE_NM, center

from qupaint_lib.microscope import get_preset, render_layers
from qupaint_lib.widgets import Session
from qupaint_lib.widgets.pictures import encode_png


@pytest.fixture(scope="session")
def wafer():
    """Codes of six discs of known layers on 86 nm of oxide, and their map of layers."""
    rows, columns = np.mgrid[:320, :480]
    layers = np.zeros((320, 480), dtype=int)
    for i, count in enumerate(LAYERS):
        x, y = center(i)
        layers[(rows - y) ** 2 + (columns - x) ** 2 < 45**2] = count
    lab = get_preset("maskterial-20x")
    taken = replace(lab, oxide_thickness_nm=TRUE_OXIDE_NM, vignetting=0.0, clip_level=1.0)
    codes = render_layers(layers, "graphene", taken, np.random.default_rng(1))
    return np.round(codes * 255).astype(np.uint8), layers


@pytest.fixture
def session(wafer):
    opened = Session(SCOPE)
    opened.open_image("wafer.png", encode_png(wafer[0]))
    return opened
