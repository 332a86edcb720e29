"""Flakes of an image, told by physics alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from qupaint_lib.annotations import Flake, Rle
from qupaint_lib.annotations.rle import encode
from qupaint_lib.errors import ArgumentError, CalibrationError, ImageError
from qupaint_lib.finder.contrast import contrast_map
from qupaint_lib.finder.layers import OXIDE_TOLERANCE_NM, THIN_MAX, LayerFit, fit_layers
from qupaint_lib.finder.segment import is_faint, plateaus
from qupaint_lib.materials import Material, get_material
from qupaint_lib.microscope import PRESETS, Microscope

TILE_PX = 1700  # larger images are taken apart; 1920 × 1200 is not
_OVERLAP_PX = 220
_BRIGHT = 0.9  # part of the clip level above which thick flakes saturate
_TELLING_CORE_PX = 80.0
_TELLING_SLOPE = 3.5
_TELLING_CONTRAST = 0.05
_NO_PLATEAU_PX = 12.0
_HALF_SURE_PX = 30.0
# A straight edge between two plateaus, blurred by optics and camera (0.85 px) and by the 1 px of
# the gradient, is 1 / (√(2π) · 1.31) of the step steep; residue is rougher, a halo is smoother.
_EDGE_OF_STEP = 0.304
_EDGE_NOISE = 1.2
_SHARP = (0.5, 1.25)
_UNEVEN = 2.5  # times the noise
# A weak plateau that darkens all channels alike may be a flake whose contrast the palette does not
# hold. It is believed where it is as even as the noise allows, and stands out from the residue of
# its image: all but a few of the weak regions that are not even are weaker.
_ALIKE = 0.93  # cosine between its contrast and grey
_EVEN_CORE = 0.6  # share of its area
_EVEN_SPREAD = (1.4, 12.0)  # times the noise; its edges add to it in proportion to the contrast
_FAINT_NORM = (0.0325, 0.15)  # of the contrast: 1.9 to 9 % grey
_FEW_RESIDUES, _RESIDUE_PX = 4, 200
_FAINT_PRIOR = 0.2


@dataclass(frozen=True, eq=False)
class Finding:
    """What was found in an image, and how sure the calibration behind it is.

    Attributes
    ----------
    flakes : list of Flake
        Surest first.
    fit : LayerFit
        Oxide, glare and the model's error, with their uncertainties.
    """

    flakes: list[Flake]
    fit: LayerFit


@dataclass(frozen=True, eq=False)
class _Region:
    rle: Rle  # small, where a stitch has ten thousand masks
    corner_xy: tuple[int, int]
    box_hw: tuple[int, int]
    area: int
    contrast: np.ndarray  # (3,)
    core: float  # number of pixels that are as flat as the substrate
    slope: float  # of its plateau, in units of the substrate's gradient noise
    edge: float  # mean gradient along its border, in the same units
    spread: float  # of the contrast on its plateau, in units of the substrate's noise
    bright: float  # share of pixels in which a channel is near saturation
    faint: bool  # alone on the substrate, with an edge that is lost in noise
    rough: bool  # faint, and its edge is not that of a plateau
    crystal: tuple[int, int]  # tile, connected group of regions


def find_flakes(
    image: np.ndarray,
    material: str | Material,
    microscope: Microscope | None = None,
    *,
    oxide_tolerance_nm: float = OXIDE_TOLERANCE_NM,
    min_area_px: int = 100,
) -> list[Flake]:
    """Return the flakes of an image, surest first; see `examine`, which also tells the fit."""
    return examine(
        image,
        material,
        microscope,
        oxide_tolerance_nm=oxide_tolerance_nm,
        min_area_px=min_area_px,
    ).flakes


def examine(
    image: np.ndarray,
    material: str | Material,
    microscope: Microscope | None = None,
    *,
    oxide_tolerance_nm: float = OXIDE_TOLERANCE_NM,
    min_area_px: int = 100,
) -> Finding:
    """Find flakes and count their layers, with nothing trained.

    The image is taken apart into plateaus of constant contrast (`plateaus`); those that are flat
    and large tell the oxide, the glare and the error of the optical model (`fit_layers`); then the
    layers of each plateau follow from its contrast. White balance, exposure and vignetting cancel
    out of contrast, which is taken against the substrate around.

    Parameters
    ----------
    image : (H, W, 3) array
        Codes in [0, 1], or 8-bit. Large stitches are best handed over as 8-bit codes: they are
        worked on in tiles.
    material : str or Material
        What the flakes are made of.
    microscope : Microscope, optional
        What is known beforehand: stack, oxide, camera, pixel size, clip level. By default the
        preset ``"machine-vision"`` with 90 nm of oxide.
    oxide_tolerance_nm : float, optional
        The oxide is fitted within this distance of the microscope's; 0 takes it as it is.
    min_area_px : int, optional
        Smaller regions are not reported.

    Returns
    -------
    Finding
        Its flakes have a `layer_count` where they are thin, up to ten layers, and
        `probabilities` of each; `score` is the probability that it is such a thin flake.
        Flags: ``thick`` (more than ten layers), ``clipped`` (saturated), ``faint`` (a weak plateau
        of a contrast that the material does not have), ``stain`` (weak and uneven: residue,
        halos), ``debris`` (no plateau, or a contrast that the material does not have),
        ``touches border``, ``non-uniform``, ``narrow``. A faint plateau that is as even as the
        noise allows, and darker than the image's residue, has the nearest `layer_count` at a low
        probability: it may be a flake, and how many layers it has is a guess.

    Raises
    ------
    ImageError
        Not an image (H, W, 3) of at least 64 × 64 pixels with codes in [0, 1]; NaN.
    CalibrationError
        No substrate, for example because the image is all flake.
    """
    material = get_material(material)
    microscope = microscope or PRESETS["machine-vision"]
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 64:
        raise ImageError("image", image.shape, "an array (H, W, 3) of at least 64 × 64 pixels")
    if not min_area_px >= 1:
        raise ArgumentError("min_area_px", min_area_px, "at least 1")
    regions = []
    tiles = list(_tiles(image.shape[:2]))
    for number, tile in enumerate(tiles):
        try:
            regions += _regions(image, tile, number, microscope, min_area_px)
        except CalibrationError:
            if len(tiles) == 1:
                raise
    contrasts = np.array([r.contrast for r in regions]).reshape(-1, 3)
    telling = np.array([_tells(r) for r in regions], dtype=bool)
    fit = fit_layers(
        contrasts[telling], material, microscope, oxide_tolerance_nm=oxide_tolerance_nm
    )
    probability = fit.classify(contrasts)
    kinds = [_kind(region, p) for region, p in zip(regions, probability, strict=True)]
    believed = _stand_out(regions, kinds)
    told = believed | (probability[:, :THIN_MAX].sum(axis=1) >= 0.5) & (np.array(kinds) == "thin")
    probability[believed, :THIN_MAX] = _FAINT_PRIOR * fit.nearest(contrasts[believed])
    probability[:, :THIN_MAX] *= fit.trust
    about = {"material": material.name, "pixel_size_um": microscope.pixel_size_um}
    crystals = {c: k for k, c in enumerate(dict.fromkeys(r.crystal for r in regions))}
    flakes = [
        _flake(region, p, kind, is_told, crystals[region.crystal], image.shape[:2], about)
        for region, p, kind, is_told in zip(regions, probability, kinds, told, strict=True)
    ]
    return Finding(sorted(flakes, key=lambda flake: -flake.score), fit)


def _tiles(shape: tuple[int, int]) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Yield (tile with its margin, tile alone) that cover an image."""
    spans = []
    for length in shape:
        count = -(-length // TILE_PX) if length > TILE_PX + _OVERLAP_PX else 1
        edges = np.linspace(0, length, count + 1).round().astype(int)
        spans.append(
            [
                (slice(max(a - _OVERLAP_PX, 0), min(b + _OVERLAP_PX, length)), slice(a, b))
                for a, b in pairwise(edges)
            ]
        )
    for rows in spans[0]:
        for columns in spans[1]:
            yield (rows[0], columns[0]), (rows[1], columns[1])


def _regions(
    image: np.ndarray,
    tile: tuple[tuple[slice, slice], tuple[slice, slice]],
    number: int,
    microscope: Microscope,
    min_area_px: int,
) -> list[_Region]:
    """Return the regions whose box begins in a tile."""
    from scipy.ndimage import find_objects, label

    wide, alone = tile
    part = image[wide]
    contrast = contrast_map(part, microscope)
    labels, graph = plateaus(contrast)
    noise, mean = contrast.gradient_noise, graph.mean
    slope = np.sqrt(np.maximum(graph.area / graph.weight - 4 * noise**2, 0)) / noise
    core = 5 * noise**2 * graph.weight
    edge = graph.border_mean() / noise
    expected = _EDGE_OF_STEP * np.linalg.norm(mean, axis=1) / noise
    sharpness = np.sqrt(np.maximum(edge**2 - _EDGE_NOISE**2, 0)) / np.maximum(expected, 1e-9)
    faint = is_faint(graph, noise)
    rough = faint & ((sharpness < _SHARP[0]) | (sharpness > _SHARP[1]))
    groups, _ = label(labels > 0)
    full = np.iinfo(part.dtype).max if np.issubdtype(part.dtype, np.integer) else 1
    saturated = _BRIGHT * microscope.clip_level * full
    regions = []
    for k, box in enumerate(find_objects(labels), start=1):
        if box is None or graph.area[k] < min_area_px:
            continue
        top, left = box[0].start + wide[0].start, box[1].start + wide[1].start
        if not (alone[0].start <= top < alone[0].stop and alone[1].start <= left < alone[1].stop):
            continue
        mask = labels[box] == k
        flat = mask & (contrast.gradient[box] < 3 * noise)
        values = contrast.smooth[(slice(None), *box)][:, flat if flat.sum() > 10 else mask]
        spread = (np.std(values, axis=1) / contrast.contrast_noise).mean()
        regions.append(
            _Region(
                encode(mask, corner_xy=(left, top), size=image.shape[:2]),
                (left, top),
                mask.shape,
                int(graph.area[k]),
                mean[k].copy(),  # a view would keep the whole tile's
                float(core[k]),
                float(slope[k]),
                float(edge[k]),
                float(spread),
                float((part[box][mask].max(axis=1) >= saturated).mean()),
                bool(faint[k]),
                bool(rough[k]),
                (number, int(groups[box][mask][0])),
            )
        )
    return regions


def _tells(region: _Region) -> bool:
    """Tell whether a region is so flat and large that the calibration may rest on it."""
    return (
        region.core >= _TELLING_CORE_PX
        and region.slope < _TELLING_SLOPE
        and region.slope < 0.25 * region.edge
        and region.bright < 0.05
        and float(np.linalg.norm(region.contrast)) > _TELLING_CONTRAST
    )


def _kind(region: _Region, probability: np.ndarray) -> str:
    """Return ``thin``, ``thick``, or the flag that names what a region is instead."""
    thin = float(probability[:THIN_MAX].sum())
    thick, stain, other = map(float, probability[THIN_MAX:])
    if region.bright > 0.2:
        return "clipped"
    if region.rough:
        return "stain"
    if region.core < _NO_PLATEAU_PX:
        return "debris"
    if stain > max(thin, thick) or (region.faint and thin < max(stain, other)):
        return "faint"
    if other > max(thin, thick):
        return "debris"
    return "thick" if thick > thin else "thin"


def _stand_out(regions: list[_Region], kinds: list[str]) -> np.ndarray:
    """Tell which faint regions are even plateaus that stand out from the residue of the image."""
    norm = np.array([np.linalg.norm(r.contrast) for r in regions])
    alike = np.array([-r.contrast.sum() for r in regions]) > _ALIKE * np.sqrt(3) * norm
    even = np.array(
        [
            r.core > _EVEN_CORE * r.area and r.spread < _EVEN_SPREAD[0] + _EVEN_SPREAD[1] * n
            for r, n in zip(regions, norm, strict=True)
        ],
        dtype=bool,
    )
    faint = np.array([kind == "faint" for kind in kinds], dtype=bool) & alike
    stain = np.array([kind == "stain" for kind in kinds], dtype=bool) & alike
    large = np.array([r.area >= _RESIDUE_PX for r in regions], dtype=bool)
    residue = np.sort(norm[large & (stain | (faint & ~even))])
    level = residue[-_FEW_RESIDUES - 1] if len(residue) > _FEW_RESIDUES else 0.0
    return faint & even & (norm > max(level, _FAINT_NORM[0])) & (norm < _FAINT_NORM[1])


def _flake(
    region: _Region,
    probability: np.ndarray,
    kind: str,
    told: bool,
    crystal: int,
    shape: tuple[int, int],
    about: dict[str, object],
) -> Flake:
    thin = float(probability[:THIN_MAX].sum())
    if kind in ("clipped", "stain") or (kind == "debris" and region.core < _NO_PLATEAU_PX):
        thin = 0.0
    is_thick = kind in ("clipped", "thick")
    flags = [kind] * (kind not in ("thin", "thick")) + ["thick"] * is_thick
    return Flake(
        region.rle,
        layer_count=int(probability[:THIN_MAX].argmax()) + 1 if told else None,
        probabilities={n + 1: float(p) for n, p in enumerate(probability[:THIN_MAX])}
        if thin
        else {},
        contrast=tuple(map(float, region.contrast)),
        flags=(*flags, *_shape_flags(region, shape)),
        score=thin * region.core / (region.core + _HALF_SURE_PX),
        parent_id=crystal,
        category="Thick" if is_thick else None,
        **about,
    )


def _shape_flags(region: _Region, shape: tuple[int, int]) -> list[str]:
    flags = []
    (left, top), (height, width) = region.corner_xy, region.box_hw
    if left == 0 or top == 0 or left + width == shape[1] or top + height == shape[0]:
        flags.append("touches border")
    if region.spread > _UNEVEN:
        flags.append("non-uniform")
    if region.core < 0.15 * region.area:
        flags.append("narrow")
    return flags
