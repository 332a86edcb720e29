"""How each material cleaves: size, shape and number of its crystals, in a few numbers.

Five materials follow micrographs of the MaskTerial project (20×, 0.384 µm per pixel, 1920 × 1200
pixels; doi 10.5281/zenodo.15765514): counts, areas, coverage and clipped share, measured on objects
that differ from the substrate around them. Three have no such images and borrow from their nearest
relative. Areas and counts are stated as in those micrographs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from qupaint_lib.errors import UnknownNameError
from qupaint_lib.materials import get_material

FIELD_PX = 1920 * 1200  # that counts refer to
MAGNIFICATION = 20.0  # that areas refer to
COUNTED_FROM_PX = 95.0  # area of a crystal whose smoothed picture has the 200 px that count
SMALLEST_PX = 60.0  # area of the smallest crystal that is drawn, at any magnification


@dataclass(frozen=True)
class Habit:
    """What crystals of a material look like on a wafer.

    Attributes
    ----------
    count : float
        Median number of crystals of 200 px and more in an image.
    count_spread : float
        Standard deviation of its logarithm from image to image.
    exponent : float
        Of the power law of areas, density ∝ area ** −exponent.
    largest_px : float
        Area at which the power law ends.
    mothers : float
        Mean number, in an image, of crystals beyond the power law, of which the others are
        pieces.
    mother_px : float
        Median area of these.
    facets : (int, int)
        Fewest and most straight sides of a crystal.
    faceting : float
        Share of sides and steps along the crystal's axes, 0 to 1.
    axis_deg : float
        Angle between neighbouring axes: 30 where zigzag and armchair edges both occur.
    elongation : float
        Median ratio of length to width.
    torn : float
        Share of the sides that are torn instead of cleaved.
    notched : float
        Share of the sides with a notch.
    terraces : float
        Mean number of steps on a crystal of 1000 px; grows with the logarithm of the area.
    thin_share : float
        Share of the crystals that are 1 to 4 layers thin, or have such a terrace.
    thickness_nm : float
        Median thickness of what is not thin, at 1000 px.
    thickness_spread : float
        Standard deviation of its logarithm.
    thickness_growth : float
        Power of the area with which thickness grows.
    clustering : float
        Share of the crystals that lie close to a larger one.
    residue : float
        Mean number of filaments of tape residue in an image.
    specks : float
        Median number of particles too small to be flakes in an image.
    """

    count: float
    count_spread: float
    exponent: float
    largest_px: float
    mothers: float = 0.0
    mother_px: float = 60e3
    facets: tuple[int, int] = (4, 7)
    faceting: float = 0.6
    axis_deg: float = 30.0
    elongation: float = 1.5
    torn: float = 0.2
    notched: float = 0.15
    terraces: float = 0.7
    thin_share: float = 0.08
    thickness_nm: float = 5.0
    thickness_spread: float = 1.5
    thickness_growth: float = 0.5
    clustering: float = 0.5
    residue: float = 1.0
    specks: float = 400.0


_GRAPHENE = Habit(
    75,
    0.5,
    1.60,
    21e3,
    mothers=0.8,
    mother_px=80e3,
    elongation=1.6,
    terraces=0.8,
    thickness_nm=55.0,
    thickness_growth=0.2,
    residue=14.0,
    specks=900.0,
)
_BN = Habit(
    82,
    0.35,
    1.63,
    13e3,
    mothers=0.7,
    torn=0.3,
    terraces=0.9,
    thickness_nm=5.0,
    residue=20.0,
    specks=700.0,
)
_MOSE2 = Habit(
    11,
    0.7,
    1.9,
    12e3,
    mothers=0.2,
    mother_px=25e3,
    faceting=0.7,
    terraces=0.5,
    thickness_nm=25.0,
    thickness_growth=0.2,
    specks=300.0,
)
_WS2 = Habit(67, 0.6, 1.50, 100e3, torn=0.25, notched=0.2, thickness_nm=8.0)
_WSE2 = Habit(58, 0.6, 1.47, 60e3, torn=0.25, notched=0.2, thickness_nm=2.6)

HABITS = MappingProxyType(
    {
        "BN": _BN,
        "graphene": _GRAPHENE,
        "MoS2": replace(_WS2),  # no images: like WS2, the other disulfide
        "MoSe2": _MOSE2,
        "MoWSe2": replace(_WSE2, count=36.0, exponent=1.9),  # no images: between MoSe2 and WSe2
        "WS2": _WS2,
        "WSe2": _WSE2,
        # No images: like WSe2, but orthorhombic: it cleaves into ribbons along its chains.
        "WTe2": replace(_WSE2, axis_deg=90.0, elongation=2.8, faceting=0.85, torn=0.15),
    }
)


def get_habit(material: str) -> Habit:
    """Return the habit of one of the eight materials, by a name that the registry knows.

    Raises
    ------
    UnknownNameError
        No habit is known for it; the nearest names are suggested.
    """
    name = get_material(material).name
    if name not in HABITS:
        raise UnknownNameError("material", material, HABITS)
    return HABITS[name]
