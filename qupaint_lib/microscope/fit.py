"""Oxide thickness and transfer exponent from flakes of known layers and from a flat-field."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qupaint_lib.errors import ArgumentError, CalibrationError
from qupaint_lib.materials import Material
from qupaint_lib.microscope.background import check_image
from qupaint_lib.microscope.model import Microscope, decode, layer_contrast, palette

# What the optical model itself is good for, beside which pixel noise vanishes: the RMS error of
# graphene's measured contrasts lies between 0.011 and 0.038 for four cameras (chapter 3). It is
# common to all flakes of an image, so more of them do not lessen it.
MODEL_CONTRAST_SIGMA = 0.02
_EXPONENT_RANGE = (0.5, 3.5)


@dataclass(frozen=True, eq=False)
class FlatField:
    """The image of a bare wafer whose oxide is known.

    Attributes
    ----------
    image : (h, w, 3) array
        Taken through the same microscope with the same white balance; its exposure may differ.
    oxide_thickness_nm : float
        Of that wafer.
    oxide_sigma_nm : float
        How well it is known; about 5 where it is only nominal.
    """

    image: np.ndarray
    oxide_thickness_nm: float = 90.0
    oxide_sigma_nm: float = 1.0

    def __post_init__(self) -> None:
        check_image(self.image)
        if not 0 <= self.oxide_thickness_nm <= 1e5:
            value = self.oxide_thickness_nm
            raise ArgumentError("flat_field.oxide_thickness_nm", value, "0 to 100,000 nm")
        if not self.oxide_sigma_nm >= 0:
            raise ArgumentError("flat_field.oxide_sigma_nm", self.oxide_sigma_nm, "≥ 0 nm")


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known about the oxide and the exponent, as residuals of a least-squares fit."""

    material: Material
    microscope: Microscope
    pairs: list[tuple[np.ndarray, np.ndarray]]  # codes of flake and substrate
    counts: np.ndarray  # layers of those flakes
    flat_field: FlatField | None
    ratio: np.ndarray | None  # substrate over flat-field, (3,)
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
            flat = replace(at, oxide_thickness_nm=self.flat_field.oxide_thickness_nm)
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


def fit_evidence(
    evidence: Evidence, oxide_range: tuple[float, float]
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
    _check_bounds("fitted oxide thickness, nm", fit.x[0], oxide_range, 1e-3)
    if evidence.fit_exponent:
        _check_bounds("fitted transfer exponent", fit.x[1], _EXPONENT_RANGE, 1e-4)
    inverse = np.linalg.pinv(fit.jac)
    independent = 3 * bool(evidence.pairs) + 3 * (evidence.ratio is not None)
    freedom = max(independent - len(bounds), 1)
    inflation = max(1.0, (fit.fun**2).sum() / freedom)  # more than the model's error is seen
    covariance = inverse @ inverse.T * inflation
    if evidence.ratio is not None:  # the known wafer's own uncertainty, carried over linearly
        known = evidence.flat_field
        other = replace(known, oxide_thickness_nm=known.oxide_thickness_nm + 0.01)
        change = fit.fun - replace(evidence, flat_field=other).residuals(fit.x)
        slope = inverse @ change / 0.01
        covariance += np.outer(slope, slope) * known.oxide_sigma_nm**2
    sigma = np.sqrt(np.diag(covariance))
    exponent = float(fit.x[1]) if evidence.fit_exponent else evidence.microscope.transfer_exponent
    exponent_sigma = float(sigma[1]) if evidence.fit_exponent else 0.0
    rms = float(np.sqrt((evidence.contrast_residuals(fit.x) ** 2).mean()))
    return (float(fit.x[0]), exponent), (float(sigma[0]), exponent_sigma), rms


def _check_bounds(
    argument: str, value: float, bounds: tuple[float, float], tolerance: float
) -> None:
    if min(value - bounds[0], bounds[1] - value) < tolerance:
        allowed = f"a minimum inside {bounds[0]:g} to {bounds[1]:g}; the fit ended at its bound"
        raise CalibrationError(argument, round(float(value), 3), allowed)
