"""Calibration from an image: its substrate, and the white balance from it (Eq. 14–17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qupaint_lib.errors import ArgumentError, CalibrationError
from qupaint_lib.materials import Material, get_material
from qupaint_lib.microscope.background import Background, check_image, find_background
from qupaint_lib.microscope.fit import Evidence, FlatField, fit_evidence
from qupaint_lib.microscope.model import Microscope, decode, palette
from qupaint_lib.microscope.presets import get_preset

OXIDE_TOLERANCE_NM = 5.0  # of a wafer whose thickness is only nominal


@dataclass(frozen=True, eq=False)
class Calibration:
    """A microscope fitted to an image, and how sure the fit is (one standard deviation).

    Attributes
    ----------
    microscope : Microscope
        With the fitted gain, and oxide and exponent where they were fitted.
    substrate_rgb : (3,) array
        Light of the substrate as the image has it, gain included.
    white_balance_gain_sigma : (3,) array
        From the unevenness of the substrate over the field and the uncertainty of the oxide, beside
        which the noise of so many pixels vanishes.
    oxide_thickness_sigma_nm : float
        Of the fit; the tolerance of a nominal wafer where it was not fitted.
    transfer_exponent_sigma : float
        Of the fit; 0 where it was not fitted.
    oxide_fitted, exponent_fitted : bool
        Whether they were fitted or taken over.
    residual_rms : float or None
        RMS of measured minus predicted contrast (or channel ratio); None where nothing was fitted.
    """

    microscope: Microscope
    substrate_rgb: np.ndarray
    white_balance_gain_sigma: np.ndarray
    oxide_thickness_sigma_nm: float
    transfer_exponent_sigma: float
    oxide_fitted: bool
    exponent_fitted: bool
    residual_rms: float | None

    def summary(self) -> str:
        """Return the calibration in three lines."""
        m = self.microscope
        how = "fitted" if self.oxide_fitted else "nominal, not fitted: gains hide a wrong oxide"
        gains = ", ".join(
            f"{g:.3f} ± {s:.3f}"
            for g, s in zip(m.white_balance_gain, self.white_balance_gain_sigma, strict=True)
        )
        exponent = str(m.transfer_exponent)
        if self.exponent_fitted:
            exponent = f"{m.transfer_exponent:.2f} ± {self.transfer_exponent_sigma:.2f}"
        return (
            f"oxide {m.oxide_thickness_nm:.1f} ± {self.oxide_thickness_sigma_nm:.1f} nm ({how})\n"
            f"transfer exponent {exponent}\n"
            f"white-balance gain R, G, B {gains}"
        )


def calibrate(
    image: np.ndarray,
    material: str | Material,
    *,
    microscope: Microscope | str = "machine-vision",
    substrate_mask: np.ndarray | None = None,
    statistic: str = "median",
    normalise_gain: bool = False,
    flakes: Sequence[tuple[np.ndarray, int]] = (),
    flat_field: FlatField | None = None,
    oxide_range_nm: tuple[float, float] | None = None,
    fit_exponent: bool = False,
    background: Background | None = None,
) -> Calibration:
    """Fit a microscope to an image.

    The gain of Eq. 16 is the substrate's colour in the image over its colour in the optical model.
    It cancels out of contrast, so it cannot tell a wrong oxide; the oxide is fitted where flakes of
    known layer count (AFM, Raman) or the flat-field image of a known wafer are given.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.
    material : str or Material
        Material of the flakes.
    microscope : Microscope or str, optional
        What is known beforehand, or a preset's name; its oxide is where the fit starts.
    substrate_mask : (H, W) bool array, optional
        M_sub of Eq. 14. By default the substrate is found by `find_background`.
    statistic : {"median", "mean"}, optional
        Of the substrate's colour: Algorithm 1 takes the median, Eq. 14 the mean.
    normalise_gain : bool, optional
        Scale the gains to a mean of 1 (the option of Eq. 16), which drops the exposure.
    flakes : sequence of (mask, layer count), optional
        Flakes whose layers are known.
    flat_field : FlatField, optional
        A bare wafer of known oxide. The ratio of channels tells the oxide; insensitive below about
        70 nm.
    oxide_range_nm : (float, float), optional
        Bounds of the fit, by default ±25 nm around the microscope's.
    fit_exponent : bool, optional
        Fit the transfer exponent too; needs flakes.
    background : Background, optional
        Of the image, to find it once for many calls.

    Returns
    -------
    Calibration
        Its microscope carries the noise of the image too.

    Raises
    ------
    ImageError
        Not an image (H, W, 3) of codes in [0, 1].
    CalibrationError
        No substrate in the region or image, one that is black or saturated, an empty flake mask, or
        a fit that ends at its bound.
    ArgumentError
        A mask of another shape, an unknown statistic, a layer count < 1.
    """
    image = check_image(image)
    material = get_material(material)
    if not isinstance(microscope, Microscope):
        microscope = get_preset(microscope)
    if flat_field is not None and not isinstance(flat_field, FlatField):
        raise ArgumentError("flat_field", type(flat_field).__name__, "a FlatField")
    if statistic not in ("median", "mean"):
        raise ArgumentError("statistic", statistic, "median or mean")
    if fit_exponent and not flakes:
        raise ArgumentError("fit_exponent", fit_exponent, "flakes of known layer count")
    background = _checked_background(image, background)
    substrate = _checked_substrate(image, substrate_mask, background)
    _check_exposure(image[substrate], microscope)

    evidence = Evidence(
        material,
        microscope,
        [_flake_and_substrate(image, background, mask, n) for mask, n in flakes],
        np.array([n for _, n in flakes]),
        flat_field,
        None if flat_field is None else _ratio_to_flat_field(background, flat_field, microscope),
        fit_exponent,
    )
    oxide, exponent = microscope.oxide_thickness_nm, microscope.transfer_exponent
    oxide_sigma, exponent_sigma, residual_rms = OXIDE_TOLERANCE_NM, 0.0, None
    fitted = bool(evidence.pairs) or evidence.ratio is not None
    if fitted:
        oxide_range = oxide_range_nm or (max(oxide - 25, 0.0), oxide + 25)
        (oxide, exponent), (oxide_sigma, exponent_sigma), residual_rms = fit_evidence(
            evidence, oxide_range
        )
    microscope = replace(
        microscope,
        oxide_thickness_nm=oxide,
        transfer_exponent=exponent,
        noise_sigma=tuple(map(float, background.noise_sigma)),
    )

    light = decode(image[substrate].astype(np.float64), microscope)
    color = np.median(light, axis=0) if statistic == "median" else light.mean(axis=0)
    gain = color / palette(material, [0], microscope)[0]
    surface = decode(background.codes[substrate], microscope)
    unevenness = surface.std(axis=0, dtype=np.float64) / color
    relative = np.hypot(unevenness, abs(_substrate_slope(material, microscope)) * oxide_sigma)
    if normalise_gain:
        gain = gain / gain.mean()
    return Calibration(
        replace(microscope, white_balance_gain=tuple(map(float, gain))),
        color,
        gain * relative,
        oxide_sigma,
        exponent_sigma,
        fitted,
        fit_exponent,
        residual_rms,
    )


def measure_contrast(
    image: np.ndarray,
    mask: np.ndarray,
    microscope: Microscope,
    background: Background | None = None,
) -> np.ndarray:
    """Return the contrast per channel of a flake against the substrate around it, (3,).

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit.
    mask : (H, W) bool array
        The flake; its rim of two pixels is left out where enough remains.
    microscope : Microscope
        Its transfer exponent is used.
    background : Background, optional
        Of the image, to find it once for many flakes.
    """
    image = check_image(image)
    background = _checked_background(image, background)
    flake, substrate = _flake_and_substrate(image, background, mask, 1)
    return decode(flake, microscope) / decode(substrate, microscope) - 1


def _checked_background(image: np.ndarray, background: Background | None) -> Background:
    if background is None:
        return find_background(image)
    if background.mask.shape != image.shape[:2]:
        raise ArgumentError("background", background.mask.shape, "that of this image")
    return background


def _checked_substrate(
    image: np.ndarray, substrate_mask: np.ndarray | None, background: Background
) -> np.ndarray:
    if substrate_mask is None:
        return background.mask
    mask = _checked_mask("substrate_mask", substrate_mask, image)
    if not mask.any():
        raise CalibrationError("substrate_mask", "no pixel", "a region of bare substrate")
    share = (mask & background.mask).sum() / mask.sum()
    if share < 0.05:
        value = f"{share:.0%} of its {mask.sum()} pixels look like the substrate"
        raise CalibrationError("substrate_mask", value, "a region of bare substrate")
    return mask


def _check_exposure(substrate: np.ndarray, microscope: Microscope) -> None:
    """Refuse a substrate that is black or saturated in a channel: it has no colour to balance."""
    middle = np.median(substrate, axis=0)
    if middle.max() >= microscope.clip_level or middle.min() < 2 / 255:
        codes = tuple(round(float(code) * 255) for code in middle)
        allowed = f"codes from 2 to under {microscope.clip_level * 255:.0f} of 255 in every channel"
        raise CalibrationError("image, substrate", codes, allowed)


def _checked_mask(argument: str, mask: np.ndarray, image: np.ndarray) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.shape != image.shape[:2] or mask.dtype != bool:
        allowed = f"a bool array of the image's shape {image.shape[:2]}"
        raise ArgumentError(argument, (mask.shape, str(mask.dtype)), allowed)
    return mask


def _flake_and_substrate(
    image: np.ndarray, background: Background, mask: np.ndarray, layer_count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of a flake and of the background surface under it, (3,) each."""
    from scipy.ndimage import binary_erosion
    from scipy.stats import trim_mean

    mask = _checked_mask("flakes (mask)", mask, image)
    if not mask.any():
        raise CalibrationError("flakes (mask)", "no pixel", "a mask that holds the flake")
    whole = isinstance(layer_count, int | np.integer) and not isinstance(layer_count, bool)
    if not (whole and layer_count >= 1):
        raise ArgumentError("flakes (layer count)", layer_count, "an integer of at least 1")
    core = binary_erosion(mask, iterations=2)
    mask = core if core.sum() >= 20 else mask
    # The mean of the middle half: as robust as the median, and finer than the steps of 8-bit codes.
    flake = trim_mean(image[mask].astype(np.float64), 0.25, axis=0)
    return flake, background.codes[mask].mean(axis=0, dtype=np.float64)


def _ratio_to_flat_field(
    background: Background, flat_field: FlatField, microscope: Microscope
) -> np.ndarray:
    """Return the light of the substrate over that of the flat-field, mid-field, (3,)."""
    flat = check_image(flat_field.image)
    substrate = background.codes[_middle(background.mask.shape)].reshape(-1, 3)
    flat = np.median(flat[_middle(flat.shape)], axis=(0, 1))
    _check_exposure(flat[None], microscope)
    return decode(substrate.mean(axis=0, dtype=np.float64), microscope) / decode(flat, microscope)


def _middle(shape: Sequence[int]) -> tuple[slice, slice]:
    """Return the middle third of a field, where vignetting is least."""
    return slice(shape[0] // 3, -(-2 * shape[0] // 3)), slice(shape[1] // 3, -(-2 * shape[1] // 3))


def _substrate_slope(material: Material, microscope: Microscope) -> np.ndarray:
    """Return d ln(substrate colour) / d oxide, (3,), per nm."""
    t = microscope.oxide_thickness_nm
    low, high = (
        palette(material, [0], replace(microscope, oxide_thickness_nm=value))[0]
        for value in (max(t - 0.5, 0.0), t + 0.5)
    )
    return np.log(high / low) / (t + 0.5 - max(t - 0.5, 0.0))
