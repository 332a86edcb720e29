"""Cheap sweeps over thickness: interpolation for one layer, small matrices for a grid of two."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qupaint_lib.optics.rays import (
    Ray,
    Stack,
    amplitudes,
    interfaces,
    normal_indices,
    power,
    round_trip,
)

_TOLERANCE = 1e-13
_FIRST_NODES = 32
SHORTEST_SWEEP = 4 * _FIRST_NODES  # that interpolation makes cheaper


def sweep_reflectance(stack: Stack, ray: Ray, layer: int) -> np.ndarray:
    """Return the reflectance where one layer's thickness is swept, S + (W,).

    |a|² and |b|² are sums of 1, |z|², Re z and Im z, entire functions of the thickness, so a few
    dozen Chebyshev polynomials hold them to rounding and a sweep becomes one matrix product. The
    nodes are increased until the last coefficients are under 1e-13; where that takes a quarter of
    the points or more, the points are computed one by one.
    """
    sweep = stack.thicknesses[layer]

    def powers(thickness: np.ndarray) -> np.ndarray:
        thicknesses = [d.reshape(-1, 1) for d in stack.thicknesses]
        thicknesses[layer] = thickness[:, None]
        reflected, incident = amplitudes(stack._replace(thicknesses=thicknesses), ray)
        return np.hstack(np.broadcast_arrays(power(reflected), power(incident)))

    values = interpolate_entire(powers, sweep.reshape(-1))
    reflected, incident = np.hsplit(values, 2)
    return (reflected / incident).reshape(*sweep.shape[:-1], -1)


def interpolate_entire(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return ``function(x)``, (N, W), by Chebyshev interpolation where that is cheaper."""
    low, high = float(x.min()), float(x.max())
    nodes = _FIRST_NODES
    while high > low and 4 * nodes <= len(x):
        angles = np.pi * (np.arange(nodes) + 0.5) / nodes
        values = function(low + (high - low) * (1 + np.cos(angles)) / 2)
        coefficients = np.cos(np.outer(np.arange(nodes), angles)) @ values * (2 / nodes)
        coefficients[0] /= 2
        if abs(coefficients[-3:]).max() < _TOLERANCE:
            return _chebyshev_basis((2 * x - low - high) / (high - low), nodes).T @ coefficients
        nodes = nodes * 5 // 4
    return function(x)


def _chebyshev_basis(t: np.ndarray, count: int) -> np.ndarray:
    """Return T_0 … T_{count−1} at t in [−1, 1] by their recurrence, (count, N)."""
    basis = np.empty((count, len(t)))
    basis[0], basis[1] = 1, t
    for k in range(2, count):
        np.multiply(basis[k - 1], t, out=basis[k])
        basis[k] *= 2
        basis[k] -= basis[k - 2]
    return basis


def is_grid(stack: Stack) -> bool:
    """Tell whether exactly two layers are swept, each along axes of its own."""
    shapes = [d.shape[:-1] for d in stack.thicknesses if d.size > 1]
    if len(shapes) != 2:
        return False
    ndim = max(map(len, shapes))
    first, second = ((1,) * (ndim - len(shape)) + shape for shape in shapes)
    return all(1 in pair for pair in zip(first, second, strict=True))


def grid_reflectance(stack: Stack, ray: Ray) -> np.ndarray:
    """Return the reflectance where two layers are swept along axes of their own, S + (W,).

    With the transfer matrix M = A diag(1, z₁) B diag(1, z₂) C, both elements of its first column
    are bilinear in (1, z₁) and (1, z₂). So |M₁₀|² and |M₀₀|² are bilinear in the real vectors
    q(z) = (1, Re z, Im z, |z|²): per wavelength, R is the ratio of two products
    (D₁, 4)·(4, 4)·(4, D₂), and the exponentials number D₁ + D₂ instead of D₁ D₂.
    """
    u = normal_indices(stack, ray)
    of_wavelength = np.zeros(stack.wavelength.shape)
    rho = [of_wavelength + r for r in interfaces(stack, u, ray.polarization)]
    swept = [layer for layer, d in enumerate(stack.thicknesses) if d.size > 1]
    trips = [
        round_trip(stack, u[layer + 1], d.reshape(-1, 1))
        for layer, d in enumerate(stack.thicknesses)
    ]
    factors = [_interface_matrix(rho[0])]  # A, B, C, (W, 2, 2) each
    for layer, z in enumerate(trips):
        if layer in swept:
            factors.append(_interface_matrix(rho[layer + 1]))
        else:  # a fixed layer's diag(1, z) scales the columns of what stands before it
            scale = np.stack(np.broadcast_arrays(1.0, z[0]), axis=-1)[..., None, :]
            factors[-1] = (factors[-1] * scale) @ _interface_matrix(rho[layer + 1])
    a, b, c = factors
    first, second = (_quadratic_vector(trips[layer]) for layer in swept)
    denominator, numerator = (
        first @ _real_form(a[..., row, :, None] * b * c[..., None, :, 0]) @ second.swapaxes(-1, -2)
        for row in (0, 1)
    )
    return _to_broadcast_axes(numerator / denominator, *(stack.thicknesses[i] for i in swept))


def _interface_matrix(rho: np.ndarray) -> np.ndarray:
    """Return ((1, ρ), (ρ, 1)), the transfer matrix of an interface up to a factor, (…, 2, 2)."""
    one = np.ones_like(rho)
    return np.stack([np.stack([one, rho], -1), np.stack([rho, one], -1)], -2)


def _quadratic_vector(z: np.ndarray) -> np.ndarray:
    """Return q(z) = (1, Re z, Im z, |z|²) for z (D, W), as (W, D, 4)."""
    z = z.T
    return np.stack([np.ones_like(z.real), z.real, z.imag, z.real**2 + z.imag**2], axis=-1)


# p p* of p = (1, z), written in q(z): rows are 1·1*, 1·z*, z·1*, z·z*.
_PRODUCTS = np.array([[1, 0, 0, 0], [0, 1, -1j, 0], [0, 1, 1j, 0], [0, 0, 0, 1]])


def _real_form(m: np.ndarray) -> np.ndarray:
    """Return T (W, 4, 4) with |Σ m_jk p_j p'_k|² = q(z)ᵀ T q(z') for p = (1, z), p' = (1, z')."""
    products = np.einsum("wjk,wlm->wjlkm", m, m.conj()).reshape(-1, 4, 4)
    return np.ascontiguousarray((_PRODUCTS.T @ products @ _PRODUCTS).real)


def _to_broadcast_axes(values: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bring (W, D₁, D₂) values into the shape that the two thickness arrays broadcast to."""
    ndim = max(first.ndim, second.ndim) - 1
    shapes = [(1,) * (ndim + 1 - d.ndim) + d.shape[:-1] for d in (first, second)]
    values = values.reshape(-1, *shapes[0], *shapes[1])  # W, axes of the first, of the second
    pairs = [axis for i in range(ndim) for axis in (1 + i, 1 + ndim + i)]
    shape = [max(pair) for pair in zip(*shapes, strict=True)]
    return values.transpose(*pairs, 0).reshape(*shape, -1)
