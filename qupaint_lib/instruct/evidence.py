"""The evidence on a flake: what is seen, what is predicted, and whether the two agree.

What the image shows is stated only where it is what the optical model expects, within the slack of
`facts.WITHOUT_IMAGE`: dust on a small flake, or a label that is wrong, must not teach a wrong
contrast. So every sentence can be checked with the image and without it. A piece of evidence is a
pair of templates and the fields that fill them, or None where it cannot be told.
"""

from __future__ import annotations

import math
from itertools import chain, islice

import numpy as np

from qupaint_lib.instruct import phrases as say
from qupaint_lib.instruct.facts import (
    HUE_TOLERANCE_DEG,
    MODEL_ERROR,
    POOR_FIT,
    Facts,
    remembered,
    sayable,
    slack,
)
from qupaint_lib.instruct.grammar import Voice
from qupaint_lib.instruct.lexicon import (
    CHANNELS,
    FAINT,
    HUES,
    LEAST_CHROMA,
    LEAST_LIGHTNESS,
    STRENGTH_SLACK,
    STRONG,
    a_flake,
    hue_angle,
    hue_name,
    joined,
    layers,
    percent,
    place_name,
    strength,
    turn,
)

_CLEAR_EDGE = 4.0  # times the noise


_CONTRAST_FORMS = (  # that `statements` reads
    "{r} in red, {g} in green and {b} in blue",
    "{r}, {g} and {b} in red, green and blue",
    "{r} (R), {g} (G) and {b} (B)",
    "R {r}, G {g}, B {b}",
    "{r} for red, {g} for green and {b} for blue",
    "red {r}, green {g} and blue {b}",
    "{r} in the red, {g} in the green and {b} in the blue channel",
)


def contrast_text(voice: Voice, contrast: np.ndarray) -> str:
    """Return a contrast in one of several forms."""
    r, g, b = (percent(value) for value in contrast.tolist())
    return voice.pick(_CONTRAST_FORMS).format(r=r, g=g, b=b)


@remembered
def observed_is_expected(facts: Facts, i: int) -> bool:
    """Tell whether a flake's contrast is known, and near what the optical model expects."""
    return bool(facts.sound[i])


@remembered
def tone_of(facts: Facts, i: int) -> tuple[str, str] | None:
    """Return (darker or brighter, how much) of a flake; None where it cannot be said."""
    seen, model = facts.observed, facts.expected
    lightness = seen.lab_shift[i, 0], model.lab_shift[i, 0]
    if not np.isfinite(lightness).all():
        return None
    if min(lightness) < LEAST_LIGHTNESS and max(lightness) > -LEAST_LIGHTNESS:
        return None
    word, expected = strength(seen.delta_e[i]), model.delta_e[i]
    if (word == "faint" and expected > FAINT * STRENGTH_SLACK) or (
        word == "strong" and expected < STRONG / STRENGTH_SLACK
    ):
        word = "moderate"
    return ("brighter" if lightness[0] > 0 else "darker"), word


@remembered
def hue_of(facts: Facts, i: int) -> str | None:
    """Return the hue towards which a flake is shifted; None where it cannot be said."""
    name, model = hue_name(facts.observed.lab_shift[i]), facts.expected.lab_shift[i]
    if name is None or not np.hypot(*model[1:]) >= LEAST_CHROMA:
        return None
    return name if turn(hue_angle(model), HUES[name]) < HUE_TOLERANCE_DEG[1] else None


def place_text(voice: Voice, facts: Facts, i: int) -> str:
    """Return the third of the image in which a flake lies."""
    row, column = place_name(facts.centers[i])
    if (row, column) == ("middle", "middle"):
        return "centre"
    other = {"upper": "top", "lower": "bottom"}.get(row, row)
    column = "centre" if column == "middle" and voice.chance(0.5) else column
    return f"{voice.pick((row, other))} {column}"


@remembered
def area_text(facts: Facts, i: int) -> str:
    """Return a flake's share of the image in percent, to two digits or so."""
    area = facts.areas[i]
    return f"{area:.{max(1, 1 - math.floor(math.log10(area)))}f}"


@remembered
def poor_fit(facts: Facts, i: int) -> bool:
    """Tell whether a flake's contrast is far from that of its layer count."""
    if not facts.layer_counts[i] or not observed_is_expected(facts, i):
        return False
    count = facts.layer_counts[i]
    return min(facts.misfit(i, count), facts.misfit(i, count, expected=True)) > POOR_FIT


def appearance(facts: Facts, i: int, voice: Voice) -> list[tuple]:
    """Return templates and fields of place and tone, without any physics."""
    found = [(say.PLACE, {"place": place_text(voice, facts, i), "area": area_text(facts, i)})]
    tone = tone_of(facts, i)
    return [*found, (say.TONE, {"tone": tone[0]})] if tone else found


def evidence(facts: Facts, i: int, names: dict[int, str], voice: Voice, most: int) -> list[tuple]:
    """Return templates and fields of at most so much physical evidence, the telling one first."""
    about = (facts, i, names, voice)
    light = [e for e in (_seen_contrast(*about), _saturated(*about)) if e]
    makers = voice.shuffled([*_COLOUR, _visibility, _expected_shift, _border])
    if not light:  # a colour, at least, is seen before it is compared
        makers.sort(key=lambda make: make not in _COLOUR)
    others = filter(None, (make(*about) for make in makers))
    lead = [next(others, None)] if not light or voice.chance(0.5) else []
    if not light and (lead[0] is None or lead[0][0] not in _OF_COLOUR):
        return []  # nothing was measured that evidence could rest on
    told = filter(None, (make(*about) for make in (_prediction, _fit)))
    return list(islice(chain(filter(None, lead), light, told, others), most))


def _seen_contrast(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    if not observed_is_expected(facts, i):
        return None
    seen, model = facts.observed.contrast[i], facts.expected.contrast[i]
    largest = int(abs(seen).argmax())
    tail = ""
    if abs(model).argmax() == largest and np.sort(abs(seen))[-1] > 1.15 * np.sort(abs(seen))[-2]:
        tail = _perhaps(voice, say.CHANNEL_TAIL, {"channel": CHANNELS[largest]})
    return say.CONTRAST, {"c": contrast_text(voice, seen), "tail": tail}


def _saturated(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    seen, model = facts.observed.clipped[i], facts.expected.clipped[i]
    full = [name for name, a, b in zip(CHANNELS, seen, model, strict=True) if a and b]
    if not full:
        return None
    several = len(full) > 1
    channels = f"{joined(full)} channel{'s' if several else ''}"
    return say.SATURATED, {"channels": channels, "lies": "lie" if several else "lies"}


def prediction_fields(facts: Facts, i: int | None, count: int, voice: Voice) -> dict[str, str]:
    """Return the contrast predicted for a layer count, and how near a flake's own comes to it."""
    agree = ""
    if i is not None and observed_is_expected(facts, i):
        seen, model = facts.agreement(i), facts.agreement(i, expected=True)
        if seen - model <= slack("agreement", model):
            agree = _perhaps(voice, say.AGREEMENT, {"d": f"{100 * seen:.1f}"})
    contrast = contrast_text(voice, facts.predicted(count)[0])
    return {"p": contrast, "n": layer_words(count, voice), "agree": agree}


def _seen_delta_e(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    seen, model = facts.observed.delta_e[i], facts.expected.delta_e[i]
    if not abs(seen - model) <= slack("delta_e", model):
        return None
    predicted, count = "", facts.layer_counts[i]
    if count:
        words = {"pde": f"{facts.predicted_delta_e(count):.1f}", "n": layer_words(count, voice)}
        predicted = _perhaps(voice, say.DELTA_E_PREDICTED, words)
    return say.DELTA_E, {"de": f"{seen:.1f}", "predicted": predicted}


def _seen_shift(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    tone, hue = tone_of(facts, i), hue_of(facts, i)
    if tone is None:
        return None
    if hue is None:
        chroma = [np.hypot(*q.lab_shift[i, 1:]) for q in (facts.observed, facts.expected)]
        if max(chroma) < LEAST_CHROMA:
            return say.SHIFT_GREY, {"tone": voice.say(say.TONES[tone])}
    seen, model = facts.observed.lab_shift[i, 0], facts.expected.lab_shift[i, 0]
    told = abs(seen - model) <= slack("lightness", model)
    if told and (hue is None or voice.chance(0.3)):
        moves = "[rises|increases|goes up]" if seen > 0 else "[falls|drops|decreases|goes down]"
        return say.LIGHTNESS, {"moves": voice.say(moves), "dl": f"{abs(seen):.1f}"}
    if hue is None:
        return None
    return say.SHIFT, {"tone": voice.say(say.TONES[tone]), "hue": voice.say(say.HUE_WORDS[hue])}


def _prediction(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    count = facts.layer_counts[i]
    if not count or not sayable(facts.predicted(count)[0]):
        return None
    return say.PREDICTION, prediction_fields(facts, i, count, voice)


def _expected_shift(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    count = facts.layer_counts[i]
    if not count or not sayable(facts.predicted(count)[0]):
        return None
    shift = facts.predicted(count)[1]
    hue = hue_name(shift)
    if hue is None or abs(shift[0]) < LEAST_LIGHTNESS:
        return None
    tone = "brighter" if shift[0] > 0 else "darker"
    words = {"tone": tone, "hue": voice.say(say.HUE_WORDS[hue]), "n": _kind(count, voice)}
    return say.SHIFT_PREDICTED, words


def _visibility(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    seen, model = facts.observed.visibility[i], facts.expected.visibility[i]
    if not abs(seen - model) <= slack("visibility", model):
        return None
    clear = seen >= _CLEAR_EDGE
    return say.VISIBILITY, {
        "v": f"{seen:.1f}" if seen < 9.95 else f"{seen:.0f}",
        "clear": voice.say(say.CLEAR if clear else say.UNCLEAR),
        "verdict": voice.say(say.CLEAR_CLAUSE if clear else say.UNCLEAR_CLAUSE),
        "little": "little" if clear else "some",
    }


def _fit(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    """Return why the layer counts next to a flake's own fit less well, or why they do as well."""
    count = facts.layer_counts[i]
    if not count or not observed_is_expected(facts, i):
        return None
    near = [n for n in (count - 1, count + 1) if n >= 1]
    if looks_alike(facts, i):
        words = {"m": layer_words(count + 1, voice), "n": layer_words(count, voice)}
        return say.SAME_LOOK, words
    own = _stated_misfit(facts, i, count)
    others = {n: _stated_misfit(facts, i, n) for n in near}
    others = {n: d for n, d in others.items() if d is not None and own is not None and d > own + 1}
    if not others:
        return None
    words = {"n": _kind(count, voice), "d": f"{own:.1f}"}
    if len(others) == 2 and voice.chance(0.35):
        k, m = others
        words |= {"k": _kind(k, voice), "dk": f"{others[k]:.1f}"}
        words |= {"m": _kind(m, voice), "dm": f"{others[m]:.1f}"}
        return say.MISFIT_BOTH, words
    m = min(others, key=others.get)
    return say.MISFIT, {**words, "m": _kind(m, voice), "dm": f"{others[m]:.1f}"}


def _kind(count: int, voice: Voice) -> str:
    """Return a layer count as one flake, for sentences with a verb."""
    return a_flake(count, None, voice.pick((0, 1, 4, 7)))


@remembered
def _stated_misfit(facts: Facts, i: int, count: int) -> float | None:
    seen, model = facts.misfit(i, count), facts.misfit(i, count, expected=True)
    return seen if abs(seen - model) <= slack("misfit", model) else None


@remembered
def looks_alike(facts: Facts, i: int) -> bool:
    """Tell whether one layer more than a flake has would look the same to the optical model."""
    count = facts.layer_counts[i]
    return bool(count) and model_distance(facts, count, count + 1) < 1


@remembered
def model_distance(facts: Facts, count: int, other: int) -> float:
    """Return how far the predicted contrasts of two layer counts are apart, in model errors."""
    a, b = facts.predicted(count)[0], facts.predicted(other)[0]
    return float(np.sqrt((((b - a) / (MODEL_ERROR[0] + MODEL_ERROR[1] * abs(a))) ** 2).mean()))


def _border(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    near = sorted(facts.neighbors[i])
    if not near:
        return say.ALONE, {"place": place_text(voice, facts, i)}
    near = [
        j for j in near if j in names and facts.layer_counts[j] not in (None, facts.layer_counts[i])
    ]
    if not near or facts.layer_counts[i] is None:
        return None
    j = voice.pick(near)
    steps = {"a": layers(facts.layer_counts[i]), "b": layers(facts.layer_counts[j])}
    return say.BORDER, {"g": names[j], **steps}


def layer_words(count: int, voice: Voice) -> str:
    """Return a layer count as a phrase that a prediction is made for."""
    return voice.pick((layers(count), a_flake(count, None, voice.pick((0, 1, 4, 7)))))


def _perhaps(voice: Voice, templates: tuple[str, ...], fields: dict[str, str]) -> str:
    """Return what may be added to a sentence, or nothing."""
    return voice.say(templates, fields) if voice.chance(0.5) else ""


_COLOUR = (_seen_delta_e, _seen_shift)
_OF_COLOUR = (say.DELTA_E, say.SHIFT, say.SHIFT_GREY, say.LIGHTNESS)
