"""The optics tuner without its drawing, and its charts."""

from dataclasses import replace

import numpy as np
import pytest

from qupaint_lib.colorimetry import (
    RGB_TO_XYZ,
    WAVELENGTH_NM,
    delta_e_76,
    linear_rgb_to_lab,
    rgb_matrix,
    spectrum_to_rgb,
    srgb_to_linear,
)
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.materials import get_material, refractive_index
from qupaint_lib.microscope import get_preset, layer_contrast, layer_reflectance
from qupaint_lib.optics import reflectance
from qupaint_lib.widgets import Tuning, best_filter, best_oxide, look
from qupaint_lib.widgets.charts import TunerCharts
from qupaint_lib.widgets.tuner import OXIDES_NM, channel_matrix

SCOPE = get_preset("machine-vision")


def on(oxide):
    return replace(SCOPE, oxide_thickness_nm=float(oxide))


def test_look_is_what_the_rooms_say():
    seen = look(Tuning("MoS2", (2, 4), on(100)))
    np.testing.assert_array_equal(seen.counts, [0, 2, 3, 4])
    np.testing.assert_allclose(seen.contrasts, layer_contrast("MoS2", [2, 3, 4], on(100))[:, 1])
    assert srgb_to_linear(seen.srgb[0]) @ RGB_TO_XYZ[1] == pytest.approx(0.2)
    row = int(np.flatnonzero(OXIDES_NM == 100)[0])
    np.testing.assert_allclose(seen.contrasts_by_oxide[row], seen.contrasts, rtol=1e-9)


@pytest.mark.parametrize("oxide", [12.0, 90.0, 300.0])
def test_a_sweep_of_the_oxide_equals_one_after_another(oxide):
    swept = layer_reflectance("WSe2", [0, 1, 5], SCOPE, oxides_nm=[5.0, oxide])
    np.testing.assert_allclose(
        swept[1], layer_reflectance("WSe2", [0, 1, 5], on(oxide)), atol=1e-11
    )


def test_narrow_filter_sees_the_spectrum():
    """Through 5 nm the contrast is that of the spectrum at the centre."""
    seen = look(Tuning("graphene", (1, 1), on(90), (560.0, 5.0)))
    spectrum = seen.contrast_spectra[0]
    assert seen.contrasts[0] == pytest.approx(spectrum[WAVELENGTH_NM == 560][0], abs=2e-3)
    np.testing.assert_allclose(seen.srgb[:, 0], seen.srgb[:, 2])  # greys


def test_filter_weights_add_up_and_have_the_width_that_is_asked_for():
    weights = channel_matrix(Tuning(filter_nm=(550.0, 60.0)))[:, 1]
    bare = channel_matrix(Tuning(filter_nm=(550.0, 200.0)))[:, 1] / 0.5 ** (
        (2 * (WAVELENGTH_NM - 550) / 200) ** 2
    )
    band = weights / bare
    assert weights.sum() == pytest.approx(1)
    half = band[WAVELENGTH_NM == 580][0] / band[WAVELENGTH_NM == 550][0]
    assert half == pytest.approx(0.5)


def difference_by_torch(material, oxide):
    """Return ΔE76 of 1 and 2 layers at an oxide, and its slope, by automatic differentiation."""
    torch = pytest.importorskip("torch")
    flake = get_material(material)
    media = [refractive_index(m, WAVELENGTH_NM) for m in ("air", flake, "SiO2", "Si")]
    films = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64) * flake.layer_thickness_nm
    d = torch.tensor(float(oxide), dtype=torch.float64, requires_grad=True)
    spectra = reflectance(
        media, [films, d], WAVELENGTH_NM, numerical_aperture=SCOPE.numerical_aperture
    )
    light = spectrum_to_rgb(spectra, rgb_matrix(SCOPE.camera, SCOPE.illuminant))
    lab = linear_rgb_to_lab(light * (0.2 / (light[0] @ torch.tensor(RGB_TO_XYZ[1]))))
    value = delta_e_76(lab[1], lab[2])
    value.backward()
    return float(value.detach()), float(d.grad)


@pytest.mark.parametrize("material", ["graphene", "MoS2"])
def test_best_oxide_is_where_the_gradient_vanishes(material):
    best = best_oxide(Tuning(material, microscope=on(150)))
    value, slope = difference_by_torch(material, best.value)
    assert value == pytest.approx(best.gain, rel=1e-6)
    assert abs(slope) < 1e-4
    assert best.gain > best.now
    assert all(difference_by_torch(material, d)[0] <= best.gain for d in range(20, 381, 15))


def test_best_filter_for_graphene_on_90_nm_is_green():
    """Blake et al. 2007: on 90 nm of oxide graphene is seen best in green light."""
    best = best_filter(Tuning("graphene", microscope=on(90)), width_nm=20)
    assert 520 <= best.value <= 600
    assert best.gain > best.now > 0
    scanned = [
        np.ptp(look(Tuning("graphene", (1, 2), on(90), (c, 20.0))).contrasts)
        for c in np.arange(430.0, 701, 10)
    ]
    assert best.gain >= max(scanned) - 1e-9


@pytest.mark.parametrize(
    "bad",
    [
        {"layers": (3, 2)},
        {"layers": (0, 2)},
        {"layers": (1, 13)},
        {"filter_nm": (300.0, 40.0)},
        {"filter_nm": (550.0, 1.0)},
    ],
)
def test_bad_settings_are_named(bad):
    with pytest.raises(ArgumentError, match=next(iter(bad))):
        Tuning(**bad)


def test_unknown_material_and_useless_pair():
    with pytest.raises(UnknownNameError, match="graphene"):
        Tuning("grafene")
    for pair in ((1, 1), (0, 1), (1, 40)):
        with pytest.raises(ArgumentError, match="pair"):
            best_oxide(Tuning(), pair)


def pixels(png):
    import cv2

    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_charts_show_the_colours_and_move():
    charts, title = TunerCharts(), "graphene"
    first = [pixels(png) for png in charts.draw(look(Tuning(microscope=on(90))), 90, title)]
    seen = look(Tuning(microscope=on(250)))
    then = [pixels(png) for png in charts.draw(seen, 250, title)]
    for before, after in zip(first, then, strict=True):
        assert before.shape == after.shape and (before != after).any()
    colors = {tuple(c) for c in then[0].reshape(-1, 3)}
    for color in np.round(seen.srgb * 255).astype(int):
        assert any(abs(np.subtract(color, c)).max() <= 1 for c in colors)
    again = [pixels(png) for png in TunerCharts().draw(seen, 250, title)]
    for one, other in zip(then, again, strict=True):  # nothing of the first drawing is left
        assert (one != other).any(axis=-1).mean() < 0.12  # axes may keep their limits


def test_nothing_is_laid_out_twice(monkeypatch):
    """Whatever moves, frames and titles are drawn once; the pictures are those of a new chart."""
    charts = TunerCharts()
    charts.draw(look(Tuning(microscope=on(90))), 90, "graphene")
    with monkeypatch.context() as patched:
        for chart in charts._laid_out:
            patched.setattr(chart.canvas, "draw", None)  # a second layout would call it
        for layers in ((1, 12), (3, 3), (2, 7)):
            seen = look(Tuning("MoS2", layers, on(285), (560.0, 40.0)))
            kept = charts.draw(seen, 285, "MoS2")
    for chart in charts._laid_out:
        chart._frame = chart._still = None
    assert kept == charts.draw(seen, 285, "MoS2")
