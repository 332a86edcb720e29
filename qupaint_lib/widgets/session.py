"""What one user of the bench has open: image, microscope, flakes, corrections. No drawing.

A session belongs to one kernel, and each browser window of the app has a kernel of its own, so
windows do not see each other's images. Only the session's temporary folder is ever written; it
vanishes with the kernel.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from qupaint_lib.annotations import Flake, to_coco, to_csv
from qupaint_lib.errors import ArgumentError, ImageError
from qupaint_lib.finder import Finding, examine
from qupaint_lib.images import ImageFile, read_image
from qupaint_lib.materials import get_material
from qupaint_lib.microscope import (
    PRESETS,
    Background,
    Calibration,
    Microscope,
    calibrate,
    find_background,
    get_preset,
    load_microscope,
    save_microscope,
)
from qupaint_lib.widgets import selection

MAX_UPLOAD_PIXELS = 40_000_000  # a browser's share; folders take stitches
_MAX_JSON_BYTES = 100_000
_CALIBRATED_TOLERANCE_NM = 3.0
_LEAST_PX = 32
OBJECTIVES = (2.5, 4, 5, 10, 20, 40, 50, 63, 100, 150)


def pixel_size_from_objective(
    magnification: float, camera_pixel_um: float = 5.86, adapter: float = 1.0
) -> float:
    """Return the side of a pixel in the sample, µm.

    Parameters
    ----------
    magnification : float
        Of the objective.
    camera_pixel_um : float, optional
        Side of a pixel on the sensor: 5.86 for a Sony IMX174, 3.45 for an IMX264.
    adapter : float, optional
        Magnification of the camera's adapter, often 0.5, 0.63 or 1.
    """
    for name, value in (
        ("magnification", magnification),
        ("camera_pixel_um", camera_pixel_um),
        ("adapter", adapter),
    ):
        if not 0 < value < 10_000:
            raise ArgumentError(name, value, "a number over 0")
    return camera_pixel_um / (magnification * adapter)


def pixel_size_from_bar(
    start_xy: tuple[float, float], end_xy: tuple[float, float], length_um: float
) -> float:
    """Return the side of a pixel, µm, from the ends of a scale bar in pixels and its length."""
    pixels = float(np.hypot(end_xy[0] - start_xy[0], end_xy[1] - start_xy[1]))
    if not pixels >= 2:
        raise ArgumentError("scale bar", f"{pixels:.1f} px", "two ends that lie apart")
    if not 0 < length_um < 1e6:
        raise ArgumentError("length", length_um, "the bar's length in µm, over 0")
    return length_um / pixels


@dataclass
class Session:
    """One user's work.

    Attributes
    ----------
    microscope : Microscope
        As it is known by now: chosen, loaded, or calibrated.
    material : str
        Of the flakes.
    name : str
        Of the open image; empty while there is none.
    file : ImageFile or None
        The image as its file has it.
    calibration : Calibration or None
        The last one.
    finding : Finding or None
        What the finder said of the image.
    flakes : dict of int to Flake
        By number, corrections applied; a number stays with its flake until the next search.
    removed : list of Flake
        What somebody said is no flake.
    """

    microscope: Microscope = PRESETS["machine-vision"]
    material: str = "graphene"

    def __post_init__(self) -> None:
        self._temporary = TemporaryDirectory(prefix="qupaint-bench-", ignore_cleanup_errors=True)
        self._data = b""
        self.close_image()

    @property
    def folder(self) -> Path:
        """The session's own temporary folder."""
        return Path(self._temporary.name)

    def close_image(self) -> None:
        """Forget the image and all that was found in it."""
        self.name, self.file = "", None
        self.calibration: Calibration | None = None
        self.finding: Finding | None = None
        self.flakes: dict[int, Flake] = {}
        self.removed: list[Flake] = []
        self._background: Background | None = None

    def open_image(self, name: str, data: bytes, page: int = 0) -> None:
        """Open an image file; what was open before stays if this one is refused.

        The pixel size that the file states is taken over.

        Raises
        ------
        ImageError
            See `images.read_image`; or fewer than 32 × 32 pixels.
        """
        file = read_image(data, name, page=page, max_pixels=MAX_UPLOAD_PIXELS)
        if min(file.codes.shape[:2]) < 2 * _LEAST_PX:
            allowed = f"an image of at least {2 * _LEAST_PX} × {2 * _LEAST_PX} pixels"
            raise ImageError("image", file.codes.shape, allowed)
        self.close_image()
        self.name, self.file, self._data = name, file, data
        if file.pixel_size_um:
            self.set_pixel_size(file.pixel_size_um)

    def open_page(self, page: int) -> None:
        """Open another page of the image file that is open."""
        self._need_image()
        self.open_image(self.name, self._data, page)

    @property
    def bits(self) -> int:
        """Bits per channel that the codes use: 12 where a 16-bit file holds no more."""
        codes = self._need_image().codes
        return 8 if codes.dtype == np.uint8 else 12 if codes.max() < 4096 else 16

    @property
    def codes(self) -> np.ndarray:
        """The image as the rooms take it: uint8, or floats in [0, 1]."""
        codes = self._need_image().codes
        if codes.dtype == np.uint8:
            return codes
        return codes.astype(np.float32) / np.float32(2**self.bits - 1)

    @property
    def codes_8bit(self) -> np.ndarray:
        """The image as (H, W, 3) uint8."""
        codes = self.codes
        if codes.dtype == np.uint8:
            return codes
        return np.round(codes * 255).astype(np.uint8)

    def set_material(self, material: str) -> None:
        """Change the flakes' material; what was found as another one is forgotten."""
        name = get_material(material).name
        if name != self.material:
            self.material, self.finding, self.flakes = name, None, {}

    def choose_preset(self, name: str) -> None:
        """Start again from a preset microscope; the pixel size stays where it has none."""
        kept, preset = self.microscope.pixel_size_um, get_preset(name)
        self.microscope = replace(preset, pixel_size_um=preset.pixel_size_um or kept)
        self.calibration = None

    def set_oxide(self, oxide_thickness_nm: float) -> None:
        """Set the wafer's nominal oxide."""
        if oxide_thickness_nm != self.microscope.oxide_thickness_nm:
            self.microscope = replace(self.microscope, oxide_thickness_nm=float(oxide_thickness_nm))
            self.calibration = None

    @property
    def corrections(self) -> int:
        """Number of flakes with a corrected layer count."""
        return len(selection.known(list(self.flakes.values())))

    @property
    def microscope_found(self) -> Microscope:
        """The microscope with the oxide that the finder fitted to this image."""
        if self.finding is None:
            return self.microscope
        return replace(self.microscope, oxide_thickness_nm=self.finding.fit.oxide_thickness_nm)

    def set_pixel_size(self, pixel_size_um: float) -> None:
        """Set the side of a pixel in the sample."""
        self.microscope = replace(self.microscope, pixel_size_um=float(pixel_size_um))

    def calibrate(
        self,
        substrate_box: tuple[float, float, float, float] | None = None,
        known: Sequence[tuple[float, float, int]] = (),
        *,
        fit_exponent: bool = False,
    ) -> Calibration:
        """Fit the microscope to the image; see `microscope.calibrate`.

        Parameters
        ----------
        substrate_box : (float, float, float, float), optional
            x, y, x, y of two opposite corners of bare substrate, in pixels; found where not given.
        known : sequence of (x, y, layer count), optional
            A position inside each flake that is known; its outline is the finder's.
        fit_exponent : bool, optional
            Fit the transfer exponent too.

        Raises
        ------
        CalibrationError
            As there.
        ArgumentError
            No even region at a position.
        """
        flakes = [(self._outline_at(x, y), int(count)) for x, y, count in known]
        flakes += selection.known(list(self.flakes.values()))
        return self._calibrate(flakes, substrate_box, fit_exponent)

    def find(self, *, oxide_tolerance_nm: float | None = None, min_area_px: int = 100) -> Finding:
        """Look for flakes; corrections made before are carried over to the same outlines."""
        kept = [f for f in self.flakes.values() if selection.CORRECTED in f.flags]
        tolerance = oxide_tolerance_nm
        if tolerance is None:
            fitted = self.calibration is not None and self.calibration.oxide_fitted
            tolerance = _CALIBRATED_TOLERANCE_NM if fitted else 6.0
        self.finding = examine(
            self.codes,
            self.material,
            self.microscope,
            oxide_tolerance_nm=tolerance,
            min_area_px=int(min_area_px),
        )
        found = [f for f in self.finding.flakes if f.layer_class() is not None]
        self.flakes = dict(enumerate(found, start=1))
        for flake in kept:
            number = selection.match(flake, self.flakes)
            self.flakes[number or len(self.flakes) + 1] = flake
        for flake in self.removed:
            self.flakes.pop(selection.match(flake, self.flakes), None)
        return self.finding

    def correct(self, number: int, layers: int | str) -> None:
        """Give a flake the layer count that somebody vouches for, or say that it is none."""
        if number not in self.flakes:
            raise ArgumentError("flake", number, "the number of a flake in the list")
        if layers == selection.NOT_A_FLAKE:
            self.removed.append(self.flakes.pop(number))
        else:
            self.flakes[number] = selection.corrected(self.flakes[number], int(layers))

    def recalibrate(self) -> Calibration:
        """Fit the oxide to the corrected flakes, and look again with it."""
        flakes = selection.known(list(self.flakes.values()))
        if not flakes:
            raise ArgumentError("corrections", 0, "at least one flake with a corrected layer count")
        calibration = self._calibrate(flakes, None, False)
        self.find()
        return calibration

    def coco(self, chosen: selection.Filter, **stage: object) -> bytes:
        """Return the flakes that a filter admits as COCO JSON; `stage` as in `with_stage`."""
        flakes = self._exported(chosen, **stage)
        shapes = {self.name: self._need_image().codes.shape[:2]}
        return (json.dumps(to_coco({self.name: flakes}, shapes=shapes)) + "\n").encode()

    def csv(self, chosen: selection.Filter, **stage: object) -> bytes:
        """Return the flakes that a filter admits as CSV; `stage` as in `with_stage`."""
        return to_csv({self.name: self._exported(chosen, **stage)}).encode()

    def annotated(self, chosen: selection.Filter, most_px: int | None = None) -> np.ndarray:
        """Return the image with the flakes that a filter admits, (H, W, 3) uint8."""
        chosen_flakes = selection.select(self.flakes, chosen)
        return selection.annotate(self.codes_8bit, chosen_flakes, most_px=most_px)

    def microscope_json(self) -> bytes:
        """Return the microscope as JSON."""
        return save_microscope(self.microscope, self.folder / "microscope.json").read_bytes()

    def open_microscope(self, data: bytes) -> None:
        """Take a microscope from JSON.

        Raises
        ------
        ArgumentError
            Not such a file, or more than 100 kB.
        """
        if len(data) > _MAX_JSON_BYTES:
            raise ArgumentError("microscope", f"{len(data)} bytes", "a JSON file of at most 100 kB")
        path = self.folder / "loaded.json"
        path.write_bytes(data)
        self.microscope = load_microscope(path)
        self.calibration = None

    def _calibrate(
        self,
        flakes: list[tuple[np.ndarray, int]],
        substrate_box: tuple[float, float, float, float] | None,
        fit_exponent: bool,
    ) -> Calibration:
        codes = self.codes
        if self._background is None:
            self._background = find_background(codes)
        mask = None if substrate_box is None else _box_mask(codes.shape[:2], substrate_box)
        self.calibration = calibrate(
            codes,
            self.material,
            microscope=self.microscope,
            substrate_mask=mask,
            flakes=flakes,
            fit_exponent=fit_exponent,
            background=self._background,
        )
        self.microscope = self.calibration.microscope
        return self.calibration

    def _outline_at(self, x: float, y: float) -> np.ndarray:
        if self.finding is None:
            self.find()
        number = selection.flake_at(every := dict(enumerate(self.finding.flakes)), x, y)
        if number is None:
            allowed = "a position inside a flake; there is no even region here"
            raise ArgumentError("known flake", (round(x), round(y)), allowed)
        return every[number].mask

    def _exported(self, chosen: selection.Filter, **stage: object) -> list[Flake]:
        self._need_image()
        about = {"pixel_size_um": self.microscope.pixel_size_um, "origin_um": None} | stage
        return selection.with_stage(selection.select(self.flakes, chosen), **about)

    def _need_image(self) -> ImageFile:
        if self.file is None:
            raise ArgumentError("image", None, "an open image: choose a file first")
        return self.file


def _box_mask(shape: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    """Return the mask of a rectangle given by two opposite corners."""
    x0, x1 = sorted((box[0], box[2]))
    y0, y1 = sorted((box[1], box[3]))
    mask = np.zeros(shape, dtype=bool)
    mask[max(int(y0), 0) : max(int(np.ceil(y1)), 0), max(int(x0), 0) : max(int(np.ceil(x1)), 0)] = 1
    return mask
