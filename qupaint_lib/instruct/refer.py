"""Referring expressions: ``the monolayer left of the largest thick flake``, made and understood."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from qupaint_lib.answers import layer_mentions
from qupaint_lib.instruct.facts import Facts
from qupaint_lib.instruct.grammar import Voice
from qupaint_lib.instruct.lexicon import in_place, place_name

_CLASSES = {"Mono": "monolayer", "Few": "few-layer flake", "Thick": "thick flake"}
_FIRSTS = {
    "largest": ("largest", "biggest"),
    "smallest": ("smallest",),
    "leftmost": ("leftmost", "furthest left"),
    "rightmost": ("rightmost", "furthest right"),
    "topmost": ("topmost", "uppermost"),
    "lowest": ("lowest", "bottommost"),
    "only": ("only", "single"),
}
_RELATIONS = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above",),
    "below": ("below",),
    "nearest to": ("nearest to", "closest to"),
    "bordering": ("bordering", "adjoining", "touching"),
}
_FIRST = {word: key for key, words in _FIRSTS.items() for word in words}
_RELATION = {word: key for key, words in _RELATIONS.items() for word in words}
_KIND = (
    rf"the (?:(?P<first{{0}}>{'|'.join(_FIRST)}) )?"
    r"(?P<kind{0}>monolayer|bilayer|trilayer|few-layer|thick|[0-9]{{1,3}}-layer|flake)(?: flake)?"
)
_EXPRESSION = re.compile(
    rf"{_KIND.format(1)}(?: (?:that (?:is|lies) )?(?P<relation>"
    rf"{'|'.join(sorted(_RELATION, key=len, reverse=True))}) {_KIND.format(2)}"
    r"| in the (?:(?P<row>upper|middle|lower) (?P<column>left|middle|right)|(?P<middle>centre)))?"
    r"(?![\w-])",
    re.IGNORECASE,
)
_CLOSE_SIZE, _CLOSE_DISTANCE = 1.15, 1.25  # ratios under which two are not told apart by eye
_CLOSE_PLACE = 3.0  # percent of the image, likewise


def resolve(text: str, facts: Facts, *, strict: bool = False) -> list[int] | None:
    """Return the flakes that the first referring expression of a text may mean.

    Parameters
    ----------
    text : str
        Such as ``"Where is the monolayer left of the largest thick flake?"``.
    facts : Facts
        Of the image.
    strict : bool, optional
        Only those that fit clearly; otherwise those that fit loosely too, so that an expression
        with one flake here is unambiguous.

    Returns
    -------
    list of int or None
        None where the text has no such expression.
    """
    match = _EXPRESSION.search(text)
    if match is None:
        return None
    found = _of_kind(match["first1"], match["kind1"], facts, strict)
    if match["relation"]:
        anchors = _of_kind(match["first2"], match["kind2"], facts, strict)
        if len(anchors) != 1:
            return []
        return _related(_RELATION[match["relation"].lower()], found, anchors[0], facts, strict)
    if match["row"] or match["middle"]:
        slack = -2.0 if strict else 6.0
        row, column = ((match[name] or "middle").lower() for name in ("row", "column"))
        found = [i for i in found if in_place(facts.centers[i], row, column, slack)]
    return found


def anchor_of(text: str, facts: Facts) -> tuple[str | None, int | None]:
    """Return the relation of an expression and the flake that it relates to; None without one."""
    match = _EXPRESSION.search(text)
    if match is None or not match["relation"]:
        return None, None
    anchors = _of_kind(match["first2"], match["kind2"], facts, strict=True)
    relation = _RELATION[match["relation"].lower()]
    return relation, anchors[0] if len(anchors) == 1 else None


def expression_for(facts: Facts, i: int, voice: Voice) -> str | None:
    """Return an expression that means one flake and no other; None where none was found."""
    if facts.labels[i] is None:
        return None
    makers = voice.shuffled([_by_relation, _by_place, _by_first])
    for make in [_by_relation, *makers] if voice.chance(0.4) else makers:
        for text in make(facts, i, voice):
            if resolve(text, facts) == [i] == resolve(text, facts, strict=True):
                return text
    return None


def _of_kind(first: str | None, kind: str, facts: Facts, strict: bool) -> list[int]:
    found = list(range(len(facts.flakes)))
    if kind.lower() != "flake":
        named = layer_mentions(f"a {kind.lower()} flake", few_max=facts.few_max)[0]
        precise = named.layer_count not in (None, 1)
        found = facts.of(named.label, named.layer_count if precise else None)
    if first is None or not found:
        return found
    key = _FIRST[first.lower()]
    if key == "only":
        return found if len(found) == 1 else []
    return _first(key, found, facts, strict)


def _first(key: str, found: list[int], facts: Facts, strict: bool) -> list[int]:
    """Return those that come first by size or place, or nearly so."""
    if key in ("largest", "smallest"):
        areas = facts.areas[found]
        ratio = areas.max() / areas if key == "largest" else areas / areas.min()
        return [i for i, r in zip(found, ratio, strict=True) if r <= (1 if strict else _CLOSE_SIZE)]
    axis = 0 if key in ("leftmost", "rightmost") else 1
    sign = 1 if key in ("leftmost", "topmost") else -1
    place = sign * facts.centers[found][:, axis]
    limit = place.min() + (0 if strict else _CLOSE_PLACE)
    return [i for i, p in zip(found, place, strict=True) if p <= limit]


def _related(key: str, found: list[int], anchor: int, facts: Facts, strict: bool) -> list[int]:
    found = [i for i in found if i != anchor]
    if not found:
        return []
    if key == "bordering":
        return [i for i in found if i in facts.neighbors[anchor]]
    offset = facts.centers[found] - facts.centers[anchor]
    if key == "nearest to":
        distance = np.hypot(*offset.T)
        limit = distance.min() * (1 if strict else _CLOSE_DISTANCE)
        return [i for i, d in zip(found, distance, strict=True) if d <= limit]
    return [i for i, xy in zip(found, offset, strict=True) if is_beside(key, xy, strict=strict)]


def is_beside(key: str, offset: np.ndarray, *, strict: bool) -> bool:
    """Tell whether something lies left of, right of, above or below what it is offset from."""
    axis, sign = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1)}[key]
    along, across = sign * offset[axis], abs(offset[1 - axis])
    return bool(along >= _CLOSE_PLACE and along >= across) if strict else bool(along > 0)


def _by_first(facts: Facts, i: int, voice: Voice) -> list[str]:
    kinds = [_CLASSES[facts.labels[i]], "flake"]
    keys = voice.shuffled([key for key in _FIRSTS if key != "only"])
    texts = [f"the {voice.pick(_FIRSTS[key])} {kind}" for key in keys for kind in kinds]
    return [f"the {voice.pick(_FIRSTS['only'])} {kinds[0]}", *texts]


def _by_place(facts: Facts, i: int, voice: Voice) -> list[str]:
    row, column = place_name(facts.centers[i])
    place = "centre" if (row, column) == ("middle", "middle") else f"{row} {column}"
    return [f"the {_CLASSES[facts.labels[i]]} in the {place}"]


def _by_relation(facts: Facts, i: int, voice: Voice) -> list[str]:
    make: Callable[[str, str], str] = f"the {_CLASSES[facts.labels[i]]} {{}} the {{}}".format
    anchors = [_CLASSES[k] for k in ("Thick", "Few", "Mono") if len(facts.of(k)) == 1]
    anchors = [f"only {a}" if voice.chance(0.5) else a for a in anchors]
    anchors += [f"largest {_CLASSES[k]}" for k in ("Thick", "Few", "Mono") if len(facts.of(k)) > 1]
    pairs = [(r, a) for r in _RELATIONS for a in [*anchors, "largest flake"]]
    return [make(voice.pick(_RELATIONS[r]), a) for r, a in voice.shuffled(pairs)]
