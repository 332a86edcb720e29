"""Putting an answer together: which flakes are listed, which are explained, within the budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from qupaint_lib.annotations import LAYER_CLASSES
from qupaint_lib.answers import format_answer
from qupaint_lib.instruct import describe, judge
from qupaint_lib.instruct.facts import Facts
from qupaint_lib.instruct.grammar import Voice, capitalised

_TOKEN = re.compile(r"</?box>|</?CONCLUSION>|[A-Za-z]{1,8}|[0-9]|[^\sA-Za-z0-9]")
_BARE_LIST = 11  # from as many candidates on their lines hold the box alone
_MORE_DETAIL = 0.3  # how often a flake's paragraph has a sentence more
_NOUNS = ("flake", "candidate", "region", "area")


@lru_cache(maxsize=64)  # of one answer: the same parts are counted again
def count_tokens(text: str) -> int:
    """Return about how many tokens a text has: words of at most 8 letters, single digits, signs.

    A tokenizer that keeps digits apart needs about as many; one that joins them, fewer.
    """
    return len(_TOKEN.findall(text))


@dataclass(frozen=True, eq=False)
class Context:
    """What every task needs: facts, words, switches and budget."""

    facts: Facts
    voice: Voice
    pad: bool
    full: bool
    max_tokens: int
    max_boxes: int

    @property
    def by_size(self) -> list[int]:
        """All flakes, largest first."""
        return sorted(range(len(self.facts.flakes)), key=lambda i: -self.facts.areas[i])


@dataclass(frozen=True)
class Draft:
    """An answer before it is written.

    Attributes
    ----------
    statement : str
        First line of the conclusion.
    commit : sequence of int
        Flakes whose boxes the conclusion holds.
    listed : sequence of int
        Flakes that the candidates hold.
    explain : sequence of int
        Flakes that the reasoning explains, the most important first.
    before : sequence of str
        Sentences of the reasoning that come first; ``{f3}`` stands for what flake 3 is called.
    names : dict of int to str
        What flakes are called already, from an earlier answer.
    short : bool
        Write the conclusion alone, whatever the context says.
    rest : bool
        Name the class of the listed flakes that are not explained.
    """

    statement: str
    commit: Sequence[int] = ()
    listed: Sequence[int] = ()
    explain: Sequence[int] = ()
    before: Sequence[str] = ()
    names: dict[int, str] = field(default_factory=dict)
    short: bool = False
    rest: bool = True


def write(draft: Draft, context: Context) -> str:
    """Return the answer of a draft; explanations are left out until it is within the budget."""
    facts, statement = context.facts, draft.statement
    boxes = [facts.boxes[i] for i in draft.commit]
    counts = [facts.layer_counts[i] for i in draft.commit]
    labels = [facts.labels[i] for i in draft.commit]
    if draft.short or not context.full:
        return format_answer(statement, boxes, counts, labels, tags=False)
    names = draft.names or name_flakes(draft.listed, context.voice)
    tail = format_answer(statement, boxes, counts, labels)
    listing = _candidates(draft.listed, context, context.max_tokens - count_tokens(tail))
    left = context.max_tokens - count_tokens(listing) - count_tokens(tail)
    reasoning = _reasoning(draft, names, context, left)
    return "\n\n".join(part for part in (listing, reasoning, tail) if part)


def name_flakes(listed: Sequence[int], voice: Voice) -> dict[int, str]:
    """Return what listed flakes are called, such as ``"flake 1"``."""
    noun = voice.pick(_NOUNS)
    return {i: f"{noun} {number}" for number, i in enumerate(listed, start=1)}


def _candidates(listed: Sequence[int], context: Context, room: int) -> str:
    """Return the list of candidates, of boxes alone where there are many or room is short."""
    if not listed:
        return ""
    facts, voice, pad = context.facts, context.voice, context.pad
    text = describe.candidates(facts, listed, voice, pad=pad, bare=len(listed) >= _BARE_LIST)
    if count_tokens(text) > 0.6 * room:
        text = describe.candidates(facts, listed, voice, pad=pad, bare=True)
    return text if count_tokens(text) <= room else ""


def _reasoning(draft: Draft, names: dict[int, str], context: Context, left: int) -> str:
    """Return the reasoning: what comes first, a paragraph per flake, the others by class."""
    facts, voice, pad = context.facts, context.voice, context.pad
    called = {f"f{i}": name for i, name in names.items()}
    before = [text.format_map(called) for text in draft.before if text]
    parts = [" ".join(capitalised(text) for text in before)] if before else []
    left -= sum(count_tokens(part) for part in parts)
    explained = []
    for i in draft.explain:
        detail = 2 + (voice.number() < _MORE_DETAIL)
        paragraph = describe.flake_paragraph(facts, i, names, voice, pad=pad, detail=detail)
        left -= count_tokens(paragraph)
        if left < 0:
            break
        parts.append(paragraph)
        explained.append(i)
    lines, before = [], 0
    for group, compared in _groups(draft, explained, context) if draft.rest else ():
        before = compared and before + 1
        line = describe.group_sentence(facts, group, names, voice, compared=min(before, 2))
        left -= count_tokens(line)
        if left >= 0:
            lines.append(line)
    return "\n".join([*filter(None, parts), *([" ".join(lines)] if lines else [])])


def _groups(
    draft: Draft, explained: Sequence[int], context: Context
) -> list[tuple[list[int], bool]]:
    """Return the other listed flakes by class, and whether the light settles that class.

    It is said to do so only after a flake whose layer counts were compared. What the conclusion
    lists by class anyway is not said twice.
    """
    facts = context.facts
    shown = context.pad and any(judge.settled(facts, i) for i in explained)
    others = [i for i in draft.listed if i not in explained and facts.labels[i]]
    groups = []
    for label in LAYER_CLASSES:
        of_class = [i for i in others if facts.labels[i] == label]
        told = {i: shown and judge.settled_class(facts, i) for i in of_class}
        for compared in (True, False):
            group = [i for i in of_class if told[i] == compared]
            if len(group) == 1 and compared and not judge.settled(facts, group[0]):
                compared = False
            if group and (compared or not set(group) <= set(draft.commit)):
                groups.append((group, compared))
    return groups
