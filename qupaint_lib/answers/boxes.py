"""Boxes: pixels, percent, text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from qupaint_lib.errors import ArgumentError

Box = tuple[float, float, float, float]

SMALLEST = 0.01  # percent: the last decimal that is written
# Every quantifier is bounded: a search costs at most a constant per character.
_NUMBER = re.compile(r"-?(?:[0-9]{1,9}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})")
_GLUED = re.compile(r"-?[0-9]{1,3}\.[0-9]{2}")  # of "12.0030.508.206.00"
# Between the tags numbers, signs and brackets; the closing tag may be missing or cut off.
_TAGGED = re.compile(r"<box>([^<>A-Za-z]{0,160})(?:</box>?|(?=[<>A-Za-z\n]|$))", re.IGNORECASE)
_BARE = re.compile(r"\[([-0-9.,;%\s]{7,80})\]")


def format_box(box_percent: Sequence[float]) -> str:
    """Return ``<box>x, y, w, h</box>`` with two decimals; no side is written as 0.

    Parameters
    ----------
    box_percent : (4,) sequence
        x, y, width, height in percent of the image.

    Raises
    ------
    ArgumentError
        Not four numbers, or a box that is empty or reaches out of the image.
    """
    try:
        x, y, w, h = (float(v) for v in box_percent)
    except (TypeError, ValueError):
        raise ArgumentError("box", box_percent, "four numbers: x, y, width, height") from None
    slack = SMALLEST / 2
    inside = x >= -slack and y >= -slack and x + w <= 100 + slack and y + h <= 100 + slack
    if not (inside and w > 0 and h > 0):  # also for NaN
        raise ArgumentError("box", (x, y, w, h), "a box of some size within 0 to 100 percent")
    w, h = max(w, SMALLEST), max(h, SMALLEST)
    x, y = (min(max(v, 0.0), 100 - SMALLEST) for v in (x, y))
    return f"<box>{x:.2f}, {y:.2f}, {w:.2f}, {h:.2f}</box>"


def to_percent(box_px: Sequence[float], shape: tuple[int, int]) -> Box:
    """Return a box in percent of an image of `shape` (H, W) from one in pixels."""
    (x, y, w, h), (height, width) = box_px, _checked(shape)
    return 100 * x / width, 100 * y / height, 100 * w / width, 100 * h / height


def to_pixels(box_percent: Sequence[float], shape: tuple[int, int]) -> Box:
    """Return a box in pixels of an image of `shape` (H, W) from one in percent."""
    (x, y, w, h), (height, width) = box_percent, _checked(shape)
    return x * width / 100, y * height / 100, w * width / 100, h * height / 100


def clip_box(numbers: Sequence[float]) -> Box | None:
    """Return a box cut to the image and rounded to 0.01 percent; None where nothing is left."""
    x, y, w, h = numbers
    left, top = min(max(x, 0.0), 100.0), min(max(y, 0.0), 100.0)
    right, bottom = min(max(x + w, 0.0), 100.0), min(max(y + h, 0.0), 100.0)
    box = (left, top, w if right == x + w and left == x else right - left, bottom - top)
    if bottom == y + h and top == y:
        box = (*box[:3], h)
    box = tuple(round(v, 2) for v in box)
    return box if box[2] >= SMALLEST and box[3] >= SMALLEST else None


def round_boxes(text: str, step: float) -> str:
    """Return a text whose boxes have sides on a grid of `step` percent, and some size.

    Left, top, right and bottom are rounded, so that a box moves by half a step at most; those that
    are no boxes stay as they are.
    """
    return move_boxes(text, lambda box: _on_grid(box, step))


def move_boxes(text: str, move: Callable[[Box], Sequence[float]]) -> str:
    """Return a text with every box replaced by what `move` makes of it, written by `format_box`."""
    parts, end = [], 0
    for (begin, after), box in find_boxes(text):
        if box is not None:
            parts += [text[end:begin], format_box(move(box))]
            end = after
    return "".join([*parts, text[end:]])


def _on_grid(box: Box, step: float) -> Box:
    x, y, w, h = box
    (left, width), (top, height) = _side(x, w, step), _side(y, h, step)
    return left, top, width, height


def _side(begin: float, length: float, step: float) -> tuple[float, float]:
    """Return where a side begins and how long it is, on the grid and within the image."""
    last = round(100 / step)
    first, end = round(begin / step), round((begin + length) / step)
    first = min(first, last - 1)
    end = min(max(end, first + 1), last)
    return first * step, (end - first) * step


def find_boxes(text: str) -> list[tuple[tuple[int, int], Box | None]]:
    """Return ((begin, end), box) of every box in a text, in order; None for one of no size.

    Boxes are written between ``<box>`` tags, the closing one missing or not, or in square
    brackets; numbers are separated by commas, semicolons or spaces, with or without ``%``.
    Anything but four numbers is no box.
    """
    found, end = [], 0
    matches = [*_TAGGED.finditer(text), *_BARE.finditer(text)]
    for match in sorted(matches, key=lambda m: m.start()):
        numbers = _numbers(match[1])
        if match.start() < end or len(numbers) != 4:
            continue
        end = match.end()
        found.append((match.span(), clip_box(numbers)))
    return found


def _numbers(text: str) -> list[float]:
    glued = _GLUED.findall(text)
    whole = len(glued) == 4 and "".join(glued) == text.strip(" []()")
    return [float(n) for n in (glued if whole else _NUMBER.findall(text))]


def _checked(shape: tuple[int, int]) -> tuple[int, int]:
    height, width = shape
    if not (height >= 1 and width >= 1):
        raise ArgumentError("shape", shape, "a height and a width of at least 1 pixel")
    return height, width
