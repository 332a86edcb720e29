"""Sentences about the flakes of an image, each of them true of that image."""

from __future__ import annotations

from collections.abc import Sequence

from qupaint_lib.answers import number_word
from qupaint_lib.instruct import conclusions as conclude
from qupaint_lib.instruct import enumeration as lists
from qupaint_lib.instruct import judge
from qupaint_lib.instruct import phrases as say
from qupaint_lib.instruct.evidence import (
    appearance,
    area_text,
    evidence,
    hue_of,
    place_text,
    prediction_fields,
    seen_contrast,
    stated_misfit,
    tone_of,
)
from qupaint_lib.instruct.facts import Facts, sayable
from qupaint_lib.instruct.grammar import Voice
from qupaint_lib.instruct.lexicon import IN_WORDS, a_flake, joined, layers, material_word

_CLASS_NOUNS = {"Mono": "monolayer", "Few": "few-layer", "Thick": "thick", None: ""}
_SHORT_LIST = 4  # candidates beyond which their lines are short
_CONCLUSIONS = {
    "settled": conclude.IDENTIFY,
    "best": conclude.BEST,
    "class": conclude.IN_CLASS,
    "open": conclude.HEDGED,
    "clipped": conclude.BY_LABEL_CLIPPED,
    "poor": conclude.UNSETTLED,
    "label": conclude.BY_LABEL,
    "plain": conclude.IDENTIFY_PLAIN,
}


def candidates(
    facts: Facts, flakes: Sequence[int], voice: Voice, *, pad: bool, bare: bool = False
) -> str:
    """Return the numbered list of flakes: boxes, and what they look like unless `bare`.

    Its header speaks of all flakes only where it holds all of them; long lists have short lines.
    """
    complete, short = len(flakes) == len(facts.flakes), len(flakes) > _SHORT_LIST
    lines = [voice.say(lists.HEADER_ALL if complete else lists.HEADER)]
    for number, i in enumerate(flakes, start=1):
        if bare:
            lines.append(f"{number}. {facts.box_texts[i]}")
            continue
        fields = {"place": place_text(voice, facts, i), "area": area_text(facts, i), "tone": ""}
        tone = tone_of(facts, i) if pad else None
        if tone:
            hue = hue_of(facts, i)
            tint = voice.say(say.HUE_WORDS[hue]) if hue else ""
            words = {"tone": voice.say(say.TONES[tone]), "sub": voice.say(say.SUBSTRATE)}
            words["hue"] = voice.say(lists.CANDIDATE_HUE, {"hue": tint}) if hue else ""
            tail = lists.CANDIDATE_TONE_SHORT if short else lists.CANDIDATE_TONE
            fields["tone"] = voice.say(tail, words)
        line = voice.say(lists.CANDIDATE_SHORT if short else lists.CANDIDATE, fields)
        lines.append(f"{number}. {facts.box_texts[i]}: {line}")
    return "\n".join(lines)


def flake_paragraph(
    facts: Facts, i: int, names: dict[int, str], voice: Voice, *, pad: bool, detail: int = 5
) -> str:
    """Return what can be said of a flake, and the layer count that follows from it.

    Parameters
    ----------
    facts : Facts
        Of the image.
    i : int
        Which flake.
    names : mapping of int to str
        What the flakes are called, such as ``"flake 3"``.
    voice : Voice
        Chooses the words.
    pad : bool
        Physics-aware description; without it, place and appearance alone.
    detail : int, optional
        How many sentences of evidence at most.
    """
    told, carries = evidence(facts, i, names, voice, detail) if pad else ([], "plain")
    if not told:
        told, carries = appearance(facts, i, voice)[:detail], "label" if pad else "plain"
    sentences = []
    for templates, fields in told:
        sentences.append(_about(templates, fields, names[i], voice, first=not sentences))
    words = {"a": a_flake(facts.layer_counts[i], facts.labels[i], voice.pick(range(9)))}
    if carries == "settled" and voice.number() < 0.4:
        joined_on = voice.say(conclude.JOINED, {**words, "f": names[i]})
        return " ".join([*sentences[:-1], f"{sentences[-1][:-1]}{joined_on}."])
    words |= {"group": "", "kind": _CLASS_NOUNS[facts.labels[i]]}
    if carries == "settled" and facts.layer_counts[i] > 1 and voice.number() < 0.3:
        words["group"] = voice.say(conclude.CLASS_GROUP, words)
    sentences.append(_about(_CONCLUSIONS[carries], words, names[i], voice, first=not sentences))
    return " ".join(sentences)


def group_sentence(
    facts: Facts, flakes: Sequence[int], names: dict[int, str], voice: Voice, *, compared: int
) -> str:
    """Return one sentence that names the class of several flakes of the same class.

    `compared` is 0 where they are taken as that, 1 where the light settles it for all of them as it
    did for a flake before, and 2 where it has done so for another group already.
    """
    numbers = [names[i].split()[-1] for i in flakes]
    noun = names[flakes[0]].split()[0]
    if len(flakes) == 1:
        i = flakes[0]
        kind = a_flake(facts.layer_counts[i], facts.labels[i], voice.pick(range(9)))
        templates = (lists.GROUP_ONE, lists.GROUP_ONE_SETTLED, lists.GROUP_ONE_LIKEWISE)[compared]
        return voice.sentence(templates, {"flakes": names[i], "a": kind})
    counts = [facts.layer_counts[i] for i in flakes]
    span = ""
    if all(counts) and min(counts) < max(counts) and not compared and voice.number() < 0.6:
        low, high = (
            number_word(min(counts), largest=IN_WORDS),
            number_word(max(counts), largest=IN_WORDS),
        )
        span = voice.say(lists.SPAN, {"low": low, "high": high})
    kind = _CLASS_NOUNS[facts.labels[flakes[0]]]
    fields = {"flakes": f"{noun}s {joined(numbers)}", "kind": kind, "span": span}
    templates = (lists.GROUP, lists.GROUP_SETTLED, lists.GROUP_LIKEWISE)[compared]
    return voice.sentence(templates, fields)


def material_sentences(facts: Facts, i: int, name: str, voice: Voice) -> list[str]:
    """Return how well a flake fits the material, and which other material comes closest."""
    other, k, distance = judge.nearest_material(facts, facts.layer_counts[i])
    rest = {"other": material_word(other), "k": layers(k), "x": f"{distance:.1f}"}
    templates = conclude.MATERIAL_FAR if judge.material_settled(facts) else conclude.MATERIAL_NEAR
    return [*_fit_sentences(facts, i, name, voice), voice.sentence(templates, rest)]


def oxide_sentences(facts: Facts, i: int, name: str, voice: Voice) -> list[str]:
    """Return how well a flake fits the stated wafer, and what another oxide would change."""
    count = facts.layer_counts[i]
    found = judge.other_oxide(facts, count)
    if found is None:
        return _fit_sentences(facts, i, name, voice)
    rest = {"d2": f"{found[0]:g}", "x": f"{found[1]:.1f}", "n": layers(count)}
    rest["material"] = material_word(facts.material)
    templates = conclude.OXIDE_FAR if judge.oxide_settled(facts) else conclude.OXIDE_NEAR
    return [*_fit_sentences(facts, i, name, voice), voice.sentence(templates, rest)]


def _fit_sentences(facts: Facts, i: int, name: str, voice: Voice) -> list[str]:
    """Return the contrast of a flake, and how far it is from that of its layer count."""
    called = {i: name}
    told = [_about(*seen_contrast(facts, i, called, voice), name, voice, first=True)]
    own = stated_misfit(facts, i, facts.layer_counts[i])
    if own is None:
        return told
    words = {"oxide": oxide_text(facts), "material": material_word(facts.material)}
    words |= {"n": layers(facts.layer_counts[i]), "d": f"{own:.1f}"}
    return [*told, _about(conclude.MATERIAL_FIT, words, name, voice, first=True)]


def setting_sentence(facts: Facts, voice: Voice) -> str:
    """Return what lies on what, and through which objective it is seen."""
    seen = ""
    if facts.scene.magnification:
        m = f"{facts.scene.magnification:g}×"
        seen = voice.pick((f", seen at {m}", f", imaged at {m}", f", taken at {m}", ""))
    fields = {"material": material_word(facts.material), "oxide": oxide_text(facts)}
    return voice.sentence(lists.SETTING, {**fields, "magnification": seen})


def oxide_text(facts: Facts) -> str:
    """Return the dielectric and the wafer, such as ``"90 nm of SiO2 on Si"``."""
    m = facts.scene.microscope
    if not m.oxide_thickness_nm:
        return f"bare {m.substrate}"
    return f"{round(m.oxide_thickness_nm, 1):g} nm of {m.oxide} on {m.substrate}"


def prediction_sentences(facts: Facts, counts: Sequence[int], voice: Voice) -> str:
    """Return what the optical model predicts for some layer counts, one sentence each."""
    counts = [n for n in counts if sayable(facts.predicted(n)[0])]
    fields = [prediction_fields(facts, None, n, voice) for n in counts]
    return " ".join(voice.sentence(say.PREDICTION, words) for words in fields)


def _about(templates, fields: dict[str, str], name: str, voice: Voice, *, first: bool) -> str:
    """Return a sentence that names its flake: by name first, then by pronoun now and then."""
    called = name if first else voice.pick((name, "it", "it", f"this {name.split()[0]}"))
    possessive = "its" if called == "it" else f"{called}'s"
    text = voice.say(templates)
    sub = voice.say(say.SUBSTRATE) if "{sub}" in text else ""
    text = text.format_map({**fields, "f": called, "fs": possessive, "sub": sub})
    if first and name not in text:
        text = f"{voice.say(say.OPENING)} {name}, {text}"
    return voice.sentence("{text}", {"text": text})
