"""The measuring of images: on images whose statistics are known, and on real micrographs."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.special import erf

from qupaint_lib.errors import ArgumentError, ImageError
from qupaint_lib.images import load_image, micrograph, micrograph_names
from qupaint_lib.microscope import find_background
from qupaint_lib.pia import substrate_mask
from qupaint_lib.synthia.edges import edge_sigma
from qupaint_lib.synthia.statistics import (
    background_gradient,
    clipped_share,
    measure,
    object_areas,
    power_law_exponent,
    substrate_noise,
    summary,
)

GREY = np.array([120, 110, 160]) / 255


def squares(sides=(20, 40, 60), noise: float = 1.0) -> np.ndarray:
    """A grey image of 300 × 400 with dark squares."""
    image = np.tile(GREY, (300, 400, 1))
    for k, side in enumerate(sides):
        image[100 : 100 + side, 50 + 110 * k : 50 + 110 * k + side] *= 0.7
    image += np.random.default_rng(0).normal(0, noise / 255, image.shape)
    return np.clip(image, 0, 1)


def test_white_noise() -> None:
    sigma = np.array([1.0, 2.0, 3.0])
    image = GREY + np.random.default_rng(0).normal(0, sigma / 255, (480, 480, 3))
    noise = substrate_noise(image, np.ones((480, 480), dtype=bool))
    np.testing.assert_allclose(noise.sigma, sigma, rtol=0.02)
    for correlation in (noise.lag1, noise.lag2, noise.cross):
        np.testing.assert_allclose(correlation, 0, atol=0.02)


def test_correlated_noise() -> None:
    """Means of two neighbours along both axes: 1/2 at lag 1, 0 at lag 2; one field for R and B."""
    white = np.random.default_rng(0).normal(0, 4 / 255, (481, 481, 3))
    white[..., 2] = white[..., 0]
    mean = (white[1:, 1:] + white[1:, :-1] + white[:-1, 1:] + white[:-1, :-1]) / 4
    noise = substrate_noise(GREY + mean, np.ones((480, 480), dtype=bool))
    np.testing.assert_allclose(noise.sigma, 2, rtol=0.03)  # less the mean of each block
    np.testing.assert_allclose(noise.lag1, 0.5, atol=0.03)
    np.testing.assert_allclose(noise.lag2, 0, atol=0.03)
    np.testing.assert_allclose(noise.cross, (0, 1, 0), atol=0.02)


@pytest.mark.parametrize("sigma", [0.75, 0.95, 1.5])
@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_edges_of_known_sharpness(sigma: float, angle: float) -> None:
    y, x = np.mgrid[:160, :160]
    distance = (x - 80.3) * np.cos(angle) + (y - 80.3) * np.sin(angle)
    share = (1 + erf(distance / (np.sqrt(2) * sigma))) / 2
    image = GREY * (0.6 + 0.4 * share[..., None])
    image += np.random.default_rng(0).normal(0, 1 / 255, image.shape)
    np.testing.assert_allclose(edge_sigma(image), sigma, rtol=0.05)


def test_an_image_without_edges_has_no_sharpness() -> None:
    image = np.tile(GREY, (100, 100, 1)) + np.random.default_rng(0).normal(0, 0.004, (100, 100, 3))
    assert np.isnan(edge_sigma(image)).all()


def test_objects() -> None:
    image = squares()
    areas = np.sort(object_areas(image))
    # The smoothing by 2 px lets them grow by as much on every side.
    np.testing.assert_allclose(np.sqrt(areas), (24, 44, 64), atol=1)
    found = measure(image)
    np.testing.assert_allclose(found.coverage, areas.sum() / 120_000)
    assert found.clipped_share == 0
    assert len(object_areas(squares(sides=(8,)))) == 0  # under 200 px


def test_clipped_share_and_gradient() -> None:
    image = squares(noise=0.2)
    image[:30] = 0.95
    np.testing.assert_allclose(clipped_share(image), 0.1)
    image = squares() * np.linspace(0.98, 1.02, 400)[None, :, None]
    np.testing.assert_allclose(background_gradient(find_background(image)), 0.04, rtol=0.1)


def test_power_law_exponent_of_a_power_law() -> None:
    areas = 200 * np.random.default_rng(0).random(50_000) ** (-1 / 0.86)
    np.testing.assert_allclose(power_law_exponent(areas), 1.86, rtol=0.01)
    assert np.isnan(power_law_exponent([]))


def test_summary_takes_medians_over_images_and_percentiles_over_objects() -> None:
    found = [measure(squares(sides)) for sides in ((20,), (20, 40), (20, 40, 60))]
    row = summary(found)
    assert row["objects"] == 2
    assert row["area_p50_px"] == pytest.approx(np.median([a for s in found for a in s.areas_px]))
    assert row["coverage_max"] == found[2].coverage
    assert len(row["noise_sigma"]) == 3
    with pytest.raises(ArgumentError, match="statistics"):
        summary([])


def test_bad_images() -> None:
    with pytest.raises(ImageError):
        measure(np.zeros((50, 50)))
    with pytest.raises(ArgumentError, match="substrate"):
        substrate_noise(squares(), np.zeros((300, 400), dtype=bool))


# The study's table (medians over ten images of each material; four or five of them are at hand).
STUDY = {
    "GrapheneH": ((1.74, 1.39, 1.56), 84, 434, 1.86),
    "WS2": ((1.41, 1.18, 1.50), 73, 607, 1.68),
    "WSe2": ((1.52, 1.13, 1.42), 59, 509, 1.69),
    "hBN_Thin": ((1.64, 1.25, 1.38), 77, 486, 1.84),
}


@pytest.mark.skipif("QUPAINT_MICROGRAPHS" not in os.environ, reason="no micrographs at hand")
@pytest.mark.parametrize("folder", STUDY)
def test_real_micrographs_have_the_statistics_of_the_study(folder: str) -> None:
    sigma, objects, median_px, exponent = STUDY[folder]
    noises, areas = [], []
    for name in micrograph_names():
        if name.startswith(folder):
            image = load_image(micrograph(name, download=False))
            background = find_background(image)
            clean = substrate_mask(image, "local", background=background)
            noises.append(substrate_noise(image, clean))
            areas.append(object_areas(image, background))
    np.testing.assert_allclose(np.median([n.sigma for n in noises], axis=0), sigma, rtol=0.15)
    lag1 = np.median([n.lag1 for n in noises], axis=0)
    np.testing.assert_allclose(lag1, (0.53, 0.38, 0.46), rtol=0.3)
    np.testing.assert_allclose(np.median([len(a) for a in areas]), objects, rtol=0.3)
    np.testing.assert_allclose(np.median(np.concatenate(areas)), median_px, rtol=0.25)
    np.testing.assert_allclose(power_law_exponent(np.concatenate(areas)), exponent, rtol=0.1)
