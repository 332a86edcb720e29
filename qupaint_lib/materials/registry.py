"""The registry: materials by name, their indices, and a user's own tables."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from qupaint_lib.errors import ArgumentError, TableError, UnknownNameError
from qupaint_lib.materials.pages import read_page
from qupaint_lib.materials.recipes import FLAKES, SUBSTRATES, mean_permittivity

HELD_BEYOND_TABLE_NM = 25.0


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
        if not (isinstance(self.name, str) and self.name.strip()):
            raise ArgumentError("name", self.name, "a name")
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


FLAKE_MATERIALS: tuple[str, ...] = tuple(FLAKES)
SUBSTRATE_MATERIALS: tuple[str, ...] = (*SUBSTRATES, "air")

_ALIASES = {"hbn": "BN", "al2o3": "sapphire", "graphite": "graphene", "vacuum": "air"}
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_registered: dict[str, Material] = {}


def material_names() -> list[str]:
    """Return every name that `get_material` knows, the user's own included."""
    return [*FLAKES, *SUBSTRATES, "air", *_registered]


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
        known = f"{material.name} is known from {first:g} to {last:g} nm ({material.source})"
        allowed = f"{known}; {HELD_BEYOND_TABLE_NM:g} nm beyond that its end value is held"
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
    grid, index = mean_permittivity([(p.wavelength_nm, p.refractive_index) for p in parts], weights)
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
    taken = {n.lower() for n in (*FLAKES, *SUBSTRATES, "air", *_ALIASES)}
    if material.name.lower() in taken:
        raise ArgumentError("name", material.name, "not a built-in material's: choose another")
    same = [name for name in _registered if name.lower() == material.name.lower()]
    if same and not replace:
        raise ArgumentError("name", material.name, "already registered; replace=True replaces it")
    for name in same:
        del _registered[name]
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
        The file cannot be read, a column or number is missing, wavelengths do not ascend or are
        not in nm, or k < 0.
    """
    path = Path(path)
    columns = ("wavelength_nm", "n", "k")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TableError("path", str(path), f"a readable UTF-8 file: {error}") from error
    reader = csv.DictReader(lines)
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
    if wavelength[-1] < 50:
        raise TableError(where, float(wavelength[-1]), "wavelengths in nm, not µm")
    if (index.imag < 0).any():
        worst = complex(index[index.imag.argmin()])
        raise TableError(where, worst, "k ≥ 0: the convention is n + ik with exp(−iωt)")
    if (index.real <= 0).any():
        raise TableError(where, float(index.real.min()), "n > 0")


@cache
def _built_in(name: str) -> Material:
    if name == "air":
        return Material("air", [100.0, 20_000.0], [1.0, 1.0], "n = 1, within 3e-4 of measured air")
    recipe = FLAKES.get(name) or SUBSTRATES[name]
    tables = [read_page(*page) for page in recipe.pages]
    weights = np.full(len(tables), 1 / len(tables))
    grid, index = tables[0] if len(tables) == 1 else mean_permittivity(tables, weights)
    return Material(
        name, grid, index, recipe.source, recipe.doi, recipe.layer_thickness_nm, recipe.layer_doi
    )
