"""From a scene to its image, in the order of the physics: colours, optics, light, sensor, file.

Fully synthetic, the palette's light goes through blur, uneven illumination, gain, clipping and
noise. On a real reference only the ratio of flake to substrate is drawn: it multiplies the light of
the reference's substrate, whose own illumination and noise remain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from qupaint_lib.annotations import Flake
from qupaint_lib.errors import ArgumentError
from qupaint_lib.microscope import Microscope, decode
from qupaint_lib.synthia.debris import draw_debris
from qupaint_lib.synthia.place import place
from qupaint_lib.synthia.raster import CrystalRaster
from qupaint_lib.synthia.reference import Reference, prepare_reference
from qupaint_lib.synthia.rims import VEIL_SHARE, draw_rims
from qupaint_lib.synthia.scene import Crystal, Scene
from qupaint_lib.synthia.sensor import (
    FILE_NOISE,
    blur,
    blur_sigmas,
    decode_jpeg,
    encode_jpeg,
    expose,
    illumination,
    noise_variance,
    plateau_field,
    to_codes,
    to_image,
)

JPEG_QUALITY = 95  # of a file where the scene's conditions leave it open
_FAINTEST = 5e-4  # change of the light that is left out: an eighth of a code of 255 at most


class Rendered(NamedTuple):
    """An image and what is on it.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
        Codes of R, G, B.
    flakes : tuple of Flake
        Exact annotations.
    """

    image: np.ndarray
    flakes: tuple[Flake, ...]


class RenderedFile(NamedTuple):
    """An image as a JPEG file, and what is on it.

    Attributes
    ----------
    jpeg : bytes
        The file.
    flakes : tuple of Flake
        Exact annotations.
    """

    jpeg: bytes
    flakes: tuple[Flake, ...]


def render(scene: Scene, reference: Reference | np.ndarray | None = None) -> Rendered:
    """Return the image of a scene and its annotations; equal scenes give equal bytes.

    Parameters
    ----------
    scene : Scene
        What lies on the wafer and how it is seen.
    reference : Reference or (H, W, 3) array, optional
        A real micrograph of the scene's shape to compose the flakes into; an array is prepared
        first, with the scene's microscope. Crystals that would overlap existing material are moved
        to clean substrate. Illumination, noise and debris are then the reference's, and of the
        scene's conditions only blur and JPEG matter. Without JPEG, pixels that no flake changes
        stay as they are, bit for bit.

    Raises
    ------
    ArgumentError
        A reference of another shape than the scene.
    ImageError, CalibrationError
        A reference array that is no such image, or has no clean substrate.
    """
    image, flakes = _drawn(scene, reference)
    quality = scene.conditions.jpeg_quality
    return Rendered(image if quality is None else decode_jpeg(encode_jpeg(image, quality)), flakes)


def render_jpeg(scene: Scene, reference: Reference | np.ndarray | None = None) -> RenderedFile:
    """Return the image of a scene as a JPEG file, encoded once, and its annotations.

    The file decodes to `render`'s image. Where the scene's conditions have no JPEG quality, it is
    95. Parameters and errors are those of `render`.
    """
    image, flakes = _drawn(scene, reference)
    return RenderedFile(encode_jpeg(image, scene.conditions.jpeg_quality or JPEG_QUALITY), flakes)


def draw_flakes(scene: Scene, colors: Mapping[int, Sequence[float]]) -> np.ndarray:
    """Return the image of sharp flakes: each pixel the mean of colours, weighted by their shares.

    Parameters
    ----------
    scene : Scene
        Its crystals are drawn.
    colors : mapping of int to (3,) array
        Colour of every layer count, and of the substrate at 0.

    Returns
    -------
    (3, H, W) float32 array
    """
    counts = sorted(colors)
    index = layer_map(scene, counts)
    table = np.array([colors[n] for n in counts], dtype=np.float32)
    planes = _look_up(np.ascontiguousarray(table.T), index)
    for crystal, raster in _seen(scene):
        rows = np.searchsorted(counts, [t.layer_count for t in crystal.terraces])
        y, x = np.divmod(raster.edge, raster.labels.shape[1])
        y, x = y + raster.corner_xy[1], x + raster.corner_xy[0]
        below = np.where(raster.labels.ravel()[raster.edge] > 0, table[0][:, None], planes[:, y, x])
        planes[:, y, x] = raster.shares[:, 0] * below + (raster.shares[:, 1:] @ table[rows]).T
    return planes


def _look_up(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the numbers (3, H, W) of a table (3, N) at an index (H, W)."""
    import cv2

    planes = np.empty((3, *index.shape), np.float32)
    if table.shape[1] > 256:
        return np.take(table, index, axis=1, out=planes, mode="clip")
    table, index = np.pad(table, ((0, 0), (0, 256 - table.shape[1]))), index.astype(np.uint8)
    for column, plane in zip(table, planes, strict=True):
        cv2.LUT(index, column, dst=plane)
    return planes


def layer_map(scene: Scene, counts: Sequence[int]) -> np.ndarray:
    """Return which of the ascending layer counts every pixel has for the most part, (H, W) uint16.

    The first of `counts` is 0, the substrate.
    """
    index = np.zeros(scene.shape, np.uint16)
    for crystal, raster in _seen(scene):
        rows = np.searchsorted(counts, [0, *(t.layer_count for t in crystal.terraces)])
        (left, top), (height, width) = raster.corner_xy, raster.labels.shape
        part = index[top : top + height, left : left + width]
        np.copyto(part, rows.astype(np.uint16)[raster.labels], where=raster.labels > 0)
    return index


def synthetic_image(scene: Scene) -> np.ndarray:
    """Return the (H, W, 3) uint8 image of a scene on a synthetic wafer, before JPEG."""
    microscope, conditions = scene.microscope, scene.conditions
    white = float(decode(np.full(3, microscope.clip_level), microscope)[0])
    white = white / np.array(microscope.white_balance_gain)
    planes = _through_optics(draw_flakes(scene, scene.palette), scene, microscope, white)
    planes *= np.array(microscope.white_balance_gain, dtype=np.float32)[:, None, None]
    if microscope.vignetting or conditions.gradient:
        planes *= illumination(
            scene.shape,
            microscope.vignetting,
            conditions.vignetting_center_xy,
            conditions.gradient,
            conditions.gradient_direction_deg,
        )
    planes = to_codes(planes, microscope)
    if conditions.gradient and not microscope.vignetting:
        field = plateau_field(scene.shape, microscope.clip_level, scene.seed)
        np.minimum(planes, field, out=planes)
    return expose(planes, conditions, microscope.clip_level, scene.seed)


def composed_image(scene: Scene, reference: Reference) -> np.ndarray:
    """Return the (H, W, 3) uint8 reference with a scene's flakes on it, before JPEG.

    The light of the substrate's surface is multiplied by 1 + contrast. What the image has beyond
    the surface, its noise, is scaled to the variance that noise has at the new brightness: floor +
    slope · code, which multiplying it would miss on both sides.
    """
    import cv2

    microscope = reference.microscope
    substrate = np.array(scene.palette[0])
    ratios = {count: np.array(color) / substrate for count, color in scene.palette.items()}
    bare = np.median(reference.background.reshape(-1, 3)[::997], axis=0) / 255
    white = float(decode(np.full(3, reference.plateau / 255), microscope)[0])
    white = white / decode(bare[None], microscope)[0]
    ratio = _through_optics(draw_flakes(scene, ratios), scene, microscope, white)
    same = [cv2.inRange(plane, 1 - _FAINTEST, 1 + _FAINTEST) for plane in ratio]
    touched = np.flatnonzero(cv2.min(cv2.min(*same[:2]), same[2]) == 0)
    image = reference.image.copy()
    if not touched.size:
        return image
    pixels = image.reshape(-1, 3)
    surface = reference.background.reshape(-1, 3)[touched].T
    rest = pixels[touched].T - surface
    ratio = ratio.reshape(3, -1)[:, touched]
    light = decode(surface.T / np.float32(255), microscope).T * ratio
    codes = np.minimum(to_codes(light, microscope), np.float32(reference.plateau))
    for code, under, noise, law in zip(codes, surface, rest, FILE_NOISE, strict=True):
        code += noise * np.sqrt(noise_variance(code, *law) / noise_variance(under, *law))
    np.minimum(codes, np.float32(255 * microscope.clip_level), out=codes)
    pixels[touched] = to_image(codes[:, None])[0]
    return image


def checked_reference(scene: Scene, reference: Reference | np.ndarray) -> Reference:
    """Return the reference, prepared where it is an image; it must have the scene's shape."""
    shape = reference.shape if isinstance(reference, Reference) else np.shape(reference)[:2]
    if tuple(shape) != scene.shape:
        raise ArgumentError("reference", tuple(shape), f"an image of the scene's {scene.shape}")
    if isinstance(reference, Reference):
        return reference
    return prepare_reference(reference, scene.material, scene.microscope)


def _seen(scene: Scene) -> list[tuple[Crystal, CrystalRaster]]:
    """Return the crystals that are in the image, with their pixels."""
    pairs = zip(scene.crystals, scene.rasters, strict=True)
    return [(crystal, raster) for crystal, raster in pairs if raster is not None]


def _through_optics(
    light: np.ndarray, scene: Scene, microscope: Microscope, white: np.ndarray
) -> np.ndarray:
    """Return the light of sharp flakes with rims, debris and blur."""
    light = draw_debris(draw_rims(light, scene, microscope, white), scene.debris)
    veil = VEIL_SHARE if microscope.blur_sigma_px else (0.0, 0.0, 0.0)
    conditions = scene.conditions
    return blur(light, blur_sigmas(microscope, conditions), veil, conditions.color_shift_px)


def _drawn(
    scene: Scene, reference: Reference | np.ndarray | None
) -> tuple[np.ndarray, tuple[Flake, ...]]:
    """Return image and annotations before JPEG."""
    if reference is None:
        return synthetic_image(scene), scene.flakes
    reference = checked_reference(scene, reference)
    scene = replace(place(scene, reference), debris=())  # the reference has its own
    if scene.microscope != reference.microscope:
        scene = replace(scene, microscope=reference.microscope)
    return composed_image(scene, reference), scene.flakes
