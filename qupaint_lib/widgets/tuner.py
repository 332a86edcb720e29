"""The optics tuner without its drawing: what a microscope shows of a material, and its best oxide.

Everything is computed by `microscope`, `optics` and `colorimetry`; here stands only what is asked
of them. A band-pass filter is meant for a camera that is read as a monochrome one: its channels
are summed, and colours become greys.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from qupaint_lib.colorimetry import (
    RGB_TO_XYZ,
    WAVELENGTH_NM,
    delta_e_76,
    illuminant_power,
    linear_rgb_to_lab,
    linear_to_srgb,
    rgb_matrix,
    sensitivities,
    spectrum_to_rgb,
)
from qupaint_lib.errors import ArgumentError
from qupaint_lib.materials import get_material
from qupaint_lib.microscope import PRESETS, Microscope, layer_reflectance
from qupaint_lib.optics import contrast

MOST_LAYERS = 12
OXIDES_NM = np.arange(0.0, 401.0, 5.0)
OXIDES_NM.flags.writeable = False
SEARCH_NM = (20.0, 380.0)  # oxides among which the best is looked for
FILTER_SEARCH_NM = (430.0, 700.0)
SUBSTRATE_LUMINANCE = 0.2  # exposure: of the bare wafer, white is 1


@dataclass(frozen=True)
class Tuning:
    """What the tuner is set to.

    Attributes
    ----------
    material : str
        Of the flake.
    layers : (int, int)
        Fewest and most layers that are shown, 1 to 12.
    microscope : Microscope
        Stack, aperture, illuminant and camera.
    filter_nm : (float, float) or None
        Centre, 400 to 750 nm, and full width at half maximum, 5 to 200 nm, of a Gaussian
        band-pass; None for none.

    Raises
    ------
    ArgumentError
        Names what is not allowed.
    """

    material: str = "graphene"
    layers: tuple[int, int] = (1, 6)
    microscope: Microscope = field(default_factory=lambda: PRESETS["machine-vision"])
    filter_nm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        get_material(self.material)
        low, high = self.layers
        if not 1 <= low <= high <= MOST_LAYERS:
            raise ArgumentError("layers", self.layers, f"1 ≤ fewest ≤ most ≤ {MOST_LAYERS}")
        if self.filter_nm is not None:
            center, width = self.filter_nm
            if not (400 <= center <= 750 and 5 <= width <= 200):
                allowed = "a centre of 400 to 750 nm and a width of 5 to 200 nm"
                raise ArgumentError("filter_nm", self.filter_nm, allowed)

    @property
    def counts(self) -> np.ndarray:
        """Layer counts that are shown, the bare wafer first."""
        return np.concatenate([[0], np.arange(self.layers[0], self.layers[1] + 1)])


@dataclass(frozen=True, eq=False)
class Look:
    """What is seen at a tuning; L counts with the bare wafer first, W wavelengths, O oxides.

    Attributes
    ----------
    counts : (L,) array
        Layers.
    srgb : (L, 3) array
        Colours in [0, 1], exposed so that the bare wafer has a luminance of 0.2.
    contrast_spectra : (L − 1, W) array
        Contrast of every count on `colorimetry.WAVELENGTH_NM`.
    channel : str
        What the next contrasts are seen through: ``"green channel"`` or the filter.
    contrasts : (L − 1,) array
        There, at the tuning's oxide.
    contrasts_by_oxide : (O, L − 1) array
        There, on `OXIDES_NM`.
    delta_e_steps : (L − 1,) array
        ΔE76 of each colour from the one before it.
    """

    counts: np.ndarray
    srgb: np.ndarray
    contrast_spectra: np.ndarray
    channel: str
    contrasts: np.ndarray
    contrasts_by_oxide: np.ndarray
    delta_e_steps: np.ndarray


@dataclass(frozen=True)
class Best:
    """The best value of a search.

    Attributes
    ----------
    value : float
        Oxide, or centre of the filter, in nm.
    gain : float
        What it reaches: ΔE76 between the two counts, or their difference in contrast.
    now : float
        What the tuning reaches as it is.
    """

    value: float
    gain: float
    now: float


def channel_matrix(tuning: Tuning) -> np.ndarray:
    """Return the (W, 3) matrix from spectra to linear RGB, through the filter if there is one."""
    scope = tuning.microscope
    if tuning.filter_nm is None:
        return rgb_matrix(scope.camera, scope.illuminant)
    center, width = tuning.filter_nm
    weights = sensitivities(scope.camera).sum(axis=1) * illuminant_power(scope.illuminant)
    weights = weights * 0.5 ** ((2 * (WAVELENGTH_NM - center) / width) ** 2)
    if not weights.sum() > 1e-9:
        allowed = "a band in which lamp and camera have light"
        raise ArgumentError("filter_nm", tuning.filter_nm, allowed)
    return np.repeat((weights / weights.sum())[:, None], 3, axis=1)


def look(tuning: Tuning) -> Look:
    """Return what is seen at a tuning."""
    spectra = layer_reflectance(tuning.material, tuning.counts, tuning.microscope)
    matrix = channel_matrix(tuning)
    light = spectrum_to_rgb(spectra, matrix)
    exposed = _exposed(light)
    lab = linear_rgb_to_lab(exposed)
    swept = _by_oxide(tuning.material, _optics(tuning.microscope))[:, tuning.counts] @ matrix[:, 1]
    return Look(
        tuning.counts,
        linear_to_srgb(np.clip(exposed, 0, 1)),
        contrast(spectra[1:], spectra[0]),
        _channel_name(tuning),
        contrast(light[1:, 1], light[0, 1]),
        contrast(swept[:, 1:], swept[:, :1]),
        delta_e_76(lab[1:], lab[:-1]),
    )


def best_oxide(tuning: Tuning, pair: tuple[int, int] = (1, 2)) -> Best:
    """Return the oxide on which two layer counts differ most in colour.

    ΔE76 at the exposure of `Look.srgb`, on a grid of 2 nm over `SEARCH_NM` and then by Brent's
    bounded search around the best point of it: the curve has several maxima.
    """
    counts = _checked_pair(pair)
    matrix = channel_matrix(tuning)

    def difference(oxides: np.ndarray) -> np.ndarray:
        oxides = np.atleast_1d(oxides)
        spectra = layer_reflectance(tuning.material, counts, tuning.microscope, oxides_nm=oxides)
        lab = linear_rgb_to_lab(_exposed(spectrum_to_rgb(spectra, matrix)))
        return delta_e_76(lab[:, 1], lab[:, 2])

    value, gain = _maximum(difference, np.arange(SEARCH_NM[0], SEARCH_NM[1] + 1, 2.0))
    now = difference(np.array([tuning.microscope.oxide_thickness_nm]))[0]
    return Best(value, gain, float(now))


def best_filter(
    tuning: Tuning, pair: tuple[int, int] = (1, 2), *, width_nm: float | None = None
) -> Best:
    """Return the centre of the band-pass through which two layer counts differ most in contrast.

    The exposure is taken to follow the filter, so that the bare wafer is always as bright and the
    noise the same. The width is the tuning's own, or 40 nm: the narrower, the better, until the
    light runs out.
    """
    counts = _checked_pair(pair)
    spectra = layer_reflectance(tuning.material, counts, tuning.microscope)
    width = width_nm or (tuning.filter_nm or (0, 40.0))[1]

    def difference(centers: np.ndarray) -> np.ndarray:
        through = [replace(tuning, filter_nm=(float(c), width)) for c in np.atleast_1d(centers)]
        light = np.array([spectra @ channel_matrix(t)[:, 1] for t in through])
        return abs(light[:, 2] - light[:, 1]) / light[:, 0]

    value, gain = _maximum(difference, np.arange(FILTER_SEARCH_NM[0], FILTER_SEARCH_NM[1] + 1, 5.0))
    light = spectra @ channel_matrix(tuning)[:, 1]
    return Best(value, gain, float(abs(light[2] - light[1]) / light[0]))


def _maximum(function, grid: np.ndarray) -> tuple[float, float]:
    from scipy.optimize import minimize_scalar

    at = int(function(grid).argmax())
    bounds = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda x: -float(function(np.array([x]))[0]), bounds=bounds, method="bounded"
    )
    return float(found.x), -float(found.fun)


def _checked_pair(pair: tuple[int, int]) -> np.ndarray:
    low, high = pair
    if not (1 <= low <= MOST_LAYERS and 1 <= high <= MOST_LAYERS and low != high):
        raise ArgumentError("pair", pair, f"two different layer counts from 1 to {MOST_LAYERS}")
    return np.array([0, low, high])


def _exposed(light: np.ndarray) -> np.ndarray:
    """Scale light (…, L, 3) by one gain that gives the bare wafer its luminance."""
    luminance = light[..., :1, :] @ RGB_TO_XYZ[1]
    return light * (SUBSTRATE_LUMINANCE / luminance)[..., None]


def _channel_name(tuning: Tuning) -> str:
    if tuning.filter_nm is None:
        return "green channel"
    center, width = tuning.filter_nm
    return f"filter {center:.0f} ± {width / 2:.0f} nm"


def _optics(microscope: Microscope) -> Microscope:
    """Return a microscope that has nothing but what decides its spectra on any oxide."""
    fields = ("numerical_aperture", "oxide", "substrate", "ambient", "layers_above", "layers_below")
    return Microscope(**{name: getattr(microscope, name) for name in fields})


@lru_cache(maxsize=32)
def _by_oxide(material: str, optics: Microscope) -> np.ndarray:
    """Return spectra (O, L, W) on all oxides of all layers, which most sliders leave alone.

    In four parts, which a processor's cache holds: a third less time.
    """
    every = np.arange(MOST_LAYERS + 1)
    parts = np.array_split(OXIDES_NM, 4)
    return np.concatenate(
        [layer_reflectance(material, every, optics, oxides_nm=part) for part in parts]
    )
