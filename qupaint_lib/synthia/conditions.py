"""How an image is taken, beyond what the microscope is: light, focus, noise, file."""

from __future__ import annotations

from dataclasses import dataclass

from qupaint_lib.errors import ArgumentError

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Conditions:
    """How an image is taken; by default ideally: even light, in focus, no noise, no JPEG.

    Attributes
    ----------
    gradient : float
        Change of the light across the image, from one side to the other along the direction, as
        a share of its mean: 0.03 is 3 %. 0 is off.
    gradient_direction_deg : float
        Direction in which it gets lighter: 0 to the right, 90 down.
    vignetting_center_xy : (float, float)
        Where the light is brightest, in half widths and half heights from the middle. How much is
        lost in the corners says `Microscope.vignetting`.
    defocus_sigma_px : float
        Standard deviation of a blur that adds, in squares, to `Microscope.blur_sigma_px`. 0 is
        off.
    channel_blur : (float, float, float)
        Factors of `Microscope.blur_sigma_px` for R, G, B: (1.12, 0.88, 1.0) has been measured.
    color_shift_px : (float, float, float, float)
        How far R is shifted against G, x and y, and B: lateral colour of the optics. A fifth of
        a pixel has been measured far from the middle.
    read_noise : float
        Standard deviation of the noise of a photosite in the dark, in codes of 255 at a gain of
        1. 0 is off.
    shot_noise : float
        Variance of the noise per code at a gain of 1: the inverse of the electrons per code. 0 is
        off.
    camera_gain : (float, float, float)
        By which the camera multiplies R, G, B, and their noise: variance at code v is
        gain² · read_noise² + gain · shot_noise · v.
    mosaic : bool
        One photosite has one colour filter, the other colours are interpolated (Bayer's pattern):
        correlates noise in space and between channels. Otherwise every pixel has three.
    jpeg_quality : int or None
        Of the file, 1 to 100; None leaves the image as it is.

    Raises
    ------
    ArgumentError
        Names the field, its value and what is allowed.
    """

    gradient: float = 0.0
    gradient_direction_deg: float = 0.0
    vignetting_center_xy: tuple[float, float] = (0.0, 0.0)
    defocus_sigma_px: float = 0.0
    channel_blur: Channels = (1.0, 1.0, 1.0)
    color_shift_px: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    read_noise: float = 0.0
    shot_noise: float = 0.0
    camera_gain: Channels = (1.0, 1.0, 1.0)
    mosaic: bool = False
    jpeg_quality: int | None = None

    def __post_init__(self) -> None:
        self._plain("vignetting_center_xy", 2, -2, 2)
        self._plain("color_shift_px", 4, -2, 2)
        self._plain("channel_blur", 3, 0, 10)
        self._plain("camera_gain", 3, 0.1, 10)
        for name, low, high in (
            ("gradient", 0, 1),
            ("gradient_direction_deg", -360, 360),
            ("defocus_sigma_px", 0, 100),
            ("read_noise", 0, 100),
            ("shot_noise", 0, 100),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ArgumentError(name, value, f"{low:g} to {high:g}")
        quality = self.jpeg_quality
        if quality is not None and not (isinstance(quality, int) and 1 <= quality <= 100):
            raise ArgumentError("jpeg_quality", quality, "an integer from 1 to 100, or None")

    @classmethod
    def ideal(cls) -> Conditions:
        """Return conditions that change nothing: no noise, no gradient, no defocus, no JPEG."""
        return cls()

    def _plain(self, name: str, length: int, low: float, high: float) -> None:
        values = tuple(float(v) for v in getattr(self, name))
        if len(values) != length or not all(low <= v <= high for v in values):
            raise ArgumentError(name, getattr(self, name), f"{length} numbers, {low:g} to {high:g}")
        object.__setattr__(self, name, values)
