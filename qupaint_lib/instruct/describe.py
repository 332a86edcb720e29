"""Sentences about the flakes of an image, each of them true of that image."""

from __future__ import annotations

from collections.abc import Sequence

from qupaint_lib.answers import number_word
from qupaint_lib.instruct import enumeration as lists
from qupaint_lib.instruct import phrases as say
from qupaint_lib.instruct.evidence import (
    appearance,
    area_text,
    evidence,
    hue_of,
    looks_alike,
    place_text,
    poor_fit,
    prediction_fields,
    tone_of,
)
from qupaint_lib.instruct.facts import Facts, sayable
from qupaint_lib.instruct.grammar import Voice
from qupaint_lib.instruct.lexicon import a_flake, joined, material_word

_CLASS_NOUNS = {"Mono": "monolayer", "Few": "few-layer", "Thick": "thick"}


def candidates(
    facts: Facts, flakes: Sequence[int], voice: Voice, *, pad: bool, bare: bool = False
) -> str:
    """Return the numbered list of flakes: boxes, and what they look like unless `bare`."""
    lines = [voice.say(lists.HEADER)]
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
            fields["tone"] = voice.say(lists.CANDIDATE_TONE, words)
        lines.append(f"{number}. {facts.box_texts[i]}: {voice.say(lists.CANDIDATE, fields)}")
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
    told = evidence(facts, i, names, voice, detail) if pad else []
    pad = bool(told)
    told = told or appearance(facts, i, voice)
    sentences = []
    for templates, fields in told[:detail]:
        sentences.append(_about(templates, fields, names[i], voice, first=not sentences))
    kind = a_flake(facts.layer_counts[i], facts.labels[i], voice.pick(range(9)))
    identify = say.IDENTIFY if pad else say.IDENTIFY_PLAIN
    if pad and poor_fit(facts, i):
        identify = say.UNSETTLED
    elif pad and looks_alike(facts, i):
        identify = say.HEDGED
    words = {"a": kind, "group": _group(facts, i, voice, pad)}
    sentences.append(_about(identify, words, names[i], voice, first=not sentences))
    return " ".join(sentences)


def _group(facts: Facts, i: int, voice: Voice, pad: bool) -> str:
    """Return the class that a layer count belongs to, or nothing."""
    if facts.layer_counts[i] is None or not voice.chance(0.5):
        return ""
    if facts.layer_counts[i] == 1:
        material = material_word(facts.material)
        return voice.say(say.ONE_SHEET, {"material": material}) if pad else ""
    return voice.say(say.CLASS_GROUP, {"kind": _CLASS_NOUNS[facts.labels[i]]})


def group_sentence(facts: Facts, flakes: Sequence[int], names: dict[int, str], voice: Voice) -> str:
    """Return one sentence that names the class of several flakes of the same class."""
    numbers = [names[i].split()[-1] for i in flakes]
    noun = names[flakes[0]].split()[0]
    if len(flakes) == 1:
        i = flakes[0]
        kind = a_flake(facts.layer_counts[i], facts.labels[i], voice.pick(range(9)))
        return voice.sentence(lists.GROUP_ONE, {"flakes": names[i], "a": kind})
    counts = [facts.layer_counts[i] for i in flakes]
    span = ""
    if all(counts) and min(counts) < max(counts) and voice.chance(0.6):
        low, high = number_word(min(counts), largest=10), number_word(max(counts), largest=10)
        span = voice.say(lists.SPAN, {"low": low, "high": high})
    kind = _CLASS_NOUNS[facts.labels[flakes[0]]]
    fields = {"flakes": f"{noun}s {joined(numbers)}", "kind": kind, "span": span}
    return voice.sentence(lists.GROUP, fields)


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
