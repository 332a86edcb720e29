"""Asking a model, and holding every claim of its answer against the optics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qupaint_lib.annotations import Flake
from qupaint_lib.answers import parse_answer, to_pixels
from qupaint_lib.errors import ArgumentError
from qupaint_lib.instruct import Claim, scene_from_flakes, verify
from qupaint_lib.microscope import Microscope
from qupaint_lib.widgets.pictures import SHOWN_PX, shrunk, with_box, with_text

MOST_CHARACTERS = 2000  # of a question
STATUSES = ("confirmed", "contradicted", "untestable")
_BOX_COLOR = (255, 220, 0)


@dataclass(frozen=True)
class Checked:
    """An answer with its boxes and the verdicts on its claims.

    Attributes
    ----------
    text : str
        The answer.
    boxes : tuple of (float, float, float, float)
        x, y, width, height in pixels.
    labels : tuple of str or None
        Per box.
    claims : tuple of Claim
        Each ``"confirmed"``, ``"contradicted"`` or ``"untestable"``; see `instruct.verify`.
    """

    text: str
    boxes: tuple[tuple[float, float, float, float], ...]
    labels: tuple[str | None, ...]
    claims: tuple[Claim, ...]

    def count(self, status: str) -> int:
        """Return how many claims have a status."""
        return sum(claim.status == status for claim in self.claims)


def load_model(folder: str = "") -> Any:
    """Return a model that answers: the shipped nano model, or the checkpoint in a folder.

    Never reaches the network: a name that is no folder is refused.

    Raises
    ------
    ArgumentError
        No such folder, no checkpoint in it, or no nano model in this installation.
    """
    try:
        from qupaint_lib import model
    except ImportError as error:
        allowed = f"the extra 'train' (torch, transformers), which is missing: {error}"
        raise ArgumentError("model", folder or "nano", allowed) from error
    folder = folder.strip()
    if folder and not Path(folder).expanduser().is_dir():
        raise ArgumentError("model", folder, "an existing folder with a checkpoint")
    try:
        if folder:
            return model.QuPaint.from_pretrained(Path(folder).expanduser())
        return model.load_nano()
    except AttributeError as error:
        allowed = "the folder of a checkpoint: this installation ships no nano model"
        raise ArgumentError("model", "nano", allowed) from error
    except (ImportError, OSError, ValueError) as error:
        what = folder or "nano"
        allowed = f"a complete checkpoint; loading this one failed: {_first_line(error)}"
        raise ArgumentError("model", what, allowed) from error


def ask(model: Any, codes: np.ndarray, question: str) -> str:
    """Return what a model answers to a question about an image.

    Parameters
    ----------
    model : object with ``chat(image, question)``
        Such as `model.QuPaint`; what it returns has a ``text``.
    codes : (H, W, 3) uint8 array
        The image.
    question : str
        At most 2,000 characters.
    """
    question = question.strip()
    if not 0 < len(question) <= MOST_CHARACTERS:
        allowed = f"a question of 1 to {MOST_CHARACTERS:,} characters"
        raise ArgumentError("question", f"{len(question)} characters", allowed)
    answer = model.chat(codes, question)
    return getattr(answer, "text", answer)


def check(
    text: str,
    codes: np.ndarray,
    flakes: list[Flake],
    microscope: Microscope,
    material: str,
    *,
    question: str = "",
) -> Checked:
    """Hold an answer against the optics and against what the finder outlined.

    Parameters
    ----------
    text : str
        An answer, by the model or by anybody.
    codes : (H, W, 3) uint8 array
        The image.
    flakes : list of Flake
        The truth to be used: from the finder, corrected or not.
    microscope : Microscope
        As calibrated.
    material : str
        Of the flakes.
    question : str, optional
        What was asked.
    """
    if not text.strip():
        raise ArgumentError("answer", "", "a text")
    scene = scene_from_flakes(codes, flakes, microscope, material=material)
    claims = verify(text, scene, image=codes, question=question).claims
    parsed = parse_answer(text)
    boxes = tuple(to_pixels(box, codes.shape[:2]) for box in parsed.boxes)
    return Checked(text, boxes, parsed.labels, claims)


def draw_boxes(codes: np.ndarray, checked: Checked, most_px: int = SHOWN_PX) -> np.ndarray:
    """Return an image, shrunk, with an answer's boxes and their labels."""
    drawn = shrunk(codes, most_px)
    scale = drawn.shape[1] / codes.shape[1]
    marks = []
    for (x, y, width, height), label in zip(checked.boxes, checked.labels, strict=True):
        left, top, right, bottom = (scale * v for v in (x, y, x + width, y + height))
        drawn = with_box(drawn, (left, top, right, bottom), _BOX_COLOR)
        marks.append(((left + right) / 2, top - 10 if top > 24 else bottom + 12, label or "flake"))
    return with_text(drawn, marks)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
