"""Speed of the attention maps against scikit-image, in the same run, with one thread each.

The paper's map is measured on an image of 448 × 448 pixels, so without the resize; its peer takes
the same steps with `numpy.median` and scikit-image's `rgb2lab`. The local map is measured against a
single `rgb2lab` of the whole image.
"""

import numpy as np
import pytest
from ratios import Case, ratio
from skimage.color import rgb2lab

from qupaint_lib.microscope import PRESETS, render_layers
from qupaint_lib.pia import attention_map

RNG = np.random.default_rng(0)


def scene(shape):
    """Return a rendered image: a third of it flakes of one to four layers."""
    layers = np.zeros(shape, dtype=int)
    for n in range(1, 5):
        layers[shape[0] * n // 6 : shape[0] * (n + 1) // 6 - 5, shape[1] // 4 : -5] = n
    image = render_layers(layers, "graphene", PRESETS["maskterial-20x"], RNG)
    return image.astype(np.float32)


SMALL, LARGE = scene((448, 448)), scene((1200, 1920))


def our_paper_map():
    return attention_map(SMALL)


def our_local_map():
    return attention_map(LARGE, "local")


def scikit_image_paper_map():
    patches = SMALL.reshape(32, 14, 32, 14, 3).swapaxes(1, 2).reshape(1024, 196, 3)
    background = rgb2lab(np.median(SMALL.reshape(-1, 3), axis=0))
    difference = rgb2lab(np.median(patches, axis=1)) - background
    scores = np.sqrt((difference**2).sum(axis=-1)).reshape(32, 32)
    scores = (scores - scores.min()) / (scores.max() - scores.min())
    return scores.repeat(14, axis=0).repeat(14, axis=1)


def scikit_image_lab():
    return rgb2lab(LARGE)


CASES = [
    Case("PIA, the paper's map of 448 × 448", our_paper_map, "scikit-image, the same steps",
         scikit_image_paper_map, 4, 15, rounds=15),
    Case("PIA, local map of 1920 × 1200", our_local_map, "scikit-image rgb2lab alone",
         scikit_image_lab, 0.5, rounds=15),
]  # fmt: skip


def test_both_compute_the_same_map():
    span = attention_map(SMALL, normalise=False)
    np.testing.assert_allclose(
        our_paper_map() * np.ptp(span), scikit_image_paper_map() * np.ptp(span), atol=1e-2
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ratio(case, rows):
    assert ratio(case, rows) >= case.bar
