"""One function per task: from the facts of an image to a question and the draft of its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.answers import number_word
from qupaint_lib.instruct import conclusions as conclude
from qupaint_lib.instruct import describe, evidence, judge
from qupaint_lib.instruct import questions as ask
from qupaint_lib.instruct.draft import Context, Draft
from qupaint_lib.instruct.facts import slack
from qupaint_lib.instruct.lexicon import IN_WORDS, a_flake, joined, layers, material_word
from qupaint_lib.instruct.refer import anchor_of, expression_for

Turn = tuple[str, Draft]

_KINDS = {"Mono": "monolayer", "Few": "few-layer", "Thick": "thick"}
_XYWH = {"xywh": "[x,y,w,h]"}  # as the release spells it; brackets hold alternatives here
_EXPLAINED = 3  # flakes that a reasoning explains one by one
_MANY, _EXPLAINED_OF_MANY = 5, 2  # of more flakes than this, so many


def count(context: Context) -> Turn:
    """How many flakes, in all and of each class."""
    facts, voice = context.facts, context.voice
    listed = context.by_size[: context.max_boxes]
    total = len(facts.flakes)
    if not total:
        draft = Draft(voice.say(ask.NONE, {"one": "flake"}), before=[_empty(context)])
        return voice.say(ask.COUNT), draft
    kinds = [(label, len(facts.of(label))) for label in LAYER_CLASSES]
    largest = IN_WORDS if total <= IN_WORDS else 0  # words and digits do not mix
    words = [f"{number_word(n, largest=largest)} {_KINDS[label]}" for label, n in kinds if n]
    parts = _counted(total, "flake")
    if len(words) > 1 and all(facts.labels):
        ends = "flake" if [n for _, n in kinds if n][-1] == 1 else "flakes"
        parts += f", {joined(words)} {ends}" if voice.chance(0.5) else f": {joined(words)} {ends}"
        statement = voice.sentence(ask.TOTAL[:1], {"parts": parts})
    else:
        statement = voice.sentence(ask.TOTAL if total > 1 else ask.TOTAL_ONE, {"parts": parts})
    return voice.say(ask.COUNT), Draft(
        statement, listed=listed, explain=_varied(context, listed), before=_setting(context)
    )


def count_class(context: Context) -> Turn:
    """How many flakes of one class."""
    facts, voice = context.facts, context.voice
    label = voice.pick(LAYER_CLASSES)
    found, kind = facts.of(label), _KINDS[label]
    question = voice.say(ask.COUNT_CLASS, {"kind": kind})
    if not found:
        return question, _absent(context, label, voice.sentence(ask.NONE, {"one": _one(kind)}))
    parts = _counted(len(found), kind, plain_noun=False)
    templates = ask.TOTAL if len(found) > 1 else ask.TOTAL_ONE
    return question, _about(
        context, found, voice.sentence(templates, {"parts": parts}), commit=False
    )


def localise(context: Context) -> Turn:
    """Boxes of all flakes."""
    facts, voice = context.facts, context.voice
    question = voice.say(ask.LOCALISE, _XYWH)
    listed = context.by_size[: context.max_boxes]
    if not listed:
        draft = Draft(voice.say(ask.NONE, {"one": "flake"}), before=[_empty(context)])
        return question, draft
    statement = _listing(context, len(facts.flakes), len(listed), "flake", plain_noun=True)
    explain = _varied(context, listed)
    return question, Draft(statement, listed, listed, explain, _setting(context))


def localise_monolayers(context: Context) -> Turn:
    """Boxes of the monolayers, or the statement that there are none."""
    return _localise_class(context, "Mono", context.voice.say(ask.LOCALISE_MONO, _XYWH))


def localise_layer(context: Context) -> Turn:
    """Boxes of the flakes of one layer count or class, present or not."""
    facts, voice = context.facts, context.voice
    present = sorted({n for n in facts.layer_counts if n and 2 <= n <= 8})
    choices = [*present, 2, 3] if present else [2, 3]
    if voice.chance(0.5):
        n = voice.pick(choices)
        kind = {2: "bilayer", 3: "trilayer"}.get(n, f"{n}-layer")
        question = voice.say(ask.LOCALISE_CLASS, {"kind": kind})
        found = facts.of(layer_count=n)
        if not found:
            return question, _absent(
                context, None, voice.sentence(ask.NONE, {"one": _one(kind)}), layer_count=n
            )
        return question, _about(context, found, "", kind=kind)
    label = voice.pick(LAYER_CLASSES[1:])
    return _localise_class(context, label, voice.say(ask.LOCALISE_CLASS, {"kind": _KINDS[label]}))


def refer(context: Context) -> Turn | None:
    """The box of the flake that an expression describes."""
    facts, voice = context.facts, context.voice
    for i in voice.shuffled(range(len(facts.flakes)))[:4]:
        expression = expression_for(facts, i, voice.asking)
        if expression is None:
            continue
        listed, before = [i], []
        relation, anchor = anchor_of(expression, facts)
        if anchor is not None:
            listed = voice.shuffled([i, anchor])
            if relation in ("left of", "right of", "above", "below"):
                words = {"f": f"{{f{i}}}", "g": f"{{f{anchor}}}", "relation": relation}
                before = [voice.sentence(ask.BESIDE, words)]
        question = voice.say(ask.REFER, {"expression": expression})
        draft = Draft(voice.say(ask.FOUND), [i], listed, [i], before)
        return question, draft
    return None


def verify_class(context: Context) -> Turn:
    """Yes or no: is there a flake of a class, or is this one of it?"""
    facts, voice = context.facts, context.voice
    wanted = voice.chance(0.5)
    options = [label for label in LAYER_CLASSES if bool(facts.of(label)) == wanted]
    known = [i for i in range(len(facts.flakes)) if facts.labels[i]]
    if known and (not options or voice.chance(0.5)):
        return _is_it(context, voice.pick(known), wanted)
    label = voice.pick(options or LAYER_CLASSES)
    found, kind = facts.of(label), _KINDS[label]
    question = voice.say(ask.EXISTS, {"a": f"a {_one(kind)}"})
    if not found:
        return question, _absent(context, label, voice.say(ask.NO_EXISTS, {"one": _one(kind)}))
    some = sorted(found, key=lambda i: -facts.areas[i])[: min(context.max_boxes, 3)]
    statement = voice.say(ask.YES_EXISTS, {"one": _one(kind)})
    return question, Draft(statement, some, some, some[:2], _setting(context))


def layer(context: Context) -> Turn | None:
    """The layer count of a given box."""
    facts, voice = context.facts, context.voice
    known = [i for i in range(len(facts.flakes)) if facts.labels[i]]
    if not known:
        return None
    i = voice.pick(known)
    question = voice.say(ask.LAYERS, {"box": facts.box_texts[i]})
    a = a_flake(facts.layer_counts[i], facts.labels[i], voice.pick((0, 1)))
    if facts.layer_counts[i] is None:
        statement = voice.say(ask.IS_CLASS, {"a": a})
    else:
        told = ask.HAS_LAYERS if judge.settled(facts, i) else ask.HAS_LAYERS_OPEN
        statement = voice.say(told, {"n": layers(facts.layer_counts[i]), "a": a})
    return question, Draft(statement, [i], [i], [i])


def terraces(context: Context) -> Turn | None:
    """The terraces of a crystal, from thin to thick."""
    facts, voice = context.facts, context.voice
    crystals = [c for c in facts.crystals.values() if all(facts.layer_counts[i] for i in c)]
    stepped = [c for c in crystals if 1 < len(c) <= context.max_boxes]
    if not (stepped or crystals) or (not stepped and voice.chance(0.6)):
        return None
    members = voice.pick(stepped if stepped and not voice.chance(0.15) else crystals)
    members = sorted(members, key=lambda i: (facts.layer_counts[i], -facts.areas[i]))
    if len(members) > context.max_boxes:
        return None
    question = voice.say(ask.TERRACES, {"box": facts.box_texts[voice.pick(members)]})
    if len(members) == 1:
        return question, Draft(voice.say(ask.ONE_TERRACE), members, members, members)
    statement = voice.sentence(ask.HAS_TERRACES, {"k": number_word(len(members), largest=IN_WORDS)})
    return question, Draft(statement, members, members, members[:_EXPLAINED])


def contrast(context: Context) -> Turn | None:
    """How the flakes differ from the substrate."""
    facts, voice = context.facts, context.voice
    if not facts.flakes:
        return None
    listed = context.by_size[: context.max_boxes]
    statement, commit = _range(context)
    question = voice.say(ask.CONTRAST)
    explain = _varied(context, listed)
    return question, Draft(statement, commit, listed, explain, _setting(context))


def _range(context: Context) -> tuple[str, list[int]]:
    """Return over which ΔE the flakes range, or that of the largest where not all are known."""
    facts, voice = context.facts, context.voice
    seen, model = facts.observed.delta_e, facts.expected.delta_e
    ends = list(zip((seen.min(), seen.max()), (model.min(), model.max()), strict=True))
    tones = {(evidence.tone_of(facts, i) or ("",))[0] for i in range(len(facts.flakes))}
    alike = len(tones) == 1 and "" not in tones and len(facts.flakes) > 1
    words = {"tone": next(iter(tones))}
    if all(abs(a - b) <= slack("delta_e", b) for a, b in ends):
        words |= {"low": f"{ends[0][0]:.1f}", "high": f"{ends[1][0]:.1f}"}
        one = ask.RANGE_ONE if len(facts.flakes) == 1 else ask.RANGE
        return voice.say(ask.RANGE_TONE if alike else one, words), []
    if alike:
        return voice.say(ask.ALL_TONE, words), []
    known = [i for i in context.by_size if abs(seen[i] - model[i]) <= slack("delta_e", model[i])]
    if known:
        return voice.say(ask.RANGE_KNOWN, {"de": f"{seen[known[0]]:.1f}"}), known[:1]
    parts = _counted(len(facts.flakes), "flake")
    return voice.sentence(
        ask.TOTAL if len(facts.flakes) > 1 else ask.TOTAL_ONE, {"parts": parts}
    ), []


def material(context: Context) -> Turn:
    """What the flakes are made of, and whether the light tells."""
    facts, voice = context.facts, context.voice
    told = ask.MATERIAL_IS if judge.material_settled(facts) else ask.MATERIAL_TAKEN
    statement = voice.say(told, {"material": material_word(facts.material)})
    draft = _with_evidence(context, statement, "material", describe.material_sentences)
    return voice.say(ask.MATERIAL), draft


def substrate(context: Context) -> Turn:
    """What the flakes lie on, and whether the light tells."""
    facts, voice = context.facts, context.voice
    told = ask.SUBSTRATE_IS if judge.oxide_settled(facts) else ask.SUBSTRATE_TAKEN
    statement = voice.say(told, {"oxide": describe.oxide_text(facts)})
    draft = _with_evidence(context, statement, "stack", describe.oxide_sentences)
    return voice.say(ask.SUBSTRATE), draft


def _with_evidence(context: Context, statement: str, what: str, sentences: Callable) -> Draft:
    """Return a draft that holds a statement against the most telling flake and an alternative."""
    facts, voice, i = context.facts, context.voice, judge.telling_flake(context.facts)
    if not context.pad:
        return Draft(statement)
    if i is None:
        return Draft(statement, before=[voice.sentence(conclude.LIGHT_UNTOLD, {"what": what})])
    return Draft(statement, (), [i], (), sentences(facts, i, f"{{f{i}}}", voice), rest=False)


def _is_it(context: Context, i: int, yes: bool) -> Turn:
    facts, voice = context.facts, context.voice
    true, n = facts.labels[i], facts.layer_counts[i]
    true_a = a_flake(n, true, 0)
    if yes and n in (1, 2, 3) and voice.chance(0.5):
        a = true_a
    else:
        label = true if yes else voice.pick([c for c in LAYER_CLASSES if c != true])
        a = f"a {_one(_KINDS[label])}"
    question = voice.say(ask.IS_IT, {"box": facts.box_texts[i], "a": a})
    told = (ask.YES_IS, ask.NO_IS) if judge.settled(facts, i) else (ask.YES_IS_OPEN, ask.NO_IS_OPEN)
    statement = voice.say(told[not yes], {"a": a, "true": true_a})
    return question, Draft(statement, [i], [i], [i])


def _localise_class(context: Context, label: str, question: str) -> Turn:
    found = context.facts.of(label)
    if not found:
        statement = context.voice.sentence(ask.NONE, {"one": _one(_KINDS[label])})
        return question, _absent(context, label, statement)
    return question, _about(context, found, "", kind=_KINDS[label])


def _about(
    context: Context, found: Sequence[int], statement: str, *, kind: str = "", commit: bool = True
) -> Draft:
    """Return a draft on the flakes of a class, beside some others that were looked at."""
    facts = context.facts
    found = sorted(found, key=lambda i: -facts.areas[i])[: context.max_boxes]
    if not statement:
        label, n = facts.labels[found[0]], facts.layer_counts[found[0]]
        total = len(facts.of(label) if kind in _KINDS.values() else facts.of(layer_count=n))
        statement = _listing(context, total, len(found), kind, plain_noun=False)
    room = max(min(context.max_boxes, 12) - len(found), 0)
    others = [i for i in context.by_size if i not in found][:room]
    listed = sorted([*found, *others], key=lambda i: -facts.areas[i])
    explain = found[:_EXPLAINED_OF_MANY] if len(listed) > _MANY else found[:_EXPLAINED]
    explain = [*explain, *others[:1]]
    return Draft(statement, found if commit else (), listed, explain, _setting(context))


def _absent(
    context: Context, label: str | None, statement: str, *, layer_count: int | None = None
) -> Draft:
    """Return a draft that says why there is none: what it would look like, and what there is."""
    facts, voice = context.facts, context.voice
    if not facts.flakes:
        return Draft(statement, before=[_empty(context)])
    listed = context.by_size[: min(context.max_boxes, 12)]
    before = []
    count = layer_count or (1 if label == "Mono" else None)
    if context.pad and count:
        before.append(describe.prediction_sentences(facts, [count], voice))
    known = all(facts.layer_counts)
    thin = (
        min(range(len(facts.flakes)), key=lambda i: facts.layer_counts[i] or 0) if known else None
    )
    if label == "Mono" and thin in listed:
        words = {"f": f"{{f{thin}}}", "n": layers(facts.layer_counts[thin])}
        before.append(
            voice.sentence(ask.THIN if judge.settled(facts, thin) else ask.THIN_OPEN, words)
        )
    explain = [thin] if thin in listed else listed[:1]
    return Draft(
        statement, (), listed, [*explain, *[i for i in listed if i not in explain][:1]], before
    )


def _listing(context: Context, total: int, shown: int, kind: str, *, plain_noun: bool) -> str:
    """Return the line over a list of boxes; it says so where only the largest are listed."""
    voice = context.voice
    counted = _counted(total, kind, plain_noun=plain_noun)
    if shown < total:
        words = {"count": counted, "the_count": f"the {counted}", "k": str(shown)}
        return voice.sentence(ask.LARGEST, words)
    templates = (ask.LISTED_ONE, ask.LISTED_TWO, ask.LISTED)[min(total, 3) - 1]
    return voice.sentence(templates, {"count": counted})


def _empty(context: Context) -> str:
    """Return that there is no flake; debris that the scene knows of is not called substrate."""
    debris = getattr(context.facts.scene, "debris", ())
    return context.voice.say(ask.EMPTY_DEBRIS if debris else ask.EMPTY)


def _counted(number: int, kind: str, *, plain_noun: bool = True) -> str:
    """Return such as ``"three flakes"`` or ``"one monolayer flake"``."""
    noun = kind if plain_noun else f"{kind} flake"
    return f"{number_word(number, largest=IN_WORDS)} {noun}{'' if number == 1 else 's'}"


def _one(kind: str) -> str:
    return kind if kind.endswith("layer") and "-" not in kind else f"{kind} flake"


def _setting(context: Context) -> list[str]:
    """Return what lies on what, where physics may be spoken of."""
    if not context.pad or context.voice.number() < 0.4:
        return []
    return [describe.setting_sentence(context.facts, context.voice)]


def _varied(context: Context, listed: Sequence[int], most: int = _EXPLAINED) -> list[int]:
    """Return some of the listed flakes, one of each class first."""
    order = context.voice.shuffled(listed)
    firsts = [next((i for i in order if context.facts.labels[i] == c), None) for c in LAYER_CLASSES]
    firsts = [i for i in firsts if i is not None]
    most = min(most, _EXPLAINED_OF_MANY) if len(listed) > _MANY else most
    return [*firsts, *[i for i in order if i not in firsts and context.facts.labels[i]]][:most]


TASKS: dict[str, Callable[[Context], Turn | None]] = {
    "count": count,
    "count_class": count_class,
    "localise": localise,
    "localise_monolayers": localise_monolayers,
    "localise_layer": localise_layer,
    "refer": refer,
    "verify": verify_class,
    "layer": layer,
    "terraces": terraces,
    "contrast": contrast,
    "material": material,
    "substrate": substrate,
}
