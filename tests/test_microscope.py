import json
import os
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qupaint_lib.colorimetry import CIE_1931, delta_e_76, srgb_to_lab
from qupaint_lib.errors import ArgumentError, CalibrationError, ImageError, UnknownNameError
from qupaint_lib.images import load_image, micrograph
from qupaint_lib.materials import FLAKE_MATERIALS, Material, register_material
from qupaint_lib.microscope import (
    PRESETS,
    FlatField,
    Microscope,
    calibrate,
    decode,
    encode,
    find_background,
    get_preset,
    layer_contrast,
    load_microscope,
    measure_contrast,
    palette,
    render_layers,
    save_microscope,
)

MACHINE_VISION = PRESETS["machine-vision"]
LAB = PRESETS["maskterial-20x"]
MEASURED = json.loads((files("qupaint_lib") / "data/contrast_graphene_90nm.json").read_text())
MICROGRAPHS = os.environ.get("QUPAINT_MICROGRAPHS")
needs_micrographs = pytest.mark.skipif(
    not MICROGRAPHS, reason="QUPAINT_MICROGRAPHS names no folder with the development images"
)


# The palette against measurements
def contrast_rms(microscope):
    predicted = layer_contrast("graphene", MEASURED["layer_counts"], microscope)
    return np.sqrt(np.mean((predicted - MEASURED["contrast"]) ** 2))


def test_measured_graphene_contrast_with_nothing_fitted():
    assert contrast_rms(MACHINE_VISION) <= 0.02
    at_180 = contrast_rms(replace(MACHINE_VISION, oxide_thickness_nm=180))
    assert at_180 > 10 * contrast_rms(MACHINE_VISION)


@pytest.mark.parametrize("oxide", [70, 75, 100, 110, 285])
def test_measured_graphene_contrast_tells_the_oxide(oxide):
    other = contrast_rms(replace(MACHINE_VISION, oxide_thickness_nm=oxide))
    assert other > 2 * contrast_rms(MACHINE_VISION)


@needs_micrographs
def test_packaged_contrast_is_the_published_one():
    path = Path(MICROGRAPHS) / "calibration/contrast_graphene_90nm.json"
    published = json.loads(path.read_text())
    for n, contrast in zip(MEASURED["layer_counts"], MEASURED["contrast"], strict=True):
        assert contrast == [published[str(n)]["contrast"][channel] for channel in "rgb"]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("material", FLAKE_MATERIALS)
def test_palette_shape_and_range(name, material):
    colors = palette(material, np.arange(11), PRESETS[name])
    assert colors.shape == (11, 3)
    darkest = -0.1 if PRESETS[name].camera == CIE_1931 else 0  # outside sRGB's gamut
    assert (colors > darkest).all() and (colors < 1).all()


def test_a_palette_of_no_layers_is_the_bare_substrate():
    bare = [palette(material, [0], MACHINE_VISION) for material in FLAKE_MATERIALS]
    np.testing.assert_allclose(bare, np.broadcast_to(bare[0], np.shape(bare)), atol=1e-13)


def test_a_perfect_mirror_is_white():
    """On a substrate that reflects everything, R ≡ 1 is (1, 1, 1)."""
    register_material(Material("mirror", [100, 2000], [1e-9 + 1e9j] * 2, "ideal"), replace=True)
    microscope = replace(MACHINE_VISION, substrate="mirror", oxide_thickness_nm=0)
    np.testing.assert_allclose(palette("graphene", [0], microscope), 1, atol=1e-6)


def test_encapsulation_is_a_stack_like_any_other():
    """A flake of hBN under hBN is one thicker flake of hBN."""
    covered = replace(MACHINE_VISION, layers_above=(("BN", 3.33),))
    np.testing.assert_allclose(
        palette("BN", [5], covered), palette("BN", [15], MACHINE_VISION), atol=1e-12
    )
    below = replace(MACHINE_VISION, layers_below=(("BN", 3.33),))
    np.testing.assert_allclose(palette("BN", [5], below), palette("BN", [5], covered), atol=1e-12)


def test_gain_and_exponent_do_not_enter_the_palette_or_contrast():
    other = replace(MACHINE_VISION, white_balance_gain=(2, 1, 3), transfer_exponent=2.2)
    for function in (palette, layer_contrast):
        np.testing.assert_array_equal(
            function("WSe2", [1, 2], other), function("WSe2", [1, 2], MACHINE_VISION)
        )


@given(
    st.floats(0.5, 3.0) | st.just("srgb"),
    st.tuples(*[st.floats(0.1, 0.9)] * 3),
    st.tuples(*[st.floats(0.1, 1.1)] * 3),
)
def test_decoding_undoes_encoding(exponent, color, gain):
    microscope = replace(MACHINE_VISION, transfer_exponent=exponent, white_balance_gain=gain)
    light = decode(encode(np.array(color), microscope), microscope)
    np.testing.assert_allclose(light, np.array(color) * gain, rtol=1e-6)


def test_encoding_clips():
    microscope = replace(MACHINE_VISION, white_balance_gain=(20, 1, 1), clip_level=0.9)
    np.testing.assert_allclose(encode(np.array([0.5, 0.5, 0.95]), microscope), [0.9, 0.5, 0.9])


# Rendered scenes, where the truth is known
def scene(material="graphene", microscope=LAB, seed=0, shape=(240, 320)):
    layers = np.zeros(shape, dtype=int)
    layers[40:90, 60:110] = 1
    layers[120:170, 60:110] = 2
    layers[60:130, 200:260] = 3
    image = render_layers(layers, material, microscope, np.random.default_rng(seed))
    return layers, image


def test_rendered_scene_has_the_codes_of_the_palette():
    quiet = replace(LAB, noise_sigma=(0, 0, 0), vignetting=0.0, blur_sigma_px=0.0)
    layers, image = scene(microscope=quiet)
    expected = encode(palette("graphene", np.arange(4), quiet), quiet)
    np.testing.assert_allclose(image, expected[layers], atol=0.5 / 255 + 1e-9)


def test_rendering_is_reproducible():
    np.testing.assert_array_equal(scene(seed=3)[1], scene(seed=3)[1])
    assert (scene(seed=3)[1] != scene(seed=4)[1]).any()


@pytest.mark.parametrize("vignetting", [0.0, 0.14, 0.3])
def test_background_is_found_under_vignetting(vignetting):
    microscope = replace(LAB, vignetting=vignetting)
    layers, image = scene(microscope=microscope)
    bare = render_layers(np.zeros_like(layers), "graphene", microscope, np.random.default_rng(9))
    background = find_background(image)
    assert background.mask[layers == 0].mean() > 0.85
    inside = layers > 0
    inside[:, :-3] &= layers[:, 3:] > 0
    assert background.mask[inside].mean() < 0.05
    np.testing.assert_allclose(background.codes.mean(), bare.mean(), atol=1 / 255)
    np.testing.assert_allclose(background.noise_sigma, LAB.noise_sigma, rtol=0.25)


@pytest.mark.parametrize("material", FLAKE_MATERIALS)
def test_white_balance_is_recovered(material):
    truth = replace(LAB, vignetting=0.0)
    layers, image = scene(material, truth)
    for statistic in ("median", "mean"):
        fit = calibrate(
            image, material, microscope=MACHINE_VISION, statistic=statistic,
            substrate_mask=layers == 0,
        )  # fmt: skip
        np.testing.assert_allclose(
            fit.microscope.white_balance_gain, truth.white_balance_gain, rtol=0.01
        )
    assert not fit.oxide_fitted and "not fitted" in fit.summary()


def test_normalised_gain_has_a_mean_of_one():
    fit = calibrate(scene()[1], "graphene", normalise_gain=True)
    assert np.mean(fit.microscope.white_balance_gain) == pytest.approx(1)


@pytest.mark.parametrize("material", ["graphene", "WSe2", "MoS2"])
@pytest.mark.parametrize("oxide", [80.0, 97.0])
def test_oxide_is_recovered_from_labelled_flakes(material, oxide):
    truth = replace(LAB, oxide_thickness_nm=oxide, vignetting=0.05)
    layers, image = scene(material, truth)
    fit = calibrate(image, material, flakes=[(layers == n, n) for n in (1, 2, 3)])
    assert fit.oxide_fitted and not fit.exponent_fitted
    assert fit.microscope.oxide_thickness_nm == pytest.approx(oxide, abs=2)
    assert abs(fit.microscope.oxide_thickness_nm - oxide) < 3 * fit.oxide_thickness_sigma_nm
    assert fit.residual_rms < 0.01


@pytest.mark.parametrize("exponent", [1.0, 2.2])
def test_exponent_is_recovered_from_labelled_flakes(exponent):
    truth = replace(LAB, transfer_exponent=exponent, oxide_thickness_nm=92, vignetting=0.0)
    layers, image = scene("graphene", truth)
    fit = calibrate(
        image, "graphene", flakes=[(layers == n, n) for n in (1, 2, 3)], fit_exponent=True
    )
    assert fit.exponent_fitted
    assert fit.microscope.transfer_exponent == pytest.approx(exponent, abs=0.15)
    assert fit.microscope.oxide_thickness_nm == pytest.approx(92, abs=3)


def test_oxide_is_recovered_from_a_flat_field_of_another_exposure():
    _, image = scene("graphene", replace(LAB, oxide_thickness_nm=96))
    brighter = replace(LAB, white_balance_gain=tuple(1.3 * g for g in LAB.white_balance_gain))
    bare = np.zeros((300, 300), dtype=int)
    flat = render_layers(bare, "graphene", brighter, np.random.default_rng(5))
    fit = calibrate(image, "graphene", flat_field=FlatField(flat, 90.0))
    assert fit.microscope.oxide_thickness_nm == pytest.approx(96, abs=1)


def test_gains_hide_a_wrong_oxide():
    """The substrate fits whatever the oxide; the flake does not."""
    layers, image = scene(microscope=replace(LAB, vignetting=0.0))
    observed = [np.median(image[layers == n], axis=0) for n in (0, 3)]
    errors = []
    for oxide in (90, 120):
        fit = calibrate(
            image, "graphene", microscope=replace(MACHINE_VISION, oxide_thickness_nm=oxide)
        ).microscope
        predicted = encode(palette("graphene", [0, 3], fit), fit)
        errors.append(delta_e_76(srgb_to_lab(predicted), srgb_to_lab(np.array(observed))))
    (substrate_right, flake_right), (substrate_wrong, flake_wrong) = errors
    assert substrate_right < 1 and substrate_wrong < 1
    assert flake_right < 1.5 and flake_wrong > 4


# A real micrograph
@pytest.fixture(scope="module")
def real():
    """The graphene image with one annotated flake, a monolayer by its contrast."""
    from pycocotools import mask as rle

    data = json.loads((Path(MICROGRAPHS) / "annotations.json").read_text())
    entry = next(i for i in data["images"] if i["file_name"].startswith("GrapheneH/17294f8a"))
    (flake,) = [a for a in data["annotations"] if a["image_id"] == entry["id"]]
    image = load_image(micrograph(entry["file_name"], download=False))
    return image, rle.decode(flake["segmentation"]).astype(bool)


@needs_micrographs
def test_the_annotated_flake_is_a_monolayer_by_its_contrast(real):
    image, mask = real
    contrast = measure_contrast(image, mask, MACHINE_VISION)
    predicted = layer_contrast("graphene", np.arange(1, 6), MACHINE_VISION)
    distance = np.linalg.norm(predicted - contrast, axis=1)
    assert distance.argmin() == 0 and distance[0] < 0.03


@needs_micrographs
def test_calibrated_colour_of_the_flake(real):
    image, mask = real
    observed = srgb_to_lab(np.median(image[mask], axis=0))

    def error(microscope):
        predicted = encode(palette("graphene", [1], microscope)[0], microscope)
        return delta_e_76(srgb_to_lab(predicted), observed)

    calibrated = error(calibrate(image, "graphene").microscope)
    as_srgb = replace(MACHINE_VISION, transfer_exponent="srgb")
    assert calibrated <= 2.5
    assert calibrated < error(calibrate(image, "graphene", microscope=as_srgb).microscope)
    assert calibrated < error(MACHINE_VISION)


@needs_micrographs
def test_oxide_and_exponent_from_one_real_flake(real):
    """The camera's settings say gamma 1.00, the wafer is sold as 90 nm."""
    image, mask = real
    fit = calibrate(image, "graphene", flakes=[(mask, 1)], fit_exponent=True)
    assert fit.microscope.oxide_thickness_nm == pytest.approx(90, abs=5)
    assert abs(fit.microscope.transfer_exponent - 1) < 2 * fit.transfer_exponent_sigma


@needs_micrographs
@pytest.mark.parametrize("name", ["GrapheneH/45ce", "WSe2/862c", "MoSe2/45e1", "hBN_Thin/58100"])
def test_background_of_real_images_is_even(name):
    background = find_background(load_image(micrograph(name, download=False)))
    assert 0.5 < background.mask.mean() < 0.99
    assert (background.noise_sigma * 255 < 2.5).all()


# Files
@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(tmp_path, name):
    path = save_microscope(PRESETS[name], tmp_path / "m.json")
    assert load_microscope(path) == PRESETS[name]
    assert path.stat().st_size < 2000 and list(tmp_path.iterdir()) == [path]


def test_json_of_an_encapsulated_stack(tmp_path):
    microscope = Microscope(layers_above=(("BN", 10.0),), layers_below=(("BN", 20.0),))
    assert load_microscope(save_microscope(microscope, tmp_path / "m.json")) == microscope


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": "other"}, "qupaint-microscope-1"),
        ({"oxide_thicknes_nm": 90}, "did you mean 'oxide_thickness_nm'"),
        ({"oxide_thickness_nm": -1}, "oxide_thickness_nm = -1"),
        ({"oxide_thickness_nm": "90"}, "oxide_thickness_nm = '90'"),
        ({"white_balance_gain": [1, 2]}, "white_balance_gain"),
        ({"white_balance_gain": [1, 2, 0]}, "three gains > 0"),
        ({"camera": {"peaks": [1, 2, 3]}}, "camera"),
        ({"transfer_exponent": "gamma"}, "transfer_exponent"),
    ],
)
def test_bad_json_is_refused(tmp_path, change, match):
    path = save_microscope(MACHINE_VISION, tmp_path / "m.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArgumentError, match=match):
        load_microscope(path)


def test_no_json_at_all(tmp_path):
    (tmp_path / "m.json").write_text("{")
    for name in ("m.json", "missing.json"):
        with pytest.raises(ArgumentError, match="readable JSON"):
            load_microscope(tmp_path / name)


# Bad input
LAYERS, IMAGE = scene()


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (np.zeros((0, 0, 3)), "image"),
        (IMAGE[..., 0], "H, W, 3"),
        (IMAGE[:20], "at least 32"),
        (np.where(LAYERS[..., None] == 3, np.nan, IMAGE), "NaN"),
        (IMAGE * 255, "codes in"),
        ((IMAGE * 255).astype(int), "8-bit codes"),
    ],
)
def test_bad_images_are_refused(image, match):
    with pytest.raises(ImageError, match=match):
        calibrate(image, "graphene")


def test_8_bit_codes_are_taken_as_they_are():
    codes = np.round(IMAGE * 255).astype(np.uint8)
    ours, theirs = (calibrate(i, "graphene").substrate_rgb for i in (codes, IMAGE))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_an_image_without_substrate():
    noise = np.random.default_rng(0).uniform(0, 1, (200, 200, 3))
    with pytest.raises(CalibrationError, match="substrate of one colour"):
        calibrate(noise, "graphene")


@pytest.mark.parametrize(
    ("mask", "kind", "match"),
    [
        (np.zeros(LAYERS.shape, bool), CalibrationError, "no pixel"),
        (LAYERS == 3, CalibrationError, "look like the substrate"),
        (np.ones((3, 3), bool), ArgumentError, "shape"),
        (np.ones(LAYERS.shape, int), ArgumentError, "bool"),
    ],
)
def test_a_region_with_no_substrate(mask, kind, match):
    with pytest.raises(kind, match=match):
        calibrate(IMAGE, "graphene", substrate_mask=mask)


@pytest.mark.parametrize(
    ("kwargs", "kind", "match"),
    [
        ({"statistic": "mode"}, ArgumentError, "statistic = 'mode'"),
        ({"fit_exponent": True}, ArgumentError, "flakes of known layer count"),
        ({"flakes": [(LAYERS == 9, 1)]}, CalibrationError, "no pixel"),
        ({"flakes": [(LAYERS == 1, 0)]}, ArgumentError, "layer count"),
        ({"flakes": [(LAYERS == 1, 1)], "oxide_range_nm": (9, 5)}, ArgumentError, "low < high"),
        ({"flakes": [(LAYERS == 1, 3)]}, CalibrationError, "ended at its bound"),
    ],
)
def test_bad_calibrations_are_refused(kwargs, kind, match):
    with pytest.raises(kind, match=match):
        calibrate(IMAGE, "graphene", **kwargs)


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="material"):
        calibrate(IMAGE, "grafene")
    with pytest.raises(UnknownNameError, match="did you mean 'machine-vision'"):
        get_preset("machine vision")
    with pytest.raises(ArgumentError, match="has no layers"):
        palette("SiO2", [1], MACHINE_VISION)
    with pytest.raises(ArgumentError, match="layer_counts = -1"):
        palette("graphene", [-1], MACHINE_VISION)
    with pytest.raises(ArgumentError, match="layer_counts"):
        render_layers(np.zeros((4, 4)), "graphene", LAB, np.random.default_rng(0))


# What once went wrong
def test_mean_of_a_large_single_precision_image_is_exact():
    """A naive float32 sum over two million pixels is one per cent off."""
    layers = np.zeros((1200, 1920), dtype=int)
    image = render_layers(
        layers, "graphene", replace(LAB, vignetting=0.0), np.random.default_rng(0)
    )
    mean = calibrate(image.astype(np.float32), "graphene", statistic="mean").substrate_rgb
    np.testing.assert_allclose(mean, image.mean(axis=(0, 1)), rtol=2e-4)


def test_more_labels_do_not_lessen_the_error_that_is_common_to_them():
    truth = replace(LAB, vignetting=0.0)
    layers, image = scene("graphene", truth)
    one = calibrate(image, "graphene", flakes=[(layers == 1, 1)])
    nine = calibrate(image, "graphene", flakes=[(layers == 1, 1)] * 9)
    np.testing.assert_allclose(
        nine.oxide_thickness_sigma_nm, one.oxide_thickness_sigma_nm, rtol=0.05
    )


def test_a_misfit_that_is_seen_widens_the_error_however_many_flakes_show_it():
    layers, image = scene("graphene", replace(LAB, vignetting=0.0))
    right, wrong = (
        calibrate(image, "graphene", flakes=[(layers == n, m) for n, m in labels] * 3)
        for labels in ([(1, 1), (2, 2), (3, 3)], [(1, 1), (2, 3), (3, 2)])
    )
    assert wrong.residual_rms > 2 * 0.02 > right.residual_rms
    assert wrong.oxide_thickness_sigma_nm > 2 * right.oxide_thickness_sigma_nm


def test_an_uncertain_flat_field_makes_an_uncertain_oxide():
    layers, image = scene("graphene", LAB)
    flat = render_layers(np.zeros_like(layers), "graphene", LAB, np.random.default_rng(5))
    sure, unsure = (
        calibrate(image, "graphene", flat_field=FlatField(flat, 90.0, sigma))
        for sigma in (0.01, 5.0)
    )
    assert unsure.oxide_thickness_sigma_nm > 4 > 2 > sure.oxide_thickness_sigma_nm


def test_an_exponent_at_its_bound_is_refused():
    """A flake darker than any layer count can be under an exponent of at most 3.5."""
    codes = np.full((64, 64, 3), 0.8)
    codes[20:40, 20:40] = 0.79
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:40, 20:40] = True
    with pytest.raises(CalibrationError, match="ended at its bound"):
        calibrate(codes, "graphene", flakes=[(mask, 4)], fit_exponent=True)


@needs_micrographs
def test_the_labs_preset_has_the_gains_and_vignetting_of_its_flat_field():
    flat = load_image(Path(MICROGRAPHS) / "calibration/flatfield_graphene_90nm_20x.png")
    height, width = flat.shape[:2]
    middle = np.median(flat[height // 3 : -height // 3, width // 3 : -width // 3], axis=(0, 1))
    predicted = encode(palette("graphene", [0], LAB)[0], LAB)
    np.testing.assert_allclose(predicted, middle, atol=1 / 255)
    corners = [flat[row, column] for row in (9, -9) for column in (9, -9)] / middle
    assert 1 - np.mean(corners) == pytest.approx(LAB.vignetting, abs=0.03)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_black_or_saturated_substrate_is_refused(level):
    codes = np.full((64, 64, 3), level)
    with pytest.raises(CalibrationError, match="in every channel"):
        calibrate(codes, "graphene")


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"microscope": "machine vision"}, "did you mean 'machine-vision'"),
        ({"flat_field": IMAGE}, "a FlatField"),
        ({"background": find_background(IMAGE[:64])}, "that of this image"),
        ({"flakes": [(LAYERS == 1, "1")]}, "layer count"),
        ({"flakes": [(LAYERS == 1, 1.0)]}, "layer count"),
    ],
)
def test_wrong_kinds_are_refused(kwargs, match):
    with pytest.raises(ArgumentError, match=match):
        calibrate(IMAGE, "graphene", **kwargs)


@pytest.mark.parametrize("kwargs", [{"oxide_thickness_nm": -5.0}, {"oxide_sigma_nm": -1.0}])
def test_bad_flat_fields_are_refused(kwargs):
    with pytest.raises(ArgumentError, match="flat_field"):
        FlatField(IMAGE, **kwargs)


@pytest.mark.parametrize(
    "change",
    [
        {"layers_above": [1]},
        {"layers_above": None},
        {"illuminant": [1]},
        {"illuminant": 20},
        {"camera": {"peaks_nm": ["a", 1, 2], "fwhm_nm": [1, 2, 3]}},
        {"noise_sigma": [-1, 0, 0]},
        {"name": None},
    ],
)
def test_fields_of_the_wrong_kind_are_refused(tmp_path, change):
    path = save_microscope(MACHINE_VISION, tmp_path / "m.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArgumentError):
        load_microscope(path)


@pytest.mark.parametrize("counts", [[1.5], [[1, 2]]])
def test_layer_counts_are_whole_numbers(counts):
    with pytest.raises(ArgumentError, match="whole numbers"):
        palette("graphene", counts, MACHINE_VISION)
