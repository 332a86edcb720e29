"""Images small enough for a browser, with boxes and words on them; errors as sentences."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from qupaint_lib.errors import QuPaintError

SHOWN_PX = 1200  # longest side of an image on the page


def encode_png(rgb: np.ndarray) -> bytes:
    """Return an (H, W, 3) uint8 image as PNG, fast rather than small."""
    return _encoded(".png", rgb, [16, 1])  # cv2.IMWRITE_PNG_COMPRESSION


def encode_jpeg(rgb: np.ndarray) -> bytes:
    """Return an (H, W, 3) uint8 image as JPEG of quality 92."""
    return _encoded(".jpg", rgb, [1, 92])  # cv2.IMWRITE_JPEG_QUALITY


def shrunk(rgb: np.ndarray, most_px: int = SHOWN_PX) -> np.ndarray:
    """Return an image whose longer side is at most so many pixels, by averaging."""
    from cv2 import INTER_AREA, resize

    scale = most_px / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    size = (max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1))
    return resize(rgb, size, interpolation=INTER_AREA)


def with_box(
    rgb: np.ndarray, box_xyxy: tuple[float, float, float, float], color: tuple[int, int, int]
) -> np.ndarray:
    """Return an image with a rectangle, corners in pixels, dark-edged so that it is seen on all."""
    from cv2 import rectangle

    drawn = np.ascontiguousarray(rgb).copy()
    x0, y0, x1, y1 = (round(v) for v in box_xyxy)
    width = max(2, max(drawn.shape) // 500)
    rectangle(drawn, (x0, y0), (x1, y1), (0, 0, 0), width + 2)
    rectangle(drawn, (x0, y0), (x1, y1), color, width)
    return drawn


def with_text(rgb: np.ndarray, marks: list[tuple[float, float, str]]) -> np.ndarray:
    """Return an image with words at positions x, y in pixels: white, edged in black."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(np.ascontiguousarray(rgb))
    drawing, font = ImageDraw.Draw(picture), _font(max(round(max(picture.size) / 55), 13))
    edge = max(2, round(font.size / 8))
    for x, y, text in marks:
        left, top, right, bottom = drawing.textbbox((0, 0), text, font=font, stroke_width=edge)
        room = picture.width - (right - left), picture.height - (bottom - top)
        at = [
            float(np.clip(middle - side / 2, 0, max(most, 0))) - start
            for middle, side, most, start in zip(
                (x, y), (right - left, bottom - top), room, (left, top), strict=True
            )
        ]
        drawing.text(at, text, "white", font, stroke_width=edge, stroke_fill="black")
    return np.asarray(picture)


def sentence(error: Exception, name: str = "") -> str:
    """Return an error as a sentence for somebody at a microscope."""
    if isinstance(error, QuPaintError) and hasattr(error, "allowed"):
        if name:
            return f"{name} was not opened. Needed: {error.allowed}."
        return f"Needed ({error.argument}): {error.allowed}."
    if isinstance(error, QuPaintError):
        return str(error)
    kind = type(error).__name__
    return f"This panel met an error that it does not know ({kind}: {error}). The others go on."


@cache
def _font(size: int) -> Any:
    """Return the font that comes with matplotlib."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans-Bold.ttf", size)


def _encoded(suffix: str, rgb: np.ndarray, options: list[int]) -> bytes:
    from cv2 import imencode

    return imencode(suffix, np.ascontiguousarray(rgb[..., ::-1]), options)[1].tobytes()
