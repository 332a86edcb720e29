"""Where each built-in index comes from: which pages of refractiveindex.info."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Recipe:
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
FLAKES = {
    "BN": Recipe(
        (("main", "BN", "Grudinin-o"),),
        "Grudinin et al. 2023, hexagonal, ordinary axis; transparent in the visible",
        "10.1039/D3MH00215B",
        0.333,
        "10.1107/S0365110X52001064",
    ),
    "graphene": Recipe(
        (("main", "C", "Weber"),),
        "Weber et al. 2010, ellipsometry of an exfoliated monolayer",
        "10.1063/1.3475393",
        0.335,
        "10.1038/258136a0",
    ),
    "MoS2": Recipe(
        (("main", "MoS2", "Munkhbat-o"),),
        _MUNKHBAT,
        _MUNKHBAT_DOI,
        0.615,
        "10.1002/zaac.19865400904",
    ),
    "MoSe2": Recipe(
        (("main", "MoSe2", "Munkhbat-o"),),
        _MUNKHBAT,
        _MUNKHBAT_DOI,
        0.646,
        "10.1002/zaac.19865400904",
    ),
    "MoWSe2": Recipe(
        (("main", "MoSe2", "Munkhbat-o"), ("main", "WSe2", "Munkhbat-o")),
        "no measured table: mean permittivity of MoSe2 and WSe2 (effective medium, Mo0.5W0.5Se2)",
        _MUNKHBAT_DOI,
        0.647,
        "10.1016/0022-4596(87)90057-0",
    ),
    "WS2": Recipe(
        (("main", "WS2", "Munkhbat-o"),),
        _MUNKHBAT,
        _MUNKHBAT_DOI,
        0.616,
        "10.1016/0022-4596(87)90057-0",
    ),
    "WSe2": Recipe(
        (("main", "WSe2", "Munkhbat-o"),),
        _MUNKHBAT,
        _MUNKHBAT_DOI,
        0.648,
        "10.1016/0022-4596(87)90057-0",
    ),
    "WTe2": Recipe(
        (("main", "WTe2", "Munkhbat-alpha"), ("main", "WTe2", "Munkhbat-beta")),
        "Munkhbat et al. 2022: mean permittivity of the two in-plane axes (unpolarised light)",
        _MUNKHBAT_DOI,
        0.7035,
        "10.1107/S0365110X66000513",
    ),
}
SUBSTRATES = {
    "SiO2": Recipe(
        (("main", "SiO2", "Malitson"),),
        "Malitson 1965, fused silica",
        "10.1364/JOSA.55.001205",
    ),
    "Si": Recipe(
        (("main", "Si", "Aspnes"),),
        "Aspnes and Studna 1983, crystal",
        "10.1103/PhysRevB.27.985",
    ),
    "Si3N4": Recipe(
        (("main", "Si3N4", "Luke"),),
        "Luke et al. 2015, 340 nm film (LPCVD)",
        "10.1364/OL.40.004823",
    ),
    "sapphire": Recipe(
        (("main", "Al2O3", "Malitson-o"),),
        "Malitson and Dodge 1972, ordinary axis",
        "",
    ),
    "PDMS": Recipe(
        (("organic", _PDMS, "Gupta"),),
        "Gupta et al. 2019, Sylgard 184",
        "10.1021/acsami.9b08871",
    ),
}


def mean_permittivity(
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
