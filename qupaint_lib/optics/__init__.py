"""Reflectance of a stack of thin films: Fresnel's equations and the transfer matrix (Eq. 1–2).

Conventions: time factor exp(−iωt); complex index n + ik with k ≥ 0, so a wave decays along its way;
stacks run ambient → substrate, both semi-infinite; thicknesses and vacuum wavelengths in nm;
reflectance is a power ratio in [0, 1]. NumPy in, NumPy out; torch in, torch out, with gradients
through thicknesses, indices and wavelengths. All arithmetic is in double precision.

``thin_film`` holds what callers use, ``rays`` the physics of one ray, ``sweeps`` what makes long
sweeps cheap.
"""

from qupaint_lib.optics.thin_film import contrast, reflectance, reflection_amplitude

__all__ = ["contrast", "reflectance", "reflection_amplitude"]
