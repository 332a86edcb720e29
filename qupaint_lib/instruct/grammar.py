"""Saying one thing in many ways: templates with alternatives, chosen by a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np

_T = TypeVar("_T")
_BATCH = 256


class Questions(tuple[str, ...]):
    """Templates that ask: a terse voice varies these, and answers in one way."""

    __slots__ = ()


class Voice:
    """Chooses among alternatives; a plain voice always takes the first.

    Templates hold alternatives in square brackets, ``[large|big] flake``, which may be nested and
    empty, and fields in braces, ``{contrast}``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Makes the choices.
    plain : bool, optional
        Take the first alternative every time: the baseline that variety is measured against.
    terse : bool, optional
        Take the first alternative of every statement; questions and content are drawn as ever.
    """

    def __init__(self, rng: np.random.Generator, *, plain: bool = False, terse: bool = False):
        self._rng, self.plain, self.terse = rng, plain, terse
        self._numbers: list[float] = []

    def number(self) -> float:
        """Return a random number in [0, 1), for choices of content that a plain voice makes too."""
        if not self._numbers:
            self._numbers = self._rng.random(_BATCH).tolist()
        return self._numbers.pop()

    def chance(self, probability: float) -> bool:
        """Return True with a probability; never in a plain voice."""
        return not self.plain and self.number() < probability

    def pick(self, values: Sequence[_T]) -> _T:
        """Return one of the values; the first in a plain voice."""
        if self.plain or len(values) == 1:
            return values[0]
        return values[int(self.number() * len(values))]

    def shuffled(self, values: Sequence[_T]) -> list[_T]:
        """Return the values in random order; as they are in a plain voice."""
        values = list(values)
        return values if self.plain else sorted(values, key=lambda _: self.number())

    def say(self, templates: str | Sequence[str], fields: Mapping[str, str] | None = None) -> str:
        """Return one of the templates, its alternatives chosen and its fields filled."""
        varied = not self.terse or isinstance(templates, Questions)
        pick = self.pick if varied else _first
        template = templates if isinstance(templates, str) else pick(templates)
        text = _spoken(_parsed(template), pick)
        return text.format_map(fields) if fields else text

    @property
    def asking(self) -> Voice:
        """The voice of a question's own words: the same, but never terse."""
        if not self.terse:
            return self
        voice = Voice(self._rng, plain=self.plain)
        voice._numbers = self._numbers
        return voice

    def sentence(self, templates: str | Sequence[str], fields: Mapping[str, str]) -> str:
        """Return `say` with a capital letter and a full stop."""
        text = self.say(templates, fields)
        text = capitalised(text)
        return text if text[-1] in ".?!:" else text + "."


def _first(values: Sequence[_T]) -> _T:
    return values[0]


def _spoken(parts: str | tuple, pick: Callable[[Sequence], Any]) -> str:
    if isinstance(parts, str):
        return parts
    return "".join([part if isinstance(part, str) else _spoken(pick(part), pick) for part in parts])


def capitalised(text: str) -> str:
    """Return a text with a capital first letter; names such as hBN keep theirs."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


@cache
def _parsed(template: str) -> str | tuple:
    """Return a template as strings and lists of alternatives; as one string where it has none."""
    parts, end = _sequence(template, 0)
    if end != len(template):
        raise ValueError(f"a closing bracket too many in {template!r}")
    return parts


def _sequence(template: str, at: int) -> tuple[str | tuple, int]:
    parts: list = []
    begin = at
    while at < len(template) and template[at] not in "|]":
        if template[at] == "[":
            parts.append(template[begin:at])
            alternatives = []
            while template[at] != "]":
                alternative, at = _sequence(template, at + 1)
                alternatives.append(alternative)
            parts.append(alternatives)
            begin = at + 1
        at += 1
    parts.append(template[begin:at])
    kept = tuple(part for part in parts if part != "")
    return (kept if any(isinstance(part, list) for part in kept) else "".join(kept)), at
