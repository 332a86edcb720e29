"""Layer counts from contrasts: the optical model's palette, fitted to the plateaus of an image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from qupaint_lib.errors import ArgumentError
from qupaint_lib.materials import Material, get_material
from qupaint_lib.microscope import Microscope, layer_contrast

THIN_MAX = 10  # layers that still count as thin
OXIDE_TOLERANCE_NM = 6.0

_THICK_COUNTS = np.unique(np.geomspace(THIN_MAX + 1, 600, 60).round())
_OXIDE_STEP_NM = 1.0
_GLARES = np.linspace(0, 0.2, 5)
_GLARE_SIGMA = 0.04
_SIGMAS = np.array([0.012, 0.018, 0.025])
_USUAL_SIGMA, _SIGMA_SPREAD = 0.015, 0.4  # contrast, and natural logarithm
_THICK_SIGMA = 0.05
_MUCH_GLARE = 3 * _GLARE_SIGMA
_LITTLE_EXPLAINED = 0.5
_AT_BOUND = 0.5  # of the posterior, at the ends of the prior
_STAIN_SIGMA, _STAIN_COLOUR_SIGMA = 0.05, 0.01
_SHARES = {"thin": 0.6, "thick": 0.25, "stain": 0.1, "other": 0.05}
_CUBE = 8.0  # volume of contrast, −1 to 1 per channel, in which anything else may lie


@dataclass(frozen=True, eq=False)
class LayerFit:
    """What the plateaus of an image say about its microscope; one standard deviation each.

    Attributes
    ----------
    oxide_thickness_nm, oxide_sigma_nm : float
        Oxide, and how sure it is.
    glare, glare_sigma : float
        Part of the light that no layer has touched: contrasts are smaller by 1 − glare.
    contrast_sigma : float
        Root mean square error of the optical model on this image, per channel.
    plateaus : int
        Number of plateaus that told.
    explained : float or None
        Share of these plateaus that the palette explains; None without any. Low where the
        material is not the one named.
    at_bound : bool
        The oxide ended where its prior does: the true one may lie beyond, and `oxide_sigma_nm` is
        the prior's.
    weights : (P,) array
        Posterior of every point of the grid.
    palettes : (P, 10, 3) array
        Contrast of 1 to 10 layers there.
    thick : (P, T, 3) array
        Contrast of what is thicker.
    sigmas : (P,) array
        Standard deviation of a contrast there.
    """

    oxide_thickness_nm: float
    oxide_sigma_nm: float
    glare: float
    glare_sigma: float
    contrast_sigma: float
    plateaus: int
    explained: float | None
    at_bound: bool
    weights: np.ndarray
    palettes: np.ndarray
    thick: np.ndarray
    sigmas: np.ndarray

    @property
    def trust(self) -> float:
        """Probability, 0 to 1, that the palette is the right one: how many plateaus it explains.

        By Laplace's rule with one plateau explained beforehand; 1 without any that told.
        """
        return (self.plateaus * (self.explained or 0.0) + 1) / (self.plateaus + 1)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What speaks against the calibration, in words; empty where nothing does."""
        found = {
            "the oxide ends at the bound of its prior: the nominal may be wrong": self.at_bound,
            "much stray light would be needed: material or oxide may be wrong": (
                self.glare > _MUCH_GLARE
            ),
            "few plateaus are explained: the material may be another one": (
                self.explained is not None and self.explained < _LITTLE_EXPLAINED
            ),
            "no plateau told: oxide and stray light are as stated": self.plateaus == 0,
        }
        return tuple(words for words, is_so in found.items() if is_so)

    def classify(self, contrasts: np.ndarray) -> np.ndarray:
        """Return the probability of 1 … 10 layers, thick, stain, other for contrasts (N, 3).

        Averaged over what is not known of the microscope. (N, 13), rows add up to 1.
        """
        probability = np.zeros((len(contrasts), THIN_MAX + 3))
        for weight, thin, thick, sigma in zip(
            self.weights, self.palettes, self.thick, self.sigmas, strict=True
        ):
            density = _densities(contrasts, thin, thick, sigma)
            probability += weight * density / density.sum(axis=1, keepdims=True)
        return probability

    def nearest(self, contrasts: np.ndarray) -> np.ndarray:
        """Return the probability of 1 … 10 layers, (N, 10), given that it is one of them.

        For contrasts that the palette does not hold: its error is taken to be a stain's.
        """
        probability = np.zeros((len(contrasts), THIN_MAX))
        for weight, thin in zip(self.weights, self.palettes, strict=True):
            squared = ((contrasts[:, None] - thin) ** 2).sum(axis=-1)
            squared -= squared.min(axis=1, keepdims=True)
            near = np.exp(-0.5 * squared / _STAIN_SIGMA**2)
            probability += weight * near / near.sum(axis=1, keepdims=True)
        return probability


def fit_layers(
    contrasts: np.ndarray,
    material: str | Material,
    microscope: Microscope,
    *,
    oxide_tolerance_nm: float = OXIDE_TOLERANCE_NM,
) -> LayerFit:
    """Fit oxide, glare and the model's error to plateaus of unknown layer count.

    Every plateau has 1 … 10 layers, is thicker, is a stain, or something else: a mixture whose
    posterior is kept on a grid. Layers are told apart because they come in whole numbers; the
    glare, light that reached the camera without touching the sample, shrinks all contrasts alike.

    Parameters
    ----------
    contrasts : (N, 3) array
        Contrast per channel of each plateau; N may be 0.
    material : str or Material
        What the flakes are made of.
    microscope : Microscope
        Camera, illuminant, aperture and nominal oxide.
    oxide_tolerance_nm : float, optional
        Prior of the oxide: normal around the nominal with half of this as standard deviation, and
        nothing beyond. 0 takes the nominal as it is.

    Returns
    -------
    LayerFit

    Raises
    ------
    ArgumentError
        Contrasts that are not (N, 3) finite numbers, or a negative tolerance.
    """
    contrasts = np.asarray(contrasts, dtype=np.float64)
    if contrasts.ndim != 2 or contrasts.shape[1] != 3 or not np.isfinite(contrasts).all():
        raise ArgumentError("contrasts", contrasts.shape, "an array (N, 3) of finite numbers")
    if not oxide_tolerance_nm >= 0:
        raise ArgumentError("oxide_tolerance_nm", oxide_tolerance_nm, "0 nm or more")
    material = get_material(material)
    nominal = microscope.oxide_thickness_nm
    steps = int(np.ceil(oxide_tolerance_nm / _OXIDE_STEP_NM))
    oxides = (
        nominal + np.linspace(-1, 1, 2 * steps + 1) * oxide_tolerance_nm
        if steps
        else np.array([nominal])
    )
    oxides = oxides[oxides >= 0]
    grid = [(o, g, s) for o in oxides for g in _GLARES for s in _SIGMAS]
    palettes = {
        o: _palette(material, replace(microscope, oxide_thickness_nm=float(o))) for o in oxides
    }
    log = np.empty(len(grid))
    for k, (oxide, glare, sigma) in enumerate(grid):
        thin, thick = (p * (1 - glare) for p in palettes[oxide])
        log[k] = (
            np.log(_densities(contrasts, thin, thick, sigma).sum(axis=1)).sum()
            - 2 * ((oxide - nominal) / max(oxide_tolerance_nm, 1e-9)) ** 2
            - 0.5 * (glare / _GLARE_SIGMA) ** 2
            - 0.5 * (np.log(sigma / _USUAL_SIGMA) / _SIGMA_SPREAD) ** 2
        )
    weight = np.exp(log - log.max())
    keep = weight > 0.01
    weight, grid = weight[keep] / weight[keep].sum(), np.array(grid)[keep]
    mean = weight @ grid
    sigma = np.sqrt(weight @ (grid - mean) ** 2)
    at_bound = weight[np.isin(grid[:, 0], oxides[[0, -1]])].sum() > _AT_BOUND and steps > 0
    if at_bound:
        sigma[0] = max(sigma[0], oxide_tolerance_nm / 2)
    thin = np.array([palettes[o][0] * (1 - g) for o, g, _ in grid])
    thick = np.array([palettes[o][1] * (1 - g) for o, g, _ in grid])
    fit = LayerFit(
        mean[0],
        sigma[0],
        mean[1],
        sigma[1],
        mean[2],
        len(contrasts),
        None,
        bool(at_bound),
        weight,
        thin,
        thick,
        grid[:, 2],
    )
    if len(contrasts):
        fit = replace(
            fit, explained=float(fit.classify(contrasts)[:, : THIN_MAX + 1].sum(axis=1).mean())
        )
    return fit


def _densities(
    contrasts: np.ndarray, thin: np.ndarray, thick: np.ndarray, sigma: float
) -> np.ndarray:
    """Return share times density of 1 … 10 layers, thick, stain, other; (N, 13)."""
    grey = contrasts.mean(axis=1)
    colour = ((contrasts - grey[:, None]) ** 2).sum(axis=1)
    stain = np.exp(-0.5 * ((grey / _STAIN_SIGMA) ** 2 + colour / _STAIN_COLOUR_SIGMA**2))
    stain /= (2 * np.pi) ** 1.5 * _STAIN_SIGMA * _STAIN_COLOUR_SIGMA**2
    return np.column_stack(
        [
            _SHARES["thin"] / THIN_MAX * _normal(contrasts, thin, sigma),
            _SHARES["thick"] * _normal(contrasts, thick, _THICK_SIGMA).mean(axis=1),
            _SHARES["stain"] * stain,
            np.full(len(contrasts), _SHARES["other"] / _CUBE),
        ]
    )


def _normal(contrasts: np.ndarray, centers: np.ndarray, sigma: float) -> np.ndarray:
    squared = ((contrasts[:, None] - centers) ** 2).sum(axis=-1)
    return np.exp(-0.5 * squared / sigma**2) / (np.sqrt(2 * np.pi) * sigma) ** 3


@lru_cache(maxsize=256)
def _palette(material: Material, microscope: Microscope) -> tuple[np.ndarray, np.ndarray]:
    counts = np.concatenate([np.arange(1, THIN_MAX + 1), _THICK_COUNTS])
    contrast = layer_contrast(material, counts, microscope)
    return contrast[:THIN_MAX], contrast[THIN_MAX:]
