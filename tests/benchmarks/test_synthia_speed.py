"""Speed of synthetic micrographs, in the same run, with one thread each.

The small image is sampled, annotated, rendered and encoded; the large one is composed into a
prepared reference and encoded. The peers are the shortest way to the same kind of picture with
SciPy and Pillow: flat colours by fancy indexing, `gaussian_filter`, white normal noise, JPEG of the
same quality, without sub-pixel edges, correlated noise or annotations. Images per second are
printed (`pytest -s`); 60 of the small and 4 of the large ones are aimed at.
"""

from dataclasses import replace
from io import BytesIO
from itertools import count

import cv2
import numpy as np
import pytest
from PIL import Image
from ratios import Case, ratio
from scipy.ndimage import gaussian_filter

from qupaint_lib.microscope import get_preset
from qupaint_lib.synthia import prepare_reference, render, render_jpeg, sample_scene
from qupaint_lib.synthia.sensor import CAMERA

SMALL, LARGE = (448, 448), (1200, 1920)
IMAGES = 10  # in a round, so that scenes of every kind are among them
_numbers = count()


@pytest.fixture(autouse=True)
def one_thread():
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)


def reference_image():
    microscope = replace(get_preset("maskterial-20x"), vignetting=0.0)
    conditions = replace(CAMERA, gradient=0.03)
    rng = np.random.default_rng(0)
    scene = sample_scene(
        rng, material="graphene", shape=LARGE, microscope=microscope, conditions=conditions
    )
    return render(scene).image


REFERENCE = prepare_reference(reference_image(), "graphene", get_preset("maskterial-20x"))


def our_small_images():
    for _ in range(IMAGES):
        rng = np.random.default_rng([1, next(_numbers)])
        render_jpeg(sample_scene(rng, shape=SMALL, flake_count=20))


def our_large_image():
    rng = np.random.default_rng([2, next(_numbers)])
    render_jpeg(sample_scene(rng, material="graphene", shape=LARGE, reference=REFERENCE), REFERENCE)


def plain_image(shape):
    rng = np.random.default_rng(next(_numbers))
    layers = np.zeros(shape, dtype=int)
    for _ in range(20):
        y, x = rng.integers(0, np.array(shape) - 40)
        layers[y : y + 40, x : x + 40] = rng.integers(1, 5)
    light = rng.uniform(0.2, 0.8, (5, 3))[layers]
    light = gaussian_filter(light, (0.85, 0.85, 0))
    light += rng.normal(0, 1.5 / 255, light.shape)
    pixels = np.clip(light * 255, 0, 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(BytesIO(), "JPEG", quality=95)


def plain_small_images():
    for _ in range(IMAGES):
        plain_image(SMALL)


def plain_large_image():
    plain_image(LARGE)


PEER = "SciPy and Pillow, flat flakes, white noise"
CASES = [
    Case(f"Synthia, {IMAGES} images of 448 × 448 with annotations", our_small_images, PEER,
         plain_small_images, 0.7, 1.2, rounds=9),
    Case("Synthia, 1920 × 1200 composed into a reference", our_large_image, PEER,
         plain_large_image, 0.7, 1.2, rounds=5),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ratio(case, rows):
    found = ratio(case, rows)
    images = IMAGES if case is CASES[0] else 1
    print(f"{case.workload}: {images / rows[-1]['ours_median_s']:.1f} images/s")
    assert found >= case.bar
