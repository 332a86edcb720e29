"""Words for numbers and layer counts, and where a text has them."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

from qupaint_lib.annotations import FEW_MAX, layer_class

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {"no": 0, "none": 0}
NUMBER = rf"(?:{'|'.join(_SMALL[1:])}|[0-9]{{1,4}})"
_MENTION = re.compile(
    rf"""(?<![\w<.])(?:
        (?P<mono>mono-?layers?|single[ -]layers?|mono)
      | (?P<bi>bi-?layers?) | (?P<tri>tri-?layers?)
      | (?P<number>{NUMBER})[ -](?:atomic[ -])?layers?
      | (?P<short>[0-9]{{1,4}})[ ]?L(?![*])
      | (?P<few>few-?[ ]?layers?|(?-i:Few)(?![ ](?:flakes|regions|of|are)))
      | (?P<thick>(?<!nm[ ])(?<!as[ ])thick)
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_NEGATION = re.compile(r"\b(?:not|no(?!,)|none|neither|nor|without|lacks?|isn't|aren't)\b", re.I)
_TURN = re.compile(r"[.;:<>\n]|\bbut\b")  # where a negation ends
_REACH = 24  # characters over which a negation is felt
_CLASS_WORDS = {"Mono": "monolayer", "Few": "few-layer", "Thick": "thick"}


class LayerMention(NamedTuple):
    """A layer count or class that a text names.

    Attributes
    ----------
    begin, end : int
        Where it stands in the text.
    label : str
        ``"Mono"``, ``"Few"`` or ``"Thick"``.
    layer_count : int or None
        None where only the class is named.
    negated : bool
        Whether a word such as *not* or *no* stands shortly before it.
    """

    begin: int
    end: int
    label: str
    layer_count: int | None
    negated: bool


def number_word(number: int, *, largest: int = 12) -> str:
    """Return a count as a word up to `largest`, and in digits beyond; 0 is ``"no"``."""
    if number == 0:
        return "no"
    return _SMALL[number] if 0 < number <= min(largest, 20) else str(number)


def read_number(text: str) -> int | None:
    """Return the value of a number in digits or of a word up to twenty; None for anything else."""
    if text.isascii() and text.isdigit():
        return int(text[:18])
    return _VALUES.get(text.lower())


def layer_phrase(layer_count: int | None, label: str | None = None) -> str:
    """Return class and layer count as a conclusion states them, such as ``"few-layer (2 layers)"``.

    A monolayer is ``"monolayer"``; what has neither count nor class is of ``"unknown thickness"``.
    """
    label = label or layer_class(layer_count)
    if label is None:
        return "unknown thickness"
    word = _CLASS_WORDS[label]
    return word if layer_count in (None, 1) else f"{word} ({layer_count} layers)"


def layer_mentions(text: str, *, few_max: int = FEW_MAX) -> list[LayerMention]:
    """Return every layer count and class that a text names, in order; linear in its length."""
    negations = [match.end() for match in _NEGATION.finditer(text)]
    found = []
    for match in _MENTION.finditer(text):
        kind = match.lastgroup
        count = {"mono": 1, "bi": 2, "tri": 3}.get(kind)
        if kind in ("number", "short"):
            count = read_number(match[kind])
        if count == 0:
            continue
        label = {"few": "Few", "thick": "Thick"}.get(kind) or layer_class(count, few_max=few_max)
        after = bisect_left(negations, match.start() - _REACH)
        near = after < len(negations) and negations[after] <= match.start()
        negated = near and not _TURN.search(text, negations[after], match.start())
        found.append(LayerMention(match.start(), match.end(), label, count, negated))
    return found
