"""Speed against named peers, in the same run, with one thread each.

``tmm`` computes one spectrum point per call, so its cost per stack is constant: it is timed on a
sample of the stacks and multiplied. Every pair is first checked to compute the same numbers.
"""

from functools import cache, partial

import colour
import numpy as np
import pytest
import tmm
import tmm_fast
import torch
from ratios import Case, ratio

from qupaint_lib.colorimetry import WAVELENGTH_NM, rgb_matrix, spectrum_to_rgb, xyz_matrix
from qupaint_lib.materials import refractive_index
from qupaint_lib.optics import reflectance

torch.set_num_threads(1)

MEDIA = ("air", "MoS2", "SiO2", "Si")
INDICES = [refractive_index(medium, WAVELENGTH_NM) for medium in MEDIA]
OXIDE = 90.0
SWEEP = np.linspace(0, 100, 10_000)
GRID = np.linspace(0.3, 30, 100)[:, None], np.linspace(60, 320, 100)
SHORT_SWEEP = np.linspace(0, 100, 1000)
APERTURE, NODES = 0.5, 5  # five Gauss nodes give 1e-6 for these stacks
SAMPLE = 12  # stacks that tmm is timed on
TO_XYZ, TO_RGB = xyz_matrix(), rgb_matrix()
SHAPE = colour.SpectralShape(380, 780, 5)
CMFS = colour.MSDS_CMFS["CIE 1931 2 Degree Standard Observer"].copy().align(SHAPE)
D65 = colour.SDS_ILLUMINANTS["D65"].copy().align(SHAPE)


# The workloads: ours first, then the peers'.
def our_sweep():
    return reflectance(INDICES, [SWEEP, OXIDE], WAVELENGTH_NM)


def our_grid():
    return reflectance(INDICES, list(GRID), WAVELENGTH_NM)


def our_aperture():
    return reflectance(INDICES, [SHORT_SWEEP, OXIDE], WAVELENGTH_NM, numerical_aperture=APERTURE)


def our_colors(spectra):
    return spectrum_to_rgb(spectra, TO_RGB)


def our_thickness_to_rgb():
    return spectrum_to_rgb(our_sweep(), TO_RGB)


def our_gradient():
    thickness = torch.tensor(SHORT_SWEEP, requires_grad=True)
    spectra = reflectance(INDICES, [thickness, OXIDE], WAVELENGTH_NM)
    spectrum_to_rgb(spectra, torch.tensor(TO_RGB)).sum().backward()
    return thickness.grad.numpy()


def tmm_spectra(thicknesses, angles=(0.0,), polarizations="s"):
    """Return R of every (flake, oxide) pair, angle and polarization, one call per wavelength."""
    return np.array(
        [
            [
                tmm.coh_tmm(
                    polarization,
                    [n[i] for n in INDICES],
                    [np.inf, flake, oxide, np.inf],
                    angle,
                    wavelength,
                )["R"]
                for i, wavelength in enumerate(WAVELENGTH_NM)
            ]
            for flake, oxide in thicknesses
            for angle in angles
            for polarization in polarizations
        ]
    )


def every(values, count=SAMPLE):
    return values[:: len(values) // count][:count]


def tmm_sweep():
    return tmm_spectra([(d, OXIDE) for d in every(SWEEP)])


def tmm_grid():
    return tmm_spectra(list(zip(every(GRID[0][:, 0]), every(GRID[1]), strict=True)))


def tmm_aperture():
    x, weights = np.polynomial.legendre.leggauss(NODES)
    angles = np.arcsin(APERTURE * np.sqrt((1 + x) / 2))
    pairs = [(d, OXIDE) for d in every(SHORT_SWEEP, 3)]
    values = tmm_spectra(pairs, angles, "sp").reshape(3, NODES, 2, -1)
    return np.einsum("tnpw,n->tw", values, weights / 4)


def tmm_fast_spectra(thickness):
    """Return R of a torch sweep as (D, W), in one block."""
    edge = torch.full_like(thickness, torch.inf)
    layers = torch.stack([edge, thickness, torch.full_like(thickness, OXIDE), edge], dim=1)
    indices = torch.tensor(np.stack(INDICES)).expand(len(thickness), -1, -1)
    angle = torch.zeros(1, dtype=torch.float64)
    wavelength = torch.tensor(WAVELENGTH_NM)
    return tmm_fast.coh_tmm("s", indices, layers, angle, wavelength)["R"][:, 0]


def tmm_fast_sweep():
    return torch.cat([tmm_fast_spectra(block) for block in torch.tensor(SWEEP).split(250)]).numpy()


def tmm_fast_gradient():
    thickness = torch.tensor(SHORT_SWEEP, requires_grad=True)
    (tmm_fast_spectra(thickness) @ torch.tensor(TO_RGB)).sum().backward()
    return thickness.grad.numpy()


def colour_xyz(spectra):
    return colour.msds_to_XYZ(spectra, CMFS, D65, method="Integration", shape=SHAPE)


def tmm_thickness_to_xyz():
    """One stack after the other through tmm and sd_to_XYZ; their sum starts cold every time."""
    spectra = tmm_sweep() * np.random.default_rng().uniform(0.999, 1.001)  # no cached answers
    return [
        colour.sd_to_XYZ(colour.SpectralDistribution(spectrum, SHAPE), CMFS, D65)
        for spectrum in spectra
    ]


@cache
def spectra_10000():
    return np.random.default_rng(0).uniform(0, 1, (10_000, 81))


CASES = [
    Case("10,000 thicknesses × 81 wavelengths", our_sweep, "tmm", tmm_sweep, 1500, 5000,
         scale=len(SWEEP) / SAMPLE),
    Case("10,000 thicknesses × 81 wavelengths", our_sweep, "tmm_fast, blocks of 250",
         tmm_fast_sweep, 25, 100),
    Case("100 × 100 thickness grid × 81", our_grid, "tmm", tmm_grid, 10_000,
         scale=10_000 / SAMPLE),
    Case("1,000 thicknesses × 81, NA 0.5, s and p", our_aperture, "tmm", tmm_aperture, 1000,
         scale=len(SHORT_SWEEP) / 3),
    Case("10,000 spectra → RGB", partial(our_colors, spectra_10000()),
         "colour-science msds_to_XYZ", partial(colour_xyz, spectra_10000()), 2, rounds=9),
    Case("10,000 thicknesses → RGB", our_thickness_to_rgb, "tmm, then sd_to_XYZ",
         tmm_thickness_to_xyz, 5000, scale=len(SWEEP) / SAMPLE),
    Case("gradient of RGB by thickness, 1,000 × 81", our_gradient, "tmm_fast",
         tmm_fast_gradient, 10),
]  # fmt: skip


# Both compute the same numbers.
def test_sweeps_agree():
    np.testing.assert_allclose(every(our_sweep()), tmm_sweep(), atol=1e-10)
    np.testing.assert_allclose(our_sweep(), tmm_fast_sweep(), atol=1e-10)


def test_grids_agree():
    diagonal = [our_grid()[i, i] for i in every(np.arange(100))]
    np.testing.assert_allclose(diagonal, tmm_grid(), atol=1e-10)


def test_apertures_agree_and_the_nodes_are_enough():
    """Ours with the nodes that a user gets, tmm's with as few as give 1e-6."""
    np.testing.assert_allclose(every(our_aperture(), 3), tmm_aperture(), atol=1e-6)
    kwargs = {"numerical_aperture": APERTURE, "aperture_nodes": 60}
    many = reflectance(INDICES, [SHORT_SWEEP, OXIDE], WAVELENGTH_NM, **kwargs)
    np.testing.assert_allclose(our_aperture(), many, atol=1e-6)


def test_colors_agree():
    spectra = spectra_10000()[:50]
    np.testing.assert_allclose(spectra @ TO_XYZ * 100, colour_xyz(spectra), atol=1e-11)


def test_gradients_agree():
    np.testing.assert_allclose(our_gradient(), tmm_fast_gradient(), atol=1e-10)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ratio(case, rows):
    assert ratio(case, rows) >= case.bar
