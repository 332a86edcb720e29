"""Rendering against the palette, the erf, the noise that was asked for, and real micrographs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion, distance_transform_edt

from qupaint_lib.annotations import from_coco
from qupaint_lib.colorimetry import delta_e_76, linear_rgb_to_lab
from qupaint_lib.errors import ArgumentError, CalibrationError, ImageError
from qupaint_lib.images import load_image, micrograph
from qupaint_lib.microscope import decode, encode, get_preset, palette
from qupaint_lib.synthia import (
    Conditions,
    Crystal,
    Debris,
    Scene,
    Terrace,
    prepare_reference,
    render,
    render_jpeg,
    render_like_maskterial,
    sample_scene,
)
from qupaint_lib.synthia.debris import debris_coverage, draw_debris
from qupaint_lib.synthia.maskterial import uncalibrated
from qupaint_lib.synthia.render import composed_image, draw_flakes
from qupaint_lib.synthia.rims import VEIL_SHARE, draw_rims, steepness_of
from qupaint_lib.synthia.sensor import (
    CAMERA,
    FILE_NOISE,
    blur,
    decode_jpeg,
    encode_jpeg,
    expose,
    illumination,
    plateau_field,
    to_codes,
    to_image,
    unit_noise,
)

PURPLE = replace(get_preset("maskterial-20x"), vignetting=0.0)
SHARP = replace(PURPLE, blur_sigma_px=0.0)
FILED = replace(CAMERA, jpeg_quality=100)
REACH_PX = 16  # from a flake's side: blur, veil and rim end there
FAR = {"graphene": (167, 164, 186), "WSe2": (107, 95, 112), "hBN": (155, 158, 163)}


def disc(x: float, y: float, radius: float, corners: int = 9) -> tuple[tuple[float, float], ...]:
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + 0.3
    return tuple(zip(x + radius * np.cos(angles), y + radius * np.sin(angles), strict=True))


def single(x: float, y: float, radius: float, layers: int) -> Crystal:
    return Crystal((Terrace(disc(x, y, radius), layers),))


def some_scene(microscope=SHARP, conditions=None, layers=(1, 2, 3, 4, 10, 500), **options) -> Scene:
    """Six crystals, each with a terrace of two more layers on it."""
    crystals = [
        Crystal((Terrace(disc(x, y, 30), n), Terrace(disc(x + 7.3, y - 4.1, 14), n + 2)))
        for n, (x, y) in zip(
            layers, [(50.4, 60), (150, 55.7), (250.1, 60), (50, 160), (150, 160.5), (249, 161)],
            strict=False,
        )
    ]  # fmt: skip
    conditions = conditions or Conditions()
    return Scene((220, 300), "graphene", microscope, crystals, conditions=conditions, **options)


def codes_of(layers: int, microscope, material: str = "graphene") -> np.ndarray:
    return 255 * encode(palette(material, [layers], microscope), microscope)[0]


# --- colours and annotations ------------------------------------------------------------------


def test_colours_are_the_palette_before_blur_and_noise() -> None:
    scene = some_scene()
    drawn = draw_flakes(scene, scene.palette)
    image, flakes = render(scene)
    assert len(flakes) == 12
    bare = np.ones(scene.shape, dtype=bool)
    for flake in flakes:
        inside = binary_erosion(flake.mask, iterations=2)
        color = palette("graphene", [flake.layer_count], SHARP)[0]
        assert (drawn[:, inside] == color.astype(np.float32)[:, None]).all()
        expected = np.round(codes_of(flake.layer_count, SHARP)).astype(np.uint8)
        assert abs(image[inside].astype(int) - expected).max() == 0
        bare &= distance_transform_edt(~flake.mask) > 2
    assert (image[bare] == np.round(codes_of(0, SHARP)).astype(np.uint8)).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["graphene", "WSe2", "hBN", "MoS2"]))
def test_masks_are_found_again_in_the_noise_free_image(seed: int, material: str) -> None:
    """What is nearer to a flake's colour than to the substrate's is its annotated mask."""
    rng = np.random.default_rng(seed)
    crystals = [
        single(*(xy + rng.uniform(-8, 8, 2)), rng.uniform(24, 32), int(rng.integers(1, 40)))
        for xy in np.array([(50, 50), (150, 50), (50, 150), (150, 150)])
    ]
    scene = Scene((200, 200), material, replace(SHARP, white_balance_gain=(1, 1, 1)), crystals)
    light = draw_flakes(scene, scene.palette)
    substrate = np.array(scene.palette[0])
    for flake in scene.flakes:
        step = np.array(scene.palette[flake.layer_count]) - substrate
        share = np.tensordot(step, light - substrate[:, None, None], 1) / (step @ step)
        x, y, w, h = flake.bbox_xywh
        near = np.s_[max(y - 5, 0) : y + h + 5, max(x - 5, 0) : x + w + 5]
        found, mask = (share > 0.501)[near], flake.mask[near]  # a tie is substrate
        assert (found & mask).sum() / (found | mask).sum() >= 0.99


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_sampled_scenes_are_drawn_as_they_are_annotated(seed: int) -> None:
    scene = sample_scene(np.random.default_rng(seed), shape=(160, 200))
    drawn = draw_flakes(scene, scene.palette)
    layers = np.zeros(scene.shape, dtype=int)
    for flake in scene.flakes:
        layers[flake.mask] = flake.layer_count
    shared = np.zeros(scene.shape, dtype=bool)
    for raster in filter(None, scene.rasters):
        y, x = np.divmod(raster.edge, raster.labels.shape[1])
        shared[y + raster.corner_xy[1], x + raster.corner_xy[0]] = True
    colors = {n: np.float32(color) for n, color in scene.palette.items()}
    expected = np.stack([colors[n] for n in layers[~shared]], axis=-1)
    np.testing.assert_array_equal(drawn[:, ~shared], expected)
    assert shared.mean() < 0.2
    image = render(scene).image
    assert image.shape == (160, 200, 3)
    assert image.dtype == np.uint8


def test_edges_are_the_share_of_the_pixel_that_is_covered() -> None:
    square = ((10.25, 10.5), (20.75, 10.5), (20.75, 20.0), (10.25, 20.0))
    scene = Scene((32, 32), "graphene", SHARP, [Crystal((Terrace(square, 3),))])
    drawn = draw_flakes(scene, {0: (0, 0, 0), 3: (1, 1, 1)})[0]
    sub_pixel = 0.25  # as finely as coverage is told
    np.testing.assert_allclose(drawn[15, 9:12], [0, 0.75, 1], atol=sub_pixel)
    np.testing.assert_allclose(drawn[15, 19:22], [1, 0.75, 0], atol=sub_pixel)
    np.testing.assert_allclose(drawn[9:12, 15], [0, 0.5, 1], atol=sub_pixel)
    assert abs(drawn[15].sum() - 10.5) <= sub_pixel
    assert abs(drawn[:, 15].sum() - 9.5) <= sub_pixel
    assert ((drawn > 0) & (drawn < 1)).any()


def test_bulk_flakes_are_neutral_white_and_clip() -> None:
    for material in ("graphene", "WS2", "hBN", "MoSe2"):
        microscope = replace(PURPLE, clip_level=238 / 255)
        conditions = replace(FILED, gradient=0.02)
        crystals = [single(100, 100, 60, 600 if material == "hBN" else 300)]
        scene = Scene((200, 200), material, microscope, crystals, conditions=conditions)
        image, (flake,) = render(scene)
        white = image[binary_erosion(flake.mask, iterations=8)].astype(float)
        assert np.ptp(white.mean(axis=0)) < 2.5
        assert 220 < white.min() <= white.max() <= 242  # 241, and a code of JPEG's rounding


@pytest.mark.parametrize(
    ("shape", "count"), [((64, 64), 0), ((64, 64), 1), ((448, 448), 0), ((800, 1200), 300)]
)
def test_extremes(shape: tuple[int, int], count: int) -> None:
    places = np.random.default_rng(0).permutation(30 * 20)[:count] if count > 1 else [0] * count
    crystals = [single(20 + 38 * (p % 30), 20 + 38 * (p // 30), 12, 1 + p % 600) for p in places]
    scene = Scene(shape, "MoS2", PURPLE, crystals, conditions=FILED, seed=1)
    image, flakes = render(scene)
    assert image.shape == (*shape, 3)
    assert len(flakes) == count
    assert abs(np.median(image, axis=(0, 1)) - codes_of(0, PURPLE, "MoS2")).max() < 1.5


def test_a_stitch_of_12_megapixels() -> None:
    crystals = [single(100 + 400 * i, 100 + 300 * i, 40, i + 1) for i in range(10)]
    scene = Scene((3072, 4096), "WSe2", PURPLE, crystals, conditions=FILED)
    image, flakes = render(scene)
    assert image.shape == (3072, 4096, 3)
    assert len(flakes) == 10


# --- optics and sensor ------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.6, 0.95, 2.0])
def test_blur_gives_edges_of_the_standard_deviation_asked_for(sigma: float) -> None:
    """By the variance of the slope, over edges anywhere in a pixel; steps of a pixel add 1/12."""
    variances = []
    for edge in (20.0, 20.25, 20.5, 20.75):
        half = ((-5, -5), (edge, -5), (edge, 50), (-5, 50))
        scene = Scene((40, 40), "graphene", SHARP, [Crystal((Terrace(half, 2),))])
        drawn = draw_flakes(scene, {0: (0, 0, 0), 2: (1, 1, 1)})
        weight = -np.diff(blur(drawn, np.full(3, sigma))[1, 20].astype(float))
        np.testing.assert_allclose(weight.sum(), 1, atol=1e-5)
        x = np.arange(39.0)
        variances.append((weight * (x - (weight * x).sum()) ** 2).sum() - 1 / 12)
    np.testing.assert_allclose(np.sqrt(np.mean(variances)), sigma, rtol=0.06)


def test_blur_of_zero_changes_nothing_and_the_veil_keeps_the_light() -> None:
    drawn = draw_flakes(some_scene(), {n: (n + 1, 1, 2) for n in some_scene().palette})
    np.testing.assert_array_equal(blur(drawn, np.zeros(3)), drawn)
    spot = np.zeros((3, 61, 61), np.float32)
    spot[:, 30, 30] = 1
    veiled = blur(spot, np.full(3, 0.8), VEIL_SHARE)
    np.testing.assert_allclose(veiled.sum(axis=(1, 2)), 1, rtol=2e-3)
    even = np.full((3, 61, 44), 0.3, np.float32)
    np.testing.assert_allclose(blur(even, np.full(3, 0.8), VEIL_SHARE), 0.3, rtol=1e-6)
    assert veiled[2, 30, 35] > 3 * veiled[1, 30, 35] > 0


def test_rims_are_at_thick_sides_only_and_off_without_blur() -> None:
    thin, thick = (Scene((80, 80), "graphene", PURPLE, [single(40, 40, 20, n)]) for n in (4, 300))
    ones, white = np.ones((3, 80, 80), np.float32), np.ones(3)
    assert (draw_rims(ones.copy(), thin, PURPLE, white) == 1).all()
    assert (draw_rims(ones.copy(), thick, SHARP, white) == 1).all()
    rim = draw_rims(ones.copy(), thick, PURPLE, white)
    (flake,) = thick.flakes
    outside = distance_transform_edt(~flake.mask) > 5
    np.testing.assert_allclose(rim[:, outside], 1, atol=1e-6)
    top = rim[:, 40, 40]
    assert rim[1].min() < 0.8 * top[1]
    assert rim[1].min() < rim[2].min()
    assert steepness_of(1, "graphene") < 1e-2 < 0.5 < steepness_of(300, "graphene") < 1
    cut = Scene((80, 80), "graphene", PURPLE, [single(0, 0, 20, 300), single(79, 79, 20, 300)])
    rim = draw_rims(ones.copy(), cut, PURPLE, white)
    np.testing.assert_allclose(rim[:, 0, 0], rim[:, 3, 3], atol=0.01)  # cut off, not a side


def test_bulk_tops_are_neutral_shades_of_white() -> None:
    """Half of the bulk crystals are smooth, the others up to two fifths darker, in no colour."""
    white = np.array([0.8, 1.0, 0.9])
    tops = []
    for seed in range(60):
        scene = Scene((80, 80), "graphene", PURPLE, [single(40, 40, 25, 900)], seed=seed)
        light = np.broadcast_to(2 * white[:, None, None], (3, 80, 80)).astype(np.float32)
        tops.append(draw_rims(light.copy(), scene, PURPLE, white)[:, 40, 40] / white)
    tops = np.array(tops)
    dull = tops.max(axis=1) < 1
    assert 0.3 < dull.mean() < 0.7
    np.testing.assert_allclose(np.ptp(tops, axis=1), 0, atol=1e-6)
    assert tops[dull].min() > 0.59


def test_specks_take_light_in_proportion_to_their_area() -> None:
    points = ((30.2, 20.7), (5.0, 50.5), (63.9, 0.1), (-9.0, 10.0))
    for width in (1.3, 2.0, 6.0):
        specks = Debris("specks", points[:2], width, (0.5, 1.0, 1.2))
        light = draw_debris(np.ones((3, 64, 70), np.float32), [specks])
        lost = (1 - light).sum(axis=(1, 2)) / (2 * np.pi * width**2 / 4)
        np.testing.assert_allclose(lost, (0.5, 0, -0.2), atol=0.02)
        assert abs(light[0, 20, 30] - light[0].min()) < 1e-6
    whole = Debris("specks", points, 2.0, (0.5, 0.5, 0.5))
    assert (draw_debris(np.ones((3, 64, 64), np.float32), [whole]) <= 1).all()


def test_illumination() -> None:
    field = illumination((401, 601), vignetting=0.24)
    np.testing.assert_allclose(field.max(), 1, atol=1e-4)
    np.testing.assert_allclose(field.min(), 0.76, atol=2e-3)
    field = illumination((401, 601), 0.24, center_xy=(0.5, -0.25))
    y, x = np.unravel_index(field.argmax(), field.shape)
    assert abs(x - 450) <= 1
    assert abs(y - 150) <= 1
    for direction, (first, last) in {0: ((200, 0), (200, 600)), 90: ((0, 300), (400, 300))}.items():
        field = illumination((401, 601), gradient=0.03, direction_deg=direction)
        np.testing.assert_allclose(field.mean(), 1, atol=1e-4)
        np.testing.assert_allclose(field[last] - field[first], 0.03, atol=1e-3)
    assert illumination((50, 50), 1.0, (1.0, 1.0)).min() == 0  # never below


@pytest.mark.parametrize("exponent", [1.0, 1.8, 2.2, "srgb"])
def test_codes_are_those_of_the_microscope(exponent) -> None:
    microscope = replace(PURPLE, transfer_exponent=exponent, white_balance_gain=(1, 1, 1))
    light = np.random.default_rng(0).uniform(-0.05, 1.3, (3, 20, 30)).astype(np.float32)
    expected = 255 * encode(np.moveaxis(light, 0, -1), microscope)
    np.testing.assert_allclose(np.moveaxis(to_codes(light, microscope), 0, -1), expected, atol=0.01)


def test_plateaus_lie_where_the_light_was_strongest() -> None:
    field = plateau_field((1200, 1920), 241 / 255, seed=3)
    assert np.unravel_index(field.argmin(), field.shape) == pytest.approx((600, 960), abs=1)
    assert 229 < field.min() < 232  # the least plateau that was measured is 230
    part = plateau_field((448, 448), 241 / 255, seed=3)
    assert field.min() - 1e-3 <= part.min() <= part.max() <= field.max() + 1e-3


def test_unit_noise_is_white() -> None:
    noise = unit_noise((600, 700), 7).astype(float)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.var() == pytest.approx(1, rel=0.01)
    assert (noise[:, 1:] * noise[:, :-1]).mean() == pytest.approx(0, abs=0.01)
    assert (noise[1:] * noise[:-1]).mean() == pytest.approx(0, abs=0.01)
    assert (noise**4).mean() == pytest.approx(2.7, abs=0.05)  # of the sum of four even numbers
    assert not np.array_equal(noise, unit_noise((600, 700), 8))


@pytest.mark.parametrize("code", [10, 100, 230])
def test_variance_of_the_noise_grows_with_code_and_gain(code: int) -> None:
    """Every pixel with three channels: the law itself, and the rounding's 1/12."""
    conditions = Conditions(read_noise=1.5, shot_noise=0.02, camera_gain=(2.0, 1.0, 1.4))
    codes = np.full((3, 500, 500), code, np.float32)
    noise = expose(codes, conditions, 1.0, 1).astype(float) - code
    gain = np.array(conditions.camera_gain)
    expected = gain**2 * 1.5**2 + gain * 0.02 * code + 1 / 12
    np.testing.assert_allclose(noise.var(axis=(0, 1)), expected, rtol=0.02)
    np.testing.assert_allclose(noise.mean(axis=(0, 1)), 0, atol=0.03)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(0, 240)] * 3), st.booleans())
def test_an_even_colour_passes_the_colour_filters(color, mosaic: bool) -> None:
    codes = np.empty((3, 12, 14), np.float32)
    codes[:] = np.array(color)[:, None, None]
    image = expose(codes, Conditions(mosaic=mosaic), 1.0, 0)
    assert (image == color).all()


def test_colour_filters_correlate_noise_as_interpolation_must() -> None:
    """Red is measured at one pixel of four and interpolated linearly in between.

    The weights (½, 1, ½) along an axis give neighbours a covariance of ½ of a photosite's
    variance (½ + ½, at each second pixel) where the mean variance is ¾: a correlation of ⅔; the
    next but one share a quarter of a photosite's: ⅙.
    """
    codes = np.full((3, 800, 800), 100, np.float32)
    conditions = Conditions(read_noise=6.0, camera_gain=(1, 1, 1), mosaic=True)
    red, green, _ = (expose(codes, conditions, 1.0, 3)[16:-16, 16:-16].astype(float) - 100).T
    for lag, expected in ((1, 2 / 3), (2, 1 / 6), (3, 0.0)):
        assert (red[lag:] * red[:-lag]).mean() / red.var() == pytest.approx(expected, abs=0.02)
    measured = np.concatenate([green[::2, ::2], green[1::2, 1::2]])
    assert measured.var() == pytest.approx(36, rel=0.02)  # photosites keep what they measure
    assert green[::2, 1::2].var() < 0.6 * 36
    assert np.corrcoef(red.ravel(), green.ravel())[0, 1] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(
    ("material", "sigma"),
    [("graphene", (1.74, 1.39, 1.56)), ("WSe2", (1.52, 1.13, 1.42)), ("hBN", (1.64, 1.25, 1.38))],
)
def test_noise_on_file_is_that_of_the_micrographs(material: str, sigma) -> None:
    """Against the table of measured statistics, within the 20 % that realism is judged by.

    Nothing is fitted to the correlations: they come from colour filters and halved chroma.
    """
    from qupaint_lib.synthia.statistics import substrate_noise

    codes = np.empty((3, 640, 640), np.float32)
    codes[:] = np.array(FAR[material])[:, None, None]
    image = decode_jpeg(encode_jpeg(expose(codes, CAMERA, 1.0, 1), 100))
    noise = substrate_noise(image, np.ones((640, 640), dtype=bool))
    np.testing.assert_allclose(noise.sigma, sigma, rtol=0.2)
    np.testing.assert_allclose(noise.lag1, (0.53, 0.38, 0.46), rtol=0.2)
    np.testing.assert_allclose(noise.lag2[:2], (0.21, 0.09), atol=0.03)
    assert ((noise.cross > 0.3) & (noise.cross < 0.55)).all()


def test_rounding_saturates() -> None:
    codes = np.array([-3, -0.4, 0.6, 254.6, 300], np.float32)
    image = to_image(np.broadcast_to(codes, (3, 1, 5)))
    np.testing.assert_array_equal(image[0, :, 1], [0, 0, 1, 255, 255])


def test_the_jpeg_file_is_the_image() -> None:
    scene = some_scene(PURPLE, replace(CAMERA, jpeg_quality=90), seed=5)
    image, flakes = render(scene)
    file = render_jpeg(scene)
    np.testing.assert_array_equal(decode_jpeg(file.jpeg), image)
    assert file.flakes == flakes
    free = replace(scene, conditions=CAMERA)
    assert render_jpeg(free).jpeg == encode_jpeg(render(free).image, 95)


def test_equal_scenes_give_equal_bytes_on_any_number_of_threads_and_processes() -> None:
    import cv2

    code = (
        "import hashlib, numpy as np, cv2; cv2.setNumThreads({});"
        "from qupaint_lib.synthia import render_jpeg, sample_scene;"
        "scene = sample_scene(np.random.default_rng([5, 1]), shape=(300, 420));"
        "print(hashlib.sha256(render_jpeg(scene).jpeg).hexdigest())"
    )
    scene = sample_scene(np.random.default_rng([5, 1]), shape=(300, 420))
    digests = {hashlib.sha256(render_jpeg(scene).jpeg).hexdigest()}
    for threads in (1, 3):
        done = subprocess.run(
            [sys.executable, "-c", code.format(threads)], capture_output=True, text=True, check=True
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    before = cv2.getNumThreads()
    render(scene)
    assert cv2.getNumThreads() == before
    assert not np.array_equal(render(scene).image, render(replace(scene, seed=1)).image)


# --- debris -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["residue", "hair"])
def test_debris_lets_its_share_of_the_light_by(kind: str) -> None:
    piece = Debris(kind, ((10, 40), (90, 40)), 12, (0.2, 0.3, 0.4), 1.0)
    light = draw_debris(np.ones((3, 80, 100), np.float32), [piece])
    np.testing.assert_allclose(light[:, 40, 50], (0.2, 0.3, 0.4), atol=0.02)
    assert (light[:, 60:] == 1).all()
    width = (1 - light[0, :, 50]).sum() / 0.8
    assert abs(width - 12) < 1


def test_a_curl_narrows_and_rises_out_of_focus() -> None:
    piece = Debris("curl", ((20, 40), (120, 40)), 16, (0.1, 0.1, 0.1), 4.0)
    light = draw_debris(np.ones((3, 80, 150), np.float32), [piece])[0]
    widths = (1 - light[:, [30, 70, 110]]).sum(axis=0) / 0.9
    np.testing.assert_allclose(widths, (14.4, 8, 1.6), atol=1.5)  # ends are round
    slopes = abs(np.diff(light, axis=0))
    assert slopes[:, 25].max() > 1.5 * slopes[:, 80].max()
    np.testing.assert_allclose(light[40, 30], 0.1, atol=0.02)


def test_the_ground_beyond_the_wafers_edge_is_dark_to_the_border() -> None:
    piece = Debris("wafer edge", ((60, -50), (300, -50), (300, 300), (60, 300)), 0, (0.1,) * 3, 2.0)
    light = draw_debris(np.ones((3, 80, 100), np.float32), [piece])
    np.testing.assert_allclose(light[:, :, 75:], 0.1, atol=1e-3)
    assert (light[:, :, :50] == 1).all()


def test_debris_outside_the_image_changes_nothing() -> None:
    piece = Debris("hair", ((-90, -80), (-50, -40)), 4, (0, 0, 0), 1.0)
    assert debris_coverage(piece, (50, 50)) is None
    assert (draw_debris(np.ones((3, 50, 50), np.float32), [piece]) == 1).all()


# --- on a reference ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wafer() -> np.ndarray:
    """A synthetic micrograph to be a reference: a bulk and a thin flake, noise, a gradient."""
    crystals = [single(60, 60, 35, 400), single(330, 60, 40, 2)]
    conditions = replace(CAMERA, gradient=0.03, gradient_direction_deg=40)
    return render(Scene((300, 400), "graphene", PURPLE, crystals, conditions=conditions)).image


@pytest.fixture(scope="module")
def reference(wafer):
    return prepare_reference(wafer, "graphene", PURPLE)


def on_reference(crystals, shape=(300, 400), **options) -> Scene:
    return Scene(shape, "graphene", PURPLE, crystals, **options)


def test_the_personalised_white_balance_is_found(reference, wafer) -> None:
    gain = np.array(reference.microscope.white_balance_gain)
    np.testing.assert_allclose(gain, PURPLE.white_balance_gain, rtol=0.01)
    substrate = 255 * palette("graphene", [0], reference.microscope)[0] * gain
    median = np.median(wafer[reference.substrate_mask], axis=0)
    np.testing.assert_allclose(substrate, median, atol=1)


def test_the_reference_knows_its_substrate(reference) -> None:
    clean = reference.substrate_mask
    assert not clean[60, 60]
    assert not clean[60, 330]
    assert clean[150:, :].mean() > 0.98
    field = illumination((300, 400), gradient=0.03, direction_deg=40)
    expected = codes_of(0, PURPLE) * field[..., None]
    assert abs(reference.background - expected)[20:-20, 20:-20].max() < 0.8
    assert 229 <= reference.plateau <= 241


def test_a_reference_is_untouched_away_from_the_flakes(reference, wafer) -> None:
    scene = on_reference([single(100, 200, 25, 1), single(220, 200, 25, 500)])
    image, flakes = render(scene, reference)
    covered = np.any([flake.mask for flake in flakes], axis=0)
    far = distance_transform_edt(~covered) > REACH_PX
    assert far.mean() > 0.5
    np.testing.assert_array_equal(image[far], wafer[far])
    assert (image != wafer).any(axis=-1)[covered].mean() > 0.9
    nothing = on_reference([])
    np.testing.assert_array_equal(render(nothing, reference).image, wafer)
    assert np.array_equal(reference.image, wafer)


def test_debris_of_a_scene_is_not_drawn_on_a_reference(reference, wafer) -> None:
    hair = Debris("hair", ((0, 0), (250, 250)), 9.0, (0.1, 0.1, 0.1))
    scene = replace(on_reference([]), debris=(hair,))
    np.testing.assert_array_equal(render(scene, reference).image, wafer)


@pytest.mark.parametrize("layers", [1, 3, 8, 40])
def test_composed_flakes_have_colour_and_noise_of_their_brightness(reference, layers: int) -> None:
    (flake,) = (scene := on_reference([single(180, 200, 60, layers)])).flakes
    image = composed_image(scene, reference)
    inside = binary_erosion(flake.mask, iterations=REACH_PX)
    local = reference.background[inside].mean(axis=0)
    expected = np.minimum(local * (1 + np.array(flake.contrast)), reference.plateau)
    np.testing.assert_allclose(image[inside].mean(axis=0), expected, atol=1)
    rest = (image[inside] - expected).std(axis=0)
    floor, slope = np.array(FILE_NOISE).T
    wanted = np.sqrt((floor + slope * expected) / (floor + slope * local))
    bare = (reference.image - reference.background)[reference.substrate_mask].std(axis=0)
    open_channels = expected < 225
    np.testing.assert_allclose((rest / bare)[open_channels], wanted[open_channels], rtol=0.15)


def test_flakes_are_moved_off_existing_material(reference, wafer) -> None:
    scene = on_reference([single(60, 60, 20, 1), single(330, 60, 15, 3)])
    image, flakes = render(scene, reference)
    assert len(flakes) == 2
    assert all(reference.substrate_mask[flake.mask].all() for flake in flakes)
    existing = np.zeros(scene.shape, dtype=bool)
    existing[30:90, 30:90] = True
    away = existing & (distance_transform_edt(~np.any([f.mask for f in flakes], axis=0)) > REACH_PX)
    np.testing.assert_array_equal(image[away], wafer[away])


def test_an_array_is_a_reference_too(reference, wafer) -> None:
    scene = on_reference([single(100, 200, 25, 2)])
    np.testing.assert_array_equal(render(scene, wafer).image, render(scene, reference).image)
    np.testing.assert_array_equal(
        render(scene, wafer.astype(np.float32) / np.float32(255)).image,
        render(scene, reference).image,
    )


def test_a_reference_with_another_exponent() -> None:
    microscope = replace(PURPLE, transfer_exponent=2.2, white_balance_gain=(3, 3, 3))
    bare = render(Scene((128, 128), "graphene", microscope, conditions=CAMERA)).image
    reference = prepare_reference(bare, "graphene", microscope)
    scene = Scene((128, 128), "graphene", reference.microscope, [single(64, 64, 40, 3)])
    image, (flake,) = render(scene, reference)
    inside = binary_erosion(flake.mask, iterations=REACH_PX)
    light = decode(image[inside].mean(axis=0) / 255, microscope)
    substrate = decode(reference.background[inside].mean(axis=0) / 255, microscope)
    np.testing.assert_allclose(light / substrate - 1, flake.contrast, atol=0.01)


def test_bad_references(reference, wafer) -> None:
    scene = on_reference([], shape=(200, 200))
    for other in (reference, wafer):
        with pytest.raises(ArgumentError, match=r"reference.*\(200, 200\)"):
            render(scene, other)
    with_nan = wafer.astype(float) / 255
    with_nan[5, 5, 1] = np.nan
    with pytest.raises(ImageError, match="NaN"):
        prepare_reference(with_nan, "graphene")
    all_flakes = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    with pytest.raises(CalibrationError, match="substrate"):
        prepare_reference(all_flakes, "graphene")
    with pytest.raises(CalibrationError):
        prepare_reference(np.full((64, 64, 3), 255, np.uint8), "graphene")
    with pytest.raises(ImageError):
        prepare_reference(np.zeros((300, 400), np.uint8), "graphene")


# --- the comparator ---------------------------------------------------------------------------


def test_the_comparator_has_neither_balance_nor_awareness(reference, wafer) -> None:
    scene = on_reference([single(60, 60, 30, 1), single(180, 200, 30, 1)])
    image, flakes = render_like_maskterial(scene, reference)
    assert [flake.mask.tolist() for flake in flakes] == [f.mask.tolist() for f in scene.flakes]
    on_material, on_substrate = (flake.mask for flake in flakes)
    assert not reference.substrate_mask[on_material].any()
    elsewhere = ~(on_material | on_substrate)
    np.testing.assert_array_equal(image[elsewhere], wafer[elsewhere])
    assert np.ptp(image[on_substrate], axis=0).max() == 0  # pasted, one colour
    inside = binary_erosion(on_substrate, iterations=10)
    ours = composed_image(scene, reference)[inside].mean(axis=0)
    assert abs(image[inside].mean(axis=0) - ours).max() > 5


def test_the_comparators_exposure_is_the_microscopes() -> None:
    ideal = uncalibrated(PURPLE, "graphene")
    light = [palette("graphene", [0], m)[0] @ m.white_balance_gain for m in (PURPLE, ideal)]
    np.testing.assert_allclose(*light)
    assert len(set(ideal.white_balance_gain)) == 1
    image = render_like_maskterial(some_scene(PURPLE)).image
    np.testing.assert_array_equal(image[0, 0], np.round(codes_of(0, ideal)))


# --- real micrographs -------------------------------------------------------------------------

_FOLDER = os.environ.get("QUPAINT_MICROGRAPHS")
needs_micrographs = pytest.mark.skipif(not _FOLDER, reason="QUPAINT_MICROGRAPHS is not set")


@needs_micrographs
@pytest.mark.parametrize("name", ["GrapheneH/17294f8a", "GrapheneH/20ea4e7f"])
def test_composed_graphene_has_the_colour_of_annotated_graphene(name: str) -> None:
    """Each annotated flake against the composed flake of 1 to 4 layers that is nearest to it."""
    path = micrograph(name, download=False)
    image = load_image(path)
    reference = prepare_reference(image, "graphene", PURPLE)
    real = from_coco(Path(_FOLDER) / "annotations.json")[f"GrapheneH/{path.name}"]
    clean = np.argwhere(distance_transform_edt(reference.substrate_mask) > 45)
    composed = []
    for n in range(1, 5):
        y, x = clean[len(clean) // 5 * n]
        scene = on_reference([single(x, y, 30, n)], shape=image.shape[:2])
        composed.append(_lab(render(scene, reference), scene.flakes[0].mask))
    distances = []
    for flake in real:
        mask = binary_erosion(flake.mask, iterations=2)
        measured = _lab((reference.image,), mask if mask.sum() > 50 else flake.mask, rim=0)
        distances.append(min(delta_e_76(measured, lab) for lab in composed))
    assert np.mean(distances) <= 2.5
    assert distances


def _lab(rendered, mask: np.ndarray, rim: int = 14) -> np.ndarray:
    inside = binary_erosion(mask, iterations=rim) if rim else mask
    return linear_rgb_to_lab(rendered[0][inside].mean(axis=0) / 255)
