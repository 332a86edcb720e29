"""The exceptions a user meets: each names the argument, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class QuPaintError(Exception):
    """Base of every exception raised on purpose by this library."""


class ArgumentError(QuPaintError, ValueError):
    """An argument's value is not allowed.

    Parameters
    ----------
    argument : str
        Name of the argument as the caller spells it.
    value : object
        The value that was given; shown shortened.
    allowed : str
        What is allowed instead, as half a sentence.
    """

    def __init__(self, argument: str, value: object, allowed: str):
        self.argument, self.value, self.allowed = argument, value, allowed
        super().__init__(argument, value, allowed)

    def __str__(self) -> str:
        return f"{self.argument} = {_shorten(repr(self.value))}: {self.allowed}"


class UnknownNameError(ArgumentError):
    """A name is not in a registry; the nearest known names are suggested."""

    def __init__(self, argument: str, value: object, known_names: Iterable[str]):
        names = sorted(map(str, known_names))
        by_lower_case = {name.lower(): name for name in names}
        close = get_close_matches(str(value).lower(), by_lower_case, n=3, cutoff=0.5)
        hint = f"did you mean {_join(by_lower_case[name] for name in close)}? " if close else ""
        super().__init__(argument, value, f"unknown; {hint}known names: {', '.join(names)}")
        self.args = (argument, value, names)  # what __init__ takes, so that copies can be made


class ImageError(ArgumentError):
    """An image cannot be read or is not a bounded 8- or 16-bit RGB picture."""


class TableError(ArgumentError):
    """A table of measured values is incomplete, unordered or unphysical."""


class CalibrationError(ArgumentError):
    """A calibration has nothing to hold on to."""


class TrainingError(ArgumentError):
    """A training run cannot go on: its loss is not a number."""


def _join(names: Iterable[str]) -> str:
    return " or ".join(repr(name) for name in names)


def _shorten(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
