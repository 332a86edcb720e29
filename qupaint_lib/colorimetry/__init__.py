"""From spectra to colour: sensitivities and illuminants, linear RGB, sRGB, CIELAB, ΔE (Eq. 3).

Spectra and sensitivities are sampled on `WAVELENGTH_NM` unless told otherwise; the rendering
integral is the sum of Eq. 3, one product with a (W, 3) matrix. RGB stands on the last axis. The
data (CIE 1931, illuminants, cameras) are colour-science's, kept in `tables`. NumPy in, NumPy out;
torch in, torch out for everything but the data themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qupaint_lib._arrays import as_float, check_finite, check_triplets, namespace
from qupaint_lib.colorimetry.tables import CIE_1931, names, read_table
from qupaint_lib.errors import ArgumentError, UnknownNameError

Array = Any  # numpy.ndarray or torch.Tensor

WAVELENGTH_NM = np.arange(380.0, 781.0, 5.0)  # 81 wavelengths (chapter 2: cost of the step)
WAVELENGTH_NM.flags.writeable = False

# Linear sRGB → CIE XYZ of the standard (IEC 61966-2-1), white D65.
RGB_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ)
_PLANCK_C2_NM_K = 1.438776877e7  # hc/k, CODATA 2018


@dataclass(frozen=True)
class GaussianCamera:
    """A camera whose R, G and B sensitivities are Gaussians.

    Attributes
    ----------
    peaks_nm, fwhm_nm : (float, float, float)
        Wavelength of each channel's peak and its full width at half maximum, R, G, B.
    """

    peaks_nm: tuple[float, float, float]
    fwhm_nm: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name in ("peaks_nm", "fwhm_nm"):
            try:
                value = tuple(float(v) for v in getattr(self, name))
            except (TypeError, ValueError):
                value = ()
            if len(value) != 3 or not all(0 < v < 2000 for v in value):
                given = getattr(self, name)
                raise ArgumentError(name, given, "three lengths in nm, for R, G and B")
            object.__setattr__(self, name, value)


def camera_names() -> list[str]:
    """Return the names of the observers and cameras that `sensitivities` knows."""
    return names("camera")


def sensitivities(
    camera: str | GaussianCamera, wavelength_nm: np.ndarray = WAVELENGTH_NM
) -> np.ndarray:
    """Return the spectral sensitivities S(λ) of an observer or camera.

    Parameters
    ----------
    camera : str or GaussianCamera
        ``"CIE 1931"`` (the colour-matching functions x̄ȳz̄ of the 2° observer), a camera measured
        in colour-science (``"Nikon 5100 (NPL)"``), or Gaussians.
    wavelength_nm : (W,) array, optional
        Linear interpolation in the table; zero outside it.

    Returns
    -------
    (W, 3) array
    """
    wavelength = np.asarray(wavelength_nm, dtype=np.float64)
    if isinstance(camera, GaussianCamera):
        peaks, sigma = np.array(camera.peaks_nm), np.array(camera.fwhm_nm) / np.sqrt(8 * np.log(2))
        return np.exp(-((wavelength[:, None] - peaks) ** 2) / (2 * sigma**2))
    grid, values = _table("camera", camera)
    columns = [np.interp(wavelength, grid, column, left=0, right=0) for column in values.T]
    return np.stack(columns, axis=-1)


def illuminant_power(
    illuminant: str | float, wavelength_nm: np.ndarray = WAVELENGTH_NM
) -> np.ndarray:
    """Return the relative spectral power of an illuminant, 1 at 560 nm.

    Parameters
    ----------
    illuminant : str or float
        A name of colour-science (``"D65"``, ``"A"``, ``"LED-B3"`` …), or the temperature of a
        black body in K, 500 to 50,000 (a halogen lamp is about 2,856 K).
    wavelength_nm : (W,) array, optional
        Linear interpolation in the table.

    Returns
    -------
    (W,) array

    Raises
    ------
    UnknownNameError
        No such illuminant.
    ArgumentError
        A wavelength outside the illuminant's table, or a temperature out of range.
    """
    wavelength = np.asarray(wavelength_nm, dtype=np.float64)
    if not isinstance(illuminant, str):
        return _planck(wavelength, illuminant) / _planck(560.0, illuminant)
    grid, power = _table("illuminant", illuminant)
    if wavelength.min() < grid[0] or wavelength.max() > grid[-1]:
        value = (float(wavelength.min()), float(wavelength.max()))
        raise ArgumentError("wavelength_nm", value, f"{illuminant}: {grid[0]:g}–{grid[-1]:g} nm")
    return np.interp(wavelength, grid, power) / np.interp(560.0, grid, power)


def xyz_matrix(
    illuminant: str | float = "D65", wavelength_nm: np.ndarray = WAVELENGTH_NM
) -> np.ndarray:
    """Return the (W, 3) matrix that takes reflectance spectra to CIE XYZ, Y = 1 for R ≡ 1.

    Summation over equally spaced wavelengths, as in Eq. 3 and in colour-science's ``Integration``.
    """
    power = illuminant_power(illuminant, wavelength_nm)[:, None]
    weights = sensitivities(CIE_1931, wavelength_nm) * power
    return weights / weights[:, 1].sum()


def rgb_matrix(
    camera: str | GaussianCamera = CIE_1931,
    illuminant: str | float = "D65",
    wavelength_nm: np.ndarray = WAVELENGTH_NM,
) -> np.ndarray:
    """Return the (W, 3) matrix that takes reflectance spectra to linear RGB, (1, 1, 1) for R ≡ 1.

    For ``"CIE 1931"`` the channels are those of linear sRGB; under an illuminant other than D65
    white is then made white by scaling the channels, not by a chromatic adaptation. For a camera
    they are its own, raw channels.
    """
    if camera == CIE_1931:
        weights = xyz_matrix(illuminant, wavelength_nm) @ XYZ_TO_RGB.T
    else:
        power = illuminant_power(illuminant, wavelength_nm)[:, None]
        weights = sensitivities(camera, wavelength_nm) * power
    total = weights.sum(axis=0)
    if not (total > 1e-12).all():
        raise ArgumentError("wavelength_nm", "too few of them", "light in all three channels")
    return weights / total


def spectrum_to_rgb(spectra: Array, matrix: Array) -> Array:
    """Return linear RGB of spectra: one matrix product (Eq. 3).

    Parameters
    ----------
    spectra : (…, W) array
        Reflectance spectra.
    matrix : (W, 3) array
        From `rgb_matrix` (or `xyz_matrix`), on the same wavelengths.

    Returns
    -------
    (…, 3) array
    """
    if spectra.shape[-1] != matrix.shape[0]:
        raise ArgumentError(
            "spectra", tuple(spectra.shape), f"a last axis of {matrix.shape[0]} wavelengths"
        )
    xp = namespace(spectra, matrix)
    columns = as_float(xp, matrix, like=spectra).T
    # three products with a vector run at the speed of memory, one with three columns does not
    return xp.stack([spectra @ column for column in columns], -1)


def linear_to_srgb(linear_rgb: Array) -> Array:
    """Encode linear RGB by the sRGB curve (IEC 61966-2-1); odd around 0, so nothing is clipped."""
    xp, x = _prepare("linear_rgb", linear_rgb)
    magnitude = abs(x)
    curved = 1.055 * xp.clip(magnitude, 0.0031308, None) ** (1 / 2.4) - 0.055
    return xp.sign(x) * xp.where(magnitude <= 0.0031308, 12.92 * magnitude, curved)


def srgb_to_linear(srgb: Array) -> Array:
    """Decode sRGB codes in [0, 1] to linear RGB; the inverse of `linear_to_srgb`."""
    xp, x = _prepare("srgb", srgb)
    magnitude = abs(x)
    curved = ((xp.clip(magnitude, 0.04045, None) + 0.055) / 1.055) ** 2.4
    return xp.sign(x) * xp.where(magnitude <= 0.04045, magnitude / 12.92, curved)


def linear_rgb_to_xyz(linear_rgb: Array) -> Array:
    """Return CIE XYZ of linear sRGB; (1, 1, 1) gives the D65 white, Y = 1."""
    xp, x = _prepare("linear_rgb", linear_rgb)
    check_triplets("linear_rgb", x)
    return x @ as_float(xp, RGB_TO_XYZ.T, like=x)


def xyz_to_lab(xyz: Array, white_point_xyz: Array | None = None) -> Array:
    """Return CIELAB of XYZ (CIE 15:2018), with linear sRGB's white by default."""
    xp, x = _prepare("xyz", xyz)
    check_triplets("xyz", x)
    white = RGB_TO_XYZ.sum(axis=1) if white_point_xyz is None else white_point_xyz
    ratio = x / as_float(xp, white, like=x)
    threshold = (6 / 29) ** 3
    cube_root = xp.clip(ratio, threshold, None) ** (1 / 3)
    f = xp.where(ratio > threshold, cube_root, ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    lightness = 116 * f[..., 1] - 16
    return xp.stack([lightness, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def linear_rgb_to_lab(linear_rgb: Array) -> Array:
    """Return CIELAB (D65) of linear sRGB."""
    return xyz_to_lab(linear_rgb_to_xyz(linear_rgb))


def srgb_to_lab(srgb: Array) -> Array:
    """Return CIELAB (D65) of sRGB codes in [0, 1]; (0, 0, 0) is L* = 0, (1, 1, 1) is L* = 100."""
    return linear_rgb_to_lab(srgb_to_linear(srgb))


def delta_e_76(lab1: Array, lab2: Array) -> Array:
    """Return the CIE 1976 colour difference, the Euclidean distance in CIELAB (Eq. 10)."""
    xp = namespace(lab1, lab2)
    difference = as_float(xp, lab1) - as_float(xp, lab2)
    check_triplets("lab", difference)
    return xp.sqrt((difference**2).sum(-1))


def delta_e_2000(lab1: Array, lab2: Array) -> Array:
    """Return the CIEDE2000 colour difference (Sharma, Wu and Dalal 2005, doi 10.1002/col.20070).

    Parameters
    ----------
    lab1, lab2 : (…, 3) arrays
        CIELAB colours that broadcast together.

    Returns
    -------
    (…) array
    """
    xp = namespace(lab1, lab2)
    lab1, lab2 = as_float(xp, lab1), as_float(xp, lab2)
    for lab in (lab1, lab2):
        check_triplets("lab", lab)
    (l1, a1, b1), (l2, a2, b2) = ([lab[..., i] for i in range(3)] for lab in (lab1, lab2))
    chroma7 = ((xp.hypot(a1, b1) + xp.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * xp.sqrt(chroma7 / (chroma7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = xp.hypot(a1, b1), xp.hypot(a2, b2)
    h1, h2 = (xp.rad2deg(xp.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))

    grey = c1 * c2 == 0  # no hue, so no hue difference
    turn = h2 - h1
    turn = xp.where(abs(turn) > 180, turn - 360 * xp.sign(turn), turn)
    turn = xp.where(grey, 0 * turn, turn)
    d_hue = 2 * xp.sqrt(c1 * c2) * xp.sin(xp.deg2rad(turn / 2))
    h_sum = h1 + h2
    h_mean = xp.where(abs(h1 - h2) > 180, xp.where(h_sum < 360, h_sum + 360, h_sum - 360), h_sum)
    h_mean = xp.where(grey, h_sum, h_mean / 2)

    l_mean, c_mean = (l1 + l2) / 2, (c1 + c2) / 2
    waves = ((-0.17, 1, -30.0), (0.24, 2, 0.0), (0.32, 3, 6.0), (-0.20, 4, -63.0))
    t = 1 + sum(w * xp.cos(xp.deg2rad(k * h_mean + shift)) for w, k, shift in waves)
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / xp.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    c7 = c_mean**7
    rotation = xp.exp(-(((h_mean - 275) / 25) ** 2))
    r_t = -2 * xp.sqrt(c7 / (c7 + 25.0**7)) * xp.sin(xp.deg2rad(60 * rotation))
    light, chroma, hue = (l2 - l1) / s_l, (c2 - c1) / s_c, d_hue / s_h
    return xp.sqrt(light**2 + chroma**2 + hue**2 + r_t * chroma * hue)


def _prepare(argument: str, value: Array) -> tuple[Any, Array]:
    xp = namespace(value)
    value = as_float(xp, value)
    check_finite(argument, value)
    return xp, value


def _planck(wavelength_nm: np.ndarray | float, temperature_k: float) -> np.ndarray | float:
    """Return Planck's spectral power per wavelength, up to a constant."""
    if not 500 <= temperature_k <= 50_000:
        allowed = "a name, or a temperature from 500 to 50,000 K"
        raise ArgumentError("illuminant", temperature_k, allowed)
    return wavelength_nm**-5.0 / np.expm1(_PLANCK_C2_NM_K / (wavelength_nm * temperature_k))


def _table(kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    known = names(kind)
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return read_table(kind, name)
