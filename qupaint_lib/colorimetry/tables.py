"""Spectra of observers, cameras and illuminants, kept beside the code.

They are colour-science's, whose import takes a second: a slider that chooses another lamp cannot
wait for it. They are read once, by ``python -m qupaint_lib.colorimetry``, into a small file of
plain arrays; a test compares them with the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib._files import write_bytes

CIE_1931 = "CIE 1931"
_STORE = "spectra.npz"


def names(kind: str) -> list[str]:
    """Return the names of all tables of a kind, ``"camera"`` or ``"illuminant"``."""
    return [name.removeprefix(f"{kind} ") for name in _store() if name.startswith(f"{kind} ")]


def read_table(kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (wavelength in nm, (W,)) and the values, (W,) or (W, 3), of a table."""
    table = _store()[f"{kind} {name}"]
    return table[0], table[1] if len(table) == 2 else table[1:].T


def tables_of_package() -> Mapping[str, Any]:
    """Return colour-science's own spectral distributions, under kind and name."""
    from colour import MSDS_CAMERA_SENSITIVITIES, MSDS_CMFS, SDS_ILLUMINANTS

    cameras = {CIE_1931: MSDS_CMFS["CIE 1931 2 Degree Standard Observer"]}
    cameras |= dict(MSDS_CAMERA_SENSITIVITIES)
    tables = {f"camera {name}": table for name, table in cameras.items()}
    return tables | {f"illuminant {name}": table for name, table in SDS_ILLUMINANTS.items()}


def write_store(path: str | Path | None = None) -> Path:
    """Write the file of all tables, from colour-science."""
    path = Path(path or str(files("qupaint_lib.data") / _STORE))
    arrays = {
        name: np.vstack([table.wavelengths, table.values.T])
        for name, table in tables_of_package().items()
    }
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())
    return path


@cache
def _store() -> dict[str, np.ndarray]:
    with (files("qupaint_lib.data") / _STORE).open("rb") as file:
        return dict(np.load(file, allow_pickle=False))
