"""Checking an answer against the scene, statement by statement."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qupaint_lib.annotations import FEW_MAX
from qupaint_lib.answers import count_mentions, find_boxes, format_box, layer_mentions
from qupaint_lib.errors import ArgumentError
from qupaint_lib.instruct.checks import CHECKS, Outcome, check_box, names_of_materials
from qupaint_lib.instruct.facts import Facts, facts_of
from qupaint_lib.instruct.fit_checks import FIT_CHECKS
from qupaint_lib.instruct.patterns import CLOSEST, REFERENCE, SENTENCE
from qupaint_lib.instruct.refer import resolve
from qupaint_lib.instruct.statements import Statement, read_answer, read_statements

_CHECKS = CHECKS | FIT_CHECKS
MIN_IOU = 0.5
MOST_CHARACTERS = 20_000  # of an answer that are read

_YES = re.compile(r"[\s\W]{0,8}(?P<word>yes|no)(?!\w)", re.IGNORECASE)
_EXPRESSION_ASKED = re.compile(
    r"\bthe\b.*\?|^(?:locate|find|point|give|mark|box|show)\b", re.I | re.S
)
_NO_NOUN = re.compile(r"[\s\W]{0,8}no \w", re.IGNORECASE)
_LARGEST_OF = re.compile(r"\b(?P<number>[0-9]{1,5}|[a-z]{3,8}) largest of\b", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """A statement, and whether it holds.

    Attributes
    ----------
    text : str
        The sentence that makes it.
    kind : str
        What it is about: ``"box"``, ``"class"``, ``"count"``, ``"contrast"``, ``"delta_e"`` …
    stated, true : object
        What the text says, and what is so.
    tolerance : float or None
        How far the two may be apart, where they are numbers.
    status : str
        ``"confirmed"``, ``"contradicted"`` or ``"untestable"``.
    """

    text: str
    kind: str
    stated: object
    true: object
    tolerance: float | None
    status: str


@dataclass(frozen=True)
class Verification:
    """What an answer claims, claim by claim."""

    claims: tuple[Claim, ...]

    @property
    def ok(self) -> bool:
        """Whether there is something to check, and all of it holds."""
        return bool(self.claims) and all(c.status == "confirmed" for c in self.claims)

    @property
    def wrong(self) -> tuple[Claim, ...]:
        """The claims that do not hold or cannot be tested."""
        return tuple(c for c in self.claims if c.status != "confirmed")


def verify(
    answer: Any,
    scene: Any,
    *,
    image: np.ndarray | None = None,
    question: str = "",
    min_iou: float = MIN_IOU,
    few_max: int = FEW_MAX,
) -> Verification:
    """Check every statement of an answer against a scene.

    Parameters
    ----------
    answer : str or Dialogue
        Any text, or a record of `make_dialogues`, of which every turn is checked.
    scene : Scene, AnnotatedImage or Facts
        The truth: `shape`, `material`, `microscope`, `flakes`, `magnification`. Facts bring their
        image.
    image : (H, W, 3) uint8 array, optional
        Where measured quantities are taken from; a stated number must then agree to its last
        digit. Without it they are held against the flakes' own contrast in the optical model,
        within `facts.WITHOUT_IMAGE`: 0.02 and a fifth for a contrast, 1 and a quarter for a ΔE.
    question : str, optional
        What was asked; it tells what a bare *yes* means. A record brings its own.
    min_iou : float, optional
        Intersection over union from which a box is said to lie on a flake.
    few_max : int, optional
        The most layers that are still *few*.

    Returns
    -------
    Verification
        True as a whole only if all claims hold.

    Raises
    ------
    ArgumentError
        Neither a text nor a record.
    """
    turns = getattr(answer, "turns", None)
    if isinstance(answer, str):
        turns = ((question, answer),)
    if turns is None:
        raise ArgumentError("answer", type(answer).__name__, "a text or a record with turns")
    facts = facts_of(scene, image, few_max)
    claims: list[Claim] = []
    known: dict = {}
    for asked, text in turns:
        text = text[:MOST_CHARACTERS]
        statements, known = read_statements(text, known=known, few_max=few_max)
        claims += [_check(s, facts, min_iou) for s in statements]
        claims += _boxes(text, facts, min_iou)
        claims += _counts(text, facts, min_iou)
        claims += _materials(text, facts)
        claims += _verdict(asked, text, facts, min_iou)
        claims += _reference(asked, text, facts, min_iou)
    return Verification(tuple(claims))


def _claim(text: str, kind: str, stated: object, outcome: Outcome) -> Claim:
    status = {True: "confirmed", False: "contradicted", None: "untestable"}[outcome.holds]
    return Claim(text, kind, stated, outcome.true, outcome.tolerance, status)


def _check(statement: Statement, facts: Facts, min_iou: float) -> Claim:
    check: Callable[[Statement, Facts, float], Outcome] = _CHECKS[statement.kind]
    kind = f"predicted {statement.kind}" if statement.model else statement.kind
    return _claim(statement.text, kind, statement.value, check(statement, facts, min_iou))


def _boxes(text: str, facts: Facts, min_iou: float) -> list[Claim]:
    """Check that every box lies on a flake, and on one of its label in the conclusion."""
    parsed = read_answer(text, few_max=facts.few_max)
    claims = []
    what = zip(parsed.labels, parsed.layer_counts, strict=True)
    labelled = dict(zip(parsed.boxes, what, strict=True))
    every = dict.fromkeys(box for _, box in find_boxes(text) if box)
    for box in every:
        label, count = labelled.get(box, (None, None))
        outcome = check_box(box, label, count, facts, min_iou)
        claims.append(_claim(f"{label or 'flake'} at {box}", "box", (label, count), outcome))
    for boxes in (parsed.boxes, parsed.candidates):
        if len(boxes) < 2:
            continue
        on = [facts.find(box)[0] for box in boxes]
        different = len(set(on)) == len(on)
        claims.append(
            _claim(
                "every box is on another flake", "boxes differ", True, Outcome(different, different)
            )
        )
    return claims


def _counts(text: str, facts: Facts, min_iou: float) -> list[Claim]:
    """Check how many flakes of each kind are said to be there, and that as many are listed."""
    parsed = read_answer(text, few_max=facts.few_max)
    blank = REFERENCE.sub(lambda match: " " * len(match[0]), text)
    claims = []
    for mention in count_mentions(blank, few_max=facts.few_max):
        true = _number_of(mention.kind, facts)
        if mention.terraces:
            on = [i for i in (facts.find(box)[0] for box in parsed.boxes) if i is not None]
            true = len(_crystal_of(facts, on[0])) if on else None
        holds = None if true is None else mention.number == true
        said = text[mention.begin : mention.end]
        claims.append(_claim(said, "count", mention.number, Outcome(holds, true)))
    head, _, _ = parsed.conclusion.partition("\n")
    if not head.endswith(":"):
        return claims
    largest = _LARGEST_OF.search(head)
    if not parsed.boxes:
        claims.append(_claim(head, "listing", 0, Outcome(False, "boxes after the colon")))
        return claims
    for mention in count_mentions(head, few_max=facts.few_max)[:1]:
        listed = _listed(mention.kind, parsed)
        wanted = mention.number
        if largest:
            wanted = count_mentions(f"{largest['number']} flakes")[0].number
        claims.append(_claim(head, "listing", listed, Outcome(listed == wanted, wanted)))
    return claims


def _listed(kind: str, parsed: Any) -> int:
    if kind == "total":
        return len(parsed.boxes)
    if kind.endswith("layers"):
        return sum(f"{n} layers" == kind for n in parsed.layer_counts)
    return parsed.labels.count(kind)


def _number_of(kind: str, facts: Facts) -> int:
    if kind == "total":
        return len(facts.flakes)
    if kind.endswith("layers"):
        return len(facts.of(layer_count=int(kind.split()[0])))
    return len(facts.of(kind))


def _crystal_of(facts: Facts, i: int) -> list[int]:
    return next(members for members in facts.crystals.values() if i in members)


def _materials(text: str, facts: Facts) -> list[Claim]:
    """Check every material that the text names: it is in the stack, or it is wrong."""
    stack = facts.scene.microscope
    layers = {name for name, _ in (*stack.layers_above, *stack.layers_below)}
    there = {facts.material, stack.oxide, stack.substrate, stack.ambient, *layers}
    said = _without_others(text)
    return [
        _claim(_line_with(name, said), "material", name, Outcome(name in there, facts.material))
        for name in names_of_materials(said)
    ]


def _line_with(name: str, text: str) -> str:
    """Return the line that names a material, or the beginning where it goes by another name."""
    return next((line for line in text.splitlines() if name in line), text[:60])


def _without_others(text: str) -> str:
    """Return a text without the other materials that it holds against the one that is there."""
    kept = (s for s in SENTENCE.split(text) if s and not (CLOSEST.search(s) and "σ" in s))
    return "\n".join(kept)


def _verdict(question: str, text: str, facts: Facts, min_iou: float) -> list[Claim]:
    """Check a yes or no against what was asked, or against what the answer itself says."""
    parsed = read_answer(text, few_max=facts.few_max)
    said = _YES.match(parsed.conclusion)
    if said is None or (not question and _NO_NOUN.match(parsed.conclusion)):
        return []  # "No monolayer is present" is a count
    verdict = said["word"].lower() == "yes"
    true = _proposition(question or _after(said, text, parsed), facts, min_iou)
    holds = None if true is None else verdict == true
    return [_claim(question or parsed.conclusion, "verdict", verdict, Outcome(holds, true))]


def _after(said: re.Match, text: str, parsed: Any) -> str:
    """Return what follows a yes or no, with the boxes that the conclusion holds."""
    return f"{said.string[said.end() :]} {' '.join(map(format_box, parsed.boxes[:1]))}"


def _proposition(text: str, facts: Facts, min_iou: float) -> bool | None:
    """Return whether what a question asks for is so: a class at a box, or anywhere."""
    mentions = layer_mentions(text, few_max=facts.few_max)
    boxes = [box for _, box in find_boxes(text) if box]
    if not mentions:
        return bool(facts.flakes) if re.search(r"\bflakes?\b", text, re.I) and not boxes else None
    denied = [m for m in mentions if m.negated]
    label, count = (denied or mentions)[0].label, (denied or mentions)[0].layer_count
    matching = facts.of(None if count else label, count)
    if not boxes:
        return bool(matching)
    best, iou = facts.find(boxes[0])
    return best in matching if best is not None and iou >= min_iou else None


def _reference(question: str, text: str, facts: Facts, min_iou: float) -> list[Claim]:
    """Check that the answer's boxes are on the flake that the question points at or describes."""
    boxes = read_answer(text, few_max=facts.few_max).boxes
    asked = [box for _, box in find_boxes(question) if box]
    if asked:
        meant, iou = facts.find(asked[0])
        if not boxes or meant is None or iou < min_iou:
            return []
        found = meant in [facts.find(box)[0] for box in boxes]
        return [_claim(question, "reference", boxes[0], Outcome(found, asked[0]))]
    if not _EXPRESSION_ASKED.search(question):
        return []
    meant = resolve(question, facts, strict=True)
    if not meant or len(meant) != 1 or len(boxes) != 1:
        return []
    best, iou = facts.find(boxes[0])
    holds = best == meant[0] and iou >= min_iou
    true = tuple(facts.boxes[meant[0]].round(2).tolist())
    return [_claim(question, "reference", boxes[0], Outcome(holds, true))]
