"""Reflectance of a stack, averaged over the rays that come in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from qupaint_lib._arrays import as_complex, as_float, check_finite, is_torch, namespace, to_numpy
from qupaint_lib.errors import ArgumentError
from qupaint_lib.optics.rays import (
    Array,
    Ray,
    Stack,
    amplitudes,
    cone,
    ray_reflectances,
    single_ray,
)
from qupaint_lib.optics.sweeps import SHORTEST_SWEEP, grid_reflectance, is_grid, sweep_reflectance

POLARIZATIONS = ("s", "p", "unpolarized")


def reflectance(
    refractive_indices: Sequence[Array],
    thicknesses_nm: Sequence[Array],
    wavelength_nm: Array,
    *,
    angle_deg: float = 0.0,
    polarization: str = "unpolarized",
    numerical_aperture: float = 0.0,
    aperture_nodes: int | None = None,
) -> Array:
    """Return the power reflectance of a stack of thin films.

    Parameters
    ----------
    refractive_indices : sequence of scalars or (W,) arrays
        n + ik of every medium, ambient → substrate, k ≥ 0.
    thicknesses_nm : sequence of scalars or arrays
        One thickness ≥ 0 per inner layer; arrays are broadcast to a shape S.
    wavelength_nm : float or (W,) array
        Vacuum wavelengths > 0.
    angle_deg : float, optional
        Angle of incidence in the ambient, 0 ≤ angle < 90.
    polarization : {"unpolarized", "s", "p"}, optional
        The mean of s and p, or one of them; at normal incidence all are equal.
    numerical_aperture : float, optional
        0 for one direction; else the mean over a cone of incidence that fills the objective's
        pupil evenly, 0 ≤ NA < index of the ambient.
    aperture_nodes : int, optional
        Gauss–Legendre nodes in sin² θ, 1 to 200; by default enough for an error under 1e-6.

    Returns
    -------
    array of shape S + (W,)
        Reflectance in [0, 1]; a scalar wavelength has no axis of its own.

    Raises
    ------
    ArgumentError
        A negative or NaN thickness, k < 0, a wavelength ≤ 0, shapes that do not fit, an angle
        together with an aperture, an absorbing ambient where light comes in at an angle.

    Notes
    -----
    QuPAINT's Eq. 2 labels the amplitudes otherwise: (incident, reflected)ᵀ = M (transmitted, 0)ᵀ,
    so R = ``|M₁₀ / M₀₀|²``; its literal ``|v/u₀|²`` exceeds 1.

    A sweep of one layer and a grid of two take shorter ways through the same algebra (see
    ``sweeps``); both agree with the plain recursion to 1e-11.
    """
    stack, shape = _checked_stack(refractive_indices, thicknesses_nm, wavelength_nm)
    if polarization not in POLARIZATIONS:
        raise ArgumentError("polarization", polarization, f"one of {', '.join(POLARIZATIONS)}")
    _check_direction(stack, angle_deg, numerical_aperture)
    if numerical_aperture:
        if aperture_nodes is not None and aperture_nodes not in range(1, 201):
            raise ArgumentError("aperture_nodes", aperture_nodes, "an integer from 1 to 200")
        rays = cone(stack, polarization, numerical_aperture, aperture_nodes)
    else:
        rays = single_ray(stack, polarization, angle_deg)
    values = stack.xp.broadcast_to(_mean_over(rays, stack), (*shape, len(stack.wavelength)))
    return values if np.ndim(wavelength_nm) else values[..., 0]


def reflection_amplitude(
    refractive_indices: Sequence[Array],
    thicknesses_nm: Sequence[Array],
    wavelength_nm: Array,
    *,
    angle_deg: float = 0.0,
    polarization: str = "s",
) -> Array:
    """Return the complex reflection amplitude r of a stack; arguments as in `reflectance`.

    The sign of r for p follows Byrnes' ``tmm``: at normal incidence r_p = −r_s.

    Returns
    -------
    complex array of shape S + (W,)
    """
    stack, shape = _checked_stack(refractive_indices, thicknesses_nm, wavelength_nm)
    if polarization not in ("s", "p"):
        raise ArgumentError("polarization", polarization, "s or p: amplitudes have no mean")
    _check_direction(stack, angle_deg, 0.0)
    s = stack.indices[0].real * float(np.sin(np.deg2rad(angle_deg)))
    reflected, incident = amplitudes(stack, Ray(s, polarization, 1.0))
    values = stack.xp.broadcast_to(reflected / incident, (*shape, len(stack.wavelength)))
    return values if np.ndim(wavelength_nm) else values[..., 0]


def contrast(reflectance_flake: Array, reflectance_substrate: Array) -> Array:
    """Return the optical contrast R_flake / R_substrate − 1 (dimensionless, linear light)."""
    return reflectance_flake / reflectance_substrate - 1


def _mean_over(rays: list[Ray], stack: Stack) -> Array:
    """Return the weighted mean reflectance over rays, by the cheapest of three equal ways."""
    of_ray = None
    if not is_torch(stack.xp):
        swept = [layer for layer, d in enumerate(stack.thicknesses) if d.size > 1]
        if len(swept) == 1 and stack.thicknesses[swept[0]].size >= SHORTEST_SWEEP:
            of_ray = partial(sweep_reflectance, layer=swept[0])
        elif is_grid(stack):
            of_ray = grid_reflectance
    values = (of_ray(stack, ray) for ray in rays) if of_ray else ray_reflectances(stack, rays)
    return sum(ray.weight * value for ray, value in zip(rays, values, strict=True))


def _checked_stack(
    refractive_indices: Sequence[Array], thicknesses_nm: Sequence[Array], wavelength_nm: Array
) -> tuple[Stack, tuple[int, ...]]:
    """Return the stack as arrays of one kind, and the shape S of its thicknesses."""
    if len(refractive_indices) < 2:
        allowed = "two media or more, ambient → substrate"
        raise ArgumentError("refractive_indices", len(refractive_indices), allowed)
    if len(thicknesses_nm) != len(refractive_indices) - 2:
        allowed = f"one thickness per inner layer, so {len(refractive_indices) - 2}"
        raise ArgumentError("thicknesses_nm", f"{len(thicknesses_nm)} of them", allowed)
    everything = [wavelength_nm, *refractive_indices, *thicknesses_nm]
    if 0 in [size for value in everything for size in np.shape(value)]:
        raise ArgumentError("wavelength_nm, thicknesses_nm", "an empty array", "at least one value")
    xp = namespace(*everything)
    like = next((value for value in everything if is_torch(namespace(value))), None)

    wavelength = as_float(xp, wavelength_nm, like)
    if wavelength.ndim > 1:
        raise ArgumentError("wavelength_nm", tuple(wavelength.shape), "a scalar or one axis (W,)")
    check_finite("wavelength_nm", wavelength, minimum=1e-6)
    wavelength = wavelength.reshape(-1)

    indices = [as_complex(xp, n, like) for n in refractive_indices]
    for n in indices:
        if tuple(n.shape) not in ((), (1,), tuple(wavelength.shape)):
            allowed = f"a scalar or the wavelengths' shape {tuple(wavelength.shape)}"
            raise ArgumentError("refractive_indices", tuple(n.shape), allowed)
        check_finite("refractive_indices, real part n", n.real, minimum=1e-12)
        check_finite("refractive_indices, imaginary part k", n.imag, minimum=0.0)

    thicknesses = [as_float(xp, d, like) for d in thicknesses_nm]
    for d in thicknesses:
        check_finite("thicknesses_nm", d, minimum=0.0)
    try:
        shape = np.broadcast_shapes(*(tuple(d.shape) for d in thicknesses))
    except ValueError:
        shapes = [tuple(d.shape) for d in thicknesses]
        raise ArgumentError("thicknesses_nm", shapes, "shapes that broadcast together") from None
    return Stack(xp, indices, [d[..., None] for d in thicknesses], wavelength), shape


def _check_direction(stack: Stack, angle_deg: float, numerical_aperture: float) -> None:
    if not 0 <= angle_deg < 90:
        raise ArgumentError("angle_deg", angle_deg, "0 ≤ angle < 90")
    ambient = to_numpy(stack.indices[0])
    if not 0 <= numerical_aperture < ambient.real.min():
        allowed = f"0 ≤ NA < {ambient.real.min():g}, the index of the ambient"
        raise ArgumentError("numerical_aperture", numerical_aperture, allowed)
    if angle_deg and numerical_aperture:
        raise ArgumentError("angle_deg", angle_deg, "an angle or an aperture, not both")
    if (angle_deg or numerical_aperture) and ambient.imag.max() > 0:
        allowed = "a transparent ambient where light comes in at an angle"
        raise ArgumentError("refractive_indices", "an absorbing ambient", allowed)
