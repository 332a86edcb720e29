import numpy as np
import pytest
import tmm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qupaint_lib.errors import ArgumentError
from qupaint_lib.optics import contrast, reflectance, reflection_amplitude
from qupaint_lib.optics.sweeps import interpolate_entire

WAVELENGTH = np.array([400.0, 550.0, 700.0])


def tmm_amplitude(indices, thicknesses, wavelength, angle_deg, polarization):
    return tmm.coh_tmm(
        polarization,
        indices,
        [np.inf, *thicknesses, np.inf],
        np.deg2rad(angle_deg),
        wavelength,
    )["r"]


@st.composite
def stacks(draw):
    count = draw(st.integers(1, 6))
    n = draw(arrays(float, count + 1, elements=st.floats(1.1, 5.0)))
    k = draw(arrays(float, count + 1, elements=st.just(0.0) | st.floats(1e-3, 3.0)))
    thicknesses = draw(arrays(float, count, elements=st.floats(0.0, 400.0)))
    ambient = draw(st.floats(1.0, 1.6))
    return [ambient, *(n + 1j * k)], list(thicknesses)


@settings(max_examples=200)
@given(stacks(), st.floats(0, 60), st.sampled_from("sp"), st.floats(380, 780))
def test_agreement_with_tmm_on_random_stacks(stack, angle, polarization, wavelength):
    indices, thicknesses = stack
    r = tmm_amplitude(indices, thicknesses, wavelength, angle, polarization)
    kwargs = {"angle_deg": angle, "polarization": polarization}
    assert abs(reflectance(indices, thicknesses, wavelength, **kwargs) - abs(r) ** 2) <= 1e-10
    assert abs(reflection_amplitude(indices, thicknesses, wavelength, **kwargs) - r) <= 1e-10


@settings(max_examples=100)
@given(stacks(), st.floats(0, 0.95))
def test_reflectance_is_between_0_and_1(stack, numerical_aperture):
    indices, thicknesses = stack
    values = reflectance(indices, thicknesses, WAVELENGTH, numerical_aperture=numerical_aperture)
    assert (values >= 0).all() and (values <= 1 + 1e-12).all()


def test_graphene_anchor():
    """Contrast −14.1 % at 550 nm on 90 nm oxide; the wrong sign of k would give +13.6 %."""
    flake = reflectance([1, 2.6 + 1.3j, 1.4599, 4.085 + 0.0407j], [0.335, 90], 550.0)
    substrate = reflectance([1, 1.4599, 4.085 + 0.0407j], [90], 550.0)
    assert contrast(flake, substrate) == pytest.approx(-0.141, abs=5e-4)
    with pytest.raises(ArgumentError, match="imaginary part k"):
        reflectance([1, 2.6 - 1.3j, 1.4599, 4.085 + 0.0407j], [0.335, 90], 550.0)


def test_one_interface_is_fresnels():
    assert reflectance([1, 1.5], [], 550.0) == pytest.approx(0.04, abs=1e-15)
    brewster = np.rad2deg(np.arctan(1.5))
    r = reflectance([1, 1.5], [], 550.0, angle_deg=brewster, polarization="p")
    assert r == pytest.approx(0, abs=1e-15)


def test_total_internal_reflection_is_total():
    r = reflectance([1.5, 1.0, 1.5], [5000.0], WAVELENGTH, angle_deg=60)
    np.testing.assert_allclose(r, 1, atol=1e-12)
    assert reflectance([1.5, 1.0], [], 550.0, angle_deg=60) == pytest.approx(1, abs=1e-12)


@given(st.floats(0.0, 300.0), st.floats(0.0, 300.0))
def test_cutting_a_layer_in_two_changes_nothing(first, second):
    n = 2.0 + 0.3j
    whole = reflectance([1, n, 4], [first + second], WAVELENGTH)
    cut = reflectance([1, n, n, 4], [first, second], WAVELENGTH)
    np.testing.assert_allclose(cut, whole, atol=1e-12)


def test_extreme_absorbers_do_not_overflow():
    r = reflectance([1, 5 + 5j, 1.5], [1e6], WAVELENGTH)
    np.testing.assert_allclose(r, reflectance([1, 5 + 5j], [], WAVELENGTH), atol=1e-14)


# The shorter ways through the same algebra.
MEDIA = [1.0, 5.2 + 1.1j, 1.46, 4.1 + 0.05j]


def plain(thicknesses, wavelength=WAVELENGTH, **kwargs):
    """Every stack by itself, which takes none of the short ways."""
    thicknesses = np.broadcast_arrays(*thicknesses)
    rows = [
        reflectance(MEDIA, row, wavelength, **kwargs)
        for row in zip(*(d.ravel().tolist() for d in thicknesses), strict=True)
    ]
    return np.array(rows).reshape(*thicknesses[0].shape, -1)


@pytest.mark.parametrize("numerical_aperture", [0.0, 0.8])
@pytest.mark.parametrize("extent", [1e-3, 1.0, 100.0, 3000.0])
def test_sweep_of_one_layer(extent, numerical_aperture):
    sweep = np.linspace(0, extent, 700)[::-1]
    kwargs = {"numerical_aperture": numerical_aperture, "aperture_nodes": 5}
    kwargs = kwargs if numerical_aperture else {}
    for thicknesses in ([sweep, 90.0], [3.0, sweep]):
        values = reflectance(MEDIA, thicknesses, WAVELENGTH, **kwargs)
        np.testing.assert_allclose(values, plain(thicknesses, **kwargs), atol=1e-11)


def test_sweep_of_one_value_only():
    values = reflectance(MEDIA, [np.full(500, 7.0), 90.0], WAVELENGTH)
    np.testing.assert_allclose(values, plain([np.full(500, 7.0), 90.0]), atol=1e-12)


@given(st.sampled_from([((7, 1), (1, 5)), ((1, 5), (7, 1)), ((4,), (3, 1)), ((2, 1, 3), (5, 1))]))
def test_grid_of_two_layers(shapes):
    rng = np.random.default_rng(0)
    thicknesses = [rng.uniform(0, 200, shape) for shape in shapes]
    for kwargs in ({}, {"numerical_aperture": 0.6, "aperture_nodes": 3}):
        values = reflectance(MEDIA, thicknesses, WAVELENGTH, **kwargs)
        assert values.shape == (*np.broadcast_shapes(*shapes), 3)
        np.testing.assert_allclose(values, plain(thicknesses, **kwargs), atol=1e-12)


def test_grid_with_fixed_layers_around_and_between():
    media = [1.0, 2.2, 5 + 1j, 2.1, 1.46, 1.9, 4.1 + 0.05j]
    flake, oxide = np.linspace(0, 5, 4)[:, None], np.linspace(60, 120, 3)
    thicknesses = [20.0, flake, 10.0, oxide, 30.0]
    one_by_one = [
        [reflectance(media, [20.0, f, 10.0, o, 30.0], WAVELENGTH) for o in oxide]
        for f in flake[:, 0]
    ]
    values = reflectance(media, thicknesses, WAVELENGTH)
    np.testing.assert_allclose(values, one_by_one, atol=1e-13)


def test_paired_thicknesses_are_not_a_grid():
    thicknesses = [np.linspace(0, 5, 6), np.linspace(60, 120, 6)]
    values = reflectance(MEDIA, thicknesses, WAVELENGTH)
    assert values.shape == (6, 3)
    np.testing.assert_allclose(values, plain(thicknesses), atol=1e-13)


def test_interpolation_gives_up_on_what_is_not_smooth():
    x = np.linspace(-1, 1, 500)
    np.testing.assert_array_equal(interpolate_entire(lambda t: abs(t)[:, None], x)[:, 0], abs(x))


def test_shapes():
    assert reflectance(MEDIA, [1.0, 90.0], 550.0).shape == ()
    assert reflectance(MEDIA, [np.ones(4), 90.0], 550.0).shape == (4,)
    assert reflectance(MEDIA, [np.ones((2, 1)), np.ones(3)], WAVELENGTH).shape == (2, 3, 3)
    dispersive = [1.0, np.full(3, 2.0), 1.46, np.full(3, 4.0)]
    assert reflectance(dispersive, [1.0, 90.0], WAVELENGTH).shape == (3,)


def test_inputs_are_left_as_they_were():
    d = np.linspace(0, 5, 300)
    before = d.copy()
    reflectance(MEDIA, [d, 90.0], WAVELENGTH)
    np.testing.assert_array_equal(d, before)


# Averaging over the objective's cone.
def test_aperture_against_dense_integration():
    """∫ R sin θ cos θ dθ / ∫ sin θ cos θ dθ by 20,000 steps of the trapezium rule."""
    theta = np.linspace(0, np.arcsin(0.8), 2001)
    at = [(reflectance(MEDIA, [3.0, 285.0], 500.0, angle_deg=np.rad2deg(t))) for t in theta]
    weight = np.sin(theta) * np.cos(theta)
    dense = np.trapezoid(np.array(at) * weight, theta) / np.trapezoid(weight, theta)
    value = reflectance(MEDIA, [3.0, 285.0], 500.0, numerical_aperture=0.8)
    assert value == pytest.approx(dense, abs=1e-6)


@pytest.mark.parametrize("numerical_aperture", [0.3, 0.5, 0.9])
def test_enough_nodes_by_default(numerical_aperture):
    rng = np.random.default_rng(1)
    for _ in range(20):
        thicknesses = rng.uniform(0, [20, 400])
        kwargs = {"numerical_aperture": numerical_aperture}
        values = reflectance(MEDIA, thicknesses, WAVELENGTH, **kwargs)
        many = reflectance(MEDIA, thicknesses, WAVELENGTH, aperture_nodes=100, **kwargs)
        np.testing.assert_allclose(values, many, atol=1e-6)


def test_a_small_aperture_is_normal_incidence():
    values = reflectance(MEDIA, [3.0, 90.0], WAVELENGTH, numerical_aperture=1e-4)
    np.testing.assert_allclose(values, reflectance(MEDIA, [3.0, 90.0], WAVELENGTH), atol=1e-8)


# torch
@pytest.mark.parametrize("kwargs", [{}, {"angle_deg": 40.0}, {"numerical_aperture": 0.5}])
def test_torch_equals_numpy(kwargs):
    thicknesses = [np.linspace(0, 9, 5)[:, None], np.linspace(60, 300, 4)]
    expected = reflectance(MEDIA, thicknesses, WAVELENGTH, **kwargs)
    values = reflectance(MEDIA, [torch.tensor(d) for d in thicknesses], WAVELENGTH, **kwargs)
    assert isinstance(values, torch.Tensor) and values.dtype == torch.float64
    np.testing.assert_allclose(values.numpy(), expected, atol=1e-13)


@pytest.mark.parametrize("kwargs", [{}, {"numerical_aperture": 0.5}])
def test_gradients_against_finite_differences(kwargs):
    def function(flake, oxide, n, k, wavelength):
        indices = [1.0, torch.complex(n, k), 1.46, 4.1 + 0.05j]
        return reflectance(indices, [flake, oxide], wavelength, **kwargs)

    inputs = [
        torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for value in ([0.7, 3.0], 90.0, 5.0, 1.2, [450.0, 620.0])
    ]
    assert torch.autograd.gradcheck(function, inputs, eps=1e-6, atol=1e-7)


# Bad input
@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([1, 2, 4], [-1.0], 550.0), "thicknesses_nm = -1.0"),
        (([1, 2, 4], [np.nan], 550.0), "thicknesses_nm = nan"),
        (([1, 2, 4], [np.array([1.0, np.inf])], 550.0), "thicknesses_nm = inf"),
        (([1, 2 - 0.1j, 4], [1.0], 550.0), "imaginary part k = -0.1"),
        (([1, np.nan, 4], [1.0], 550.0), "real part n = nan"),
        (([1, 2, 4], [1.0], 0.0), "wavelength_nm = 0.0"),
        (([1, 2, 4], [1.0], [[550.0]]), "wavelength_nm"),
        (([1, 2, 4], [], 550.0), "one thickness per inner layer, so 1"),
        (([1], [], 550.0), "two media or more"),
        (([1, [2, 2, 2], 4], [1.0], [500.0, 600.0]), "refractive_indices"),
        (([1, 2, 2, 4], [np.ones(3), np.ones(4)], 550.0), "broadcast together"),
        (([1, 0, 4], [1.0], 550.0), "real part n = 0.0"),
        (([1, 2, 4], ["thick"], 550.0), "numbers"),
        (([1, 2, 4], [[]], 550.0), "an empty array"),
        (([1, 2, 4], [1.0], []), "an empty array"),
    ],
)
def test_bad_stacks_are_refused(arguments, match):
    with pytest.raises(ArgumentError, match=match):
        reflectance(*arguments)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"angle_deg": 90.0}, "angle_deg"),
        ({"angle_deg": -1.0}, "angle_deg"),
        ({"numerical_aperture": 1.0}, "numerical_aperture"),
        ({"numerical_aperture": 0.5, "angle_deg": 5.0}, "not both"),
        ({"polarization": "x"}, "polarization = 'x'"),
        ({"numerical_aperture": 0.5, "aperture_nodes": 0}, "aperture_nodes = 0"),
    ],
)
def test_bad_directions_are_refused(kwargs, match):
    with pytest.raises(ArgumentError, match=match):
        reflectance([1, 2, 4], [1.0], 550.0, **kwargs)


def test_amplitudes_have_one_polarization_and_a_transparent_ambient():
    with pytest.raises(ArgumentError, match="polarization"):
        reflection_amplitude([1, 2], [], 550.0, polarization="unpolarized")
    with pytest.raises(ArgumentError, match="transparent ambient"):
        reflectance([1 + 0.1j, 2], [], 550.0, angle_deg=10)
