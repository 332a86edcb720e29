"""Plateaus of constant contrast: watershed of the gradient, and regions that grow together."""

from __future__ import annotations

import numpy as np

from qupaint_lib.finder.contrast import ContrastMap, blur
from qupaint_lib.finder.regions import RegionGraph

# Gradients are told in units of their noise on the substrate, contrasts as Euclidean distances
# over the three channels.
_FLAT = 2.5  # what is flatter starts one region
_NO_EDGE = 2.0  # the mean gradient of a border that is no edge
_RAMP = 0.45  # a region whose flattest pixel is steeper than this part of its way out is a rim
_RIM_PX = 3  # pixels around all that differs from the substrate that are looked at too
_SUBSTRATE_STEP = 0.02  # contrast between a region and the substrate
_STEP = 0.035  # contrast between two regions: the error of a plateau's contrast, twice
_BLEMISH_SHARE, _BLEMISH_ENCLOSED = 0.1, 0.6  # of the area of, and of the border with, its holder
FAINT = 14.0  # contrast, in units of the gradient's noise, under which edges drown in noise
_FAINT_SIGMA = 1.5  # half-resolution pixels
_FAINT_THRESHOLD = 4.0  # standard deviations of the noise
_FAINT_AREA = 30  # half-resolution pixels
_FAINT_MARGIN = 3  # half-resolution pixels around regions that are not faint


def plateaus(contrast: ContrastMap) -> tuple[np.ndarray, RegionGraph]:
    """Take an image apart into connected regions of constant contrast.

    The basins of the gradient are the first regions. Those that are no plateaus but the rim of
    one join their neighbour over the lowest pass; neighbours of one contrast join, nearest pairs
    first; blemishes join the region that encloses them. Faint regions, whose edges drown in the
    noise, are outlined instead where the smoothed contrast is half of theirs.

    Parameters
    ----------
    contrast : ContrastMap
        Of the image.

    Returns
    -------
    (H, W) int array, RegionGraph
        Number of the region at every pixel, 0 for the substrate; and the regions.
    """
    labels = _basins(contrast)
    graph = _graph(labels, contrast)
    _drop_rims(graph)
    _join_alike(graph, contrast.gradient_noise)
    _absorb_blemishes(graph)
    _drop_faint(graph, contrast.gradient_noise)
    labels = _add_faint(graph.region[labels], contrast)
    return labels, _graph(labels, contrast)


def _graph(labels: np.ndarray, contrast: ContrastMap) -> RegionGraph:
    return RegionGraph(labels, contrast.smooth, contrast.gradient, contrast.gradient_noise)


def _basins(contrast: ContrastMap) -> np.ndarray:
    """Return the watershed of the gradient near all that differs from the substrate."""
    from scipy.ndimage import (
        binary_dilation,
        binary_erosion,
        binary_opening,
        label,
        minimum_filter,
    )
    from skimage.segmentation import watershed

    near = binary_dilation(binary_opening(contrast.differs), iterations=_RIM_PX)
    gradient = contrast.gradient
    lowest = minimum_filter(gradient, 3) == gradient
    markers, count = label(((gradient < _FLAT * contrast.gradient_noise) | lowest) & near)
    ring = binary_dilation(near) & ~near
    markers[ring] = count + 1
    inner = binary_erosion(markers > 0)  # nothing to decide there
    labels = watershed(gradient, markers * ~inner, mask=(near | ring) & ~inner)
    labels[inner] = markers[inner]
    labels[labels == count + 1] = 0
    return labels


def _drop_rims(graph: RegionGraph) -> None:
    """Merge every region that is no plateau over the lowest pass out of it."""
    while len(graph.first):
        way = graph.least_border(graph.border_lowest)
        steep = (way >= 0) & (graph.lowest > _RAMP * graph.border_lowest[way])
        if not steep.any():
            return
        opened = np.zeros(len(graph.first), bool)
        opened[way[steep]] = True
        graph.open_borders(opened)


def _join_alike(graph: RegionGraph, noise: float) -> None:
    """Merge neighbours of one contrast, or without an edge between them, nearest pairs first."""
    while len(graph.first):
        key = graph.difference / np.where(graph.first == 0, _SUBSTRATE_STEP, _STEP)
        no_edge = graph.border_total < _NO_EDGE * noise * graph.border_length
        key = np.where(no_edge, np.minimum(key, 0.9), key)
        nearest = graph.least_border(key)
        here = np.arange(len(key))
        mutual = (nearest[graph.first] == here) | (graph.first == 0)  # the substrate takes many
        opened = (key < 1) & mutual & (nearest[graph.second] == here)
        if not opened.any():
            return
        graph.open_borders(opened)


def _absorb_blemishes(graph: RegionGraph) -> None:
    """Merge small regions into the region, not the substrate, that all but encloses them."""
    while len(graph.first):
        perimeter = graph.perimeter()
        opened = np.zeros(len(graph.first), bool)
        for small, holder in ((graph.first, graph.second), (graph.second, graph.first)):
            opened |= (
                (small != 0)
                & (holder != 0)
                & (graph.area[small] < _BLEMISH_SHARE * graph.area[holder])
                & (graph.border_length > _BLEMISH_ENCLOSED * perimeter[small])
            )
        if not opened.any():
            return
        graph.open_borders(opened)


def _drop_faint(graph: RegionGraph, noise: float) -> None:
    """Give regions whose edge is lost in noise, and that lie alone, back to the substrate."""
    graph.region[is_faint(graph, noise)[graph.region]] = 0


def is_faint(graph: RegionGraph, noise: float) -> np.ndarray:
    """Tell which regions lie alone on the substrate, with an edge that is lost in noise."""
    on_substrate = graph.first == 0
    shared = np.bincount(graph.second[on_substrate], graph.border_length[on_substrate], graph.count)
    faint = np.linalg.norm(graph.mean, axis=1) < FAINT * noise
    return faint & (shared > 0.8 * graph.perimeter())


def _add_faint(labels: np.ndarray, contrast: ContrastMap) -> np.ndarray:
    """Return labels with the faint regions of what is left, outlined at half their contrast."""
    from scipy.ndimage import binary_dilation, binary_opening, find_objects, label

    half = contrast.half
    height, width = half.shape[1:]
    strong = labels[: 2 * height : 2, : 2 * width : 2] > 0
    free = ~binary_dilation(strong, iterations=_FAINT_MARGIN)
    blurred = np.stack([blur(plane * free, _FAINT_SIGMA) for plane in half])
    noise = contrast.noise_of(blurred, free)
    far = ((blurred / noise[:, None, None]) ** 2).mean(axis=0) > _FAINT_THRESHOLD**2
    spots, _ = label(binary_opening(far & free))
    sizes = np.bincount(spots.ravel())
    next_label = int(labels.max()) + 1
    for k, box in enumerate(find_objects(spots), start=1):
        if sizes[k] < _FAINT_AREA:
            continue
        box = tuple(slice(max(s.start - 4, 0), s.stop + 4) for s in box)
        values = blurred[(slice(None), *box)]
        spot = spots[box] == k
        plateau = np.median(values[:, spot], axis=1)
        part = np.tensordot(plateau, values, 1) / (plateau @ plateau)
        outline, _ = label((part > 0.5) & free[box])
        outline = (
            outline == np.bincount(outline[spot])[1:].argmax() + 1 if outline[spot].any() else spot
        )
        if outline.sum() < _FAINT_AREA:
            continue
        fine = outline.repeat(2, axis=0).repeat(2, axis=1)
        there = tuple(
            slice(2 * s.start, 2 * s.start + n) for s, n in zip(box, fine.shape, strict=True)
        )
        target = labels[there]
        target[fine & (target == 0)] = next_label
        next_label += 1
    present = np.unique(labels)
    return np.searchsorted(np.union1d([0], present), labels).astype(np.int32)
