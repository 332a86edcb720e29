"""Calibration from an image: white balance (Eq. 14–17), oxide thickness, transfer exponent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qupaint_lib.errors import ArgumentError, CalibrationError
from qupaint_lib.materials import Material, get_material
from qupaint_lib.microscope.background import Background, check_image, find_background
from qupaint_lib.microscope.model import Microscope, decode, layer_contrast, palette
from qupaint_lib.microscope.presets import PRESETS

# What the optical model itself is good for, beside which pixel noise vanishes: the RMS error of
# graphene's measured contrasts lies between 0.011 and 0.038 for four cameras (chapter 3). It is
# common to all flakes of an image, so more of them do not lessen it.
MODEL_CONTRAST_SIGMA = 0.02
OXIDE_TOLERANCE_NM = 5.0  # of a wafer whose thickness is only nominal
_EXPONENT_RANGE = (0.5, 3.5)


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
        From the spread of the substrate and the uncertainty of the oxide.
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
    microscope: Microscope = PRESETS["machine-vision"],
    substrate_mask: np.ndarray | None = None,
    statistic: str = "median",
    normalise_gain: bool = False,
    flakes: Sequence[tuple[np.ndarray, int]] = (),
    flat_field: np.ndarray | None = None,
    flat_field_oxide_nm: float = 90.0,
    flat_field_oxide_sigma_nm: float = 1.0,
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
    microscope : Microscope, optional
        What is known beforehand; its oxide is where the fit starts.
    substrate_mask : (H, W) bool array, optional
        M_sub of Eq. 14. By default the substrate is found by `find_background`.
    statistic : {"median", "mean"}, optional
        Of the substrate's colour: Algorithm 1 takes the median, Eq. 14 the mean.
    normalise_gain : bool, optional
        Scale the gains to a mean of 1 (the option of Eq. 16), which drops the exposure.
    flakes : sequence of (mask, layer count), optional
        Flakes whose layers are known.
    flat_field : (h, w, 3) array, optional
        Image of the bare wafer of thickness `flat_field_oxide_nm` through the same microscope with
        the same white balance (its exposure may differ). Tells the oxide by the ratio of channels;
        insensitive below about 70 nm.
    flat_field_oxide_sigma_nm : float, optional
        How well the thickness of that wafer is known; 5 for a nominal one.
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
        No substrate in the region or image, an empty flake mask, or a fit that ends at its bound.
    ArgumentError
        A mask of another shape, an unknown statistic, a layer count < 1.
    """
    image = check_image(image)
    material = get_material(material)
    if statistic not in ("median", "mean"):
        raise ArgumentError("statistic", statistic, "median or mean")
    if fit_exponent and not flakes:
        raise ArgumentError("fit_exponent", fit_exponent, "flakes of known layer count")
    background = background or find_background(image)
    substrate = _checked_substrate(image, substrate_mask, background, microscope)

    evidence = _Evidence(
        material,
        microscope,
        [_flake_and_substrate(image, background, mask, n) for mask, n in flakes],
        np.array([n for _, n in flakes]),
        None if flat_field is None else _ratio_to_flat_field(background, flat_field, microscope),
        flat_field_oxide_nm,
        flat_field_oxide_sigma_nm,
        fit_exponent,
    )
    if not flat_field_oxide_sigma_nm >= 0:
        value = flat_field_oxide_sigma_nm
        raise ArgumentError("flat_field_oxide_sigma_nm", value, "a standard deviation ≥ 0")
    oxide, exponent = microscope.oxide_thickness_nm, microscope.transfer_exponent
    oxide_sigma, exponent_sigma, residual_rms = OXIDE_TOLERANCE_NM, 0.0, None
    fitted = bool(evidence.pairs) or evidence.ratio is not None
    if fitted:
        oxide_range = oxide_range_nm or (max(oxide - 25, 0.0), oxide + 25)
        (oxide, exponent), (oxide_sigma, exponent_sigma), residual_rms = _fit(evidence, oxide_range)
    microscope = replace(
        microscope,
        oxide_thickness_nm=oxide,
        transfer_exponent=exponent,
        noise_sigma=tuple(map(float, background.noise_sigma)),
    )

    light = decode(image[substrate].astype(np.float64), microscope)
    color = np.median(light, axis=0) if statistic == "median" else light.mean(axis=0)
    gain = color / palette(material, [0], microscope)[0]
    spread = 1.4826 * np.median(abs(light - np.median(light, axis=0)), axis=0) / color
    relative = np.hypot(spread, abs(_substrate_slope(material, microscope)) * oxide_sigma)
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
    background = background or find_background(image)
    flake, substrate = _flake_and_substrate(image, background, mask, 1)
    return decode(flake, microscope) / decode(substrate, microscope) - 1


def _checked_substrate(
    image: np.ndarray,
    substrate_mask: np.ndarray | None,
    background: Background,
    microscope: Microscope,
) -> np.ndarray:
    if substrate_mask is None:
        return background.mask
    mask = _checked_mask("substrate_mask", substrate_mask, image)
    if not mask.any():
        raise CalibrationError("substrate_mask", "no pixel", "a region of bare substrate")
    even = mask & background.mask
    share = even.sum() / mask.sum()
    if share < 0.05:
        value = f"{share:.0%} of its {mask.sum()} pixels look like the substrate"
        raise CalibrationError("substrate_mask", value, "a region of bare substrate")
    if (image[mask].max(axis=1) >= microscope.clip_level).mean() > 0.5:
        raise CalibrationError("substrate_mask", "clipped codes", "a region that is not clipped")
    return mask


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
    if not (float(layer_count).is_integer() and layer_count >= 1):
        raise ArgumentError("flakes (layer count)", layer_count, "an integer of at least 1")
    core = binary_erosion(mask, iterations=2)
    mask = core if core.sum() >= 20 else mask
    # The mean of the middle half: as robust as the median, and finer than the steps of 8-bit codes.
    flake = trim_mean(image[mask].astype(np.float64), 0.25, axis=0)
    return flake, background.codes[mask].mean(axis=0, dtype=np.float64)


def _ratio_to_flat_field(
    background: Background, flat_field: np.ndarray, microscope: Microscope
) -> np.ndarray:
    """Return the light of the substrate over that of the flat-field, mid-field, (3,)."""
    flat = check_image(flat_field)
    substrate = background.codes[_middle(background.mask.shape)].reshape(-1, 3)
    flat = np.median(flat[_middle(flat.shape)], axis=(0, 1))
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


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What is known about the oxide and the exponent, as residuals of a least-squares fit."""

    material: Material
    microscope: Microscope
    pairs: list[tuple[np.ndarray, np.ndarray]]  # codes of flake and substrate
    counts: np.ndarray  # layers of those flakes
    ratio: np.ndarray | None  # substrate over flat-field, (3,)
    flat_oxide_nm: float
    flat_oxide_sigma_nm: float
    fit_exponent: bool

    def contrast_residuals(self, parameters: np.ndarray) -> np.ndarray:
        """Return measured minus predicted contrasts, then log ratios, at (oxide[, exponent])."""
        at, parts = replace(self.microscope, oxide_thickness_nm=float(parameters[0])), []
        if self.fit_exponent:
            at = replace(at, transfer_exponent=float(parameters[1]))
        if self.pairs:
            measured = [decode(flake, at) / decode(around, at) - 1 for flake, around in self.pairs]
            parts.append((measured - layer_contrast(self.material, self.counts, at)).ravel())
        if self.ratio is not None:  # up to the exposure, so with the mean over channels taken off
            flat = replace(at, oxide_thickness_nm=self.flat_oxide_nm)
            substrate, known = (palette(self.material, [0], m)[0] for m in (at, flat))
            log_ratio = np.log(self.ratio * known / substrate)
            parts.append(log_ratio - log_ratio.mean())
        return np.concatenate(parts)

    def residuals(self, parameters: np.ndarray) -> np.ndarray:
        """Return residuals in standard deviations; the model's error is common to all flakes."""
        flakes = len(self.pairs)
        weights = np.ones(3 * flakes + 3 * (self.ratio is not None))
        weights[: 3 * flakes] /= np.sqrt(max(flakes, 1))
        return self.contrast_residuals(parameters) * weights / MODEL_CONTRAST_SIGMA


def _fit(
    evidence: _Evidence, oxide_range: tuple[float, float]
) -> tuple[tuple[float, float | str], tuple[float, float], float]:
    """Least squares over (oxide, exponent); returns values, standard deviations, residual RMS."""
    from scipy.optimize import least_squares

    if not 0 <= oxide_range[0] < oxide_range[1]:
        raise ArgumentError("oxide_range_nm", oxide_range, "0 ≤ low < high")
    bounds = [oxide_range, _EXPONENT_RANGE][: 1 + evidence.fit_exponent]
    exponents = (1.0, 1.5, 2.2) if evidence.fit_exponent else (1.0,)
    starts = [
        np.array([oxide, exponent][: len(bounds)])
        for oxide in np.linspace(*oxide_range, 15)[1:-1]
        for exponent in exponents
    ]
    fit = least_squares(
        evidence.residuals,
        min(starts, key=lambda start: (evidence.residuals(start) ** 2).sum()),
        bounds=tuple(zip(*bounds, strict=True)),
        x_scale=[1.0, 0.1][: len(bounds)],
        diff_step=1e-4,
    )
    _check_bounds("oxide_range_nm", fit.x[0], oxide_range, 1e-3)
    if evidence.fit_exponent:
        _check_bounds("fit_exponent", fit.x[1], _EXPONENT_RANGE, 1e-4)
    inverse = np.linalg.pinv(fit.jac)
    freedom = max(len(fit.fun) - len(bounds), 1)
    inflation = max(1.0, (fit.fun**2).sum() / freedom)  # more than the model's error is seen
    covariance = inverse @ inverse.T * inflation
    if evidence.ratio is not None:  # the known wafer's own uncertainty, carried over linearly
        other = replace(evidence, flat_oxide_nm=evidence.flat_oxide_nm + 0.01)
        slope = inverse @ (fit.fun - other.residuals(fit.x)) / 0.01
        covariance += np.outer(slope, slope) * evidence.flat_oxide_sigma_nm**2
    sigma = np.sqrt(np.diag(covariance))
    exponent = float(fit.x[1]) if evidence.fit_exponent else evidence.microscope.transfer_exponent
    exponent_sigma = float(sigma[1]) if evidence.fit_exponent else 0.0
    rms = float(np.sqrt((evidence.contrast_residuals(fit.x) ** 2).mean()))
    return (float(fit.x[0]), exponent), (float(sigma[0]), exponent_sigma), rms


def _check_bounds(
    argument: str, value: float, bounds: tuple[float, float], tolerance: float
) -> None:
    if min(value - bounds[0], bounds[1] - value) < tolerance:
        allowed = f"inside {bounds[0]:g} to {bounds[1]:g}: the fit ended at its bound"
        raise CalibrationError(argument, round(float(value), 3), allowed)
