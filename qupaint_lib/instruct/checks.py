"""How each kind of statement is checked."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from qupaint_lib.annotations import layer_class
from qupaint_lib.answers.boxes import Box
from qupaint_lib.instruct import judge
from qupaint_lib.instruct.facts import HUE_TOLERANCE_DEG, MOST_LAYERS, POOR_FIT, Facts
from qupaint_lib.instruct.lexicon import (
    CHANNELS,
    FAINT,
    HUES,
    LEAST_CHROMA,
    STRENGTH_SLACK,
    STRONG,
    hue_angle,
    in_place,
    place_name,
    turn,
)
from qupaint_lib.instruct.refer import is_beside
from qupaint_lib.instruct.statements import Statement
from qupaint_lib.materials import FLAKE_MATERIALS, SUBSTRATE_MATERIALS

_SPELLINGS = {"hbn": "BN", "h-bn": "BN", "bn": "BN", "graphite": "graphene", "silicon": "Si"}
_SAME_HUES = {"blue-green": "cyan", "purple": "violet", "pink": "magenta"}
_ALL = re.compile(r"\b(?:all|every|each|the) (?:of the )?flakes?\b", re.IGNORECASE)
_CLEAR_EDGE = 4.0
_SAME_LOOK = 1.2  # model errors: stated below 1


class Outcome(NamedTuple):
    """Whether a statement holds (None: it cannot be tested), what is so, and the tolerance."""

    holds: bool | None
    true: object = None
    tolerance: float | None = None


def check_box(
    box: Box, label: str | None, count: int | None, facts: Facts, min_iou: float
) -> Outcome:
    """Check that a box lies on a flake of its label and layer count."""
    best, iou = facts.find(box)
    if best is None or iou < min_iou:
        return Outcome(False, None, min_iou)
    true = facts.labels[best], facts.layer_counts[best]
    holds = label in (None, true[0]) and count in (None, true[1])
    if count is not None and true[1] is None:
        holds = None if label == true[0] else False
    return Outcome(holds, true, min_iou)


@cache
def _material_pattern() -> re.Pattern[str]:
    names = [*FLAKE_MATERIALS, *SUBSTRATE_MATERIALS, *_SPELLINGS]
    names = sorted({re.escape(name) for name in names if name != "air"}, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(names)})(?![\w-])", re.IGNORECASE)


def names_of_materials(text: str) -> list[str]:
    """Return the registry's names of all materials that a text names, each once."""
    known = {name.lower(): name for name in (*FLAKE_MATERIALS, *SUBSTRATE_MATERIALS)} | _SPELLINGS
    found = (known[match[0].lower()] for match in _material_pattern().finditer(text))
    return list(dict.fromkeys(found))


def near(stated: float, true: float, tolerance: float, digits: int) -> Outcome:
    """Return whether a stated number is true within a tolerance and its rounding."""
    tolerance = tolerance + 0.51 * 10.0**-digits
    if not np.isfinite(true):
        return Outcome(None, None, tolerance)
    return Outcome(bool(abs(stated - true) <= tolerance), float(true), tolerance)


def _flakes(statement: Statement, facts: Facts, min_iou: float) -> list[int] | None:
    """Return the flakes that a statement is about; None where a box is on none."""
    found = []
    for box in statement.about:
        best, iou = facts.find(box)
        if best is None or iou < min_iou:
            return None
        found.append(best)
    return found


def each(check: Callable[[Statement, Facts, int], Outcome]) -> Callable:
    """Return a check of every flake that a statement is about: it holds if all of them hold."""

    def check_all(statement: Statement, facts: Facts, min_iou: float) -> Outcome:
        flakes = _flakes(statement, facts, min_iou)
        if not statement.about and _ALL.search(statement.text):
            flakes = list(range(len(facts.flakes)))
        if not flakes:
            return Outcome(None)
        outcomes = [check(statement, facts, i) for i in flakes]
        worst = [o for o in outcomes if o.holds is False] or [
            o for o in outcomes if o.holds is None
        ]
        return worst[0] if worst else outcomes[0]

    return check_all


def _modelled(check: Callable[[Statement, Facts, int], Outcome]) -> Callable:
    """Return a check of what the optical model says for a layer count, by default the flake's."""

    def check_model(statement: Statement, facts: Facts, min_iou: float) -> Outcome:
        count = statement.layer_count
        if count is None:
            flakes = _flakes(statement, facts, min_iou)
            count = facts.layer_counts[flakes[0]] if flakes else None
        if count is None or not 1 <= count <= MOST_LAYERS:
            return Outcome(None)
        return check(statement, facts, count)

    return check_model


def _either(model: Callable, seen: Callable) -> Callable:
    """Return a check that asks the model or the image, as the statement does."""

    def check(statement: Statement, facts: Facts, min_iou: float) -> Outcome:
        return (model if statement.model else seen)(statement, facts, min_iou)

    return check


def _seen_contrast(s: Statement, facts: Facts, i: int) -> Outcome:
    channel, value = s.value
    true = facts.observed.contrast[i, channel]
    return near(value, true, facts.tolerance("contrast", true), s.digits)


def _model_contrast(s: Statement, facts: Facts, count: int) -> Outcome:
    channel, value = s.value
    return near(value, facts.predicted(count)[0][channel], 0, s.digits)


def _seen_delta_e(s: Statement, facts: Facts, i: int) -> Outcome:
    true = facts.observed.delta_e[i]
    return near(s.value, true, facts.tolerance("delta_e", true), s.digits)


def _model_delta_e(s: Statement, facts: Facts, count: int) -> Outcome:
    return near(s.value, facts.predicted_delta_e(count), 0, s.digits)


def _lightness(s: Statement, facts: Facts, i: int) -> Outcome:
    true = facts.observed.lab_shift[i, 0]
    return near(s.value, true, facts.tolerance("lightness", true), s.digits)


def _visibility(s: Statement, facts: Facts, i: int) -> Outcome:
    true = facts.observed.visibility[i]
    return near(s.value, true, facts.tolerance("visibility", true), s.digits)


def _edge(s: Statement, facts: Facts, i: int) -> Outcome:
    true = facts.observed.visibility[i]
    if not np.isfinite(true):
        return Outcome(None)
    reach = facts.tolerance("visibility", true)
    holds = true + reach >= _CLEAR_EDGE - 0.01 if s.value else true - reach < _CLEAR_EDGE
    return Outcome(bool(holds), float(true), reach)


def _misfit(s: Statement, facts: Facts, i: int) -> Outcome:
    if not 1 <= s.layer_count <= MOST_LAYERS:
        return Outcome(None)
    true = facts.misfit(i, s.layer_count)
    return near(s.value, true, facts.tolerance("misfit", true), s.digits)


def _same_look(s: Statement, facts: Facts, i: int) -> Outcome:
    count = facts.layer_counts[i]
    other = s.layer_count or (count or 0) + 1
    if count is None or not 1 <= other <= MOST_LAYERS:
        return Outcome(None)
    distance = judge.model_distance(facts, count, other)
    return Outcome(distance < _SAME_LOOK, distance, _SAME_LOOK)


def _cut(s: Statement, facts: Facts, i: int) -> Outcome:
    return Outcome(judge.at_border(facts, i), tuple(facts.boxes[i].round(2).tolist()))


def _poor_fit(s: Statement, facts: Facts, i: int) -> Outcome:
    if facts.layer_counts[i] is None:
        return Outcome(None)
    true = facts.misfit(i, facts.layer_counts[i])
    return Outcome(bool(true > POOR_FIT) if np.isfinite(true) else None, true, POOR_FIT)


def _agreement(s: Statement, facts: Facts, i: int) -> Outcome:
    if facts.layer_counts[i] is None:
        return Outcome(None)
    true = facts.agreement(i)
    return near(s.value / 100, true, facts.tolerance("agreement", true), s.digits + 2)


def _area(s: Statement, facts: Facts, i: int) -> Outcome:
    return near(s.value, facts.areas[i], 0.02 * facts.areas[i], s.digits)


def _tone(s: Statement, shift: np.ndarray, slack: float) -> Outcome:
    """Check darker or brighter, and how much, against a shift in Lab."""
    (brighter, how), delta_e = s.value, float(np.linalg.norm(shift))
    if not np.isfinite(delta_e):
        return Outcome(None)
    holds = shift[0] > 0 if brighter else shift[0] < 0
    if how in ("slightly", "a little", "faintly"):
        holds = holds and delta_e <= FAINT * slack
    if how in ("much", "far", "markedly"):
        holds = holds and delta_e >= STRONG / slack
    return Outcome(bool(holds), "brighter" if shift[0] > 0 else "darker")


def _hue(s: Statement, shift: np.ndarray, facts: Facts) -> Outcome:
    chroma = float(np.hypot(*shift[1:]))
    if not np.isfinite(chroma):
        return Outcome(None)
    if s.value is None:
        return Outcome(chroma < LEAST_CHROMA * 1.05, chroma, LEAST_CHROMA)
    tolerance = HUE_TOLERANCE_DEG[0 if s.model or facts.image is not None else 1]
    angle = hue_angle(shift)
    off = turn(angle, HUES[_SAME_HUES.get(s.value, s.value)])
    return Outcome(off <= tolerance, round(angle), tolerance)


def _channel(s: Statement, facts: Facts, i: int) -> Outcome:
    contrast = abs(facts.observed.contrast[i])
    if np.isnan(contrast).any():
        return Outcome(None)
    return Outcome(CHANNELS[int(contrast.argmax())] == s.value, CHANNELS[int(contrast.argmax())])


def _saturated(s: Statement, facts: Facts, i: int) -> Outcome:
    clipped = [name for name, c in zip(CHANNELS, facts.observed.clipped[i], strict=True) if c]
    return Outcome(set(s.value) <= set(clipped), tuple(clipped))


def _place(s: Statement, facts: Facts, i: int) -> Outcome:
    row, column = s.value
    row = {"top": "upper", "bottom": "lower", "central": "middle"}.get(row, row)
    column = "middle" if column in ("centre", "center") else column
    return Outcome(in_place(facts.centers[i], row, column), place_name(facts.centers[i]))


def _class(s: Statement, facts: Facts, i: int) -> Outcome:
    label, count = facts.labels[i], facts.layer_counts[i]
    if s.layer_count is not None and count is None:
        same = layer_class(s.layer_count, few_max=facts.few_max) == label
        return Outcome(True if same and s.layer_count == 1 else None if same else False, label)
    holds = s.value == label and s.layer_count in (None, count)
    return Outcome(holds, count or label)


def _between(s: Statement, facts: Facts, i: int) -> Outcome:
    count = facts.layer_counts[i]
    return Outcome(None if count is None else s.value[0] <= count <= s.value[1], count)


def _not_class(s: Statement, facts: Facts, i: int) -> Outcome:
    outcome = _class(s, facts, i)
    return outcome._replace(holds=None if outcome.holds is None else not outcome.holds)


def _other(s: Statement, facts: Facts) -> int | None:
    return facts.find(s.other)[0] if s.other else None


def _step(s: Statement, facts: Facts, i: int) -> Outcome:
    other = _other(s, facts)
    if other is None:
        return Outcome(None)
    true = facts.layer_counts[i], facts.layer_counts[other]
    return Outcome(None if None in true else s.value == true, true)


def _border(s: Statement, facts: Facts, i: int) -> Outcome:
    near = facts.neighbors[i]
    if not s.value:  # what lies beyond the image's border is not known
        return Outcome(None if not near and judge.at_border(facts, i) else not near, len(near))
    return Outcome(_other(s, facts) in near, len(near))


def _relation(s: Statement, facts: Facts, i: int) -> Outcome:
    other = _other(s, facts)
    if other is None:
        return Outcome(None)
    offset = facts.centers[i] - facts.centers[other]
    return Outcome(is_beside(s.value, offset, strict=False), tuple(offset.round(1).tolist()))


def _extreme(s: Statement, facts: Facts, min_iou: float) -> Outcome:
    known = [n for n in facts.layer_counts if n]
    if not known or None in facts.layer_counts:
        return Outcome(None)
    true = min(known) if s.value == "thinnest" else max(known)
    flakes = _flakes(s, facts, min_iou)
    holds = s.layer_count in (None, true)
    holds = holds and all(facts.layer_counts[i] == true for i in flakes or ())
    return Outcome(holds and flakes is not None, true)


def _existence(s: Statement, facts: Facts, min_iou: float) -> Outcome:
    label, count, least = s.value
    found = facts.of(None if count else label, count)
    return Outcome(len(found) >= least, len(found))


def _range(s: Statement, facts: Facts, min_iou: float) -> Outcome:
    values = facts.observed.delta_e
    if not len(values) or not np.isfinite(values).all():
        return Outcome(None)
    true = float(values.min()), float(values.max())
    ends = [
        near(stated, value, facts.tolerance("delta_e", value), s.digits)
        for stated, value in zip(s.value, true, strict=True)
    ]
    return Outcome(all(end.holds for end in ends), true, ends[0].tolerance)


def _oxide(s: Statement, facts: Facts, min_iou: float) -> Outcome:
    thickness, name = s.value
    m = facts.scene.microscope
    same = name in ("oxide", m.oxide)
    return Outcome(
        same and abs(thickness - m.oxide_thickness_nm) <= 0.51, m.oxide_thickness_nm, 0.5
    )


def _magnification(s: Statement, facts: Facts, min_iou: float) -> Outcome:
    true = facts.scene.magnification
    return Outcome(None if true is None else abs(s.value - true) <= 0.005 * true, true)


CHECKS: dict[str, Callable[[Statement, Facts, float], Outcome]] = {
    "contrast": _either(_modelled(_model_contrast), each(_seen_contrast)),
    "delta_e": _either(_modelled(_model_delta_e), each(_seen_delta_e)),
    "tone": _either(
        _modelled(lambda s, facts, n: _tone(s, facts.predicted(n)[1], STRENGTH_SLACK)),
        each(lambda s, facts, i: _tone(s, facts.observed.lab_shift[i], STRENGTH_SLACK)),
    ),
    "hue": _either(
        _modelled(lambda s, facts, n: _hue(s, facts.predicted(n)[1], facts)),
        each(lambda s, facts, i: _hue(s, facts.observed.lab_shift[i], facts)),
    ),
    "unlisted": lambda statement, facts, min_iou: Outcome(None),
    "lightness": each(_lightness),
    "visibility": each(_visibility),
    "edge": each(_edge),
    "misfit": each(_misfit),
    "same look": each(_same_look),
    "poor fit": each(_poor_fit),
    "cut": each(_cut),
    "agreement": each(_agreement),
    "area": each(_area),
    "strongest channel": each(_channel),
    "saturated": each(_saturated),
    "place": each(_place),
    "class": each(_class),
    "not a class": each(_not_class),
    "layers between": each(_between),
    "step": each(_step),
    "border": each(_border),
    "relation": each(_relation),
    "extreme": _extreme,
    "existence": _existence,
    "ΔE range": _range,
    "oxide thickness": _oxide,
    "magnification": _magnification,
}
