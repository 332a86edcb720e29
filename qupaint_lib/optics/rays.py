"""One ray in a stack: Fresnel's equations, the recursion over layers, and the rays of a cone.

A ray is told by its transverse index s = n₀ sin θ₀, the same in every layer (Snell's law). In a
layer of index n its normal component is u = √(n² − s²) with Im u ≥ 0, and its phase is
δ = 2π u d / λ.

The transfer matrix of a layer is, up to a factor that cancels in r, diag(1, z) with
z = exp(2iδ), |z| ≤ 1, and that of an interface is ((1, ρ), (ρ, 1)) with its Fresnel coefficient ρ.
Multiplied from the substrate upwards they carry the pair (reflected, incident) = (a, b) through the
stack, a ← ρ b + a z, b ← b + ρ a z, and r = a / b. Nothing in it can overflow.

References: Born & Wolf, Principles of Optics, §1.6; Byrnes, arXiv 1603.02720.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from qupaint_lib._arrays import to_numpy

Array = Any  # numpy.ndarray or torch.Tensor


class Ray(NamedTuple):
    """A direction and polarization, and its share of the light."""

    transverse_index: Array  # s, scalar or (W,)
    polarization: str  # "s" or "p"
    weight: float


class Stack(NamedTuple):
    """A checked stack; every array has, or broadcasts against, a last axis of wavelengths."""

    xp: Any  # numpy or torch
    indices: list[Array]  # complex, () or (W,), ambient → substrate
    thicknesses: list[Array]  # real, nm, one per inner layer, S + (1,)
    wavelength: Array  # real, nm, (W,)


def normal_indices(stack: Stack, ray: Ray) -> list[Array]:
    """Return u = √(n² − s²) of every medium, on the branch that decays: Im u ≥ 0."""
    squares = [n * n - ray.transverse_index**2 for n in stack.indices]
    return [stack.xp.sqrt(square.real + 1j * abs(square.imag)) for square in squares]


def fresnel(n1: Array, u1: Array, n2: Array, u2: Array, polarization: str) -> Array:
    """Return the reflection coefficient from medium 1 to 2 (Eq. 1 at normal incidence).

    The sign for p follows Byrnes' ``tmm``: r_p = −r_s at normal incidence.
    """
    if polarization == "s":
        return (u1 - u2) / (u1 + u2)
    return (n2 * n2 * u1 - n1 * n1 * u2) / (n2 * n2 * u1 + n1 * n1 * u2)


def interfaces(stack: Stack, u: list[Array], polarization: str) -> list[Array]:
    """Return the Fresnel coefficient of every interface, ambient → substrate."""
    n = stack.indices
    return [fresnel(n[i], u[i], n[i + 1], u[i + 1], polarization) for i in range(len(n) - 1)]


def round_trip(stack: Stack, u: Array, thickness: Array) -> Array:
    """Return z = exp(2iδ) = exp(4πi u d / λ) of a layer, S + (W,)."""
    return stack.xp.exp((4j * np.pi) * (u / stack.wavelength) * thickness)


def amplitudes(stack: Stack, ray: Ray) -> tuple[Array, Array]:
    """Return (reflected, incident) amplitudes above the stack, S + (W,), up to a common factor."""
    u = normal_indices(stack, ray)
    return _amplitudes(stack, u, round_trips(stack, u), ray.polarization)


def round_trips(stack: Stack, u: list[Array]) -> list[Array]:
    """Return z of every layer."""
    pairs = zip(u[1:-1], stack.thicknesses, strict=True)
    return [round_trip(stack, u_layer, thickness) for u_layer, thickness in pairs]


def _amplitudes(
    stack: Stack, u: list[Array], z: list[Array], polarization: str
) -> tuple[Array, Array]:
    rho = interfaces(stack, u, polarization)
    a, b = rho[-1], stack.xp.ones_like(rho[-1])
    for layer in reversed(range(len(z))):
        az = a * z[layer]
        a, b = rho[layer] * b + az, b + rho[layer] * az
    return a, b


def power(amplitude: Array) -> Array:
    """Return |amplitude|²."""
    return amplitude.real**2 + amplitude.imag**2


def ray_reflectances(stack: Stack, rays: list[Ray]) -> Iterator[Array]:
    """Yield R = |a|² / |b|² of each ray, S + (W,); neighbours of one direction share its phases."""
    for _, same in groupby(rays, key=lambda ray: id(ray.transverse_index)):
        u = z = None
        for ray in same:
            u = u or normal_indices(stack, ray)
            z = z or round_trips(stack, u)
            reflected, incident = _amplitudes(stack, u, z, ray.polarization)
            yield power(reflected) / power(incident)


def cone(stack: Stack, polarization: str, numerical_aperture: float, nodes: int | None) -> list:
    """Return the rays of a cone of incidence that fills the pupil evenly.

    The mean over the pupil is ∫ R sin θ cos θ dθ / ∫ sin θ cos θ dθ, that is an even mean over
    s² from 0 to NA²: Gauss–Legendre nodes in s².
    """
    nodes = _enough_nodes(stack, numerical_aperture) if nodes is None else nodes
    x, weights = _gauss_legendre(nodes)
    s = numerical_aperture * np.sqrt((1 + x) / 2)
    shares = {"s": 0.5, "p": 0.5} if polarization == "unpolarized" else {polarization: 1.0}
    return [
        Ray(s_i, pol, w_i / 2 * share)
        for s_i, w_i in zip(s.tolist(), weights.tolist(), strict=True)
        for pol, share in shares.items()
    ]


@cache
def _gauss_legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights, computed once for each number of them."""
    return np.polynomial.legendre.leggauss(nodes)


def single_ray(stack: Stack, polarization: str, angle_deg: float) -> list[Ray]:
    """Return the one or two rays of a plane wave."""
    if angle_deg == 0:
        return [Ray(0.0, "s", 1.0)]
    s = stack.indices[0].real * float(np.sin(np.deg2rad(angle_deg)))
    if polarization == "unpolarized":
        return [Ray(s, "s", 0.5), Ray(s, "p", 0.5)]
    return [Ray(s, polarization, 1.0)]


def _enough_nodes(stack: Stack, numerical_aperture: float) -> int:
    """Return enough nodes for an error of 1e-6 (2e-6 at worst on random stacks of 2 µm layers).

    A few serve the interfaces; the rest follow twice the round-trip phase that turns between the
    axis and the edge of the cone (twice, for the sharp fringes of transparent layers).
    """
    shortest = to_numpy(stack.wavelength).min()
    turn = 0.0
    for n, d in zip(stack.indices[1:-1], stack.thicknesses, strict=True):
        largest = to_numpy(n).real.max()
        edge = max(largest**2 - numerical_aperture**2, 0.0) ** 0.5
        turn += 8 * np.pi * (largest - edge) * to_numpy(d).max() / shortest
    steepness = numerical_aperture / to_numpy(stack.indices[0]).real.min()
    return int(np.ceil(3 + 6 * steepness**4 + turn))
