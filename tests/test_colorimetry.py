import colour
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qupaint_lib.colorimetry import (
    WAVELENGTH_NM,
    GaussianCamera,
    camera_names,
    delta_e_76,
    delta_e_2000,
    illuminant_power,
    linear_rgb_to_lab,
    linear_to_srgb,
    rgb_matrix,
    sensitivities,
    spectrum_to_rgb,
    srgb_to_lab,
    srgb_to_linear,
    xyz_matrix,
    xyz_to_lab,
)
from qupaint_lib.colorimetry.tables import names, read_table, tables_of_package, write_store
from qupaint_lib.errors import ArgumentError, UnknownNameError

RNG = np.random.default_rng(0)
SPECTRA = RNG.uniform(0, 1, (20, 81))
UNIT_COLORS = arrays(float, (4, 3), elements=st.floats(0, 1))


def test_the_stored_tables_are_the_packages(tmp_path):
    theirs = tables_of_package()
    kinds = ("camera", "illuminant")
    assert sorted(theirs) == sorted(f"{kind} {n}" for kind in kinds for n in names(kind))
    for name, table in theirs.items():
        wavelength, values = read_table(*name.split(" ", 1))
        np.testing.assert_array_equal(wavelength, table.wavelengths)
        np.testing.assert_array_equal(values, table.values)
    with np.load(write_store(tmp_path / "again.npz")) as again:
        assert sorted(again) == sorted(theirs)


@pytest.mark.parametrize("illuminant", ["D65", "A", "LED-B3"])
def test_xyz_against_colour_science(illuminant):
    shape = colour.SpectralShape(380, 780, 5)
    theirs = colour.msds_to_XYZ(
        SPECTRA,
        cmfs=colour.MSDS_CMFS["CIE 1931 2 Degree Standard Observer"].copy().align(shape),
        illuminant=colour.SDS_ILLUMINANTS[illuminant].copy().align(shape),
        method="Integration",
        shape=shape,
    )
    np.testing.assert_allclose(SPECTRA @ xyz_matrix(illuminant) * 100, theirs, atol=1e-11)


def test_white_of_d65_is_the_published_white():
    """CIE 15: X = 95.047, Y = 100, Z = 108.883 (1 nm tables, so 5 nm sums differ a little)."""
    white = np.ones(81) @ xyz_matrix("D65")
    np.testing.assert_allclose(white, [0.95047, 1.0, 1.08883], atol=2e-4)


def test_linear_srgb_against_colour_science():
    theirs = colour.XYZ_to_sRGB(SPECTRA @ xyz_matrix(), apply_cctf_encoding=False)
    ours = spectrum_to_rgb(SPECTRA, rgb_matrix())
    np.testing.assert_allclose(ours, theirs, atol=3e-4)  # the standard rounds its inverse matrix


@pytest.mark.parametrize(
    "camera", ["CIE 1931", "Nikon 5100 (NPL)", GaussianCamera((600, 540, 450), (80, 80, 80))]
)
@pytest.mark.parametrize("illuminant", ["D65", "A", 2856, 6500.0])
def test_a_perfect_mirror_is_white(camera, illuminant):
    white = spectrum_to_rgb(np.ones(81), rgb_matrix(camera, illuminant))
    np.testing.assert_allclose(white, 1, atol=1e-14)


def test_illuminant_a_is_a_black_body_of_2856_k():
    np.testing.assert_allclose(illuminant_power("A"), illuminant_power(2855.54), rtol=2e-3)


def test_black_body_against_colour_science():
    theirs = colour.sd_blackbody(3200, colour.SpectralShape(380, 780, 5)).values
    ours = illuminant_power(3200)
    # they round the second radiation constant to 0.014388 m K
    np.testing.assert_allclose(ours, theirs / theirs[36], rtol=1e-4)
    assert WAVELENGTH_NM[36] == 560 and ours[36] == pytest.approx(1)


def test_gaussian_camera_has_its_peaks_and_widths():
    camera = GaussianCamera((605, 535, 455), (80, 85, 80))
    grid = np.arange(300.0, 900.0, 0.5)
    values = sensitivities(camera, grid)
    np.testing.assert_allclose(grid[values.argmax(axis=0)], camera.peaks_nm, atol=0.5)
    above_half = (values >= 0.5).sum(axis=0) * 0.5
    np.testing.assert_allclose(above_half, camera.fwhm_nm, atol=1)


def test_sensitivities_are_zero_outside_their_table():
    for camera in camera_names():
        assert (sensitivities(camera, np.array([250.0, 1000.0])) == 0).all()


def test_matrix_product_alone_is_colour_and_takes_any_shape():
    matrix = rgb_matrix()
    stack = SPECTRA.reshape(4, 5, 81)
    np.testing.assert_allclose(spectrum_to_rgb(stack, matrix), stack @ matrix, atol=1e-14)
    with pytest.raises(ArgumentError, match="81 wavelengths"):
        spectrum_to_rgb(np.ones(80), matrix)


@given(UNIT_COLORS)
def test_srgb_round_trip_and_against_colour_science(codes):
    linear = srgb_to_linear(codes)
    np.testing.assert_allclose(linear_to_srgb(linear), codes, atol=1e-6)
    # where the two pieces meet, at 0.04045, the packages take different ones: 2e-9 apart
    np.testing.assert_allclose(linear, colour.cctf_decoding(codes, "sRGB"), atol=1e-8)


def test_srgb_landmarks():
    """IEC 61966-2-1: 18 % grey is code 0.461; both pieces meet; encoding is odd."""
    assert linear_to_srgb(0.18) == pytest.approx(0.4614, abs=1e-4)
    assert linear_to_srgb(np.array([-0.5, 0.5])) @ [1, 1] == pytest.approx(0)
    below, above = linear_to_srgb(np.array([0.0031307, 0.0031309]))
    assert above - below < 5e-6


@given(UNIT_COLORS)
def test_lab_against_colour_science(codes):
    xyz = colour.sRGB_to_XYZ(codes)
    white = np.array([0.9505, 1.0, 1.089])  # the sum of the standard matrix's rows
    theirs = colour.XYZ_to_Lab(xyz, colour.XYZ_to_xy(white))
    # at the joint of sRGB's two pieces the packages take different ones, which differ by 2e-6
    np.testing.assert_allclose(srgb_to_lab(codes), theirs, atol=1e-5)


def test_lab_landmarks():
    np.testing.assert_allclose(srgb_to_lab(np.ones(3)), [100, 0, 0], atol=1e-12)
    np.testing.assert_allclose(srgb_to_lab(np.zeros(3)), [0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(xyz_to_lab([0.2, 0.2, 0.2], [1, 1, 1])[1:], 0, atol=1e-12)


# Sharma, Wu and Dalal 2005, table 1: L*, a*, b* of both colours and their ΔE2000.
SHARMA = np.array(
    [
        [50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425],
        [50, 3.1571, -77.2803, 50, 0, -82.7485, 2.8615],
        [50, 2.8361, -74.0200, 50, 0, -82.7485, 3.4412],
        [50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0000],
        [50, -1.1848, -84.8006, 50, 0, -82.7485, 1.0000],
        [50, -0.9009, -85.5211, 50, 0, -82.7485, 1.0000],
        [50, 0, 0, 50, -1, 2, 2.3669],
        [50, -1, 2, 50, 0, 0, 2.3669],
        [50, 2.4900, -0.0010, 50, -2.4900, 0.0009, 7.1792],
        [50, 2.4900, -0.0010, 50, -2.4900, 0.0010, 7.1792],
        [50, 2.4900, -0.0010, 50, -2.4900, 0.0011, 7.2195],
        [50, 2.4900, -0.0010, 50, -2.4900, 0.0012, 7.2195],
        [50, -0.0010, 2.4900, 50, 0.0009, -2.4900, 4.8045],
        [50, -0.0010, 2.4900, 50, 0.0010, -2.4900, 4.8045],
        [50, -0.0010, 2.4900, 50, 0.0011, -2.4900, 4.7461],
        [50, 2.5, 0, 50, 0, -2.5, 4.3065],
        [50, 2.5, 0, 73, 25, -18, 27.1492],
        [50, 2.5, 0, 61, -5, 29, 22.8977],
        [50, 2.5, 0, 56, -27, -3, 31.9030],
        [50, 2.5, 0, 58, 24, 15, 19.4535],
        [50, 2.5, 0, 50, 3.1736, 0.5854, 1.0000],
        [50, 2.5, 0, 50, 3.2972, 0, 1.0000],
        [50, 2.5, 0, 50, 1.8634, 0.5757, 1.0000],
        [50, 2.5, 0, 50, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


def test_ciede2000_against_sharmas_34_pairs():
    first, second, expected = SHARMA[:, :3], SHARMA[:, 3:6], SHARMA[:, 6]
    np.testing.assert_allclose(delta_e_2000(first, second), expected, atol=5e-5)
    np.testing.assert_allclose(delta_e_2000(second, first), expected, atol=5e-5)


@given(arrays(float, (6, 3), elements=st.floats(-80, 80)))
def test_ciede2000_against_colour_science(lab):
    lab[:, 0] = abs(lab[:, 0])
    theirs = colour.delta_E(lab[:3], lab[3:], method="CIE 2000")
    np.testing.assert_allclose(delta_e_2000(lab[:3], lab[3:]), theirs, atol=1e-7)


@given(arrays(float, (9, 3), elements=st.floats(-100, 100)))
def test_delta_e_76_is_a_metric(lab):
    a, b, c = lab[:3], lab[3:6], lab[6:]
    assert (delta_e_76(a, c) <= delta_e_76(a, b) + delta_e_76(b, c) + 1e-9).all()
    np.testing.assert_array_equal(delta_e_76(a, b), delta_e_76(b, a))
    np.testing.assert_array_equal(delta_e_76(a, a), 0)


def test_torch_equals_numpy_and_carries_gradients():
    rgb = RNG.uniform(0.01, 1, (6, 3))
    tensor = torch.tensor(rgb, requires_grad=True)
    for function in (linear_to_srgb, srgb_to_linear, linear_rgb_to_lab, srgb_to_lab):
        np.testing.assert_allclose(function(tensor).detach().numpy(), function(rgb), atol=1e-10)
    lab = linear_rgb_to_lab(rgb)
    for distance in (delta_e_76, delta_e_2000):
        ours = distance(linear_rgb_to_lab(tensor[:3]), linear_rgb_to_lab(tensor[3:]))
        np.testing.assert_allclose(ours.detach().numpy(), distance(lab[:3], lab[3:]), atol=1e-9)
    assert torch.autograd.gradcheck(linear_rgb_to_lab, tensor, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "kind", "match"),
    [
        (lambda: sensitivities("Nikon"), UnknownNameError, "camera = 'Nikon'"),
        (lambda: illuminant_power("D66"), UnknownNameError, "did you mean.*'D65'"),
        (lambda: illuminant_power(100), ArgumentError, "500 to 50,000 K"),
        (lambda: illuminant_power("D65", np.array([200.0])), ArgumentError, "wavelength_nm"),
        (lambda: GaussianCamera((600, 540), (80, 80, 80)), ArgumentError, "peaks_nm"),
        (lambda: GaussianCamera((600, 540, 450), (80, 0, 80)), ArgumentError, "fwhm_nm"),
        (lambda: rgb_matrix(wavelength_nm=np.array([1500.0])), ArgumentError, "wavelength_nm"),
        (lambda: srgb_to_lab(np.ones(4)), ArgumentError, "three channels"),
        (lambda: srgb_to_linear(np.array([np.nan, 0, 0])), ArgumentError, "srgb = nan"),
        (lambda: delta_e_76(np.ones(2), np.ones(2)), ArgumentError, "three channels"),
    ],
)
def test_bad_input(call, kind, match):
    with pytest.raises(kind, match=match):
        call()
