"""Dialogues about an image: the records of QMat-Instruct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qupaint_lib.annotations import FEW_MAX
from qupaint_lib.answers import MAX_BOXES
from qupaint_lib.answers.boxes import Box
from qupaint_lib.errors import ArgumentError, UnknownNameError
from qupaint_lib.instruct import judge
from qupaint_lib.instruct import questions as ask
from qupaint_lib.instruct.draft import Context, Draft, name_flakes, write
from qupaint_lib.instruct.facts import Facts, facts_of
from qupaint_lib.instruct.grammar import Voice
from qupaint_lib.instruct.lexicon import a_flake
from qupaint_lib.instruct.scene import QUALITIES
from qupaint_lib.instruct.tasks import TASKS, count

TASK_NAMES: tuple[str, ...] = (*TASKS, "dialogue")
FORMS, STYLES = ("full", "short", "mixed"), ("varied", "terse", "plain")
_LEAST_TOKENS = 256
_WHY_SETTLED = 0.8  # how often it is asked why of a flake whose count the light settles
_TOKENS_PER_FLAKE = 64  # in the candidates and in the conclusion together


@dataclass(frozen=True)
class Dialogue:
    """A dialogue about one image.

    Attributes
    ----------
    task : str
        One of `TASK_NAMES`.
    turns : tuple of (str, str)
        Questions and answers; a single one except for the task ``"dialogue"``.
    form : str
        ``"full"`` with candidates, reasoning and conclusion, or ``"short"``.
    pad : bool
        Whether it has physics-aware descriptions.
    material : str
        Material of the flakes.
    quality : str
        Of the annotation: ``"synthetic"``, ``"verified"`` or ``"weak"``.
    boxes : tuple of (float, float, float, float)
        That the conclusions commit to, in percent.
    labels, layer_counts : tuples
        What is in them.
    """

    task: str
    turns: tuple[tuple[str, str], ...]
    form: str
    pad: bool
    material: str
    quality: str
    boxes: tuple[Box, ...]
    labels: tuple[str | None, ...]
    layer_counts: tuple[int | None, ...]

    @property
    def question(self) -> str:
        """The first question."""
        return self.turns[0][0]

    @property
    def answer(self) -> str:
        """The answer to the first question."""
        return self.turns[0][1]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat as the templates of transformers take it; the image is in the first message."""
        messages: list[dict[str, Any]] = []
        for question, answer in self.turns:
            image = [] if messages else [{"type": "image"}]
            text = [{"type": "text", "text": question}]
            messages.append({"role": "user", "content": image + text})
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        return messages


def make_dialogues(
    scene: Any,
    image: np.ndarray | None,
    rng: np.random.Generator,
    *,
    tasks: Sequence[str] = TASK_NAMES,
    pad: bool = True,
    form: str = "full",
    style: str = "varied",
    max_tokens: int = 2048,
    max_boxes: int = 24,
    few_max: int = FEW_MAX,
) -> list[Dialogue]:
    """Return dialogues about an image, one per task, every statement of them true of it.

    Tasks that an image gives no occasion for are left out: no terraces without crystals, no
    referring expression where none is unambiguous.

    Parameters
    ----------
    scene : Scene, AnnotatedImage or Facts
        `shape`, `material`, `microscope`, `flakes` and `magnification` are used. Facts bring their
        image, measured already where they have been used before.
    image : (H, W, 3) uint8 array or None
        The scene's image. None speaks of what the optical model expects, as if it were seen.
    rng : numpy.random.Generator
        Chooses flakes and words: the same state gives the same dialogues.
    tasks : sequence of str, optional
        Of `TASK_NAMES`; repeat one to get several.
    pad : bool, optional
        Physics-aware descriptions (Table 5 of the paper ablates them). Without them the reasoning
        tells places and sizes, and what is darker or brighter.
    form : {"full", "short", "mixed"}, optional
        Candidates, reasoning and conclusion, or the conclusion alone, or either.
    style : {"varied", "terse", "plain"}, optional
        ``"terse"`` varies the questions and answers in one way, for models too small for many.
        ``"plain"`` says everything in one way: the baseline for `wording`.
    max_tokens : int, optional
        Of an answer, as `count_tokens` counts; at least 256. Explanations are left out first, then
        flakes, the smallest first, and the answer says so.
    max_boxes : int, optional
        Of a list.
    few_max : int, optional
        The most layers that are still *few*.

    Raises
    ------
    UnknownNameError
        No such task, form or style.
    ImageError, ArgumentError
        An image of another kind or shape than the scene, a flake without pixels, a budget too
        small.
    """
    for task in tasks:
        if task not in TASK_NAMES:
            raise UnknownNameError("tasks", task, TASK_NAMES)
    for name, value, known in (("form", form, FORMS), ("style", style, STYLES)):
        if value not in known:
            raise UnknownNameError(name, value, known)
    if max_tokens < _LEAST_TOKENS:
        raise ArgumentError("max_tokens", max_tokens, f"at least {_LEAST_TOKENS}")
    if max_boxes < 1:
        raise ArgumentError("max_boxes", max_boxes, "at least 1")
    facts, voice = (
        facts_of(scene, image, few_max),
        Voice(rng, plain=style == "plain", terse=style == "terse"),
    )
    fitting = (max_tokens - _LEAST_TOKENS // 2) // _TOKENS_PER_FLAKE
    found = []
    for task in tasks:
        full = form == "full" or (form == "mixed" and voice.number() < 0.5)
        context = Context(facts, voice, pad, full, max_tokens, max(min(max_boxes, fitting), 1))
        turns = _turns(task, context)
        if turns:
            found.append(_record(task, turns, context))
    return found


def _turns(task: str, context: Context) -> list[tuple[str, Draft]]:
    if task == "dialogue":
        return _several_turns(context)
    made = TASKS[task](context)
    return [made] if made else []


def _several_turns(context: Context) -> list[tuple[str, Draft]]:
    """Return a dialogue that counts, then asks for monolayers, then for a reason."""
    facts, voice = context.facts, context.voice
    question, draft = count(context)
    names = name_flakes(draft.listed, voice)
    turns = [(question, replace(draft, names=names))]
    if not draft.listed:
        return turns
    _, monolayers = TASKS["localise_monolayers"](context)
    turns.append((voice.say(ask.WHICH_MONO), replace(monolayers, short=True)))
    known = [i for i in draft.listed if facts.layer_counts[i]]
    settled = [i for i in known if judge.settled(facts, i)]
    if context.full and known:
        i = voice.pick(settled if settled and voice.number() < _WHY_SETTLED else known)
        a = a_flake(facts.layer_counts[i], facts.labels[i])
        told = "is" if judge.settled(facts, i) else "is taken as"
        noun, number = names[i].split()
        asked = voice.say(ask.WHY, {"noun": noun, "number": number, "a": a})
        turns.append(
            (asked, Draft(f"{names[i].capitalize()} {told} {a}:", [i], (), [i], (), names))
        )
    return turns


def _record(task: str, turns: Sequence[tuple[str, Draft]], context: Context) -> Dialogue:
    facts = context.facts
    committed = [i for _, draft in turns for i in _differing(draft.commit, facts)]
    return Dialogue(
        task,
        tuple((question, write(draft, context)) for question, draft in turns),
        "full" if context.full else "short",
        context.pad,
        facts.material,
        getattr(facts.scene, "quality", QUALITIES[0]),
        boxes=tuple(facts.read_boxes[i] for i in committed),
        labels=tuple(facts.labels[i] for i in committed),
        layer_counts=tuple(facts.layer_counts[i] for i in committed),
    )


def _differing(flakes: Sequence[int], facts: Facts) -> list[int]:
    """Return flakes as `parse_answer` reads them: of those with the same box, the first."""
    first = {facts.read_boxes[i]: i for i in reversed(flakes)}
    return [i for i in flakes if first[facts.read_boxes[i]] == i][:MAX_BOXES]
