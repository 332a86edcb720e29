"""The microscope: from layer counts to linear RGB, to the codes of an image, and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qupaint_lib._arrays import check_finite, check_triplets
from qupaint_lib.colorimetry import (
    CIE_1931,
    WAVELENGTH_NM,
    GaussianCamera,
    linear_to_srgb,
    rgb_matrix,
    spectrum_to_rgb,
    srgb_to_linear,
)
from qupaint_lib.errors import ArgumentError
from qupaint_lib.materials import Material, get_material, refractive_index
from qupaint_lib.optics import contrast, reflectance

Layers = tuple[tuple[str, float], ...]  # (material, thickness in nm), ambient → substrate


@dataclass(frozen=True)
class Microscope:
    """Everything between the flake and the image file.

    Attributes
    ----------
    name : str
        What to call it.
    camera : str or GaussianCamera
        An observer or camera of `colorimetry.sensitivities`.
    illuminant : str or float
        A name of colour-science, or a black body's temperature in K.
    numerical_aperture : float
        Of the objective; the cone of light is taken to fill it. 0 is normal incidence.
    oxide_thickness_nm : float
        Thickness of the dielectric on the wafer.
    oxide, substrate, ambient : str
        Materials of the dielectric, the wafer and the medium above.
    layers_above, layers_below : tuple of (material, thickness in nm)
        Films over the flake and between flake and oxide, ambient → substrate: an encapsulated
        flake has hBN in both.
    transfer_exponent : float or "srgb"
        Linear light is code ** exponent: 1 for machine-vision cameras, about 2.2 for consumer
        images, or the sRGB curve itself.
    white_balance_gain : (float, float, float)
        Multiplies linear R, G, B; includes the exposure.
    clip_level : float
        Codes at or above it are saturated.
    vignetting : float
        Share of the light that is lost in the corners, 0 to 1.
    blur_sigma_px : float
        Standard deviation of the point-spread function.
    noise_sigma : (float, float, float)
        Standard deviation of the codes of an even surface, R, G, B.
    pixel_size_um : float or None
        Side of a pixel in the plane of the sample.

    Raises
    ------
    ArgumentError
        Names the field, its value and what is allowed.
    """

    name: str = "unnamed"
    camera: str | GaussianCamera = CIE_1931
    illuminant: str | float = "D65"
    numerical_aperture: float = 0.3
    oxide_thickness_nm: float = 90.0
    oxide: str = "SiO2"
    substrate: str = "Si"
    ambient: str = "air"
    layers_above: Layers = ()
    layers_below: Layers = ()
    transfer_exponent: float | str = 1.0
    white_balance_gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    clip_level: float = 1.0
    vignetting: float = 0.0
    blur_sigma_px: float = 0.0
    noise_sigma: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pixel_size_um: float | None = None

    def __post_init__(self) -> None:
        for field in ("white_balance_gain", "noise_sigma"):
            object.__setattr__(self, field, _triplet(field, getattr(self, field)))
        for field in ("layers_above", "layers_below"):
            object.__setattr__(self, field, _layers(field, getattr(self, field)))
        for field in ("name", "oxide", "substrate", "ambient"):
            if not isinstance(getattr(self, field), str):
                raise ArgumentError(field, getattr(self, field), "a name")
        if not isinstance(self.camera, str | GaussianCamera):
            raise ArgumentError("camera", self.camera, "a name or a GaussianCamera")
        if not isinstance(self.illuminant, str):
            _check_between("illuminant", self.illuminant, 500, 50_000, "K, or a name")
        _check_between("numerical_aperture", self.numerical_aperture, 0, 1.7)
        _check_between("oxide_thickness_nm", self.oxide_thickness_nm, 0, 1e5)
        _check_between("clip_level", self.clip_level, 0.01, 1)
        _check_between("vignetting", self.vignetting, 0, 1)
        _check_between("blur_sigma_px", self.blur_sigma_px, 0, 100)
        if self.pixel_size_um is not None:
            _check_between("pixel_size_um", self.pixel_size_um, 1e-3, 1e3)
        if self.transfer_exponent != "srgb":
            _check_between("transfer_exponent", self.transfer_exponent, 0.2, 5, 'or "srgb"')
        if min(self.noise_sigma) < 0:
            raise ArgumentError("noise_sigma", self.noise_sigma, "three deviations ≥ 0")
        if min(self.white_balance_gain) <= 0:
            raise ArgumentError("white_balance_gain", self.white_balance_gain, "three gains > 0")


def layer_reflectance(
    material: str | Material,
    layer_counts: np.ndarray,
    microscope: Microscope,
    wavelength_nm: np.ndarray = WAVELENGTH_NM,
    *,
    oxides_nm: np.ndarray | None = None,
) -> np.ndarray:
    """Return the reflectance spectrum of each layer count, averaged over the objective's cone.

    Parameters
    ----------
    material : str or Material
        The flake's material, which must have a layer thickness.
    layer_counts : (L,) array
        Numbers of layers ≥ 0; 0 is the bare substrate.
    microscope : Microscope
        Its stack and aperture are used, not its camera.
    wavelength_nm : (W,) array, optional
        Vacuum wavelengths.
    oxides_nm : (O,) array, optional
        Oxide thicknesses ≥ 0 to sweep instead of the microscope's one.

    Returns
    -------
    (L, W) array, or (O, L, W) with a sweep
    """
    material = get_material(material)
    if material.layer_thickness_nm is None:
        allowed = "a material with a layer thickness; this one has no layers"
        raise ArgumentError("material", material.name, allowed)
    counts = np.atleast_1d(np.asarray(layer_counts, dtype=np.float64))
    check_finite("layer_counts", counts, minimum=0.0)
    if counts.ndim != 1 or (counts % 1).any():
        raise ArgumentError("layer_counts", layer_counts, "a list of whole numbers")
    films = [
        *microscope.layers_above,
        (material, counts * material.layer_thickness_nm),
        *microscope.layers_below,
        (microscope.oxide, _oxides(microscope, oxides_nm)),
    ]
    media = [microscope.ambient, *(m for m, _ in films), microscope.substrate]
    return reflectance(
        [refractive_index(medium, wavelength_nm) for medium in media],
        [thickness for _, thickness in films],
        wavelength_nm,
        numerical_aperture=microscope.numerical_aperture,
    )


def _oxides(microscope: Microscope, oxides_nm: np.ndarray | None) -> float | np.ndarray:
    """Return the oxide, or a sweep of it along an axis before the layer counts'."""
    if oxides_nm is None:
        return microscope.oxide_thickness_nm
    oxides = np.asarray(oxides_nm, dtype=np.float64)
    if oxides.ndim != 1:
        raise ArgumentError("oxides_nm", oxides.shape, "a list of thicknesses")
    return oxides[:, None]


def palette(
    material: str | Material, layer_counts: np.ndarray, microscope: Microscope
) -> np.ndarray:
    """Return the linear RGB of each layer count, before gain and exponent.

    Parameters
    ----------
    material : str or Material
        The flake's material.
    layer_counts : (L,) array
        Numbers of layers; 0 is the bare substrate.
    microscope : Microscope
        Stack, aperture, illuminant and camera.

    Returns
    -------
    (L, 3) array
        One row per layer count, scaled so that R(λ) ≡ 1 is (1, 1, 1).
    """
    spectra = layer_reflectance(material, layer_counts, microscope)
    return spectrum_to_rgb(spectra, _rgb_matrix(microscope.camera, microscope.illuminant))


@lru_cache(maxsize=64)
def _rgb_matrix(camera: str | GaussianCamera, illuminant: str | float) -> np.ndarray:
    """Return `rgb_matrix`, kept for the palettes of one microscope."""
    return rgb_matrix(camera, illuminant)


def layer_contrast(
    material: str | Material, layer_counts: np.ndarray, microscope: Microscope
) -> np.ndarray:
    """Return the contrast per channel of each layer count against the substrate, (L, 3).

    Gain and exposure cancel out of it; oxide thickness, aperture, illuminant and camera do not.
    """
    colors = palette(material, np.concatenate([[0], np.atleast_1d(layer_counts)]), microscope)
    return contrast(colors[1:], colors[0])


def encode(linear_rgb: np.ndarray, microscope: Microscope) -> np.ndarray:
    """Return the codes of linear RGB in an image: gain, clipping, transfer exponent (Eq. 17)."""
    check_triplets("linear_rgb", np.asarray(linear_rgb))
    light = np.clip(linear_rgb * np.array(microscope.white_balance_gain), 0, 1)
    if microscope.transfer_exponent == "srgb":
        codes = linear_to_srgb(light)
    else:
        codes = light ** (1 / microscope.transfer_exponent)
    return np.minimum(codes, microscope.clip_level)


def decode(codes: np.ndarray, microscope: Microscope) -> np.ndarray:
    """Return the light, gain included, that codes in [0, 1] stand for: codes ** exponent."""
    codes = np.asarray(codes)
    check_triplets("codes", codes)
    if microscope.transfer_exponent == "srgb":
        return srgb_to_linear(codes)
    return codes**microscope.transfer_exponent


def render_layers(
    layer_counts: np.ndarray,
    material: str | Material,
    microscope: Microscope,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the image of a map of layer counts: colours, blur, vignetting, noise, 8-bit codes.

    Parameters
    ----------
    layer_counts : (H, W) integer array
        Layers at every pixel; 0 is substrate.
    material : str or Material
        The flakes' material.
    microscope : Microscope
        Everything else.
    rng : numpy.random.Generator
        Draws the noise.

    Returns
    -------
    (H, W, 3) float array
        Codes in [0, 1], in steps of 1/255.
    """
    from scipy.ndimage import gaussian_filter

    layer_counts = np.asarray(layer_counts)
    if layer_counts.ndim != 2 or not np.issubdtype(layer_counts.dtype, np.integer):
        value = (layer_counts.shape, str(layer_counts.dtype))
        raise ArgumentError("layer_counts", value, "a map (H, W) of integers")
    present, where = np.unique(layer_counts, return_inverse=True)
    light = palette(material, present, microscope)[where.reshape(layer_counts.shape)]
    sigma = microscope.blur_sigma_px
    light = gaussian_filter(light, (sigma, sigma, 0)) if sigma else light
    rows, columns = (np.linspace(-1, 1, size) ** 2 / 2 for size in layer_counts.shape)
    light = light * (1 - microscope.vignetting * (rows[:, None] + columns))[..., None]
    codes = encode(light, microscope)
    codes = codes + rng.standard_normal(codes.shape) * np.array(microscope.noise_sigma)
    return np.round(np.clip(codes, 0, microscope.clip_level) * 255) / 255


def _triplet(field: str, value: object) -> tuple[float, float, float]:
    try:
        triplet = tuple(float(v) for v in value)
    except (TypeError, ValueError):
        triplet = ()
    if len(triplet) != 3 or not np.isfinite(triplet).all():
        raise ArgumentError(field, value, "three finite numbers, for R, G and B")
    return triplet


def _layers(field: str, value: object) -> Layers:
    try:
        layers = tuple((str(material), float(thickness)) for material, thickness in value)
    except (TypeError, ValueError):
        raise ArgumentError(field, value, "pairs of material and thickness in nm") from None
    for _, thickness in layers:
        _check_between(field, thickness, 0, 1e5)
    return layers


def _check_between(field: str, value: object, low: float, high: float, also: str = "") -> None:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (number and low <= value <= high):
        raise ArgumentError(field, value, f"{low:g} to {high:g} {also}".strip())
