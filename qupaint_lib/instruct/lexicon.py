"""Words with a meaning that can be checked: hues, places, strengths, names."""

from __future__ import annotations

import numpy as np

from qupaint_lib.answers import number_word

# Direction in the plane of a* (0°) and b* (90°) of the hues that sRGB's primaries and their
# mixtures have, to the nearest five degrees.
HUES = {
    "red": 25.0,
    "orange": 60.0,
    "yellow": 95.0,
    "green": 140.0,
    "cyan": 200.0,
    "blue": 270.0,
    "violet": 305.0,
    "magenta": 335.0,
}
LEAST_CHROMA = 2.0  # in units of Lab: less is no shift of colour
LEAST_LIGHTNESS = 1.0  # in units of L*
FAINT, STRONG = 5.0, 12.0  # ΔE below which a flake is faint, and over which it stands out
STRENGTH_SLACK = 1.35  # factor by which a ΔE may miss them
CHANNELS = ("red", "green", "blue")
IN_WORDS = 4  # numbers that are written as words; larger ones as digits
DISPLAY = {"BN": "hBN"}
ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "middle", "right")
PLACE_SLACK = 6.0  # percent by which a middle may miss its third of the image


def hue_angle(lab_shift: np.ndarray) -> float:
    """Return the direction of a shift of colour in degrees."""
    return float(np.degrees(np.arctan2(lab_shift[2], lab_shift[1]))) % 360


def hue_name(lab_shift: np.ndarray) -> str | None:
    """Return the hue towards which a colour shifts; None where it hardly does."""
    if not np.hypot(*lab_shift[1:]) >= LEAST_CHROMA:
        return None
    angle = hue_angle(lab_shift)
    return min(HUES, key=lambda name: turn(angle, HUES[name]))


def turn(a: float, b: float) -> float:
    """Return the angle between two directions, 0 to 180 degrees."""
    return abs((a - b + 180) % 360 - 180)


def place_name(center: np.ndarray) -> tuple[str, str]:
    """Return row and column of the third of the image in which a point (x, y) in percent lies."""
    column, row = (min(int(v // (100 / 3)), 2) for v in center)
    return ROWS[row], COLUMNS[column]


def in_place(center: np.ndarray, row: str, column: str, slack: float = PLACE_SLACK) -> bool:
    """Tell whether a point lies in a third of the image, or within the slack of it."""
    for value, third in ((center[1], ROWS.index(row)), (center[0], COLUMNS.index(column))):
        if not third * 100 / 3 - slack <= value <= (third + 1) * 100 / 3 + slack:
            return False
    return True


def strength(delta_e: float) -> str:
    """Return how much a colour difference is: faint, moderate or strong."""
    return "faint" if delta_e < FAINT else "strong" if delta_e > STRONG else "moderate"


def material_word(name: str) -> str:
    """Return a material's name as it is written in text."""
    return DISPLAY.get(name, name)


def a_flake(layer_count: int | None, label: str | None, style: int = 0) -> str:
    """Return a flake of a layer count with its article, such as ``"an 8-layer flake"``.

    Styles 0, 1 and 2 are ``"a bilayer"``, ``"a two-layer flake"`` and ``"a flake of two layers"``;
    3 to 8 are these with other nouns. A monolayer is never ``"a flake of one layer"``.
    """
    form, noun = style % 3, ("flake", "region", "film")[style // 3 % 3]
    if layer_count is None:
        return f"a few-layer {noun}" if label == "Few" else f"a thick {noun}"
    if layer_count <= 3 and (form == 0 or (layer_count == 1 and form == 2)):
        return ("a monolayer", "a bilayer", "a trilayer")[layer_count - 1]
    if form == 2:
        return f"a {noun} of {layers(layer_count)}"
    word = "single" if layer_count == 1 else number_word(layer_count, largest=IN_WORDS)
    article = "an" if word in ("eight", "11", "18") or word.startswith("8") else "a"
    return f"{article} {word}-layer {noun}"


def layers(layer_count: int) -> str:
    """Return ``"one layer"``, ``"two layers"`` …, ``"14 layers"``."""
    noun = "layer" if layer_count == 1 else "layers"
    return f"{number_word(layer_count, largest=IN_WORDS)} {noun}"


def joined(words: list[str]) -> str:
    """Return a list as a sentence has it: ``"a"``, ``"a and b"``, ``"a, b and c"``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def percent(value: float, digits: int = 1) -> str:
    """Return a share with its sign, such as ``"-7.2%"``; a zero has none."""
    text = f"{100 * value:+.{digits}f}"
    return f"{text.lstrip('+-') if float(text) == 0 else text}%"
