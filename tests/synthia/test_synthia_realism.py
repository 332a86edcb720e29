"""The two-sample test: chance where nothing differs, certainty where something plain does."""

import numpy as np
import pytest

from qupaint_lib.errors import ArgumentError
from qupaint_lib.synthia.realism import local_statistics, sample_crops, two_sample_test

METHODS = ("statistics", "network")


def images(seed: int, sigma: float, lag: bool = False, count: int = 3) -> list[np.ndarray]:
    """Crops of grey images with noise, white or alike in neighbouring pixels."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        noise = rng.normal(0, sigma, (40, 64, 64, 3))
        if lag:
            noise = (noise + np.roll(noise, 1, axis=2)) / np.sqrt(2)
        found.append(np.clip(np.round(128 + noise), 0, 255).astype(np.uint8))
    return found


@pytest.mark.parametrize("method", METHODS)
def test_equal_samples_cannot_be_told_apart(method: str) -> None:
    found = two_sample_test(images(1, 3.0), images(2, 3.0), method=method)
    assert 0.35 < found.auc < 0.65
    assert found.scores.shape == found.synthetic.shape == (240,)
    assert found.synthetic.sum() == 120


def test_noise_of_another_strength_or_correlation_is_told() -> None:
    assert two_sample_test(images(1, 3.0), images(2, 4.0)).auc > 0.98
    assert two_sample_test(images(1, 3.0), images(2, 3.0, lag=True)).auc > 0.98


def test_a_network_tells_what_it_can_see() -> None:
    assert two_sample_test(images(1, 3.0), images(2, 9.0), method="network").auc > 0.9


def test_the_area_under_the_curve_is_the_share_of_ordered_pairs() -> None:
    found = two_sample_test(images(1, 3.0), images(2, 3.1))
    real, synthetic = found.scores[~found.synthetic], found.scores[found.synthetic]
    pairs = (synthetic[:, None] > real).mean() + (synthetic[:, None] == real).mean() / 2
    assert found.auc == pytest.approx(pairs)


def test_crops_touch_what_they_are_asked_to() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[..., 0] = np.arange(300) % 256
    touching = np.zeros((200, 300), bool)
    touching[:20, :30] = True
    crops = sample_crops(image, 12, np.random.default_rng(0), touching=touching)
    assert crops.shape[1:] == (64, 64, 3)
    assert 0 < len(crops) <= 12
    assert crops[:, 0, 0, 0].max() < 30  # their left sides
    assert len(sample_crops(image, 5, np.random.default_rng(0))) == 5
    assert not len(sample_crops(image, 5, np.random.default_rng(0), touching=touching & False))


def test_statistics_know_no_absolute_colour() -> None:
    crops = images(3, 3.0)[0]
    np.testing.assert_allclose(local_statistics(crops), local_statistics(crops + 20), atol=1e-4)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: two_sample_test(images(1, 1)[:1], images(1, 1)[:1]), "real"),
        (lambda: two_sample_test(images(1, 1), images(1, 1)[:2]), "real"),
        (lambda: two_sample_test(images(1, 1), images(1, 1), method="guess"), "method"),
        (lambda: sample_crops(np.zeros((9, 9, 3), np.uint8), 1, np.random.default_rng()), "image"),
    ],
)
def test_bad_input_is_named(call, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        call()
