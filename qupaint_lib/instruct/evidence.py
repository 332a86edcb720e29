"""The evidence on a flake: what is seen, what is predicted, and whether the two agree.

What the image shows is stated only where it is what the optical model expects, within the slack of
`facts.WITHOUT_IMAGE`: dust on a small flake, or a label that is wrong, must not teach a wrong
contrast. So every sentence can be checked with the image and without it. A piece of evidence is a
pair of templates and the fields that fill them, or None where it cannot be told. What it carries
is `judge`'s to say: a conclusion is drawn from the light only where no other layer count is left.
"""

from __future__ import annotations

import math

import numpy as np

from qupaint_lib.instruct import conclusions as conclude
from qupaint_lib.instruct import judge
from qupaint_lib.instruct import phrases as say
from qupaint_lib.instruct.facts import (
    HUE_TOLERANCE_DEG,
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
from qupaint_lib.instruct.quantities import MOST_COMPARED

_CLEAR_EDGE = 4.0  # times the noise


_CONTRAST_FORMS = (  # that `statements` reads
    "{r} in red, {g} in green and {b} in blue",
    "{r}, {g} and {b} in red, green and blue",
    "{r} (R), {g} (G) and {b} (B)",
    "R {r}, G {g}, B {b}",
    "{r} for red, {g} for green and {b} for blue",
    "red {r}, green {g} and blue {b}",
    "{r} in the red, {g} in the green and {b} in the blue channel",
    "red: {r}, green: {g}, blue: {b}",
    "{r} in R, {g} in G and {b} in B",
    "{r} in the red, {g} in the green, {b} in the blue",
    "{r} for the red, {g} for the green and {b} for the blue channel",
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


def appearance(facts: Facts, i: int, voice: Voice) -> list[tuple]:
    """Return templates and fields of place and tone, without any physics."""
    found = [(say.PLACE, {"place": place_text(voice, facts, i), "area": area_text(facts, i)})]
    tone = tone_of(facts, i)
    return [*found, (say.TONE, {"tone": tone[0]})] if tone else found


def evidence(
    facts: Facts, i: int, names: dict[int, str], voice: Voice, most: int
) -> tuple[list[tuple], str]:
    """Return templates and fields of at most so much physical evidence, and what it carries.

    That is ``"settled"`` (one layer count), ``"best"`` (one, of a flake too thick to count),
    ``"class"`` (one class), ``"open"``, ``"clipped"``, ``"poor"`` (the count of the annotation fits
    poorly) or ``"label"`` (nothing was compared). The comparison of layer counts stands last: the
    conclusion rests on it.
    """
    about = (facts, i, names, voice)
    fit, carries = _fit(*about)
    core = [e for e in (seen_contrast(*about), _saturated(*about)) if e]
    if core and core[0][0] is say.CONTRAST and (fit is None or voice.number() < 0.3):
        core += filter(None, [_prediction(*about)])
    makers = [_border, *(() if facts.observed.clipped[i].any() else _COLOUR), _visibility]
    others = list(filter(None, (make(*about) for make in voice.shuffled(makers))))
    if not (core or fit or any(e[0] in _OF_COLOUR for e in others)):
        return [], "label"  # nothing was measured that evidence could rest on
    room = max(most - len(core) - (fit is not None), 0)
    first, last = others[:room], [fit] if fit else []
    found = [*core, *first, *last] if core and voice.chance(0.5) else [*first, *core, *last]
    return found, carries


def seen_contrast(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    """Return templates and fields of a flake's contrast."""
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
    if told and (hue is None or voice.number() < 0.65):
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


def _fit(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple[tuple | None, str]:
    """Return how a flake's layer count compares with others, and what follows from that."""
    if facts.layer_counts[i] is None or not judge.judged(facts, i):
        return None, "clipped" if _saturated(facts, i, names, voice) else "label"
    if judge.poor_fit(facts, i):
        return None, "poor"
    count = facts.layer_counts[i]
    carries = "class" if judge.settled_class(facts, i) else "open"
    if judge.looks_alike(facts, i):
        return (conclude.SAME_LOOK, {"m": layer_words(count + 1, voice)}), carries
    rivals = judge.rivals(facts, i)
    if 0 in rivals:
        return (conclude.FAINT, {}), "open"
    own = stated_misfit(facts, i, count)
    if own is None:
        return None, "label"
    if rivals:
        other = min(rivals, key=lambda n: (abs(n - count), n))
        distance = stated_misfit(facts, i, other)
        if distance is None:
            return None, "open"
        return _compared(conclude.RIVAL, count, own, other, distance, voice), carries
    if judge.rivals(facts, i, expected=True):
        return None, "open"
    return _settling(facts, i, own, voice)


def _settling(facts: Facts, i: int, own: float, voice: Voice) -> tuple[tuple | None, str]:
    """Return how much worse the neighbouring layer counts fit than a flake's own."""
    count = facts.layer_counts[i]
    near = {n: stated_misfit(facts, i, n) for n in (count - 1, count + 1) if n >= 1}
    near = {n: distance for n, distance in near.items() if distance is not None}
    if not near:
        return None, "label"
    carries = "settled" if judge.settled(facts, i) else "best"
    if len(near) == 2 and voice.number() < 0.3:
        (k, dk), (m, dm) = near.items()
        words = {"n": _kind(count, voice), "d": f"{own:.1f}"}
        words |= {"k": _kind(k, voice), "dk": f"{dk:.1f}"}
        return (conclude.FIT_BOTH, {**words, "m": _kind(m, voice), "dm": f"{dm:.1f}"}), carries
    m = min(near, key=near.get)
    return _compared(conclude.FIT, count, own, m, near[m], voice), carries


def _compared(
    templates: tuple[str, ...], count: int, own: float, other: int, distance: float, voice: Voice
) -> tuple:
    words = {"n": _kind(count, voice), "d": f"{own:.1f}", "most": str(MOST_COMPARED)}
    return templates, {**words, "m": _kind(other, voice), "dm": f"{distance:.1f}"}


def _kind(count: int, voice: Voice) -> str:
    """Return a layer count as one flake, for sentences with a verb."""
    return a_flake(count, None, voice.pick((0, 1, 4, 7)))


@remembered
def stated_misfit(facts: Facts, i: int, count: int) -> float | None:
    """Return how far a flake is from a layer count, where that is what the model expects."""
    seen, model = facts.misfit(i, count), facts.misfit(i, count, expected=True)
    return seen if abs(seen - model) <= slack("misfit", model) else None


def _border(facts: Facts, i: int, names: dict[int, str], voice: Voice) -> tuple | None:
    near = sorted(facts.neighbors[i])
    if not near and voice.number() < 0.6:  # it says nothing of the thickness
        return None
    if not near and judge.at_border(facts, i):
        return say.CUT, {}
    if not near:  # annotations of a real image may lack flakes
        told = getattr(facts.scene, "quality", "synthetic") == "synthetic"
        return (say.ALONE, {"place": place_text(voice, facts, i)}) if told else None
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
    return voice.say(templates, fields) if voice.number() < 0.5 else ""


_COLOUR = (_seen_delta_e, _seen_shift)
_OF_COLOUR = (say.DELTA_E, say.SHIFT, say.SHIFT_GREY, say.LIGHTNESS)
